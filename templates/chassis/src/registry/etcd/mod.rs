//! etcd, by its gRPC API, version 3 (<https://etcd.io/docs/v3.5/learning/api/>).
//!
//! An instance is a key that a lease holds: when the instance no longer keeps the lease alive, etcd
//! deletes the key. [`entry`] says what is stored, [`lease`](mod@lease) keeps it there, [`watch`](mod@watch)
//! follows it, all by the [`requests`] of a [`client`].

mod client;
mod dial;
mod entry;
mod error;
mod key;
mod lease;
mod proto;
mod requests;
mod view;
mod watch;

pub(crate) use error::Error;
pub(crate) use key::Key;
pub(crate) use lease::Lease;
pub(crate) use watch::watch;
