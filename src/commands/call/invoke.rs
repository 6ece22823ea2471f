//! Making the call: requests go out as they come, responses are printed as they arrive.

use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage};
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use super::{CallArgs, CallError, requests};
use crate::client::channel::Channel;
use crate::client::codec::DynamicCodec;
use crate::client::json::{self, WriteOptions};
use crate::client::status::{self, Outcome};
use crate::client::{metadata, methods};
use crate::code::Code;
use crate::context::Context;
use crate::duration;
use crate::error::Failure;

/// How much earlier than here a deadline may come at the server.
const SLACK: Duration = Duration::from_millis(20);

/// All that a call needs.
pub(super) struct Call<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a CallArgs,
    pub(super) channel: &'a Channel,
    pub(super) pool: &'a DescriptorPool,
    pub(super) method: MethodDescriptor,
}

/// Why a call did not succeed.
pub(super) enum Failed {
    /// The call itself.
    Call(CallError),
    /// Something around it.
    Other(Failure),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

/// Makes the call and prints its responses.
pub(super) async fn invoke(call: &Call<'_>) -> Result<(), Failed> {
    let context = call.context;
    let source = requests::source(context, call.args.data.as_deref(), &call.method)
        .map_err(Failure::from)?;
    if !call.method.is_client_streaming() {
        let request = requests::single(context, source, &call.method).await?;
        return within_deadline(call, tokio_stream::once(request)).await;
    }
    let (sender, receiver) = requests::queue();
    let pump = requests::pump(context, source, call.method.clone(), sender);
    let exchange = within_deadline(call, ReceiverStream::new(receiver));
    tokio::pin!(pump, exchange);
    let mut is_pumping = true;
    loop {
        tokio::select! {
            pumped = &mut pump, if is_pumping => {
                pumped?;
                is_pumping = false;
            }
            ended = &mut exchange => return ended,
        }
    }
}

async fn within_deadline(
    call: &Call<'_>,
    requests: impl Stream<Item = DynamicMessage> + Send + 'static,
) -> Result<(), Failed> {
    let exchange = exchange(call, requests);
    let Some(limit) = call.args.max_time else {
        return exchange.await;
    };
    let started = Instant::now();
    let exceeded = || Failed::Call(deadline_exceeded(limit));
    match timeout(limit, exchange).await {
        Err(_) => Err(exceeded()),
        // A server that cancels the call when the deadline comes may be heard before the clock here.
        Ok(Err(Failed::Call(CallError::Status { outcome, .. })))
            if outcome.code == Code::CANCELLED.number() && started.elapsed() + SLACK >= limit =>
        {
            Err(exceeded())
        }
        Ok(ended) => ended,
    }
}

fn deadline_exceeded(limit: Duration) -> CallError {
    CallError::Status {
        outcome: Box::new(Outcome::new(
            Code::DEADLINE_EXCEEDED,
            format!("the call took longer than {}", duration::exact(limit)),
        )),
        is_transport: false,
        hint: Some("`--max-time` sets the deadline".to_owned()),
    }
}

async fn exchange(
    call: &Call<'_>,
    requests: impl Stream<Item = DynamicMessage> + Send + 'static,
) -> Result<(), Failed> {
    match attempt(call, requests).await {
        Ok(()) => Ok(()),
        Err(Stopped::Unprintable(failed)) => Err(failed),
        Err(Stopped::Status(status)) => Err(Failed::Call(failed(call, &status).await)),
    }
}

/// Why responses ended early.
enum Stopped {
    Status(Box<Status>),
    Unprintable(Failed),
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

async fn attempt(
    call: &Call<'_>,
    requests: impl Stream<Item = DynamicMessage> + Send + 'static,
) -> Result<(), Stopped> {
    let printer = &call.context.printer;
    let name = methods::full_name(&call.method);
    let path: PathAndQuery = format!("/{name}")
        .parse()
        .expect("names in descriptors are identifiers");
    let mut request = Request::new(requests);
    *request.metadata_mut() = metadata::to_map(&call.args.rpc.headers);
    if let Some(limit) = call.args.max_time {
        request.set_timeout(limit);
    }
    printer.detail(format_args!("> {name} at {}", call.channel.endpoint()));
    print_metadata(call, ">", request.metadata());
    let codec = DynamicCodec {
        response: call.method.output(),
    };
    let response = call.channel.grpc().streaming(request, path, codec).await?;
    print_metadata(call, "<", response.metadata());
    let mut messages = response.into_inner();
    let mut count = 0usize;
    while let Some(message) = messages.message().await? {
        print_message(call, &message).map_err(Stopped::Unprintable)?;
        count += 1;
    }
    if let Some(trailers) = messages.trailers().await? {
        print_metadata(call, "< (trailer)", &trailers);
    }
    if count != 1 && !call.method.is_server_streaming() {
        return Err(Status::internal(format!(
            "the server sent {count} responses where there is exactly one"
        ))
        .into());
    }
    Ok(())
}

async fn failed(call: &Call<'_>, status: &Status) -> CallError {
    if status::is_transport(status) {
        let lost = call.channel.lost().await;
        return CallError::Status {
            outcome: Box::new(match lost {
                Some(error) => status::outcome_of_lost(error),
                None => status::outcome(status, call.pool),
            }),
            is_transport: true,
            hint: Some("the server's logs may say more".to_owned()),
        };
    }
    let outcome = status::outcome(status, call.pool);
    let target = &call.args.rpc.target;
    let hint = match Code::new(outcome.code.into()) {
        Code::UNAUTHENTICATED => {
            Some("send a token with `-H 'authorization: Bearer …'`".to_owned())
        }
        Code::UNIMPLEMENTED => Some(format!(
            "`msvc call {target}` lists the methods that it offers"
        )),
        _ => None,
    };
    CallError::Status {
        outcome: Box::new(outcome),
        is_transport: false,
        hint,
    }
}

fn print_metadata(call: &Call<'_>, mark: &str, entries: &tonic::metadata::MetadataMap) {
    for (key, value) in metadata::to_text(entries) {
        call.context
            .printer
            .detail(format_args!("{mark} {key}: {value}"));
    }
}

fn print_message(call: &Call<'_>, message: &DynamicMessage) -> Result<(), Failed> {
    let printer = &call.context.printer;
    let options = WriteOptions {
        pretty: !printer.is_json() && !call.method.is_server_streaming(),
        defaults: call.args.emit_defaults,
    };
    let text = json::write(message, options)
        .or_else(|problem| write_with_details(call, message, options).ok_or(problem))
        .map_err(|problem| Failed::Call(CallError::Unwritable { problem }))?;
    Ok(printer.data(&format!("{text}\n"))?)
}

/// Messages that carry a `google.rpc.Status` hold details of types that the method's own descriptors
/// do not have.
fn write_with_details(
    call: &Call<'_>,
    message: &DynamicMessage,
    options: WriteOptions,
) -> Option<String> {
    use prost::Message as _;
    let pool = status::with_error_details(call.pool);
    let descriptor = pool.get_message_by_name(message.descriptor().full_name())?;
    let again = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()?;
    json::write(&again, options).ok()
}
