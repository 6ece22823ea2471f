//! An instance is registered, whatever happens to its key, its lease or etcd.

use std::net::SocketAddr;

use chassis::client;
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::server::{Etcd, key};
use crate::discovery::{wait_for_instances, wait_until};
use crate::process::Service;
use crate::support::{ProbeClient, free_port};

const AGAIN: &str = "the registry had lost this instance, registered again";
const AWAY: &str = "the registry cannot be reached, trying again";

/// What `/readyz` says of the registry.
fn registry(service: &Service) -> Value {
    let ready: Value = serde_json::from_str(&service.get("/readyz").1).expect("JSON");
    ready["dependencies"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_register_are_called_and_leave_before_they_drain() {
    let Some(etcd) = Etcd::start() else { return };
    let mut first = etcd.service_with(&[
        ("PROBE_INSTANCE", "first"),
        ("APP_REGISTRY__TAGS", r#"["blue"]"#),
        ("APP_REGISTRY__META__WEIGHT", "10"),
    ]);
    first.wait_for("registered");
    let value = etcd.value(&key(&first)).expect("registered");
    let expected = json!({
        "address": "127.0.0.1",
        "port": first.grpc.port(),
        "tags": ["blue"],
        "meta": {"admin": first.admin.to_string(), "version": "1.2.3", "weight": "10"},
    });
    let value: Value = serde_json::from_str(&value).expect("JSON");
    assert_eq!(value, expected);
    let (lease, _) = etcd.lease_and_revision(&key(&first));
    assert_ne!(lease, "0");
    assert_eq!(
        registry(&first),
        json!({"name": "registry", "ok": true, "required": false})
    );

    let mut client = etcd.client().await;
    wait_for_instances(&mut client, &["first"]).await;
    let _second = etcd.service("second");
    wait_for_instances(&mut client, &["first", "second"]).await;

    first.signal("TERM");
    first.wait_for("deregistered");
    assert_eq!(etcd.value(&key(&first)), None);
    // No call fails while it goes.
    wait_for_instances(&mut client, &["second"]).await;
    assert!(first.wait().success());
    let messages: Vec<_> = first
        .log
        .iter()
        .filter_map(|it| it["message"].as_str())
        .collect();
    let position = |message| messages.iter().position(|it| *it == message);
    assert!(position("deregistered") < position("waiting for clients to notice"));
    assert!(position("waiting for clients to notice") < position("finishing calls in flight"));
}

#[test]
fn an_instance_whose_lease_was_revoked_registers_again() {
    let Some(etcd) = Etcd::start() else { return };
    let mut service = etcd.service("one");
    let key = key(&service);
    let (lease, before) = etcd.lease_and_revision(&key);
    etcd.control(&["lease", "revoke", &lease]);
    service.wait_for(AGAIN);
    let (lease, after) = etcd.lease_and_revision(&key);
    assert!(after > before);
    assert_ne!(lease, "0", "it ends with a lease again");
}

#[test]
fn an_instance_whose_key_others_delete_or_overwrite_writes_it_again() {
    let Some(etcd) = Etcd::start() else { return };
    let mut service = etcd.service("one");
    let key = key(&service);
    let (value, (lease, _)) = (etcd.value(&key), etcd.lease_and_revision(&key));

    etcd.control(&["del", &key]);
    service.wait_for(AGAIN);
    assert_eq!(etcd.value(&key), value);

    etcd.control(&["put", &key, "not ours"]);
    service.wait_for(AGAIN);
    assert_eq!(etcd.value(&key), value);
    assert_eq!(etcd.lease_and_revision(&key).0, lease, "by the same lease");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_is_killed_and_comes_back_with_its_data_costs_no_call() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    let mut service = etcd.service("one");
    let mut client = etcd.client().await;
    wait_for_instances(&mut client, &["one"]).await;

    etcd.kill();
    service.wait_for(AWAY);
    wait_for_instances(&mut client, &["one"]).await;
    let state = registry(&service);
    assert_eq!(
        (&state["ok"], &state["required"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        service.get("/readyz").0,
        200,
        "it can do without its registry"
    );

    etcd.restart();
    wait_until(|| registry(&service)["ok"] == true);
    assert!(etcd.value(&key(&service)).is_some());
    let _second = etcd.service("second");
    wait_for_instances(&mut client, &["one", "second"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_comes_back_without_its_data_costs_no_call() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    // The new store is behind the old one for long.
    for number in 0..20 {
        etcd.control(&["put", "other", &number.to_string()]);
    }
    let mut service = etcd.service("one");
    let mut client = etcd.client().await;
    wait_for_instances(&mut client, &["one"]).await;

    etcd.kill();
    etcd.wipe();
    etcd.restart();
    service.wait_for(AGAIN);
    assert!(etcd.value(&key(&service)).is_some());
    let _second = etcd.service("second");
    wait_for_instances(&mut client, &["one", "second"]).await;
}

#[test]
fn an_etcd_that_stands_still_for_a_while_has_the_instance_afterwards() {
    let Some(etcd) = Etcd::start() else { return };
    let mut service = etcd.service("one");
    etcd.signal("STOP");
    let line = service.wait_for(AWAY);
    let error = line["fields"]["error"].as_str().expect("a reason");
    assert_eq!(error, format!("{}: no answer within 1s", etcd.url()));
    etcd.signal("CONT");
    wait_until(|| registry(&service)["ok"] == true);
    wait_until(|| etcd.value(&key(&service)).is_some());
}

#[test]
fn an_instance_that_stands_still_for_longer_than_its_lease_registers_again() {
    let Some(etcd) = Etcd::start() else { return };
    let mut service = etcd.service("one");
    let key = key(&service);
    service.signal("STOP");
    wait_until(|| etcd.value(&key).is_none());
    service.signal("CONT");
    service.wait_for(AGAIN);
    assert!(etcd.value(&key).is_some());
}

#[test]
fn an_instance_registers_once_there_is_an_etcd() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    etcd.kill();
    let mut service = etcd.service_with(&[]);
    let line = service.wait_for(AWAY);
    let error = line["fields"]["error"].as_str().expect("a reason");
    let url = etcd.url();
    assert!(error.starts_with(&format!("{url}: ")), "{error}");
    assert!(
        error.ends_with("Connection refused (os error 111)"),
        "{error}"
    );
    etcd.restart();
    service.wait_for("registered");
    assert!(etcd.value(&key(&service)).is_some());
}

#[test]
fn the_end_of_an_instance_is_not_held_up_by_an_etcd_that_is_away() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    let mut service = etcd.service("one");
    etcd.kill();
    service.signal("TERM");
    service.wait_for("failed to deregister, the instance will expire");
    assert!(service.wait().success());
}

#[test]
fn the_next_endpoint_is_asked_when_the_first_is_dead() {
    let Some(etcd) = Etcd::start() else { return };
    let dead = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let endpoints = format!(r#"["http://{dead}", "{}"]"#, etcd.url());
    let mut service = etcd.service_with(&[("APP_REGISTRY__ETCD__ENDPOINTS", &endpoints)]);
    service.wait_for("registered");
    assert!(etcd.value(&key(&service)).is_some());
    let messages = service.log.iter().map(|line| &line["message"]);
    assert!(messages.into_iter().all(|message| message != AWAY));
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_watches_go_on_at_the_next_endpoint() {
    let Some(etcd) = Etcd::start() else { return };
    let proxy = Proxy::to(etcd.address);
    let through = format!("http://{}", proxy.address);
    let endpoints = format!(r#"["{through}", "{}"]"#, etcd.url());
    let mut service = etcd.service_with(&[
        ("PROBE_INSTANCE", "one"),
        ("APP_REGISTRY__ETCD__ENDPOINTS", &endpoints),
    ]);
    service.wait_for("registered");
    let mut config = etcd.config();
    let through = through.parse().expect("an address");
    config.registry.etcd.endpoints.insert(0, through);
    let channel = client::connect("etcd:///probe", &config).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    wait_for_instances(&mut client, &["one"]).await;

    proxy.cut();
    etcd.control(&["del", &key(&service)]);
    service.wait_for(AGAIN);
    let _second = etcd.service("second");
    wait_for_instances(&mut client, &["one", "second"]).await;
    let messages = service.log.iter().map(|line| &line["message"]);
    assert!(messages.into_iter().all(|message| message != AWAY));
}

/// Everybody must say who they are from now on.
fn enable_authentication(etcd: &mut Etcd) {
    etcd.control(&["user", "add", "root:secret"]);
    etcd.control(&["user", "grant-role", "root", "root"]);
    etcd.control(&["auth", "enable"]);
    etcd.user = Some("root:secret");
}

const ROOT: [(&str, &str); 2] = [
    ("APP_REGISTRY__ETCD__USERNAME", "root"),
    ("APP_REGISTRY__ETCD__PASSWORD", "secret"),
];

#[tokio::test(flavor = "multi_thread")]
async fn where_authentication_is_enabled_a_user_registers_and_finds_others() {
    // Tokens end after a second without use, which is less than a lease is left alone.
    let Some(mut etcd) = Etcd::start_with(&["--auth-token-ttl", "1"]) else {
        return;
    };
    enable_authentication(&mut etcd);
    let more = [
        &ROOT[..],
        &[
            ("PROBE_INSTANCE", "one"),
            ("APP_REGISTRY__ETCD__LEASE_TTL", "9s"),
        ],
    ];
    let mut service = etcd.service_with(&more.concat());
    service.wait_for("registered");
    let mut client = etcd.client().await;
    wait_for_instances(&mut client, &["one"]).await;

    // It forgets all tokens.
    etcd.kill();
    etcd.restart();
    wait_until(|| registry(&service)["ok"] == true);
    etcd.control(&["del", &key(&service)]);
    service.wait_for(AGAIN);
    let second = [&ROOT[..], &[("PROBE_INSTANCE", "second")]];
    let _second = etcd.service_with(&second.concat());
    wait_for_instances(&mut client, &["one", "second"]).await;
}

#[test]
fn authentication_may_be_enabled_later() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    let mut service = etcd.service_with(&ROOT);
    service.wait_for("registered");
    enable_authentication(&mut etcd);
    etcd.control(&["del", &key(&service)]);
    service.wait_for(AGAIN);
    assert!(etcd.value(&key(&service)).is_some());
}

#[test]
fn a_wrong_password_and_a_missing_user_are_clear_errors() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    enable_authentication(&mut etcd);
    // An etcd that is busy may not answer in time at first, which is another problem.
    let wait_for = |problem: &str, more: &[(&str, &str)]| {
        let mut service = etcd.service_with(more);
        let problem = format!("{}: {problem}", etcd.url());
        while service.wait_for(AWAY)["fields"]["error"] != problem.as_str() {}
    };
    let wrong = [ROOT[0], ("APP_REGISTRY__ETCD__PASSWORD", "guess")];
    wait_for(
        "etcdserver: authentication failed, invalid user ID or password",
        &wrong,
    );
    wait_for("etcdserver: user name is empty", &[]);
}
