//! When calls start: the callers of a closed loop, the schedule of an open one.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until};

use super::Pacing;
use super::ledger::{Clock, Ledger};
use super::line::{Call, Line};
use super::timer::Timer;
use crate::bench::load::{Plan, Schedule, share};

/// Calls that are due at the end of the time are still sent within this time.
const LAST_CALL: Duration = Duration::from_millis(50);
/// How much earlier than a call is due the timer goes off, where it is waited for without sleep: timers
/// are some tens of microseconds late.
const SPIN: Duration = Duration::from_micros(100);
/// A timer goes off no more often than this: what is due in between is sent together, for a wake-up costs
/// many times what a call does.
const GRAIN: Duration = Duration::from_micros(50);
/// In a turn that takes no longer than this, nothing was done but waiting.
const IDLE_TURN: Duration = Duration::from_micros(5);
/// A pacer that is behind its schedule lets answers in after so many calls.
const BURST: usize = 16;
/// Where the number of callers changes, it does so in steps of this.
const ROLL_CALL: Duration = Duration::from_millis(10);

/// Callers that each wait for an answer before the next call; those of the worker `index`.
pub(super) async fn closed_loop<L: Line>(ledger: &Ledger, lines: &[Rc<L>], index: usize) {
    if !ledger.is_spent() {
        tokio::select! {
            () = employ(ledger, lines, index) => {}
            () = until(ledger.clock().ends) => {}
            () = ledger.spent() => {}
            () = ledger.over.notified() => {}
        }
    }
    while ledger.in_flight() > 0 {
        ledger.landed().await;
    }
}

/// Has the callers that the plan wants at each time, for ever.
async fn employ<L: Line>(ledger: &Ledger, lines: &[Rc<L>], index: usize) {
    let plan = &ledger.job.plan;
    let measured_from = ledger.clock().measured_from;
    let mut employed = None;
    loop {
        let seconds = Instant::now().saturating_duration_since(measured_from);
        let callers = callers_of(plan, seconds, index);
        if employed.replace(callers) != Some(callers) {
            for (number, line) in lines.iter().enumerate() {
                line.employ(share(callers, lines.len(), number) as usize);
            }
        }
        match plan.profile {
            Some(_) => sleep(ROLL_CALL).await,
            None => std::future::pending().await,
        }
    }
}

/// The callers of a worker at this time of the measurement.
fn callers_of(plan: &Plan, time: Duration, index: usize) -> u64 {
    let all = plan.callers_at(time.as_secs_f64());
    share(all as u64, plan.threads, index)
}

/// Calls at their intended times, whatever came of those before.
pub(super) async fn open_loop<L: Line>(
    ledger: &Ledger,
    lines: &[Rc<L>],
    mut schedule: Schedule,
    cap: usize,
) -> io::Result<()> {
    let timer = Timer::new()?;
    let Clock { begin, ends, .. } = *ledger.clock();
    let is_past = |now: Instant| ends.is_some_and(|end| now >= end + LAST_CALL);
    let mut burst = 0;
    let mut turn = 0;
    // From a call that waits for others until the schedule is caught up with.
    let mut is_held_back = false;
    // The same where it is the server that allows no more.
    let mut is_limited = false;
    let mut now = Instant::now();
    let mut woken = now;
    while let Some(due) = schedule.next() {
        let intended = begin + due.at;
        if now < intended {
            now = Instant::now();
        }
        if now < intended {
            burst = 0;
            is_held_back = false;
            is_limited = false;
            now = wait(&timer, intended.max(woken + GRAIN), intended, ledger).await;
            woken = now;
        }
        let mut line = None;
        while !ledger.is_over() && !is_past(now) {
            if ledger.in_flight() < cap {
                line = next_line(lines, &mut turn);
                if line.is_some() {
                    break;
                }
                is_limited = true;
            }
            is_held_back = true;
            tokio::select! {
                () = ledger.landed() => {}
                () = ledger.over.notified() => {}
                () = until(ends.map(|end| end + LAST_CALL)) => {}
            }
            now = Instant::now();
        }
        let Some(line) = line else {
            // What was still to come when the bench was broken off was never due.
            let time = ledger.over_since().unwrap_or(now) - begin;
            let this = u64::from(due.measured && due.at <= time);
            ledger.recorder.borrow_mut().unsent += this + schedule.due_by(time);
            break;
        };
        if due.measured {
            let mut recorder = ledger.recorder.borrow_mut();
            recorder.limited += u64::from(is_limited);
            if is_held_back {
                recorder.held_back += 1;
            } else {
                recorder.lateness.record(now - intended);
            }
        }
        line.dispatch(Call {
            intended,
            ..ledger.take_off(now, due.measured)
        });
        burst += 1;
        if burst % BURST == 0 {
            yield_now().await;
            now = Instant::now();
        }
    }
    while ledger.in_flight() > 0 {
        ledger.landed().await;
    }
    Ok(())
}

/// Waits until a call is due, or, where a timer is enough, until then or a little longer; gives the time.
async fn wait(timer: &Timer, then: Instant, intended: Instant, ledger: &Ledger) -> Instant {
    if ledger.job.pacing == Pacing::Timer {
        timer.sleep_until(then).await;
        return Instant::now();
    }
    // The past is not waited for.
    let early = intended.checked_sub(SPIN).unwrap_or(intended);
    timer.sleep_until(early).await;
    let window = &ledger.clock().window;
    let mut now = Instant::now();
    while now < intended {
        // Answers that come meanwhile are taken.
        yield_now().await;
        let before = std::mem::replace(&mut now, Instant::now());
        if now - before < IDLE_TURN {
            window.spin(now - before);
        }
    }
    now
}

/// Connections take turns; those that are lost are passed over while there are others. None, when all
/// that there are have as many calls as the server allows.
fn next_line<'a, L: Line>(lines: &'a [Rc<L>], turn: &mut usize) -> Option<&'a Rc<L>> {
    let first = *turn;
    let mut is_any_up = false;
    for step in 1..=lines.len() {
        let number = (first + step) % lines.len();
        let line = &lines[number];
        is_any_up |= line.is_up();
        if line.is_up() && line.has_room() {
            *turn = number;
            return Some(line);
        }
    }
    *turn = (first + 1) % lines.len();
    (!is_any_up).then(|| &lines[*turn])
}

/// Waits until then; without a time, for ever.
pub(super) async fn until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}
