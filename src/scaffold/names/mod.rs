//! The names that a service's own name gives: crate, package, entity, file names.
//!
//! Pure: no I/O.

mod service_name;
mod starter;
mod words;

pub use service_name::{LONGEST_SERVICE_NAME, NameError, ServiceName};
pub use starter::StarterNames;
pub use words::{is_keyword, kebab, pascal, snake};
