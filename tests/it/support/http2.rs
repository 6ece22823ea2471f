//! HTTP/2 servers that answer gRPC calls in ways that good servers do not.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::sync::oneshot;

/// An empty message with its prefix.
pub const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

/// What a server does with a call.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// These bytes as response messages, and this code in the trailers.
    Trailers(&'static [u8], &'static str),
    /// This code and message without a body.
    TrailersOnly(&'static str, &'static str),
    /// A body without trailers.
    NoStatus,
    /// This HTTP status and nothing of gRPC.
    Http(u16),
    /// A reset stream.
    Reset(Reason),
    /// An empty message and OK, after this time.
    Late(Duration),
    /// Nothing, ever.
    Nothing,
    /// Nothing to the first call on a connection, an empty message and OK to the others.
    NothingAtFirst,
}

/// How a server behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// What it does with calls.
    pub answer: Answer,
    /// After so many calls on a connection it says GOAWAY, and goes when they are done.
    pub calls_per_connection: Option<usize>,
    /// How many calls at a time it allows on a connection.
    pub max_streams: Option<u32>,
}

impl From<Answer> for Manners {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            calls_per_connection: None,
            max_streams: None,
        }
    }
}

/// The headers and the bodies of calls.
type Requests = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// A server with these manners; it stops when dropped.
pub struct Http2Server {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    requests: Requests,
    _stop: oneshot::Sender<()>,
}

impl Http2Server {
    /// Starts one on a free port.
    pub fn start(manners: impl Into<Manners>) -> Self {
        let manners = manners.into();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let requests = Requests::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, manners, counted, kept) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            calls,
            requests,
            _stop: stop,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The headers and the bodies of the calls whose requests are complete.
    pub fn requests(&self) -> Vec<(HeaderMap, Vec<u8>)> {
        let kept = self.requests.lock().expect("no test panicked with it");
        kept.clone()
    }

    /// How many calls it has seen.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    manners: Manners,
    calls: Arc<AtomicUsize>,
    requests: Requests,
) {
    listener.set_nonblocking(true).expect("non-blocking");
    let listener = tokio::net::TcpListener::from_std(listener).expect("listening");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (calls, requests) = (Arc::clone(&calls), Arc::clone(&requests));
        tokio::spawn(serve(stream, manners, calls, requests));
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    manners: Manners,
    calls: Arc<AtomicUsize>,
    requests: Requests,
) {
    let mut builder = h2::server::Builder::new();
    if let Some(max) = manners.max_streams {
        builder.max_concurrent_streams(max);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    let mut seen = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        seen += 1;
        calls.fetch_add(1, Ordering::Relaxed);
        let given = match manners.answer {
            Answer::NothingAtFirst if seen == 1 => Answer::Nothing,
            Answer::NothingAtFirst => Answer::Trailers(EMPTY_MESSAGE, "0"),
            answer => answer,
        };
        tokio::spawn(answer(request, respond, given, Arc::clone(&requests)));
        if Some(seen) == manners.calls_per_connection {
            connection.graceful_shutdown();
        }
    }
}

fn keep(requests: &Requests, request: (HeaderMap, Vec<u8>)) {
    let mut kept = requests.lock().expect("no test panicked with it");
    kept.push(request);
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answer: Answer,
    requests: Requests,
) {
    let (head, mut body) = request.into_parts();
    let mut received = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        received.extend_from_slice(&chunk);
    }
    keep(&requests, (head.headers, received));
    let mut response = Response::new(());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    let status = |code| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(code));
        trailers
    };
    let answer = match answer {
        Answer::Late(time) => {
            tokio::time::sleep(time).await;
            Answer::Trailers(EMPTY_MESSAGE, "0")
        }
        answer => answer,
    };
    // The client may be gone at any point.
    match answer {
        Answer::Trailers(bytes, code) => {
            if let Ok(mut body) = respond.send_response(response, false) {
                let _ = body.send_data(Bytes::from_static(bytes), false);
                let _ = body.send_trailers(status(code));
            }
        }
        Answer::TrailersOnly(code, message) => {
            response.headers_mut().extend(status(code));
            let message = HeaderValue::from_static(message);
            response.headers_mut().insert("grpc-message", message);
            let _ = respond.send_response(response, true);
        }
        Answer::NoStatus => {
            if let Ok(mut body) = respond.send_response(response, false) {
                let _ = body.send_data(Bytes::from_static(EMPTY_MESSAGE), true);
            }
        }
        Answer::Http(code) => {
            response.headers_mut().clear();
            *response.status_mut() = code.try_into().expect("a status");
            let _ = respond.send_response(response, true);
        }
        Answer::Reset(reason) => respond.send_reset(reason),
        Answer::Late(_) | Answer::Nothing | Answer::NothingAtFirst => std::future::pending().await,
    }
}
