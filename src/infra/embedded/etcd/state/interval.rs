//! Which keys a request is about.

use std::ops::Bound;

/// Where keys begin and end.
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// One key, or all from one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    start: Vec<u8>,
    end: Bound<Vec<u8>>,
}

impl Interval {
    /// As requests write it: without an end `key` alone, with a zero byte as the end all keys from
    /// `key` on.
    pub fn new(key: &[u8], range_end: &[u8]) -> Self {
        let end = match range_end {
            [] => Bound::Included(key.to_vec()),
            [0] => Bound::Unbounded,
            end => Bound::Excluded(end.to_vec()),
        };
        Self {
            start: key.to_vec(),
            end,
        }
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        matches!(&self.end, Bound::Excluded(end) if *end <= self.start)
    }

    /// Whether there is an end to it.
    pub fn is_bounded(&self) -> bool {
        self.end != Bound::Unbounded
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key
            && match &self.end {
                Bound::Included(end) => key <= end.as_slice(),
                Bound::Excluded(end) => key < end.as_slice(),
                Bound::Unbounded => true,
            }
    }

    /// For the methods of collections; none when nothing can be in it, which they do not take.
    pub fn bounds(&self) -> Option<Bounds<'_>> {
        let start = Bound::Included(self.start.as_slice());
        (!self.is_empty()).then(|| (start, self.end.as_ref().map(Vec::as_slice)))
    }
}
