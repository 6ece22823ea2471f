//! Random numbers for jitter and ids, where nothing depends on their quality: the keys of a
//! hasher are random.

use std::hash::{BuildHasher, RandomState};

/// Any number.
pub(super) fn number() -> u64 {
    RandomState::new().hash_one(())
}

/// A number from zero to below one.
pub(super) fn fraction() -> f64 {
    (number() % 1024) as f64 / 1024.0
}

/// A random UUID.
pub(super) fn uuid() -> String {
    let (high, low) = (number(), number());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_the_form_of_version_4() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        let lengths: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]));
    }
}
