//! Registering: a key that ends with a lease, and a lease that ends unless it is kept alive.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::client::Client;
use super::entry::{self, Entry};
use super::error::Error;
use super::proto::etcdserverpb::PutRequest;
use crate::config::Etcd;
use crate::registry::Registration;
use crate::tls::TlsError;

/// How often a lease is kept alive while it lasts once, as etcd's own client does: two attempts may
/// fail.
const PER_TTL: u32 = 3;

/// An instance's key and the lease that holds it.
#[derive(Debug)]
pub(crate) struct Lease {
    client: Client,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Chosen here and for good, so that it can be revoked even if the answer to its grant, or the
    /// task that waited for it, was lost.
    id: i64,
    ttl_seconds: i64,
    /// The revision of our last write of the key.
    revision: AtomicI64,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.client, f)
    }
}

impl Lease {
    /// # Errors
    /// When the files for TLS cannot be used.
    pub(crate) fn new(registration: &Registration, config: &Etcd) -> Result<Self, TlsError> {
        let value = serde_json::to_vec(&Entry::from(registration));
        Ok(Self {
            client: Client::new(config)?,
            key: entry::key(&config.prefix, registration),
            value: value.expect("text and numbers are JSON"),
            id: random_id(),
            ttl_seconds: whole_seconds(config.lease_ttl.get()),
            revision: AtomicI64::new(0),
        })
    }

    /// How often the lease wants to be kept alive.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.ttl_seconds.unsigned_abs()) / PER_TTL
    }

    /// Keeps the lease alive, and looks whether the key is still as we wrote it.
    pub(crate) async fn keep(&self) -> Result<bool, Error> {
        // etcd says that a lease is gone by a TTL of 0, which is no error.
        if !self.client.keep_alive(self.id).await? {
            return Ok(false);
        }
        let found = self.client.get(&self.key).await?;
        let ours = self.revision.load(Ordering::Relaxed);
        Ok(found.is_some_and(|found| found.mod_revision == ours))
    }

    /// Writes the key, whatever is there: it names our address, so it is ours.
    pub(crate) async fn register(&self) -> Result<(), Error> {
        // It may be there, if only its answer or what followed it failed.
        if !self.client.keep_alive(self.id).await? {
            self.client.grant(self.id, self.ttl_seconds).await?;
        }
        let found = self.client.get(&self.key).await?;
        let seen = found.map_or(0, |found| found.mod_revision);
        let put = PutRequest {
            key: self.key.clone(),
            value: self.value.clone(),
            lease: self.id,
        };
        match self.client.put_if_seen(seen, put).await? {
            Some(revision) => {
                self.revision.store(revision, Ordering::Relaxed);
                Ok(())
            }
            None => Err(Error::Overtaken),
        }
    }

    /// Ends the lease, which deletes the key if it is still ours.
    pub(crate) async fn deregister(&self) -> Result<(), Error> {
        self.client.revoke(self.id).await
    }
}

/// A lease that nobody else has: a random number of 63 bits, not 0, which would let etcd choose.
fn random_id() -> i64 {
    use std::hash::{BuildHasher, RandomState};
    // Each `RandomState` has keys of its own.
    let bits = RandomState::new().hash_one(0_u8) >> 1;
    i64::try_from(bits).unwrap_or(i64::MAX).max(1)
}

/// At least one: etcd refuses less.
fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_millis().div_ceil(1000);
    i64::try_from(seconds).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(10)), 10);
    }
}
