//! The same requests to the embedded registry and to a real agent must be answered alike. The
//! numbers of indexes differ; what is compared is how they stand to each other.

mod agents;
mod barrier;
mod blocking;
mod checks;
mod cli;
mod indexes;
mod requests;
mod sessions;
mod shutdown;
