//! Executes one check, once; outcomes are told in the words of Consul, that is of Go.

mod grpc;
mod http;

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::state::{Due, Probe, Status};

/// The outcome of a check: what it is and what it says.
pub(super) type Outcome = (Status, String);

/// Why a probe got no answer.
#[derive(Debug)]
enum Failure {
    /// Nobody could be reached.
    Dial(String),
    /// Somebody was reached, but did not answer in time or as agreed.
    Answer(String),
}

/// Runs it; an error or the time-out is critical.
pub(super) async fn run(due: &Due) -> Outcome {
    match &due.probe {
        Probe::Http(probe) => http::run(probe, due.timeout, due.max_output).await,
        Probe::Grpc(target) => grpc::run(target, due.timeout).await,
        Probe::Tcp(address) => match dial(address, due.timeout).await {
            Ok(_) => {
                let output = format!("TCP connect {address}: Success");
                (Status::Passing, output)
            }
            Err(Failure::Dial(why) | Failure::Answer(why)) => (Status::Critical, why),
        },
    }
}

async fn dial(address: &str, timeout: Duration) -> Result<TcpStream, Failure> {
    let failed = |why: String| Failure::Dial(format!("dial tcp {address}: {why}"));
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(failed("connect: connection refused".to_owned()))
        }
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("i/o timeout".to_owned())),
    }
}
