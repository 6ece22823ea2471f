//! Which tokens are good.

use super::*;
use crate::config::Secret;
use crate::middleware::auth::outcome::Outcome;

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
