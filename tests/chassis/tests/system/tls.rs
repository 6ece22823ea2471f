//! TLS and mutual TLS, with certificates that are made here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chassis::client::{Channel, connect};
use chassis::config::{self, Config, NoSettings};
use chassis::testing::{self, TestServer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tokio::io::AsyncReadExt;
use tonic::Status;

use crate::support::{ProbeClient, ProbeReply, ProbeRequest, instance};

/// A folder with certificates of an authority, which is removed at the end of its test.
pub(crate) struct Certificates {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chassis-tls-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a temporary folder");
        let certificates = Self {
            folder,
            authority: authority(),
        };
        certificates.write("ca.pem", &certificates.authority.as_ref().pem());
        certificates.issue("server", |_| {});
        certificates.issue("client", |_| {});
        certificates
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a temporary file");
    }

    /// A certificate for `name` in `{name}.pem` and `{name}.key`.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        let id = format!("spiffe://shop/{name}").try_into().expect("ASCII");
        params.subject_alt_names.push(SanType::URI(id));
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .signed_by(&key, &self.authority)
            .expect("a certificate");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// What a client of a registry needs that has the certificate of the server.
    pub(crate) fn registry(&self) -> config::RegistryTls {
        config::RegistryTls {
            ca: Some(self.path("ca.pem")),
            cert: Some(self.path("client.pem")),
            key: Some(self.path("client.key")),
            ..config::RegistryTls::default()
        }
    }

    /// A server of something else, for `localhost`.
    pub(crate) fn server_config(&self) -> std::sync::Arc<tokio_rustls::rustls::ServerConfig> {
        use tokio_rustls::rustls::pki_types::pem::PemObject;
        use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
        use tokio_rustls::rustls::{ServerConfig, crypto};

        let certificate = CertificateDer::from_pem_file(self.path("server.pem"));
        let key = PrivateKeyDer::from_pem_file(self.path("server.key"));
        let config = ServerConfig::builder_with_provider(crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.expect("a certificate")],
                key.expect("a key"),
            );
        config.expect("a pair").into()
    }

    /// TLS for both sides; mutual with `mutual`.
    fn config(&self, mutual: bool) -> Config {
        let mut config = Config::<NoSettings>::default();
        config.server.tls = config::ServerTls {
            enabled: true,
            cert: Some(self.path("server.pem")),
            key: Some(self.path("server.key")),
            client_ca: mutual.then(|| self.path("ca.pem")),
            reload: config::Duration::from_millis(10),
        };
        config.client.tls = config::ClientTls {
            enabled: true,
            ca: Some(self.path("ca.pem")),
            cert: mutual.then(|| self.path("client.pem")),
            key: mutual.then(|| self.path("client.key")),
            ..config::ClientTls::default()
        };
        config
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

async fn serve(config: &Config) -> TestServer {
    testing::serve_with(config.clone(), instance("one")).await
}

async fn client(server: &TestServer, config: &Config) -> ProbeClient<Channel> {
    let target = format!("static:///{}", server.address());
    ProbeClient::new(connect(&target, config).await.expect("usable files"))
}

async fn call(server: &TestServer, config: &Config) -> Result<ProbeReply, Status> {
    let mut client = client(server, config).await;
    let reply = client.unary(ProbeRequest::default()).await?;
    Ok(reply.into_inner())
}

/// Why a server does not start, with the folder left out.
async fn problem(certificates: &Certificates, config: &Config) -> String {
    let started = testing::try_serve_with(config.clone(), instance("one")).await;
    let error = started.expect_err("the files are unusable");
    without_folder(&certificates.folder, &format!("{error:?}"))
}

fn without_folder(folder: &Path, text: &str) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

#[tokio::test]
async fn calls_are_made_over_tls() {
    let certificates = Certificates::new();
    let config = certificates.config(false);
    let server = serve(&config).await;
    let reply = call(&server, &config).await.expect("a reply");
    assert_eq!(reply.metadata.get("peer id"), None);

    let plain = client(&server, &Config::<NoSettings>::default()).await;
    assert!(plain.clone().unary(ProbeRequest::default()).await.is_err());
}

#[tokio::test]
async fn a_handler_knows_its_client_by_mutual_tls() {
    let certificates = Certificates::new();
    let config = certificates.config(true);
    let server = serve(&config).await;
    let reply = call(&server, &config).await.expect("a reply");
    assert_eq!(reply.metadata["peer id"], "spiffe://shop/client");
    assert_eq!(reply.metadata["peer name"], "client");
}

#[tokio::test]
async fn a_client_without_a_certificate_or_with_one_of_others_is_refused() {
    let certificates = Certificates::new();
    let server = serve(&certificates.config(true)).await;
    let without = certificates.config(false);
    let status = call(&server, &without).await.expect_err("no certificate");
    assert!(status.message().contains("CertificateRequired"), "{status}");

    let others = Certificates::new();
    let mut foreign = others.config(true);
    foreign.client.tls.ca = Some(certificates.path("ca.pem"));
    let status = call(&server, &foreign).await.expect_err("a stranger");
    assert!(status.message().contains("fatal alert"), "{status}");
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_refused() {
    let certificates = Certificates::new();
    let server = serve(&certificates.config(false)).await;
    let others = Certificates::new();
    let status = call(&server, &others.config(false)).await;
    let status = status.expect_err("another authority");
    assert!(
        status.message().contains("invalid peer certificate"),
        "{status}"
    );

    let mut config = certificates.config(false);
    config.client.tls.server_name = Some("other-service".to_owned());
    let status = call(&server, &config).await.expect_err("another name");
    assert!(status.message().contains("other-service"), "{status}");
    config.client.tls.server_name = Some("localhost".to_owned());
    assert!(call(&server, &config).await.is_ok());
}

#[tokio::test]
async fn certificates_are_read_again_when_they_change() {
    let certificates = Certificates::new();
    let config = certificates.config(true);
    let server = serve(&config).await;
    assert!(call(&server, &config).await.is_ok());
    certificates.issue("server", |params| {
        params.subject_alt_names = vec![SanType::DnsName("renewed".try_into().expect("ASCII"))];
    });
    let mut renewed = config.clone();
    renewed.client.tls.server_name = Some("renewed".to_owned());
    // New connections get it as soon as the server has looked.
    while call(&server, &renewed).await.is_err() {}
    assert!(call(&server, &config).await.is_err());
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_after_the_handshake_timeout() {
    let certificates = Certificates::new();
    let mut config = certificates.config(false);
    config.server.connections.handshake_timeout = config::Duration::from_millis(50);
    let server = serve(&config).await;
    let stream = tokio::net::TcpStream::connect(server.address()).await;
    let mut stream = stream.expect("the server listens");
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert_eq!(received, b"");
}

#[tokio::test]
async fn what_is_wrong_with_files_is_said_with_their_names() {
    let certificates = Certificates::new();
    let config = certificates.config(true);
    let problem = async |change: &dyn Fn(&mut config::ServerTls)| {
        let mut config = config.clone();
        change(&mut config.server.tls);
        problem(&certificates, &config).await
    };
    let path = |name: &str| Some(certificates.path(name));

    assert_eq!(
        problem(&|tls| tls.key = None).await,
        "`server.tls.key` is missing"
    );
    assert_eq!(
        problem(&|tls| tls.cert = path("none.pem")).await,
        "failed to read none.pem (`server.tls.cert`): No such file or directory (os error 2)"
    );
    assert_eq!(
        problem(&|tls| tls.cert = path("server.key")).await,
        "server.key (`server.tls.cert`) holds no certificate in the PEM format"
    );
    assert_eq!(
        problem(&|tls| tls.key = path("server.pem")).await,
        "server.pem (`server.tls.key`) holds no private key in the PEM format"
    );
    assert_eq!(
        problem(&|tls| tls.key = path("client.key")).await,
        "client.key (`server.tls.key`) does not fit server.pem: keys may not be consistent: KeyMismatch"
    );
    certificates.write("empty.pem", "");
    assert_eq!(
        problem(&|tls| tls.client_ca = path("empty.pem")).await,
        "empty.pem (`server.tls.client_ca`) holds no certificate in the PEM format"
    );
    certificates.issue("old", |params| {
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    });
    assert_eq!(
        problem(&|tls| (tls.cert, tls.key) = (path("old.pem"), path("old.key"))).await,
        "old.pem (`server.tls.cert`) holds a certificate that expired at \
         2021-02-03T00:00:00.000000Z"
    );
    certificates.issue("new", |params| {
        params.not_before = rcgen::date_time_ymd(3021, 2, 3);
    });
    assert_eq!(
        problem(&|tls| (tls.cert, tls.key) = (path("new.pem"), path("new.key"))).await,
        "new.pem (`server.tls.cert`) holds a certificate that is valid from \
         3021-02-03T00:00:00.000000Z"
    );

    let mut client = config.clone();
    client.client.tls.key = None;
    let error = connect("static:///127.0.0.1:1", &client).await;
    let error = format!("{:?}", error.expect_err("half of a pair"));
    assert_eq!(error, "`client.tls.key` is missing");
}
