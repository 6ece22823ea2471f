//! From what was asked for to what the engine has to know.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::values::{Concurrency, GivenProfile};
use super::{BenchArgs, BenchError, requests};
use crate::bench::engine::Job;
use crate::bench::host;
use crate::bench::load::{Model, Plan, Profile};
use crate::bench::report::Subject;
use crate::client::channel::USER_AGENT;
use crate::client::metadata::Header;
use crate::client::target::Endpoint;
use crate::client::{metadata, methods};
use crate::commands::rpc;
use crate::context::Context;
use crate::error::{IoContext as _, Result};

/// Calls at a time, unless told otherwise.
pub(super) const DEFAULT_CONCURRENCY: usize = 50;
/// Calls in flight at most in an open loop, unless told otherwise.
const DEFAULT_MAX_IN_FLIGHT: usize = 10_000;
/// How long a bench lasts when neither time nor number are given.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// How long each step of a search for the highest rate lasts when no time is given.
const DEFAULT_STEP: Duration = Duration::from_secs(5);
/// The calls a second that such a search begins with, unless told otherwise.
pub(super) const DEFAULT_FIRST_RATE: f64 = 100.0;

/// Everything that can go wrong before the first call of the bench; `profile` is that of the arguments.
pub(super) async fn prepare(
    context: &Context,
    args: &BenchArgs,
    profile: Option<Profile>,
) -> Result<(Job, Subject)> {
    let session = rpc::open(context, &args.rpc, Some(&args.method)).await?;
    let target = args.rpc.target.to_string();
    let method = methods::find(&session.pool, &args.method, &target)?;
    let messages = requests::messages(context, args, &method)?;
    let plan = plan(args, profile, session.endpoints.len());
    let talk = requests::talk(args, &method)?;
    let payload = requests::payload(context, args, messages)?;
    let name = methods::full_name(&method);
    let subject = Subject {
        name: None,
        target,
        endpoints: session.endpoints.iter().map(ToString::to_string).collect(),
        method: name.clone(),
        messages_per_call: Some(payload.count),
        messages: talk,
        bytes_per_call: payload
            .plans
            .is_empty()
            .then_some(payload.fixed.len() as u64),
        seed: (!payload.is_fixed()).then_some(payload.seed),
    };
    let server_processes = match args.pids.is_empty() {
        true => local_processes(&session.endpoints),
        false => args.pids.clone(),
    };
    let job = Job {
        engine: args.engine,
        pacing: args.pacing,
        endpoints: session.endpoints,
        tls: session.tls,
        path: format!("/{name}"),
        headers: headers(args, plan.timeout),
        payload,
        first_number: 0,
        talk,
        checks: requests::checks(args, &method)?,
        is_stream: method.is_client_streaming() || method.is_server_streaming(),
        one_response: !method.is_server_streaming(),
        server_processes,
        accepts_compressed: args.gzip,
        plan,
    };
    Ok((job, subject))
}

/// The processes that listen where a target is, if all of it is on this machine.
fn local_processes(endpoints: &[Endpoint]) -> Vec<u32> {
    if endpoints
        .iter()
        .all(|endpoint| host::is_this_machine(&endpoint.host))
    {
        let ports = endpoints.iter().map(|endpoint| endpoint.port);
        host::listening(&ports.collect())
    } else {
        Vec::new()
    }
}

/// The profile of the rate, or of the callers.
pub(super) fn profile(context: &Context, args: &BenchArgs) -> Result<Option<Profile>> {
    let given = match (&args.profile, &args.concurrency) {
        (Some(of_the_rate), _) => Some(of_the_rate),
        (None, Some(Concurrency::Profile(of_callers))) => Some(of_callers),
        (None, _) => None,
    };
    let path = match given {
        None => return Ok(None),
        Some(GivenProfile::Known(profile)) => return Ok(Some(profile.clone())),
        Some(GivenProfile::File(path)) => path,
    };
    let text = std::fs::read_to_string(context.directory.join(path)).when("read", path)?;
    let profile = Profile::from_csv(&path.display().to_string(), &text);
    let profile = profile.map_err(|source| BenchError::Profile {
        path: path.clone(),
        source,
    })?;
    Ok(Some(profile))
}

fn plan(args: &BenchArgs, profile: Option<Profile>, instances: usize) -> Plan {
    let first = args.find_max.as_ref().map(|_| DEFAULT_FIRST_RATE);
    let of_the_rate = profile.as_ref().filter(|_| args.profile.is_some());
    let rate = args.rate.or(of_the_rate.map(Profile::mean)).or(first);
    let model = match rate {
        Some(rate_per_second) => Model::Open {
            rate_per_second,
            max_in_flight: args.max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT),
        },
        None => Model::Closed {
            concurrency: match (&args.concurrency, &profile) {
                (Some(Concurrency::Constant(callers)), _) => *callers,
                (Some(Concurrency::Profile(_)), Some(profile)) => profile.callers_at_peak(),
                (_, _) => DEFAULT_CONCURRENCY,
            },
        },
    };
    let threads = args.threads.unwrap_or(1);
    let connections = args.connections.unwrap_or(instances.max(threads));
    // A profile says how long it is; less of it may be asked for.
    let length = profile.as_ref().map(Profile::length);
    let duration = match args.requests {
        None if args.find_max.is_some() => Some(args.duration.unwrap_or(DEFAULT_STEP)),
        None => Some(args.duration.or(length).unwrap_or(DEFAULT_DURATION)),
        Some(_) => args.duration,
    };
    Plan {
        number: 0,
        model,
        arrivals: args.arrivals,
        duration: match (duration, length) {
            (Some(duration), Some(length)) => Some(duration.min(length)),
            (duration, length) => duration.or(length),
        },
        profile,
        connections,
        threads: threads.min(connections),
        warm_up: args.warm_up,
        calls: args.requests.map(|count| count as u64),
        timeout: args.timeout,
    }
}

fn headers(args: &BenchArgs, timeout: Duration) -> HeaderMap {
    let fixed = args
        .rpc
        .headers
        .iter()
        .filter(|header| !requests::is_template(header));
    let fixed: Vec<Header> = fixed.cloned().collect();
    let mut headers = metadata::to_map(&fixed).into_headers();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let kind = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, kind);
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    if args.gzip {
        for name in ["grpc-encoding", "grpc-accept-encoding"] {
            headers.insert(name, HeaderValue::from_static("gzip"));
        }
    }
    let timeout = HeaderValue::from_str(&metadata::timeout(timeout));
    headers.insert("grpc-timeout", timeout.expect("digits and a letter"));
    headers
}
