//! One key of etcd, followed by a watch: its value at one revision, then its changes from the next.
//! What ends a watch, and what can be resumed, is as in [`watch`](mod@super::watch), but the value
//! is small: after any failure it is simply read anew.

use std::fmt;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use super::client::Client;
use super::error::Error;
use super::proto::mvccpb::event::EventType;
use super::watch::{MAX_BACKOFF, MIN_BACKOFF, STABLE};
use crate::backoff::Backoff;
use crate::config::Etcd;
use crate::registry::store::Value;
use crate::tls::TlsError;

/// A key of the store.
#[derive(Debug)]
pub(crate) struct Key {
    client: Client,
    key: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.client, f)
    }
}

/// Nobody listens any longer.
struct Unheard;

impl Key {
    /// It must be made inside of a runtime.
    pub(crate) fn new(config: &Etcd, key: String) -> Result<Self, TlsError> {
        Ok(Self {
            client: Client::new(config)?,
            key,
        })
    }

    pub(crate) async fn get(&self) -> Result<Value, Error> {
        let found = self.client.get(self.key.as_bytes()).await?;
        Ok(found.map(|kv| kv.value))
    }

    /// Ends when nobody listens.
    pub(crate) async fn follow(self, values: mpsc::Sender<Value>) {
        let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
        let mut failing = false;
        loop {
            let begin = Instant::now();
            let Ok(error) = self.watch(&values, &mut failing).await else {
                return;
            };
            if !failing {
                tracing::warn!(store = %self, %error, "the configuration store cannot be reached, the last settings stay");
            }
            failing = true;
            if begin.elapsed() >= STABLE {
                backoff.reset();
            }
            tokio::time::sleep(backoff.delay()).await;
        }
    }

    /// Follows the key until the store fails, which is what it returns.
    async fn watch(
        &self,
        values: &mpsc::Sender<Value>,
        failing: &mut bool,
    ) -> Result<Error, Unheard> {
        let key = self.key.as_bytes();
        let mut listed = match self.client.range(key, &[]).await {
            Ok(listed) => listed,
            Err(error) => return Ok(error),
        };
        let value = listed.kvs.pop().map(|kv| kv.value);
        values.send(value).await.map_err(|_| Unheard)?;
        let revision = listed.header.unwrap_or_default().revision;
        let mut watch = match self.client.watch(key, &[], revision + 1).await {
            Ok(watch) => watch,
            Err(error) => return Ok(error),
        };
        if std::mem::take(failing) {
            tracing::info!(store = %self, "the configuration store answers again");
        }
        let mut response = watch.first;
        loop {
            if response.canceled || response.compact_revision > 0 {
                let status = Status::failed_precondition(response.cancel_reason);
                return Ok(self.client.ended(status));
            }
            // Changes come in batches, and only the last one counts.
            if let Some(event) = response.events.pop() {
                let kind = event.r#type();
                let value = event.kv.map(|kv| kv.value);
                let value = value.filter(|_| kind == EventType::Put);
                values.send(value).await.map_err(|_| Unheard)?;
            }
            response = match watch.responses.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return Ok(self.client.ended(Status::unavailable("the watch ended"))),
                Err(status) => return Ok(self.client.ended(status)),
            };
        }
    }
}
