//! What the head of a response says about making the call again.

use std::time::Duration;

use http::{HeaderMap, Response};
use tonic::{Code, Status};

use crate::client::mark::Mark;
use crate::middleware::observe::head_code;

/// Signed milliseconds until the next attempt is welcome (gRFC A6, "Pushback").
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What a server says about when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushback {
    /// Nothing.
    None,
    /// After so long.
    After(Duration),
    /// Not at all.
    Never,
}

/// A failure that nothing of a response came with, so that the call could be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) pushback: Pushback,
}

impl Failure {
    /// No handler has seen it, once too often: from here on that is a failure like others (A6,
    /// "Transparent Retries").
    pub(super) const UNPROCESSED: Self = Self {
        code: Code::Unavailable,
        pushback: Pushback::None,
    };
}

/// How an attempt has ended, as far as one knows from the head of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The response has begun, or it is empty and a success: the call is committed to it (A6, "When
    /// Retries are Valid").
    Response,
    /// A failure, without any response: "Trailers-Only", or a connection that broke.
    Failure(Failure),
    /// No handler has seen it: making it again is no retry (A6, "Transparent Retries").
    Unprocessed,
    /// No instance has become ready in the time that there is for that. Another attempt would wait
    /// as long again.
    NotReady,
}

/// How the attempt with `result` has ended.
pub(super) fn outcome<B>(result: &Result<Response<B>, Status>) -> Outcome {
    match result {
        Ok(response) => match head_code(response) {
            None | Some(Code::Ok) => Outcome::Response,
            Some(code) => Outcome::Failure(Failure {
                code,
                pushback: pushback(response.headers()),
            }),
        },
        Err(status) => match Mark::of(status) {
            Some(Mark::NotReady) => Outcome::NotReady,
            Some(Mark::Unprocessed) => Outcome::Unprocessed,
            None => Outcome::Failure(Failure {
                code: status.code(),
                pushback: pushback(status.metadata().as_ref()),
            }),
        },
    }
}

/// "If the value for pushback is negative or unparseable, then it will be seen as the server asking
/// the client not to retry at all."
fn pushback(headers: &HeaderMap) -> Pushback {
    let Some(value) = headers.get(PUSHBACK) else {
        return Pushback::None;
    };
    let millis: Option<i32> = value.to_str().ok().and_then(|text| text.parse().ok());
    match millis.map(u64::try_from) {
        Some(Ok(millis)) => Pushback::After(Duration::from_millis(millis)),
        Some(Err(_)) | None => Pushback::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::testing::reply;

    fn trailers_only(status: &str, pushback: Option<&str>) -> Result<Response<()>, Status> {
        let mut response = Response::builder().header("grpc-status", status);
        if let Some(pushback) = pushback {
            response = response.header(PUSHBACK, pushback);
        }
        Ok(response.body(()).expect("valid"))
    }

    fn unavailable(pushback: Pushback) -> Outcome {
        let code = Code::Unavailable;
        Outcome::Failure(Failure { code, pushback })
    }

    #[test]
    fn a_response_that_has_begun_is_kept_whatever_its_trailers_will_say() {
        let begun = Ok(reply(Code::Unavailable));
        assert_eq!(outcome(&begun), Outcome::Response);
        assert_eq!(outcome(&trailers_only("0", None)), Outcome::Response);
    }

    #[test]
    fn a_failure_without_a_response_is_one_however_it_is_said() {
        let expected = unavailable(Pushback::None);
        assert_eq!(outcome(&trailers_only("14", None)), expected);
        let broken: Result<Response<()>, _> = Err(Status::unavailable("the connection failed"));
        assert_eq!(outcome(&broken), expected);
        let proxy = Response::builder().status(503).body(()).expect("valid");
        assert_eq!(outcome(&Ok(proxy)), expected);
    }

    #[test]
    fn no_instance_is_no_failure_of_one() {
        let waited: Result<Response<()>, _> =
            Err(Mark::NotReady.on(Status::unavailable("none is ready")));
        assert_eq!(outcome(&waited), Outcome::NotReady);
    }

    #[test]
    fn a_server_says_when_to_come_back_or_that_one_need_not() {
        let after = |millis| Pushback::After(Duration::from_millis(millis));
        for (text, expected) in [
            ("0", after(0)),
            ("1500", after(1500)),
            ("2147483647", after(2_147_483_647)),
            ("-1", Pushback::Never),
            ("2147483648", Pushback::Never),
            ("soon", Pushback::Never),
            ("1.5", Pushback::Never),
            ("", Pushback::Never),
        ] {
            let result = trailers_only("14", Some(text));
            assert_eq!(outcome(&result), unavailable(expected), "{text:?}");
        }
    }
}
