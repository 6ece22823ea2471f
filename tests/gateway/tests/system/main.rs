//! The gateway from the outside: real servers on both sides.

mod calls;
mod hostile;
#[path = "../support/mod.rs"]
mod support;
