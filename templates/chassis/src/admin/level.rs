//! `/log/level`: what is logged, seen and changed.
//!
//! ```text
//! curl localhost:51051/log/level
//! curl -X PUT -d 'info,chassis=debug' 'localhost:51051/log/level?for=5m'
//! ```

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use serde_json::json;

use super::routes::{Answer, JSON, body, refuse};
use crate::config::{Directives, Duration};
use crate::telemetry::log::level::{Levels, State};

/// The longest body that is read: directives for hundreds of modules.
const MAX_BODY: usize = 16 * 1024;

/// Answers a request for `/log/level`.
pub(super) async fn answer<B>(request: Request<B>, levels: Option<&Levels>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let Some(levels) = levels else {
        let error = "the log level cannot be changed here: `log.adjustable` is off, or the program \
                     has a subscriber of its own";
        return refuse(StatusCode::NOT_FOUND, error);
    };
    if *request.method() == Method::PUT {
        let limit = match limit(request.uri().query()) {
            Ok(limit) => limit,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        let Ok(text) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
        };
        let text = text.to_bytes();
        let text = String::from_utf8_lossy(&text);
        let Ok(directives) = text.trim().parse::<Directives>() else {
            let error = format!(
                "expected levels such as `info` or `warn,chassis=debug`, got `{}`",
                text.trim()
            );
            return refuse(StatusCode::BAD_REQUEST, &error);
        };
        levels.set(directives, limit);
    }
    let State {
        current,
        configured,
        left,
    } = levels.state();
    let json = json!({
        "level": current.to_string(),
        "configured": configured.to_string(),
        "seconds_left": left.map(|left| left.as_secs()),
    });
    body(http::Response::builder(), JSON, json.to_string())
}

/// How long `for=5m` is; `None` without one.
fn limit(query: Option<&str>) -> Result<Option<std::time::Duration>, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    let wrong = || format!("expected a query such as `for=5m`, got `{query}`");
    let text = query.strip_prefix("for=").ok_or_else(wrong)?;
    let limit: Duration = text.parse().map_err(|_| wrong())?;
    limit.non_zero().map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;
    use crate::telemetry::recorder::Recorder;

    async fn ask(
        levels: Option<&Levels>,
        method: Method,
        query: &str,
        text: &str,
    ) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/log/level{query}"))
            .body(Full::from(text.to_owned()))
            .expect("a request");
        let response = answer(request, levels).await.expect("an answer");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body");
        let text = String::from_utf8(body.to_bytes().to_vec());
        (status, text.expect("UTF-8"))
    }

    fn state(level: &str, seconds_left: Option<u64>) -> (u16, String) {
        let json = json!({"level": level, "configured": "warn", "seconds_left": seconds_left});
        (200, json.to_string())
    }

    /// Which of three events are logged now.
    fn logged(recorder: &Recorder) -> Vec<String> {
        let before = recorder.lines().len();
        tracing::warn!(target: "shop", "a");
        tracing::info!(target: "shop", "b");
        tracing::debug!(target: "shop::orders", "c");
        let lines = recorder.lines().into_iter().skip(before);
        lines.map(|line| line["message"].to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_is_changed_for_a_while_and_comes_back() {
        let recorder = Recorder::start("warn");
        let levels = Some(recorder.levels());
        assert_eq!(ask(levels, Method::GET, "", "").await, state("warn", None));
        assert_eq!(logged(&recorder), ["\"a\""]);

        let put = ask(levels, Method::PUT, "?for=5m", "info,shop::orders=debug\n").await;
        assert_eq!(put.0, 200);
        let json: serde_json::Value = serde_json::from_str(&put.1).expect("JSON");
        assert_eq!(json["seconds_left"], 300);
        assert_eq!(json["configured"], "warn");
        let level: Directives = json["level"]
            .as_str()
            .expect("text")
            .parse()
            .expect("valid");
        assert_eq!(level, "info,shop::orders=debug".parse().expect("valid"));
        assert_eq!(logged(&recorder), ["\"a\"", "\"b\"", "\"c\""]);

        tokio::time::sleep(std::time::Duration::from_secs(299)).await;
        assert_eq!(logged(&recorder), ["\"a\"", "\"b\"", "\"c\""]);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(ask(levels, Method::GET, "", "").await, state("warn", None));
        assert_eq!(logged(&recorder), ["\"a\""]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_change_takes_the_place_of_the_limit_before() {
        let recorder = Recorder::start("warn");
        let levels = Some(recorder.levels());
        ask(levels, Method::PUT, "?for=1s", "debug").await;
        assert_eq!(
            ask(levels, Method::PUT, "", "error").await,
            state("error", None)
        );
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        assert!(logged(&recorder).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_configuration_counts_at_once_or_when_a_while_is_over() {
        let recorder = Recorder::start("warn");
        let levels = Some(recorder.levels());
        let configure = |text: &str| recorder.levels().configure(text.parse().expect("valid"));
        configure("info");
        assert_eq!(logged(&recorder), ["\"a\"", "\"b\""]);

        ask(levels, Method::PUT, "?for=5m", "error").await;
        configure("debug");
        assert!(logged(&recorder).is_empty());
        tokio::time::sleep(std::time::Duration::from_secs(301)).await;
        assert_eq!(logged(&recorder), ["\"a\"", "\"b\"", "\"c\""]);
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let recorder = Recorder::start("warn");
        let levels = Some(recorder.levels());
        let error = |text: &str| json!({ "error": text }).to_string();
        assert_eq!(
            ask(levels, Method::PUT, "", "inof").await,
            (
                400,
                error("expected levels such as `info` or `warn,chassis=debug`, got `inof`")
            )
        );
        for query in ["?for=5", "?for=0s", "?four=5m"] {
            let expected = format!("expected a query such as `for=5m`, got `{}`", &query[1..]);
            assert_eq!(
                ask(levels, Method::PUT, query, "info").await,
                (400, error(&expected))
            );
        }
        let long = "x".repeat(MAX_BODY + 1);
        assert_eq!(ask(levels, Method::PUT, "", &long).await.0, 413);
        assert_eq!(ask(levels, Method::GET, "", "").await, state("warn", None));
        assert_eq!(ask(None, Method::PUT, "", "info").await.0, 404);
    }
}
