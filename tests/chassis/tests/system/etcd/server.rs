//! A real etcd: `ETCD_BIN`, or `etcd` on the path or in `/usr/bin`, with `etcdctl` beside it or on
//! the path. Without them these tests are skipped, except where `CI` is `true`: there they fail.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use chassis::client::{self, Channel};
use chassis::config::{Config, NoSettings, RegistryKind, RegistryTls, Secret};
use serde_json::Value;

use crate::discovery::wait_until;
use crate::process::Service;
use crate::support::{ProbeClient, free_port};

/// A cluster of one member, on disk.
pub(crate) struct Etcd {
    server: PathBuf,
    control: PathBuf,
    child: Option<Child>,
    folder: PathBuf,
    /// Where clients find it.
    pub(super) address: SocketAddr,
    /// Where other members would find it; part of what identifies it.
    peer: SocketAddr,
    arguments: Vec<String>,
    /// What clients need, where it speaks TLS.
    tls: Option<RegistryTls>,
    /// `name:password`, once it wants to know.
    pub(super) user: Option<&'static str>,
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/bin".into()]);
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates.find(|path| path.is_file())
}

fn binaries() -> Option<(PathBuf, PathBuf)> {
    let server = match std::env::var_os("ETCD_BIN") {
        Some(path) => path.into(),
        None => on_path("etcd")?,
    };
    let beside = server.with_file_name("etcdctl");
    let control = match beside.is_file() {
        true => beside,
        false => on_path("etcdctl")?,
    };
    Some((server, control))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Etcd {
    /// A new cluster; `None` when there is no etcd here.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// A new cluster with more arguments.
    pub(super) fn start_with(arguments: &[&str]) -> Option<Self> {
        Self::start_as(arguments, None)
    }

    /// A new cluster that speaks TLS, and asks clients for a certificate.
    #[cfg(feature = "tls")]
    pub(super) fn start_with_tls(certificates: &crate::tls::Certificates) -> Option<Self> {
        let path = |name| certificates.path(name).display().to_string();
        let arguments = [
            "--client-cert-auth".to_owned(),
            format!("--cert-file={}", path("server.pem")),
            format!("--key-file={}", path("server.key")),
            format!("--trusted-ca-file={}", path("ca.pem")),
        ];
        Self::start_as(&arguments, Some(certificates.registry()))
    }

    fn start_as(arguments: &[impl ToString], tls: Option<RegistryTls>) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let Some((server, control)) = binaries() else {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "in CI there must be an etcd: set ETCD_BIN");
            let text = "skipped: no etcd here (ETCD_BIN, or etcd and etcdctl on the path)\n";
            std::io::stderr().write_all(text.as_bytes()).expect("open");
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("chassis-etcd-{}-{number}", std::process::id());
        let mut etcd = Self {
            server,
            control,
            child: None,
            folder: std::env::temp_dir().join(name),
            address: local(free_port()),
            peer: local(free_port()),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            tls,
            user: None,
        };
        etcd.wipe();
        etcd.restart();
        Some(etcd)
    }

    /// Starts it with the data that it has.
    pub(crate) fn restart(&mut self) {
        let url = |address| format!("http://{address}");
        let help = Command::new(&self.server).arg("--help").output();
        let help = help.expect("etcd runs");
        // Older versions have no such option; where it is said differs as well.
        let has_no_fsync = [help.stdout, help.stderr]
            .iter()
            .any(|text| String::from_utf8_lossy(text).contains("unsafe-no-fsync"));
        let mut command = Command::new(&self.server);
        if has_no_fsync {
            command.arg("--unsafe-no-fsync");
        }
        let child = command
            .arg("--data-dir")
            .arg(&self.folder)
            .args(["--listen-client-urls", &self.url()])
            .args(["--advertise-client-urls", &self.url()])
            .args(["--listen-peer-urls", &url(self.peer)])
            .args(["--initial-advertise-peer-urls", &url(self.peer)])
            .args(["--initial-cluster", &format!("default={}", url(self.peer))])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("etcd starts"));
        wait_until(|| self.is_healthy());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Forgets everything that it has on disk.
    pub(super) fn wipe(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    fn is_healthy(&self) -> bool {
        if self.tls.is_some() {
            // It speaks HTTP in TLS alone, which etcdctl does as well.
            let output = self.command(&["endpoint", "health"]).output();
            return output.expect("etcdctl runs").status.success();
        }
        let ask = || {
            let mut stream = TcpStream::connect(self.address).ok()?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        };
        ask().is_some_and(|text| text.contains(r#""health":"true""#))
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.control);
        command.env("ETCDCTL_API", "3").env_remove("ETCDCTL_USER");
        if let Some(user) = self.user {
            command.env("ETCDCTL_USER", user);
        }
        if let Some(tls) = &self.tls {
            let files = [("CACERT", &tls.ca), ("CERT", &tls.cert), ("KEY", &tls.key)];
            for (name, path) in files {
                let path = path.as_ref().expect("a file");
                command.env(format!("ETCDCTL_{name}"), path);
            }
        }
        command
            .env_remove("ETCDCTL_ENDPOINTS")
            .args(["--endpoints", &self.url()])
            .args(arguments);
        command
    }

    /// What `etcdctl` answers.
    pub(crate) fn control(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().expect("etcdctl runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        output.stdout
    }

    /// The same in JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [&["--write-out", "json", "--hex"], arguments].concat();
        serde_json::from_slice(&self.control(&arguments)).expect("JSON")
    }

    /// The value of a key, if it is there.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        let value = self.control(&["get", key, "--print-value-only"]);
        let value = String::from_utf8(value).expect("UTF-8");
        Some(value.trim_end().to_owned()).filter(|value| !value.is_empty())
    }

    /// The lease that holds a key, as etcdctl names it, and the revision of its last write.
    pub(super) fn lease_and_revision(&self, key: &str) -> (String, i64) {
        let answer = self.json(&["get", key]);
        let kv = &answer["kvs"][0];
        // etcdctl writes it as a decimal number even where it reads hexadecimal ones.
        let lease = kv["lease"].as_i64().expect("a lease");
        let revision = kv["mod_revision"].as_i64().expect("a revision");
        (format!("{lease:x}"), revision)
    }

    /// The revision of the store.
    pub(super) fn revision(&self) -> i64 {
        let answer = self.json(&["get", "nothing"]);
        answer["header"]["revision"].as_i64().expect("a revision")
    }

    /// The settings of a service that registers here; its lease lasts 3 s.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("APP_REGISTRY__KIND", "etcd".to_owned()),
            (
                "APP_REGISTRY__ETCD__ENDPOINTS",
                format!("[{:?}]", self.url()),
            ),
            ("APP_REGISTRY__ETCD__LEASE_TTL", "3s".to_owned()),
            ("APP_REGISTRY__ETCD__REQUEST_TIMEOUT", "1s".to_owned()),
            ("APP_SERVER__PROPAGATION_DELAY", "300ms".to_owned()),
            ("APP_SERVER__PORT", free_port().to_string()),
            ("APP_ADMIN__PORT", "0".to_owned()),
        ]
    }

    /// An instance that registers here, registered.
    pub(super) fn service(&self, name: &str) -> Service {
        let mut service = self.service_with(&[("PROBE_INSTANCE", name)]);
        service.wait_for("registered");
        service
    }

    /// An instance with settings beside or instead of the usual ones.
    pub(super) fn service_with(&self, more: &[(&str, &str)]) -> Service {
        let settings = self.settings();
        let usual = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = usual.chain(more.iter().copied()).collect();
        Service::start(&all)
    }

    /// The configuration of a client in this process.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::<NoSettings>::default();
        config.registry.kind = RegistryKind::Etcd;
        config.registry.etcd.endpoints = vec![self.url().parse().expect("an address")];
        if let Some(tls) = &self.tls {
            config.registry.etcd.tls = tls.clone();
        }
        if let Some((name, password)) = self.user.and_then(|user| user.split_once(':')) {
            config.registry.etcd.username = Some(name.to_owned());
            config.registry.etcd.password = Some(Secret::new(password));
        }
        config
    }

    pub(super) async fn client(&self) -> ProbeClient<Channel> {
        let channel = client::connect("etcd:///probe", &self.config()).await;
        ProbeClient::new(channel.expect("a valid target"))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
        self.wipe();
    }
}

/// The key of an instance.
pub(super) fn key(service: &Service) -> String {
    format!("/service/probe/{}", service.grpc)
}
