//! Load generation: calls of one method, many of them, and what came of it.
//!
//! - [`load`] says when calls start, [`payload`] what they carry, made anew by a [`template`] where it
//!   differs from call to call, [`dialogue`] times the messages of streams, [`framing`] counts
//!   them, [`responses`] looks into some;
//! - [`http2`] is the protocol between a connection's bytes and its calls;
//! - [`engine`] makes the calls: it is the only part that does I/O, and it knows only a [`load::Plan`],
//!   bytes, and a [`stats::Recorder`] to fill;
//! - [`stats`] counts, [`timeline`] by the time, [`report`] concludes and renders;
//! - [`threshold`] holds a report against what the user asks for, [`validity`] says whether it counts;
//! - [`host`] watches the machine and the server meanwhile, [`verdict`] tells what was the limit;
//! - [`baseline`] compares a report with an earlier one;
//! - [`search`] looks for the highest rate at which thresholds hold.
//!
//! All but [`engine`] and [`host`] are pure: no I/O, no clock, no printing.

pub mod baseline;
pub mod dialogue;
pub mod engine;
pub mod framing;
pub mod host;
pub mod http2;
pub mod load;
pub mod payload;
pub mod random;
pub mod report;
pub mod responses;
pub mod search;
pub mod stats;
pub mod template;
pub mod threshold;
pub mod timeline;
pub mod validity;
pub mod verdict;
