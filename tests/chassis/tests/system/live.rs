//! Settings that change while a service runs.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::config::Folder;
use crate::process::Service;
use crate::support::{Behaviour, ProbeClient, ProbeReply, ProbeRequest, ask};

/// How long a change may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls until one ends as it should.
async fn until<T: Debug>(mut call: impl AsyncFnMut() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let ended = call().await;
        if is_so(&ended) {
            return ended;
        }
        assert!(begun.elapsed() < PATIENCE, "still {ended:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A service whose settings are in a file.
struct Live {
    folder: Folder,
    service: Service,
}

impl Live {
    fn start(name: &str, text: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new(name);
        folder.write("default.toml", text);
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
    let mut limited = Live::start("server", "", &[]);
    let mut client = limited.service.client().await;
    let request = || ProbeRequest {
        payload: vec![1; 2_000],
        ..ProbeRequest::default()
    };
    assert_eq!(code(&mut client, request()).await, Code::Ok);

    limited.set("[server]\nmax_request_size = \"1KiB\"");
    assert_eq!(code(&mut client, request()).await, Code::ResourceExhausted);
    limited.set("[server.deadline]\nunary = \"1s\"");
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
    let mut front = Live::start("client", "", &[("PROBE_DOWNSTREAM", &target)]);
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

/// A service that calls `target` as `text` says at first.
fn calling(name: &str, text: &str, target: &str) -> Live {
    Live::start(name, text, &[("PROBE_DOWNSTREAM", target)])
}

/// How many calls a service has sent to `target`.
fn sent(service: &Service, target: &str) -> u64 {
    let row = format!("client_picks_total{{target=\"{target}\",result=\"picked\"}} ");
    let metrics = service.get("/metrics").1;
    let count = metrics.lines().find_map(|line| line.strip_prefix(&row));
    count.map_or(0, |count| count.parse().expect("a number"))
}

/// How a call to the next service ends, and in how many attempts.
async fn attempts(
    client: &mut ProbeClient<Channel>,
    service: &Service,
    target: &str,
) -> (String, u64) {
    let before = sent(service, target);
    let result = client.unary(ask(Behaviour::Relay(true))).await;
    let message = result.map_or_else(|status| status.message().to_owned(), |_| String::new());
    (message, sent(service, target) - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_and_breakers_of_an_open_channel_change_while_it_is_used() {
    const NO_BREAKER: &str = "[client.breaker]\nenabled = false\n";
    const ONCE: &str = "[client.retry]\nmax_attempts = 1\n";
    let back = Service::start(&[("PROBE_ALWAYS", "unavailable")]);
    let target = format!("static:///{}", back.grpc);
    let mut front = calling("retries", NO_BREAKER, &target);
    let mut client = front.service.client().await;
    let told = |attempts| ("as told".to_owned(), attempts);
    assert_eq!(
        attempts(&mut client, &front.service, &target).await,
        told(3)
    );
    front.set(&format!("{NO_BREAKER}[client.retry]\nmax_attempts = 5"));
    assert_eq!(
        attempts(&mut client, &front.service, &target).await,
        told(5)
    );
    front.set(&format!("{NO_BREAKER}[client.retry]\nenabled = false"));
    assert_eq!(
        attempts(&mut client, &front.service, &target).await,
        told(1)
    );

    // The endpoints follow in a moment.
    let open = format!(
        "no instance of {target} is ready: {}: its circuit breaker is open",
        back.grpc
    );
    front.set(ONCE);
    let attempt = async || attempts(&mut client, &front.service, &target).await;
    let ended = until(attempt, |ended| *ended != told(1)).await;
    assert_eq!(ended, (open.clone(), 0));
    // It goes on with what it knows: it is open, and for no longer than this says.
    front.set(&format!("{ONCE}[client.breaker]\nopen_for = \"0s\""));
    let attempt = async || attempts(&mut client, &front.service, &target).await;
    let ended = until(attempt, |ended| *ended != (open.clone(), 0)).await;
    assert_eq!(ended, told(1));
    let metrics = front.service.get("/metrics").1;
    let row = format!("client_breakers_open{{target=\"{target}\"}} 1\n");
    assert!(metrics.contains(&row), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_balancing_of_an_open_channel_changes_while_it_is_used() {
    let backs = ["a", "b"].map(|name| Service::start(&[("PROBE_INSTANCE", name)]));
    let target = format!("static:///{},{}", backs[0].grpc, backs[1].grpc);
    let mut front = calling("balance", "", &target);
    let mut client = front.service.client().await;
    for (text, expected) in [
        ("", 2),
        ("[client.balance]\nsubset_size = 1", 1),
        ("[client.balance]\npolicy = \"p2c\"", 2),
    ] {
        if !text.is_empty() {
            front.set(text);
        }
        let instances = async || {
            let mut instances = std::collections::BTreeSet::new();
            for _ in 0..20 {
                let reply = client.unary(ask(Behaviour::Relay(true))).await;
                instances.insert(reply.expect("a reply").into_inner().instance);
            }
            instances
        };
        until(instances, |instances| instances.len() == expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_an_open_channel_connects_changes_while_it_is_used() {
    // Whoever connects is let in, and hears nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = mute.local_addr().expect("an address");
    let target = format!("static:///{address}");
    let text = |connect_timeout: &str| {
        format!("[client]\nready_timeout = \"500ms\"\nconnect_timeout = \"{connect_timeout}\"")
    };
    let mut front = calling("connecting", &text("150ms"), &target);
    let mut client = front.service.client().await;
    for connect_timeout in ["150ms", "100ms"] {
        if connect_timeout != "150ms" {
            front.set(&text(connect_timeout));
        }
        let expected = format!(
            "no instance of {target} is ready: {address}: no connection within {connect_timeout}"
        );
        let attempt = async || attempts(&mut client, &front.service, &target).await;
        until(attempt, |ended| *ended == (expected.clone(), 0)).await;
    }
}

#[cfg(feature = "auth")]
#[tokio::test(flavor = "multi_thread")]
async fn who_may_call_changes_while_the_service_runs() {
    const ON: &str =
        "[server.auth]\nenabled = true\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
    let mut live = Live::start("auth", "", &[]);
    let mut client = live.service.client().await;
    let mut wait_for = async |expected| {
        let call = async || code(&mut client, ask(Behaviour::Hang(false))).await;
        until(call, |code| *code == expected).await;
    };
    wait_for(Code::Ok).await;
    live.set(ON);
    wait_for(Code::Unauthenticated).await;
    live.set(&format!("{ON}public = [\"chassis.test.v1.Probe/Unary\"]"));
    wait_for(Code::Ok).await;

    let wrong = format!("{ON}public = [\"chassis.test.v1.Prob/Unary\"]");
    live.folder.write("default.toml", &wrong);
    let refused = live.service.wait_for(crate::config::REFUSED);
    let reason = format!(
        "failed to load {}/default.toml:4: `server.auth.public`: `server.auth` names \
         `chassis.test.v1.Prob/Unary`, which no service here has",
        live.folder.path()
    );
    assert_eq!(refused["fields"]["reason"], reason.as_str());
    wait_for(Code::Ok).await;
    live.set(ON);
    wait_for(Code::Unauthenticated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ejection_of_outliers_changes_while_a_channel_is_used() {
    const OFF: &str = "[client.breaker]\nenabled = false\n[client.retry]\nenabled = false\n";
    let on = |base_ejection: &str| {
        format!(
            "{OFF}[client.outlier]\nenabled = true\ninterval = \"50ms\"\n\
             base_ejection = \"{base_ejection}\"\nsuccess_rate.enabled = false\n\
             failure_percentage.min_hosts = 2\nfailure_percentage.request_volume = 1\n"
        )
    };
    let sick = Service::start(&[("PROBE_ALWAYS", "unavailable")]);
    let well = Service::start(&[]);
    let target = format!("static:///{},{}", sick.grpc, well.grpc);
    let mut front = calling("outliers", OFF, &target);
    let mut client = front.service.client().await;
    // Calls until so many instances are ejected; how many of the next ten calls fail.
    let mut failing = async |service: &Service, ejected: u32| {
        let row = format!("client_endpoints_ejected{{target=\"{target}\"}} {ejected}\n");
        let metrics = async || {
            code(&mut client, ask(Behaviour::Relay(true))).await;
            service.get("/metrics").1
        };
        until(metrics, |metrics| metrics.contains(&row)).await;
        let mut failed = 0;
        for _ in 0..10 {
            let ended = code(&mut client, ask(Behaviour::Relay(true))).await;
            failed += u32::from(ended != Code::Ok);
        }
        failed
    };
    front.set(&on("1h"));
    until(
        async || failing(&front.service, 1).await,
        |failed| *failed == 0,
    )
    .await;
    // It stays ejected when it is to be so for another time, and returns when nobody looks.
    front.set(&on("2h"));
    assert_eq!(failing(&front.service, 1).await, 0);
    front.set(OFF);
    until(
        async || failing(&front.service, 0).await,
        |failed| *failed == 5,
    )
    .await;
}
