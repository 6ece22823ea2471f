//! RabbitMQ.

use std::sync::OnceLock;

use messaging::Settings;

use super::{Folder, Process, Server, free_port, skip, wait_until};

#[path = "../../../../support/rabbitmq.rs"]
mod server;

pub use server::RabbitMq;

/// One that all tests share which do not hurt it.
pub async fn shared() -> Option<Settings> {
    static SERVER: OnceLock<Option<RabbitMq>> = OnceLock::new();
    let server = SERVER.get_or_init(RabbitMq::start);
    server.as_ref().map(RabbitMq::settings)
}

impl RabbitMq {
    pub fn settings(&self) -> Settings {
        Settings {
            url: chassis::config::Secret::new(format!("amqp://127.0.0.1:{}", self.port())),
            ..Settings::default()
        }
    }
}

impl Server for RabbitMq {
    fn settings(&self) -> Settings {
        self.settings()
    }

    fn signal(&self, signal: &str) {
        self.signal(signal);
    }

    fn wait_until_kept(&self, group: &str) {
        self.wait_until_kept(group);
    }

    fn kill_and_boot(&mut self) {
        self.kill_and_boot();
    }
}
