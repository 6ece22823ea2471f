//! What is shared with other replicas, without the feature for it.

use std::time::Duration;

use super::CacheSettings;
use crate::Error;

/// There is none.
#[derive(Debug)]
pub(super) enum Remote {}

/// It does not answer.
#[derive(Debug)]
pub(super) struct Away;

impl Remote {
    pub(super) fn open(_: &str, settings: &CacheSettings) -> Result<Option<Self>, Error> {
        match settings.redis {
            None => Ok(None),
            Some(_) => Err(Error::Settings(
                "the cache's `redis` is set: build with the feature `redis` of crates/storage"
                    .to_owned(),
            )),
        }
    }

    pub(super) async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, Away> {
        match *self {}
    }

    pub(super) async fn set(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<(), Away> {
        match *self {}
    }

    pub(super) async fn remove(&self, _: &str) -> Result<(), Away> {
        match *self {}
    }
}
