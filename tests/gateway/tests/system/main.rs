//! The gateway from the outside: real servers on both sides.

mod calls;
mod edge;
mod faults;
mod hostile;
mod pages;
mod pass_through;
mod proxy;
mod raw;
mod reload;
mod stopping;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod websocket;
