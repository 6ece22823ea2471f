//! Traces as `msvc trace` shows them. Pure.
//!
//! - [`model`] is Jaeger's JSON;
//! - [`tree`] puts spans below those that caused them;
//! - [`render`] writes that for people, and as JSON;
//! - [`escape`] keeps terminals from doing what names say.

pub mod escape;
pub mod model;
pub mod render;
pub mod tree;
