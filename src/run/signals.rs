//! What asks `msvc run` to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::IoFailure;

/// SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub struct Signals(UnboundedReceiver<()>);

impl Signals {
    /// From now on these signals no longer end the process.
    ///
    /// # Errors
    /// When the system does not let us listen.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn listen() -> Result<Self, IoFailure> {
        let (sender, receiver) = unbounded_channel();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            let mut signals = signal(kind).map_err(|source| IoFailure {
                attempt: "listen for signals".to_owned(),
                source,
            })?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    let _ = sender.send(());
                }
            });
        }
        Ok(Self(receiver))
    }

    /// Returns when the next one comes.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
