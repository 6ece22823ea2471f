//! HTTP/2 servers that are scripts: what they answer to the n-th call is bytes, which need not be right.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::stubs::RawServer;

/// The types of frames that the scripts are made of.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Their flags.
pub mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// `:status: 200` and `content-type: application/grpc`, the latter as a literal.
pub const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// `grpc-status: 0`.
pub const OK: &[u8] = b"\x00\x0bgrpc-status\x010";

/// What a server does.
#[derive(Clone, Copy)]
pub struct Script {
    /// Its first settings.
    pub settings: &'static [(u16, u32)],
    /// Whether it opens its windows byte for byte rather than far.
    pub is_stingy: bool,
    /// How many bytes it writes at a time.
    pub piece: usize,
    /// What it answers to the n-th call of a connection, from 0, on a stream; an empty answer ends the
    /// connection.
    pub answer: fn(u32, usize) -> Vec<u8>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            settings: &[],
            is_stingy: false,
            piece: usize::MAX,
            answer: |stream, _| success(stream),
        }
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let head = [kind, flags];
    [&length[..], &head, &stream.to_be_bytes(), payload].concat()
}

/// A response with one message of 31 bytes.
pub fn success(stream: u32) -> Vec<u8> {
    let mut message = [7; 36];
    message[..5].copy_from_slice(&[0, 0, 0, 0, 31]);
    [
        frame(kind::HEADERS, flag::END_HEADERS, stream, HEAD),
        frame(kind::DATA, 0, stream, &message),
        trailers(stream, OK),
    ]
    .concat()
}

/// The end of a response.
pub fn trailers(stream: u32, block: &[u8]) -> Vec<u8> {
    let flags = flag::END_HEADERS | flag::END_STREAM;
    frame(kind::HEADERS, flags, stream, block)
}

/// Starts a server.
pub fn serve(script: Script) -> RawServer {
    RawServer::start(move |stream| {
        let _ = stream.set_nodelay(true);
        // The client may be gone at any point.
        let _ = converse(stream, script);
    })
}

fn converse(mut stream: TcpStream, script: Script) -> std::io::Result<()> {
    let mut settings = Vec::new();
    let window = (4, if script.is_stingy { 1 } else { 1 << 30 });
    for (id, value) in script.settings.iter().chain([&window]) {
        settings.extend(id.to_be_bytes());
        settings.extend(value.to_be_bytes());
    }
    let mut said = frame(kind::SETTINGS, 0, 0, &settings);
    if !script.is_stingy {
        let most: u32 = 1 << 30;
        said.extend(frame(kind::WINDOW_UPDATE, 0, 0, &most.to_be_bytes()));
    }
    let mut heard = Vec::new();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    let mut buffer = vec![0; 1 << 16];
    let mut calls = 0;
    loop {
        for piece in said.chunks(script.piece.min(said.len()).max(1)) {
            stream.write_all(piece)?;
        }
        said.clear();
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        heard.extend_from_slice(&buffer[..count]);
        let mut rest = &heard[..];
        while let [l0, l1, l2, kind, flags, s0, s1, s2, s3, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
            let id = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
            let Some((payload, after)) = after.split_at_checked(length) else {
                break;
            };
            rest = after;
            let is_ack = flags & flag::ACK != 0;
            match *kind {
                kind::SETTINGS if !is_ack => said.extend(frame(kind::SETTINGS, flag::ACK, 0, &[])),
                kind::PING if !is_ack => said.extend(frame(kind::PING, flag::ACK, 0, payload)),
                kind::HEADERS | kind::DATA => {
                    if script.is_stingy && *kind == kind::DATA && length > 0 {
                        let more = (length as u32).to_be_bytes();
                        said.extend(frame(kind::WINDOW_UPDATE, 0, 0, &more));
                        said.extend(frame(kind::WINDOW_UPDATE, 0, id, &more));
                    }
                    if flags & flag::END_STREAM != 0 {
                        let answer = (script.answer)(id, calls);
                        if answer.is_empty() {
                            return Ok(());
                        }
                        said.extend(answer);
                        calls += 1;
                    }
                }
                _ => {}
            }
        }
        let taken = heard.len() - rest.len();
        heard.drain(..taken);
    }
}

/// A server whose answers cost next to nothing, for measuring what calls cost the client: started by hand.
#[test]
#[ignore = "runs until it is killed"]
#[expect(clippy::print_stdout, reason = "whoever starts it reads it")]
fn serve_until_killed() {
    if std::env::var("MSVC_TEST_CANNED").is_err() {
        return;
    }
    let server = serve(Script::default());
    println!("listening on {}", server.address());
    loop {
        std::thread::park();
    }
}
