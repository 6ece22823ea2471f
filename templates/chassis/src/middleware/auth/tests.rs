use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tower::{Layer, ServiceExt, service_fn};

use super::outcome::Outcome;
use super::verify::Verifier;
use super::*;
use crate::config::{Auth, AuthRule, Secret, Size};
use crate::middleware::testing::{CHECK, Ended, WATCH, read, reply, request};
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
    Verifier::new(config, &methods()).await.expect("usable")
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

#[tokio::test]
async fn a_good_token_is_good_twice() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let verifier = verifier(&file.config()).await;
    let token = key.sign(
        &header(),
        &claims(json!({"scope": "a b", "roles": ["admin"]})),
    );
    for _ in 0..2 {
        let claims = verifier.verify(&token).expect("good");
        assert_eq!(claims.subject(), Some("ada"));
        assert_eq!(claims.issuer(), Some("https://issuer"));
        assert_eq!(claims.scopes(), ["a", "b"]);
        assert!(claims.has_role("admin") && !claims.has_role("a"));
    }
}

#[tokio::test]
async fn what_a_token_says_is_checked() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let verifier = verifier(&file.config()).await;
    for (changes, expected) in [
        (json!({}), None),
        (json!({"exp": at(-61)}), Some(Outcome::expired)),
        (json!({"exp": at(-50)}), None),
        (json!({"exp": null}), Some(Outcome::claims)),
        (json!({"exp": "tomorrow"}), Some(Outcome::claims)),
        (json!({"exp": -1}), Some(Outcome::claims)),
        (json!({"exp": 1e300}), Some(Outcome::claims)),
        (json!({"nbf": at(70)}), Some(Outcome::not_yet_valid)),
        (json!({"nbf": at(50)}), None),
        (json!({"nbf": null}), None),
        (json!({"nbf": "now"}), Some(Outcome::claims)),
        (json!({"iss": "https://other"}), Some(Outcome::issuer)),
        (json!({"iss": null}), Some(Outcome::claims)),
        (json!({"iss": 7}), Some(Outcome::claims)),
        (json!({"aud": "other"}), Some(Outcome::audience)),
        (json!({"aud": ["other", "shop"]}), None),
        (json!({"aud": []}), Some(Outcome::audience)),
        (json!({"aud": null}), Some(Outcome::claims)),
    ] {
        let token = key.sign(&header(), &claims(changes.clone()));
        assert_eq!(verifier.verify(&token).err(), expected, "{changes}");
    }
}

#[tokio::test]
async fn a_token_cannot_choose_its_algorithm() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one"), rsa_jwk()]);
    let verifier = verifier(&file.config()).await;
    let claims = claims(json!({}));

    // None at all, in all spellings, with and without a signature.
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = message(&json!({"alg": none, "kid": "one"}), &claims);
        for token in [format!("{unsigned}."), format!("{unsigned}.AAAA")] {
            let outcome = verifier.verify(&token).err();
            assert_eq!(outcome, Some(Outcome::malformed), "{none}");
        }
    }
    // A public key as a secret, in every form that it has.
    let modulus = URL_SAFE_NO_PAD.decode(RSA_N).expect("base64");
    let jwk = rsa_jwk().to_string();
    for secret in [RSA_N.as_bytes(), &modulus, jwk.as_bytes(), b""] {
        for id in ["rsa", "one"] {
            let header = json!({"alg": "HS256", "kid": id});
            let token = sign_hs256(secret, &header, &claims);
            assert_eq!(verifier.verify(&token).err(), Some(Outcome::algorithm));
        }
        let token = sign_hs256(secret, &json!({"alg": "HS256"}), &claims);
        assert_eq!(verifier.verify(&token).err(), Some(Outcome::algorithm));
    }
    // The right key, and the name of another algorithm.
    for algorithm in ["RS256", "ES384", "EdDSA", "PS256"] {
        let token = key.sign(&json!({"alg": algorithm, "kid": "one"}), &claims);
        assert_eq!(verifier.verify(&token).err(), Some(Outcome::algorithm));
    }
}

#[tokio::test]
async fn a_token_of_somebody_else_or_changed_is_refused() {
    let (key, other) = (Es256::generate(), Es256::generate());
    let file = KeyFile::new(&[key.jwk("one")]);
    let verifier = verifier(&file.config()).await;
    let token = other.sign(&header(), &claims(json!({})));
    assert_eq!(verifier.verify(&token).err(), Some(Outcome::signature));

    // A key in the token is not one of ours, nor is the address of one.
    let jwk = other.jwk("one");
    let header_with_key = json!({"alg": "ES256", "kid": "one", "jwk": jwk, "jku": "http://evil"});
    let token = other.sign(&header_with_key, &claims(json!({})));
    assert_eq!(verifier.verify(&token).err(), Some(Outcome::signature));

    let token = key.sign(&header(), &claims(json!({})));
    let parts: Vec<&str> = token.split('.').collect();
    let other_claims = base64(claims(json!({"sub": "eve"})).to_string());
    let changed = format!("{}.{other_claims}.{}", parts[0], parts[2]);
    assert!(verifier.verify(&token).is_ok());
    assert_eq!(verifier.verify(&changed).err(), Some(Outcome::signature));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(verifier.verify(&unsigned).err(), Some(Outcome::signature));

    let critical = json!({"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": false});
    let token = key.sign(&critical, &claims(json!({})));
    assert_eq!(verifier.verify(&token).err(), Some(Outcome::malformed));
}

#[tokio::test]
async fn garbage_is_malformed() {
    let file = KeyFile::new(&[Es256::generate().jwk("one")]);
    let verifier = verifier(&file.config()).await;
    let nested = base64("[".repeat(5000));
    for token in [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "e30.e30.e30",
        "\u{0}",
        "{}.{}.{}",
        &format!("{nested}.{nested}.{nested}"),
    ] {
        let outcome = verifier.verify(token).err();
        assert_eq!(outcome, Some(Outcome::malformed), "{token}");
    }
}

#[tokio::test]
async fn the_three_algorithms_work() {
    let file = KeyFile::new(&[rsa_jwk()]);
    let mut config = file.config();
    (config.issuers, config.audiences) = (Vec::new(), Vec::new());
    let rs256 = verifier(&config).await;
    let claims_of = |verifier: &Verifier, token: &str| {
        let claims = verifier.verify(token);
        claims.map(|claims| claims.subject().unwrap_or_default().to_owned())
    };
    assert_eq!(claims_of(&rs256, RSA_TOKEN), Ok("ada".to_owned()));

    let mut config = file.config();
    config.jwks_file = None;
    config.secret = Some(Secret::new(SECRET));
    let hs256 = verifier(&config).await;
    let header = json!({"alg": "HS256"});
    let token = sign_hs256(SECRET.as_bytes(), &header, &claims(json!({})));
    assert_eq!(claims_of(&hs256, &token), Ok("ada".to_owned()));
    let token = sign_hs256(b"another", &header, &claims(json!({})));
    assert_eq!(claims_of(&hs256, &token), Err(Outcome::signature));
}

#[tokio::test]
async fn a_token_for_somebody_needs_an_audience_here() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let mut config = file.config();
    config.audiences = Vec::new();
    let verifier = verifier(&config).await;
    let token = key.sign(&header(), &claims(json!({})));
    assert_eq!(verifier.verify(&token).err(), Some(Outcome::audience));
}

/// How a call of `path` with `authorization` ends.
async fn call(layer: &AuthLayer, path: &str, authorization: Option<&str>) -> Ended {
    let handler = service_fn(|request: Request<tonic::body::Body>| async move {
        let claims = request.extensions().get::<Claims>();
        let text = claims.and_then(Claims::subject).unwrap_or("nobody");
        let response = match text {
            "nobody" => reply(Code::Ok),
            _ => Status::already_exists(text).into_http(),
        };
        Ok::<Response<_>, Infallible>(response)
    });
    let mut request = request(path, &[]);
    if let Some(authorization) = authorization {
        let value = authorization.parse().expect("ASCII");
        request.headers_mut().insert("authorization", value);
    }
    let response = layer.layer(handler).oneshot(request).await;
    read(response.expect("infallible")).await
}

fn refused(code: Code, text: &str) -> Ended {
    Ended {
        messages: 0,
        code,
        text: text.to_owned(),
    }
}

async fn made(config: &Auth) -> AuthLayer {
    layer(config, &methods()).await.expect("usable")
}

#[tokio::test]
async fn a_caller_is_not_told_why_its_token_will_not_do() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let mut config = file.config();
    config.public = Vec::new();
    config.max_token_size = Size::from_bytes(1000);
    let layer = made(&config).await;
    let good = key.sign(&header(), &claims(json!({})));
    let expired = key.sign(&header(), &claims(json!({"exp": at(-100)})));
    let huge = "x".repeat(1001);

    let handler = refused(Code::AlreadyExists, "ada");
    assert_eq!(
        call(&layer, CHECK, Some(&format!("Bearer {good}"))).await,
        handler
    );
    assert_eq!(
        call(&layer, CHECK, Some(&format!("bEARER {good}"))).await,
        handler
    );
    let required = refused(Code::Unauthenticated, "a bearer token is required");
    assert_eq!(call(&layer, CHECK, None).await, required);
    let invalid = refused(Code::Unauthenticated, "the token is not valid");
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        &good,
        &format!("Bearer {expired}"),
        &format!("Bearer  {good}"),
        &format!("Bearer {good} "),
        &format!("Bearer {huge}"),
    ] {
        assert_eq!(
            call(&layer, CHECK, Some(authorization)).await,
            invalid,
            "{authorization}"
        );
    }
}

#[tokio::test]
async fn two_tokens_are_none() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let verifier = verifier(&file.config()).await;
    let mut request = request(CHECK, &[("authorization", "Bearer a")]);
    assert_eq!(verifier.token(request.headers()), Ok("a"));
    let other = "Bearer b".parse().expect("ASCII");
    request.headers_mut().append("authorization", other);
    let outcome = verifier.token(request.headers());
    assert_eq!(outcome, Err(Outcome::malformed));
}

#[tokio::test]
async fn rules_say_what_a_token_must_have() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let mut config = file.config();
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    config.public = vec!["grpc.health.v1.Health/Check".parse().expect("a pattern")];
    config.rules = vec![
        AuthRule {
            methods: vec!["*".parse().expect("a pattern")],
            scopes: strings(&["read"]),
            roles: Vec::new(),
        },
        AuthRule {
            methods: vec!["grpc.health.v1.Health/Watch".parse().expect("a pattern")],
            scopes: strings(&["watch"]),
            roles: strings(&["admin", "operator"]),
        },
    ];
    let layer = made(&config).await;
    assert_eq!(call(&layer, CHECK, None).await.code, Code::Ok, "public");
    for (changes, allowed) in [
        (json!({"scope": "read watch", "roles": ["operator"]}), true),
        (json!({"scp": ["watch", "read"], "roles": ["admin"]}), true),
        (json!({"scope": "read watch"}), false),
        (json!({"scope": "watch", "roles": ["admin"]}), false),
        (json!({"scope": "read", "roles": ["admin"]}), false),
        (json!({"scope": "readwatch", "roles": "admin"}), false),
        (json!({"scope": {"read": true}, "roles": 7}), false),
    ] {
        let token = key.sign(&header(), &claims(changes.clone()));
        let ended = call(&layer, WATCH, Some(&format!("Bearer {token}"))).await;
        let expected = match allowed {
            true => refused(Code::AlreadyExists, "ada"),
            false => refused(Code::PermissionDenied, "the token does not allow this call"),
        };
        assert_eq!(ended, expected, "{changes}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_looked_for_when_one_is_not_known_but_not_too_often() {
    let (first, second) = (Es256::generate(), Es256::generate());
    let file = KeyFile::new(&[first.jwk("one")]);
    let layer = made(&file.config()).await;
    let sign = |key: &Es256, id: &str| {
        let header = json!({"alg": "ES256", "kid": id});
        format!("Bearer {}", key.sign(&header, &claims(json!({}))))
    };
    let (old, new) = (sign(&first, "one"), sign(&second, "two"));
    let good = refused(Code::AlreadyExists, "ada");
    let bad = refused(Code::Unauthenticated, "the token is not valid");
    assert_eq!(call(&layer, "/a/B", Some(&old)).await, good);

    // The file was read a moment ago.
    file.write(&[second.jwk("two")]);
    assert_eq!(call(&layer, "/a/B", Some(&new)).await, bad);
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    assert_eq!(call(&layer, "/a/B", Some(&new)).await, good);
    // A key that is gone takes the tokens with it that were known to be good.
    assert_eq!(call(&layer, "/a/B", Some(&old)).await, bad);

    // What cannot be used changes nothing.
    std::fs::write(&file.0, "nothing").expect("a temporary file");
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    assert_eq!(call(&layer, "/a/B", Some(&old)).await, bad);
    assert_eq!(call(&layer, "/a/B", Some(&new)).await, good);
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said() {
    let file = KeyFile::new(&[Es256::generate().jwk("one")]);
    let problem = async |change: &dyn Fn(&mut Auth)| {
        let mut config = file.config();
        change(&mut config);
        let error = layer(&config, &methods()).await.expect_err("unusable");
        error
            .to_string()
            .replace(&file.0.display().to_string(), "FILE")
    };
    let one_source = "`server.auth` needs exactly one of `jwks_file`, `jwks_url` and `secret`";
    assert_eq!(problem(&|config| config.jwks_file = None).await, one_source);
    assert_eq!(
        problem(&|config| config.secret = Some(Secret::new(SECRET))).await,
        one_source
    );
    assert_eq!(
        problem(&|config| {
            config.jwks_file = None;
            config.secret = Some(Secret::new("short"));
        })
        .await,
        "`server.auth.secret` is shorter than 32 bytes"
    );
    assert_eq!(
        problem(&|config| config.public = vec!["a.B/C".parse().expect("a pattern")]).await,
        "`server.auth` names `a.B/C`, which no service here has"
    );
    file.write(&[json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"})]);
    assert_eq!(
        problem(&|_| {}).await,
        "FILE (`server.auth.jwks_file`) has no key for RS256, ES256 or HS256"
    );
    std::fs::remove_file(&file.0).expect("it is there");
    assert_eq!(
        problem(&|_| {}).await,
        "FILE (`server.auth.jwks_file`) cannot be read: No such file or directory (os error 2)"
    );
}
