//! The part `messaging`, with each broker that it speaks to.

mod conformance;
mod faults;
mod outbox;
mod proof;
mod servers;

mod support;
