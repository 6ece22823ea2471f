//! What containers say.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use super::engine::Engine;
use super::error::DockerError;

/// How long an engine may take to give the last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which lines are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// So many of the last, or all.
    pub tail: Option<usize>,
    /// And those that come.
    pub follow: bool,
    /// Each with its time.
    pub timestamps: bool,
}

impl Engine {
    /// The lines of a container, as they come.
    pub fn lines(
        &self,
        id: &str,
        wanted: Wanted,
    ) -> impl Stream<Item = Result<String, DockerError>> + use<> {
        let options = LogsOptions {
            follow: wanted.follow,
            stdout: true,
            stderr: true,
            timestamps: wanted.timestamps,
            tail: wanted
                .tail
                .map_or("all".to_owned(), |lines| lines.to_string()),
            ..LogsOptions::default()
        };
        let chunks = self.docker.logs(id, Some(options));
        chunks.map(|chunk| match chunk {
            Ok(chunk) => Ok(text(&chunk)),
            Err(error) => Err(DockerError::of("read the log", error)),
        })
    }

    /// The last lines of a container, indented for a message; nothing when it said nothing.
    pub(super) async fn last_words(&self, id: &str, lines: usize) -> String {
        let wanted = Wanted {
            tail: Some(lines),
            follow: false,
            timestamps: false,
        };
        let mut chunks = Box::pin(self.lines(id, wanted));
        let mut said = String::new();
        // An engine that stands still has no last words, and the failure is to be told now.
        while let Ok(Some(Ok(chunk))) = timeout(PATIENCE, chunks.next()).await {
            for line in chunk.lines() {
                said.push_str("\n  ");
                said.push_str(line);
            }
        }
        match said.is_empty() {
            true => said,
            false => format!("; it said last:{said}"),
        }
    }
}

/// A chunk as text without the end of its last line.
fn text(chunk: &LogOutput) -> String {
    let bytes = match chunk {
        LogOutput::StdErr { message }
        | LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => message,
    };
    String::from_utf8_lossy(bytes)
        .trim_end_matches(['\r', '\n'])
        .to_owned()
}
