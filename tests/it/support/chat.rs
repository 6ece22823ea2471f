//! A real gRPC server: the chat of `proto-examples/chat`, with health and reflection, in this process or
//! in one of its own that can be stopped and killed.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use msvc::proto::compile::{Compiled, compile};
use msvc::proto::sources::Sources;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::chat_v1 as pb;
use pb::chat_service_server::{ChatService, ChatServiceServer};

/// The chat's proto, as imports name it.
pub const PROTO: &str = "chat/v1/chat.proto";

/// The folder of the chat's protos.
pub fn proto_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("proto-examples/chat/proto")
}

/// The chat's proto, compiled.
pub fn compiled() -> Compiled {
    let sources = Sources {
        folders: vec![proto_folder()],
        ..Sources::default()
    };
    compile(&sources, &[PROTO.to_owned()]).expect("the chat's proto is valid")
}

/// What a server offers beside the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// Reflection in the current version.
    V1,
    /// Reflection in the version before only.
    V1Alpha,
    /// No reflection.
    None,
}

/// A chat server in this process; it stops when dropped.
pub struct ChatServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ChatServer {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::start_with(Reflection::V1)
    }

    /// Starts one with this kind of reflection.
    pub fn start_with(reflection: Reflection) -> Self {
        Self::start_as(reflection, None)
    }

    /// Starts one that speaks TLS with this certificate.
    pub fn start_tls(identity: Identity) -> Self {
        Self::start_as(
            Reflection::V1,
            Some(ServerTlsConfig::new().identity(identity)),
        )
    }

    /// Starts one that speaks TLS with clients that this authority vouches for, and no others.
    pub fn start_mutual_tls(identity: Identity, authority: Certificate) -> Self {
        let tls = ServerTlsConfig::new().identity(identity);
        Self::start_as(Reflection::V1, Some(tls.client_ca_root(authority)))
    }

    fn start_as(reflection: Reflection, tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve(listener, reflection, tls, stopped));
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens, as `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Asks it to stop gracefully: GOAWAY, then the end of calls in flight.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for ChatServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(
    listener: TcpListener,
    reflection: Reflection,
    tls: Option<ServerTlsConfig>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("non-blocking");
        let listener = tokio::net::TcpListener::from_std(listener).expect("listening");
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<ChatServiceServer<Chat>>().await;
        let descriptors = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(Box::leak(
                    compiled().encoded.into_boxed_slice(),
                ))
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let mut server = tonic::transport::Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).expect("a valid certificate");
        }
        let router = server
            .add_service(ChatServiceServer::new(Chat))
            .add_service(health_service);
        let router = match reflection {
            Reflection::V1 => router.add_service(descriptors().build_v1().expect("valid")),
            Reflection::V1Alpha => {
                router.add_service(descriptors().build_v1alpha().expect("valid"))
            }
            Reflection::None => router,
        };
        let stop = async {
            let _ = stopped.await;
        };
        let served = router.serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop,
        );
        served.await.expect("the server runs");
    });
    runtime.shutdown_background();
}

/// A chat server in a process of its own, for tests that stop or kill it.
pub struct ChatProcess {
    child: Child,
    address: String,
}

/// Where the child finds the port that it shall listen on.
const CHILD_PORT: &str = "MSVC_TEST_CHAT_PORT";

impl ChatProcess {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts one on this port.
    pub fn start_on(port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args([
                "--exact",
                "support::chat::serve_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_PORT, port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let address = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("listening on ")
                    .map(|(_, at)| at.to_owned())
            })
            .expect("the child says where it listens");
        Self { child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        let (_, port) = self.address.rsplit_once(':').expect("host and port");
        port.parse().expect("a port")
    }

    /// Stops it without its knowledge (SIGSTOP).
    pub fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }
}

impl Drop for ChatProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of [`ChatProcess`], started as a test of this binary.
#[test]
#[ignore = "runs until it is killed"]
fn serve_until_killed() {
    let Ok(port) = std::env::var(CHILD_PORT) else {
        return;
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    let address = listener.local_addr().expect("bound");
    print_address(address);
    let (_stop, stopped) = oneshot::channel();
    serve(listener, Reflection::V1, None, stopped);
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn print_address(address: SocketAddr) {
    println!("listening on {address}");
}

/// A chat with canned rooms: `lobby` has three messages, `closed` is closed, `slow` takes its time,
/// `broken` fails in its own ways.
struct Chat;

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn message(id: u64, room: &str, author: &str, text: &str) -> pb::Message {
    pb::Message {
        id,
        room: room.to_owned(),
        author: author.to_owned(),
        text: text.to_owned(),
        sent_at: Some(prost_types::Timestamp {
            seconds: 1_767_323_045 + i64::try_from(id).expect("small"),
            nanos: 0,
        }),
        kind: pb::message::Kind::Text.into(),
        labels: HashMap::new(),
        reply_to: None,
    }
}

fn check(message: Option<pb::Message>) -> Result<pb::Message, Status> {
    let message = message.unwrap_or_default();
    let mut details = ErrorDetails::new();
    for (field, value) in [("room", &message.room), ("text", &message.text)] {
        if value.is_empty() {
            details.add_bad_request_violation(format!("message.{field}"), "must not be empty");
        }
    }
    if details.has_bad_request_violations() {
        return Err(Status::with_error_details(
            Code::InvalidArgument,
            "the message is not valid",
            details,
        ));
    }
    Ok(message)
}

#[tonic::async_trait]
impl ChatService for Chat {
    async fn send_message(
        &self,
        request: Request<pb::SendMessageRequest>,
    ) -> Result<Response<pb::SendMessageResponse>, Status> {
        let tenant = request.metadata().get("x-tenant").cloned();
        let message = check(request.into_inner().message)?;
        match message.room.as_str() {
            "closed" => {
                let mut details = ErrorDetails::new();
                details.set_error_info(
                    "ROOM_CLOSED",
                    "chat.example.org",
                    [("room".to_owned(), "closed".to_owned())],
                );
                let mut metadata = MetadataMap::new();
                metadata.insert("x-request-id", "r-7".parse().expect("ASCII"));
                return Err(Status::with_error_details_and_metadata(
                    Code::PermissionDenied,
                    "the room is closed to you",
                    details,
                    metadata,
                ));
            }
            "slow" => tokio::time::sleep(Duration::from_secs(60)).await,
            "strange" => {
                // A detail of a type that nobody knows.
                let any = [
                    0x0a, 0x06, b'x', b'/', b'a', b'.', b'v', b'1', 0x12, 0x02, 0x08, 0x01,
                ];
                let mut details = vec![0x08, 0x0d, 0x1a, any.len() as u8];
                details.extend(any);
                return Err(Status::with_details(
                    Code::Internal,
                    "caf\u{e9} is shut, 100%",
                    details.into(),
                ));
            }
            _ => {}
        }
        let mut sent = pb::Message {
            id: 42,
            sent_at: Some(prost_types::Timestamp {
                seconds: 1_767_323_045,
                nanos: 0,
            }),
            ..message
        };
        if let Some(tenant) = tenant {
            let tenant = tenant.to_str().expect("ASCII").to_owned();
            sent.labels.insert("tenant".to_owned(), tenant);
        }
        Ok(Response::new(pb::SendMessageResponse {
            message: Some(sent),
        }))
    }

    type WatchRoomStream = Events<pb::WatchRoomResponse>;

    async fn watch_room(
        &self,
        request: Request<pb::WatchRoomRequest>,
    ) -> Result<Response<Self::WatchRoomStream>, Status> {
        let request = request.into_inner();
        let respond = |id: u64, author: &str, text: &str| {
            Ok(pb::WatchRoomResponse {
                message: Some(message(id, &request.room, author, text)),
            })
        };
        let mut responses = vec![
            respond(1, "ada", "hello"),
            respond(2, "bob", "hi"),
            respond(3, "ada", "bye"),
        ];
        match request.room.as_str() {
            "lobby" => {}
            "large" => {
                let text = "x".repeat(1 << 20);
                responses = (1..=8).map(|id| respond(id, "ada", &text)).collect();
            }
            "broken" => {
                responses.truncate(1);
                responses.push(Err(Status::data_loss("the disk is gone")));
            }
            room => return Err(Status::not_found(format!("room `{room}` does not exist"))),
        }
        if request.limit > 0 {
            responses.truncate(request.limit as usize);
        }
        let stream = tokio_stream::iter(responses);
        if request.limit == 0 && request.room == "lobby" {
            return Ok(Response::new(Box::pin(
                stream.chain(tokio_stream::pending()),
            )));
        }
        Ok(Response::new(Box::pin(stream)))
    }

    async fn import_messages(
        &self,
        request: Request<Streaming<pb::ImportMessagesRequest>>,
    ) -> Result<Response<pb::ImportMessagesResponse>, Status> {
        let mut requests = request.into_inner();
        let mut response = pb::ImportMessagesResponse::default();
        while let Some(request) = requests.message().await? {
            let message = check(request.message)?;
            response.imported += 1;
            *response.imported_by_room.entry(message.room).or_default() += 1;
        }
        Ok(Response::new(response))
    }

    type ChatStream = Events<pb::ChatResponse>;

    async fn chat(
        &self,
        request: Request<Streaming<pb::ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let mut requests = request.into_inner();
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            if let Err(status) = converse(&mut requests, &sender).await {
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn converse(
    requests: &mut Streaming<pb::ChatRequest>,
    sender: &mpsc::Sender<Result<pb::ChatResponse, Status>>,
) -> Result<(), Status> {
    use pb::chat_request::Action;
    use pb::chat_response::Event;
    let mut entered: Option<pb::chat_request::Enter> = None;
    let mut id = 0;
    while let Some(request) = requests.message().await? {
        let event = match request.action {
            Some(Action::Enter(enter)) => {
                let name = enter.author.clone();
                entered = Some(enter);
                Event::Entered(name)
            }
            Some(Action::Say(text)) => {
                let Some(enter) = &entered else {
                    return Err(Status::failed_precondition("enter a room first"));
                };
                id += 1;
                Event::Said(message(id, &enter.room, &enter.author, &text))
            }
            None => return Err(Status::invalid_argument("an action is missing")),
        };
        let response = pb::ChatResponse { event: Some(event) };
        if sender.send(Ok(response)).await.is_err() {
            return Ok(());
        }
    }
    if let Some(enter) = entered {
        let event = Some(Event::Left(enter.author));
        let _ = sender.send(Ok(pb::ChatResponse { event })).await;
    }
    Ok(())
}
