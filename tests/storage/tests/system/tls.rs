//! PostgreSQL and Redis over TLS, with certificates that are made here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use storage::{Cache, CacheSettings, Database, Error, Settings};

use crate::postgres::Postgres;
use crate::redis::Redis;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// Puts what the server needs into `folder`, and the authorities that clients may trust: its own, and
/// another one.
fn certificates(folder: &Path) -> Vec<String> {
    let ours = authority();
    let names = vec!["127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("names");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &ours).expect("a certificate");
    let write = |name: &str, text: String| -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).expect("a temporary file");
        // It refuses a key that others can read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path
    };
    write("ours.pem", ours.as_ref().pem());
    write("other.pem", authority().as_ref().pem());
    let certificate = write("server.pem", certificate.pem());
    let key = write("server.key", key.serialize_pem());
    vec![
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ]
}

#[tokio::test]
async fn connections_are_encrypted_to_a_server_that_is_who_it_says() {
    let mut folder = PathBuf::new();
    let server = Postgres::start_with(|it| {
        folder = it.to_owned();
        certificates(it)
    });
    let Some(server) = server else {
        return;
    };
    let url = server.create("app");
    let url = |name: &str| {
        let authority = folder.join(name).display().to_string();
        let mode = format!("sslmode=verify-full&sslrootcert={authority}");
        url.replace("sslmode=disable", &mode)
    };
    let database = Database::open(&Settings::at(url("ours.pem")), &[]).await;
    let database = database.expect("it opens");
    let version = database.query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    let version: String = version.fetch_one().await.expect("a row");
    assert_eq!(version, "TLSv1.3");

    let impatient = Settings {
        acquire_timeout: chassis::config::Duration::from_millis(200),
        migration_timeout: chassis::config::Duration::from_millis(200),
        ..Settings::at(url("other.pem"))
    };
    let refused = Database::open(&impatient, &[]).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_cache_is_shared_over_tls_with_a_server_that_is_who_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name);
    let mut over_tls = 0;
    let server = Redis::start_with(|port| {
        over_tls = port;
        let port = port.to_string();
        let file = |name: &str| path(name).display().to_string();
        let files = [file("server.pem"), file("server.key"), file("ours.pem")];
        let [certificate, key, authority] = files;
        let all = [
            "--tls-port",
            &port,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
        ];
        let and = ["--tls-ca-cert-file", &authority, "--tls-auth-clients", "no"];
        all.iter().chain(&and).map(|it| (*it).to_owned()).collect()
    });
    if server.is_none() {
        return;
    }
    let replica = |authority: &str| {
        let settings = CacheSettings {
            redis: Some(chassis::config::Secret::new(format!(
                "rediss://127.0.0.1:{over_tls}/0"
            ))),
            redis_ca: Some(path(authority)),
            redis_timeout: chassis::config::Duration::from_secs(5),
            ..CacheSettings::default()
        };
        Cache::<u32>::new("numbers", &settings).expect("the URL is valid")
    };
    let get = async |cache: Cache<u32>, value: u32| {
        let read = async { Ok::<_, Error>(Some(value)) };
        let value: Option<Arc<u32>> = cache.get("key", read).await.expect("no error");
        *value.expect("there is one")
    };
    assert_eq!(get(replica("ours.pem"), 1).await, 1);
    assert_eq!(get(replica("ours.pem"), 2).await, 1, "another has read it");
    assert_eq!(get(replica("other.pem"), 3).await, 3, "it is not trusted");
}
