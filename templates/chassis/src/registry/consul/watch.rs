//! Following the passing instances of a service by blocking queries
//! (<https://developer.hashicorp.com/consul/api-docs/features/blocking>).
//!
//! The rules of the index: it is opaque; a query with index 0 returns at once; an answer whose
//! index is smaller than the last one means that the index must be reset to 0; an answer's index
//! should not be 0, and when it is, 1 is asked for, or the agent would be asked in a loop; an
//! answer proves no change. `passing` filters after indexing, so every change of a check wakes the query up.

use std::sync::Arc;
use std::time::Duration;

use super::agent::{Agent, segment};
use super::api::Entry;
use crate::backoff::Backoff;
use crate::config::Consul;
use crate::registry::Instance;
use crate::registry::http::{Call, Error};
use crate::registry::resolve::resolve;
use crate::registry::watch::{Instances, Publisher};
use crate::tls::TlsError;
use http::{HeaderMap, Method};

const INDEX: &str = "x-consul-index";

pub(super) const MIN_BACKOFF: Duration = Duration::from_millis(200);
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// The least time from the beginning of one query to that of the next, for services whose checks
/// flap.
pub(super) const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// What a query may take beyond its `wait`: the agent adds up to a sixteenth, and the way there
/// and back takes its time.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Follows the passing instances of `service`.
///
/// # Errors
/// When the files for TLS cannot be used.
pub(crate) fn watch(service: String, config: &Consul) -> Result<Instances, TlsError> {
    let agent = Agent::new(config)?;
    let wait = config.wait.get();
    Ok(Instances::follow(&service.clone(), move |publisher| {
        follow(agent, service, wait, publisher)
    }))
}

/// Never returns, and never publishes because of an error.
async fn follow(agent: Agent, service: String, wait: Duration, publisher: Publisher) {
    let mut index = 0;
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut failing = false;
    loop {
        let begin = tokio::time::Instant::now();
        match query(&agent, &service, index, wait).await {
            Ok((instances, answered)) => {
                if failing {
                    tracing::info!(service, registry = %agent, "the registry answers again");
                }
                failing = false;
                backoff.reset();
                if let Some(instances) = instances {
                    publisher.publish(instances);
                }
                index = next_index(index, answered);
                tokio::time::sleep_until(begin + MIN_INTERVAL).await;
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(service, %error, registry = %agent, "the registry cannot be reached, the last instances stay");
                }
                failing = true;
                // A restarted agent may begin its index anew.
                index = 0;
                tokio::time::sleep(backoff.delay()).await;
            }
        }
    }
}

/// The index to wait for a change from, after one of `answered` to a query with `asked`.
pub(super) fn next_index(asked: u64, answered: Option<u64>) -> u64 {
    match answered {
        Some(0) => 1,
        Some(index) if index >= asked => index,
        _ => 0,
    }
}

/// The instances, where they are known, and the index of the answer.
async fn query(
    agent: &Agent,
    service: &str,
    index: u64,
    wait: Duration,
) -> Result<(Option<Arc<[Instance]>>, Option<u64>), Error> {
    let service = segment(service);
    let mut path = format!("/v1/health/service/{service}?passing=true");
    if index > 0 {
        path.push_str(&format!("&index={index}&wait={}ms", wait.as_millis()));
    }
    let call = Call {
        method: Method::GET,
        path: &path,
        body: Vec::new(),
        timeout: wait + wait / 16 + GRACE,
    };
    let answer = agent.client.call(call).await?;
    let entries: Vec<Entry> = serde_json::from_slice(&answer.body).map_err(Error::Body)?;
    let instances = resolve(entries.into_iter().map(Entry::into_parts)).await;
    Ok((instances, index_of(&answer.headers)))
}

pub(super) fn index_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(INDEX)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_reset_when_it_goes_backwards_or_is_missing() {
        assert_eq!(next_index(0, Some(7)), 7);
        assert_eq!(next_index(7, Some(7)), 7);
        assert_eq!(next_index(7, Some(9)), 9);
        assert_eq!(next_index(7, Some(3)), 0);
        assert_eq!(next_index(7, Some(0)), 1);
        assert_eq!(next_index(7, None), 0);
    }
}
