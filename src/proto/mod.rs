//! Protos: from files to descriptors, from descriptors to Rust, and stubs into the user's code.
//!
//! - [`sources`] finds files, [`compile`] makes descriptors of them (the adapters);
//! - [`model`], [`codegen`] and [`stubs`] are pure: descriptors and text in, text out.

pub mod codegen;
pub mod compile;
pub mod diagnostic;
pub mod model;
pub mod modules;
pub mod rename;
pub mod sources;
pub mod stubs;
