//! What traces and metrics say about attempts.

use http::Request;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, ServiceExt};

use super::support::{Act, Balancer, config, end, fail, later, push_back, unary};
use crate::client::retry::RequestBody;
use crate::config;
use crate::metrics;
use crate::middleware::trace::ClientTraceLayer;
use crate::telemetry::recorder::Recorder;

fn call_of(path: &'static str) -> Request<RequestBody> {
    let mut request = unary(b"request");
    *request.uri_mut() = path.parse().expect("a path");
    request
}

#[tokio::test(start_paused = true)]
async fn each_attempt_that_failed_is_an_event_of_the_calls_span() {
    let recorder = Recorder::start("info");
    let script = [
        push_back(Code::Unavailable, "7"),
        Act::Hang,
        Act::Reply(Code::Ok),
    ];
    let config = config::Retry {
        attempt_timeout: config::Duration::from_millis(20),
        ..config()
    };
    let retry = Balancer::new(script).under(&config);
    let target = "users".parse().expect("a target");
    let retry = retry.map_request(|request: Request<Body>| request.map(RequestBody::unwatched));
    let client = ClientTraceLayer::new(true, &target).layer(retry);
    let response = client.oneshot(unary(b"request").map(Body::new)).await;
    crate::middleware::testing::read(response.expect("a response")).await;

    let [span] = &recorder.spans()[..] else {
        panic!("one span: {:?}", recorder.spans());
    };
    let events = span.events.iter().map(|event| {
        let attributes = event
            .attributes
            .iter()
            .filter(|it| !["level", "target"].contains(&it.key.as_str()));
        let attributes = attributes.map(|it| format!("{}={}", it.key, it.value));
        (
            event.name.to_string(),
            attributes.collect::<Vec<_>>().join(" "),
        )
    });
    let expected = [
        (
            "an attempt failed, retrying".to_owned(),
            "attempt=1 code=Unavailable pause=7ms".to_owned(),
        ),
        (
            "an attempt hangs, retrying".to_owned(),
            "attempt=2 timeout=20ms".to_owned(),
        ),
    ];
    assert_eq!(events.collect::<Vec<_>>(), expected);
}

/// The samples of `service` in what Prometheus reads.
fn samples(service: &str) -> Vec<String> {
    let label = format!("grpc_service=\"{service}\"");
    let text = metrics::render();
    let lines = text.lines().filter(|line| line.contains(&label));
    let mut lines: Vec<_> = lines.map(|line| line.replace(&label, "…")).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(start_paused = true)]
async fn retries_hedges_and_what_is_refused_are_counted_by_method() {
    let script = vec![fail(Code::Unavailable); 3];
    let retry = Balancer::new(script).under(&config());
    end(&retry, call_of("/retry.v1.Count/Get")).await;
    let retry = Balancer::new([push_back(Code::Unavailable, "-1")]).under(&config());
    end(&retry, call_of("/retry.v1.Count/Get")).await;

    let mut hedged = config();
    let method = config::RetryMethod {
        hedging: Some(config::Hedging::default()),
        ..config::RetryMethod::default()
    };
    hedged
        .methods
        .insert("retry.v1.Count/List".to_owned(), method);
    let script = [Act::Hang, later(1, Act::Reply(Code::Ok))];
    let retry = Balancer::new(script).under(&hedged);
    end(&retry, call_of("/retry.v1.Count/List")).await;

    let expected = [
        "grpc_client_hedges_total{…,grpc_method=\"List\"} 1",
        "grpc_client_retries_refused_total{…,grpc_method=\"Get\",reason=\"attempts\"} 1",
        "grpc_client_retries_refused_total{…,grpc_method=\"Get\",reason=\"pushback\"} 1",
        "grpc_client_retries_total{…,grpc_method=\"Get\"} 2",
    ];
    assert_eq!(samples("retry.v1.Count"), expected);
}
