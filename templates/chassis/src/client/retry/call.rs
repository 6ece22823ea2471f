//! A call, with what its attempts have in common.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::body::AttemptBody;
use super::buffer::Kept;
use super::metrics::{self, Refusal};
use super::outcome::{Failure, Outcome, Pushback, outcome};
use super::policy::{Delay, RetryPolicy};
use super::{RequestBody, Shared};
use crate::client::tried::Tried;
use crate::middleware::deadline::{read_timeout, write_timeout};
use crate::middleware::trace::Recording;

/// How many attempts there were before (gRFC A6, "Exposed Retry Metadata").
static PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// How often a call that no handler has seen is made again before that counts as a failure. A6 has
/// one for what a server refused ("Transparent Retries"); but two instances may be about to leave.
const MAX_UNSEEN: u32 = 2;

/// A call that may be made several times.
#[derive(Debug)]
pub(super) struct Call<S> {
    /// Makes the attempts after the first.
    pub(super) inner: S,
    shared: Arc<Shared>,
    /// Without extensions, which nothing looks at from here on but those of this module.
    head: Parts,
    tried: Tried,
    /// The span, which is told whom each attempt goes to.
    span: Option<Recording>,
    kept: Kept,
    deadline: Option<Instant>,
    /// The attempts that have begun.
    attempts: u32,
    /// The attempts that no handler has seen. They do not count as such.
    unseen: u32,
    is_unseen: bool,
    /// The retries since the first attempt, or since a server has said when to come back.
    pauses: u32,
}

impl<S> Call<S> {
    /// The call that `request` begins, and its first attempt.
    pub(super) fn new(
        inner: S,
        shared: Arc<Shared>,
        request: Request<RequestBody>,
    ) -> (Self, Request<AttemptBody>) {
        let (mut first, body) = request.into_parts();
        let mut extensions = std::mem::take(&mut first.extensions);
        let head = first.clone();
        // One list, for all attempts.
        let tried = Tried::default();
        extensions.insert(tried.clone());
        let span = extensions.get::<Recording>().cloned();
        first.extensions = extensions;
        // The layer above has checked it, or none is there and nothing has to be done in time.
        let timeout = read_timeout(&head.headers).ok().flatten();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (kept, body) = Kept::take(body, &shared.budget);
        let first = Request::from_parts(first, body);
        let call = Self {
            inner,
            shared,
            head,
            tried,
            span,
            kept,
            deadline,
            attempts: 1,
            unseen: 0,
            is_unseen: false,
            pauses: 0,
        };
        (call, first)
    }

    /// Whether the request is there in a single piece.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.kept, Kept::Whole { .. })
    }

    pub(super) fn path(&self) -> &str {
        self.head.uri.path()
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Another attempt.
    ///
    /// # Errors
    /// When the request was not kept, which [`Self::refusal`] tells beforehand.
    pub(super) fn again(&mut self) -> Result<Request<AttemptBody>, Status> {
        let body = self.kept.again();
        let body = body.ok_or_else(|| Status::unavailable("the request was not kept"))?;
        let mut head = self.head.clone();
        head.extensions.insert(self.tried.clone());
        if let Some(span) = &self.span {
            head.extensions.insert(span.clone());
        }
        if !std::mem::take(&mut self.is_unseen) {
            self.attempts += 1;
        }
        if self.attempts > 1 {
            let previous = HeaderValue::from(self.attempts - 1);
            head.headers.insert(&PREVIOUS_ATTEMPTS, previous);
        }
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            write_timeout(left, &mut head.headers);
        }
        Ok(Request::from_parts(head, body))
    }

    /// The pause after which the call is made again; `None` when it ends as it is.
    pub(super) fn pause_after<B>(
        &mut self,
        result: &Result<Response<B>, Status>,
        policy: &RetryPolicy,
    ) -> Option<Duration> {
        let failure = match outcome(result) {
            Outcome::Response => {
                self.succeeded();
                return None;
            }
            Outcome::Unprocessed if self.is_unseen() => return Some(Duration::ZERO),
            Outcome::Failure(_) | Outcome::Unprocessed if policy.max_attempts == 1 => return None,
            Outcome::Failure(failure) => failure,
            Outcome::Unprocessed => Failure::UNPROCESSED,
            // Nothing was sent, which says nothing about whether retries help.
            Outcome::NotReady => {
                self.refused(Refusal::NotReady, Code::Unavailable);
                return None;
            }
        };
        let is_retryable = is_retryable(failure, policy);
        if is_retryable || failure.pushback == Pushback::Never {
            self.failed();
        }
        if !is_retryable {
            return None;
        }
        let (pauses, pause) = match failure.pushback {
            Pushback::After(pause) => (0, pause),
            Pushback::None | Pushback::Never => (self.pauses + 1, policy.backoff(self.pauses)),
        };
        let refusal = match failure.pushback {
            Pushback::Never => Some(Refusal::Pushback),
            _ => self.refusal(policy.max_attempts, pause),
        };
        let code = failure.code;
        if let Some(refusal) = refusal {
            self.refused(refusal, code);
            return None;
        }
        self.pauses = pauses;
        metrics::retried(self.path());
        tracing::info!(
            attempt = self.attempts,
            ?code,
            ?pause,
            "an attempt failed, retrying"
        );
        self.kept.end_attempt();
        Some(pause)
    }

    /// The last attempt was seen by no handler. Whether it is made again.
    pub(super) fn is_unseen(&mut self) -> bool {
        let is_allowed = self.unseen < MAX_UNSEEN && self.kept.is_complete();
        if !is_allowed || self.is_too_late(Duration::ZERO) {
            return false;
        }
        self.unseen += 1;
        self.is_unseen = true;
        tracing::debug!("the call did not reach a handler, sending it again");
        self.kept.end_attempt();
        true
    }

    /// How long to wait for the attempts so far, the first of which was made at `begin`, before another
    /// is made; `None` is for ever.
    pub(super) fn patience(&self, delay: Delay, begin: Instant) -> Option<Duration> {
        match (delay, self.deadline) {
            (Delay::Fixed(delay), _) => Some(delay),
            (Delay::HalfOfWhatIsLeft, Some(deadline)) => {
                Some(deadline.saturating_duration_since(Instant::now()) / 2)
            }
            (Delay::HalfOfWhatIsLeft, None) => {
                let left = self.shared.response_timeout;
                left.map(|left| left.saturating_sub(begin.elapsed()) / 2)
            }
        }
    }

    /// Whether an attempt that takes too long may be given up for another.
    pub(super) fn give_up(&mut self, policy: &RetryPolicy) -> bool {
        if let Some(refusal) = self.refusal(policy.max_attempts, Duration::ZERO) {
            self.refused(refusal, Code::DeadlineExceeded);
            return false;
        }
        self.failed();
        metrics::retried(self.path());
        let timeout = policy.attempt_timeout.unwrap_or_default();
        tracing::info!(
            attempt = self.attempts,
            ?timeout,
            "an attempt hangs, retrying"
        );
        self.kept.end_attempt();
        true
    }

    /// Why no other attempt may be made after `pause`.
    pub(super) fn refusal(&self, max_attempts: u32, pause: Duration) -> Option<Refusal> {
        if self.attempts >= max_attempts {
            Some(Refusal::Attempts)
        } else if !self.kept.is_complete() {
            Some(Refusal::Buffer)
        } else if !self.shared.throttle.allows() {
            Some(Refusal::Throttle)
        } else if self.is_too_late(pause) {
            Some(Refusal::Deadline)
        } else {
            None
        }
    }

    fn is_too_late(&self, pause: Duration) -> bool {
        let begin = Instant::now().checked_add(pause);
        self.deadline
            .is_some_and(|deadline| begin.is_none_or(|begin| begin >= deadline))
    }

    fn refused(&self, refusal: Refusal, code: Code) {
        metrics::refused(self.path(), refusal);
        let attempts = self.attempts;
        tracing::debug!(attempts, ?code, ?refusal, "an attempt failed, not retrying");
    }

    pub(super) fn failed(&self) {
        self.shared.throttle.failure();
    }

    pub(super) fn succeeded(&self) {
        self.shared.throttle.success();
    }

    /// There will be no other attempt, so nothing has to be kept for one.
    pub(super) fn commit(&self) {
        self.kept.commit();
    }

    /// The end of the call: the caller gets `result`.
    pub(super) fn end<B>(
        self,
        mut result: Result<Response<B>, Status>,
    ) -> Result<Response<B>, Status> {
        self.commit();
        if let Ok(response) = &mut result
            && self.attempts > 1
        {
            let previous = HeaderValue::from(self.attempts - 1);
            response.headers_mut().insert(&PREVIOUS_ATTEMPTS, previous);
        }
        result
    }
}

/// `RESOURCE_EXHAUSTED` may be for ever, such as a quota for a day, or pass in a moment: the server
/// knows, and says so by when to come back.
fn is_retryable(failure: Failure, policy: &RetryPolicy) -> bool {
    let is_exhausted = failure.code == Code::ResourceExhausted;
    let is_invited = matches!(failure.pushback, Pushback::After(_));
    policy.codes.contains(failure.code) || (is_exhausted && is_invited)
}
