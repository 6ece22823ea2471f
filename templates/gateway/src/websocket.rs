//! Conversations of browsers: a WebSocket (RFC 6455) for a call, a text message for a message.
//!
//! What the client says is JSON; an empty message says that it has no more requests. It hears lines
//! as those of a stream (`{"result":…}`, `{"error":…}`), and the close: 1000 when the call has ended
//! well, 1011 when it has not, 1001 when the gateway stops.

mod open;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::front::{Answer, Calls};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::inbound::Arrived;
use crate::respond::failure_of;
use crate::rule;
use crate::status::Failure;
use crate::stream::{How, Responses};
pub(crate) use open::{Entry, Open};

/// The only version there is (RFC 6455, section 4.1).
const VERSION: &str = "13";

/// How often a client that says nothing is asked whether it is there, which also keeps proxies on
/// the way from closing the connection.
const PING: Duration = Duration::from_secs(30);

/// How long nothing may come, though two PINGs have asked, and how long a message may wait for the
/// client to read: then it is gone, or as good as that.
const GONE: Duration = Duration::from_secs(75);

/// How long the end of a conversation may take, which the client may not even read.
const CLOSING: Duration = Duration::from_secs(1);

/// Requests that wait for the service.
const WAITING: usize = 16;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    let has = |name, wanted: &str| {
        let values = request.headers().get_all(name).iter();
        let mut values = values.filter_map(|value: &HeaderValue| value.to_str().ok());
        values.any(|value| {
            let mut tokens = value.split(',');
            tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
        })
    };
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has(UPGRADE, "websocket")
        && has(CONNECTION, "upgrade")
}

/// A conversation, before it begins.
pub(crate) struct Conversation {
    upgrade: OnUpgrade,
    accept: HeaderValue,
    requests: Sender<Bytes>,
    /// How many messages the client sends; `None` is any number.
    wanted: Option<usize>,
    admitted: oneshot::Receiver<()>,
    max_message: usize,
}

impl Conversation {
    /// The call that a request asks to talk with, and the conversation about it.
    ///
    /// # Errors
    /// When the handshake is wrong.
    pub(crate) fn new(
        request: &mut Request<Body>,
        how: &How,
        segments: crate::matcher::Segments,
        max_message: usize,
    ) -> Result<(Arrived, Self), Failure> {
        let accept = accept(request.headers())?;
        let upgrade = hyper::upgrade::on(&mut *request);
        let (requests, body) = Channel::new(WAITING);
        let (admit, admitted) = oneshot::channel();
        let wanted = match (how.bound.method.streams_requests, &how.bound.binding.body) {
            (true, _) => None,
            (false, rule::Body::None) => Some(0),
            (false, _) => Some(1),
        };
        let arrived = Arrived {
            uri: request.uri().clone(),
            body: Body::new(body),
            bound: Arc::clone(&how.bound),
            segments,
            blame: how.blame.clone(),
            admitted: Some(admit),
        };
        let conversation = Self {
            upgrade,
            accept,
            requests,
            wanted,
            admitted,
            max_message,
        };
        Ok((arrived, conversation))
    }

    /// Makes the call, and begins once it has passed all layers.
    ///
    /// # Errors
    /// Why it may not be made.
    pub(crate) async fn begin(
        self,
        call: Request<Body>,
        calls: Calls,
        (how, entry): (How, Entry),
    ) -> Result<Response<Body>, Failure> {
        let mut answer = calls.call(call);
        let mut admitted = self.admitted;
        let early = tokio::select! {
            biased;
            Ok(()) = &mut admitted => None,
            response = &mut answer => Some(response),
        };
        if let Some(failure) = early.as_ref().and_then(failure_of) {
            return Err(failure);
        }
        let answer: Answer = match early {
            Some(response) => Box::pin(std::future::ready(response)),
            None => answer,
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        let (upgrade, max_message) = (self.upgrade, self.max_message);
        let requests = Requests {
            sender: Some(self.requests),
            wanted: self.wanted,
        };
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else {
                return;
            };
            let config = WebSocketConfig::default()
                .max_message_size(Some(max_message))
                .max_frame_size(Some(max_message));
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            talk(socket, requests, answer, how).await;
            drop(entry);
        });
        Ok(response)
    }
}

fn accept(headers: &HeaderMap) -> Result<HeaderValue, Failure> {
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != VERSION) {
        let message = format!("the version of WebSocket must be {VERSION}");
        let http = StatusCode::UPGRADE_REQUIRED;
        return Err(Failure::new(http, Code::InvalidArgument, message));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let key = key.ok_or_else(|| Status::invalid_argument("`sec-websocket-key` is missing"))?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    accept.map_err(|_| Status::internal("a digest is no header").into())
}

/// Where the client's messages go.
struct Requests {
    sender: Option<Sender<Bytes>>,
    wanted: Option<usize>,
}

impl Requests {
    /// `false` when it is no text.
    async fn push(&mut self, message: Message) -> bool {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return false,
            _ => return true,
        };
        if text.trim().is_empty() {
            self.sender = None;
            return true;
        }
        if let Some(sender) = &mut self.sender {
            // Within JSON the end of a line is a blank, and outside it is the end of a message.
            let mut line = text.replace(['\n', '\r'], " ");
            line.push('\n');
            // When nobody takes it any more, the call has ended, and says so itself.
            let _ = sender.send_data(line.into()).await;
        }
        if let Some(wanted) = &mut self.wanted {
            *wanted = wanted.saturating_sub(1);
        }
        self.end_when_full();
        true
    }

    fn end_when_full(&mut self) {
        if self.wanted == Some(0) {
            self.sender = None;
        }
    }
}

/// Talks until the call or the connection ends.
async fn talk(socket: Socket, mut requests: Requests, answer: Answer, how: How) {
    let (mut out, mut incoming) = socket.split();
    requests.end_when_full();
    let code = tokio::select! {
        code = speak(&mut out, answer, how) => code,
        code = hear(&mut incoming, requests, GONE) => code,
        () = chassis::stopping() => CloseCode::Away,
    };
    let close = CloseFrame {
        code,
        reason: "".into(),
    };
    let closing = async {
        let _ = out.send(Message::Close(Some(close))).await;
        // A connection that is closed with something unread would take the close back.
        while let Some(Ok(_)) = incoming.next().await {}
    };
    let _ = tokio::time::timeout(CLOSING, closing).await;
}

/// Takes what the client says, until it says no more, or nothing in the time until it is `gone`.
async fn hear<S, E>(incoming: &mut S, mut requests: Requests, gone: Duration) -> CloseCode
where
    S: Stream<Item = Result<Message, E>> + Unpin,
{
    loop {
        match tokio::time::timeout(gone, incoming.next()).await {
            Err(_) => return CloseCode::Away,
            Ok(Some(Ok(message))) if message.is_close() => return CloseCode::Normal,
            Ok(Some(Ok(message))) => {
                if !requests.push(message).await {
                    return CloseCode::Unsupported;
                }
            }
            // What is too large, or malformed, or a connection that is gone.
            Ok(Some(Err(_)) | None) => return CloseCode::Protocol,
        }
    }
}

/// Says what comes of the call, until it ends or nobody listens.
async fn speak(out: &mut SplitSink<Socket, Message>, mut answer: Answer, how: How) -> CloseCode {
    let mut ping = tokio::time::interval(PING);
    let head = loop {
        tokio::select! {
            head = &mut answer => break head,
            _ = ping.tick() => {
                if !say(out, Message::Ping(Bytes::new())).await {
                    return CloseCode::Away;
                }
            }
        }
    };
    let mut lines = match failure_of_head(head, &how) {
        Ok(body) => Responses::new(body, how),
        Err(line) => {
            say(out, Message::text(line)).await;
            return CloseCode::Error;
        }
    };
    let mut outcome = CloseCode::Normal;
    loop {
        let frame = tokio::select! {
            frame = lines.frame() => frame,
            _ = ping.tick() => {
                if !say(out, Message::Ping(Bytes::new())).await {
                    return CloseCode::Away;
                }
                continue;
            }
        };
        let Some(Ok(frame)) = frame else {
            return outcome;
        };
        let text = frame.into_data().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for line in text.lines() {
            if line.starts_with("{\"error\"") {
                outcome = CloseCode::Error;
            }
            if !say(out, Message::text(line)).await {
                return CloseCode::Away;
            }
        }
    }
}

/// Whether `message` went out while the client was there.
async fn say(out: &mut SplitSink<Socket, Message>, message: Message) -> bool {
    let said = tokio::time::timeout(GONE, out.send(message)).await;
    matches!(said, Ok(Ok(())))
}

/// The messages of a response, or the line that says why there are none.
fn failure_of_head(response: Response<Body>, how: &How) -> Result<Body, String> {
    match failure_of(&response) {
        None => Ok(response.into_body()),
        Some(failure) => {
            let failure = how.blame.take().unwrap_or(failure);
            Err(failure.to_json(&how.table.pool).to_string())
        }
    }
}

#[cfg(test)]
mod tests;
