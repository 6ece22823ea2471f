//! Keys, each for one algorithm.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::outcome::Outcome;

/// A key, and the only algorithm that it is for: what a token says of its algorithm is checked
/// against this, never believed (RFC 8725, section 3.1).
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// All keys that are good now.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Keys {
    /// The one key of HS256.
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self(vec![Key {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret),
        }])
    }

    /// Those of a JSON Web Key Set (RFC 7517). Keys that are not for signatures, or for other
    /// algorithms than ours, are left out, as the standard wants it (section 5).
    ///
    /// # Errors
    /// What is wrong with it, when it is not one or has no key for us.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let set: KeySet = serde_json::from_slice(text)
            .map_err(|error| format!("is not a JSON Web Key Set: {error}"))?;
        let keys = set.keys.into_iter();
        let keys: Vec<Key> = keys.filter_map(key).collect();
        match keys.is_empty() {
            true => Err("has no key for RS256, ES256 or HS256".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key for a token that names the key `id` and `algorithm`. Where either has no name, it
    /// is the only key for that algorithm.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&Key, Outcome> {
        let named = |key: &&Key| key.id.is_some() && key.id.as_deref() == id;
        if let Some(key) = self.0.iter().find(named) {
            return match key.algorithm == algorithm {
                true => Ok(key),
                false => Err(Outcome::algorithm),
            };
        }
        let unnamed = self.0.iter().filter(|key| key.id.is_none() || id.is_none());
        let mut fitting = unnamed.clone().filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) if unnamed.count() > 0 => Err(Outcome::algorithm),
            _ => Err(Outcome::unknown_key),
        }
    }
}

fn key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, said) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if common.key_algorithm.is_some_and(|it| it != said) {
        return None;
    }
    Some(Key {
        id: common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}
