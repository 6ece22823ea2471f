//! Servers that end connections, because they are old or have nothing to do, under clients that go
//! on.

use chassis::client::{self, Channel};
use chassis::config::{self, Config, NoSettings};
use chassis::testing::{self, TestServer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{ProbeClient, ProbeRequest, instance};

/// Longer than it takes to make a connection on a machine that is busy.
const SHORT: config::Duration = config::Duration::from_millis(200);

async fn serve(name: &str, change: impl Fn(&mut config::Connections)) -> TestServer {
    let mut config = Config::<NoSettings>::default();
    change(&mut config.server.connections);
    testing::serve_with(config, instance(name)).await
}

async fn connect(servers: &[&TestServer]) -> ProbeClient<Channel> {
    let addresses: Vec<String> = servers.iter().map(|it| it.address().to_string()).collect();
    let mut config = Config::<NoSettings>::default();
    // Nothing is made again that a handler may have seen.
    config.client.retry.max_attempts = 1;
    let target = format!("static:///{}", addresses.join(","));
    let channel = client::connect(&target, &config).await;
    ProbeClient::new(channel.expect("a valid target"))
}

/// How many connections `server` has ended for this reason.
fn ended(reason: &str) -> u64 {
    let line = format!("grpc_server_connections_ended_total{{reason=\"{reason}\"}} ");
    let text = chassis::metrics::render();
    let count = text.lines().find_map(|it| it.strip_prefix(&line));
    count.map_or(0, |it| it.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_grow_old_cost_no_call_and_no_stream() {
    let old = |connections: &mut config::Connections| connections.max_age = SHORT;
    let (a, b) = (serve("a", old).await, serve("b", old).await);
    let client = connect(&[&a, &b]).await;
    let before = ended("age");
    let callers = (0..4).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            while ended("age") < before + 20 {
                let (requests, receiver) = mpsc::channel(1);
                let replies = client.bidi(ReceiverStream::new(receiver)).await;
                let mut replies = replies.expect("replies").into_inner();
                for _ in 0..10 {
                    requests.send(ProbeRequest::default()).await.expect("open");
                    assert!(replies.message().await.expect("no error").is_some());
                    let reply = client.unary(ProbeRequest::default()).await;
                    reply.expect("a reply");
                }
                drop(requests);
                assert!(replies.message().await.expect("no error").is_none());
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no call fails");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_calls_are_ended_and_made_again() {
    let idle = |connections: &mut config::Connections| connections.max_idle = SHORT;
    let server = serve("a", idle).await;
    let before = ended("idle");
    let mut client = connect(&[&server]).await;
    for _ in 0..3 {
        let seen = ended("idle");
        client
            .unary(ProbeRequest::default())
            .await
            .expect("a reply");
        while ended("idle") == seen {
            tokio::time::sleep(SHORT.get() / 20).await;
        }
    }
    assert!(ended("idle") >= before + 3);

    // A stream is a call, however little is said on it.
    let (requests, receiver) = mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    tokio::time::sleep(SHORT.get() * 3).await;
    requests.send(ProbeRequest::default()).await.expect("open");
    assert!(replies.message().await.expect("no error").is_some());

    // The end is told by GOAWAY, which is no error.
    let stream = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    let (_sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    connection.await.expect("an orderly end");
}
