//! What happens on this machine while calls are made: what the server takes, and what others do.
//!
//! Virtual machines are told how much of their processors the host gives to others, if the host likes; often
//! it tells nothing. So a thread looks itself: for 1 ms of every 100 ms it does nothing but read the wall
//! clock and its own processor time. Where the wall clock jumps and the processor time with it, the system
//! took the thread to be running while it was not: somebody outside had the processor. Where the processor
//! time did not jump, another thread of this system had it.

mod containers;
mod processes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::bench::report::{Host, Server};

pub use processes::{is_this_machine, listening};

/// How often is spun, and for how long.
const PERIOD: Duration = Duration::from_millis(100);
const SPIN: Duration = Duration::from_millis(1);
/// A jump of the clock by more than this is none of the loop's own.
const JUMP: Duration = Duration::from_micros(50);

/// Somebody who watches.
pub struct Watch {
    is_measuring: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    probe: Option<JoinHandle<Spun>>,
    processes: Vec<u32>,
    first: Option<Look>,
    last: Option<Look>,
}

/// What was seen at a time.
#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    /// The processor time of the server.
    server: Option<Duration>,
    /// The time of all processors, and what of it the host says that others had, in ticks.
    processors: Option<(u64, u64)>,
}

/// What the probe found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spun {
    total: Duration,
    stolen: Duration,
    preempted: Duration,
}

impl Watch {
    /// Starts to watch the machine and these processes.
    pub fn start(processes: Vec<u32>) -> Self {
        let (is_measuring, is_over) = (Arc::default(), Arc::default());
        let flags = (Arc::clone(&is_measuring), Arc::clone(&is_over));
        let probe = thread::Builder::new()
            .name("probe".to_owned())
            .spawn(move || probe(&flags.0, &flags.1));
        Self {
            is_measuring,
            is_over,
            // Without a thread for it, nothing is known.
            probe: probe.ok(),
            processes,
            first: None,
            last: None,
        }
    }

    /// Looks, while calls are measured; is to be told of it several times a second.
    pub fn tick(&mut self, is_measuring: bool) {
        self.is_measuring.store(is_measuring, Ordering::Relaxed);
        if is_measuring {
            let look = Look {
                at: Instant::now(),
                server: processes::processor_time(&self.processes),
                processors: processes::processors(),
            };
            self.first.get_or_insert(look);
            self.last = Some(look);
        }
    }

    /// Ends the watch; `calls_per_second` is what was done meanwhile.
    pub fn finish(mut self, calls_per_second: f64) -> (Option<Host>, Option<Server>) {
        self.is_over.store(true, Ordering::Relaxed);
        let spun = self.probe.take().and_then(|probe| probe.join().ok());
        let looks = self.first.zip(self.last);
        let looks = looks.filter(|(first, last)| last.at > first.at);
        let steal = looks.and_then(|(first, last)| {
            let ((before, stolen_before), (after, stolen_after)) =
                first.processors.zip(last.processors)?;
            let total = after.checked_sub(before).filter(|total| *total > 0)?;
            Some(percent(
                stolen_after.saturating_sub(stolen_before) as f64 / total as f64,
            ))
        });
        let host = spun.filter(|spun| !spun.total.is_zero()).map(|spun| Host {
            spun_seconds: spun.total.as_secs_f64(),
            stolen_percent: percent(spun.stolen.as_secs_f64() / spun.total.as_secs_f64()),
            preempted_percent: percent(spun.preempted.as_secs_f64() / spun.total.as_secs_f64()),
            steal_percent: steal,
        });
        let server = looks.and_then(|(first, last)| {
            let used = last.server?.checked_sub(first.server?)?;
            let cores = used.as_secs_f64() / (last.at - first.at).as_secs_f64();
            Some(Server {
                processes: self.processes.clone(),
                cores: round(cores),
                cpu_seconds_per_million_calls: (calls_per_second > 0.0)
                    .then(|| round(cores * 1e6 / calls_per_second)),
            })
        });
        (host, server)
    }
}

fn percent(share: f64) -> f64 {
    round(share * 100.0)
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn probe(is_measuring: &AtomicBool, is_over: &AtomicBool) -> Spun {
    let mut spun = Spun::default();
    while !is_over.load(Ordering::Relaxed) {
        if is_measuring.load(Ordering::Relaxed) {
            spin(&mut spun, || (Instant::now(), thread_time()));
        }
        thread::sleep(PERIOD - SPIN);
    }
    spun
}

/// Looks at both clocks for a while.
fn spin(spun: &mut Spun, mut clocks: impl FnMut() -> (Instant, Duration)) {
    let (begun, mut used) = clocks();
    let mut last = begun;
    while last < begun + SPIN {
        let (now, now_used) = clocks();
        let (passed, ran) = (now - last, now_used.saturating_sub(used));
        if passed > JUMP {
            spun.stolen += ran.min(passed);
            spun.preempted += passed.saturating_sub(ran);
        }
        (last, used) = (now, now_used);
    }
    spun.total += last - begun;
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or(0),
        time.tv_nsec.try_into().unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    /// Spins with clocks that advance by these times, wall and processor, and then by a microsecond each.
    fn found(jumps: &[(Duration, Duration)]) -> Spun {
        let mut jumps = jumps.iter().copied();
        let (mut wall, mut processor) = (Instant::now(), Duration::ZERO);
        let mut spun = Spun::default();
        spin(&mut spun, || {
            let (passed, ran) = jumps.next().unwrap_or((MICROSECOND, MICROSECOND));
            wall += passed;
            processor += ran;
            (wall, processor)
        });
        spun
    }

    #[test]
    fn what_others_outside_have_is_told_from_what_others_inside_have() {
        let none = Duration::ZERO;
        let quiet = found(&[]);
        assert_eq!((quiet.stolen, quiet.preempted), (none, none));
        // The first reading is the beginning.
        let pause = SPIN / 2;
        let stolen = found(&[(none, none), (pause, pause)]);
        assert_eq!((stolen.stolen, stolen.preempted), (pause, none));
        let preempted = found(&[(none, none), (pause, MICROSECOND)]);
        assert_eq!(
            (preempted.stolen, preempted.preempted),
            (MICROSECOND, pause - MICROSECOND)
        );
        assert_eq!(preempted.total, SPIN);
    }

    #[test]
    fn the_processor_time_of_this_process_is_seen() {
        let mut watch = Watch::start(vec![std::process::id()]);
        watch.tick(true);
        let begun = Instant::now();
        while thread_time() < Duration::from_millis(60)
            || begun.elapsed() < Duration::from_millis(150)
        {
            std::hint::black_box(());
        }
        watch.tick(true);
        let (host, server) = watch.finish(1_000.0);
        if cfg!(target_os = "linux") {
            let server = server.expect("it is this process");
            assert!(server.cores > 0.0, "{server:?}");
            assert_eq!(server.processes, [std::process::id()]);
        }
        assert!(host.is_some_and(|host| host.spun_seconds > 0.0));
    }
}
