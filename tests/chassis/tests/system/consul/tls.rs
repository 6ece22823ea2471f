//! An agent that speaks HTTPS, and asks for a certificate.

use std::fs;
use std::path::Path;

use chassis::client;
use chassis::config::{ClientTls, Config, NoSettings, RegistryKind, RegistryTls};
use serde_json::json;

use super::Agent;
use crate::discovery::{wait_for_instances, wait_until};
use crate::support::{ProbeClient, ProbeRequest, free_port};
use crate::tls::Certificates;

/// An agent, and its address over TLS.
fn start(certificates: &Certificates) -> Option<(Agent, String)> {
    let port = free_port();
    let config = json!({
        "ports": {"https": port},
        "ca_file": certificates.path("ca.pem"),
        "cert_file": certificates.path("server.pem"),
        "key_file": certificates.path("server.key"),
        "verify_incoming_https": true,
    });
    let path = certificates.path("consul.json");
    fs::write(&path, config.to_string()).expect("a temporary file");
    let argument = format!("-config-file={}", path.display());
    let agent = Agent::start_with(vec![argument])?;
    Some((agent, format!("localhost:{port}")))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_register_and_are_found_over_https() {
    let certificates = Certificates::new();
    let Some((agent, address)) = start(&certificates) else {
        return;
    };
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|it| certificates.path(it));
    let server = ["server.pem", "server.key"].map(|it| certificates.path(it));
    // As Consul's own tools are told; and calls, and with them the check, are over TLS as well.
    let mut first = agent.service_with(&[
        ("PROBE_INSTANCE", "first"),
        ("CONSUL_HTTP_ADDR", &address),
        ("CONSUL_HTTP_SSL", "true"),
        ("CONSUL_CACERT", text(&ca)),
        ("CONSUL_CLIENT_CERT", text(&cert)),
        ("CONSUL_CLIENT_KEY", text(&key)),
        ("APP_SERVER__TLS__ENABLED", "true"),
        ("APP_SERVER__TLS__CERT", text(&server[0])),
        ("APP_SERVER__TLS__KEY", text(&server[1])),
    ]);
    wait_until(|| agent.check_output().contains("success"));

    let mut config = Config::<NoSettings>::default();
    config.registry.kind = RegistryKind::Consul;
    let url = format!("https://{address}");
    config.registry.consul.address = Some(url.parse().expect("an address"));
    config.registry.consul.tls = certificates.registry();
    config.client.tls = ClientTls {
        enabled: true,
        ca: Some(ca),
        server_name: Some("localhost".to_owned()),
        ..ClientTls::default()
    };
    let channel = client::connect("probe", &config).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    wait_for_instances(&mut client, &["first"]).await;
    first.signal("TERM");
    first.wait_for("deregistered");
    assert!(agent.passing().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_wants_certificates_is_checked_by_another_way() {
    let Some(agent) = Agent::start() else { return };
    let certificates = Certificates::new();
    let [ca, cert, key] = ["ca.pem", "server.pem", "server.key"].map(|it| certificates.path(it));
    let url = agent.url();
    let mutual = [
        ("APP_REGISTRY__CONSUL__ADDRESS", url.as_str()),
        ("APP_SERVER__TLS__ENABLED", "true"),
        ("APP_SERVER__TLS__CERT", text(&cert)),
        ("APP_SERVER__TLS__KEY", text(&key)),
        ("APP_SERVER__TLS__CLIENT_CA", text(&ca)),
    ];
    let mut asked = agent.service_with(&mutual);
    let line = asked.wait_for("how the agent checks this instance");
    let why = "the server wants a certificate, which the agent does not show";
    assert_eq!(line["fields"], json!({"check": "Http", "why": why}));
    // It was passing when it registered: what counts is what the agent finds.
    wait_until(|| agent.check_output().contains("HTTP GET"));
    assert!(
        agent.check_output().contains("200 OK"),
        "{}",
        agent.check_output()
    );
    asked.signal("STOP");
    wait_until(|| agent.passing().is_empty());
    asked.signal("CONT");
    wait_until(|| agent.passing().len() == 1);
    asked.signal("TERM");
    asked.wait();

    // The check that there was, and what it says.
    let grpc = [("APP_REGISTRY__CONSUL__CHECK", "grpc")];
    let refused = agent.service_with(&[&mutual[..], &grpc].concat());
    wait_until(|| agent.passing().is_empty());
    drop(refused);

    let alone = [("APP_ADMIN__ENABLED", "false")];
    let _told = agent.service_with(&[&mutual[..], &alone].concat());
    wait_until(|| {
        agent
            .get("/v1/agent/checks")
            .to_string()
            .contains("\"ready\"")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_trusted_tells_nobody() {
    let certificates = Certificates::new();
    let Some((agent, address)) = start(&certificates) else {
        return;
    };
    let _service = agent.service("one");
    let mut config = Config::<NoSettings>::default();
    let url = format!("https://{address}");
    config.registry.consul.address = Some(url.parse().expect("an address"));
    config.registry.consul.tls = RegistryTls {
        ca: None,
        ..certificates.registry()
    };
    config.client.ready_timeout = chassis::config::Duration::from_millis(300);
    let channel = client::connect("consul:///probe", &config).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let status = client.unary(ProbeRequest::default()).await;
    assert_eq!(
        status.expect_err("nobody is known").message(),
        "no instance of consul:///probe is ready: none is known"
    );
}
