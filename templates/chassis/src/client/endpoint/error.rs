//! What an error of a connection means for the call that was on it.

use std::error::Error;

use h2::Reason;
use tonic::{Code, Status};

use crate::client::mark::Mark;

/// The status that stands for `error`.
///
/// The end of a stream means what gRPC over HTTP/2 says ("HTTP2 Transport Mapping", "Errors"). The
/// end of a connection, by whatever it came, is `UNAVAILABLE`: another one may do.
pub(super) fn status(error: hyper::Error) -> Status {
    // The body of the request failed with a status of its own, such as a message that is too large.
    if let Some(status) = in_chain::<Status>(&error) {
        return Status::new(status.code(), status.message());
    }
    let cause = in_chain::<h2::Error>(&error);
    let code = match cause {
        Some(error) if error.is_reset() => error.reason().map_or(Code::Internal, of_reset),
        _ => Code::Unavailable,
    };
    let text = match code {
        Code::Unavailable => format!("the connection failed: {}", chain(&error)),
        _ => format!("the call was reset: {}", chain(&error)),
    };
    let status = Status::new(code, text);
    match cause.is_some_and(is_unprocessed) {
        true => Mark::Unprocessed.on(status),
        false => status,
    }
}

/// Whether it is certain that the server has not looked at the call: its stream was refused (RFC
/// 9113, section 8.7), or is above the last one of GOAWAY (section 6.8). h2 gives that as the error
/// of those streams alone; others of the connection end with an I/O error.
fn is_unprocessed(error: &h2::Error) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || is_refused)
}

/// Whether `error` is the end of a connection on which PING came too often for the server: GOAWAY
/// with ENHANCE_YOUR_CALM and the text `too_many_pings` (gRFC A8, "Server Enforcement"). Servers
/// have the same code for what has nothing to do with PING, and another text.
pub(super) fn is_too_many_pings(error: &hyper::Error) -> bool {
    in_chain::<h2::Error>(error).is_some_and(|error| {
        let is_calming = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
        // h2 gives the text in what it prints alone.
        let is_calming = is_calming && error.is_go_away() && error.is_remote();
        is_calming && error.to_string().contains("too_many_pings")
    })
}

fn of_reset(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// The first cause of the type `T`.
fn in_chain<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        current = error.source();
    }
    None
}

/// `error` and its causes, on one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut current = error.source();
    while let Some(cause) = current {
        let cause_text = cause.to_string();
        // Some errors print their cause themselves.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        current = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_mean_what_the_specification_says() {
        assert_eq!(of_reset(Reason::REFUSED_STREAM), Code::Unavailable);
        assert_eq!(of_reset(Reason::CANCEL), Code::Cancelled);
        assert_eq!(of_reset(Reason::ENHANCE_YOUR_CALM), Code::ResourceExhausted);
        assert_eq!(of_reset(Reason::PROTOCOL_ERROR), Code::Internal);
    }
}
