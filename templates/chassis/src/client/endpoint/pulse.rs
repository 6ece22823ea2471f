//! Whether anything is heard from the other side of a connection.
//!
//! An instance that hangs (it is stopped, its machine is gone, all its threads are stuck) looks like
//! a slow one: no error comes. What tells them apart is that a slow one goes on to answer PING. Until
//! the PING is given up, which takes seconds, a connection that has a call to answer and is silent is
//! suspected, and new calls go elsewhere if they can. To a call, each server answers in the end;
//! streams may be quiet for hours, and resets, acknowledgements and uploads are not answered at all.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// What was asked of an instance, by any of its connections. The numbers wrap around.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// The calls that were about to be sent.
    asked: AtomicU32,
    /// Those of them whose response has begun, or never will.
    settled: AtomicU32,
}

impl Questions {
    /// A call is about to be sent.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    /// The response to a call has begun, or the call is over.
    pub(super) fn settle(&self) {
        self.settled.fetch_add(1, Relaxed);
    }

    fn are_open(&self) -> bool {
        self.asked.load(Relaxed) != self.settled.load(Relaxed)
    }
}

/// What is known about a connection by its bytes.
#[derive(Debug)]
pub(super) struct Pulse {
    questions: Arc<Questions>,
    /// How many questions there were when something was last sent.
    sent: AtomicU32,
    /// A call was sent since something has come.
    is_waiting: AtomicBool,
    /// How often something came, the end included; it wraps around.
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
    /// That of a new connection: what was asked before is not its to answer.
    pub(super) fn new(questions: Arc<Questions>) -> Self {
        Self {
            sent: AtomicU32::new(questions.asked.load(Relaxed)),
            questions,
            is_waiting: AtomicBool::new(false),
            beats: AtomicU32::new(0),
            first: Notify::new(),
        }
    }

    /// Waits for the first bytes. A server begins with its SETTINGS (RFC 9113, section 3.4), so
    /// there is one behind the port only then: the system accepts connections for processes that
    /// are stopped, too.
    pub(super) async fn first(&self) {
        self.first.notified().await;
    }

    pub(super) fn look(&self) -> Look {
        Look {
            is_waiting: self.is_waiting.load(Relaxed) && self.questions.are_open(),
            beats: self.beats.load(Relaxed),
        }
    }

    // Only the task of the connection writes, so no access has to be a read-modify-write.
    fn sent(&self) {
        let asked = self.questions.asked.load(Relaxed);
        if asked != self.sent.load(Relaxed) {
            self.sent.store(asked, Relaxed);
            self.is_waiting.store(true, Relaxed);
        }
    }

    /// Of no bytes at the end.
    fn heard(&self, bytes: usize) {
        self.is_waiting.store(false, Relaxed);
        let beats = self.beats.load(Relaxed);
        self.beats.store(beats.wrapping_add(1), Relaxed);
        if beats == 0 && bytes > 0 {
            self.first.notify_one();
        }
    }
}

impl Look {
    /// Whether nothing at all has come since `earlier`, not even an end.
    pub(super) fn is_quiet_since(self, earlier: Self) -> bool {
        self.beats == earlier.beats
    }

    /// Whether an answer was waited for since `earlier`, and nothing at all has come.
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
        if polled.is_ready() {
            this.pulse.heard(buffer.filled().len() - before);
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
        let pulse = Arc::new(Pulse::new(Arc::default()));
        (Felt::new(ours, Arc::clone(&pulse)), theirs, pulse)
    }

    async fn ask(ours: &mut Felt<DuplexStream>) {
        ours.pulse.questions.ask();
        ours.write_all(b"ask").await.expect("open");
    }

    async fn hear(ours: &mut Felt<DuplexStream>, theirs: &mut DuplexStream) {
        theirs.write_all(b"x").await.expect("open");
        ours.read_u8().await.expect("open");
    }

    #[tokio::test]
    async fn who_was_asked_and_says_nothing_is_silent() {
        let (mut ours, mut theirs, pulse) = pair();
        let idle = pulse.look();
        assert!(!pulse.look().is_silent_since(idle), "nothing was asked");
        ask(&mut ours).await;
        assert!(!pulse.look().is_silent_since(idle), "it was asked just now");
        let asked = pulse.look();
        assert!(pulse.look().is_silent_since(asked));

        hear(&mut ours, &mut theirs).await;
        assert!(!pulse.look().is_silent_since(asked));
    }

    #[tokio::test]
    async fn who_answers_in_between_is_not_silent() {
        let (mut ours, mut theirs, pulse) = pair();
        ask(&mut ours).await;
        let asked = pulse.look();
        hear(&mut ours, &mut theirs).await;
        ask(&mut ours).await;
        assert!(!pulse.look().is_silent_since(asked));
    }

    #[tokio::test]
    async fn what_is_sent_besides_calls_has_no_answer_to_wait_for() {
        let (mut ours, mut theirs, pulse) = pair();
        ask(&mut ours).await;
        hear(&mut ours, &mut theirs).await;
        ours.write_all(b"more").await.expect("open");
        let uploading = pulse.look();
        assert!(!pulse.look().is_silent_since(uploading));
    }

    #[tokio::test]
    async fn a_call_that_was_given_up_is_not_waited_for() {
        let (mut ours, _theirs, pulse) = pair();
        ask(&mut ours).await;
        let asked = pulse.look();
        pulse.questions.settle();
        ours.write_all(b"reset").await.expect("open");
        assert!(!pulse.look().is_silent_since(asked));
        let reset = pulse.look();
        assert!(!pulse.look().is_silent_since(reset));
    }

    #[tokio::test]
    async fn a_new_connection_is_not_waited_for_by_the_calls_of_the_last() {
        let questions = Arc::new(Questions::default());
        questions.ask();
        let pulse = Arc::new(Pulse::new(questions));
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut ours = Felt::new(ours, Arc::clone(&pulse));
        ours.write_all(b"preface").await.expect("open");
        let connected = pulse.look();
        assert!(!pulse.look().is_silent_since(connected));
    }

    #[tokio::test]
    async fn an_end_is_heard_but_is_no_first_byte() {
        let (mut ours, theirs, pulse) = pair();
        let begun = pulse.look();
        assert!(pulse.look().is_quiet_since(begun));
        drop(theirs);
        ours.read_u8().await.expect_err("it has ended");
        assert!(!pulse.look().is_quiet_since(begun));
        let first = tokio::time::timeout(std::time::Duration::ZERO, pulse.first());
        assert!(first.await.is_err());
    }

    #[tokio::test]
    async fn the_first_bytes_are_told_even_if_nobody_has_waited_yet() {
        let (mut ours, mut theirs, pulse) = pair();
        hear(&mut ours, &mut theirs).await;
        pulse.first().await;
    }
}
