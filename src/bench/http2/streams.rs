//! The calls in flight on a connection, by the number of their stream.
//!
//! Numbers only grow, and most calls end in about the order in which they began. So a call stands in a
//! ring at its number modulo the ring's size, which is found without a search; the few that are still
//! there when their place is needed again move to a map.

use std::collections::HashMap;

use bytes::Bytes;

use super::head::Head;
use crate::bench::framing::MessageCounter;

/// The first size of the ring.
const FIRST: usize = 64;

/// A call in flight.
#[derive(Debug)]
pub(super) struct Stream<T> {
    pub id: u32,
    /// What the owner knows of the call.
    pub call: T,
    /// How much may be sent, which may be negative (RFC 9113, section 6.9.2).
    pub window: i64,
    /// The body, where it could not be sent at once.
    pub body: Bytes,
    /// How much of the body is not yet sent.
    pub unsent: usize,
    /// Whether more may come to be sent after it.
    pub is_open: bool,
    /// Whether the end of the body is sent.
    pub is_sent: bool,
    /// How much the server may send.
    pub allowed: u32,
    /// The response's headers.
    pub head: Option<Head>,
    pub counter: MessageCounter,
    /// The response's body, where it is of interest.
    pub kept: Option<Vec<u8>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Streams<T> {
    ring: Vec<Option<Stream<T>>>,
    stragglers: HashMap<u32, Stream<T>>,
    count: usize,
}

impl<T> Streams<T> {
    pub(super) fn new() -> Self {
        Self {
            ring: none(FIRST),
            stragglers: HashMap::new(),
            count: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds one; its number must be new.
    pub(super) fn insert(&mut self, stream: Stream<T>) {
        if self.count * 2 >= self.ring.len() {
            self.grow();
        }
        let place = self.place(stream.id);
        if let Some(old) = self.ring[place].replace(stream) {
            self.stragglers.insert(old.id, old);
        }
        self.count += 1;
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream<T>> {
        let place = self.place(id);
        match &mut self.ring[place] {
            Some(stream) if stream.id == id => Some(stream),
            _ if self.stragglers.is_empty() => None,
            _ => self.stragglers.get_mut(&id),
        }
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Stream<T>> {
        let place = self.place(id);
        let removed = match &self.ring[place] {
            Some(stream) if stream.id == id => self.ring[place].take(),
            _ => self.stragglers.remove(&id),
        };
        self.count -= usize::from(removed.is_some());
        removed
    }

    /// All, in no order.
    pub(super) fn iter(&mut self) -> impl Iterator<Item = &mut Stream<T>> {
        let ring = self.ring.iter_mut().flatten();
        ring.chain(self.stragglers.values_mut())
    }

    fn place(&self, id: u32) -> usize {
        // Those of clients are odd (section 5.1.1).
        (id as usize >> 1) & (self.ring.len() - 1)
    }

    fn grow(&mut self) {
        let larger = none(self.ring.len() * 2);
        let smaller = std::mem::replace(&mut self.ring, larger);
        for stream in smaller.into_iter().flatten() {
            let place = self.place(stream.id);
            self.ring[place] = Some(stream);
        }
    }
}

fn none<T>(count: usize) -> Vec<Option<T>> {
    std::iter::repeat_with(|| None).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(id: u32) -> Stream<u32> {
        Stream {
            id,
            call: id * 10,
            window: 0,
            body: Bytes::new(),
            unsent: 0,
            is_open: false,
            is_sent: true,
            allowed: 0,
            head: None,
            counter: MessageCounter::default(),
            kept: None,
        }
    }

    #[test]
    fn stragglers_are_found_however_many_come_after_them() {
        let mut streams = Streams::new();
        let stragglers = [1, 129, 401, 20_001];
        for number in 0..20_000 {
            let id = 2 * number + 1;
            streams.insert(stream(id));
            if !stragglers.contains(&id) {
                assert_eq!(streams.get(id).map(|stream| stream.call), Some(id * 10));
                assert_eq!(streams.remove(id).map(|stream| stream.id), Some(id));
            }
        }
        assert_eq!((streams.count(), streams.ring.len()), (4, FIRST));
        let mut left: Vec<u32> = streams.iter().map(|stream| stream.id).collect();
        left.sort_unstable();
        assert_eq!(left, stragglers);
        for id in stragglers {
            assert_eq!(streams.remove(id).map(|stream| stream.call), Some(id * 10));
            assert!(streams.remove(id).is_none() && streams.get(id).is_none());
        }
        assert_eq!(streams.count(), 0);
    }

    #[test]
    fn many_at_a_time_have_places() {
        let mut streams = Streams::new();
        for id in (1..10_000).step_by(2) {
            streams.insert(stream(id));
        }
        assert_eq!((streams.count(), streams.ring.len()), (5_000, 16_384));
        assert_eq!(streams.iter().count(), 5_000);
        for id in (1..10_000).step_by(2) {
            assert_eq!(streams.remove(id).map(|stream| stream.call), Some(id * 10));
        }
    }
}
