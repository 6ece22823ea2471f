//! The connections to etcd, with TLS where the address says so.

use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::config::RegistryUrl;
use crate::tls::{ClientTls, Stream};

/// How often a connection with a request or watch on it is probed. etcd closes those that probe
/// more often than every 5 s (its `--grpc-keepalive-min-time`).
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The longest wait for the answer to a probe.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is made when it is needed, and again when it broke.
pub(super) fn dial(url: &RegistryUrl, tls: Option<&ClientTls>, timeout: Duration) -> Channel {
    let tls = tls.filter(|_| url.is_https()).cloned();
    let connect = {
        let url = url.clone();
        move |_: Uri| connect(url.clone(), tls.clone())
    };
    // TLS is ours, not tonic's, which takes an address with `https` for a mistake when some crate of
    // the build has turned its own TLS on.
    let plain = url.to_string().replacen("https://", "http://", 1);
    let origin = url.to_string().parse();
    let endpoint = Endpoint::from_shared(plain)
        .expect("a RegistryUrl is a valid URI")
        .origin(origin.expect("a RegistryUrl is a valid URI"))
        .connect_timeout(timeout)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    endpoint.connect_with_connector_lazy(service_fn(connect))
}

async fn connect(url: RegistryUrl, tls: Option<ClientTls>) -> io::Result<TokioIo<Stream>> {
    let stream = TcpStream::connect((url.host(), url.port())).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(match tls {
        Some(tls) => tls.connect(stream, url.host()).await?,
        None => Stream::Plain(stream),
    }))
}
