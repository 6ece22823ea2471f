//! Which headers go where.

use std::net::SocketAddr;

use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tonic::transport::server::TcpConnectInfo;

use crate::edge::REQUEST_ID;
use crate::network::Network;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Notes in a request who has sent it, and its id, for the services behind. Over what it came to a proxy
/// before us is known from one of `proxies` alone.
pub(crate) fn arrived<B>(request: &mut Request<B>, id: &HeaderValue, proxies: &[Network]) {
    let connection = request.extensions().get::<TcpConnectInfo>();
    let peer = connection.and_then(TcpConnectInfo::remote_addr);
    let uri_host = request.uri().authority().map(|it| it.as_str().to_owned());
    let headers = request.headers_mut();
    headers.insert(&REQUEST_ID, id.clone());
    let is_ours = |peer: SocketAddr| proxies.iter().any(|it| it.has(peer.ip()));
    let schemes = [&b"http"[..], b"https"];
    let is_scheme = |it: &HeaderValue| schemes.contains(&it.as_bytes());
    // Of several, the last is the proxy's own.
    let said = headers.get_all(&FORWARDED_PROTO).iter().next_back();
    match said.filter(|it| is_scheme(it)).cloned() {
        Some(scheme) if peer.is_some_and(is_ours) => {
            headers.insert(&FORWARDED_PROTO, scheme);
        }
        _ => {
            headers.remove(&FORWARDED_PROTO);
        }
    }
    if let Some(peer) = peer {
        // What is there already was noted by whoever stands before us, or made up: the last one is
        // certain.
        let before = headers.get_all(&FORWARDED_FOR).iter();
        let before = before.filter_map(|value| value.to_str().ok());
        let mut all: Vec<String> = before.map(str::to_owned).collect();
        all.push(peer.ip().to_string());
        if let Ok(value) = HeaderValue::try_from(all.join(", ")) {
            headers.insert(&FORWARDED_FOR, value);
        }
    }
    let host = headers.get(header::HOST).cloned();
    let host = host.or_else(|| HeaderValue::try_from(uri_host?).ok());
    if let Some(host) = host {
        headers.insert(&FORWARDED_HOST, host);
    }
}

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
            let ours = [&REQUEST_ID, &FORWARDED_FOR, &FORWARDED_HOST].contains(&name);
            if (ours || self.has(name)) && !is_reserved(name) {
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

/// Leaves out what belongs to one connection, and what it names as such (RFC 9110, section 7.6.1).
pub(crate) fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in named.iter().chain(&always) {
        headers.remove(name);
    }
}

/// What of the metadata of a response goes to the client.
pub(crate) fn of_response(metadata: &HeaderMap, response: &mut HeaderMap) {
    for (name, value) in metadata {
        if !is_reserved(name) && !name.as_str().ends_with("-bin") {
            response.append(name.clone(), value.clone());
        }
    }
}
