//! What a system needs around its services.

pub mod embedded;
