//! From a path to an answer.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;

use super::{Site, level};
use crate::config;
use crate::metrics::{self, Format};
use crate::telemetry::log::level::installed;

pub(super) type Answer = Result<Response<Full<Bytes>>, http::Error>;

pub(super) const JSON: &str = "application/json";

const LOG_LEVEL: &str = "/log/level";

/// Answers `request`.
pub(super) async fn answer<B>(request: Request<B>, site: &Site) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (path, method) = (request.uri().path(), request.method());
    let allowed = match (path, method) {
        (LOG_LEVEL, &Method::PUT) | (_, &Method::GET | &Method::HEAD) => None,
        (LOG_LEVEL, _) => Some("GET, HEAD, PUT"),
        _ => Some("GET, HEAD"),
    };
    if let Some(allowed) = allowed {
        let response = Response::builder().header(ALLOW, allowed);
        return body(
            response.status(StatusCode::METHOD_NOT_ALLOWED),
            JSON,
            r#"{"error":"method not allowed"}"#.to_owned(),
        );
    }
    match path {
        "/healthz" => ok(JSON, r#"{"status":"ok"}"#.to_owned()),
        "/readyz" => {
            let report = site.readiness.report().await;
            let status = match report.ready {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            let json = serde_json::to_string(&report).unwrap_or_default();
            body(Response::builder().status(status), JSON, json)
        }
        "/metrics" => {
            let format = Format::wanted(request.headers());
            ok(format.content_type(), metrics::render_as(format))
        }
        "/configz" => match config::json() {
            Some(json) => ok(JSON, json),
            None => refuse(
                StatusCode::NOT_FOUND,
                "the configuration was not loaded by chassis::config::load",
            ),
        },
        LOG_LEVEL => level::answer(request, installed()).await,
        _ => match site.pages.iter().find(|page| page.path == path) {
            Some(page) => match page.render(request.uri().query().unwrap_or_default()).await {
                Ok(json) => ok(JSON, json),
                Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
            },
            None => not_found(site),
        },
    }
}

fn not_found(site: &Site) -> Answer {
    let mut error = "not found: try /healthz, /readyz, /metrics, /configz".to_owned();
    for page in &*site.pages {
        error.push_str(", ");
        error.push_str(page.path);
    }
    error.push_str(" or /log/level");
    refuse(StatusCode::NOT_FOUND, &error)
}

fn ok(content_type: &'static str, text: String) -> Answer {
    body(Response::builder(), content_type, text)
}

/// Says what is wrong.
pub(super) fn refuse(status: StatusCode, error: &str) -> Answer {
    let json = serde_json::json!({ "error": error });
    body(Response::builder().status(status), JSON, json.to_string())
}

pub(super) fn body(
    response: http::response::Builder,
    content_type: &'static str,
    text: String,
) -> Answer {
    response
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(text.into()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::admin::Page;
    use crate::readiness::{Phase, Readiness};

    fn site(pages: Vec<Page>) -> Site {
        Site {
            readiness: Readiness::new(Vec::new()),
            pages: pages.into(),
        }
    }

    async fn ask(method: Method, path: &str, site: &Site) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Full::default()).expect("a request");
        let response = answer(request, site).await.expect("an answer");
        let status = response.status().as_u16();
        let content_type = response.headers()[CONTENT_TYPE].to_str().expect("ASCII");
        let content_type = content_type.to_owned();
        let body = response.into_body().collect().await.expect("a body");
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8");
        (status, content_type, text)
    }

    #[tokio::test]
    async fn healthz_is_ok_whatever_the_phase() {
        let site = site(Vec::new());
        let (status, content_type, text) = ask(Method::GET, "/healthz", &site).await;
        assert_eq!((status, content_type.as_str()), (200, JSON));
        assert_eq!(text, r#"{"status":"ok"}"#);
    }

    #[tokio::test]
    async fn readyz_follows_the_phase() {
        let site = site(Vec::new());
        let (status, _, text) = ask(Method::GET, "/readyz", &site).await;
        assert_eq!(status, 503);
        assert_eq!(
            text,
            r#"{"ready":false,"phase":"starting","dependencies":[]}"#
        );
        site.readiness.enter(Phase::Serving);
        let (status, _, text) = ask(Method::GET, "/readyz", &site).await;
        assert_eq!(status, 200);
        assert_eq!(
            text,
            r#"{"ready":true,"phase":"serving","dependencies":[]}"#
        );
        site.readiness.enter(Phase::Draining);
        assert_eq!(ask(Method::GET, "/readyz", &site).await.0, 503);
    }

    #[tokio::test]
    async fn metrics_have_the_format_that_is_asked_for() {
        let site = site(Vec::new());
        let (status, content_type, text) = ask(Method::GET, "/metrics", &site).await;
        assert_eq!(
            (status, content_type.as_str()),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        assert!(!text.contains("# EOF"), "{text}");

        let request = Request::builder()
            .uri("/metrics")
            .header(http::header::ACCEPT, "application/openmetrics-text")
            .body(Full::default())
            .expect("a request");
        let response = answer(request, &site).await.expect("an answer");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        let body = response.into_body().collect().await.expect("a body");
        assert!(body.to_bytes().ends_with(b"# EOF\n"));
    }

    #[tokio::test]
    async fn configz_is_there_for_a_configuration_that_was_loaded() {
        let site = site(Vec::new());
        let (status, content_type, text) = ask(Method::GET, "/configz", &site).await;
        assert_eq!((status, content_type.as_str()), (404, JSON));
        assert_eq!(
            text,
            r#"{"error":"the configuration was not loaded by chassis::config::load"}"#
        );
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused() {
        let site = site(Vec::new());
        assert_eq!(ask(Method::GET, "/", &site).await.0, 404);
        assert_eq!(ask(Method::POST, "/healthz", &site).await.0, 405);
        assert_eq!(ask(Method::PUT, "/healthz", &site).await.0, 405);
        assert_eq!(ask(Method::POST, "/log/level", &site).await.0, 405);
    }

    #[tokio::test]
    async fn a_page_that_was_added_is_answered_with_its_query() {
        let page = Page::new("/sagas", |query| async move {
            match query.is_empty() {
                true => Err("the database is away"),
                false => Ok(serde_json::json!({ "asked": query })),
            }
        });
        let site = site(vec![page]);
        let asked = (
            200,
            JSON.to_owned(),
            r#"{"asked":"state=failed"}"#.to_owned(),
        );
        assert_eq!(ask(Method::GET, "/sagas?state=failed", &site).await, asked);
        let failed = r#"{"error":"the database is away"}"#.to_owned();
        let failed = (503, JSON.to_owned(), failed);
        assert_eq!(ask(Method::GET, "/sagas", &site).await, failed);
        assert_eq!(ask(Method::POST, "/sagas", &site).await.0, 405);
        let (status, _, text) = ask(Method::GET, "/saga", &site).await;
        let expected = concat!(
            r#"{"error":"not found: try /healthz, /readyz, /metrics, /configz, /sagas "#,
            r#"or /log/level"}"#
        );
        assert_eq!((status, text.as_str()), (404, expected));
    }
}
