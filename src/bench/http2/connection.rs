//! A connection: what its owner does with it, and how calls are sent. [`receive`](super::receive) is the
//! other half.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, Header, flag, kind};
use super::head::Reader;
use super::hpack::DEFAULT_TABLE;
use super::receive::Input;
use super::request::{Encoded, Request};
use super::settings::{CONNECTION_WINDOW, DEFAULT_WINDOW, STREAM_WINDOW, Settings, put_preface};
use super::streams::{Stream, Streams};
use super::{Reason, Violation};
use crate::bench::framing::MessageCounter;
use crate::bench::stats::Ended;
use crate::code::Code;

/// No bodies are sent while so much waits to be written: it would be held in memory for nothing.
const ENOUGH_OUTPUT: usize = 1 << 20;
/// The number of the last stream that a connection can have (RFC 9113, section 5.1.1).
const LAST_STREAM: u32 = (1 << 31) - 1;

/// A call that is over.
#[derive(Debug)]
pub struct Finished<T> {
    /// The number of its stream.
    pub stream: u32,
    /// What the owner knows of it.
    pub call: T,
    /// How it ended.
    pub how: How,
    /// The messages of its response with their prefixes, where they were to be [kept](Connection::keep).
    pub kept: Option<Vec<u8>>,
}

/// Messages of a response that came at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard<T> {
    /// The number of the call's stream.
    pub stream: u32,
    /// What the owner knows of the call.
    pub call: T,
    /// How many.
    pub messages: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// With a status.
    Ended(Ended),
    /// The server did not take it, and why: it may be sent again (gRFC A6, "transparent retries").
    NotTaken(String),
}

/// The client's end of a connection on which one request is made again and again. `T` is what its owner
/// wants to know of each call.
#[derive(Debug)]
pub struct Connection<T> {
    pub(super) request: Arc<Request>,
    encoded: Encoded,
    /// The smallest size of the server's table that it has not been told of.
    smallest_table: Option<usize>,
    pub(super) settings: Settings,
    pub(super) is_greeted: bool,
    pub(super) out: Vec<u8>,
    written: usize,
    pub(super) next_id: u32,
    pub(super) streams: Streams<T>,
    /// How much may be sent on all streams together.
    pub(super) window: i64,
    /// Streams with bodies that are not sent, for want of a window or of a need.
    unsent: VecDeque<u32>,
    /// How much the server may send on all streams together.
    pub(super) allowed: u32,
    pub(super) input: Input,
    /// The beginning of a frame that is not all there.
    pub(super) partial: Vec<u8>,
    /// The beginning of a block of headers, its stream and flags.
    pub(super) block: Option<(Header, Vec<u8>)>,
    /// Where blocks of headers that are not the same for all calls are put together.
    outgoing: Vec<u8>,
    pub(super) reader: Reader,
    /// The last stream that the server takes, and why.
    pub(super) goaway: Option<(u32, Reason)>,
    pub(super) finished: Vec<Finished<T>>,
    pub(super) heard: Vec<Heard<T>>,
}

impl<T: Copy> Connection<T> {
    /// A new one; the preface is the first of its output.
    pub fn new(request: Arc<Request>) -> Self {
        let mut out = Vec::new();
        put_preface(&mut out);
        Self {
            encoded: Encoded::new(&request, DEFAULT_TABLE, None),
            request,
            smallest_table: None,
            settings: Settings::default(),
            is_greeted: false,
            out,
            written: 0,
            next_id: 1,
            streams: Streams::new(),
            window: DEFAULT_WINDOW.into(),
            unsent: VecDeque::new(),
            allowed: CONNECTION_WINDOW,
            input: Input::Frame,
            partial: Vec::new(),
            block: None,
            outgoing: Vec::new(),
            reader: Reader::new(),
            goaway: None,
            finished: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Whether the server has said its settings: before that, no calls are to be made.
    pub fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    /// Whether it takes no more calls at all: the server wants it to end, or has seen as many streams as
    /// there are.
    pub fn is_spent(&self) -> bool {
        self.goaway.is_some() || self.next_id > LAST_STREAM
    }

    /// How many more calls it takes now.
    pub fn room(&self) -> usize {
        if !self.is_greeted || self.is_spent() {
            return 0;
        }
        (self.settings.streams as usize).saturating_sub(self.streams.count())
    }

    /// Whether the server takes no calls for now, not even one at a time.
    pub fn is_closed(&self) -> bool {
        self.is_greeted && self.settings.streams == 0
    }

    /// How many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.streams.count()
    }

    /// The calls in flight, in no order.
    pub fn calls(&mut self) -> impl Iterator<Item = &T> {
        self.streams.iter().map(|stream| &stream.call)
    }

    /// Makes a call; there must be [room](Self::room).
    pub fn start(&mut self, call: T) {
        let id = self.next_id;
        let mut stream = self.stream(call, self.request.body.len());
        let length = stream.unsent as i64;
        let fits = length <= self.window.min(stream.window) && self.is_keen();
        if let Some(flat) = self.encoded.flat.as_ref().filter(|_| fits) {
            flat.put(&mut self.out, id);
            self.window -= length;
            stream.window -= length;
            stream.unsent = 0;
            stream.is_sent = true;
            self.streams.insert(stream);
            return;
        }
        frame::put_headers(&mut self.out, id, &self.encoded.block, self.settings.frame);
        self.encoded.settle(&self.request.body);
        self.smallest_table = None;
        stream.body = self.request.body.clone();
        self.streams.insert(stream);
        if !self.send_body(id) {
            self.unsent.push_back(id);
        }
    }

    /// Makes a call with headers of its own, as [`put_field`](super::put_field) writes them, after those of
    /// the request, and a body of its own; there must be [room](Self::room).
    pub fn start_with(&mut self, call: T, fields: &[u8], body: &[u8]) {
        let id = self.next_id;
        let mut stream = self.stream(call, body.len());
        let length = body.len() as i64;
        let fits = length <= self.window.min(stream.window) && self.is_keen();
        self.outgoing.clear();
        self.outgoing.extend_from_slice(&self.encoded.block);
        self.outgoing.extend_from_slice(fields);
        frame::put_headers(&mut self.out, id, &self.outgoing, self.settings.frame);
        self.encoded.settle(&self.request.body);
        self.smallest_table = None;
        if fits && body.len() <= self.settings.frame {
            frame::put(&mut self.out, kind::DATA, flag::END_STREAM, id, body);
            self.window -= length;
            stream.window -= length;
            stream.unsent = 0;
            stream.is_sent = true;
            self.streams.insert(stream);
            return;
        }
        stream.body = Bytes::copy_from_slice(body);
        self.streams.insert(stream);
        if !self.send_body(id) {
            self.unsent.push_back(id);
        }
    }

    /// Makes a call whose messages are [sent](Self::send) one by one, with headers of its own; gives the number
    /// of its stream. There must be [room](Self::room).
    pub fn open(&mut self, call: T, fields: &[u8]) -> u32 {
        let id = self.next_id;
        let mut stream = self.stream(call, 0);
        stream.is_open = true;
        self.outgoing.clear();
        self.outgoing.extend_from_slice(&self.encoded.block);
        self.outgoing.extend_from_slice(fields);
        frame::put_headers(&mut self.out, id, &self.outgoing, self.settings.frame);
        self.encoded.settle(&self.request.body);
        self.smallest_table = None;
        self.streams.insert(stream);
        id
    }

    /// Sends messages of a call that was [opened](Self::open), as far as that is allowed now, and the rest of them
    /// later; tells the call, unless it is over.
    pub fn send(&mut self, id: u32, messages: &[u8], is_last: bool) -> Option<&mut T> {
        let stream = self.streams.get(id).filter(|stream| stream.is_open)?;
        let waits = stream.unsent > 0;
        let from = stream.body.len() - stream.unsent;
        let body = [&stream.body[from..], messages].concat();
        stream.unsent = body.len();
        stream.body = Bytes::from(body);
        stream.is_open = !is_last;
        // One that waits stands in the queue already.
        if !waits && !self.send_body(id) {
            self.unsent.push_back(id);
        }
        self.streams.get(id).map(|stream| &mut stream.call)
    }

    /// What the owner knows of a call in flight.
    pub fn call(&mut self, id: u32) -> Option<&T> {
        self.streams.get(id).map(|stream| &stream.call)
    }

    /// Keeps the body of the response to the last call that was made.
    pub fn keep(&mut self) {
        let last = self.next_id - 2;
        if let Some(stream) = self.streams.get(last) {
            stream.kept = Some(Vec::new());
        }
    }

    /// Moves what is known of messages that came to `heard`.
    pub fn heard(&mut self, heard: &mut Vec<Heard<T>>) {
        heard.append(&mut self.heard);
    }

    /// A new stream for a body of this length.
    fn stream(&mut self, call: T, length: usize) -> Stream<T> {
        let id = self.next_id;
        self.next_id += 2;
        Stream {
            id,
            call,
            window: self.settings.window.into(),
            body: Bytes::new(),
            unsent: length,
            is_open: false,
            is_sent: false,
            allowed: STREAM_WINDOW,
            head: None,
            counter: MessageCounter::accepting(self.request.accepts_compressed),
            kept: None,
        }
    }

    /// What is to be written.
    pub fn output(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// So much of it was.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            self.send_bodies();
        }
    }

    /// Takes what was read. Calls that it ends are [finished](Self::finished) then.
    ///
    /// # Errors
    /// When the server broke the rules. The output then says so to it, and the connection is to be closed.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let outcome = self.take(bytes);
        if let Err(violation) = outcome {
            super::settings::put_goaway(&mut self.out, violation);
        }
        outcome
    }

    /// Moves the calls that are over to `finished`.
    pub fn finished(&mut self, finished: &mut Vec<Finished<T>>) {
        finished.append(&mut self.finished);
    }

    /// Gives up the calls that it is over for, and tells the server.
    pub fn cancel(&mut self, mut is_over: impl FnMut(&T) -> bool, cancelled: &mut Vec<T>) {
        let over = self.streams.iter().filter(|stream| is_over(&stream.call));
        let ids: Vec<u32> = over.map(|stream| stream.id).collect();
        for id in ids {
            frame::put_reset(&mut self.out, id, Reason::CANCEL);
            cancelled.extend(self.streams.remove(id).map(|stream| stream.call));
        }
    }

    /// The connection is over, and so are all calls on it; `why` says what became of it.
    pub fn lose(&mut self, why: String) {
        let why = match self.goaway {
            Some((_, reason)) if reason != Reason::NO_ERROR => closed(reason),
            _ => why,
        };
        let ids: Vec<u32> = self.streams.iter().map(|stream| stream.id).collect();
        for id in ids {
            self.fail(id, Code::UNAVAILABLE, why.clone());
        }
    }

    /// Ends a call with a status that is not the server's.
    pub(super) fn fail(&mut self, id: u32, code: Code, message: String) {
        if let Some(stream) = self.streams.remove(id) {
            let ended = Ended {
                code,
                message,
                messages: stream.counter.finish().unwrap_or(0),
                bytes: stream.counter.bytes(),
            };
            self.finished.push(Finished {
                stream: id,
                call: stream.call,
                how: How::Ended(ended),
                kept: None,
            });
        }
    }

    /// Takes new settings of the server's (section 6.5.3).
    pub(super) fn apply(&mut self, settings: Settings) -> Result<(), Violation> {
        let grown = i64::from(settings.window) - i64::from(self.settings.window);
        if grown != 0 {
            for stream in self.streams.iter() {
                stream.window += grown;
                if stream.window > super::settings::LARGEST_WINDOW {
                    return Err(Violation::flow("SETTINGS that make a window too large"));
                }
            }
        }
        // A larger table would bring nothing.
        let table = settings.table.min(DEFAULT_TABLE);
        if table != self.settings.table.min(DEFAULT_TABLE) {
            let smallest = self.smallest_table.unwrap_or(table).min(table);
            self.smallest_table = Some(smallest);
            self.encoded = Encoded::new(&self.request, table, self.smallest_table);
        }
        self.settings = settings;
        self.is_greeted = true;
        frame::put(&mut self.out, kind::SETTINGS, flag::ACK, 0, &[]);
        self.send_bodies();
        Ok(())
    }

    /// Whether more may be held to be written.
    fn is_keen(&self) -> bool {
        self.out.len() - self.written < ENOUGH_OUTPUT
    }

    /// Sends what the windows have come to allow.
    pub(super) fn send_bodies(&mut self) {
        for _ in 0..self.unsent.len() {
            if self.window <= 0 || !self.is_keen() {
                return;
            }
            let Some(id) = self.unsent.pop_front() else {
                return;
            };
            if !self.send_body(id) {
                self.unsent.push_back(id);
            }
        }
    }

    /// Sends as much of a body as is allowed (section 6.9.1); tells whether there is no more to send.
    fn send_body(&mut self, id: u32) -> bool {
        loop {
            let is_keen = self.is_keen();
            let Some(stream) = self.streams.get(id) else {
                // It is over.
                return true;
            };
            if stream.is_sent || (stream.is_open && stream.unsent == 0) {
                return true;
            }
            let allowed = self.window.min(stream.window).max(0) as usize;
            let length = stream.unsent.min(allowed).min(self.settings.frame);
            // The empty frame that ends an empty body needs no window.
            if !is_keen || (length == 0 && stream.unsent > 0) {
                return false;
            }
            let from = stream.body.len() - stream.unsent;
            stream.unsent -= length;
            stream.window -= length as i64;
            self.window -= length as i64;
            stream.is_sent = stream.unsent == 0 && !stream.is_open;
            let flags = if stream.is_sent { flag::END_STREAM } else { 0 };
            let chunk = &stream.body[from..from + length];
            frame::put(&mut self.out, kind::DATA, flags, id, chunk);
        }
    }
}

/// What GOAWAY means to the calls that it leaves.
pub(super) fn closed(reason: Reason) -> String {
    format!("the server closed the connection: {}", reason.description())
}
