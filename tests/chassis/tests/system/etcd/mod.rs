//! Against a real etcd.

mod proxy;
mod registering;
mod server;
#[cfg(feature = "tls")]
mod tls;
mod watching;

pub(crate) use server::Etcd;
