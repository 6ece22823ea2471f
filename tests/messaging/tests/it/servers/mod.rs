//! Real brokers, each a process of this one with a folder and ports of its own.

pub mod databases;
pub mod kafka;
pub mod nats;
#[path = "../../../../support/ports.rs"]
mod ports;
#[path = "../../../../support/programs.rs"]
mod programs;
pub mod rabbitmq;

use messaging::Settings;

pub use ports::free_port;
pub use programs::{Folder, Process, skip, wait_until};

/// A broker of a test's own, to be hurt.
pub trait Server: Send {
    fn settings(&self) -> Settings;

    /// Sends a signal, by its name.
    fn signal(&self, signal: &str);

    /// Waits until a group of a topic, `orders.mails`, survives a kill.
    fn wait_until_kept(&self, _group: &str) {}

    /// Ends it without a warning, and starts it again with what it has on disk.
    fn kill_and_boot(&mut self);
}
