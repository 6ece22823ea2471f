//! The part `messaging`, with each broker that it speaks to.

mod conformance;
mod faults;
mod kafka;
mod outbox;
mod proof;
mod rabbitmq;
mod servers;
mod tls;

mod support;
