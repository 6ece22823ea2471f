use std::convert::Infallible;

use http::Request;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tonic::Code;
use tower::{Layer, ServiceExt, service_fn};

use super::family::Lookup;
use super::*;
use crate::middleware::observe::WatchLayer;
use crate::middleware::testing::{CHECK, GET_USER, read, reply, request};
use crate::middleware::trace::ServerTraceLayer;
use crate::server::Methods;
use crate::telemetry::recorder::Recorder;

type Body = tonic::body::Body;

const HEALTH: &str = "grpc.health.v1.Health";

fn family() -> (CallFamily, Registry) {
    let mut registry = Registry::default();
    let family = CallFamily::new("server", &mut registry);
    (family, registry)
}

fn known(family: &CallFamily) -> Lookup {
    let sets = [tonic_health::pb::FILE_DESCRIPTOR_SET];
    family.known(&Methods::new(&[HEALTH], &sets).expect("a valid set"))
}

fn text(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).expect("a string takes everything");
    text
}

async fn call(lookup: &Lookup, path: &str, code: Code) {
    let handler =
        service_fn(move |_: Request<Body>| async move { Ok::<_, Infallible>(reply(code)) });
    let lookup = Some(lookup.clone());
    let service = WatchLayer(Metrics { lookup }).layer(handler);
    let response = service.oneshot(request(path, &[])).await;
    read(response.expect("a response")).await;
}

#[tokio::test]
async fn calls_are_counted_and_timed_by_method_and_code() {
    let (family, registry) = family();
    let lookup = known(&family);
    call(&lookup, CHECK, Code::Ok).await;
    call(&lookup, CHECK, Code::Ok).await;
    call(&lookup, CHECK, Code::NotFound).await;
    let text = text(&registry);
    let labels = r#"grpc_type="unary",grpc_service="grpc.health.v1.Health",grpc_method="Check""#;
    for line in [
        format!("grpc_server_started_total{{{labels}}} 3"),
        format!("grpc_server_handled_total{{{labels},grpc_code=\"OK\"}} 2"),
        format!("grpc_server_handled_total{{{labels},grpc_code=\"NOT_FOUND\"}} 1"),
        format!("grpc_server_handling_seconds_count{{{labels},grpc_code=\"OK\"}} 2"),
        format!("grpc_server_in_flight{{{labels}}} 0"),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn paths_that_callers_make_up_are_one_series() {
    let (family, registry) = family();
    let lookup = known(&family);
    let before = text(&registry).lines().count();
    call(&lookup, GET_USER, Code::Unimplemented).await;
    let once = text(&registry).lines().count();
    for number in 0..100 {
        let path = format!("/made.up/Method{number}");
        call(&lookup, &path, Code::Unimplemented).await;
    }
    let text = text(&registry);
    assert!(once > before);
    assert_eq!(text.lines().count(), once);
    let labels = r#"grpc_type="unknown",grpc_service="unknown",grpc_method="unknown""#;
    let line = format!("grpc_server_started_total{{{labels}}} 101");
    assert!(text.contains(&line), "{text}");
}

#[tokio::test]
async fn a_call_is_in_flight_until_it_ends_or_is_dropped() {
    let (family, registry) = family();
    let lookup = Some(known(&family));
    let handler = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(reply(Code::Ok)) });
    let service = WatchLayer(Metrics { lookup }).layer(handler);
    let response = service
        .oneshot(request(CHECK, &[]))
        .await
        .expect("a response");
    let labels = r#"grpc_type="unary",grpc_service="grpc.health.v1.Health",grpc_method="Check""#;
    assert!(text(&registry).contains(&format!("grpc_server_in_flight{{{labels}}} 1\n")));
    drop(response);
    let text = text(&registry);
    assert!(text.contains(&format!("grpc_server_in_flight{{{labels}}} 0\n")));
    let cancelled = format!("grpc_server_handled_total{{{labels},grpc_code=\"CANCELLED\"}} 1\n");
    assert!(text.contains(&cancelled), "{text}");
}

#[tokio::test]
async fn a_client_counts_every_method_that_it_calls() {
    let (family, registry) = family();
    let lookup = family.any();
    call(&lookup, GET_USER, Code::Ok).await;
    call(&lookup, GET_USER, Code::Ok).await;
    let labels = concat!(
        r#"grpc_type="unknown",grpc_service="user.v1.UserService","#,
        r#"grpc_method="GetUser",grpc_code="OK""#
    );
    let line = format!("grpc_server_handled_total{{{labels}}} 2\n");
    let text = text(&registry);
    assert!(text.contains(&line), "{text}");
}

#[tokio::test]
async fn a_recorded_trace_is_the_exemplar_of_its_bucket() {
    let recorder = Recorder::start("info");
    let (family, registry) = family();
    let layers = tower::ServiceBuilder::new()
        .layer(ServerTraceLayer::for_any())
        .layer(WatchLayer(Metrics {
            lookup: Some(family.any()),
        }));
    let trace =
        |sampled: &str| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{sampled}");
    let exemplars = |text: &str| {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let exemplars = samples.filter_map(|line| line.split_once(" # "));
        let exemplars = exemplars.map(|(_, exemplar)| exemplar.split(' ').next());
        exemplars.flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    for (sampled, expected) in [
        ("00", vec![]),
        (
            "01",
            vec!["{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"}".to_owned()],
        ),
    ] {
        let handler = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(reply(Code::Ok)) });
        let mut request = request(GET_USER, &[]);
        let parent = trace(sampled).parse().expect("a value");
        request.headers_mut().insert("traceparent", parent);
        let response = layers.clone().service(handler).oneshot(request).await;
        read(response.expect("a response")).await;
        assert_eq!(exemplars(&text(&registry)), expected);
    }
    assert_eq!(recorder.spans().len(), 1);
}
