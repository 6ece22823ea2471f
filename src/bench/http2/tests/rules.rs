//! What servers must not do, and what they may.

use super::*;

/// What a server breaks that sends these frames after its settings, on a connection with a call on stream 1.
fn violation(frames: &[Frame]) -> Option<(Reason, &'static str)> {
    let mut connection = greeted(&message(b""), &[]);
    connection.start(0);
    sent(&mut connection);
    let violation = connection.receive(&bytes(frames)).err()?;
    let mut payload = [0; 8];
    payload[4..].copy_from_slice(&violation.reason.0.to_be_bytes());
    let said = sent(&mut connection);
    assert_eq!(
        said.last(),
        Some(&frame(kind::GOAWAY, 0, 0, &payload)),
        "{frames:?}"
    );
    Some((violation.reason, violation.what))
}

#[test]
fn broken_rules_are_named() {
    let cut = |kind, length: usize| frame(kind, 0, 1, &vec![0; length]);
    let protocol = [
        (
            vec![data(3, b"")],
            "a frame on a stream that was never opened",
        ),
        (
            vec![data(2, b"")],
            "a frame on a stream that was never opened",
        ),
        (
            vec![reset(2, 0)],
            "a frame on a stream that was never opened",
        ),
        (
            vec![window(5, 1)],
            "a frame on a stream that was never opened",
        ),
        (
            vec![headers(0, HEAD)],
            "a frame of a stream without a stream",
        ),
        (
            vec![frame(kind::PING, 0, 1, &[0; 8])],
            "a frame of the connection on a stream",
        ),
        (
            vec![frame(kind::SETTINGS, 0, 1, &[])],
            "a frame of the connection on a stream",
        ),
        (
            vec![frame(kind::GOAWAY, 0, 1, &[0; 8])],
            "a frame of the connection on a stream",
        ),
        (
            vec![frame(kind::PUSH_PROMISE, 4, 1, &[0; 4])],
            "a push, which was not allowed",
        ),
        (
            vec![frame(kind::CONTINUATION, 4, 1, b"")],
            "CONTINUATION of nothing",
        ),
        (
            vec![frame(kind::HEADERS, 0, 1, HEAD), data(1, b"")],
            "a block of headers that is not continued",
        ),
        (
            vec![
                frame(kind::HEADERS, 0, 1, HEAD),
                frame(kind::CONTINUATION, 4, 3, b""),
            ],
            "CONTINUATION on another stream",
        ),
        (
            vec![frame(kind::DATA, flag::PADDED, 1, &[2, 0])],
            "a padding that is larger than its frame",
        ),
        (
            vec![frame(kind::HEADERS, 0xc, 1, &[2, 0])],
            "a padding that is larger than its frame",
        ),
        (vec![window(0, 0)], "WINDOW_UPDATE of zero"),
        (vec![settings(&[(2, 1)])], "a server that enables pushes"),
        (
            vec![settings(&[(5, 100)])],
            "SETTINGS with a frame size that there is not",
        ),
        (
            vec![goaway(1, 0), goaway(3, 0)],
            "GOAWAY that takes back the one before",
        ),
    ];
    for (frames, what) in protocol {
        assert_eq!(violation(&frames), Some((Reason::PROTOCOL_ERROR, what)));
    }
    let size = [
        (
            vec![cut(kind::RST_STREAM, 3)],
            "RST_STREAM of a length that it cannot have",
        ),
        (
            vec![cut(kind::WINDOW_UPDATE, 5)],
            "WINDOW_UPDATE of a length that it cannot have",
        ),
        (
            vec![cut(kind::PRIORITY, 4)],
            "PRIORITY of a length that it cannot have",
        ),
        (
            vec![frame(kind::PING, 0, 0, &[0; 7])],
            "PING of a length that it cannot have",
        ),
        (
            vec![frame(kind::GOAWAY, 0, 0, &[0; 7])],
            "GOAWAY that is cut",
        ),
        (
            vec![frame(kind::SETTINGS, 0, 0, &[0; 5])],
            "SETTINGS of a length that they cannot have",
        ),
        (
            vec![frame(kind::SETTINGS, 1, 0, &[0; 6])],
            "an acknowledgement of SETTINGS with settings",
        ),
        (
            vec![frame(kind::DATA, flag::PADDED, 1, b"")],
            "a padded frame without a padding",
        ),
        (
            vec![frame(kind::HEADERS, 0x24, 1, &[0; 4])],
            "HEADERS that are cut",
        ),
        (
            vec![frame(0x77, 0, 0, &[0; (1 << 20) + 1])],
            "a frame that is larger than allowed",
        ),
    ];
    for (frames, what) in size {
        assert_eq!(violation(&frames), Some((Reason::FRAME_SIZE_ERROR, what)));
    }
    let flow = [
        (
            vec![window(0, 0x7fff_ffff)],
            "a window of the connection that is too large",
        ),
        (
            vec![window(1, 0x7fff_ffff)],
            "a window of a stream that is too large",
        ),
        (
            vec![settings(&[(4, 0x8000_0000)])],
            "SETTINGS with too large a window",
        ),
        (
            vec![window(1, 0x7fff_0000), settings(&[(4, 0x7fff_ffff)])],
            "SETTINGS that make a window too large",
        ),
    ];
    for (frames, what) in flow {
        assert_eq!(violation(&frames), Some((Reason::FLOW_CONTROL_ERROR, what)));
    }
    assert_eq!(
        violation(&[headers(1, &[0xff])]),
        Some((Reason::COMPRESSION_ERROR, "a block of headers that is cut"))
    );
}

#[test]
fn a_flood_of_headers_is_not_kept() {
    let mut flood = vec![frame(kind::HEADERS, 0, 1, HEAD)];
    flood.extend(std::iter::repeat_n(
        frame(kind::CONTINUATION, 0, 1, &[0; 1 << 16]),
        17,
    ));
    let what = "a block of headers of more than 1 MiB";
    assert_eq!(violation(&flood), Some((Reason::ENHANCE_YOUR_CALM, what)));
}

#[test]
fn a_server_begins_with_its_settings() {
    for first in [
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::SETTINGS, flag::ACK, 0, b""),
    ] {
        let mut connection = Connection::<u32>::new(request(b""));
        let error = connection
            .receive(&bytes(&[first]))
            .expect_err("it does not");
        assert_eq!(error.what, "a connection that does not begin with SETTINGS");
    }
}

#[test]
fn windows_that_are_not_kept_are_noticed() {
    let mut connection = greeted(&message(b""), &[]);
    connection.start(0);
    receive(&mut connection, &[headers(1, HEAD)]);
    // What the client says is not read, so the window of the stream is what it was.
    let piece = data(1, &[0; (1 << 20) - 1]);
    receive(&mut connection, &[piece.clone(), piece.clone()]);
    connection.streams.get(1).expect("in flight").allowed = 5;
    let error = connection
        .receive(&bytes(&[data(1, &[0; 6])]))
        .expect_err("too much");
    assert_eq!(error.what, "more bytes than the stream's window");
    let mut connection = greeted(&message(b""), &[]);
    connection.start(0);
    connection.allowed = 5;
    let error = connection
        .receive(&bytes(&[data(1, &[0; 6])]))
        .expect_err("too much");
    assert_eq!(error.what, "more bytes than the connection's window");
}

#[test]
fn what_is_unknown_is_ignored() {
    let unknown = [
        frame(0x77, 0xff, 7, b"anything"),
        settings(&[(0x77, 1)]),
        frame(kind::PRIORITY, 0, 9, &[0; 5]),
        frame(kind::PING, flag::ACK, 0, &[0; 8]),
        frame(kind::SETTINGS, flag::ACK, 0, b""),
        goaway(0x7fff_ffff, 0),
        reset(1, 0x7777),
    ];
    assert_eq!(violation(&unknown), None);
}

#[test]
fn pings_are_answered() {
    let mut connection = greeted(b"", &[]);
    receive(&mut connection, &[frame(kind::PING, 0, 0, b"01234567")]);
    assert_eq!(
        sent(&mut connection),
        [frame(kind::PING, flag::ACK, 0, b"01234567")]
    );
}
