//! The instances of a service are followed, whatever happens to the watch.

use serde_json::json;

use super::server::Etcd;
use crate::discovery::wait_for_instances;
use crate::process::Service;
use crate::support::{Behaviour, ProbeClient, ask, free_port, instance};
use chassis::testing::{self, TestServer};

/// Writes an instance as another program might, without a lease.
fn put(etcd: &Etcd, server: &TestServer) {
    let address = server.address();
    let value = json!({"address": address.ip(), "port": address.port()});
    etcd.control(&["put", &key(server), &value.to_string()]);
}

fn key(server: &TestServer) -> String {
    format!("/service/probe/{}", server.address())
}

/// A process that only finds others: its log says how.
fn follower(etcd: &Etcd) -> Service {
    etcd.service_with(&[
        ("APP_REGISTRY__KIND", "none"),
        ("PROBE_DOWNSTREAM", "etcd:///probe"),
    ])
}

/// The instance that answers the follower.
async fn relayed(client: &mut ProbeClient<tonic::transport::Channel>) -> String {
    let reply = client.unary(ask(Behaviour::Relay(true))).await;
    reply.expect("a reply").into_inner().instance
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_written_and_deleted_come_and_go() {
    let Some(etcd) = Etcd::start() else { return };
    let (one, two) = (
        testing::serve(instance("one")).await,
        testing::serve(instance("two")).await,
    );
    put(&etcd, &one);
    let mut client = etcd.client().await;
    wait_for_instances(&mut client, &["one"]).await;
    put(&etcd, &two);
    // Neither another service whose name begins the same, nor what is no instance.
    etcd.control(&[
        "put",
        "/service/probe-2/127.0.0.1:1",
        r#"{"address":"127.0.0.1","port":1}"#,
    ]);
    etcd.control(&["put", "/service/probe/x", "not an instance"]);
    wait_for_instances(&mut client, &["one", "two"]).await;
    etcd.control(&["del", &key(&one)]);
    wait_for_instances(&mut client, &["two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_resumed_and_misses_nothing() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    let (one, two) = (
        testing::serve(instance("one")).await,
        testing::serve(instance("two")).await,
    );
    put(&etcd, &one);
    let mut follower = follower(&etcd);
    let mut client = follower.client().await;
    assert_eq!(relayed(&mut client).await, "one");

    etcd.kill();
    follower.wait_for("the registry cannot be reached, the last instances stay");
    assert_eq!(relayed(&mut client).await, "one");
    while_elsewhere(&mut etcd, |etcd| {
        put(etcd, &two);
        etcd.control(&["del", &key(&one)]);
    });
    let line = follower.wait_for("instances changed");
    assert_eq!(line["fields"]["addresses"], format!("[{}]", two.address()));
    let messages = follower.log.iter().map(|line| &line["message"]);
    assert!(
        messages
            .into_iter()
            .all(|it| it != "listing the instances anew")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compacted_while_the_watch_was_broken_is_listed_anew() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    let (one, two) = (
        testing::serve(instance("one")).await,
        testing::serve(instance("two")).await,
    );
    put(&etcd, &one);
    let mut follower = follower(&etcd);
    let mut client = follower.client().await;
    assert_eq!(relayed(&mut client).await, "one");

    etcd.kill();
    while_elsewhere(&mut etcd, |etcd| {
        put(etcd, &two);
        etcd.control(&["del", &key(&one)]);
        etcd.control(&["put", "other", "x"]);
        etcd.control(&["compact", &etcd.revision().to_string()]);
    });
    let line = follower.wait_for("listing the instances anew");
    let reason = &line["fields"]["reason"];
    assert_eq!(*reason, "the changes since the last one are compacted");
    let line = follower.wait_for("instances changed");
    assert_eq!(line["fields"]["addresses"], format!("[{}]", two.address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_replaced_is_listed_anew() {
    let Some(mut etcd) = Etcd::start() else {
        return;
    };
    let (one, two) = (
        testing::serve(instance("one")).await,
        testing::serve(instance("two")).await,
    );
    for number in 0..10 {
        etcd.control(&["put", "other", &number.to_string()]);
    }
    put(&etcd, &one);
    let mut follower = follower(&etcd);
    let mut client = follower.client().await;
    assert_eq!(relayed(&mut client).await, "one");

    etcd.kill();
    etcd.wipe();
    while_elsewhere(&mut etcd, |etcd| put(etcd, &two));
    let line = follower.wait_for("listing the instances anew");
    let reason = &line["fields"]["reason"];
    assert_eq!(*reason, "the store has lost what it had");
    let line = follower.wait_for("instances changed");
    assert_eq!(line["fields"]["addresses"], format!("[{}]", two.address()));
}

/// Starts an etcd that was killed where its clients do not look for it, and in its place again
/// when `act` is done.
fn while_elsewhere(etcd: &mut Etcd, act: impl FnOnce(&Etcd)) {
    let address = etcd.address;
    etcd.address.set_port(free_port());
    etcd.restart();
    act(etcd);
    etcd.kill();
    etcd.address = address;
    etcd.restart();
}
