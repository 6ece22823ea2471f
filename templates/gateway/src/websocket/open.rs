//! How many conversations there are. A connection that has become a WebSocket is none of the server's
//! any more, so its drain does not wait for them.

use std::convert::Infallible;

use chassis::background::Stop;
use tokio::sync::watch;

/// The conversations that have not ended. Clones count the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open(watch::Sender<usize>);

/// One of them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Entry(Open);

impl Open {
    /// One more.
    pub(crate) fn enter(&self) -> Entry {
        self.0.send_modify(|count| *count += 1);
        Entry(self.clone())
    }

    /// Work beside the calls that ends, when it is to stop, with the last conversation.
    pub(crate) async fn ended(self, stop: Stop) -> Result<(), Infallible> {
        stop.requested().await;
        // The sender is here, so there is no error.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
        Ok(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
