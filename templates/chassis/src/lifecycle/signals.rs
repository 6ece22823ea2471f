//! The signals that ask a service to end.

use std::io::{self, Read};
use std::thread;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// SIGTERM, by which orchestrators ask, and SIGINT, by which a person does with Ctrl-C.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on these signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next signal.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Ctrl-C, where there are no signals.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// From now on Ctrl-C no longer ends the process by itself.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// The name of the next signal.
    pub(super) async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

/// Resolves when standard input ends. Whoever started this process holds the other end of it, and
/// even a process that is killed lets go of its pipes.
pub(super) async fn stdin_closed() {
    let (closed, wait) = oneshot::channel();
    // Reading standard input cannot be cancelled, so it has a thread that nothing waits for.
    let thread = thread::Builder::new().name("stdin".to_owned());
    let started = thread.spawn(move || {
        let mut buffer = [0; 256];
        while matches!(io::stdin().read(&mut buffer), Ok(1..)) {}
        let _ = closed.send(());
    });
    if started.is_err() || wait.await.is_err() {
        std::future::pending().await
    }
}
