//! Requests that differ from call to call: JSON with placeholders, such as `{"id": "{{uuid}}"}`.
//!
//! A template is text: each placeholder stands for what its [generator](Generator) gives for the number of
//! the message, inside quotes as part of the string, outside as a value of its own. What comes of that is
//! JSON for the method's message ([`Text::expand`]).
//!
//! To make it so for every call would cost microseconds. So a template is [compiled](compile()) once: it is
//! held against the descriptor, and becomes a [`Plan`] of bytes that stay and bytes that are generated,
//! which takes some tens of nanoseconds for a message and gives the same bytes.
//!
//! What is generated depends on the seed, the number of the message and the place of the placeholder
//! alone: the same seed gives the same requests, however many threads make them.
//!
//! Pure: text, rows and the time of day are passed in.

mod check;
mod compile;
mod encode;
mod example;
mod generator;
mod marks;
mod moment;
mod plan;
mod rows;
mod scan;

#[cfg(test)]
mod tests;

pub use check::{TemplateError, compile};
pub use example::example;
pub use generator::{Generator, Sources, Step};
pub use moment::Moment;
pub use plan::Plan;
pub use rows::{Rows, RowsError};
pub use scan::{Syntax, Text, has_placeholders, scan};
