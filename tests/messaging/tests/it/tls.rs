//! Brokers over TLS, with certificates that are made here.

use std::fs;
use std::path::{Path, PathBuf};

use chassis::config::{Duration, Secret};
use messaging::{Broker, Error, Message, Settings, Subscription};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::servers::kafka::Kafka;
use crate::servers::nats::Nats;
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::{Folder, free_port};
use crate::support::{ONE_AT_A_TIME, listen};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// A folder with what a server needs, `server.pem`, `server.key` and both as `both.pem`, and with the
/// authorities that clients may trust: `ours.pem` and `other.pem`.
fn certificates() -> Folder {
    let folder = Folder::new();
    let ours = authority();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &ours).expect("a certificate").pem();
    let key = key.serialize_pem();
    folder.write("ours.pem", &ours.as_ref().pem());
    folder.write("other.pem", &authority().as_ref().pem());
    folder.write("both.pem", &format!("{key}{certificate}"));
    folder.write("server.pem", &certificate);
    folder.write("server.key", &key);
    folder
}

/// A message comes through, and none to a server for which nobody vouches.
async fn check(url: String, folder: &Folder) {
    let settings = |authority: &str| Settings {
        url: Secret::new(url.clone()),
        ca: Some(folder.sub(authority)),
        publish_timeout: Duration::from_secs(30),
        ..Settings::default()
    };
    let broker = Broker::connect(&settings("ours.pem")).await;
    let broker = broker.expect("a broker");
    let (consumer, mut events) = listen(&broker, Subscription::new("orders", "mails")).await;
    let published = broker.publish("orders", Message::new("a").with_key("7"));
    published.await.expect("confirmed");
    assert_eq!(events.next().await, "a");
    consumer.stop().await;

    let stranger = Settings {
        publish_timeout: Duration::from_secs(3),
        ..settings("other.pem")
    };
    let stranger = Broker::connect(&stranger).await.expect("a broker");
    let refused = stranger.publish("orders", Message::new("b")).await;
    assert!(
        matches!(refused, Err(Error::NotConfirmed { .. })),
        "{refused:?}"
    );
    let missing = Broker::connect(&settings("none.pem")).await.map(drop);
    assert!(matches!(missing, Err(Error::Authorities(_))), "{missing:?}");
}

#[tokio::test]
async fn authorities_that_vouch_for_nobody_are_refused() {
    let folder = Folder::new();
    let empty = folder.sub("empty.pem");
    std::fs::write(&empty, "").expect("written");
    for (url, problem) in [
        (
            "kafka://127.0.0.1:1",
            "`kafka:` is not over TLS, `kafkas:` is".to_owned(),
        ),
        (
            "amqp://127.0.0.1:1",
            "`amqp:` is not over TLS, `amqps:` is".to_owned(),
        ),
        (
            "kafkas://127.0.0.1:1",
            format!("{}: it has no certificate", empty.display()),
        ),
    ] {
        let settings = Settings {
            url: Secret::new(url),
            ca: Some(empty.clone()),
            ..Settings::default()
        };
        let refused = Broker::connect(&settings).await.map(drop);
        let text = format!("the authorities for TLS (`ca`) cannot be used: {problem}");
        assert_eq!(refused.expect_err("refused").to_string(), text);
    }
}

/// What starts a server blocks, and so it is not for a thread of the runtime.
async fn started<S: Send + 'static>(
    start: impl FnOnce() -> Option<S> + Send + 'static,
) -> Option<S> {
    let start = tokio::task::spawn_blocking(start);
    start.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_over_tls() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (folder, port) = (certificates(), free_port());
    let [authority, certificate, key] =
        ["ours.pem", "server.pem", "server.key"].map(|name| folder.sub(name).display().to_string());
    let settings = format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\n\
         ssl_options.cacertfile = {authority}\n\
         ssl_options.certfile = {certificate}\n\
         ssl_options.keyfile = {key}\n\
         ssl_options.verify = verify_none\n\
         ssl_options.fail_if_no_peer_cert = false\n"
    );
    if let Some(_server) = started(|| RabbitMq::start_with(|_| settings)).await {
        check(format!("amqps://127.0.0.1:{port}"), &folder).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_over_tls() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = certificates();
    let [certificate, key] =
        ["server.pem", "server.key"].map(|name| folder.sub(name).display().to_string());
    let arguments = ["--tls", "--tlscert", &certificate, "--tlskey", &key];
    let arguments = arguments.map(str::to_owned).to_vec();
    if let Some(server) = started(|| Nats::start_with(|_| arguments)).await {
        check(format!("tls://127.0.0.1:{}", server.port()), &folder).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_over_tls_as_a_user() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (folder, port) = (certificates(), free_port());
    let both = folder.sub("both.pem");
    let files = move |own: &Path| -> PathBuf {
        let path = own.join("server.pem");
        fs::copy(both, &path).expect("a copy");
        path
    };
    let Some(_server) = started(move || Kafka::start_with_tls(port, files)).await else {
        return;
    };
    check(
        format!("kafkas://orders:secret%401@127.0.0.1:{port}"),
        &folder,
    )
    .await;

    let settings = Settings {
        url: Secret::new(format!("kafkas://orders:wrong@127.0.0.1:{port}")),
        ca: Some(folder.sub("ours.pem")),
        publish_timeout: Duration::from_secs(3),
        ..Settings::default()
    };
    let broker = Broker::connect(&settings).await.expect("a broker");
    let refused = broker.publish("orders", Message::new("c")).await;
    assert!(
        matches!(refused, Err(Error::NotConfirmed { .. })),
        "{refused:?}"
    );
}
