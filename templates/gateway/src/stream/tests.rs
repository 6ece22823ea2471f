use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::body::Body;
use tonic::{Code, Status};

use super::*;
use crate::status::Failure;

/// The lines that come of a body in such pieces.
async fn lines(pieces: &[&'static str], max: usize) -> Vec<Result<String, Code>> {
    let frames = pieces
        .iter()
        .map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
    let frames: Vec<Result<Frame<Bytes>, Status>> = frames.map(Ok).collect();
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    let read = std::sync::Arc::new(|line: &[u8]| match line {
        b"bad" => Err(Failure::from(Status::invalid_argument("bad"))),
        line => Ok(Bytes::copy_from_slice(line)),
    });
    let mut requests = Requests::new(body, max, read, Blame::default());
    let mut lines = Vec::new();
    while let Some(frame) = requests.frame().await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().expect("data");
                lines.push(Ok(String::from_utf8(data.to_vec()).expect("UTF-8")));
            }
            Err(status) => {
                lines.push(Err(status.code()));
                break;
            }
        }
    }
    lines
}

fn ok(lines: &[&str]) -> Vec<Result<String, Code>> {
    lines.iter().map(|line| Ok((*line).to_owned())).collect()
}

#[tokio::test]
async fn lines_are_found_however_they_come() {
    assert_eq!(lines(&["a\nb\n"], 10).await, ok(&["a", "b"]));
    assert_eq!(
        lines(&["a", "a\nb", "\n", "c"], 10).await,
        ok(&["aa", "b", "c"])
    );
    assert_eq!(lines(&["\n\r\n", " a \r\n\n", "\n"], 10).await, ok(&["a"]));
    assert_eq!(lines(&[], 10).await, ok(&[]));
    assert_eq!(lines(&["\n"], 10).await, ok(&[]));
}

#[tokio::test]
async fn a_bad_line_and_one_without_end_end_the_call() {
    let mut expected = ok(&["a"]);
    expected.push(Err(Code::InvalidArgument));
    assert_eq!(lines(&["a\nbad\nc\n"], 10).await, expected);
    let too_long = [Err(Code::ResourceExhausted)];
    assert_eq!(lines(&["aaaaaa", "aaaaaa"], 10).await, too_long);
    assert_eq!(lines(&["aaaaaaaaaaaaa\n"], 10).await, too_long);
}

#[test]
fn events_are_for_those_who_ask() {
    let wanted = |accept: &'static str| {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static(accept));
        Format::wanted(&headers)
    };
    assert_eq!(wanted("text/event-stream"), Format::Events);
    assert_eq!(wanted("text/html, text/event-stream;q=0.9"), Format::Events);
    assert_eq!(wanted("*/*"), Format::Lines);
    assert_eq!(Format::wanted(&HeaderMap::new()), Format::Lines);
}
