//! What protos define, as documentation: a model of it, and pages made of that.
//!
//! Pure: descriptors in, text out.

mod model;
mod page;

pub use crate::proto::doc::model::{Documentation, document};
pub use crate::proto::doc::page::{DocFormat, RenderError, render};
