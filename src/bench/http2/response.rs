//! What responses come to, stream by stream (RFC 9113, section 8.1).

use super::connection::{Connection, Finished, Heard, How};
use super::frame::{self, Header, flag};
use super::head::Head;
use super::streams::Stream;
use super::{Reason, Violation};
use crate::bench::stats::Ended;
use crate::code::Code;

impl<T: Copy> Connection<T> {
    /// Takes a part of a body.
    pub(super) fn body(&mut self, id: u32, bytes: &[u8]) {
        let Some(stream) = self.streams.get(id) else {
            // What is still on its way of a call that is over.
            return;
        };
        // A body that comes with an error of HTTP is a page to read, not messages.
        if stream.head.as_ref().and_then(|head| head.http) != Some(200) {
            return;
        }
        let before = stream.counter.messages();
        let fed = stream.counter.feed(bytes);
        if let Some(kept) = &mut stream.kept {
            kept.extend_from_slice(bytes);
        }
        let messages = stream.counter.messages() - before;
        if self.request.tells_messages && messages > 0 {
            self.heard.push(Heard {
                stream: id,
                call: stream.call,
                messages,
            });
        }
        if let Err(error) = fed {
            frame::put_reset(&mut self.out, id, Reason::CANCEL);
            self.fail(id, Code::INTERNAL, error.to_string());
        }
    }

    /// A complete block of headers. It is read even if nobody waits for it: the next one may need what it
    /// does to the table.
    pub(super) fn head(&mut self, header: Header, block: &[u8]) -> Result<(), Violation> {
        let head = self.reader.read(block).map_err(|what| Violation {
            reason: Reason::COMPRESSION_ERROR,
            what,
        })?;
        let is_last = header.has(flag::END_STREAM);
        let Some(stream) = self.streams.get(header.stream) else {
            return Ok(());
        };
        let flaw = match (&stream.head, head.http) {
            _ if head.flaw.is_some() => head.flaw,
            (None, None) => Some("a response without a status"),
            (None, Some(100..=199)) if is_last => {
                Some("a response that ends with a provisional status")
            }
            // The answer is still to come (RFC 9113, section 8.1).
            (None, Some(100..=199)) => return Ok(()),
            (Some(_), Some(_)) => Some("trailers with a status of HTTP"),
            (Some(_), None) if !is_last => Some("trailers before the end"),
            (None | Some(_), _) => None,
        };
        if let Some(flaw) = flaw {
            self.break_off(header.stream, flaw);
        } else if stream.head.is_some() {
            self.end(header.stream, Some(&head));
        } else {
            stream.counter.compressed(head.is_compressed);
            stream.head = Some(head);
            if is_last {
                self.end(header.stream, None);
            }
        }
        Ok(())
    }

    /// The end of a response.
    pub(super) fn end(&mut self, id: u32, trailers: Option<&Head>) {
        let Some(stream) = self.streams.remove(id) else {
            return;
        };
        if !stream.is_sent {
            // The rest of the request is of no use to the server.
            frame::put_reset(&mut self.out, id, Reason::CANCEL);
        }
        let ended = outcome(&stream, trailers, self.request.one_response);
        self.finished.push(Finished {
            stream: id,
            call: stream.call,
            how: How::Ended(ended),
            kept: stream.kept,
        });
    }

    /// A stream that breaks the rules by itself (section 5.4.2).
    pub(super) fn break_off(&mut self, id: u32, what: &str) {
        frame::put_reset(&mut self.out, id, Reason::PROTOCOL_ERROR);
        let message = format!("the server broke the rules of HTTP/2: {what}");
        self.fail(id, Code::INTERNAL, message);
    }

    /// The server did nothing with a call.
    pub(super) fn give_back(&mut self, id: u32, why: String) {
        if let Some(stream) = self.streams.remove(id) {
            self.finished.push(Finished {
                stream: id,
                call: stream.call,
                how: How::NotTaken(why),
                kept: None,
            });
        }
    }
}

/// What a response comes to. A status of the server's that is an error says more than anything that is
/// wrong with the messages; a status in the trailers counts more than one in the head.
fn outcome<T>(stream: &Stream<T>, trailers: Option<&Head>, one_response: bool) -> Ended {
    let head = stream.head.as_ref();
    let (code, message) = match trailers.or(head).map(|last| (last.status, &last.message)) {
        Some((Some(Code::OK), _)) => (Code::OK, String::new()),
        Some((Some(code), message)) => (code, message.as_deref().unwrap_or_default().to_owned()),
        Some((None, _)) | None => no_status(head.and_then(|head| head.http)),
    };
    let (code, message) = match (code, stream.counter.finish()) {
        (Code::OK, Err(error)) => (Code::INTERNAL, error.to_string()),
        (Code::OK, Ok(count)) if one_response && count != 1 => (
            Code::INTERNAL,
            format!("the server sent {count} responses where there is exactly one"),
        ),
        _ => (code, message),
    };
    Ended {
        code,
        message,
        messages: stream.counter.finish().unwrap_or(0),
        bytes: stream.counter.bytes(),
    }
}

/// What a response without `grpc-status` means.
fn no_status(http: Option<u16>) -> (Code, String) {
    let status = http.and_then(|status| http::StatusCode::from_u16(status).ok());
    match status {
        Some(http::StatusCode::OK) | None => {
            (Code::UNKNOWN, "the server sent no grpc-status".to_owned())
        }
        Some(status) => (
            Code::from_http(status.as_u16()),
            format!("the server answered with HTTP status {status}"),
        ),
    }
}
