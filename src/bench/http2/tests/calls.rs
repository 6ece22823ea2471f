//! How calls end.

use super::*;

/// Makes one call and gives how it ended, and what the server was told about it.
fn answer(frames: &[Frame]) -> (Vec<(u32, How)>, Vec<Frame>) {
    let mut connection = greeted(&message(b"request"), &[]);
    connection.start(10);
    sent(&mut connection);
    receive(&mut connection, frames);
    (finished(&mut connection), sent(&mut connection))
}

fn one(code: Code, text: &str, messages: u64, bytes: u64) -> (Vec<(u32, How)>, Vec<Frame>) {
    (vec![(10, ended(code, text, messages, bytes))], Vec::new())
}

/// The same, and the stream was reset.
fn broken(text: &str, reason: Reason, bytes: u64) -> (Vec<(u32, How)>, Vec<Frame>) {
    let (ended, _) = one(Code::INTERNAL, text, 0, bytes);
    (ended, vec![reset(1, reason.0)])
}

#[test]
fn a_call_ends_with_its_trailers() {
    let body = message(b"response");
    let length = body.len() as u64;
    let answered = answer(&[headers(1, HEAD), data(1, &body), last_headers(1, OK)]);
    assert_eq!(answered, one(Code::OK, "", 1, length));
    let answered = answer(&[headers(1, HEAD), data(1, &body), last_headers(1, NOT_FOUND)]);
    assert_eq!(answered, one(not_found(), "no one", 1, length));
}

#[test]
fn trailers_may_be_all_that_there_is() {
    let both = [HEAD, NOT_FOUND].concat();
    assert_eq!(
        answer(&[last_headers(1, &both)]),
        one(not_found(), "no one", 0, 0)
    );
    let nothing = one(Code::UNKNOWN, "the server sent no grpc-status", 0, 0);
    assert_eq!(answer(&[last_headers(1, HEAD)]), nothing);
}

#[test]
fn a_body_may_end_a_response_whose_status_stands_in_the_head() {
    let end = frame(kind::DATA, flag::END_STREAM, 1, &message(b""));
    let both = [HEAD, OK].concat();
    assert_eq!(
        answer(&[headers(1, &both), end.clone()]),
        one(Code::OK, "", 1, 5)
    );
    let nothing = one(Code::UNKNOWN, "the server sent no grpc-status", 1, 5);
    assert_eq!(answer(&[headers(1, HEAD), end]), nothing);
}

#[test]
fn messages_are_counted_however_they_lie_in_frames() {
    let two = [message(b"one"), message(b"two")].concat();
    let end = last_headers(1, OK);
    let text = "the server sent 2 responses where there is exactly one";
    let answered = answer(&[headers(1, HEAD), data(1, &two), end.clone()]);
    assert_eq!(answered, one(Code::INTERNAL, text, 2, 16));
    let answered = answer(&[
        headers(1, HEAD),
        data(1, &two[..3]),
        data(1, &two[3..8]),
        end.clone(),
    ]);
    assert_eq!(answered, one(Code::OK, "", 1, 8));
    let answered = answer(&[headers(1, HEAD), end.clone()]);
    let text = "the server sent 0 responses where there is exactly one";
    assert_eq!(answered, one(Code::INTERNAL, text, 0, 0));
    let answered = answer(&[headers(1, HEAD), data(1, &two[..6]), end]);
    assert_eq!(
        answered,
        one(
            Code::INTERNAL,
            "the response ended in the middle of a message",
            0,
            6
        )
    );
}

#[test]
fn an_error_of_the_servers_says_more_than_broken_messages_do() {
    let answered = answer(&[
        headers(1, HEAD),
        data(1, b"\0\0\0\0\x09a"),
        last_headers(1, NOT_FOUND),
    ]);
    assert_eq!(answered, one(not_found(), "no one", 0, 6));
    let page = data(1, b"<html>");
    let end = frame(kind::DATA, flag::END_STREAM, 1, b"</html>");
    // `:status: 502` as a literal.
    let answered = answer(&[headers(1, b"\x08\x03502"), page, end]);
    let text = "the server answered with HTTP status 502 Bad Gateway";
    assert_eq!(answered, one(Code::UNAVAILABLE, text, 0, 0));
}

#[test]
fn messages_with_wrong_flags_end_a_call_at_once() {
    let answered = answer(&[headers(1, HEAD), data(1, b"\x07\0\0\0\0")]);
    assert_eq!(
        answered,
        broken("a response has the unknown flag 7", Reason::CANCEL, 5)
    );
    let answered = answer(&[headers(1, HEAD), data(1, b"\x01\0\0\0\0")]);
    let text = "a response is compressed, which was not asked for";
    assert_eq!(answered, broken(text, Reason::CANCEL, 5));
}

#[test]
fn malformed_responses_end_only_their_call() {
    let broke = |what: &str| {
        let text = format!("the server broke the rules of HTTP/2: {what}");
        broken(&text, Reason::PROTOCOL_ERROR, 0)
    };
    for (frames, what) in [
        (vec![data(1, b"")], "a body before its headers"),
        (vec![headers(1, OK)], "a response without a status"),
        (
            vec![headers(1, HEAD), headers(1, OK)],
            "trailers before the end",
        ),
        (
            vec![headers(1, HEAD), last_headers(1, HEAD)],
            "trailers with a status of HTTP",
        ),
        (
            vec![last_headers(1, b"\x08\x03100")],
            "a response that ends with a provisional status",
        ),
        (
            vec![headers(1, b"\x88\x00\x01A\x01b")],
            "a header with a name that it must not have",
        ),
        (
            vec![headers(1, b"\x88\x00\x0aconnection\x05close")],
            "a header of HTTP/1 that HTTP/2 must not have",
        ),
    ] {
        assert_eq!(answer(&frames), broke(what));
    }
}

#[test]
fn provisional_answers_are_waited_out() {
    let body = data(1, &message(b""));
    let answered = answer(&[
        headers(1, b"\x08\x03100"),
        headers(1, b"\x08\x03103"),
        headers(1, HEAD),
        body,
        last_headers(1, OK),
    ]);
    assert_eq!(answered, one(Code::OK, "", 1, 5));
}

#[test]
fn a_reset_is_told_apart_from_a_refusal() {
    let text = "the server reset the stream: stream no longer needed";
    assert_eq!(answer(&[reset(1, 8)]), one(Code::CANCELLED, text, 0, 0));
    let (ended, said) = answer(&[reset(1, 7)]);
    let why = "the server reset the stream: refused stream before processing any application logic";
    assert_eq!(ended, [(10, How::NotTaken(why.to_owned()))]);
    assert_eq!(said, []);
}

#[test]
fn a_server_that_goes_away_ends_what_it_takes() {
    let mut connection = greeted(&message(b""), &[]);
    for call in 0..4 {
        connection.start(call);
    }
    // First a warning, then the truth (section 6.8).
    receive(&mut connection, &[goaway(0x7fff_ffff, 0)]);
    assert!(connection.is_spent());
    assert_eq!((connection.room(), connection.in_flight()), (0, 4));
    receive(&mut connection, &[goaway(3, 0)]);
    let mut given_back: Vec<u32> = finished(&mut connection)
        .into_iter()
        .map(|(call, how)| {
            assert!(matches!(how, How::NotTaken(_)), "{how:?}");
            call
        })
        .collect();
    given_back.sort_unstable();
    assert_eq!(given_back, [2, 3]);
    let both = [HEAD, NOT_FOUND].concat();
    receive(
        &mut connection,
        &[last_headers(3, &both), last_headers(1, &both)],
    );
    let calls: Vec<u32> = finished(&mut connection)
        .into_iter()
        .map(|(call, _)| call)
        .collect();
    assert_eq!((calls, connection.in_flight()), (vec![1, 0], 0));
}

#[test]
fn a_server_that_goes_away_in_anger_says_why() {
    let mut connection = greeted(&message(b""), &[]);
    (0..2).for_each(|call| connection.start(call));
    receive(&mut connection, &[goaway(1, 11)]);
    let text = "the server closed the connection: detected excessive load generating behavior";
    assert_eq!(
        finished(&mut connection),
        [(1, ended(Code::UNAVAILABLE, text, 0, 0))]
    );
    connection.lose("the connection was lost: the server closed it".to_owned());
    assert_eq!(
        finished(&mut connection),
        [(0, ended(Code::UNAVAILABLE, text, 0, 0))]
    );
}

#[test]
fn calls_on_a_lost_connection_are_unavailable() {
    let mut connection = greeted(&message(b""), &[]);
    connection.start(1);
    receive(
        &mut connection,
        &[headers(1, HEAD), data(1, &message(b"a"))],
    );
    connection.lose("the connection was lost: gone".to_owned());
    let lost = ended(Code::UNAVAILABLE, "the connection was lost: gone", 1, 6);
    assert_eq!(finished(&mut connection), [(1, lost)]);
}

#[test]
fn calls_that_are_given_up_are_reset_and_what_still_comes_is_read() {
    let mut connection = greeted(&message(b""), &[]);
    (0..3).for_each(|call| connection.start(call));
    sent(&mut connection);
    let mut cancelled = Vec::new();
    connection.cancel(|call| *call != 1, &mut cancelled);
    cancelled.sort_unstable();
    assert_eq!(cancelled, [0, 2]);
    let mut resets = sent(&mut connection);
    resets.sort_by_key(|frame| frame.stream);
    assert_eq!(resets, [reset(1, 8), reset(5, 8)]);
    // The head of a call that is over makes the entry that the next one names.
    let kept = b"\x88\x40\x0bgrpc-status\x010";
    receive(
        &mut connection,
        &[
            headers(1, kept),
            data(1, b"anything"),
            headers(3, HEAD),
            data(3, &message(b"")),
            last_headers(3, b"\xbe"),
        ],
    );
    assert_eq!(finished(&mut connection), [(1, ended(Code::OK, "", 1, 5))]);
}

#[test]
fn responses_may_be_compressed_where_that_is_offered_and_said() {
    let gzip = [HEAD, b"\x00\x0dgrpc-encoding\x04gzip"].concat();
    let mut offering = Request::clone(&request(&message(b"")));
    offering.accepts_compressed = true;
    let mut connection = Connection::new(Arc::new(offering));
    receive(&mut connection, &[settings(&[])]);
    (0..2).for_each(|call| connection.start(call));
    let body = data(1, b"\x01\0\0\0\x02ab");
    receive(
        &mut connection,
        &[headers(1, &gzip), body.clone(), last_headers(1, OK)],
    );
    assert_eq!(finished(&mut connection), [(0, ended(Code::OK, "", 1, 7))]);
    receive(
        &mut connection,
        &[headers(3, HEAD), Frame { stream: 3, ..body }],
    );
    let text = "a response is compressed, but without `grpc-encoding`";
    assert_eq!(
        finished(&mut connection),
        [(1, ended(Code::INTERNAL, text, 0, 5))]
    );
}
