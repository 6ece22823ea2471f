//! Where the requests of a call come from, and how they get on their way: as they come.

use std::io::{self, IsTerminal, Read as _};
use std::time::Duration;

use prost_reflect::{DynamicMessage, MethodDescriptor};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::json::{self, Splitter};
use crate::commands::rpc;
use crate::context::Context;
use crate::error::{IoFailure, Result};

/// How many requests wait to be sent before no more are read.
const QUEUE: usize = 16;
/// How many bytes are read at a time.
const CHUNK: usize = 64 * 1024;
/// After this time without a word on stdin, the user is told what is being waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where requests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requests {
    /// From the command line or a file.
    Text {
        /// JSON values.
        text: String,
        /// Where they stand.
        origin: String,
    },
    /// From stdin.
    Stdin,
    /// One empty message.
    Empty,
}

/// Decides where requests come from, as the help says.
pub(super) fn source(
    context: &Context,
    data: Option<&str>,
    method: &MethodDescriptor,
) -> Result<Requests, IoFailure> {
    match data {
        Some("-") => Ok(Requests::Stdin),
        Some(data) => {
            let (text, origin) = rpc::read_data(context, data)?;
            Ok(Requests::Text { text, origin })
        }
        None if method.is_client_streaming() => Ok(Requests::Stdin),
        None if method.input().fields().len() == 0 => Ok(Requests::Empty),
        None if io::stdin().is_terminal() => Ok(Requests::Empty),
        None => Ok(Requests::Stdin),
    }
}

/// The one request of a method that takes no stream.
pub(super) async fn single(
    context: &Context,
    requests: Requests,
    method: &MethodDescriptor,
) -> Result<DynamicMessage> {
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let collect = async {
        let mut messages = Vec::new();
        while let Some(message) = receiver.recv().await {
            messages.push(message);
        }
        messages
    };
    let (pumped, mut messages) =
        tokio::join!(pump(context, requests, method.clone(), sender), collect);
    pumped?;
    rpc::check_single(method, messages.len())?;
    Ok(messages
        .pop()
        .unwrap_or_else(|| DynamicMessage::new(method.input())))
}

/// A queue for [`pump`].
pub(super) fn queue() -> (mpsc::Sender<DynamicMessage>, mpsc::Receiver<DynamicMessage>) {
    mpsc::channel(QUEUE)
}

/// Reads requests and puts each into the queue as soon as it is complete; ends early, and well, when
/// nobody takes them any more.
pub(super) async fn pump(
    context: &Context,
    requests: Requests,
    method: MethodDescriptor,
    queue: mpsc::Sender<DynamicMessage>,
) -> Result {
    let input = method.input();
    match requests {
        Requests::Empty => {
            // Nobody may take it any more.
            let _ = queue.send(DynamicMessage::new(input)).await;
        }
        Requests::Text { text, origin } => {
            for message in json::read_all(&text, &input, &origin)? {
                if queue.send(message).await.is_err() {
                    return Ok(());
                }
            }
        }
        Requests::Stdin => {
            let mut chunks = stdin_chunks();
            let mut splitter = Splitter::default();
            let mut is_first = true;
            loop {
                let chunk = match next_chunk(context, &mut chunks, is_first).await {
                    Some(chunk) => chunk.map_err(|source| IoFailure {
                        attempt: "read stdin".to_owned(),
                        source,
                    })?,
                    None => break,
                };
                is_first = false;
                for value in splitter.feed(&chunk) {
                    if queue
                        .send(json::read(&value, &input, "stdin")?)
                        .await
                        .is_err()
                    {
                        return Ok(());
                    }
                }
            }
            if let Some(value) = splitter.finish() {
                let _ = queue.send(json::read(&value, &input, "stdin")?).await;
            }
        }
    }
    Ok(())
}

type Chunk = io::Result<Vec<u8>>;

async fn next_chunk(
    context: &Context,
    chunks: &mut mpsc::Receiver<Chunk>,
    is_first: bool,
) -> Option<Chunk> {
    if !is_first {
        return chunks.recv().await;
    }
    if io::stdin().is_terminal() {
        context
            .printer
            .line("reading requests: a JSON value each; Ctrl-D ends them");
        return chunks.recv().await;
    }
    match timeout(PATIENCE, chunks.recv()).await {
        Ok(chunk) => chunk,
        Err(_) => {
            context
                .printer
                .line("waiting for requests on stdin; give them with `-d`, or end them with `< /dev/null`");
            chunks.recv().await
        }
    }
}

/// Reads stdin on a thread of its own, for reading a terminal cannot be interrupted: the thread ends
/// with the process.
fn stdin_chunks() -> mpsc::Receiver<Chunk> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; CHUNK];
        loop {
            let chunk = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(buffer[..length].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_error = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || is_error {
                return;
            }
        }
    });
    receiver
}
