//! Writing lines without waiting for whoever reads them.
//!
//! A pipe that is not read fills up, and a program that writes to it stands still. So lines go into
//! a buffer, which a thread writes out, many at a time. When the buffer is full, lines are lost and
//! counted: a service that answers without a log is better than one that logs and does not answer.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A second's worth of lines at several thousand calls a second.
const CAPACITY: usize = 4 * 1024 * 1024;

/// How long lines gather after others were written. To wake the thread and to write cost several
/// times what a line costs, so a busy service does it a hundred times a second and not for each.
const GATHER: Duration = Duration::from_millis(10);

/// As much as is not let wait.
const PLENTY: usize = CAPACITY / 8;

/// Where lines are written. Clones share the buffer.
#[derive(Debug, Clone)]
pub(in crate::telemetry) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told, where the thread waits for it, when there is something to write, or to end.
    news: Condvar,
    /// Told when everything is written.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    lost: u64,
    /// Whether the thread has nothing to do until it is told.
    idle: bool,
    phase: Phase,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The thread writes.
    #[default]
    Running,
    /// The thread writes what is left.
    Ending,
    /// There is no thread: lines are written where they come from.
    Ended,
    /// The thread did not get done in time: lines are lost, or they would hold up the end.
    Stuck,
}

impl Writer {
    /// Begins to write to `output`.
    pub(super) fn start(output: impl Write + Send + 'static) -> Self {
        Self::gathering(GATHER, output)
    }

    fn gathering(time: Duration, output: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            news: Condvar::new(),
            done: Condvar::new(),
        });
        let thread = std::thread::Builder::new().name("log".to_owned());
        let theirs = Arc::clone(&shared);
        if thread.spawn(move || theirs.run(time, output)).is_err() {
            // No thread is left to be had: better slow than silent.
            shared.lock().phase = Phase::Ended;
        }
        Self { shared }
    }

    /// Takes a line, to be written soon.
    pub(super) fn write(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.phase == Phase::Ended {
            drop(state);
            // Nobody is left to be told that the log cannot be written.
            let _ = io::stdout().lock().write_all(line);
            return;
        }
        if state.phase == Phase::Stuck {
            return;
        }
        if state.buffer.len() + line.len() > CAPACITY {
            state.lost += 1;
            return;
        }
        let before = state.buffer.len();
        state.buffer.extend_from_slice(line);
        let is_plenty = before < PLENTY && state.buffer.len() >= PLENTY;
        let wake = std::mem::take(&mut state.idle) || is_plenty;
        drop(state);
        if wake {
            self.shared.news.notify_one();
        }
    }

    /// Waits until everything is written, at most for `limit`, and ends the thread.
    pub(in crate::telemetry) fn flush(&self, limit: Duration) {
        let mut state = self.shared.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Ending;
        }
        self.shared.news.notify_one();
        let unfinished = |state: &mut State| state.phase != Phase::Ended;
        let waited = self
            .shared
            .done
            .wait_timeout_while(state, limit, unfinished);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.phase != Phase::Ended {
            state.phase = Phase::Stuck;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, time: Duration, mut output: impl Write) {
        let mut batch = Vec::new();
        loop {
            let idle = |state: &mut State| {
                state.idle = state.buffer.is_empty() && state.phase == Phase::Running;
                state.idle
            };
            let waited = self.news.wait_while(self.lock(), idle);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            if state.buffer.is_empty() {
                state.phase = Phase::Ended;
                self.done.notify_all();
                return;
            }
            std::mem::swap(&mut batch, &mut state.buffer);
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            let _ = output.write_all(&batch).and_then(|()| output.flush());
            batch.clear();
            if lost > 0 {
                tracing::warn!(lost, "log lines were lost: nobody read them fast enough");
            }
            let gathers =
                |state: &mut State| state.phase == Phase::Running && state.buffer.len() < PLENTY;
            drop(self.news.wait_timeout_while(self.lock(), time, gathers));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// An output that waits to be read, line by line.
    struct Slow {
        lines: Sender<String>,
        turns: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.lines.send(text).map_err(io::Error::other)?;
            let _ = self.turns.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Writer, Receiver<String>, Sender<()>) {
        slow_gathering(Duration::ZERO)
    }

    fn slow_gathering(time: Duration) -> (Writer, Receiver<String>, Sender<()>) {
        let (lines, written) = channel();
        let (turn, turns) = channel();
        let writer = Writer::gathering(time, Slow { lines, turns });
        (writer, written, turn)
    }

    #[test]
    fn lines_gather_after_others_were_written() {
        let (writer, written, turn) = slow_gathering(Duration::from_secs(3600));
        drop(turn);
        writer.write(b"at once\n");
        assert_eq!(written.recv().expect("written"), "at once\n");
        writer.write(b"a\n");
        writer.write(b"b\n");
        writer.flush(Duration::from_secs(60));
        assert_eq!(written.recv().expect("written"), "a\nb\n");
    }

    #[test]
    fn plenty_of_lines_do_not_wait() {
        let (writer, written, turn) = slow_gathering(Duration::from_secs(3600));
        drop(turn);
        writer.write(b"at once\n");
        assert_eq!(written.recv().expect("written"), "at once\n");
        let line = "x".repeat(PLENTY);
        writer.write(line.as_bytes());
        assert_eq!(written.recv().expect("written"), line);
    }

    #[test]
    fn lines_that_come_while_one_is_written_are_written_together() {
        let (writer, written, turn) = slow();
        writer.write(b"a\n");
        assert_eq!(written.recv().expect("written"), "a\n");
        writer.write(b"b\n");
        writer.write(b"c\n");
        turn.send(()).expect("waiting");
        assert_eq!(written.recv().expect("written"), "b\nc\n");
        drop(turn);
        writer.flush(Duration::from_secs(60));
    }

    #[test]
    fn nobody_waits_for_an_output_that_stands_still() {
        let (writer, written, _turn) = slow();
        let line = vec![b'x'; 1024];
        writer.write(&line);
        written.recv().expect("written");
        for _ in 0..10_000 {
            writer.write(&line);
        }
        let state = writer.shared.lock();
        assert_eq!(state.buffer.len(), CAPACITY);
        assert_eq!(state.lost, 10_000 - (CAPACITY / line.len()) as u64);
    }

    #[test]
    fn a_flush_does_not_wait_for_ever() {
        let (writer, written, _turn) = slow();
        writer.write(b"stuck\n");
        written.recv().expect("written");
        writer.flush(Duration::from_millis(1));
        writer.write(b"lost\n");
        assert_eq!(writer.shared.lock().phase, Phase::Stuck);
    }

    #[test]
    fn a_flush_waits_for_what_is_left_and_ends_the_thread() {
        let (writer, written, turn) = slow();
        writer.write(b"last\n");
        drop(turn);
        writer.flush(Duration::from_secs(60));
        assert_eq!(written.recv().expect("written"), "last\n");
        assert!(written.recv().is_err());
        assert_eq!(writer.shared.lock().phase, Phase::Ended);
    }
}
