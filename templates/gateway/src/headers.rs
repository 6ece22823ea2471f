//! Which headers go where.

use http::header::{self, HeaderMap, HeaderName};

/// Names of headers, some with a `*` at the end.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    exact: Vec<HeaderName>,
    beginnings: Vec<String>,
}

impl Names {
    /// # Errors
    /// The name that is none.
    pub(crate) fn new(names: &[String]) -> Result<Self, String> {
        let mut exact = Vec::new();
        let mut beginnings = Vec::new();
        for name in names {
            match name.strip_suffix('*') {
                Some(beginning) => beginnings.push(beginning.to_ascii_lowercase()),
                None => exact.push(name.parse().map_err(|_| name.clone())?),
            }
        }
        Ok(Self { exact, beginnings })
    }

    fn has(&self, name: &HeaderName) -> bool {
        let begins = |beginning: &String| name.as_str().starts_with(beginning.as_str());
        self.exact.contains(name) || self.beginnings.iter().any(begins)
    }

    /// Those of `headers` that are wanted and may become metadata.
    pub(crate) fn metadata(&self, headers: &HeaderMap) -> HeaderMap {
        let mut metadata = HeaderMap::with_capacity(8);
        for (name, value) in headers {
            if self.has(name) && !is_reserved(name) {
                metadata.append(name.clone(), value.clone());
            }
        }
        metadata
    }
}

/// Whether a header belongs to one connection (RFC 9110, section 7.6.1), to a body, or to gRPC.
fn is_reserved(name: &HeaderName) -> bool {
    let name_of_grpc = || {
        let name = name.as_str();
        name.starts_with("grpc-") || name.starts_with("content-") || name.starts_with("proxy-")
    };
    [
        header::CONNECTION,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::EXPECT,
        header::DATE,
        header::SERVER,
        HeaderName::from_static("keep-alive"),
    ]
    .contains(name)
        || name_of_grpc()
}

/// What of the metadata of a response goes to the client.
pub(crate) fn of_response(metadata: &HeaderMap, response: &mut HeaderMap) {
    for (name, value) in metadata {
        if !is_reserved(name) && !name.as_str().ends_with("-bin") {
            response.append(name.clone(), value.clone());
        }
    }
}
