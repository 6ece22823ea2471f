//! `msvc call` against real servers, and against things that are none.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use msvc::run::state_file::RunLock;

use crate::support::Sandbox;
use crate::support::chat::{self, ChatProcess, ChatServer, Reflection};
use crate::support::stubs::{self, RawServer};

/// Runs `msvc call ADDRESS …`; the address reads `[SERVER]` in the result.
fn call(sandbox: &Sandbox, address: &str, args: &[&str]) -> String {
    let head = ["call", address];
    let shown = sandbox.msvc(head.iter().chain(args));
    shown.replace(address, "[SERVER]")
}

/// As [`call`], with something on stdin.
fn call_with_stdin(sandbox: &Sandbox, address: &str, args: &[&str], stdin: &str) -> String {
    let mut child = sandbox
        .command(["call", address].iter().chain(args))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let mut pipe = child.stdin.take().expect("piped");
    // A command that fails early does not read it.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("msvc ends");
    sandbox.render(output).replace(address, "[SERVER]")
}

#[test]
fn without_a_method_the_services_are_listed() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    insta::assert_snapshot!(call(&sandbox, &server.address(), &[]), @r"
    exit: 0
    --- stdout ---
    chat.v1.ChatService
      SendMessage     (SendMessageRequest) → SendMessageResponse
      WatchRoom       (WatchRoomRequest) → stream WatchRoomResponse
      ImportMessages  (stream ImportMessagesRequest) → ImportMessagesResponse
      Chat            (stream ChatRequest) → stream ChatResponse

    grpc.health.v1.Health
      Check  (HealthCheckRequest) → HealthCheckResponse
      Watch  (HealthCheckRequest) → stream HealthCheckResponse

    grpc.reflection.v1.ServerReflection
      ServerReflectionInfo  (stream ServerReflectionRequest) → stream ServerReflectionResponse
    ");
    insta::assert_snapshot!(call(&sandbox, &server.address(), &["ChatService", "-v"]), @r"
    exit: 0
    --- stdout ---
    chat.v1.ChatService
      SendMessage     (SendMessageRequest) → SendMessageResponse
                        message: chat.v1.Message
      WatchRoom       (WatchRoomRequest) → stream WatchRoomResponse
                        room: string
                        limit: uint32
      ImportMessages  (stream ImportMessagesRequest) → ImportMessagesResponse
                        message: chat.v1.Message
      Chat            (stream ChatRequest) → stream ChatResponse
                        enter: chat.v1.ChatRequest.Enter
                        say: string
    ");
    insta::assert_snapshot!(
        call(&sandbox, &server.address(), &["grpc.health.v1.Health", "--format", "json"]), @r#"
    exit: 0
    --- stdout ---
    {
      "target": "[SERVER]",
      "services": [
        {
          "name": "grpc.health.v1.Health",
          "methods": [
            {
              "name": "Check",
              "full_name": "grpc.health.v1.Health/Check",
              "input": "grpc.health.v1.HealthCheckRequest",
              "output": "grpc.health.v1.HealthCheckResponse",
              "client_streaming": false,
              "server_streaming": false
            },
            {
              "name": "Watch",
              "full_name": "grpc.health.v1.Health/Watch",
              "input": "grpc.health.v1.HealthCheckRequest",
              "output": "grpc.health.v1.HealthCheckResponse",
              "client_streaming": false,
              "server_streaming": true
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn the_older_reflection_and_protos_serve_as_well() {
    let sandbox = Sandbox::new();
    let listed = call(&sandbox, &ChatServer::start().address(), &["ChatService"]);
    let older = ChatServer::start_with(Reflection::V1Alpha);
    assert_eq!(call(&sandbox, &older.address(), &["ChatService"]), listed);

    let mute = ChatServer::start_with(Reflection::None);
    insta::assert_snapshot!(call(&sandbox, &mute.address(), &["ChatService"]), @r"
    exit: 1
    --- stderr ---
    error: [SERVER] does not offer reflection, so its methods are not known
    hint: give the protos with `--proto FILE -I DIR`, or an encoded descriptor set with `--descriptors FILE`
    ");
    let folder = chat::proto_folder().display().to_string();
    let proto = chat::proto_folder().join(chat::PROTO).display().to_string();
    let with_protos = ["ChatService", "--proto", &proto, "-I", &folder];
    assert_eq!(call(&sandbox, &mute.address(), &with_protos), listed);
    std::fs::write(sandbox.path().join("chat.binpb"), chat::compiled().encoded).expect("writable");
    let with_set = ["ChatService", "--descriptors", "chat.binpb"];
    assert_eq!(call(&sandbox, &mute.address(), &with_set), listed);
}

#[test]
fn a_unary_call_prints_its_response() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let data = r#"{"message": {"room": "lobby", "author": "ada", "text": "hello"}}"#;
    insta::assert_snapshot!(
        call(&sandbox, &server.address(), &["chat.v1.ChatService/SendMessage", "-d", data]), @r#"
    exit: 0
    --- stdout ---
    {
      "message": {
        "id": "42",
        "room": "lobby",
        "author": "ada",
        "text": "hello",
        "sentAt": "2026-01-02T03:04:05Z"
      }
    }
    "#);
    insta::assert_snapshot!(
        call(&sandbox, &server.address(), &["SendMessage", "-d", data, "--format", "json", "-H", "x-tenant: blue"]), @r#"
    exit: 0
    --- stdout ---
    {"message":{"id":"42","room":"lobby","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:05Z","labels":{"tenant":"blue"}}}
    "#);
    std::fs::write(sandbox.path().join("request.json"), data).expect("writable");
    let from_file = call(
        &sandbox,
        &server.address(),
        &["SendMessage", "-d", "@request.json"],
    );
    let from_stdin = call_with_stdin(&sandbox, &server.address(), &["SendMessage"], data);
    assert_eq!(from_file, from_stdin);
    insta::assert_snapshot!(
        call(&sandbox, &server.address(), &["WatchRoom", "-d", r#"{"room": "lobby", "limit": 1}"#, "--emit-defaults"]), @r#"
    exit: 0
    --- stdout ---
    {"message":{"id":"1","room":"lobby","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:06Z","kind":"KIND_TEXT","labels":{}}}
    "#);
}

#[test]
fn verbose_shows_what_goes_over_the_wire() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let data = r#"{"room": "lobby", "limit": 1}"#;
    let args = [
        "WatchRoom",
        "-d",
        data,
        "-v",
        "-H",
        "X-Tenant: blue",
        "--max-time",
        "9s",
    ];
    let shown = call(&sandbox, &server.address(), &args);
    let without_date: Vec<&str> = shown
        .lines()
        .filter(|line| !line.starts_with("< date:"))
        .collect();
    insta::assert_snapshot!(without_date.join("\n"), @r#"
    exit: 0
    --- stdout ---
    {"message":{"id":"1","room":"lobby","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:06Z","kind":"KIND_TEXT"}}
    --- stderr ---
    > chat.v1.ChatService/WatchRoom at [SERVER]
    > x-tenant: blue
    > grpc-timeout: 9000000u
    < content-type: application/grpc
    < (trailer) grpc-status: 0
    "#);
}

#[test]
fn streams_print_a_value_a_line() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    insta::assert_snapshot!(
        call(&sandbox, &address, &["WatchRoom", "-d", r#"{"room": "lobby", "limit": 2}"#]), @r#"
    exit: 0
    --- stdout ---
    {"message":{"id":"1","room":"lobby","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:06Z","kind":"KIND_TEXT"}}
    {"message":{"id":"2","room":"lobby","author":"bob","text":"hi","sentAt":"2026-01-02T03:04:07Z","kind":"KIND_TEXT"}}
    "#);
    insta::assert_snapshot!(
        call(&sandbox, &address, &["WatchRoom", "-d", r#"{"room": "broken"}"#]), @r#"
    exit: 1
    --- stdout ---
    {"message":{"id":"1","room":"broken","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:06Z","kind":"KIND_TEXT"}}
    --- stderr ---
    error: DATA_LOSS (15): the disk is gone
    "#);
    let messages = r#"
        {"message": {"room": "a", "text": "1"}} {"message": {"room": "b", "text": "2"}}
        {"message": {"room": "a", "text": "3"}}
    "#;
    insta::assert_snapshot!(call(&sandbox, &address, &["ImportMessages", "-d", messages]), @r#"
    exit: 0
    --- stdout ---
    {
      "imported": 3,
      "importedByRoom": {
        "a": 2,
        "b": 1
      }
    }
    "#);
    let from_stdin = call_with_stdin(&sandbox, &address, &["ImportMessages"], messages);
    assert_eq!(
        from_stdin,
        call(&sandbox, &address, &["ImportMessages", "-d", messages])
    );
    insta::assert_snapshot!(call(&sandbox, &address, &["Chat", "-d",
        r#"{"enter": {"room": "lobby", "author": "ada"}} {"say": "hello"}"#]), @r#"
    exit: 0
    --- stdout ---
    {"entered":"ada"}
    {"said":{"id":"1","room":"lobby","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:06Z","kind":"KIND_TEXT"}}
    {"left":"ada"}
    "#);
}

#[test]
fn a_conversation_goes_back_and_forth() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let mut child = sandbox
        .command(["call", &server.address(), "Chat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let mut requests = child.stdin.take().expect("piped");
    let mut responses = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut say = |request: &str| {
        requests
            .write_all(request.as_bytes())
            .expect("msvc listens");
        responses.next().expect("msvc answers").expect("text")
    };
    // Each answer comes before the next request is sent, and without a newline after the request.
    assert_eq!(
        say(r#"{"enter": {"room": "lobby", "author": "ada"}}"#),
        r#"{"entered":"ada"}"#
    );
    for (id, text) in [(1, "hello"), (2, "anyone?")] {
        let answer = say(&format!(r#"{{"say": "{text}"}}"#));
        assert!(
            answer.contains(&format!(
                r#""id":"{id}","room":"lobby","author":"ada","text":"{text}""#
            )),
            "{answer}"
        );
    }
    drop(requests);
    assert_eq!(
        responses.next().expect("an end").expect("text"),
        r#"{"left":"ada"}"#
    );
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn errors_show_code_message_details_and_trailers() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    let send = |data: &str, args: &[&str]| {
        let all: Vec<&str> = ["SendMessage", "-d", data]
            .iter()
            .chain(args)
            .copied()
            .collect();
        call(&sandbox, &address, &all)
    };
    insta::assert_snapshot!(send(r#"{"message": {"author": "ada"}}"#, &[]), @r"
    exit: 1
    --- stderr ---
    error: INVALID_ARGUMENT (3): the message is not valid
      field `message.room`: must not be empty
      field `message.text`: must not be empty
    ");
    let closed = r#"{"message": {"room": "closed", "text": "hi"}}"#;
    insta::assert_snapshot!(send(closed, &[]), @r#"
    exit: 1
    --- stderr ---
    error: PERMISSION_DENIED (7): the room is closed to you
      detail google.rpc.ErrorInfo: {"reason":"ROOM_CLOSED","domain":"chat.example.org","metadata":{"room":"closed"}}
      trailer x-request-id: r-7
    "#);
    insta::assert_snapshot!(send(closed, &["--format", "json"]), @r#"
    exit: 1
    --- stdout ---
    {"error":{"code":7,"name":"PERMISSION_DENIED","message":"the room is closed to you","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ROOM_CLOSED","domain":"chat.example.org","metadata":{"room":"closed"}}],"trailers":{"x-request-id":"r-7"},"hint":null,"exit_code":1}}
    "#);
    insta::assert_snapshot!(send(r#"{"message": {"room": "strange", "text": "hi"}}"#, &[]), @r"
    exit: 1
    --- stderr ---
    error: INTERNAL (13): café is shut, 100%
      detail x/a.v1: CAE= (base64, its type is not known)
    ");
    insta::assert_snapshot!(call(&sandbox, &address, &["WatchRoom", "-d", r#"{"room": "attic"}"#]), @r"
    exit: 1
    --- stderr ---
    error: NOT_FOUND (5): room `attic` does not exist
    ");
}

#[test]
fn a_deadline_ends_the_call() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let slow = r#"{"message": {"room": "slow", "text": "hi"}}"#;
    insta::assert_snapshot!(
        call(&sandbox, &server.address(), &["SendMessage", "-d", slow, "--max-time", "200ms"]), @r"
    exit: 1
    --- stderr ---
    error: DEADLINE_EXCEEDED (4): the call took longer than 200ms
    hint: `--max-time` sets the deadline
    ");
    insta::assert_snapshot!(
        call(&sandbox, &server.address(), &["SendMessage", "-d", slow, "--max-time", "10"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value '10' for '--max-time <DURATION>': a unit is missing: `10s` or `10ms`?

    For more information, try '--help'.
    ");
}

#[test]
fn what_is_wrong_with_the_input_is_shown() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    insta::assert_snapshot!(call(&sandbox, &address, &["SendMesage", "-d", "{}"]), @r"
    exit: 2
    --- stderr ---
    error: [SERVER] has no method `SendMesage`
    hint: did you mean `chat.v1.ChatService/SendMessage`?
    ");
    insta::assert_snapshot!(call(&sandbox, &address, &["chat.v1.ChatServce/Chat"]), @r"
    exit: 2
    --- stderr ---
    error: [SERVER] has no service `chat.v1.ChatServce`
    hint: did you mean `chat.v1.ChatService/Chat`?
    ");
    insta::assert_snapshot!(call(&sandbox, &address, &["SendMessage", "-d", r#"{"message": {"txt": "hi"}}"#]), @r#"
    exit: 2
    --- stderr ---
    error: -d:1:14: `chat.v1.Message` has no field `txt`
       |
     1 | {"message": {"txt": "hi"}}
       |              ^^^^^
     = help: did you mean `text`?
    "#);
    insta::assert_snapshot!(call(&sandbox, &address, &["SendMessage", "-d", "{} {}"]), @r"
    exit: 2
    --- stderr ---
    error: `chat.v1.ChatService/SendMessage` takes one request, but there are 2
    ");
    insta::assert_snapshot!(call(&sandbox, &address, &["SendMessage", "-d", "@nowhere.json"]), @r"
    exit: 1
    --- stderr ---
    error: failed to read `nowhere.json`
      caused by: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(call(&sandbox, &address, &["SendMessage", "-H", "nonsense"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value 'nonsense' for '--header <K: V>': expected `key: value`

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(
        call_with_stdin(&sandbox, &address, &["Chat"], "{\"enter\": {\"room\": \"lobby\", \"author\": \"ada\"}}\n{\"sya\": 1}\n"), @r#"
    exit: 2
    --- stderr ---
    error: stdin:2:2: `chat.v1.ChatRequest` has no field `sya`
       |
     2 | {"sya": 1}
       |  ^^^^^
     = help: its fields are `enter`, `say`
    "#);
}

#[test]
fn a_service_is_found_by_name() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let registry = stubs::consul("chat-service", server.port(), &["user-service"]);
    let run = |args: &[&str]| {
        let output = sandbox
            .command(["call"].iter().chain(args))
            .env("CONSUL_HTTP_ADDR", registry.address())
            .output()
            .expect("msvc starts");
        sandbox
            .render(output)
            .replace(&registry.address(), "[REGISTRY]")
    };
    let lobby = r#"{"room": "lobby", "limit": 1}"#;
    let expected = call(&sandbox, &server.address(), &["WatchRoom", "-d", lobby]);
    assert_eq!(run(&["chat-service", "WatchRoom", "-d", lobby]), expected);
    assert_eq!(
        run(&["consul:///chat-service", "WatchRoom", "-d", lobby]),
        expected
    );
    insta::assert_snapshot!(run(&["user-servcie"]), @r"
    exit: 3
    --- stderr ---
    error: the registry at http://[REGISTRY] has no service `user-servcie`
    hint: did you mean `user-service`?
    ");
    insta::assert_snapshot!(run(&["user-service"]), @r"
    exit: 3
    --- stderr ---
    error: `user-service` is registered at http://[REGISTRY], but no instance passes its health checks
    hint: its logs and its `/readyz` say why; it can be called by `HOST:PORT`
    ");
    insta::assert_snapshot!(run(&["localhost"]), @r"
    exit: 3
    --- stderr ---
    error: the registry at http://[REGISTRY] has no service `localhost`
    hint: an address needs its port: `localhost:50051`
    ");
}

#[test]
fn a_running_workspace_is_asked_first() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let registry = stubs::consul("chat-service", server.port(), &[]);
    let workspace = "[workspace]\nname = \"talk\"\ntemplate-version = \"0.1.0\"\n\
        [services.chat-service]\nport = 50051\n\
        [services.user-service]\nport = 50052\nserves = [\"user.v1.UserService\"]\n";
    std::fs::write(sandbox.path().join("msvc.toml"), workspace).expect("writable");
    // As an `msvc run` that is alive has it.
    let lock = RunLock::take(&sandbox.path().join(".msvc")).expect("writable");
    let run_file = serde_json::json!({
        "version": 1,
        "pid": std::process::id(),
        "registry": { "kind": "consul", "address": format!("http://{}", registry.address()) },
        "services": [],
    });
    std::fs::write(sandbox.path().join(".msvc/run.json"), run_file.to_string()).expect("writable");
    let shown = |args: &[&str]| {
        sandbox
            .msvc(["call"].iter().chain(args))
            .replace(&registry.address(), "[REGISTRY]")
    };
    assert!(shown(&["chat-service", "ChatService"]).starts_with("exit: 0"));
    insta::assert_snapshot!(shown(&["user-service"]), @r"
    exit: 3
    --- stderr ---
    error: the registry at http://[REGISTRY] has no service `user-service`
    hint: start it with `msvc run user-service`
    ");

    let static_run = serde_json::json!({
        "version": 1,
        "pid": std::process::id(),
        "registry": null,
        "services": [{ "name": "chat-service", "instances": [{ "pid": 2, "grpc": server.address(), "admin": "127.0.0.1:1" }] }],
    });
    std::fs::write(
        sandbox.path().join(".msvc/run.json"),
        static_run.to_string(),
    )
    .expect("writable");
    assert!(shown(&["chat-service", "ChatService"]).starts_with("exit: 0"));
    insta::assert_snapshot!(shown(&["chat-servce"]), @r"
    exit: 3
    --- stderr ---
    error: `msvc run` has no service `chat-servce`
    hint: did you mean `chat-service`?
    ");

    // What a killed one has left written is of no use.
    let written = std::fs::read(sandbox.path().join(".msvc/run.json")).expect("readable");
    drop(lock);
    std::fs::write(sandbox.path().join(".msvc/run.json"), written).expect("writable");
    let mut command = sandbox.command(["call", "chat-service"]);
    command.env("CONSUL_HTTP_ADDR", "127.0.0.1:1");
    let output = sandbox.render(command.output().expect("msvc starts"));
    assert!(output.starts_with("exit: 3"), "{output}");
}

#[test]
fn without_a_registry_a_name_cannot_be_looked_up() {
    let sandbox = Sandbox::new();
    let address = format!("127.0.0.1:{}", stubs::dead_port());
    let output = sandbox
        .command(["call", "user-service"])
        .env("CONSUL_HTTP_ADDR", &address)
        .output()
        .expect("msvc starts");
    insta::assert_snapshot!(sandbox.render(output).replace(&address, "[REGISTRY]"), @r"
    exit: 3
    --- stderr ---
    error: cannot look up `user-service`: no registry answers
      caused by: [REGISTRY]: Connection refused (os error 111)
    hint: start the services with `msvc run`, set CONSUL_HTTP_ADDR, or give the address as `HOST:PORT`
    ");
}

#[test]
fn what_is_no_grpc_server_is_told_apart() {
    let sandbox = Sandbox::new();
    let nothing = format!("127.0.0.1:{}", stubs::dead_port());
    insta::assert_snapshot!(call(&sandbox, &nothing, &[]), @r"
    exit: 3
    --- stderr ---
    error: cannot connect to [SERVER]
      caused by: Connection refused (os error 111)
    hint: nothing listens there: start the server, or check the port
    ");
    let http = RawServer::that_says(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    insta::assert_snapshot!(call(&sandbox, &http.address(), &[]), @r"
    exit: 3
    --- stderr ---
    error: [SERVER] does not speak gRPC: it answered in HTTP/1
    hint: is this the port of the gRPC server, not of its HTTP endpoint?
    ");
    let smtp = RawServer::that_says(b"220 mail.example.org ESMTP\r\n");
    insta::assert_snapshot!(call(&sandbox, &smtp.address(), &[]), @r#"
    exit: 3
    --- stderr ---
    error: [SERVER] does not speak gRPC: its first bytes are "220 mail."
    hint: is this the port of the gRPC server?
    "#);
    let closing = RawServer::start(drop);
    insta::assert_snapshot!(call(&sandbox, &closing.address(), &[]), @r"
    exit: 3
    --- stderr ---
    error: [SERVER] does not speak gRPC: it closed the connection at once
    hint: is this the port of the gRPC server? A server that speaks TLS needs `https://`
    ");
    let tls = RawServer::that_says(&[0x15, 3, 1, 0, 2, 2, 70, 0, 0]);
    insta::assert_snapshot!(call(&sandbox, &tls.address(), &[]), @r"
    exit: 3
    --- stderr ---
    error: [SERVER] does not speak gRPC: it answered in TLS
    hint: the server speaks TLS: use `https://`, or `--ca FILE` with a service's name
    ");
    insta::assert_snapshot!(call(&sandbox, "localhost:grpc", &[]), @r"
    exit: 2
    --- stderr ---
    error: invalid value '[SERVER]' for '<TARGET>': `grpc` is not a port: expected a number from 1 to 65535

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(call(&sandbox, "ftp://a", &[]), @r"
    exit: 2
    --- stderr ---
    error: invalid value '[SERVER]' for '<TARGET>': `ftp://` is not supported: use `http://`, `https://` or `consul:///`

    For more information, try '--help'.
    ");
}

#[test]
fn a_server_that_accepts_and_never_answers_is_given_up() {
    let sandbox = Sandbox::new();
    let silent = RawServer::that_says(b"");
    insta::assert_snapshot!(call(&sandbox, &silent.address(), &["a.v1.A/Get"]), @r"
    exit: 3
    --- stderr ---
    error: [SERVER] accepted the connection but said nothing within 5s
    hint: is it a gRPC server, and is it running (not stopped in a debugger)?
    ");
    // One that speaks HTTP/2 and then nothing more: an empty SETTINGS frame.
    let greeting = RawServer::that_says(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    insta::assert_snapshot!(call(&sandbox, &greeting.address(), &["a.v1.A/Get"]), @r"
    exit: 3
    --- stderr ---
    error: [SERVER] did not answer within 5s when asked for its methods
    hint: is it running (not stopped in a debugger), and is it a gRPC server?
    ");
}

#[test]
fn a_server_that_breaks_http2_is_reported() {
    let sandbox = Sandbox::new();
    let folder = chat::proto_folder().display().to_string();
    let proto = chat::proto_folder().join(chat::PROTO).display().to_string();
    let args = [
        "WatchRoom",
        "-d",
        r#"{"room": "lobby"}"#,
        "--proto",
        &proto,
        "-I",
        &folder,
    ];
    // A DATA frame on a stream that nobody opened.
    let liar = RawServer::that_says(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0xff]);
    insta::assert_snapshot!(call(&sandbox, &liar.address(), &args), @r"
    exit: 3
    --- stderr ---
    error: UNAVAILABLE (14): the server broke the rules of HTTP/2: unspecific protocol error detected
    hint: the server's logs may say more
    ");
    // SETTINGS, then GOAWAY with ENHANCE_YOUR_CALM.
    let weary = RawServer::that_says(&[
        0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11,
    ]);
    insta::assert_snapshot!(call(&sandbox, &weary.address(), &args), @r"
    exit: 3
    --- stderr ---
    error: UNAVAILABLE (14): the server closed the connection: detected excessive load generating behavior
    hint: the server's logs may say more
    ");
}

#[test]
fn a_server_that_dies_during_a_call_is_reported() {
    let (sandbox, mut server) = (Sandbox::new(), ChatProcess::start());
    let mut child = sandbox
        .command([
            "call",
            server.address(),
            "WatchRoom",
            "-d",
            r#"{"room": "lobby"}"#,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let mut first = [0; 1];
    let stdout = child.stdout.as_mut().expect("piped");
    std::io::Read::read_exact(stdout, &mut first).expect("a response");
    server.kill();
    let output = child.wait_with_output().expect("msvc ends");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "error: UNAVAILABLE (14): the connection was lost: ";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn an_interrupt_ends_a_stream() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let mut child = sandbox
        .command([
            "call",
            &server.address(),
            "WatchRoom",
            "-d",
            r#"{"room": "lobby"}"#,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let mut first = [0; 1];
    let stdout = child.stdout.as_mut().expect("piped");
    std::io::Read::read_exact(stdout, &mut first).expect("a response");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[test]
fn services_and_methods_are_completed() {
    let sandbox = Sandbox::new();
    let workspace = "[workspace]\nname = \"talk\"\ntemplate-version = \"0.1.0\"\n\
        [services.chat-service]\nport = 50051\n\
        [services.user-service]\nport = 50052\nserves = [\"user.v1.UserService\"]\n";
    std::fs::write(sandbox.path().join("msvc.toml"), workspace).expect("writable");
    let protocol = sandbox.path().join("crates/protocol/src");
    std::fs::create_dir_all(&protocol).expect("writable");
    let descriptors = chat::compiled().encoded;
    std::fs::write(protocol.join("descriptors.binpb"), descriptors).expect("writable");
    let complete = |words: &[&str]| {
        let output = sandbox
            .command(["--", "msvc"].iter().chain(words))
            .env("COMPLETE", "fish")
            .output()
            .expect("msvc starts");
        String::from_utf8(output.stdout).expect("text")
    };
    insta::assert_snapshot!(complete(&["call", "u"]), @"user-service");
    insta::assert_snapshot!(complete(&["call", "chat-service", "Im"]), @"chat.v1.ChatService/ImportMessages	takes ImportMessagesRequest");
    insta::assert_snapshot!(complete(&["bench", "chat-service", "chat.v1.ChatService/S"]), @"chat.v1.ChatService/SendMessage	takes SendMessageRequest");
    insta::assert_snapshot!(complete(&["call", "user-service", "Im"]), @"");
    insta::assert_snapshot!(complete(&["run", "c"]), @"chat-service");
    insta::assert_snapshot!(complete(&["run", "--replicas", "c"]), @"chat-service=");
    insta::assert_snapshot!(complete(&["--project", "crates", "run", "u"]), @"user-service");
    insta::assert_snapshot!(complete(&["--project=/", "run", "u"]), @"");
}
