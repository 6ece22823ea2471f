//! Placeholder until the spine is in place.
fn main() {}
