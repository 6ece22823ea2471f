//! The HTTP check: 2xx passes, 429 warns, all else is critical.

use std::time::Duration;

use axum::http::uri::{InvalidUri, Uri};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::super::state::{HttpProbe, Status};
use super::{Failure, Outcome, dial};

/// What a real agent calls itself.
const USER_AGENT: &str = "Consul Health Check";
const ACCEPT: &str = "text/plain, text/*, */*";
/// Go's limit of redirections.
const MAX_REDIRECTIONS: usize = 10;
/// More of a body than this is not read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

pub(super) async fn run(probe: &HttpProbe, timeout: Duration, max_output: usize) -> Outcome {
    let HttpProbe { url, method, .. } = probe;
    // Go names the method as a title in its errors.
    let mut title = method.to_lowercase();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let failed = |why: String| (Status::Critical, format!("{title} \"{url}\": {why}"));
    let (code, body) = match tokio::time::timeout(timeout, follow(probe, timeout)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(Failure::Dial(why) | Failure::Answer(why))) => return failed(why),
        Err(_) => {
            let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            return failed(text.to_owned());
        }
    };
    let status = match code.as_u16() {
        200..=299 => Status::Passing,
        429 => Status::Warning,
        _ => Status::Critical,
    };
    // The end of a long body is kept.
    let kept = &body[body.len().saturating_sub(max_output)..];
    let kept = String::from_utf8_lossy(kept);
    (
        status,
        format!("HTTP {method} {url}: {code} Output: {kept}"),
    )
}

async fn follow(probe: &HttpProbe, timeout: Duration) -> Result<(StatusCode, Vec<u8>), Failure> {
    let invalid = |why: InvalidUri| Failure::Answer(why.to_string());
    let mut uri: Uri = probe.url.parse().map_err(invalid)?;
    let mut method = Method::from_bytes(probe.method.as_bytes())
        .map_err(|why| Failure::Answer(why.to_string()))?;
    for _ in 0..MAX_REDIRECTIONS {
        let response = send(probe, &uri, &method, timeout).await?;
        let to = match response.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
                if method != Method::HEAD {
                    method = Method::GET;
                }
                response.headers().get(header::LOCATION)
            }
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                response.headers().get(header::LOCATION)
            }
            _ => None,
        };
        match to.and_then(|to| to.to_str().ok()) {
            Some(to) if to.starts_with('/') => {
                let authority = uri.authority().map_or("", |authority| authority.as_str());
                uri = format!("http://{authority}{to}").parse().map_err(invalid)?;
            }
            Some(to) => uri = to.parse().map_err(invalid)?,
            None => return read(response).await,
        }
    }
    let text = format!("stopped after {MAX_REDIRECTIONS} redirects");
    Err(Failure::Answer(text))
}

async fn send(
    probe: &HttpProbe,
    uri: &Uri,
    method: &Method,
    timeout: Duration,
) -> Result<Response<Incoming>, Failure> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let Some(authority) = uri.authority().filter(|_| scheme == "http") else {
        let text = format!("unsupported protocol scheme \"{scheme}\"");
        return Err(Failure::Answer(text));
    };
    let address = match authority.port_u16() {
        Some(_) => authority.to_string(),
        None => format!("{authority}:80"),
    };
    let target = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::new(Full::new(Bytes::from(probe.body.clone())));
    *request.method_mut() = method.clone();
    let told = |why: &dyn std::fmt::Display| Failure::Answer(why.to_string());
    *request.uri_mut() = target.parse().map_err(|why: InvalidUri| told(&why))?;
    let headers = request.headers_mut();
    for (name, value) in &probe.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|why| told(&why))?;
        headers.append(
            name,
            HeaderValue::from_str(value).map_err(|why| told(&why))?,
        );
    }
    let host = authority.as_str();
    let close = "close";
    for (name, value) in [
        (header::HOST, host),
        (header::USER_AGENT, USER_AGENT),
        (header::ACCEPT, ACCEPT),
        (header::CONNECTION, close),
    ] {
        let value = HeaderValue::from_str(value).map_err(|why| told(&why))?;
        headers.entry(name).or_insert(value);
    }
    let stream = TokioIo::new(dial(&address, timeout).await?);
    let handshake = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(|why| told(&why))?;
    // It ends with the answer, for the connection is not kept.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|why| told(&why))
}

async fn read(response: Response<Incoming>) -> Result<(StatusCode, Vec<u8>), Failure> {
    let code = response.status();
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|why| Failure::Answer(why.to_string()))?;
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(data);
        }
        if read.len() > MAX_BODY {
            break;
        }
    }
    Ok((code, read))
}
