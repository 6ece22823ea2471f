//! A stream that ends when its client is too slow or resets too much.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::frames::{Frames, Pending};
use super::{End, metrics};
use crate::config;
use crate::middleware::limit::gcra::Quota;

/// What clients are held to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    handshake_timeout: Option<Duration>,
    frame_timeout: Option<Duration>,
    resets: Option<Quota>,
}

impl From<&config::Connections> for Rules {
    fn from(config: &config::Connections) -> Self {
        Self {
            handshake_timeout: config.handshake_timeout.non_zero(),
            frame_timeout: config.frame_timeout.non_zero(),
            resets: Quota::new(config.resets.rate.get(), config.resets.burst),
        }
    }
}

impl Rules {
    fn timeout(&self, pending: Pending) -> Option<Duration> {
        match pending {
            Pending::Handshake => self.handshake_timeout,
            Pending::Frame => self.frame_timeout,
        }
    }
}

pin_project! {
    /// Watches what is read.
    #[derive(Debug)]
    pub(super) struct Guarded<I> {
        #[pin]
        inner: I,
        rules: Rules,
        frames: Frames,
        begin: Instant,
        // What is awaited from the client, and since when.
        awaited: Option<((Pending, u32), Instant)>,
        // Made when something is awaited for the first time: seldom.
        sleep: Option<Pin<Box<Sleep>>>,
        // Of the bucket of resets.
        resets: u64,
    }
}

impl<I> Guarded<I> {
    /// Of a connection that began at `begin`.
    pub(super) fn new(inner: I, rules: Rules, begin: Instant) -> Self {
        let frames = Frames::new();
        Self {
            inner,
            rules,
            awaited: frames.pending().map(|pending| (pending, begin)),
            frames,
            begin,
            sleep: None,
            resets: 0,
        }
    }
}

impl<I: AsyncRead> AsyncRead for Guarded<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        if let Poll::Ready(result) = this.inner.poll_read(cx, buffer) {
            result?;
            this.frames.advance(&buffer.filled()[before..]);
            let pending = this.frames.pending();
            if this.awaited.map(|(awaited, _)| awaited) != pending {
                *this.awaited = pending.map(|pending| (pending, Instant::now()));
            }
            for _ in 0..this.frames.take_resets() {
                let Some(quota) = this.rules.resets else {
                    break;
                };
                let now = u64::try_from(this.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
                match quota.take(*this.resets, now) {
                    Ok(state) => *this.resets = state,
                    Err(_) => {
                        // An error says that nothing was read.
                        buffer.set_filled(before);
                        return Poll::Ready(Err(cut(End::Resets)));
                    }
                }
            }
            return Poll::Ready(Ok(()));
        }
        let Some(((pending, _), since)) = *this.awaited else {
            return Poll::Pending;
        };
        let Some(timeout) = this.rules.timeout(pending) else {
            return Poll::Pending;
        };
        let until = since + timeout;
        let sleep = this
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        ready!(sleep.as_mut().poll(cx));
        let end = match pending {
            Pending::Handshake => End::Handshake,
            Pending::Frame => End::Frame,
        };
        Poll::Ready(Err(cut(end)))
    }
}

fn cut(end: End) -> io::Error {
    metrics::ended(end);
    end.into()
}

impl<I: AsyncWrite> AsyncWrite for Guarded<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, buffers)
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

    const SECOND: Duration = Duration::from_secs(1);
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const RESET: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];
    const HEADERS: [u8; 9] = [0, 0, 0, 1, 4, 0, 0, 0, 1];

    fn guarded() -> (Guarded<DuplexStream>, DuplexStream) {
        let rules = Rules {
            handshake_timeout: Some(5 * SECOND),
            frame_timeout: Some(2 * SECOND),
            resets: Quota::new(1.0, 3),
        };
        let (inner, client) = tokio::io::duplex(4096);
        (Guarded::new(inner, rules, Instant::now()), client)
    }

    async fn set_up(client: &mut DuplexStream) {
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &SETTINGS].concat();
        client.write_all(&preface).await.expect("open");
    }

    /// Reads to the end; how it ended, and after how many seconds.
    async fn end(mut guarded: Guarded<DuplexStream>) -> (Option<String>, u64) {
        let result = guarded.read_to_end(&mut Vec::new()).await;
        let elapsed = guarded.begin.elapsed().as_secs();
        (result.err().map(|error| error.to_string()), elapsed)
    }

    fn because(end: End) -> Option<String> {
        Some(io::Error::from(end).to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_cut_after_the_handshake_timeout() {
        let (guarded, _client) = guarded();
        assert_eq!(end(guarded).await, (because(End::Handshake), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_preface_byte_by_byte_does_not_gain_time() {
        let (guarded, mut client) = guarded();
        let drip = async {
            loop {
                tokio::time::sleep(SECOND / 2).await;
                if client.write_all(b"P").await.is_err() {
                    break;
                }
            }
        };
        let end = tokio::join!(end(guarded), drip).0;
        assert_eq!(end, (because(End::Handshake), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_frame_is_cut_after_the_frame_timeout() {
        let (guarded, mut client) = guarded();
        set_up(&mut client).await;
        let slow = async {
            tokio::time::sleep(10 * SECOND).await;
            client.write_all(&HEADERS[..4]).await.expect("open");
            tokio::time::sleep(SECOND).await;
            client.write_all(&HEADERS[4..6]).await.expect("open");
            client
        };
        let (end, _client) = tokio::join!(end(guarded), slow);
        assert_eq!(end, (because(End::Frame), 12));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_stays() {
        let (guarded, mut client) = guarded();
        set_up(&mut client).await;
        let idle = async {
            for _ in 0..3 {
                tokio::time::sleep(100 * SECOND).await;
                client.write_all(&HEADERS).await.expect("open");
            }
            drop(client);
        };
        assert_eq!(tokio::join!(end(guarded), idle).0, (None, 300));
    }

    #[tokio::test(start_paused = true)]
    async fn resets_above_their_rate_end_the_connection() {
        let (guarded, mut client) = guarded();
        set_up(&mut client).await;
        let resets = async {
            for _ in 0..10 {
                client.write_all(&RESET).await.expect("open");
                tokio::time::sleep(SECOND).await;
            }
            client.write_all(&RESET.repeat(4)).await.expect("open");
            client
        };
        let (end, _client) = tokio::join!(end(guarded), resets);
        assert_eq!(end, (because(End::Resets), 10));
    }
}
