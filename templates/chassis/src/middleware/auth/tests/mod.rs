//! Keys and tokens for tests.

mod calls;
mod tokens;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::verify::Verifier;
use crate::config::Auth;
use crate::server::Methods;

/// The modulus of a key that nobody has any more.
const RSA_N: &str = "\
    p0SG_pFvlSm0aDnLw2PxDU2za3HfgDp3CjV6j2jB1owGEn69c2ZrN0f6UVIQ5He0WABvLFrtjAxhaLefcDlC-\
    OYU7XyhEnpV1meUBonQk5vI49I0bNkwthkXAM2QZwgBFQlOeRGkcV5bqHTBsdmk6o-jUkqIxWjU-NKN30eOa0PK1z-\
    GOIE1dsHdjVtwFnd6bhrYtuWbWS8le94qE4U0IS6Cgu_F6Gka2SrVh2cJ2JGUbniuJBbEGBE0Vre3jn2tzNy7esL2G\
    CU9SdglTXawUVgVsJ9E4OgS3y-elYXWlF9gTX5Okj4J2IBAhWRSCFs4jNXz3yfqBvQeENjOcJrjJQ";
/// `{"alg":"RS256","kid":"rsa"}.{"sub":"ada","exp":9999999999}`, signed with it.
const RSA_TOKEN: &str = "\
    eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiJhZGEiLCJleHAiOjk5OTk5OTk5OTl9.CMrBgpB9Equ6\
    X18tpkTuaazeAnCABpc-0FNMgwKkR4Rm5ry-GNw20HyzOJgQHfU8Wqa4VgykYk0jRA-\
    F1tXuGcikcg74qURxsJsGpfxYdHJgQ3BXrZZy03cL7K8Dyus02LHDUYGBEeQpOjQa13UaDpwFt1TQCYMewjLdJ_2vV\
    VRJ0Bi8P-8L9vAgd1pWtYTVAW1gRiP1VRiW-mdr3L_O8ylmi46johSqLS8lh84ejCciOCub_GDpLnMyKwhIWZO3TUh\
    N2qqTUTT5drGpkxINScXhhwRgZtwK27_SZd7xBcDC54hQWjlo-sFr90vlRoqI5afo-7NnVg5PY3KmRR4ABw";

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of ES256.
struct Es256(EcdsaKeyPair);

impl Es256 {
    fn generate() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Self(pair.expect("a key"))
    }

    fn jwk(&self, id: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": id, "x": base64(x), "y": base64(y)})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes());
        format!("{message}.{}", base64(signature.expect("a signature")))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| base64(part.to_string()));
    format!("{header}.{claims}")
}

fn sign_hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64(signature))
}

fn rsa_jwk() -> Value {
    json!({"kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig", "n": RSA_N, "e": "AQAB"})
}

/// Seconds since 1970, `offset` from now.
fn at(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_secs() as i64 + offset
}

/// A file with a key set, which is removed at the end of its test.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(keys: &[Value]) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chassis-jwks-{}-{number}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(keys);
        file
    }

    fn write(&self, keys: &[Value]) {
        let text = json!({ "keys": keys }).to_string();
        std::fs::write(&self.0, text).expect("a temporary file");
    }

    fn config(&self) -> Auth {
        Auth {
            enabled: true,
            jwks_file: Some(self.0.clone()),
            issuers: vec!["https://issuer".to_owned()],
            audiences: vec!["shop".to_owned()],
            ..Auth::default()
        }
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn methods() -> Methods {
    let sets = [tonic_health::pb::FILE_DESCRIPTOR_SET];
    Methods::new(&["grpc.health.v1.Health"], &sets).expect("a valid set")
}

async fn verifier(config: &Auth) -> Verifier {
    Verifier::new(config).await.expect("usable")
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "one", "typ": "JWT"})
}

/// Claims that are good, but for what `changes` says; null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "ada",
        "iss": "https://issuer",
        "aud": "shop",
        "exp": at(300),
        "nbf": at(-300),
    });
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => {
                claims.as_object_mut().expect("an object").remove(name);
            }
            value => claims[name] = value.clone(),
        }
    }
    claims
}
