//! What a caller does instead when another service is at fault.

use std::future::Future;
use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::{Code, Status};

use super::breaker::is_failure;
use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    fallback: &'static str,
    result: &'static str,
}

static FALLBACKS: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let fallbacks = Family::default();
    metrics::register(
        "client_fallbacks",
        "Calls whose callers did something else instead, by whether that succeeded",
        Family::clone(&fallbacks),
    );
    fallbacks
});

/// Something else to do when a call fails by the fault of another service.
///
/// ```no_run
/// use chassis::client::{Channel, Fallback};
/// # use tonic::{Request, Response, Status};
/// # struct Recommendations(Vec<String>);
/// # struct RecommendationClient(Channel);
/// # impl RecommendationClient {
/// #     async fn list(&mut self, _: Request<()>) -> Result<Response<Recommendations>, Status> {
/// #         Ok(Response::new(Recommendations(Vec::new())))
/// #     }
/// # }
///
/// // A page without recommendations is better than no page.
/// async fn recommended(client: &mut RecommendationClient) -> Result<Vec<String>, Status> {
///     let response = client
///         .list(Request::new(()))
///         .or_fallback("recommendations", |_status| async {
///             Ok(Response::new(Recommendations(vec!["bestsellers".to_owned()])))
///         })
///         .await?;
///     Ok(response.into_inner().0)
/// }
/// ```
///
/// It comes after everything that the channel does for a call: retries, other instances. It acts on
/// [`is_server_fault`] alone: what is wrong with the request stays wrong, and `NOT_FOUND` is an
/// answer. A call that is refused because circuit breakers are open, or because too many are in
/// flight, is among them, so a fallback must cost less than the call, and should not be a call of
/// the same service.
///
/// Each is counted as `client_fallbacks_total`, by its name and by its result (`ok`, `failed`):
/// nobody looks at a page that is merely worse than usual.
pub trait Fallback<T>: Future<Output = Result<T, Status>> + Sized {
    /// The call, or what `fallback` makes of its failure. `name` is for the metric: what is
    /// replaced, not by what.
    ///
    /// # Errors
    /// What the call says that is not the fault of the service, and what `fallback` says: that is
    /// the status it was given, where it has nothing better.
    fn or_fallback<F, R>(
        self,
        name: &'static str,
        fallback: F,
    ) -> impl Future<Output = Result<T, Status>>
    where
        F: FnOnce(Status) -> R,
        R: Future<Output = Result<T, Status>>,
    {
        async move {
            let status = match self.await {
                Err(status) if is_server_fault(status.code()) => status,
                result => return result,
            };
            tracing::debug!(fallback = name, code = ?status.code(), "falling back");
            let result = fallback(status).await;
            let labels = Labels {
                fallback: name,
                result: if result.is_ok() { "ok" } else { "failed" },
            };
            FALLBACKS.get_or_create(&labels).inc();
            result
        }
    }
}

impl<T, C: Future<Output = Result<T, Status>>> Fallback<T> for C {}

/// Whether `code` is the fault of the service that was called, or of the way there: what circuit
/// breakers count, `UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`, and
/// `RESOURCE_EXHAUSTED`, by which a service sheds its load.
#[must_use]
pub fn is_server_fault(code: Code) -> bool {
    is_failure(code) || code == Code::ResourceExhausted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(it: T) -> T {
        it
    }

    fn count(name: &str, result: &str) -> Option<u64> {
        let row = format!(r#"client_fallbacks_total{{fallback="{name}",result="{result}"}} "#);
        let metrics = metrics::render();
        let count = metrics.lines().find_map(|line| line.strip_prefix(&row));
        count.map(|it| it.parse().expect("a number"))
    }

    #[tokio::test]
    async fn only_what_the_service_is_at_fault_for_is_replaced() {
        let mut replaced = Vec::new();
        for code in (0..=16).map(Code::from_i32) {
            let call = async move {
                match code {
                    Code::Ok => Ok("answer"),
                    _ => Err(Status::new(code, "as told")),
                }
            };
            let call = call.or_fallback("codes", |_| async { Ok("instead") });
            if matches!(is_send(call).await, Ok("instead")) {
                replaced.push(code);
            }
        }
        let expected = [
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::ResourceExhausted,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
        ];
        assert_eq!(replaced, expected);
        assert_eq!(
            (count("codes", "ok"), count("codes", "failed")),
            (Some(6), None)
        );
    }

    #[tokio::test]
    async fn a_fallback_knows_why_and_may_fail_as_well() {
        let call = async { Err::<(), _>(Status::unavailable("away")) };
        let result = call.or_fallback("failing", |status| async { Err(status) });
        assert_eq!(result.await.expect_err("a failure").message(), "away");
        let counted = (count("failing", "ok"), count("failing", "failed"));
        assert_eq!(counted, (None, Some(1)));
    }
}
