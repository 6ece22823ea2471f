//! One key of Consul's key/value store, followed by blocking queries. The rules of the index are
//! those of [`watch`](mod@super::watch); a key that is not there has an index as well, so its
//! creation is waited for like any other change.

use std::fmt;
use std::time::Duration;

use http::Method;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::agent::{Agent, segment};
use super::watch::{GRACE, MAX_BACKOFF, MIN_BACKOFF, MIN_INTERVAL, index_of, next_index};
use crate::backoff::Backoff;
use crate::config::Consul;
use crate::registry::http::{Call, Error};
use crate::registry::store::Value;
use crate::tls::TlsError;

/// A key of the store.
#[derive(Debug)]
pub(crate) struct Kv {
    agent: Agent,
    path: String,
    wait: Duration,
}

impl fmt::Display for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.agent, f)
    }
}

impl Kv {
    pub(crate) fn new(config: &Consul, key: &str) -> Result<Self, TlsError> {
        let segments: Vec<String> = key.split('/').map(segment).collect();
        Ok(Self {
            agent: Agent::new(config)?,
            // `raw` is the value alone, instead of JSON with the value in base64.
            path: format!("/v1/kv/{}?raw", segments.join("/")),
            wait: config.wait.get(),
        })
    }

    pub(crate) async fn get(&self) -> Result<Value, Error> {
        Ok(self.query(0).await?.0)
    }

    /// Ends when nobody listens.
    pub(crate) async fn follow(self, values: mpsc::Sender<Value>) {
        let mut index = 0;
        let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
        let mut failing = false;
        loop {
            let begin = Instant::now();
            match self.query(index).await {
                Ok((value, answered)) => {
                    if failing {
                        tracing::info!(store = %self, "the configuration store answers again");
                    }
                    failing = false;
                    backoff.reset();
                    if values.send(value).await.is_err() {
                        return;
                    }
                    index = next_index(index, answered);
                    tokio::time::sleep_until(begin + MIN_INTERVAL).await;
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(store = %self, %error, "the configuration store cannot be reached, the last settings stay");
                    }
                    failing = true;
                    // A restarted agent may begin its index anew.
                    index = 0;
                    tokio::time::sleep(backoff.delay()).await;
                }
            }
        }
    }

    async fn query(&self, index: u64) -> Result<(Value, Option<u64>), Error> {
        let mut path = self.path.clone();
        if index > 0 {
            path.push_str(&format!("&index={index}&wait={}ms", self.wait.as_millis()));
        }
        let call = Call {
            method: Method::GET,
            path: &path,
            body: Vec::new(),
            timeout: self.wait + self.wait / 16 + GRACE,
        };
        let (headers, body) = self.agent.client.look_up(call).await?;
        Ok((body.map(|body| body.to_vec()), index_of(&headers)))
    }
}
