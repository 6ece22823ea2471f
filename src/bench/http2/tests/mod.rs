//! Connections against servers that are scripts: frames in, frames and ended calls out.

mod calls;
mod fuzz;
mod rules;
mod sending;

use std::sync::Arc;

use super::frame::{self, HEADER, Header, flag, kind};
use super::*;
use crate::bench::stats::Ended;
use crate::code::Code;

/// A frame as the tests write it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// `:status: 200` and `content-type: application/grpc`, the latter as a literal.
const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// `grpc-status: 0`.
const OK: &[u8] = b"\x00\x0bgrpc-status\x010";
/// `grpc-status: 5` and `grpc-message: no%20one`.
const NOT_FOUND: &[u8] = b"\x00\x0bgrpc-status\x015\x00\x0cgrpc-message\x08no%20one";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    Frame {
        kind,
        flags,
        stream,
        payload: payload.to_vec(),
    }
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        frame::put(
            &mut bytes,
            frame.kind,
            frame.flags,
            frame.stream,
            &frame.payload,
        );
    }
    bytes
}

/// The frames in `bytes`, which must end with one.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let header = Header::parse(header);
        let (payload, rest) = rest.split_at(header.length);
        frames.push(frame(header.kind, header.flags, header.stream, payload));
        bytes = rest;
    }
    assert_eq!(bytes, b"");
    frames
}

fn settings(settings: &[(u16, u32)]) -> Frame {
    let mut payload = Vec::new();
    for (id, value) in settings {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

fn headers(stream: u32, block: &[u8]) -> Frame {
    frame(kind::HEADERS, flag::END_HEADERS, stream, block)
}

fn last_headers(stream: u32, block: &[u8]) -> Frame {
    frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        stream,
        block,
    )
}

fn data(stream: u32, payload: &[u8]) -> Frame {
    frame(kind::DATA, 0, stream, payload)
}

fn window(stream: u32, increment: u32) -> Frame {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn goaway(last: u32, code: u32) -> Frame {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

fn reset(stream: u32, code: u32) -> Frame {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// A message with its prefix.
fn message(payload: &[u8]) -> Vec<u8> {
    [&[0][..], &(payload.len() as u32).to_be_bytes(), payload].concat()
}

/// A call of `body`.
fn request(body: &[u8]) -> Arc<Request> {
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    Arc::new(Request {
        headers: vec![
            field(":method", "POST"),
            field(":scheme", "http"),
            field(":path", "/a.B/C"),
            field(":authority", "localhost:1"),
            field("te", "trailers"),
        ],
        body: body.to_vec().into(),
        one_response: true,
        accepts_compressed: false,
        tells_messages: true,
    })
}

/// A connection of a server with these settings, its greetings exchanged.
fn greeted(body: &[u8], of_server: &[(u16, u32)]) -> Connection<u32> {
    let mut connection = Connection::new(request(body));
    receive(&mut connection, &[settings(of_server)]);
    sent(&mut connection);
    connection
}

fn receive(connection: &mut Connection<u32>, frames: &[Frame]) {
    assert_eq!(connection.receive(&bytes(frames)), Ok(()), "{frames:?}");
}

/// What the connection has to say, after its preface.
fn sent(connection: &mut Connection<u32>) -> Vec<Frame> {
    let output = connection.output().to_vec();
    connection.wrote(output.len());
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    frames(output.strip_prefix(preface).unwrap_or(&output))
}

/// The calls that are over.
fn finished(connection: &mut Connection<u32>) -> Vec<(u32, How)> {
    let mut finished = Vec::new();
    connection.finished(&mut finished);
    finished
        .into_iter()
        .map(|ended| (ended.call, ended.how))
        .collect()
}

fn ended(code: Code, message: &str, messages: u64, bytes: u64) -> How {
    How::Ended(Ended {
        code,
        message: message.to_owned(),
        messages,
        bytes,
    })
}

fn not_found() -> Code {
    Code::new(5)
}
