//! etcd over TLS, which asks for a certificate.

use chassis::client;
use chassis::config::RegistryTls;
use tonic::Code;

use super::server::{Etcd, key};
use crate::discovery::wait_for_instances;
use crate::support::{ProbeClient, ProbeRequest};
use crate::tls::Certificates;

#[tokio::test(flavor = "multi_thread")]
async fn instances_register_and_are_found_over_tls() {
    let certificates = Certificates::new();
    let Some(etcd) = Etcd::start_with_tls(&certificates) else {
        return;
    };
    let path = |name| certificates.path(name).display().to_string();
    let mut first = etcd.service_with(&[
        ("PROBE_INSTANCE", "first"),
        ("ETCDCTL_CACERT", &path("ca.pem")),
        ("ETCDCTL_CERT", &path("client.pem")),
        ("ETCDCTL_KEY", &path("client.key")),
    ]);
    first.wait_for("registered");
    assert!(etcd.value(&key(&first)).is_some());
    let mut client = etcd.client().await;
    wait_for_instances(&mut client, &["first"]).await;
    let mut second = etcd.service_with(&[
        ("PROBE_INSTANCE", "second"),
        ("APP_REGISTRY__ETCD__TLS__CA", &path("ca.pem")),
        ("APP_REGISTRY__ETCD__TLS__CERT", &path("client.pem")),
        ("APP_REGISTRY__ETCD__TLS__KEY", &path("client.key")),
    ]);
    second.wait_for("registered");
    wait_for_instances(&mut client, &["first", "second"]).await;

    first.signal("TERM");
    first.wait_for("deregistered");
    wait_for_instances(&mut client, &["second"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_certificate_or_trusts_no_authority_finds_nobody() {
    let certificates = Certificates::new();
    let Some(etcd) = Etcd::start_with_tls(&certificates) else {
        return;
    };
    let mut service = etcd.service_with(&[(
        "APP_REGISTRY__ETCD__TLS__CA",
        &certificates.path("ca.pem").display().to_string(),
    )]);
    service.wait_for("the registry cannot be reached, trying again");
    assert_eq!(etcd.value(&key(&service)), None);

    let mut config = etcd.config();
    config.registry.etcd.tls = RegistryTls::default();
    config.client.ready_timeout = chassis::config::Duration::from_millis(300);
    let channel = client::connect("etcd:///probe", &config).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let status = client.unary(ProbeRequest::default()).await;
    let status = status.expect_err("nobody is known");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "no instance of etcd:///probe is ready: none is known"
    );

    config.registry.etcd.tls.cert = Some(certificates.path("client.pem"));
    let error = client::connect("etcd:///probe", &config).await;
    let error = error.expect_err("a certificate without its key");
    assert_eq!(error.to_string(), "`registry.etcd.tls.key` is missing");
}
