//! The messages and the service of OpenTelemetry's protocol, generated from the protos beside this
//! file and checked in; [`DESCRIPTORS`] is for its JSON.

#![allow(
    clippy::all,
    missing_docs,
    unreachable_pub,
    reason = "what the generator writes is not ours to lint"
)]

#[rustfmt::skip]
pub mod opentelemetry;

/// The protos, as a set of descriptors.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");
