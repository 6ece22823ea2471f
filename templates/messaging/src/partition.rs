//! Which part of a topic a key is in.

use crate::backend::Topic;

impl Topic {
    /// The part that messages with this key are in, by the function that Kafka's own clients use.
    /// Without a key it is any.
    pub(crate) fn partition(&self, key: Option<&str>) -> Option<u16> {
        let key = key.filter(|_| self.partitions > 0)?;
        let hash = murmur2(key.as_bytes()) & 0x7fff_ffff;
        let partition = hash % u32::from(self.partitions);
        u16::try_from(partition).ok()
    }
}

/// MurmurHash 2 with Kafka's seed (Austin Appleby, public domain; `Utils.murmur2` of Kafka's client).
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in words.by_ref() {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        let word = u32::from_le_bytes(word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own tests.
    #[test]
    fn keys_are_hashed_as_kafka_does() {
        let expected: [(&str, i32); 5] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("abc", 479_470_107),
        ];
        let hashed = expected.map(|(key, _)| (key, murmur2(key.as_bytes()) as i32));
        assert_eq!(hashed, expected);
    }

    #[test]
    fn a_key_has_a_part_and_no_key_has_none() {
        let topic = Topic::new("orders", 8);
        assert_eq!(
            topic.partition(Some("foobar")),
            topic.partition(Some("foobar"))
        );
        assert!(topic.partition(Some("foobar")).is_some_and(|it| it < 8));
        assert_eq!(topic.partition(None), None);
        assert_eq!(Topic::new("dead", 0).partition(Some("foobar")), None);
    }
}
