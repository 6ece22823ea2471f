//! Traces as `msvc trace` shows them. Pure.
//!
//! - [`model`] is Jaeger's JSON;
//! - [`tree`] puts spans below those that caused them;
//! - [`render`] writes that for people, and as JSON.

mod escape;
pub mod model;
pub mod render;
pub mod tree;
