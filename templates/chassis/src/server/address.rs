//! The addresses that a server listens on, and those that it tells others.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use tokio::net::TcpListener;

use crate::Error;

/// Listens on `host`:`port`.
///
/// # Errors
/// [`Error::Bind`] with the configuration `key` of the port.
pub(crate) async fn listen(
    server: &'static str,
    host: &str,
    port: u16,
    key: &'static str,
) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = async {
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        io::Result::Ok((listener, address))
    };
    bound.await.map_err(|source| Error::Bind {
        server,
        address: host_port(host, port),
        key,
        source,
    })
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn host_port(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The host and port under which others reach a server that listens on `bound`: what
/// `server.advertise` says, else the bound address when it is specific, else the address of the
/// interface that leads outside, else loopback.
pub(crate) fn advertised(advertise: Option<&str>, bound: SocketAddr) -> (String, u16) {
    let host = match advertise {
        Some(advertise) => {
            if let Ok(address) = advertise.parse::<SocketAddr>() {
                return (address.ip().to_string(), address.port());
            }
            if let Ok(ip) = advertise.parse::<IpAddr>() {
                return (ip.to_string(), bound.port());
            }
            match advertise.rsplit_once(':') {
                Some((host, port)) => match port.parse() {
                    Ok(port) => return (host.to_owned(), port),
                    Err(_) => advertise.to_owned(),
                },
                None => advertise.to_owned(),
            }
        }
        None if !bound.ip().is_unspecified() => bound.ip().to_string(),
        None => primary_local_address()
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
            .to_string(),
    };
    (host, bound.port())
}

/// The local address that the system would send from to reach the outside. Connecting a datagram
/// socket only asks the routing table: nothing is sent to the address, which is one for
/// documentation (RFC 5737).
fn primary_local_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertise(advertise: Option<&str>, bound: &str) -> (String, u16) {
        advertised(advertise, bound.parse().expect("an address"))
    }

    #[test]
    fn a_specific_address_is_advertised_as_it_is() {
        assert_eq!(
            advertise(None, "127.0.0.1:50051"),
            ("127.0.0.1".into(), 50051)
        );
        assert_eq!(advertise(None, "[::1]:50051"), ("::1".into(), 50051));
    }

    #[test]
    fn an_unspecific_address_is_never_advertised() {
        let (host, port) = advertise(None, "0.0.0.0:50051");
        assert_ne!(host, "0.0.0.0");
        assert_eq!(port, 50051);
    }

    #[test]
    fn the_configured_address_wins_with_or_without_a_port() {
        let bound = "0.0.0.0:50051";
        assert_eq!(advertise(Some("users"), bound), ("users".into(), 50051));
        assert_eq!(advertise(Some("users:80"), bound), ("users".into(), 80));
        assert_eq!(
            advertise(Some("10.0.0.7"), bound),
            ("10.0.0.7".into(), 50051)
        );
        assert_eq!(advertise(Some("[::1]:80"), bound), ("::1".into(), 80));
        assert_eq!(advertise(Some("fe80::1"), bound), ("fe80::1".into(), 50051));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_address_and_key() {
        let (_listener, address) = listen("gRPC server", "127.0.0.1", 0, "server.port")
            .await
            .expect("a free port");
        let error = listen("gRPC server", "127.0.0.1", address.port(), "server.port")
            .await
            .expect_err("the port is taken");
        assert_eq!(
            format!("{error:?}"),
            format!(
                "the gRPC server cannot listen on {address}, choose another with `server.port`: \
                 Address already in use (os error 98)"
            )
        );
    }
}
