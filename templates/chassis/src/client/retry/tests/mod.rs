//! The layer around a balancer that does as it is told, under a paused clock.

mod attempts;
mod hedging;
mod limits;
mod requests;
mod support;
mod telemetry;
