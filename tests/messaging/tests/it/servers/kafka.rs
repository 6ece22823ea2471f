//! Kafka, from the jars in the folder `KAFKA_JARS`, which `.ci/kafka` fetches. Needs Java.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use messaging::Settings;

use super::{Folder, Process, Server, free_port, skip, wait_until};

/// One that all tests share which do not hurt it.
pub async fn shared() -> Option<Settings> {
    static SERVER: OnceLock<Option<Kafka>> = OnceLock::new();
    let server = SERVER.get_or_init(Kafka::start);
    server.as_ref().map(Server::settings)
}

/// The cluster that all servers are of.
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// The server that is its controller too.
const FIRST: u16 = 1;

/// Makes what a server needs for TLS.
type Files = Box<dyn FnOnce(&Path) -> PathBuf>;

pub struct Kafka {
    folder: Folder,
    jars: PathBuf,
    node: u16,
    port: u16,
    /// Where it says that it is.
    advertised: u16,
    controller: u16,
    process: Option<Process>,
}

impl Kafka {
    pub fn start() -> Option<Self> {
        let port = free_port();
        Self::new(FIRST, [port, port, free_port()], None)
    }

    /// One that listens over TLS too, at `port`, and takes the user `orders` alone there, whose
    /// password is `secret@1`. `files` makes a certificate with its key in a folder.
    pub fn start_with_tls(
        port: u16,
        files: impl FnOnce(&Path) -> PathBuf + 'static,
    ) -> Option<Self> {
        let plain = free_port();
        Self::new(
            FIRST,
            [plain, plain, free_port()],
            Some((port, Box::new(files))),
        )
    }

    /// One that all reach at `advertised`, from where what comes has to be passed on to [`Self::port`].
    pub fn start_behind(advertised: u16) -> Option<Self> {
        Self::new(FIRST, [free_port(), advertised, free_port()], None)
    }

    /// Another one of the same cluster.
    pub fn start_another(&self) -> Self {
        let port = free_port();
        let another = Self::new(self.node + 1, [port, port, self.controller], None);
        another.expect("there are jars")
    }

    fn new(
        node: u16,
        [port, advertised, controller]: [u16; 3],
        tls: Option<(u16, Files)>,
    ) -> Option<Self> {
        let Some(jars) = std::env::var_os("KAFKA_JARS") else {
            skip("Kafka (KAFKA_JARS)");
            return None;
        };
        let folder = Folder::new();
        let (roles, also) = match node {
            FIRST => (
                "broker,controller",
                format!(",CONTROLLER://127.0.0.1:{controller}"),
            ),
            _ => ("broker", String::new()),
        };
        let mut over_tls = [String::new(), String::new()];
        if let Some((port, files)) = tls {
            let file = files(folder.path());
            over_tls[0] = format!(",SASL_SSL://127.0.0.1:{port}");
            over_tls[1] = format!(
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL\n\
                 ssl.keystore.type=PEM\n\
                 ssl.keystore.location={}\n\
                 sasl.enabled.mechanisms=PLAIN\n\
                 listener.name.sasl_ssl.plain.sasl.jaas.config=\
                 org.apache.kafka.common.security.plain.PlainLoginModule required \
                 user_orders=\"secret@1\";\n",
                file.display()
            );
        }
        let [listener, settings] = over_tls;
        let properties = format!(
            "process.roles={roles}\n\
             node.id={node}\n\
             controller.quorum.voters={FIRST}@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port}{also}{listener}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}{listener}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n{settings}",
            folder.sub("data").display()
        );
        folder.write("server.properties", &properties);
        let mut server = Self {
            folder,
            jars: jars.into(),
            node,
            port,
            advertised,
            controller,
            process: None,
        };
        let mut format = server.java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER, "-c"]);
        format.arg(server.folder.sub("server.properties"));
        let formatted = format.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(formatted.expect("java runs").success(), "{format:?}");
        server.boot();
        Some(server)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        // What starts soonest, and takes least.
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.arg("-cp").arg(self.jars.join("*")).arg(class);
        java
    }

    fn boot(&mut self) {
        let mut command = self.java("kafka.Kafka");
        command.arg(self.folder.sub("server.properties"));
        let log = self.folder.sub("kafka.log");
        self.process = Some(Process::start(&command, &log));
        wait_until(&log, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        });
    }
}

impl Server for Kafka {
    fn settings(&self) -> Settings {
        Settings {
            url: chassis::config::Secret::new(format!("kafka://127.0.0.1:{}", self.advertised)),
            ..Settings::default()
        }
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a process");
        process.signal(signal);
    }

    fn kill_and_boot(&mut self) {
        self.signal("KILL");
        self.process = None;
        self.boot();
    }
}
