//! Bytes that nobody would send. They must not make a connection panic, keep more than it may, or forget a
//! call; and what it makes of them must not depend on how they are cut.

use super::*;
use crate::bench::http2::hpack::Decoder;

/// Random numbers that are the same every time (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// All that a server may send, once: both kinds of paddings, CONTINUATION, all frames of a connection.
fn transcript() -> Vec<Frame> {
    let body = message(b"response");
    let kept = b"\x88\x40\x0bgrpc-status\x010\x5f\x8b\x1d\x75\xd0\x62\x0d\x26\x3d\x4c\x4d\x65\x64";
    let mut padded = vec![3];
    padded.extend_from_slice(&body);
    padded.extend([0; 3]);
    let mut priority = vec![2, 0, 0, 0, 0, 9];
    priority.extend_from_slice(OK);
    priority.extend([0; 2]);
    vec![
        settings(&[(1, 100), (3, 100), (4, 70_000), (5, 20_000)]),
        frame(kind::SETTINGS, flag::ACK, 0, b""),
        window(0, 1_000_000),
        frame(kind::PING, 0, 0, b"12345678"),
        headers(1, kept),
        data(1, &body[..4]),
        frame(kind::HEADERS, 0, 3, &HEAD[..4]),
        frame(kind::CONTINUATION, 0, 3, &HEAD[4..9]),
        frame(kind::CONTINUATION, flag::END_HEADERS, 3, &HEAD[9..]),
        data(1, &body[4..]),
        frame(kind::DATA, flag::PADDED, 3, &padded),
        last_headers(1, b"\xbf"),
        frame(kind::PRIORITY, 0, 3, &[0; 5]),
        frame(0x77, 0, 0, b"unknown"),
        window(5, 10),
        frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM | flag::PADDED | flag::PRIORITY,
            3,
            &priority,
        ),
        reset(5, 7),
        last_headers(7, &[HEAD, NOT_FOUND].concat()),
        reset(9, 2),
        frame(kind::DATA, flag::END_STREAM, 11, b""),
        settings(&[(1, 0), (4, 10)]),
        goaway(13, 0),
    ]
}

/// The bytes of a transcript with a few of them changed, added or taken away.
fn mutated(random: &mut Random) -> Vec<u8> {
    let mut frames = transcript();
    for _ in 0..random.below(3) {
        let (from, to) = (random.below(frames.len()), random.below(frames.len()));
        match random.below(3) {
            0 => frames.swap(from, to),
            1 => frames.insert(to, frames[from].clone()),
            _ => {
                let stream = frames[from].stream;
                frames[to].stream = stream;
            }
        }
    }
    let mut bytes = bytes(&frames);
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, random.next() as u8),
            3 => drop(bytes.remove(at)),
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// What a connection with calls in flight makes of bytes that come in these pieces: what it said, what it
/// found wrong, how its calls ended.
fn outcome(pieces: &[&[u8]]) -> (Vec<u8>, Option<Violation>, Vec<(u32, How)>) {
    const CALLS: u32 = 8;
    let mut connection = Connection::new(request(&message(&[1; 50])));
    let (mut said, mut all) = (Vec::new(), Vec::new());
    let mut broken = None;
    let mut started = 0;
    for piece in pieces {
        broken = connection.receive(piece).err();
        said.extend_from_slice(connection.output());
        connection.wrote(connection.output().len());
        let bound = (1 << 20) + HEADER;
        assert!(connection.partial.len() <= bound);
        assert!(
            connection
                .block
                .as_ref()
                .is_none_or(|(_, block)| block.len() <= bound)
        );
        all.extend(finished(&mut connection));
        assert_eq!(all.len() + connection.in_flight(), started as usize);
        if broken.is_some() {
            break;
        }
        // They begin when all have their settings, which are the first piece.
        while started < CALLS && connection.room() > 0 {
            connection.start(started);
            started += 1;
        }
    }
    connection.lose("the end".to_owned());
    all.extend(finished(&mut connection));
    assert_eq!((all.len(), connection.in_flight()), (started as usize, 0));
    all.sort_by_key(|(call, _)| *call);
    (said, broken, all)
}

#[test]
fn what_is_changed_on_the_way_is_harmless_however_it_is_cut() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let first = bytes(&transcript()[..1]);
    let (mut sound, mut unsound) = (0, 0);
    for round in 0..10_000 {
        let rest = mutated(&mut random);
        let whole = outcome(&[&first, &rest]);
        match whole.1 {
            Some(_) => unsound += 1,
            None => sound += 1,
        }
        let mut pieces = vec![&first[..]];
        let mut left = &rest[..];
        while !left.is_empty() {
            let (piece, after) = left.split_at(1 + random.below(left.len()).min(random.below(40)));
            pieces.push(piece);
            left = after;
        }
        let cut = outcome(&pieces);
        assert_eq!(
            (&cut.1, &cut.2),
            (&whole.1, &whole.2),
            "round {round}: {rest:?}"
        );
    }
    // Both happen, or this says nothing.
    assert!(sound > 1_000 && unsound > 1_000, "{sound} and {unsound}");
}

#[test]
fn random_bytes_are_harmless() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let first = bytes(&transcript()[..1]);
    for _ in 0..10_000 {
        let noise = random.bytes(200);
        outcome(&[&noise]);
        outcome(&[&first, &noise]);
        // Frames whose headers make sense, with payloads that do not.
        let mut frames = Vec::new();
        for _ in 0..random.below(8) {
            let (kind, flags) = (random.below(11) as u8, random.next() as u8);
            let stream = random.below(20) as u32;
            frames.push(frame(kind, flags, stream, &random.bytes(40)));
        }
        outcome(&[&first, &bytes(&frames)]);
    }
}

#[test]
fn random_blocks_of_headers_are_harmless() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    let mut sound = 0;
    for _ in 0..30_000 {
        let mut decoder = Decoder::new();
        for _ in 0..3 {
            let block = random.bytes(30);
            if decoder.decode(&block, |_, _| {}).is_err() {
                break;
            }
            sound += 1;
        }
    }
    assert!(sound > 500, "{sound}");
}
