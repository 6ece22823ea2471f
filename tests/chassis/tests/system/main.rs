//! The chassis from the outside: real servers and clients, in process and as processes.

mod ages;
#[cfg(feature = "auth")]
mod auth;
mod balance;
mod calls;
mod channel;
mod collector;
mod config;
mod connections;
mod consul;
mod dashboard;
mod discovery;
mod etcd;
mod exporters;
#[cfg(feature = "http")]
mod front;
#[cfg(feature = "tls")]
mod kubernetes;
mod limits;
mod live;
mod probing;
mod process;
mod reliability;
mod retry;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tls")]
mod tls;
mod tracing_chain;
