//! Servers in a process of their own, to be killed and stopped: a service, and a gateway in front of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use chassis::Services;
use chassis::config::Config;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::ports::free_port;
use super::{DESCRIPTOR_SET, Echo, settings};

/// Where the process finds what it is, and the addresses that it needs.
const ROLE: &str = "GATEWAY_TEST_ROLE";

/// Longer than anything takes on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a process is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// The service of gRPC, and a server of HTTP/1 beside it.
    Service { grpc: SocketAddr, http: SocketAddr },
    /// A gateway in front of the service.
    Gateway { own: SocketAddr, grpc: SocketAddr },
}

/// An address that is free now.
pub(crate) fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

/// A process; it is killed when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts one. When it listens is for callers to see.
    pub(crate) fn start(role: Role) -> Self {
        let role = match role {
            Role::Service { grpc, http } => format!("service {grpc} {http}"),
            Role::Gateway { own, grpc } => format!("gateway {own} {grpc}"),
        };
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "support::process::serve", "--ignored"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("a process"))
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), self.0.id().to_string()]);
        assert!(kill.status().expect("kill").success(), "kill -{signal}");
    }

    /// Ends it without a warning.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }

    /// How it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.0.try_wait().expect("it was started") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("it ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of a [`Process`], as a test of this one. It ends when its input does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of other tests"]
async fn serve() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<&str> = role.split(' ').collect();
    let address = |at: usize| words[at].parse::<SocketAddr>().expect("an address");
    let is_service = words[0] == "service";
    let serving = async {
        match is_service {
            true => serve_service(address(1), address(2)).await,
            false => serve_gateway(address(1), address(2)).await,
        }
    };
    let (closed, input) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    tokio::select! {
        () = serving => {}
        _ = input => {}
    }
}

async fn serve_service(grpc: SocketAddr, http: SocketAddr) {
    let echo = Services::new(&DESCRIPTOR_SET).add(Echo);
    let _echo = chassis::testing::serve_at(grpc, echo).await;
    let listener = TcpListener::bind(http).await.expect("the port is free");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let service =
            hyper::service::service_fn(async |request: http::Request<hyper::body::Incoming>| {
                let body = request.into_body().collect().await?.to_bytes();
                Ok::<_, hyper::Error>(http::Response::new(Full::new(body)))
            });
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn serve_gateway(own: SocketAddr, grpc: SocketAddr) {
    let mut config: Config = Config::default();
    config.server.host = own.ip().to_string();
    config.server.port = own.port();
    config.admin.enabled = false;
    let served = gateway::serve(config, settings(grpc), *DESCRIPTOR_SET).await;
    served.expect("it serves");
}
