//! The client side of gRPC: from a target to bytes on a connection.
//!
//! - [`target`] reads what the user named, [`registry`] turns a service's name into addresses;
//! - [`connect`] opens a connection and checks that HTTP/2 is spoken there, [`channel`] makes calls on it;
//! - [`descriptors`] finds out which methods there are: by [`reflection`], from protos, from a file;
//!   [`methods`] picks one;
//! - [`json`] turns JSON into messages and back, [`codec`] messages into bytes;
//! - [`metadata`] reads headers, [`status`] reads the outcome of a call;
//! - [`completion`] offers names to the shell.
//!
//! Nothing here prints.

pub mod channel;
pub mod codec;
pub mod completion;
pub mod connect;
pub mod descriptors;
pub mod json;
pub mod metadata;
pub mod methods;
pub mod reflection;
pub mod registry;
pub mod status;
pub mod target;

use std::time::Duration;

/// How long a server or a registry may take to accept a connection and to say the first word on it.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
