//! RabbitMQ, from Debian's package `rabbitmq-server`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Folder, Process, free_port, skip, wait_until};

/// The program without the wrapper that changes the user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker with its data.
pub struct RabbitMq {
    folder: Folder,
    port: u16,
    ports: [u16; 2],
    process: Option<Process>,
    /// Where Erlang's nodes find each other. On its own port it meets no others.
    _names: Process,
}

impl RabbitMq {
    /// A new one that listens; `None` when there is no RabbitMQ here.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| String::new())
    }

    /// One with more in its configuration, which is made for a folder.
    pub fn start_with(more: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            skip("rabbitmq-server");
            return None;
        }
        let folder = Folder::new();
        let [port, distribution, names] = [(); 3].map(|()| free_port());
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
        let epmd = Process::start(&epmd, &folder.sub("epmd.log"));
        folder.write("enabled_plugins", "[].\n");
        let settings = "disk_free_limit.absolute = 1MB\nlog.console = true\nlog.file = false\n";
        let more = more(folder.path());
        folder.write("rabbitmq.conf", &format!("{settings}{more}"));
        let mut server = Self {
            folder,
            port,
            ports: [distribution, names],
            process: None,
            _names: epmd,
        };
        server.boot();
        Some(server)
    }

    /// Starts it with what it had.
    fn boot(&mut self) {
        let folder = |name: &str| self.folder.sub(name);
        let [distribution, names] = self.ports;
        let variables: [(&str, PathBuf); 13] = [
            ("HOME", self.folder.path().to_owned()),
            // The shell becomes the broker, so that a signal is for the broker.
            ("RABBITMQ_ALLOW_INPUT", "yes".into()),
            ("RABBITMQ_SERVER_START_ARGS", "-noinput".into()),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 2 +sbwt none".into(),
            ),
            ("RABBITMQ_NODENAME", "rabbit@localhost".into()),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_NODE_PORT", self.port.to_string().into()),
            ("RABBITMQ_DIST_PORT", distribution.to_string().into()),
            ("ERL_EPMD_PORT", names.to_string().into()),
            ("RABBITMQ_MNESIA_BASE", folder("data")),
            ("RABBITMQ_LOG_BASE", folder("log")),
            ("RABBITMQ_CONFIG_FILE", folder("rabbitmq.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", folder("enabled_plugins")),
        ];
        let mut command = Command::new(PROGRAM);
        command.envs(variables);
        let log = folder("rabbitmq.log");
        self.process = Some(Process::start(&command, &log));
        wait_until(&log, || answers(self.port));
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a process");
        process.signal(signal);
    }

    /// Waits until a group of a topic, `orders.mails`, survives a kill. A kill before it has written down which queues there are, which RabbitMQ 3.10 does some seconds
    /// after they were made, leaves queues that do not answer.
    pub fn wait_until_kept(&self, group: &str) {
        let log = self.folder.sub("rabbitmq.log");
        let node = self.folder.sub("data/rabbit@localhost");
        let names = node.join("quorum/rabbit@localhost/names.dets");
        let tables = [
            "LATEST.LOG",
            "rabbit_durable_queue.DCL",
            "rabbit_durable_queue.DCD",
        ];
        let has = |path: &Path| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(group.len()).any(|it| it == group.as_bytes())
        };
        wait_until(&log, || {
            has(&names) && tables.iter().any(|table| has(&node.join(table)))
        });
        // What is seen there may have come by half.
        std::thread::sleep(Duration::from_secs(6));
    }

    /// Ends it without a warning, and starts it again with what it has on disk.
    pub fn kill_and_boot(&mut self) {
        self.signal("KILL");
        self.process = None;
        self.boot();
    }
}

/// Whether it speaks AMQP: its first frame is a method.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let mut first = [0];
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .is_ok()
        && stream.write_all(b"AMQP\x00\x00\x09\x01").is_ok()
        && stream.read_exact(&mut first).is_ok()
        && first == [1]
}
