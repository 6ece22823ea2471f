//! The gateway from the outside: real servers on both sides.

mod calls;
mod edge;
mod hostile;
mod pages;
mod pass_through;
mod proxy;
mod reload;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod websocket;
