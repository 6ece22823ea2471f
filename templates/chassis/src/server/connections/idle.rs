//! How long a connection has had no calls (gRFC A9, `MAX_CONNECTION_IDLE`).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};

/// The calls of a connection.
#[derive(Debug)]
pub(super) struct Calls(Mutex<State>);

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// When the last one ended.
    idle_since: Instant,
}

/// A call in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct Begun(Arc<Calls>);

impl Calls {
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            in_flight: 0,
            idle_since: Instant::now(),
        })))
    }

    pub(super) fn begin(self: &Arc<Self>) -> Begun {
        self.lock().in_flight += 1;
        Begun(Arc::clone(self))
    }

    /// Waits until there was no call for as long.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            let since = {
                let state = self.lock();
                match state.in_flight {
                    0 => state.idle_since,
                    // It ends now at the earliest.
                    _ => Instant::now(),
                }
            };
            let Some(end) = since.checked_add(time) else {
                return std::future::pending().await;
            };
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight -= 1;
        state.idle_since = Instant::now();
    }
}

pin_project! {
    /// A response with which its call is in flight.
    #[derive(Debug)]
    pub(super) struct CountedBody<B> {
        #[pin]
        inner: B,
        begun: Option<Begun>,
    }
}

impl<B> CountedBody<B> {
    pub(super) fn new(inner: B, begun: Option<Begun>) -> Self {
        Self { inner, begun }
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_end_of_its_last_call_on() {
        let calls = Calls::none();
        let begin = Instant::now();
        calls.idle_for(SECOND).await;
        assert_eq!(begin.elapsed(), SECOND, "it never had one");

        let (first, second) = (calls.begin(), calls.begin());
        let waiting = Arc::clone(&calls);
        let idle = tokio::spawn(async move {
            waiting.idle_for(SECOND).await;
            begin.elapsed()
        });
        tokio::time::sleep(SECOND * 5).await;
        drop(first);
        tokio::time::sleep(SECOND * 5).await;
        assert!(!idle.is_finished());
        drop(second);
        // Since 11 s; it is looked for again a second after the last look at the latest.
        let end = idle.await.expect("no panic");
        assert!((SECOND * 12..SECOND * 13).contains(&end), "{end:?}");
    }
}
