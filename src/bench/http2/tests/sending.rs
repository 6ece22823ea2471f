//! How calls are sent.

use super::*;
use crate::bench::http2::hpack::Decoder;

/// The fields of a block.
fn fields(decoder: &mut Decoder, block: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = Vec::new();
    let decoded = decoder.decode(block, |name, value| {
        fields.push((name.to_vec(), value.to_vec()))
    });
    decoded.expect("well-formed");
    fields
}

/// Length and flags of the DATA frames of a stream.
fn pieces(frames: &[Frame], stream: u32) -> Vec<(usize, u8)> {
    let frames = frames.iter();
    frames
        .filter(|frame| frame.kind == kind::DATA && frame.stream == stream)
        .map(|frame| (frame.payload.len(), frame.flags))
        .collect()
}

#[test]
fn a_connection_begins_with_preface_settings_and_window() {
    let mut connection = Connection::<u32>::new(request(b""));
    assert!(
        connection
            .output()
            .starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    );
    let ours = settings(&[(2, 0), (4, 4 << 20), (5, 1 << 20)]);
    assert_eq!(sent(&mut connection), [ours, window(0, (1 << 30) - 65_535)]);
    assert_eq!((connection.is_greeted(), connection.room()), (false, 0));
    receive(&mut connection, &[settings(&[(3, 7)])]);
    assert_eq!((connection.is_greeted(), connection.room()), (true, 7));
    assert_eq!(
        sent(&mut connection),
        [frame(kind::SETTINGS, flag::ACK, 0, b"")]
    );
}

#[test]
fn calls_after_the_first_are_the_same_bytes_but_for_the_stream() {
    let body = message(b"request");
    let mut connection = greeted(&body, &[]);
    let mut decoder = Decoder::new();
    let mut lengths = Vec::new();
    for call in 0..3 {
        connection.start(call);
        let stream = 2 * call + 1;
        let said = sent(&mut connection);
        let [head, rest] = &said[..] else {
            panic!("{said:?}");
        };
        assert_eq!(
            (head.kind, head.flags, head.stream),
            (kind::HEADERS, flag::END_HEADERS, stream)
        );
        assert_eq!(*rest, frame(kind::DATA, flag::END_STREAM, stream, &body));
        assert_eq!(fields(&mut decoder, &head.payload), request(b"").headers);
        lengths.push(head.payload.len());
    }
    assert_eq!(lengths[1..], [5, 5]);
}

#[test]
fn no_more_calls_are_made_than_the_server_takes() {
    let mut connection = greeted(&message(b""), &[(3, 2)]);
    (0..2).for_each(|call| connection.start(call));
    assert_eq!(connection.room(), 0);
    receive(&mut connection, &[reset(1, 8)]);
    assert_eq!(connection.room(), 1);
    receive(&mut connection, &[settings(&[(3, 0)])]);
    assert_eq!((connection.room(), connection.is_closed()), (0, true));
}

#[test]
fn a_body_is_cut_as_frames_and_windows_ask_for() {
    let body = message(&[7; 40_000]);
    // A frame is 16,384 bytes at most, the window of a stream 20,000.
    let mut connection = greeted(&body, &[(4, 20_000)]);
    connection.start(0);
    assert_eq!(pieces(&sent(&mut connection), 1), [(16_384, 0), (3_616, 0)]);
    receive(&mut connection, &[window(1, 5)]);
    assert_eq!(pieces(&sent(&mut connection), 1), [(5, 0)]);
    receive(&mut connection, &[window(1, 1 << 20)]);
    assert_eq!(pieces(&sent(&mut connection), 1), [(16_384, 0), (3_616, 1)]);
    // Now it is the window of the connection: of 65,535 bytes, 40,005 are gone.
    receive(&mut connection, &[settings(&[(4, 1 << 20), (5, 1 << 20)])]);
    connection.start(1);
    assert_eq!(pieces(&sent(&mut connection), 3), [(25_530, 0)]);
    connection.start(2);
    assert_eq!(pieces(&sent(&mut connection), 5), []);
    receive(&mut connection, &[window(0, 20_000)]);
    let said = sent(&mut connection);
    assert_eq!(
        (pieces(&said, 3), pieces(&said, 5)),
        (vec![(14_475, 1)], vec![(5_525, 0)])
    );
}

#[test]
fn calls_may_have_headers_and_bodies_of_their_own() {
    let mut connection = greeted(b"", &[(4, 20_000)]);
    let mut decoder = Decoder::new();
    for (number, length) in [(0u32, 10), (1, 300), (2, 30_000), (3, 10)] {
        let stream = number * 2 + 1;
        let body = message(&vec![number as u8; length]);
        let mut field = Vec::new();
        put_field(&mut field, b"x-id", format!("call {number}").as_bytes());
        connection.start_with(number, &field, &body);
        let mut said = sent(&mut connection);
        receive(
            &mut connection,
            &[window(stream, 1 << 20), window(0, 1 << 20)],
        );
        said.extend(sent(&mut connection));
        let mut expected = request(b"").headers.clone();
        expected.push((b"x-id".to_vec(), format!("call {number}").into_bytes()));
        assert_eq!(fields(&mut decoder, &said[0].payload), expected);
        let data: Vec<u8> = said[1..]
            .iter()
            .flat_map(|frame| frame.payload.clone())
            .collect();
        assert_eq!(data, body);
        let last = said.last().map(|frame| (frame.kind, frame.flags));
        assert_eq!(last, Some((kind::DATA, flag::END_STREAM)), "call {number}");
    }
}

#[test]
fn settings_change_the_windows_of_streams_that_are_open() {
    let body = message(&[7; 95]);
    let mut connection = greeted(&body, &[(4, 60)]);
    connection.start(0);
    assert_eq!(pieces(&sent(&mut connection), 1), [(60, 0)]);
    // It is 50 bytes in debt then (section 6.9.2).
    receive(&mut connection, &[settings(&[(4, 10)]), window(1, 50)]);
    assert_eq!(pieces(&sent(&mut connection), 1), []);
    receive(&mut connection, &[settings(&[(4, 30)])]);
    assert_eq!(pieces(&sent(&mut connection), 1), [(20, 0)]);
    receive(&mut connection, &[window(1, 20)]);
    assert_eq!(pieces(&sent(&mut connection), 1), [(20, 1)]);
}

#[test]
fn an_empty_body_is_an_empty_frame() {
    let mut connection = greeted(b"", &[(4, 0)]);
    (0..2).for_each(|call| connection.start(call));
    let said = sent(&mut connection);
    assert_eq!(
        (pieces(&said, 1), pieces(&said, 3)),
        (vec![(0, 1)], vec![(0, 1)])
    );
}

#[test]
fn a_server_that_answers_early_is_not_sent_the_rest() {
    let mut connection = greeted(&message(&[7; 100]), &[(4, 60)]);
    connection.start(0);
    sent(&mut connection);
    receive(
        &mut connection,
        &[last_headers(1, &[HEAD, NOT_FOUND].concat())],
    );
    assert_eq!(sent(&mut connection), [reset(1, 8)]);
    receive(&mut connection, &[window(1, 100)]);
    assert_eq!(sent(&mut connection), []);
}

#[test]
fn a_table_of_another_size_is_told_before_the_next_headers() {
    let mut connection = greeted(&message(b""), &[]);
    let mut decoder = Decoder::new();
    let mut block = |connection: &mut Connection<u32>| {
        connection.start(0);
        let payload = sent(connection).swap_remove(0).payload;
        assert_eq!(fields(&mut decoder, &payload), request(b"").headers);
        payload
    };
    block(&mut connection);
    receive(&mut connection, &[settings(&[(1, 50)])]);
    sent(&mut connection);
    let first = block(&mut connection);
    assert!(first.starts_with(b"\x3f\x13"), "{first:x?}");
    assert!(!block(&mut connection).starts_with(b"\x3f\x13"));
    // Both sizes, where it was smaller meanwhile (RFC 7541, section 4.2); more than 4,096 are not used.
    receive(
        &mut connection,
        &[settings(&[(1, 0)]), settings(&[(1, 65_536)])],
    );
    sent(&mut connection);
    let first = block(&mut connection);
    assert!(first.starts_with(b"\x20\x3f\xe1\x1f"), "{first:x?}");
    assert_eq!(block(&mut connection).len(), 5);
}

#[test]
fn headers_that_do_not_fit_into_a_frame_are_continued() {
    let mut large = Request::clone(&request(&message(b"")));
    large
        .headers
        .push((b"x-large".to_vec(), vec![b'a'; 40_000]));
    let expected = large.headers.clone();
    let mut connection = Connection::new(Arc::new(large));
    receive(&mut connection, &[settings(&[])]);
    sent(&mut connection);
    let mut decoder = Decoder::new();
    for call in 0..3 {
        connection.start(call);
        let said = sent(&mut connection);
        let shape: Vec<(u8, u8)> = said.iter().map(|frame| (frame.kind, frame.flags)).collect();
        assert_eq!(shape, [(1, 0), (9, 0), (9, 4), (0, 1)]);
        let block: Vec<u8> = said[..3]
            .iter()
            .flat_map(|frame| frame.payload.clone())
            .collect();
        assert_eq!(fields(&mut decoder, &block), expected);
        receive(&mut connection, &[reset(2 * call + 1, 8)]);
    }
}

#[test]
fn windows_are_opened_again_when_half_of_them_is_used() {
    let mut connection = greeted(&message(b""), &[]);
    connection.start(0);
    receive(&mut connection, &[headers(1, HEAD)]);
    sent(&mut connection);
    let piece = data(1, &[0; 1 << 20]);
    let (mut of_stream, mut of_connection) = (0, 0);
    for _ in 0..700 {
        receive(&mut connection, std::slice::from_ref(&piece));
        for update in sent(&mut connection) {
            assert_eq!(update.kind, kind::WINDOW_UPDATE);
            let increment = u32::from_be_bytes(update.payload.try_into().expect("four bytes"));
            match update.stream {
                0 => of_connection += increment,
                _ => of_stream += increment,
            }
        }
    }
    assert_eq!(of_connection, 513 << 20);
    assert_eq!(of_stream, 699 << 20);
}

#[test]
fn a_connection_ends_with_the_numbers_of_its_streams() {
    let mut connection = greeted(&message(b""), &[]);
    connection.next_id = (1 << 31) - 3;
    (0..2).for_each(|call| connection.start(call));
    assert!(connection.is_spent());
    assert_eq!((connection.room(), connection.in_flight()), (0, 2));
    let said = sent(&mut connection);
    assert_eq!(said.last().map(|frame| frame.stream), Some((1 << 31) - 1));
}

#[test]
fn bodies_wait_while_too_much_is_to_be_written() {
    let body = message(&[7; 1 << 19]);
    let mut connection = greeted(&body, &[(4, 1 << 30), (5, 1 << 20)]);
    receive(&mut connection, &[window(0, 1 << 30)]);
    (0..10).for_each(|call| connection.start(call));
    let mut bodies = 0;
    while !connection.output().is_empty() {
        assert!(connection.output().len() < 3 << 20);
        bodies += sent(&mut connection)
            .iter()
            .filter(|frame| frame.flags == flag::END_STREAM)
            .count();
    }
    assert_eq!(bodies, 10);
}
