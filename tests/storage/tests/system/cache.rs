//! Replicas share what one of them has read; without Redis all goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chassis::config::{Duration as Setting, Secret};
use storage::{Cache, CacheSettings, Error};

use crate::redis::Redis;

type Numbers = Cache<u32>;

/// A replica that keeps nothing in memory for longer than a moment.
fn replica(server: &Redis) -> Numbers {
    let settings = CacheSettings {
        redis: Some(Secret::new(server.url())),
        redis_timeout: Setting::from_millis(50),
        local_ttl: Setting::from_millis(1),
        ..CacheSettings::default()
    };
    Cache::new("numbers", &settings).expect("the URL is valid")
}

/// Counts how often it is read.
#[derive(Default)]
struct Source(AtomicU32);

impl Source {
    async fn read(&self) -> Result<Option<u32>, Error> {
        Ok(Some(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

async fn get(cache: &Numbers, source: &Source) -> u32 {
    // What is in memory is too old by then.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let value: Option<Arc<u32>> = cache.get("key", source.read()).await.expect("no error");
    *value.expect("there is one")
}

#[tokio::test]
async fn what_one_replica_has_read_others_have_until_it_is_forgotten() {
    let Some(server) = Redis::start() else {
        return;
    };
    let (one, two, source) = (replica(&server), replica(&server), Source::default());
    assert_eq!(get(&one, &source).await, 1);
    assert_eq!(get(&two, &source).await, 1);
    one.forget("key").await;
    assert_eq!(get(&two, &source).await, 2);
    assert_eq!(get(&one, &source).await, 2);

    // That there is none is shared as well.
    let none = one.get("none", async { Ok(None) }).await;
    assert_eq!(none.expect("no error"), None);
    let still_none = two.get("none", source.read()).await;
    assert_eq!(still_none.expect("no error"), None);
}

#[tokio::test]
async fn values_are_read_where_they_come_from_while_redis_is_away() {
    let Some(mut server) = Redis::start() else {
        return;
    };
    let (cache, source) = (replica(&server), Source::default());
    assert_eq!(get(&cache, &source).await, 1);

    server.signal("STOP");
    for number in 2..20 {
        assert_eq!(get(&cache, &source).await, number);
    }
    server.signal("CONT");
    until_it_is_shared(&cache, &source).await;

    server.kill();
    let before = get(&cache, &source).await;
    for number in 1..20 {
        assert_eq!(get(&cache, &source).await, before + number);
    }
    server.run();
    until_it_is_shared(&cache, &source).await;
}

/// It is tried again after a while: then what is read is the same twice.
async fn until_it_is_shared(cache: &Numbers, source: &Source) {
    while get(cache, source).await != get(cache, source).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_url_that_is_not_valid_is_refused_without_its_password() {
    let settings = CacheSettings {
        redis: Some(Secret::new("radish://:secret@localhost")),
        ..CacheSettings::default()
    };
    let refused = Numbers::new("numbers", &settings).expect_err("it is not valid");
    let expected = "the cache's `redis` is not valid: invalid client config";
    assert_eq!(refused.to_string(), expected);
}
