//! gRPC's framing of messages: a flag, a length of four bytes, the message
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! Pure: bytes in, counts out.

/// The length of a message's prefix.
pub const PREFIX: usize = 5;

/// What is wrong with a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The flag says that the message is compressed, which was not offered.
    #[error("a response is compressed, which was not asked for")]
    Compressed,
    /// The flag says that the message is compressed, but nothing says how.
    #[error("a response is compressed, but without `grpc-encoding`")]
    NoEncoding,
    /// The flag has a value that nobody defined.
    #[error("a response has the unknown flag {0}")]
    Flag(u8),
    /// The stream ended within a message.
    #[error("the response ended in the middle of a message")]
    Truncated,
}

/// Counts the messages in a stream of bytes, however it is cut.
#[derive(Clone, Debug, Default)]
pub struct MessageCounter {
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    have: usize,
    /// How much of the message is still to come.
    left: usize,
    count: u64,
    bytes: u64,
    /// Whether compressed messages were asked for …
    accepts_compressed: bool,
    /// … and whether the server said that there may be some.
    may_be_compressed: bool,
}

impl MessageCounter {
    /// One that takes compressed messages or does not.
    pub fn accepting(compressed: bool) -> Self {
        Self {
            accepts_compressed: compressed,
            ..Self::default()
        }
    }

    /// The server said by `grpc-encoding` whether messages may be compressed.
    pub fn compressed(&mut self, may_be: bool) {
        self.may_be_compressed = may_be;
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`FramingError`] when a message has a wrong flag.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), FramingError> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                self.bytes += taken as u64;
                bytes = &bytes[taken..];
                if self.left == 0 {
                    self.count += 1;
                }
                continue;
            }
            let taken = (PREFIX - self.have).min(bytes.len());
            self.prefix[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            self.bytes += taken as u64;
            bytes = &bytes[taken..];
            if self.have == PREFIX {
                self.have = 0;
                self.begin()?;
            }
        }
        Ok(())
    }

    /// How many messages there were, at the end of the stream.
    ///
    /// # Errors
    /// [`FramingError::Truncated`] when one is not complete.
    pub fn finish(&self) -> Result<u64, FramingError> {
        if self.have == 0 && self.left == 0 {
            Ok(self.count)
        } else {
            Err(FramingError::Truncated)
        }
    }

    /// How many messages are complete so far.
    pub fn messages(&self) -> u64 {
        self.count
    }

    /// How many bytes were taken; what comes after a wrong prefix is not.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn begin(&mut self) -> Result<(), FramingError> {
        let [flag, length @ ..] = self.prefix;
        match flag {
            0 => {}
            1 if self.accepts_compressed && self.may_be_compressed => {}
            1 if self.accepts_compressed => return Err(FramingError::NoEncoding),
            1 => return Err(FramingError::Compressed),
            other => return Err(FramingError::Flag(other)),
        }
        self.left = u32::from_be_bytes(length) as usize;
        if self.left == 0 {
            self.count += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        for length in [0usize, 1, 7, 0, 300] {
            bytes.push(0);
            bytes.extend((length as u32).to_be_bytes());
            bytes.extend(std::iter::repeat_n(0xff, length));
        }
        for step in 1..bytes.len() {
            let mut counter = MessageCounter::default();
            for chunk in bytes.chunks(step) {
                counter.feed(chunk).expect("valid");
            }
            assert_eq!(counter.finish(), Ok(5), "in steps of {step}");
        }
        for end in 1..bytes.len() {
            let mut counter = MessageCounter::default();
            counter.feed(&bytes[..end]).expect("valid");
            let is_boundary = [5, 11, 23, 28].contains(&end);
            assert_eq!(counter.finish().is_ok(), is_boundary, "cut at {end}");
        }
    }

    #[test]
    fn wrong_flags_are_told() {
        let mut counter = MessageCounter::default();
        assert_eq!(
            counter.feed(&[1, 0, 0, 0, 0]),
            Err(FramingError::Compressed)
        );
        let mut counter = MessageCounter::default();
        assert_eq!(counter.feed(b"HTTP/1.1"), Err(FramingError::Flag(b'H')));
    }
}
