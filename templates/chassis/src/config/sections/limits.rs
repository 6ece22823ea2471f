//! `[server.limits]`.

use std::str::FromStr;

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::units::Parse;
use crate::config::{NotAValue, PerSecond, Ratio};

/// `[server.limits]`: how many calls the server takes; the others end with `RESOURCE_EXHAUSTED`.
/// All limits are off by default, as in gRPC's own servers. Health checks and reflection are not
/// counted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls at a time, streams included, until the end of their responses. Default: 0, no limit.
    pub max_in_flight: u32,
    /// Calls a second, of all clients.
    pub rate: Rate,
    /// Calls a second, of each client.
    pub client_rate: ClientRate,
    /// A limit that finds itself.
    pub shed: Shed,
}

/// `[server.limits.rate]`: calls a second, of all clients.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Calls a second, over time; 0.1 is one in ten seconds. Default: 0, no limit.
    pub rate: PerSecond,
    /// Calls at once. Default: 0, which is as many as come in a second, and at least 1.
    pub burst: u32,
}

/// `[server.limits.client_rate]`: calls a second, of each client.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientRate {
    /// Calls a second, over time. Default: 0, no limit.
    pub rate: PerSecond,
    /// Calls at once. Default: 0, which is as many as come in a second, and at least 1.
    pub burst: u32,
    /// What a client is known by. Default: `"peer"`.
    pub key: ClientKey,
    /// Clients that are kept in mind at a time; those that were not seen for longest are forgotten,
    /// which gives them a new burst. Default: 10000 (about 0.5 MB).
    pub max_keys: u32,
}

impl Default for ClientRate {
    fn default() -> Self {
        Self {
            rate: PerSecond::default(),
            burst: 0,
            key: ClientKey::Peer,
            max_keys: 10_000,
        }
    }
}

/// What a client is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKey {
    /// `"peer"`: the address it connects from (of IPv6, the network: the first 64 bits).
    Peer,
    /// `"metadata:x-api-key"`: an entry of the metadata, else its address. A client can make up
    /// what it sends: use one that a proxy of yours sets or that something else checks.
    Metadata(HeaderName),
    /// `"subject"`: whom its token is about (see `[server.auth]`), else its address.
    Subject,
}

impl ClientKey {
    const METADATA: &str = "metadata:";
}

impl FromStr for ClientKey {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        match text {
            "peer" => Ok(Self::Peer),
            "subject" => Ok(Self::Subject),
            _ => {
                let name = text.strip_prefix(Self::METADATA).ok_or(NotAValue)?;
                name.parse().map(Self::Metadata).map_err(|_| NotAValue)
            }
        }
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(
            "\"peer\", \"subject\", or \"metadata:\" and a name",
        ))
    }
}

/// `[server.limits.shed]`: refuses calls while the processor is busy and more of them are in
/// flight than the service was seen to need for its best rate at its best latency. Only methods
/// that answer with one message are measured and refused. The processor is measured on Linux; on
/// other systems nothing is refused.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shed {
    /// Default: false.
    pub enabled: bool,
    /// The share of the processors that is busy, from 0 to 1. Default: 0.8 (as go-kratos has it).
    pub cpu_threshold: Ratio,
}

impl Default for Shed {
    fn default() -> Self {
        Self {
            enabled: false,
            cpu_threshold: Ratio::FOUR_FIFTHS,
        }
    }
}
