//! What the embedded collector tells of spans must be what Jaeger tells of them. Jaeger's answers
//! stand in `jaeger.json`, as its version 1.62 (`cmd/all-in-one`) gave them: with `JAEGER_BIN` they are
//! compared with those of a real one, and with `BLESS=1` written anew.

mod jaeger;
mod sending;
pub mod servers;
