//! Checks that turn critical and back.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;

use super::agents::{Answer, Pair, Side};
use crate::support::ports::free_port;

/// A server whose answers the test chooses, and that keeps what it was asked last.
struct Server {
    address: String,
    answer: Arc<Mutex<&'static str>>,
    asked: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

const OK: &str = "200 OK";
const TOO_MANY: &str = "429 Too Many Requests";
const BROKEN: &str = "503 Service Unavailable";

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (answer, asked) = (
            Arc::new(Mutex::new(OK)),
            Arc::new(Mutex::new(String::new())),
        );
        let shared = (answer.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !is_complete(&request) {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let status = *shared.0.lock().expect("no panic");
                *shared.1.lock().expect("no panic") =
                    String::from_utf8_lossy(&request).into_owned();
                let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\nbody");
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            address,
            answer,
            asked,
            task,
        }
    }

    fn answers(&self, status: &'static str) {
        *self.answer.lock().expect("no panic") = status;
    }

    /// What it was asked: the request line, the headers in order, the body.
    fn asked(&self) -> Vec<String> {
        let text = self.asked.lock().expect("no panic").clone();
        let text = text.replace(&self.address, "{address}");
        let (head, body) = text.split_once("\r\n\r\n").expect("a request");
        let mut lines: Vec<_> = head.lines().map(str::to_lowercase).collect();
        // Go offers to unpack what is packed.
        lines.retain(|line| line != "accept-encoding: gzip");
        lines[1..].sort();
        lines.push(body.to_owned());
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the headers are there and, where they tell a length, the body.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| {
        length
            .parse()
            .is_ok_and(|length: usize| body.len() >= length)
    })
}

/// The service when its check is of this status, in the catalog and at the agent.
async fn becomes(side: &Side, status: &str) -> (Answer, Answer) {
    let told = format!("\"Status\":\"{status}\"");
    let has = |answer: &Answer| {
        let checks = answer.body.to_string();
        checks.contains(&told) && checks.contains("\"web\"")
    };
    let what = format!("the check is {status}");
    let catalog = side.until(&what, "health/checks/web", has).await;
    (catalog, side.ask("GET", "agent/checks", "").await)
}

fn masked(answers: (Answer, Answer), address: &str) -> String {
    format!("{answers:?}").replace(address, "{address}")
}

#[tokio::test]
async fn an_http_check_follows_its_server() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let run = async |side: &Side| {
        let server = Server::start().await;
        let address = server.address.clone();
        let body = format!(
            r#"{{"Name":"web","Check":{{"HTTP":"http://{address}/health?a=b","Method":"PUT",
                "Header":{{"X-One":["1","2"],"Host":["other"]}},"Body":"text","Interval":"1s",
                "Timeout":"5s"}}}}"#
        );
        side.ask("PUT", "agent/service/register", &body).await;
        let mut seen = Vec::new();
        for (answer, status) in [(OK, "passing"), (TOO_MANY, "warning"), (BROKEN, "critical")] {
            server.answers(answer);
            seen.push(masked(becomes(side, status).await, &address));
        }
        let asked = server.asked();
        server.answers(OK);
        becomes(side, "passing").await;
        drop(server);
        let gone = becomes(side, "critical").await;
        seen.push(masked(gone, &address));
        (seen, asked)
    };
    let (real, embedded) = pair.both(run).await;
    assert_eq!(real, embedded);
}

#[tokio::test]
async fn a_tcp_check_follows_its_listener() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let run = async |side: &Side| {
        let server = Server::start().await;
        let address = server.address.clone();
        let body = format!(r#"{{"Name":"web","Check":{{"TCP":"{address}","Interval":"1s"}}}}"#);
        side.ask("PUT", "agent/service/register", &body).await;
        let passing = becomes(side, "passing").await;
        drop(server);
        let critical = becomes(side, "critical").await;
        (masked(passing, &address), masked(critical, &address))
    };
    let (real, embedded) = pair.both(run).await;
    assert_eq!(real, embedded);
}

#[tokio::test]
async fn a_grpc_check_follows_the_health_service() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let address = format!("127.0.0.1:{}", free_port());
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("web", ServingStatus::Serving)
        .await;
    let server = tonic::transport::Server::builder().add_service(health);
    let server = tokio::spawn(server.serve(address.parse().expect("an address")));
    let register = |target: String| {
        let pair = &pair;
        async move {
            let check = format!(r#"{{"GRPC":"{target}","Interval":"1s"}}"#);
            let body = format!(r#"{{"Name":"web","Check":{check}}}"#);
            pair.ask("PUT", "agent/service/register", &body).await;
        }
    };
    register(format!("{address}/web")).await;
    let (real, embedded) = pair
        .both(async |side: &Side| becomes(side, "passing").await)
        .await;
    assert_eq!(real, embedded);
    reporter
        .set_service_status("web", ServingStatus::NotServing)
        .await;
    let (real, embedded) = pair
        .both(async |side: &Side| becomes(side, "critical").await)
        .await;
    assert_eq!(real, embedded);
    reporter
        .set_service_status("web", ServingStatus::Serving)
        .await;
    pair.both(async |side: &Side| becomes(side, "passing").await)
        .await;
    register(format!("{address}/unknown")).await;
    let (real, embedded) = pair
        .both(async |side: &Side| becomes(side, "critical").await)
        .await;
    assert_eq!(real, embedded);
    register(format!("{address}/web")).await;
    pair.both(async |side: &Side| becomes(side, "passing").await)
        .await;
    server.abort();
    let _ = server.await;
    let (real, embedded) = pair
        .both(async |side: &Side| becomes(side, "critical").await)
        .await;
    assert_eq!(real, embedded);
}

#[tokio::test]
async fn a_ttl_that_is_not_refreshed_runs_out() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let run = async |side: &Side| {
        let body = r#"{"Name":"web","Check":{"TTL":"1s","Status":"passing"}}"#;
        side.ask("PUT", "agent/service/register", body).await;
        let silent = becomes(side, "critical").await;
        side.ask("PUT", "agent/check/pass/service:web?note=well", "")
            .await;
        let told = becomes(side, "passing").await;
        let silent_again = becomes(side, "critical").await;
        side.ask("PUT", "agent/check/warn/service:web?note=so", "")
            .await;
        (silent, told, silent_again, becomes(side, "warning").await)
    };
    let (real, embedded) = pair.both(run).await;
    assert_eq!(real, embedded);
}
