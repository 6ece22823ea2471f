//! gRPC-Web: gRPC for browsers, which cannot read trailers
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>).
//!
//! The trailers of a response are a last frame with the first bit set. In its text form all is in
//! base64.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

/// The first byte of the frame of trailers.
const TRAILERS: u8 = 0x80;

/// Which form a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Binary,
    Text,
}

impl Form {
    /// The form of a request, if it is one of gRPC-Web.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.as_bytes();
        let rest = value.strip_prefix(b"application/grpc-web")?;
        let (form, rest) = match rest.strip_prefix(b"-text") {
            Some(rest) => (Self::Text, rest),
            None => (Self::Binary, rest),
        };
        let ends = rest.is_empty() || rest.starts_with(b";") || rest.starts_with(b"+proto");
        ends.then_some(form)
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Binary => "application/grpc-web+proto",
            Self::Text => "application/grpc-web-text+proto",
        })
    }
}

/// The call that a request is.
pub(crate) fn call(mut request: Request<Body>, form: Form) -> Request<Body> {
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.remove(CONTENT_LENGTH);
    match form {
        Form::Binary => request,
        Form::Text => request.map(|body| {
            Body::new(Decoded {
                text: body,
                rest: Vec::new(),
            })
        }),
    }
}

/// The response that a call has.
pub(crate) fn response(response: Response<Body>, form: Form) -> Response<Body> {
    let mut response = response.map(|messages| {
        Body::new(WithTrailers {
            messages,
            form,
            ended: false,
        })
    });
    response
        .headers_mut()
        .insert(CONTENT_TYPE, form.content_type());
    response
}

/// What base64 stands for. It may come in pieces, each with padding of its own.
struct Decoded {
    text: Body,
    /// The beginning of a group of four.
    rest: Vec<u8>,
}

impl HttpBody for Decoded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let malformed = || Status::invalid_argument("the body is not base64");
        loop {
            let Some(frame) = ready!(Pin::new(&mut this.text).poll_frame(cx)) else {
                return Poll::Ready((!this.rest.is_empty()).then(|| {
                    this.rest.clear();
                    Err(malformed())
                }));
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            this.rest.extend_from_slice(&data);
            let whole = this.rest.len() / 4 * 4;
            let decoded = decode(&this.rest[..whole]);
            this.rest.drain(..whole);
            match decoded {
                Some(decoded) if decoded.is_empty() => {}
                Some(decoded) => return Poll::Ready(Some(Ok(Frame::data(decoded.into())))),
                None => return Poll::Ready(Some(Err(malformed()))),
            }
        }
    }
}

/// Groups of four, some of which may end with padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text;
    while !rest.is_empty() {
        let padded = rest.chunks(4).position(|group| group.ends_with(b"="));
        let end = padded.map_or(rest.len(), |at| (at + 1) * 4);
        STANDARD.decode_vec(&rest[..end], &mut decoded).ok()?;
        rest = &rest[end..];
    }
    Some(decoded)
}

struct WithTrailers {
    messages: Body,
    form: Form,
    ended: bool,
}

impl HttpBody for WithTrailers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let data = match ready!(Pin::new(&mut this.messages).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    this.ended = true;
                    written(&frame.into_trailers().unwrap_or_default())
                }
            },
            Some(Err(status)) => {
                this.ended = true;
                let mut trailers = HeaderMap::new();
                // What cannot be a header is the message alone, which is encoded.
                let _ = status.add_header(&mut trailers);
                written(&trailers)
            }
        };
        let data = match this.form {
            Form::Binary => data,
            Form::Text => STANDARD.encode(data).into(),
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.messages.is_end_stream()
    }
}

/// Trailers as a frame.
fn written(trailers: &HeaderMap) -> Bytes {
    let mut text = BytesMut::new();
    for (name, value) in trailers {
        text.put_slice(name.as_str().as_bytes());
        text.put_slice(b": ");
        text.put_slice(value.as_bytes());
        text.put_slice(b"\r\n");
    }
    let mut frame = BytesMut::with_capacity(5 + text.len());
    frame.put_u8(TRAILERS);
    frame.put_u32(u32::try_from(text.len()).unwrap_or_default());
    frame.put_slice(&text);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_by_the_content_type() {
        let form = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            Form::of(&headers)
        };
        assert_eq!(form("application/grpc-web"), Some(Form::Binary));
        assert_eq!(form("application/grpc-web+proto"), Some(Form::Binary));
        assert_eq!(form("application/grpc-web-text"), Some(Form::Text));
        assert_eq!(form("application/grpc-web-text+proto"), Some(Form::Text));
        assert_eq!(form("application/grpc-web+thrift"), None);
        assert_eq!(form("application/grpc-webby"), None);
        assert_eq!(form("application/grpc"), None);
    }

    #[test]
    fn base64_may_have_padding_in_the_middle() {
        assert_eq!(decode(b"YQ==YmM=ZGVm"), Some(b"abcdef".to_vec()));
        assert_eq!(decode(b""), Some(Vec::new()));
        assert_eq!(decode(b"Y==="), None);
        assert_eq!(decode(b"Y!Q="), None);
    }

    #[test]
    fn trailers_are_a_frame_with_the_first_bit_set() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        assert_eq!(written(&trailers), b"\x80\0\0\0\x10grpc-status: 0\r\n"[..]);
    }
}
