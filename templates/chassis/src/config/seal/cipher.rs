//! The format of an encrypted value: `enc:v1:` and, in base64 for URLs without padding, a nonce of
//! 12 bytes, the text encrypted by AES-256-GCM (NIST SP 800-38D), and its tag of 16 bytes. The
//! prefix is authenticated too. A key is 32 bytes in base64.
//!
//! `msvc secret` writes this format.

use std::fmt;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// What an encrypted value begins with.
pub(super) const PREFIX: &str = "enc:v1:";

/// Why a value cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The key is not one.
    Key,
    /// The value is cut off or misspelt.
    Malformed,
    /// Another key encrypted it, or it was changed since.
    Refused,
    /// It is not UTF-8.
    Text,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "the key is not 32 bytes in base64, as `msvc secret keygen` makes them",
            Self::Malformed => "the encrypted value is cut off or misspelt",
            Self::Refused => "the key does not fit, or the encrypted value was changed",
            Self::Text => "the decrypted value is not UTF-8",
        })
    }
}

/// The text of `sealed`, which begins with [`PREFIX`].
///
/// # Errors
/// [`Problem`], which says nothing of the key or the text.
pub(super) fn open(key: &str, sealed: &str) -> Result<String, Problem> {
    let key = BASE64_STANDARD.decode(key.trim());
    let key = key.map_err(|_| Problem::Key)?;
    let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| Problem::Key)?;
    let encoded = sealed.strip_prefix(PREFIX).ok_or(Problem::Malformed)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded);
    let mut bytes = bytes.map_err(|_| Problem::Malformed)?;
    if bytes.len() < NONCE_LEN + AES_256_GCM.tag_len() {
        return Err(Problem::Malformed);
    }
    let mut text = bytes.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| Problem::Malformed)?;
    let text = LessSafeKey::new(key)
        .open_in_place(nonce, Aad::from(PREFIX), &mut text)
        .map_err(|_| Problem::Refused)?;
    String::from_utf8(text.to_vec()).map_err(|_| Problem::Text)
}
