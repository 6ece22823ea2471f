//! The limit on calls a second.

use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderName, Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use super::gcra::{Bucket, Quota};
use super::keys::Buckets;
use super::refusal::{self, Reason};
use crate::config::{self, ClientKey, Follow, Section};
use crate::middleware::call;
use crate::middleware::refuse::Refusable;

/// Wraps a server so that calls above a rate are refused.
#[derive(Debug, Clone)]
pub(crate) struct RateLimitLayer {
    /// New ones begin with full buckets.
    limits: Follow<Option<Limits>>,
}

#[derive(Debug)]
struct Limits {
    /// What times are counted from.
    begin: Instant,
    all: Option<Bucket>,
    each: Option<(ClientKey, Buckets)>,
}

impl RateLimitLayer {
    /// The limits that need to know nothing but the connection and the metadata of a call.
    pub(crate) fn of_anybody(config: &config::Limits) -> Self {
        Self::following(config, |config| {
            let all = Quota::new(config.rate.rate.get(), config.rate.burst).map(Bucket::new);
            let each = buckets(&config.client_rate);
            Limits::new(all, each.filter(|(key, _)| *key != ClientKey::Subject))
        })
    }

    /// The limits that need to know who is calling.
    pub(crate) fn of_somebody(config: &config::Limits) -> Self {
        Self::following(config, |config| {
            let each = buckets(&config.client_rate);
            Limits::new(None, each.filter(|(key, _)| *key == ClientKey::Subject))
        })
    }

    fn following(config: &config::Limits, make: fn(&config::Limits) -> Option<Limits>) -> Self {
        let again = move |config: &config::Config| make(&config.server.limits);
        Self {
            limits: Follow::new(&[Section::Limits], make(config), again),
        }
    }
}

fn buckets(config: &config::ClientRate) -> Option<(ClientKey, Buckets)> {
    let quota = Quota::new(config.rate.get(), config.burst)?;
    Some((config.key.clone(), Buckets::new(quota, config.max_keys)))
}

impl Limits {
    /// `None` when there are none.
    fn new(all: Option<Bucket>, each: Option<(ClientKey, Buckets)>) -> Option<Self> {
        let any = all.is_some() || each.is_some();
        any.then(|| Self {
            begin: Instant::now(),
            all,
            each,
        })
    }

    /// # Errors
    /// The refusal.
    fn take<Q>(&self, request: &Request<Q>) -> Result<(), Status> {
        let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // The client's own first: one that is above it takes nothing from the others.
        if let Some((key, buckets)) = &self.each {
            let refused = |wait: Duration| refusal::above_rate(Reason::client_rate, wait);
            match client(key, request) {
                Client::Header(name, value) => buckets.take((name, value), now),
                Client::Subject(subject) => buckets.take(subject, now),
                Client::Network(network) => buckets.take(network, now),
            }
            .map_err(refused)?;
        }
        if let Some(all) = &self.all {
            let refused = |wait: Duration| refusal::above_rate(Reason::rate, wait);
            all.take(now).map_err(refused)?;
        }
        Ok(())
    }
}

/// What a client is known by.
enum Client<'a> {
    Header(&'a HeaderName, &'a [u8]),
    Subject((Option<&'a str>, &'a str)),
    Network(Option<IpAddr>),
}

/// The client of `request` by `key`; by its address when it does not have that.
fn client<'a, Q>(key: &'a ClientKey, request: &'a Request<Q>) -> Client<'a> {
    let known = match key {
        ClientKey::Peer => None,
        ClientKey::Metadata(name) => {
            let value = request.headers().get(name);
            value.map(|value| Client::Header(name, value.as_bytes()))
        }
        ClientKey::Subject => subject(request).map(Client::Subject),
    };
    known.unwrap_or_else(|| {
        let peer = request.extensions().get::<TcpConnectInfo>();
        let peer = peer.and_then(TcpConnectInfo::remote_addr);
        Client::Network(peer.map(|peer| network(peer.ip())))
    })
}

/// Who has issued the token of `request`, and whom it is about: subjects are unique for each issuer
/// (RFC 7519, section 4.1.2).
#[cfg(feature = "auth")]
fn subject<Q>(request: &Request<Q>) -> Option<(Option<&str>, &str)> {
    let claims = request.extensions().get::<crate::auth::Claims>()?;
    Some((claims.issuer(), claims.subject()?))
}

#[cfg(not(feature = "auth"))]
fn subject<Q>(_: &Request<Q>) -> Option<(Option<&str>, &str)> {
    None
}

/// The part of an address that one client cannot choose: all of IPv4, and of IPv6 the first 64
/// bits (RFC 4291, section 2.5.4: the rest is for it to choose).
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
        ip => ip,
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit {
            inner,
            limits: self.limits.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RateLimit<S> {
    inner: S,
    limits: Follow<Option<Limits>>,
}

impl<S, Q, B> Service<Request<Q>> for RateLimit<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Refusable<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        if let Some(limits) = &**self.limits.load()
            && !call::is_infrastructure(request.uri().path())
            && let Err(refusal) = limits.take(&request)
        {
            return Refusable::refused(refusal);
        }
        Refusable::call(self.inner.call(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_of_v4_and_a_half_of_one_of_v6() {
        let network = |ip: &str| network(ip.parse().expect("an address")).to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
