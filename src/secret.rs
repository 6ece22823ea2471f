//! Encrypted values for the configuration of services, in the format that the chassis reads:
//! `enc:v1:` and, in base64 for URLs without padding, a nonce of 12 bytes, the text encrypted by
//! AES-256-GCM (NIST SP 800-38D), and its tag of 16 bytes. The prefix is authenticated too. A key is
//! 32 bytes in base64.
//!
//! A nonce is random, so one key is for up to 2^32 values (SP 800-38D, 8.3), which is more secrets
//! than anybody has.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Diagnostic;

/// What an encrypted value begins with.
pub const PREFIX: &str = "enc:v1:";

/// The length of a key in bytes.
const KEY_LEN: usize = 32;

/// Why nothing was encrypted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The key is something else.
    #[error("the key is not {KEY_LEN} bytes in base64")]
    Key,
    /// The operating system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// The value is too long for the algorithm.
    #[error("the value is too long")]
    Length,
}

impl Diagnostic for SecretError {
    fn hint(&self) -> Option<String> {
        (*self == Self::Key).then(|| "`msvc secret keygen` makes one".to_owned())
    }
}

/// A new key.
///
/// # Errors
/// [`SecretError::Random`]
pub fn generate_key() -> Result<String, SecretError> {
    Ok(BASE64_STANDARD.encode(random::<KEY_LEN>()?))
}

/// `text`, encrypted.
///
/// # Errors
/// [`SecretError`], which says nothing of the key or the text.
pub fn seal(key: &str, text: &str) -> Result<String, SecretError> {
    let key = BASE64_STANDARD.decode(key.trim());
    let key = key.map_err(|_| SecretError::Key)?;
    let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| SecretError::Key)?;
    let nonce = random::<NONCE_LEN>()?;
    let mut sealed = text.as_bytes().to_vec();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(PREFIX),
            &mut sealed,
        )
        .map_err(|_| SecretError::Length)?;
    let bytes = [&nonce[..], &sealed].concat();
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], SecretError> {
    let mut bytes = [0; LENGTH];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| SecretError::Random)?;
    Ok(bytes)
}

/// What services read it with.
#[cfg(test)]
#[path = "../templates/chassis/src/config/seal/cipher.rs"]
mod chassis;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chassis_opens_what_was_sealed() {
        let key = generate_key().expect("random numbers");
        for text in ["open sesame", "", "öäü\n\"", &"x".repeat(100_000)] {
            let sealed = seal(&key, text).expect("sealed");
            assert_eq!(chassis::open(&key, &sealed).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_to_the_same_value() {
        let key = generate_key().expect("random numbers");
        assert_ne!(seal(&key, "a"), seal(&key, "a"));
        assert_ne!(generate_key(), generate_key());
    }

    #[test]
    fn another_key_or_a_changed_value_is_refused() {
        let key = generate_key().expect("random numbers");
        let other = generate_key().expect("random numbers");
        let sealed = seal(&key, "open sesame").expect("sealed");
        assert_eq!(
            chassis::open(&other, &sealed),
            Err(chassis::Problem::Refused)
        );
        assert_eq!(seal("short", "a"), Err(SecretError::Key));
        assert_eq!(seal("c2hvcnQ=", "a"), Err(SecretError::Key));
    }
}
