//! Against a real etcd.

mod registering;
mod server;
mod watching;
