//! Limits that change while a service runs.

use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::config::Folder;
use crate::process::Service;
use crate::support::{Behaviour, ProbeClient, ProbeReply, ProbeRequest, ask};

/// A service whose limits are in a file.
struct Limited {
    folder: Folder,
    service: Service,
}

impl Limited {
    fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new(name);
        folder.write("default.toml", "");
        let own = [
            ("APP_CONFIG_DIR", folder.path()),
            ("APP_CONFIG_CENTER__POLL_INTERVAL", "20ms"),
        ];
        let service = Service::start(&[&own[..], variables].concat());
        Self { folder, service }
    }

    /// Changes the file, and waits until that is in force.
    fn set(&mut self, text: &str) {
        self.folder.write("default.toml", text);
        self.service.wait_for("the configuration was reloaded");
    }
}

async fn code(client: &mut ProbeClient<Channel>, request: ProbeRequest) -> Code {
    let result: Result<ProbeReply, Status> = client.unary(request).await.map(|it| it.into_inner());
    result.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_a_server_change_while_it_runs() {
    let mut limited = Limited::start("server", &[]);
    let mut client = limited.service.client().await;
    let request = || ProbeRequest {
        payload: vec![1; 2_000],
        ..ProbeRequest::default()
    };
    assert_eq!(code(&mut client, request()).await, Code::Ok);

    limited.set("[server]\nmax_request_size = \"1KiB\"");
    assert_eq!(code(&mut client, request()).await, Code::ResourceExhausted);
    limited.set("[server.deadline]\nunary = \"50ms\"");
    assert_eq!(code(&mut client, request()).await, Code::Ok);
    let hang = code(&mut client, ask(Behaviour::Hang(true))).await;
    assert_eq!(hang, Code::DeadlineExceeded);

    limited.set("[server.limits]\nmax_in_flight = 1");
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let stream = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = stream.expect("replies").into_inner();
    assert_eq!(code(&mut client, request()).await, Code::ResourceExhausted);
    // The place of the stream stays taken through a change.
    limited.set("[server.limits]\nmax_in_flight = 2");
    assert_eq!(code(&mut client, request()).await, Code::Ok);
    limited.set("[server.limits]\nmax_in_flight = 1");
    assert_eq!(code(&mut client, request()).await, Code::ResourceExhausted);
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());

    limited.set("[server.limits.rate]\nrate = 0.001");
    assert_eq!(code(&mut client, request()).await, Code::Ok);
    assert_eq!(code(&mut client, request()).await, Code::ResourceExhausted);
    limited.set("[server.limits.client_rate]\nrate = 0.001");
    assert_eq!(code(&mut client, request()).await, Code::Ok);
    assert_eq!(code(&mut client, request()).await, Code::ResourceExhausted);
    limited.set("");
    assert_eq!(code(&mut client, request()).await, Code::Ok);

    // Connections that are open keep the limits that they began with.
    limited.set("[server.connections]\nmax = 1");
    assert_eq!(code(&mut client, request()).await, Code::Ok);
    let address = format!("http://{}", limited.service.grpc);
    let endpoint = tonic::transport::Endpoint::from_shared(address).expect("an address");
    let mut second = ProbeClient::new(endpoint.connect_lazy());
    assert_ne!(code(&mut second, request()).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_a_client_change_while_it_runs() {
    let back = Service::start(&[]);
    let target = format!("static:///{}", back.grpc);
    let mut front = Limited::start("client", &[("PROBE_DOWNSTREAM", &target)]);
    let mut client = front.service.client().await;
    let relay = || ask(Behaviour::Relay(true));
    assert_eq!(code(&mut client, relay()).await, Code::Ok);
    front.set("[client]\nmax_response_size = \"1B\"");
    assert_eq!(code(&mut client, relay()).await, Code::ResourceExhausted);

    front.set("[client]\nmax_in_flight = 1");
    assert_eq!(code(&mut client, relay()).await, Code::Ok);
    let held = ProbeRequest {
        // A stream that nobody reads.
        replies: 100_000,
        ..relay()
    };
    let held = client.server_stream(held).await.expect("replies");
    assert_eq!(code(&mut client, relay()).await, Code::ResourceExhausted);
    front.set("");
    assert_eq!(code(&mut client, relay()).await, Code::Ok);
    drop(held);
}
