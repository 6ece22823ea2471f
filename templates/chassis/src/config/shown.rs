//! How settings are shown: as one would write them. A secret is not.

use std::fmt;

use serde::{Serialize, Serializer};

use super::url::Kind;
use super::{ClientKey, Directives, Duration, MethodPattern, RetryCode, Secret, Size, Url};
use crate::middleware::call;

/// What is shown instead of a secret.
pub(super) const HIDDEN: &str = "[redacted]";

macro_rules! shown_as_text {
    ($($type:ty),* $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

shown_as_text!(
    ClientKey,
    Directives,
    Duration,
    MethodPattern,
    RetryCode,
    Size,
);

impl<K: Kind> Serialize for Url<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => f.write_str("peer"),
            Self::Subject => f.write_str("subject"),
            Self::Metadata(name) => write!(f, "metadata:{name}"),
        }
    }
}

impl fmt::Display for RetryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(call::name(self.get()))
    }
}
