//! Several attempts at a time: the first success counts (gRFC A6, "Hedging Policy").

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tower::Service;

use super::body::AttemptBody;
use super::call::Call;
use super::metrics;
use super::outcome::{Failure, Outcome, Pushback, outcome};
use super::policy::{Delay, HedgePolicy};

/// What a hedged call waits for.
enum Event<T> {
    /// An attempt has ended.
    Ended(T),
    /// It is time for another.
    Due,
}

/// Makes `call`, of which `first` is the first attempt. What is still in flight at the end is
/// cancelled.
pub(super) async fn hedge<S, B>(
    mut call: Call<S>,
    policy: Arc<HedgePolicy>,
    first: S::Future,
) -> Result<Response<B>, Status>
where
    S: Service<Request<AttemptBody>, Response = Response<B>, Error = Status>,
{
    let begin = Instant::now();
    let mut attempts = vec![Box::pin(first)];
    // Tokio takes what is too long for the clock as far in the future.
    let patience = call.patience(policy.delay, begin);
    let mut next = Box::pin(sleep(patience.unwrap_or(Duration::MAX)));
    let mut is_open = true;
    // Whether the next attempt is due because the others take long, and not because one failed.
    let mut is_late = true;
    // The failures since the first attempt, or since a server has said when to come back.
    let mut failures = 0;
    let mut last = None;
    loop {
        let event = poll_fn(|cx| poll(&mut attempts, is_open.then_some(&mut next), cx)).await;
        match event {
            Event::Ended(result) => {
                let failure = match outcome(&result) {
                    Outcome::Response => {
                        call.succeeded();
                        drop(attempts);
                        return call.end(result);
                    }
                    Outcome::Failure(failure) => failure,
                    Outcome::Unprocessed if call.is_unseen() => {
                        attempts.push(again(&mut call).await?);
                        continue;
                    }
                    Outcome::Unprocessed => Failure::UNPROCESSED,
                    // The others may be in better hands; a new one would wait as long again.
                    Outcome::NotReady => {
                        is_open = false;
                        last = last.or(Some(result));
                        if attempts.is_empty()
                            && let Some(last) = last.take()
                        {
                            return call.end(last);
                        }
                        continue;
                    }
                };
                let is_fatal = !policy.non_fatal.contains(failure.code);
                if !is_fatal || failure.pushback == Pushback::Never {
                    call.failed();
                }
                if is_fatal {
                    drop(attempts);
                    return call.end(result);
                }
                let pause = pause_after(failure.pushback, &policy, failures);
                match pause.and_then(|pause| Instant::now().checked_add(pause)) {
                    Some(instant) => next.as_mut().reset(instant),
                    None => is_open = false,
                }
                failures = match failure.pushback {
                    Pushback::After(_) => 0,
                    Pushback::None | Pushback::Never => failures + 1,
                };
                is_late = false;
                last = Some(result);
            }
            Event::Due if call.refusal(policy.max_attempts, Duration::ZERO).is_none() => {
                attempts.push(again(&mut call).await?);
                metrics::hedged(call.path());
                if is_late && policy.delay == Delay::HalfOfWhatIsLeft {
                    // Nobody has asked for it: when all instances are slow, it must not go on.
                    call.failed();
                }
                is_late = true;
                tracing::info!(attempt = call.attempts(), "hedging");
                match call.patience(policy.delay, begin) {
                    Some(delay) => next.as_mut().reset(Instant::now() + delay),
                    None => is_open = false,
                }
            }
            Event::Due => is_open = false,
        }
        // What would not be sent when it is due does not have to be waited for.
        let pause = next.deadline().saturating_duration_since(Instant::now());
        is_open = is_open && call.refusal(policy.max_attempts, pause).is_none();
        if attempts.is_empty()
            && !is_open
            && let Some(last) = last.take()
        {
            return call.end(last);
        }
    }
}

/// Makes another attempt.
async fn again<S>(call: &mut Call<S>) -> Result<Pin<Box<S::Future>>, Status>
where
    S: Service<Request<AttemptBody>, Error = Status>,
{
    poll_fn(|cx| call.inner.poll_ready(cx)).await?;
    let request = call.again()?;
    Ok(Box::pin(call.inner.call(request)))
}

/// The pause between an attempt that failed, after `failures` others, and the next; `None` when there
/// must be none.
fn pause_after(pushback: Pushback, policy: &HedgePolicy, failures: u32) -> Option<Duration> {
    match (pushback, policy.delay) {
        (Pushback::Never, _) => None,
        (Pushback::After(pause), _) => Some(pause),
        // What was asked for is the next answer, as soon as can be (A6, "Hedging Policy").
        (Pushback::None, Delay::Fixed(_)) => Some(Duration::ZERO),
        // Nobody has asked for more attempts in less time: an instance that starts needs the pauses.
        (Pushback::None, Delay::HalfOfWhatIsLeft) => Some(policy.streams.backoff(failures)),
    }
}

/// The first of `attempts` that ends, which is taken out, or the end of `next`.
fn poll<F: Future>(
    attempts: &mut Vec<Pin<Box<F>>>,
    next: Option<&mut Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<Event<F::Output>> {
    for index in 0..attempts.len() {
        if let Poll::Ready(output) = attempts[index].as_mut().poll(cx) {
            drop(attempts.swap_remove(index));
            return Poll::Ready(Event::Ended(output));
        }
    }
    match next {
        Some(next) => next.as_mut().poll(cx).map(|()| Event::Due),
        None => Poll::Pending,
    }
}
