//! The part `messaging`, with each broker that it speaks to.

mod conformance;
mod servers;

mod support;
