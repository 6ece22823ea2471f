//! Connections are probed with PING while calls wait: what that tells, and what it must not do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chassis::client;
use chassis::config::{self, Config, NoSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Request, Status};

use crate::process::Service;
use crate::support::{Behaviour, ProbeClient, ProbeReply, ProbeRequest, ask};

const SHORT: config::Duration = config::Duration::from_millis(50);
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// GOAWAY after all streams there can be: ENHANCE_YOUR_CALM, "too_many_pings".
const TOO_MANY_PINGS: &[u8] = b"\0\0\x16\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\x0btoo_many_pings";
/// The same, without a word of what was too much.
const TOO_MUCH: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\x0b";

/// Probes often, and makes no call again.
fn config() -> Config {
    let mut config = Config::<NoSettings>::default();
    config.client.keep_alive_interval = SHORT;
    config.client.keep_alive_timeout = SHORT;
    config.client.retry.enabled = false;
    config
}

/// A server that says `greeting` on each connection and reads all that comes; the first one it ends
/// with `objection` when a call has come. It never answers.
async fn mute(greeting: &'static [u8], objection: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let is_first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            tokio::spawn(async move {
                stream.write_all(greeting).await.expect("open");
                if is_first && !objection.is_empty() {
                    wait_for_a_call(&mut stream).await;
                    stream.write_all(objection).await.expect("open");
                    stream.shutdown().await.expect("open");
                }
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            });
        }
    });
    (address, connections)
}

/// Reads up to the first HEADERS.
async fn wait_for_a_call(stream: &mut TcpStream) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.expect("open");
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await.expect("open");
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.expect("open");
        if header[3] == 1 {
            return;
        }
    }
}

async fn call(address: SocketAddr, config: &Config) -> ProbeClient<client::Channel> {
    let channel = client::connect(&format!("static:///{address}"), config).await;
    ProbeClient::new(channel.expect("a valid target"))
}

/// Enough for whatever comes before the deadline.
const LONG: Duration = Duration::from_secs(60);

async fn within(
    timeout: Duration,
    client: &mut ProbeClient<client::Channel>,
    asked: ProbeRequest,
) -> Result<ProbeReply, Status> {
    let mut request = Request::new(asked);
    request.set_timeout(timeout);
    client.unary(request).await.map(|it| it.into_inner())
}

#[tokio::test]
async fn who_does_not_answer_ping_is_given_up_before_the_deadline() {
    let (address, _) = mute(SETTINGS, &[]).await;
    let mut client = call(address, &config()).await;
    let result = within(LONG, &mut client, ProbeRequest::default()).await;
    assert_eq!(
        result.expect_err("nobody answers").code(),
        Code::Unavailable
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_slow_is_waited_for_as_long_as_its_server_answers_ping() {
    let mut service = Service::start(&[]);
    let mut config = config();
    config.client.retry.enabled = true;
    // A server on a machine that is busy answers within that.
    config.client.keep_alive_timeout = config::Duration::from_millis(700);
    let mut client = call(service.grpc, &config).await;
    // Four times what a server may take that answers nothing at all.
    let timeout = Duration::from_secs(3);
    let result = within(timeout, &mut client, ask(Behaviour::Hang(true))).await;
    let status = result.expect_err("it hangs");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    drop(client);
    service.signal("TERM");
    service.wait();
    let asked = service.log.iter();
    let asked = asked.filter(|line| line["message"] == "in the handler");
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn a_server_to_which_pings_are_too_many_is_probed_less() {
    let (address, connections) = mute(SETTINGS, TOO_MANY_PINGS).await;
    let mut client = call(address, &config()).await;
    let result = within(LONG, &mut client, ProbeRequest::default()).await;
    let status = result.expect_err("the connection ends");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    // As before, nobody answers PING. But there is none.
    let timeout = Duration::from_secs(1);
    let result = within(timeout, &mut client, ProbeRequest::default()).await;
    let status = result.expect_err("nobody answers");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_server_to_which_something_else_is_too_much_is_probed_as_before() {
    let (address, _) = mute(SETTINGS, TOO_MUCH).await;
    let mut client = call(address, &config()).await;
    for _ in 0..2 {
        let result = within(LONG, &mut client, ProbeRequest::default()).await;
        let status = result.expect_err("nobody answers");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
}

#[tokio::test]
async fn a_port_behind_which_nobody_speaks_is_no_instance() {
    let (address, _) = mute(&[], &[]).await;
    let mut config = config();
    config.client.connect_timeout = SHORT;
    config.client.ready_timeout = config::Duration::from_secs(1);
    let mut client = call(address, &config).await;
    let result = within(LONG, &mut client, ProbeRequest::default()).await;
    let status = result.expect_err("nobody speaks");
    assert_eq!(status.code(), Code::Unavailable);
    let expected = format!(
        "no instance of static:///{address} is ready: {address}: no connection within 50ms"
    );
    assert_eq!(status.message(), expected);
}
