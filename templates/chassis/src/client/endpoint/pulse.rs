//! Whether anything is heard from the other side of a connection.
//!
//! An instance that hangs (it is stopped, its machine is gone, all its threads are stuck) looks like
//! a slow one: no error comes. What tells them apart is that a slow one goes on to answer PING. Until
//! the PING is given up, which takes seconds, a connection that has something to answer and is silent
//! is suspected, and new calls go elsewhere if they can.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// What is known about a connection by its bytes.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Something was sent since something has come.
    is_waiting: AtomicBool,
    /// How often something came; it wraps around.
    beats: AtomicU32,
    /// Told by the first bytes that come.
    first: Notify,
}

/// What was seen of a pulse at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    is_waiting: bool,
    beats: u32,
}

impl Pulse {
    /// Waits for the first bytes. A server begins with its SETTINGS (RFC 9113, section 3.4), so
    /// there is one behind the port only then: the system accepts connections for processes that
    /// are stopped, too.
    pub(super) async fn first(&self) {
        self.first.notified().await;
    }

    pub(super) fn look(&self) -> Look {
        Look {
            is_waiting: self.is_waiting.load(Ordering::Relaxed),
            beats: self.beats.load(Ordering::Relaxed),
        }
    }

    // Only the task of the connection writes, so no access has to be a read-modify-write.
    fn sent(&self) {
        self.is_waiting.store(true, Ordering::Relaxed);
    }

    fn heard(&self) {
        self.is_waiting.store(false, Ordering::Relaxed);
        let beats = self.beats.load(Ordering::Relaxed);
        self.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
        if beats == 0 {
            self.first.notify_one();
        }
    }
}

impl Look {
    /// Whether something was waited for since `earlier`, and nothing at all has come.
    pub(super) fn is_silent_since(self, earlier: Self) -> bool {
        earlier.is_waiting && self == earlier
    }
}

pin_project! {
    /// A stream whose bytes are noticed.
    #[derive(Debug)]
    pub(super) struct Felt<S> {
        #[pin]
        inner: S,
        pulse: Arc<Pulse>,
    }
}

impl<S> Felt<S> {
    pub(super) fn new(inner: S, pulse: Arc<Pulse>) -> Self {
        Self { inner, pulse }
    }
}

impl<S: AsyncRead> AsyncRead for Felt<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        let polled = this.inner.poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.pulse.heard();
        }
        polled
    }
}

impl<S: AsyncWrite> AsyncWrite for Felt<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.inner.poll_write(cx, buffer);
        if let Poll::Ready(Ok(1..)) = polled {
            this.pulse.sent();
        }
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.inner.poll_write_vectored(cx, buffers);
        if let Poll::Ready(Ok(1..)) = polled {
            this.pulse.sent();
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    fn pair() -> (Felt<DuplexStream>, DuplexStream, Arc<Pulse>) {
        let (ours, theirs) = tokio::io::duplex(16);
        let pulse = Arc::new(Pulse::default());
        (Felt::new(ours, Arc::clone(&pulse)), theirs, pulse)
    }

    #[tokio::test]
    async fn who_was_asked_and_says_nothing_is_silent() {
        let (mut ours, mut theirs, pulse) = pair();
        let idle = pulse.look();
        assert!(!pulse.look().is_silent_since(idle), "nothing was asked");
        ours.write_all(b"ask").await.expect("open");
        assert!(!pulse.look().is_silent_since(idle), "it was asked just now");
        let asked = pulse.look();
        assert!(pulse.look().is_silent_since(asked));

        theirs.write_all(b"x").await.expect("open");
        ours.read_u8().await.expect("open");
        assert!(!pulse.look().is_silent_since(asked));
    }

    #[tokio::test]
    async fn who_answers_in_between_is_not_silent() {
        let (mut ours, mut theirs, pulse) = pair();
        ours.write_all(b"ask").await.expect("open");
        let asked = pulse.look();
        theirs.write_all(b"x").await.expect("open");
        ours.read_u8().await.expect("open");
        ours.write_all(b"ask").await.expect("open");
        assert!(!pulse.look().is_silent_since(asked));
    }

    #[tokio::test]
    async fn the_first_bytes_are_told_even_if_nobody_has_waited_yet() {
        let (mut ours, mut theirs, pulse) = pair();
        theirs.write_all(b"settings").await.expect("open");
        ours.read_u8().await.expect("open");
        pulse.first().await;
    }
}
