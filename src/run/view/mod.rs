//! What a running system looks like.
//!
//! It is printed by a thread of its own: whoever reads our output may stop to do so, as a pager does,
//! and the registry, the signals and the services must not wait for them.

mod screen;

use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

pub use screen::event;

use crate::error::{IoFailure, Result};
use crate::printer::Printer;
use crate::run::process::Instance;
use screen::Screen;

/// How many messages may wait to be printed before services wait with their lines.
const AHEAD: usize = 1024;
/// How many messages one event leads to at most.
const AT_ONCE: usize = 8;

/// Something that is to be shown; processes go by their number.
#[derive(Clone, Debug)]
pub enum Message {
    /// A process was started.
    Started {
        /// Which.
        number: usize,
        /// Its id.
        pid: u32,
    },
    /// Some are not ready yet.
    StillStarting,
    /// A process has said something.
    Said {
        /// Which.
        number: usize,
        /// What.
        line: String,
    },
    /// A process is ready.
    Ready {
        /// Which.
        number: usize,
    },
    /// A process has ended.
    Exited {
        /// Which.
        number: usize,
        /// What the system says of it.
        status: String,
        /// Whether it was asked to.
        was_asked: bool,
    },
    /// All are ready.
    Running,
    /// All were asked to stop.
    Stopping {
        /// How long they may take.
        limit: Duration,
    },
    /// All have ended after that.
    Stopped,
    /// The workspace has services that it had not when this began.
    Added {
        /// Which.
        services: Vec<String>,
        /// What runs them too.
        command: String,
    },
    /// Something is not as it should be.
    Warning(String),
}

/// What is told of a system as a whole, once all of it runs.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// The URL of the registry.
    pub registry: Option<String>,
    /// The URL at which traces can be asked for.
    pub traces: Option<String>,
    /// A service whose methods can be listed.
    pub callable: Option<String>,
    /// A command that calls through a gateway.
    pub through_gateway: Option<String>,
}

/// The way to the thread that prints.
#[derive(Debug)]
pub struct View {
    /// `None` once it is finished.
    messages: Option<Sender<Message>>,
    outcome: oneshot::Receiver<Result>,
}

impl View {
    /// Begins to print for these processes.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(
        printer: &Printer,
        instances: &[Instance],
        overview: Overview,
    ) -> Result<Self, IoFailure> {
        let screen = Screen::new(printer.clone(), instances.to_vec(), overview);
        let (messages, receiver) = channel(AHEAD);
        let (sender, outcome) = oneshot::channel();
        let print = move || {
            // Nobody waits for it once the system is gone.
            let _ = sender.send(print(screen, receiver));
        };
        let started = thread::Builder::new().name("view".to_owned()).spawn(print);
        started.map_err(|source| IoFailure {
            attempt: "start a thread".to_owned(),
            source,
        })?;
        Ok(Self {
            messages: Some(messages),
            outcome,
        })
    }

    /// Waits until there is room for what one event leads to.
    pub async fn has_room(&self) {
        if let Some(messages) = &self.messages {
            // Without a printer there is nothing to wait for.
            let _ = messages.reserve_many(AT_ONCE).await;
        }
    }

    /// Shows something; it is passed over where nobody reads and [`View::has_room`] was not asked.
    pub fn show(&self, message: Message) {
        if let Some(messages) = &self.messages {
            let _ = messages.try_send(message);
        }
    }

    /// Returns when nothing can be printed any more.
    pub async fn closed(&self) {
        if let Some(messages) = &self.messages {
            messages.closed().await;
        }
    }

    /// Waits until all is printed; to be called once.
    ///
    /// # Errors
    /// When stdout cannot be written to. A reader that went away is a silent success.
    pub async fn finish(&mut self) -> Result {
        self.messages = None;
        (&mut self.outcome).await.unwrap_or(Ok(()))
    }
}

fn print(mut screen: Screen, mut messages: Receiver<Message>) -> Result {
    while let Some(message) = messages.blocking_recv() {
        screen.show(&message)?;
    }
    Ok(())
}
