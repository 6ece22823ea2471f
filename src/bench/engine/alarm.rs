//! Noticing panics where nobody waits for the thread or the task.

/// Does what it is told when a panic passes by: tokio keeps those of tasks to itself.
pub(super) struct OnPanic<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::mpsc;

    use tokio::runtime::LocalOptions;
    use tokio::sync::Notify;
    use tokio::task::spawn_local;

    use super::*;
    use crate::bench::engine::{EngineError, Report};
    use crate::error::{Diagnostic as _, Exit};

    #[test]
    fn a_worker_that_panics_is_told_of_and_is_a_bug() {
        let (reports, told) = mpsc::channel();
        let worker = std::thread::spawn(move || {
            let _alarm = OnPanic(|| reports.send(Report::Died).expect("heard"));
            let runtime =
                tokio::runtime::Builder::new_current_thread().build_local(LocalOptions::default());
            runtime.expect("a runtime").block_on(async {
                let died = Rc::new(Notify::new());
                let told = Rc::clone(&died);
                spawn_local(async move {
                    let _alarm = OnPanic(|| told.notify_one());
                    panic!("of a task");
                });
                died.notified().await;
                panic!("of the thread");
            });
        });
        assert!(worker.join().is_err());
        assert!(matches!(told.try_recv(), Ok(Report::Died)));
        assert!(told.try_recv().is_err());
        assert_eq!(EngineError::Died.exit(), Exit::Bug);
    }
}
