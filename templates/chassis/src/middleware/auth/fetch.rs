//! Where keys come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::WebUrl;
use crate::tls::{ClientTls, Stream};

/// The longest wait for a key set.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest key set that is read: hundreds of keys.
const MAX_SIZE: usize = 1024 * 1024;

/// A place that has a JSON Web Key Set.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Url(WebUrl, Option<ClientTls>),
}

impl Source {
    /// What is there now.
    ///
    /// # Errors
    /// What went wrong, to be shown after the name of the place.
    pub(super) async fn fetch(&self) -> Result<Bytes, String> {
        match self {
            Self::File(path) => read(path),
            Self::Url(url, tls) => {
                let fetched = tokio::time::timeout(TIMEOUT, get(url, tls.as_ref())).await;
                match fetched {
                    Ok(Ok(text)) => Ok(text),
                    Ok(Err(error)) => Err(format!("cannot be fetched: {error}")),
                    Err(_) => Err(format!("did not answer within {TIMEOUT:?}")),
                }
            }
        }
    }
}

/// # Errors
/// As those of [`Source::fetch`].
pub(super) fn read(path: &Path) -> Result<Bytes, String> {
    let text = std::fs::read(path);
    let text = text.map_err(|error| format!("cannot be read: {error}"))?;
    Ok(text.into())
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{} (`server.auth.jwks_file`)", path.display()),
            Self::Url(url, _) => write!(f, "{url} (`server.auth.jwks_url`)"),
        }
    }
}

async fn get(
    url: &WebUrl,
    tls: Option<&ClientTls>,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((url.host(), url.port())).await?;
    let stream = match tls {
        Some(tls) => tls.connect(stream, url.host()).await?,
        None => Stream::Plain(stream),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(url.path_and_query())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())?;
    // Both in this task, so that nothing is left when it is given up.
    let mut connection = std::pin::pin!(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(format!("the answer is {status}").into());
        }
        let body = Limited::new(response.into_body(), MAX_SIZE)
            .collect()
            .await?;
        Ok(body.to_bytes())
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The end of the connection may come with the end of the answer.
        ended = &mut connection => {
            ended?;
            answer.await
        }
    }
}
