//! Against a real etcd.

mod proxy;
mod registering;
mod server;
mod watching;
