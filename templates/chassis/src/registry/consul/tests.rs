//! Against a server that answers by a script.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::agent::Agent;
use super::api::Status;
use super::*;
use crate::config::{Consul, ConsulCheck, Secret};
use crate::readiness::{Check, Phase, Readiness};
use crate::registry::{Registration, Security};

/// An answer: status, index, body.
type Answer = (u16, Option<u64>, String);

/// A server that gives one answer a request, and none when it has none left: a query that blocks.
struct Script {
    config: Consul,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<(String, Value)>>,
    tokens: Mutex<Vec<String>>,
}

impl Script {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            answers: Mutex::new(answers.into_iter().collect()),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        let config = Consul {
            address: Some(format!("http://{address}").parse().expect("an address")),
            ..Consul::default()
        };
        Self { config, state }
    }

    fn requests(&self) -> Vec<(String, Value)> {
        self.state.requests.lock().expect("no panic").clone()
    }

    /// The requests, when there are `count`.
    async fn wait_for(&self, count: usize) -> Vec<String> {
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests.into_iter().map(|(line, _)| line).collect();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    if let Some(token) = request.headers().get("x-consul-token") {
        let token = token.to_str().expect("ASCII").to_owned();
        state.tokens.lock().expect("no panic").push(token);
    }
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    state.requests.lock().expect("no panic").push((line, body));
    let next = state.answers.lock().expect("no panic").pop_front();
    let Some((status, index, body)) = next else {
        return std::future::pending().await;
    };
    let mut response = Response::builder().status(status);
    if let Some(index) = index {
        response = response.header("X-Consul-Index", index);
    }
    Ok(response.body(Full::new(body.into())).expect("a response"))
}

fn ok(body: impl Into<String>) -> Answer {
    (200, None, body.into())
}

fn registration() -> Registration {
    Registration {
        service: "user-service".to_owned(),
        host: "10.0.0.7".to_owned(),
        port: 50051,
        tags: vec!["blue".to_owned()],
        meta: BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())]),
        admin: Some("10.0.0.7:51051".to_owned()),
        security: Security::Plain,
    }
}

#[tokio::test]
async fn an_instance_is_registered_with_its_check() {
    let mut script = Script::start([ok("")]).await;
    script.config.token = Some(Secret::new("secret"));
    Agent::new(&script.config)
        .expect("no TLS")
        .register(&registration(), &Status::passing())
        .await
        .expect("registered");
    let expected = json!({
        "ID": "user-service-10.0.0.7-50051",
        "Name": "user-service",
        "Address": "10.0.0.7",
        "Port": 50051,
        "Tags": ["blue"],
        "Meta": {"version": "1.2.3"},
        "Check": {
            "Name": "gRPC health",
            "GRPC": "10.0.0.7:50051",
            "Interval": "10000ms",
            "Timeout": "3000ms",
            "DeregisterCriticalServiceAfter": "30000ms",
            "Status": "passing",
        },
    });
    let path = "PUT /v1/agent/service/register?replace-existing-checks=true";
    assert_eq!(script.requests(), [(path.to_owned(), expected)]);
    assert_eq!(*script.state.tokens.lock().expect("no panic"), ["secret"]);
}

#[tokio::test]
async fn the_check_is_one_that_works() {
    let check = async |kind, admin: Option<&str>, security| {
        let mut script = Script::start([ok("")]).await;
        script.config.check = kind;
        let registration = Registration {
            admin: admin.map(str::to_owned),
            security,
            ..registration()
        };
        let membership = Membership::new(registration, &script.config).expect("no TLS");
        let readiness = readiness(&Arc::new(AtomicBool::new(true)));
        membership.register(&readiness).await.expect("registered");
        let check = script.requests()[0].1["Check"].clone();
        let what = ["GRPC", "HTTP", "TTL"].map(|key| check[key].as_str().map(str::to_owned));
        what.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    const ADMIN: Option<&str> = Some("10.0.0.7:51051");
    let (grpc, http, ttl) = ("10.0.0.7:50051", "http://10.0.0.7:51051/readyz", "10000ms");
    for (kind, admin, security, expected) in [
        (ConsulCheck::Auto, ADMIN, Security::Plain, grpc),
        (ConsulCheck::Auto, ADMIN, Security::Tls, grpc),
        (ConsulCheck::Auto, ADMIN, Security::Mutual, http),
        (ConsulCheck::Auto, None, Security::Mutual, ttl),
        (ConsulCheck::Grpc, ADMIN, Security::Mutual, grpc),
        (ConsulCheck::Http, ADMIN, Security::Plain, http),
        (ConsulCheck::Http, None, Security::Plain, grpc),
        (ConsulCheck::Http, None, Security::Mutual, ttl),
        (ConsulCheck::Ttl, ADMIN, Security::Plain, ttl),
        (ConsulCheck::None, ADMIN, Security::Plain, ""),
    ] {
        let actual = check(kind, admin, security).await;
        assert_eq!(actual, expected, "{kind:?} {admin:?} {security:?}");
    }
}

#[tokio::test]
async fn the_check_of_a_server_with_tls_speaks_tls() {
    let check = async |kind| {
        let mut script = Script::start([ok("")]).await;
        script.config.check = kind;
        let registration = Registration {
            security: Security::Tls,
            ..registration()
        };
        let agent = Agent::new(&script.config).expect("no TLS to the agent");
        agent
            .register(&registration, &Status::passing())
            .await
            .expect("registered");
        let check = &script.requests()[0].1["Check"];
        (check["GRPCUseTLS"].clone(), check["TLSSkipVerify"].clone())
    };
    assert_eq!(check(ConsulCheck::Grpc).await, (json!(true), json!(true)));
    // The admin server is without.
    assert_eq!(check(ConsulCheck::Http).await, (Value::Null, Value::Null));
}

fn readiness(database: &Arc<AtomicBool>) -> Readiness {
    let up = Arc::clone(database);
    let check = Check::required("database", move || {
        let up = up.load(Ordering::Relaxed);
        async move { up.then_some(()).ok_or("connection refused") }
    });
    let readiness = Readiness::new(vec![check]);
    readiness.enter(Phase::Serving);
    readiness
}

#[tokio::test]
async fn an_instance_tells_the_agent_how_it_is() {
    let unknown = (404, None, r#"Unknown check ID "x""#.to_owned());
    let by_older_ones = r#"CheckID "x" does not have associated TTL"#;
    let by_older_ones = (500, None, by_older_ones.to_owned());
    let broken = (500, None, "No cluster leader".to_owned());
    let answers = [ok(""), ok(""), ok(""), unknown, by_older_ones, broken];
    let mut script = Script::start(answers).await;
    script.config.check = ConsulCheck::Ttl;
    let membership = Membership::new(registration(), &script.config).expect("no TLS");
    assert_eq!(membership.interval(), Duration::from_secs(5));

    let database = Arc::new(AtomicBool::new(true));
    let readiness = readiness(&database);
    membership.register(&readiness).await.expect("registered");
    assert!(membership.keep(&readiness).await.expect("an answer"));
    database.store(false, Ordering::Relaxed);
    assert!(membership.keep(&readiness).await.expect("an answer"));
    assert!(!membership.keep(&readiness).await.expect("an answer"));
    assert!(!membership.keep(&readiness).await.expect("an answer"));
    assert!(membership.keep(&readiness).await.is_err());

    let requests = script.requests();
    let expected = json!({
        "Name": "readiness",
        "TTL": "10000ms",
        "DeregisterCriticalServiceAfter": "30000ms",
        "Status": "passing",
    });
    assert_eq!(requests[0].1["Check"], expected);
    let path = "PUT /v1/agent/check/update/service%3Auser-service-10.0.0.7-50051";
    let passing = json!({"Status": "passing", "Output": "ready"});
    assert_eq!(requests[1], (path.to_owned(), passing));
    let critical = json!({"Status": "critical", "Output": "database: connection refused"});
    assert_eq!(requests[2], (path.to_owned(), critical));
}

#[tokio::test]
async fn leaving_twice_is_no_error() {
    let unknown = (404, None, "Unknown service ID".to_owned());
    let script = Script::start([ok(""), unknown, (500, None, "no\n".to_owned())]).await;
    let agent = Agent::new(&script.config).expect("no TLS");
    assert!(agent.deregister("a b").await.is_ok());
    assert!(agent.deregister("a").await.is_ok());
    let error = agent.deregister("a").await.expect_err("an error");
    assert_eq!(error.to_string(), "500 Internal Server Error: no");
    assert_eq!(
        script.requests()[0].0,
        "PUT /v1/agent/service/deregister/a%20b"
    );
}

fn entries(hosts: &[&str]) -> String {
    let entries = hosts.iter().map(|host| {
        json!({
            "Node": {"Address": "10.9.9.9"},
            "Service": {"Address": host, "Port": 50051, "Meta": null},
        })
    });
    Value::Array(entries.collect()).to_string()
}

fn at(index: u64, hosts: &[&str]) -> Answer {
    (200, Some(index), entries(hosts))
}

fn addresses(instances: &crate::registry::Instances) -> Vec<String> {
    let current = instances.current().unwrap_or_default();
    current.iter().map(|it| it.address.to_string()).collect()
}

#[tokio::test]
async fn instances_are_followed_by_blocking_queries() {
    let answers = [at(7, &["10.0.0.2", "10.0.0.1"]), at(9, &["10.0.0.1", ""])];
    let script = Script::start(answers).await;
    let mut instances = watch("user service".to_owned(), &script.config).expect("no TLS");
    instances.changed().await;
    assert_eq!(addresses(&instances), ["10.0.0.1:50051", "10.0.0.2:50051"]);
    instances.changed().await;
    assert_eq!(addresses(&instances), ["10.0.0.1:50051", "10.9.9.9:50051"]);
    assert_eq!(
        script.wait_for(3).await,
        [
            "GET /v1/health/service/user%20service?passing=true",
            "GET /v1/health/service/user%20service?passing=true&index=7&wait=60000ms",
            "GET /v1/health/service/user%20service?passing=true&index=9&wait=60000ms",
        ]
    );
}

#[tokio::test]
async fn an_index_that_goes_backwards_is_reset() {
    let answers = [at(9, &["10.0.0.1"]), at(3, &["10.0.0.1"]), at(4, &[])];
    let script = Script::start(answers).await;
    let _instances = watch("users".to_owned(), &script.config).expect("no TLS");
    let requests = script.wait_for(4).await;
    let indices: Vec<bool> = requests.iter().map(|it| it.contains("index=")).collect();
    assert_eq!(indices, [false, true, false, true]);
    assert!(requests[3].contains("index=4"));
}

#[tokio::test]
async fn an_index_of_zero_does_not_make_a_busy_loop() {
    let script = Script::start([at(0, &["10.0.0.1"])]).await;
    let _instances = watch("users".to_owned(), &script.config).expect("no TLS");
    assert!(script.wait_for(2).await[1].contains("index=1&"));
}

#[tokio::test]
async fn an_error_never_empties_the_set() {
    let answers = [
        at(7, &["10.0.0.1"]),
        (500, Some(0), "No cluster leader".to_owned()),
        ok("not JSON"),
        at(3, &["10.0.0.1", "10.0.0.2"]),
    ];
    let script = Script::start(answers).await;
    let mut instances = watch("users".to_owned(), &script.config).expect("no TLS");
    instances.changed().await;
    assert_eq!(addresses(&instances), ["10.0.0.1:50051"]);
    instances.changed().await;
    assert_eq!(addresses(&instances), ["10.0.0.1:50051", "10.0.0.2:50051"]);
    let requests = script.requests();
    assert!(requests[1].0.contains("index=7"));
    assert!(
        !requests[2].0.contains("index="),
        "after an error it begins anew"
    );
}

#[tokio::test]
async fn a_key_is_followed_from_before_it_is_there_and_through_failures() {
    let answers = [
        (404, Some(5), String::new()),
        (200, Some(7), "a = 1".to_owned()),
        (500, None, "No cluster leader".to_owned()),
        (200, Some(3), "a = 2".to_owned()),
        (404, Some(4), String::new()),
    ];
    let script = Script::start(answers).await;
    let kv = Kv::new(&script.config, "config/dev/user service").expect("no TLS");
    let (sender, mut values) = tokio::sync::mpsc::channel(1);
    let task = tokio::spawn(kv.follow(sender));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let value = values.recv().await.expect("it goes on");
        seen.push(value.map(|value| String::from_utf8(value).expect("UTF-8")));
    }
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(seen, [None, text("a = 1"), text("a = 2"), None]);
    let path = "GET /v1/kv/config/dev/user%20service?raw";
    assert_eq!(
        script.wait_for(6).await,
        [
            path.to_owned(),
            format!("{path}&index=5&wait=60000ms"),
            format!("{path}&index=7&wait=60000ms"),
            path.to_owned(),
            format!("{path}&index=3&wait=60000ms"),
            format!("{path}&index=4&wait=60000ms"),
        ]
    );
    task.abort();
}
