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

/// The names that resemble a mistyped one, the best first, at most three.
pub fn similar<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.8;
    const MOST: usize = 3;
    let lower = given.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| {
            let name_lower = name.to_lowercase();
            let score = if name_lower == lower {
                1.0
            } else {
                strsim::jaro_winkler(&name_lower, &lower)
            };
            (score, name)
        })
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.truncate(MOST);
    scored
        .into_iter()
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// "did you mean `a` or `b`?", where there is something to mean.
pub fn did_you_mean(names: &[String]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => None,
        Some((only, [])) => Some(format!("did you mean {only}?")),
        Some((last, others)) => Some(format!("did you mean {} or {last}?", others.join(", "))),
    }
}
