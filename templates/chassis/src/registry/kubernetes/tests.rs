//! Against a server that answers by a script, as the documentation of the API says.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::tokio_stream;

use super::*;
use crate::client::KubernetesService;
use crate::config::Kubernetes;
use crate::registry::Instances;

/// An answer: a status and lines; whether it ends behind them.
struct Answer(u16, Vec<Value>, bool);

/// A server that gives one answer a request, and a watch without changes when it has none left.
struct Server {
    config: Kubernetes,
    requests: mpsc::UnboundedReceiver<(String, Option<String>)>,
}

impl Server {
    async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, sender) = (Arc::clone(&answers), sender.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let token = request.headers().get("authorization");
                    let token = token.map(|it| it.to_str().expect("ASCII").to_owned());
                    let _ = sender.send((request.uri().to_string(), token));
                    let next = answers.lock().expect("no panic").pop_front();
                    let next = next.unwrap_or_else(|| Answer(200, Vec::new(), false));
                    async move { Ok::<_, Infallible>(respond(next)) }
                });
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        let config = Kubernetes {
            api_server: Some(format!("http://{address}").parse().expect("an address")),
            namespace: Some("shop".to_owned()),
            ..Kubernetes::default()
        };
        Self { config, requests }
    }

    fn watch(&self, port: &str) -> Instances {
        let service = KubernetesService {
            name: "users".to_owned(),
            namespace: None,
            port: port.to_owned(),
        };
        watch(service, &self.config).expect("it is configured")
    }

    /// The query of the next request, beside what all have.
    async fn next(&mut self) -> String {
        let (request, _) = self.requests.recv().await.expect("it runs");
        let common = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
                      ?labelSelector=kubernetes.io%2Fservice-name%3Dusers";
        let rest = request.strip_prefix(common).expect(common);
        let watch = "&watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=";
        match rest.strip_prefix(watch) {
            Some(version) => format!("watch from {version}"),
            None => format!("list{rest}"),
        }
    }
}

fn respond(
    Answer(status, lines, ends): Answer,
) -> Response<StreamBody<impl tokio_stream::Stream<Item = Result<Frame<Bytes>, Infallible>>>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for line in lines {
        // Lines come in pieces of any size.
        for piece in format!("{line}\n").as_bytes().chunks(50) {
            let _ = sender.send(Bytes::copy_from_slice(piece));
        }
    }
    if !ends {
        std::mem::forget(sender);
    }
    let frames = UnboundedReceiverStream::new(receiver).map(|it| Ok(Frame::data(it)));
    let response = Response::builder().status(status);
    response.body(StreamBody::new(frames)).expect("a response")
}

fn list(version: &str, items: Vec<Value>) -> Answer {
    let metadata = json!({"resourceVersion": version});
    Answer(
        200,
        vec![json!({"metadata": metadata, "items": items})],
        true,
    )
}

fn slice(name: &str, version: &str, addresses: &[&str]) -> Value {
    let endpoints = addresses
        .iter()
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true}, "zone": "a"}));
    json!({
        "metadata": {"name": name, "resourceVersion": version, "labels": {}},
        "addressType": "IPv4",
        "endpoints": Value::Array(endpoints.collect()),
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "grpc", "port": 50051, "protocol": "TCP"},
        ],
    })
}

fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

fn addresses(instances: &Instances) -> Vec<String> {
    let current = instances.current().unwrap_or_default();
    current.iter().map(|it| it.address.to_string()).collect()
}

#[tokio::test]
async fn slices_are_listed_and_their_changes_followed_from_there() {
    let changes = vec![
        event("ADDED", slice("b", "12", &["10.0.0.2"])),
        event("BOOKMARK", json!({"metadata": {"resourceVersion": "20"}})),
    ];
    let more = vec![
        event("MODIFIED", slice("b", "21", &["10.0.0.3", "10.0.0.4"])),
        event("DELETED", slice("a", "22", &[])),
    ];
    let answers = vec![
        list("10", vec![slice("a", "9", &["10.0.0.1"])]),
        Answer(200, changes, true),
        Answer(200, more, true),
    ];
    let mut server = Server::start(answers).await;
    let mut instances = server.watch("grpc");
    assert_eq!(server.next().await, "list");
    assert_eq!(server.next().await, "watch from 10");
    // Behind the bookmark, and behind the last change.
    assert_eq!(server.next().await, "watch from 20");
    assert_eq!(server.next().await, "watch from 22");
    instances.changed().await;
    assert_eq!(addresses(&instances), ["10.0.0.3:50051", "10.0.0.4:50051"]);
    let current = instances.current().expect("published");
    assert_eq!(current[0].meta["zone"], "a");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_anew() {
    let gone = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
    let answers = vec![
        list("10", vec![slice("a", "9", &["10.0.0.1"])]),
        Answer(200, vec![event("ERROR", gone.clone())], true),
        list("30", vec![slice("b", "29", &["10.0.0.2"])]),
        // It may also be said at once.
        Answer(410, vec![gone], true),
        list("40", vec![slice("c", "39", &["10.0.0.3"])]),
    ];
    let mut server = Server::start(answers).await;
    let instances = server.watch("grpc");
    for expected in [
        "list",
        "watch from 10",
        "list",
        "watch from 30",
        "list",
        "watch from 40",
    ] {
        assert_eq!(server.next().await, expected);
    }
    assert_eq!(addresses(&instances), ["10.0.0.3:50051"]);
}

#[tokio::test]
async fn an_error_empties_nothing_and_the_watch_goes_on() {
    let failure = json!({"code": 500, "message": "etcd is away"});
    let answers = vec![
        list("10", vec![slice("a", "9", &["10.0.0.1"])]),
        Answer(200, vec![event("ERROR", failure)], true),
        Answer(503, Vec::new(), true),
        Answer(200, vec![json!("not an event")], true),
        Answer(500, Vec::new(), true),
    ];
    let mut server = Server::start(answers).await;
    let instances = server.watch("grpc");
    assert_eq!(server.next().await, "list");
    for _ in 0..3 {
        assert_eq!(server.next().await, "watch from 10");
        assert_eq!(addresses(&instances), ["10.0.0.1:50051"]);
    }
    // What cannot be understood is not asked for again.
    assert_eq!(server.next().await, "list");
    assert_eq!(addresses(&instances), ["10.0.0.1:50051"]);
}

#[tokio::test]
async fn only_ready_endpoints_count_and_ports_go_by_name_or_number() {
    let slices = || {
        let mut first = slice("a", "1", &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        first["endpoints"][0]["conditions"] = json!({"ready": false, "serving": true});
        // Not said is as good as ready.
        first["endpoints"][1]["conditions"] = json!({"ready": null});
        let empty = json!({"metadata": {"name": "b"}, "endpoints": null, "ports": null});
        list("1", vec![first, empty])
    };
    for (port, expected) in [
        ("grpc", vec!["10.0.0.2:50051", "10.0.0.3:50051"]),
        ("9000", vec!["10.0.0.2:9000", "10.0.0.3:9000"]),
        ("metrics", vec![]),
    ] {
        let server = Server::start(vec![slices()]).await;
        let mut instances = server.watch(port);
        instances.changed().await;
        assert_eq!(addresses(&instances), expected, "{port}");
    }
}

#[tokio::test]
async fn the_token_is_read_for_each_request() {
    let path = std::env::temp_dir().join(format!("chassis-token-{}", std::process::id()));
    std::fs::write(&path, "first\n").expect("writable");
    let mut answers = vec![list("1", Vec::new())];
    answers.extend((0..8).map(|_| Answer(200, Vec::new(), true)));
    let mut server = Server::start(answers).await;
    server.config.token_file = Some(path.clone());
    let _instances = server.watch("grpc");
    let mut token = async || server.requests.recv().await.expect("it runs").1;
    assert_eq!(token().await.as_deref(), Some("Bearer first"));
    std::fs::write(&path, "second").expect("writable");
    while token().await.as_deref() != Some("Bearer second") {}
    let _ = std::fs::remove_file(&path);
}

#[test]
fn without_an_address_the_error_says_what_to_do() {
    let service = Kubernetes::default().service("users".to_owned());
    let error = watch(service, &Kubernetes::default()).expect_err("no address");
    assert_eq!(
        error.to_string(),
        "failed to load the built-in defaults: `registry.kubernetes.api_server`: must be set outside \
         of a cluster: run `kubectl proxy` and set \"http://127.0.0.1:8001\""
    );
}
