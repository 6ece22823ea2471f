//! Asking over HTTP.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::infra::root;

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 1 << 20;

/// Succeeds when the answer is 200 and has `expected` in it.
pub(super) async fn get(address: &str, path: &str, expected: &str) -> Result<(), String> {
    let request = Request::get(format!("http://{address}{path}")).body(Full::default());
    let body = send(request).await?;
    match String::from_utf8_lossy(&body).contains(expected) {
        true => Ok(()),
        false => Err(format!("`{path}` does not answer with {expected}")),
    }
}

/// Succeeds when the answer to this JSON is 200.
pub(super) async fn post_json(address: &str, path: &str, json: &str) -> Result<(), String> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .body(Full::from(json.to_owned()));
    send(request).await.map(drop)
}

async fn send(request: http::Result<Request<Full<Bytes>>>) -> Result<Bytes, String> {
    let request = request.map_err(|error| error.to_string())?;
    let path = request.uri().path().to_owned();
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let response = client.request(request).await.map_err(|it| root(&it))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER);
    let body = body.collect().await.map_err(|it| root(&*it))?.to_bytes();
    match status {
        StatusCode::OK => Ok(body),
        status => Err(format!("`{path}` answers {status}")),
    }
}
