//! What is shared with other replicas, in Redis.
//!
//! It is there to save time, so it gets little: one connection, a short limit on each request, and
//! after some failures in a row none at all for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::trace::{Kind, Span};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue};
use tokio::time::Instant;

use super::CacheSettings;
use crate::Error;

/// So many failures in a row, and it is left alone.
const FAILURES: u32 = 3;

/// How long it is left alone: doubled each time.
const MIN_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// A Redis.
#[derive(Debug)]
pub(super) struct Remote {
    /// Before each key.
    name: String,
    client: Client,
    timeout: Duration,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    breaker: Mutex<Breaker>,
}

/// It does not answer.
#[derive(Debug)]
pub(super) struct Away;

impl Remote {
    pub(super) fn open(name: &str, settings: &CacheSettings) -> Result<Option<Self>, Error> {
        let Some(url) = &settings.redis else {
            return Ok(None);
        };
        Ok(Some(Self {
            name: name.to_owned(),
            client: client(url.expose(), settings)?,
            timeout: settings.redis_timeout.get(),
            connection: tokio::sync::Mutex::new(None),
            breaker: Mutex::new(Breaker::new()),
        }))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Away> {
        let mut command = redis::cmd("GET");
        command.arg(self.key(key));
        self.ask("GET", command).await
    }

    pub(super) async fn set(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), Away> {
        let mut command = redis::cmd("SET");
        let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        command
            .arg(self.key(key))
            .arg(value)
            .arg("PX")
            .arg(milliseconds);
        self.ask("SET", command).await
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), Away> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(key));
        self.ask("DEL", command).await
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.name)
    }

    async fn ask<T: FromRedisValue>(&self, name: &'static str, command: Cmd) -> Result<T, Away> {
        if !self.breaker().allows(Instant::now()) {
            return Err(Away);
        }
        let span = Span::new(Kind::Client, format!("{name} {}", self.name))
            .attribute("db.system.name", "redis")
            .attribute("db.operation.name", name);
        let ask = async {
            let asked = tokio::time::timeout(self.timeout, self.send(command)).await;
            asked
                .map_err(|_| "no answer in time".to_owned())?
                .map_err(|error| error.to_string())
        };
        let answer: Result<T, String> = span.run(ask).await;
        match answer {
            Ok(answer) => {
                if self.breaker().succeeded() {
                    tracing::info!(cache = self.name, "Redis answers again");
                }
                Ok(answer)
            }
            Err(error) => {
                // What comes over it later would be the answer to something else.
                if let Ok(mut connection) = self.connection.try_lock() {
                    *connection = None;
                }
                if let Some(pause) = self.breaker().failed(Instant::now()) {
                    tracing::warn!(cache = self.name, error, ?pause, "Redis is left alone");
                }
                Err(Away)
            }
        }
    }

    async fn send<T: FromRedisValue>(&self, command: Cmd) -> redis::RedisResult<T> {
        let mut connection = self.connection().await?;
        command.query_async(&mut connection).await
    }

    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(connection.insert(made).clone())
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The URL may have a password, which the error does not repeat.
fn wrong(error: &redis::RedisError) -> Error {
    let error = error.category();
    Error::Settings(format!("the cache's `redis` is not valid: {error}"))
}

#[cfg(feature = "redis-tls")]
fn client(url: &str, settings: &CacheSettings) -> Result<Client, Error> {
    // It fails where one was chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(path) = &settings.redis_ca else {
        return Client::open(url).map_err(|error| wrong(&error));
    };
    let authorities = std::fs::read(path).map_err(|error| {
        let path = path.display();
        Error::Settings(format!(
            "failed to read the cache's `redis_ca` {path}: {error}"
        ))
    })?;
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(authorities),
    };
    Client::build_with_tls(url, certificates).map_err(|error| wrong(&error))
}

#[cfg(not(feature = "redis-tls"))]
fn client(url: &str, settings: &CacheSettings) -> Result<Client, Error> {
    if url.starts_with("rediss:") || settings.redis_ca.is_some() {
        return Err(Error::Settings(
            "the cache's `redis` is over TLS: build with the feature `redis-tls` of crates/storage"
                .to_owned(),
        ));
    }
    Client::open(url).map_err(|error| wrong(&error))
}

/// Whether it is asked (pure: the time is passed in).
#[derive(Debug)]
struct Breaker {
    failures: u32,
    /// Not before this time is it asked; then one tries.
    open_until: Option<Instant>,
    backoff: Backoff,
}

impl Breaker {
    fn new() -> Self {
        Self {
            failures: 0,
            open_until: None,
            backoff: Backoff::new(MIN_PAUSE, MAX_PAUSE),
        }
    }

    fn allows(&mut self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) if until <= now => {
                // While one tries, others wait for what comes of it.
                self.open_until = Some(now + MIN_PAUSE);
                true
            }
            Some(_) => false,
        }
    }

    /// Whether it was left alone before.
    fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.backoff.reset();
        self.open_until.take().is_some()
    }

    /// How long it is left alone from now on, if it is.
    fn failed(&mut self, now: Instant) -> Option<Duration> {
        self.failures += 1;
        if self.failures < FAILURES {
            return None;
        }
        let pause = self.backoff.delay();
        self.open_until = Some(now + pause);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_left_alone_after_failures_in_a_row_and_one_tries_then() {
        let (mut now, mut breaker) = (Instant::now(), Breaker::new());
        for _ in 1..FAILURES {
            assert!(breaker.allows(now));
            assert_eq!(breaker.failed(now), None);
        }
        assert!(!breaker.succeeded());
        for _ in 1..FAILURES {
            assert_eq!(breaker.failed(now), None);
        }
        let pause = breaker.failed(now).expect("it is left alone");
        assert!(pause <= MIN_PAUSE);
        assert!(!breaker.allows(now));
        now += pause;
        assert!(breaker.allows(now));
        assert!(!breaker.allows(now), "one tries");
        assert!(
            breaker
                .failed(now)
                .is_some_and(|pause| pause <= MIN_PAUSE * 2)
        );
        now += MIN_PAUSE * 2;
        assert!(breaker.allows(now));
        assert!(breaker.succeeded());
        assert!(breaker.allows(now) && breaker.allows(now));
    }
}
