//! The client's channel over real connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chassis::client::{self, Channel};
use chassis::config::{Config, NoSettings, Size};
use chassis::testing::{self, TestServer};
use tonic::{Code, Request};

use crate::support::{
    Behaviour, ProbeApi, ProbeClient, ProbeRequest, ask, free_port, instance, services,
};

fn config() -> Config {
    let mut config = Config::<NoSettings>::default();
    // Where calls go is counted: an instance that is silent for a moment, because the machine is
    // busy, must not be spared.
    config.client.keep_alive_interval = chassis::config::Duration::default();
    config
}

fn target(servers: &[&TestServer]) -> String {
    let addresses: Vec<String> = servers.iter().map(|it| it.address().to_string()).collect();
    format!("static:///{}", addresses.join(","))
}

async fn connect(servers: &[&TestServer]) -> ProbeClient<Channel> {
    let channel = client::connect(&target(servers), &config()).await;
    ProbeClient::new(channel.expect("a valid target"))
}

/// How many of `calls` each instance answered.
async fn spread(client: &mut ProbeClient<Channel>, calls: usize) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    for _ in 0..calls {
        let reply = client
            .unary(ProbeRequest::default())
            .await
            .expect("a reply");
        *spread.entry(reply.into_inner().instance).or_default() += 1;
    }
    spread
}

/// Calls until every one of `count` instances has answered, so that all are connected.
async fn warm_up(client: &mut ProbeClient<Channel>, count: usize) {
    while spread(client, count).await.len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn calls_go_round_the_instances() {
    let servers = [
        testing::serve(instance("a")).await,
        testing::serve(instance("b")).await,
        testing::serve(instance("c")).await,
    ];
    let mut client = connect(&servers.each_ref()).await;
    warm_up(&mut client, 3).await;
    let expected = ["a", "b", "c"].map(|name| (name.to_owned(), 10));
    assert_eq!(spread(&mut client, 30).await, BTreeMap::from(expected));
}

#[tokio::test]
async fn the_configured_list_finds_a_service_by_its_name() {
    let server = testing::serve(instance("a")).await;
    let mut config = config();
    let addresses = vec![server.address().to_string()];
    config
        .registry
        .static_list
        .insert("probe".to_owned(), addresses);
    let channel = client::connect("probe", &config)
        .await
        .expect("a valid target");
    let reply = ProbeClient::new(channel)
        .unary(ProbeRequest::default())
        .await;
    assert_eq!(reply.expect("a reply").get_ref().instance, "a");
}

#[tokio::test]
async fn a_call_waits_for_an_instance_that_is_about_to_start() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let channel = client::connect(&format!("static:///{address}"), &config()).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let call = tokio::spawn(async move { client.unary(ProbeRequest::default()).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _server = testing::serve_at(address, instance("late")).await;
    let reply = call.await.expect("no panic").expect("a reply");
    assert_eq!(reply.get_ref().instance, "late");
}

#[tokio::test]
async fn without_an_instance_a_call_says_what_is_wrong_with_each() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut config = config();
    config.client.ready_timeout = chassis::config::Duration::from_secs(1);

    let target = format!("static:///{address}");
    let channel = client::connect(&target, &config)
        .await
        .expect("a valid target");
    let result = ProbeClient::new(channel)
        .unary(ProbeRequest::default())
        .await;
    let status = result.expect_err("nobody listens");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        format!("no instance of {target} is ready: {address}: Connection refused (os error 111)")
    );

    let channel = client::connect("probe", &config)
        .await
        .expect("a valid target");
    let result = ProbeClient::new(channel)
        .unary(ProbeRequest::default())
        .await;
    let status = result.expect_err("nobody is known");
    assert_eq!(
        status.message(),
        "no instance of probe is ready: none is known"
    );
}

#[tokio::test]
async fn an_instance_that_fails_is_left_alone() {
    let good = testing::serve(instance("good")).await;
    let bad = testing::serve(services(ProbeApi {
        always: Some(Behaviour::Fail(Code::Internal as i32)),
        ..ProbeApi::default()
    }))
    .await;
    let mut client = connect(&[&good, &bad]).await;
    let mut failures = 0;
    while failures < 3 {
        failures += usize::from(client.unary(ProbeRequest::default()).await.is_err());
    }
    let only_good = BTreeMap::from([("good".to_owned(), 10)]);
    assert_eq!(spread(&mut client, 10).await, only_good);

    let mut client = connect(&[&bad]).await;
    for _ in 0..3 {
        let result = client.unary(ProbeRequest::default()).await;
        assert_eq!(result.expect_err("it fails").message(), "as told");
    }
    let result = client.unary(ProbeRequest::default()).await;
    let status = result.expect_err("its breaker is open");
    assert_eq!(status.code(), Code::Unavailable);
    let (target, address) = (target(&[&bad]), bad.address());
    assert_eq!(
        status.message(),
        format!("no instance of {target} is ready: {address}: its circuit breaker is open")
    );
}

#[tokio::test]
async fn no_call_is_lost_when_an_instance_leaves_gently() {
    let stays = testing::serve(instance("stays")).await;
    let leaves = testing::serve(instance("leaves")).await;
    let mut client = connect(&[&stays, &leaves]).await;
    warm_up(&mut client, 2).await;

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, stopped) = (client.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while !*stopped.borrow() {
                    client.unary(ProbeRequest::default()).await?;
                    calls += 1;
                }
                Ok::<_, tonic::Status>(calls)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    leaves.shutdown().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send_replace(true);
    for caller in callers {
        let calls = caller.await.expect("no panic").expect("no call failed");
        assert!(calls > 0);
    }
    assert_eq!(spread(&mut client, 3).await.len(), 1);
}

#[tokio::test]
async fn an_instance_that_is_cut_off_is_unavailable_and_found_again() {
    let server = testing::serve(instance("one")).await;
    let address = server.address();
    let mut client = connect(&[&server]).await;
    warm_up(&mut client, 1).await;
    let mut hanging = client.clone();
    let call = tokio::spawn(async move { hanging.unary(ask(Behaviour::Hang(true))).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(server);
    let status = call
        .await
        .expect("no panic")
        .expect_err("the server is gone");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");

    let _server = testing::serve_at(address, instance("two")).await;
    let reply = client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    assert_eq!(reply.get_ref().instance, "two");
}

#[tokio::test]
async fn a_deadline_is_passed_through_the_chain() {
    let last = testing::serve(instance("last")).await;
    let channel = client::connect(&target(&[&last]), &config()).await;
    let first = testing::serve(services(ProbeApi {
        instance: "first".to_owned(),
        downstream: Some(channel.expect("a valid target")),
        always: None,
    }))
    .await;
    let mut client = ProbeClient::new(first.channel());
    let mut request = Request::new(ask(Behaviour::Relay(true)));
    request.set_timeout(Duration::from_secs(7));
    let reply = client.unary(request).await.expect("a reply").into_inner();
    assert_eq!(reply.instance, "last");
    let left = reply.remaining_ms.expect("a deadline");
    assert!(left <= 7_000, "{left}");
}

#[tokio::test]
async fn a_response_above_the_limit_is_refused() {
    let server = testing::serve(instance("one")).await;
    let mut config = config();
    config.client.max_response_size = Size::from_bytes(1000);
    let channel = client::connect(&target(&[&server]), &config).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let request = |size| ProbeRequest {
        size,
        ..ProbeRequest::default()
    };
    assert!(client.unary(request(100)).await.is_ok());
    let status = client.unary(request(1000)).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

#[tokio::test]
async fn a_target_that_cannot_be_understood_is_an_error() {
    let error = client::connect("http://users", &config())
        .await
        .expect_err("not a target");
    assert_eq!(
        format!("{error:?}"),
        "the target `http://users` names an authority, which has no meaning here: expected \
         `consul:///service`, `etcd:///service`, `kubernetes:///service.namespace:port`, \
         `static:///host:port,host:port`, `dns:///host:port` or the name of a service"
    );
}
