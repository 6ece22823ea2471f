//! `msvc bench TARGET @FILE.toml`: several methods at once, each with its share of the load.
//!
//! Each method has a schedule or callers of its own, and connections: what is slow of one does not hold
//! up the others in the client, and what they do to each other happens in the service, where it belongs.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::BenchArgs;
use super::measure::{Bench, Load, Mix};
use super::prepare;
use super::values::Concurrency;
use crate::bench::load::part_of;
use crate::bench::responses::{Expectation, Extraction};
use crate::bench::threshold::Threshold;
use crate::client::metadata::Header;
use crate::commands::rpc;
use crate::context::Context;
use crate::duration;
use crate::error::{Diagnostic, Exit, IoContext as _, Result};

/// A mix of calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MixFile {
    call: Vec<MixedCall>,
}

/// One of them. What is not said here is as on the command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MixedCall {
    method: String,
    name: Option<String>,
    #[serde(default = "one")]
    weight: f64,
    data: Option<String>,
    /// Beside those of the command line.
    #[serde(default, deserialize_with = "each")]
    headers: Vec<Header>,
    rows: Option<PathBuf>,
    messages: Option<usize>,
    #[serde(default, deserialize_with = "time")]
    message_interval: Option<Duration>,
    #[serde(default)]
    ping_pong: bool,
    #[serde(default, deserialize_with = "time")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "each")]
    expect: Vec<Expectation>,
    #[serde(default, deserialize_with = "each")]
    extract: Vec<Extraction>,
    /// Beside those of the command line.
    #[serde(default, deserialize_with = "each")]
    threshold: Vec<Threshold>,
}

impl MixedCall {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.method)
    }
}

fn one() -> f64 {
    1.0
}

/// A list of texts that are read as they are on the command line.
fn each<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr,
    T::Err: Display,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    let each = texts.iter().map(|text| {
        let read = text.parse();
        read.map_err(|problem| D::Error::custom(format!("`{text}`: {problem}")))
    });
    each.collect()
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = duration::parse_positive(&text).map(Some);
    read.map_err(|problem| D::Error::custom(format!("`{text}`: {problem}")))
}

/// Why a mix is none.
#[derive(Debug, thiserror::Error)]
enum MixError {
    #[error("`{}` is no mix of calls", .path.display())]
    Malformed {
        path: PathBuf,
        #[source]
        source: toml_edit::de::Error,
    },
    #[error("`{0}` is not for a mix of calls: each has its own in the file")]
    NotForMixes(&'static str),
    #[error("`{}` has a call `{name}` with the weight {weight}, which is no number from 0 on", .path.display())]
    Weight {
        path: PathBuf,
        name: String,
        weight: f64,
    },
    #[error("`{}` has no call with a weight above 0", .0.display())]
    Empty(PathBuf),
    #[error("`{}` has two calls `{name}`", .path.display())]
    Twice { path: PathBuf, name: String },
}

impl Diagnostic for MixError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Twice { .. } => Some("`name = \"…\"` tells them apart in the report".to_owned()),
            Self::Malformed { .. }
            | Self::NotForMixes(_)
            | Self::Weight { .. }
            | Self::Empty(_) => None,
        }
    }
}

/// Everything that can go wrong before the first call of a mix. Of `thresholds` those on the rate must hold of
/// all calls together, all others of each method.
pub(super) fn prepare(
    context: &Context,
    args: &BenchArgs,
    path: &Path,
    thresholds: &[Threshold],
) -> Result<Bench> {
    check(args)?;
    let calls = read(context, path)?;
    let whole: f64 = calls.iter().map(|call| call.weight).sum();
    let profile = prepare::profile(context, args)?;
    let (of_all, of_each): (Vec<Threshold>, Vec<Threshold>) = thresholds
        .iter()
        .cloned()
        .partition(Threshold::is_of_the_rate);
    let mut loads = Vec::new();
    let mut until = 0.0;
    for (number, call) in calls.into_iter().enumerate() {
        let share = call.weight / whole;
        let from = until;
        until += share;
        let thresholds = [&of_each[..], &call.threshold].concat();
        let name = call.name().to_owned();
        let own = share_of(args, call, from..until);
        let profile = profile.as_ref().map(|profile| match args.profile {
            Some(_) => profile.scaled(share),
            None => profile.part(from..until),
        });
        let prepared = prepare::prepare(context, &own, profile);
        let (mut job, mut subject) = rpc::block_on(prepared)?;
        job.plan.number = number;
        subject.name = Some(name);
        loads.push(Load {
            job,
            subject,
            thresholds,
            share,
        });
    }
    let mix = Mix {
        profile,
        thresholds: of_all,
    };
    Ok(Bench {
        loads,
        mix: Some(mix),
    })
}

/// Refuses what a mix has no use for, rather than to leave it out in silence.
fn check(args: &BenchArgs) -> Result<(), MixError> {
    let refused = [
        (args.data.is_some(), "--data"),
        (args.messages.is_some(), "--messages"),
        (args.message_interval.is_some(), "--message-interval"),
        (args.ping_pong, "--ping-pong"),
        (!args.expectations.is_empty(), "--expect"),
        (!args.extractions.is_empty(), "--extract"),
    ];
    match refused.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) => Err(MixError::NotForMixes(option)),
        None => Ok(()),
    }
}

/// The calls in a file that are made at all.
fn read(context: &Context, path: &Path) -> Result<Vec<MixedCall>> {
    let text = std::fs::read_to_string(context.directory.join(path)).when("read", path)?;
    let mix: MixFile = toml_edit::de::from_str(&text).map_err(|source| MixError::Malformed {
        path: path.to_owned(),
        source,
    })?;
    let mut calls = mix.call;
    let is_weight = |weight: f64| weight >= 0.0 && weight.is_finite();
    if let Some(call) = calls.iter().find(|call| !is_weight(call.weight)) {
        return Err(MixError::Weight {
            path: path.to_owned(),
            name: call.name().to_owned(),
            weight: call.weight,
        }
        .into());
    }
    calls.retain(|call| call.weight > 0.0);
    let whole: f64 = calls.iter().map(|call| call.weight).sum();
    if calls.is_empty() || !whole.is_finite() {
        return Err(MixError::Empty(path.to_owned()).into());
    }
    let names: Vec<&str> = calls.iter().map(MixedCall::name).collect();
    let twice = names.iter().enumerate();
    let mut twice = twice.filter(|(index, name)| names[..*index].contains(name));
    if let Some((_, name)) = twice.next() {
        let (path, name) = (path.to_owned(), (*name).to_owned());
        return Err(MixError::Twice { path, name }.into());
    }
    Ok(calls)
}

/// The arguments with which one of the methods would be benched by itself, if its share of what there is goes
/// from here to there.
fn share_of(args: &BenchArgs, call: MixedCall, share: Range<f64>) -> BenchArgs {
    let part = |all: usize| part_of(all as f64, &share).max(1);
    let mut own = args.clone();
    own.method = call.method;
    own.data = call.data;
    own.rpc.headers.extend(call.headers);
    own.rows = call.rows.or(own.rows);
    own.messages = call.messages;
    own.message_interval = call.message_interval;
    own.ping_pong = call.ping_pong;
    own.timeout = call.timeout.unwrap_or(own.timeout);
    own.expectations = call.expect;
    own.extractions = call.extract;
    own.requests = args.requests.map(part);
    own.max_in_flight = args.max_in_flight.map(part);
    own.rate = args
        .rate
        .or(args.find_max.as_ref().map(|_| prepare::DEFAULT_FIRST_RATE));
    own.rate = own.rate.map(|rate| rate * (share.end - share.start));
    own.concurrency = match &args.concurrency {
        // The profile itself is shared where it is read.
        Some(profile @ Concurrency::Profile(_)) => Some(profile.clone()),
        Some(Concurrency::Constant(all)) => Some(Concurrency::Constant(part(*all))),
        None => Some(Concurrency::Constant(part(prepare::DEFAULT_CONCURRENCY))),
    };
    own
}
