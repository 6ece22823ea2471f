//! How handlers learn that the process is about to end.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::watch;
use tonic::codegen::tokio_stream::Stream;

/// Whether this process has begun to finish its calls. A process serves once, so there is one.
static STOPPING: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Tells everybody who waits in [`stopping`].
pub(super) fn announce() {
    STOPPING.send_replace(true);
}

/// Resolves when the process begins to finish the calls in flight: it has left the registry, and
/// [`serve`](crate::serve) ends once they are done. Never resolves in a process that is not told to
/// stop.
pub fn stopping() -> impl Future<Output = ()> + Send + 'static {
    let mut stopping = STOPPING.subscribe();
    async move {
        // The sender is never dropped, so there is no error to handle.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}

/// Ends `stream` when the process begins to finish its calls ([`stopping`]). It is for response
/// streams that do not end by themselves: each would hold the shutdown up for the whole of
/// `server.drain_timeout`.
///
/// ```
/// # use tonic::codegen::tokio_stream::{self, Stream};
/// # fn changes() -> impl Stream<Item = u32> { tokio_stream::empty() }
/// let response = chassis::until_stopping(changes());
/// ```
pub fn until_stopping<S: Stream>(stream: S) -> UntilStopping<S> {
    UntilStopping {
        stream,
        stopping: Box::pin(stopping()),
    }
}

pin_project! {
    /// The stream that [`until_stopping`] returns.
    pub struct UntilStopping<S> {
        #[pin]
        stream: S,
        stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    }
}

impl<S: Stream> Stream for UntilStopping<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        // What is ready is still sent: only waiting ends.
        match this.stream.poll_next(context) {
            Poll::Pending => this.stopping.as_mut().poll(context).map(|()| None),
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_when_the_process_stops_and_not_before() {
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut stream = until_stopping(stream);
        sender.send(1).await.expect("open");
        assert_eq!(stream.next().await, Some(1));
        sender.send(2).await.expect("open");
        announce();
        assert_eq!(stream.next().await, Some(2));
        assert_eq!(stream.next().await, None);
    }
}
