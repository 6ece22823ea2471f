//! Following the instances of a service: a list at one revision, then its changes from the next.
//!
//! A watch that breaks is resumed behind the last revision that was seen, so nothing is missed
//! and nothing is listed twice. What cannot be resumed is listed anew: when etcd has forgotten the
//! changes since (compaction), and when its revision is behind ours (a store that was replaced).
//! Nothing is ever published because of an error: until there is an answer, the last instances
//! stay.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::client::Client;
use super::entry;
use super::error::Error;
use super::proto::etcdserverpb::WatchResponse;
use super::requests::Watch;
use super::view::View;
use crate::backoff::Backoff;
use crate::config::Etcd;
use crate::registry::watch::{Instances, Publisher};
use crate::tls::TlsError;

pub(super) const MIN_BACKOFF: Duration = Duration::from_millis(200);
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// A watch that lasted as long was a good one: the next failure is a first one.
pub(super) const STABLE: Duration = Duration::from_secs(1);

/// How often the instances are listed anew although nothing is wrong. A store that was replaced by
/// one with a higher revision cannot be told from one that has merely changed.
const LIST_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Follows the instances of `service`.
///
/// # Errors
/// When the files for TLS cannot be used.
pub(crate) fn watch(service: String, config: &Etcd) -> Result<Instances, TlsError> {
    let client = Client::new(config)?;
    let (first, behind) = entry::keys(&config.prefix, &service);
    Ok(Instances::follow(&service.clone(), move |publisher| {
        follow(client, service, (first, behind), publisher)
    }))
}

/// Why a watch has ended.
#[derive(Debug)]
enum End {
    /// The view is of no more use.
    Stale(&'static str),
    /// The view is old.
    Due,
    /// It can be resumed.
    Failed(Error),
}

/// Never returns.
async fn follow(client: Client, service: String, keys: (Vec<u8>, Vec<u8>), publisher: Publisher) {
    let mut known: Option<View> = None;
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut failing = false;
    loop {
        let end = match open(&client, &keys, &mut known, &publisher).await {
            Ok((view, watch)) => {
                if failing {
                    tracing::info!(service, registry = %client, "the registry answers again");
                }
                failing = false;
                let begin = Instant::now();
                let end = changes(&client, view, watch, &publisher).await;
                if begin.elapsed() >= STABLE {
                    backoff.reset();
                }
                end
            }
            Err(end) => end,
        };
        match end {
            End::Due => {
                known = None;
                continue;
            }
            End::Stale(reason) => {
                tracing::info!(service, reason, "listing the instances anew");
                known = None;
            }
            End::Failed(error) => {
                if !failing {
                    tracing::warn!(service, %error, registry = %client, "the registry cannot be reached, the last instances stay");
                }
                failing = true;
            }
        }
        tokio::time::sleep(backoff.delay()).await;
    }
}

/// Lists what is not known, and opens a watch behind it.
async fn open<'v>(
    client: &Client,
    keys: &(Vec<u8>, Vec<u8>),
    known: &'v mut Option<View>,
    publisher: &Publisher,
) -> Result<(&'v mut View, Watch), End> {
    let (first, behind) = keys;
    let view = match known {
        Some(view) => view,
        None => {
            let answer = client.range(first, behind).await.map_err(End::Failed)?;
            let revision = answer.header.unwrap_or_default().revision;
            let view = known.insert(View::new(first.clone(), revision, answer.kvs));
            view.publish(publisher).await;
            view
        }
    };
    let watch = client.watch(first, behind, view.revision + 1).await;
    let watch = watch.map_err(End::Failed)?;
    let revision = watch.first.header.map_or(0, |header| header.revision);
    if let Some(end) = refusal(client, &watch.first) {
        return Err(end);
    }
    if revision < view.revision {
        return Err(End::Stale("the store has lost what it had"));
    }
    Ok((view, watch))
}

/// Why etcd ends a watch, if it does.
fn refusal(client: &Client, response: &WatchResponse) -> Option<End> {
    if response.compact_revision > 0 {
        return Some(End::Stale("the changes since the last one are compacted"));
    }
    response.canceled.then(|| {
        let reason = response.cancel_reason.as_str();
        End::Failed(client.ended(Status::failed_precondition(reason)))
    })
}

/// Takes changes as they come, in batches as etcd sends them, until the watch ends.
async fn changes(client: &Client, view: &mut View, mut watch: Watch, publisher: &Publisher) -> End {
    let due = view.since + LIST_INTERVAL;
    loop {
        let response = match tokio::time::timeout_at(due, watch.responses.message()).await {
            Err(_) => return End::Due,
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => {
                let status = Status::unavailable("the watch ended");
                return End::Failed(client.ended(status));
            }
            Ok(Err(status)) => return End::Failed(client.ended(status)),
        };
        if let Some(end) = refusal(client, &response) {
            return end;
        }
        if view.apply(response) {
            view.publish(publisher).await;
        }
    }
}
