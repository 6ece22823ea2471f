//! What becomes of calls.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::config::{AuthRule, Follow, Secret, Size};
use crate::middleware::auth::outcome::Outcome;
use crate::middleware::auth::{AuthLayer, Claims, layer};
use crate::middleware::testing::{CHECK, Ended, WATCH, read, reply, request};

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
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(call(&layer, "/a/B", Some(&new)).await, good);
    // A key that is gone takes the tokens with it that were known to be good.
    assert_eq!(call(&layer, "/a/B", Some(&old)).await, bad);

    // What cannot be used changes nothing.
    std::fs::write(&file.0, "nothing").expect("a temporary file");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(call(&layer, "/a/B", Some(&old)).await, bad);
    assert_eq!(call(&layer, "/a/B", Some(&new)).await, good);
}

/// Time is paused: it goes on when the changed settings have been taken.
#[tokio::test(start_paused = true)]
async fn changed_settings_are_in_force_for_calls_that_begin_then() {
    let key = Es256::generate();
    let file = KeyFile::new(&[key.jwk("one")]);
    let settings = Follow::fixed(file.config());
    let layer = AuthLayer::following(settings.clone())
        .await
        .expect("usable");
    let set = async |change: &dyn Fn(&mut Auth)| {
        let mut config = file.config();
        change(&mut config);
        settings.set(config);
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let token = format!("Bearer {}", key.sign(&header(), &claims(json!({}))));
    let ended = async || call(&layer, "/a/B", Some(&token)).await.code;
    assert_eq!(ended().await, Code::AlreadyExists);

    set(&|config| config.audiences = vec!["others".to_owned()]).await;
    assert_eq!(
        ended().await,
        Code::Unauthenticated,
        "no token is remembered"
    );
    set(&|config| {
        config.rules = vec![AuthRule {
            methods: vec!["*".parse().expect("a pattern")],
            scopes: vec!["watch".to_owned()],
            roles: Vec::new(),
        }];
    })
    .await;
    assert_eq!(ended().await, Code::PermissionDenied);
    set(&|config| config.public = vec!["*".parse().expect("a pattern")]).await;
    assert_eq!(call(&layer, "/a/B", None).await.code, Code::Ok);
    set(&|config| config.enabled = false).await;
    assert_eq!(call(&layer, "/a/B", None).await.code, Code::Ok);

    set(&|config| {
        config.jwks_file = None;
        config.secret = Some(Secret::new(SECRET));
    })
    .await;
    assert_eq!(ended().await, Code::Unauthenticated, "keys of another kind");
    let other = sign_hs256(
        SECRET.as_bytes(),
        &json!({"alg": "HS256"}),
        &claims(json!({})),
    );
    let other = call(&layer, "/a/B", Some(&format!("Bearer {other}"))).await;
    assert_eq!(other.code, Code::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn the_last_settings_stay_until_the_new_keys_are_there() {
    let (old, new) = (Es256::generate(), Es256::generate());
    let file = KeyFile::new(&[old.jwk("one")]);
    let settings = Follow::fixed(file.config());
    let layer = AuthLayer::following(settings.clone())
        .await
        .expect("usable");
    let codes = async || {
        let mut codes = Vec::new();
        for key in [&old, &new] {
            let token = format!("Bearer {}", key.sign(&header(), &claims(json!({}))));
            codes.push(call(&layer, "/a/B", Some(&token)).await.code);
        }
        codes
    };
    let later = KeyFile::new(&[]);
    settings.set(later.config());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(codes().await, [Code::AlreadyExists, Code::Unauthenticated]);
    later.write(&[new.jwk("one")]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(codes().await, [Code::Unauthenticated, Code::AlreadyExists]);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_token_is_refused_before_the_keys_are_there() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let silent = silent.expect("a port");
    let address = silent.local_addr().expect("an address");
    let off = Auth {
        enabled: false,
        ..Auth::default()
    };
    let settings = Follow::fixed(off);
    let layer = AuthLayer::following(settings.clone())
        .await
        .expect("usable");
    assert_eq!(call(&layer, "/a/B", None).await.code, Code::Ok);
    settings.set(Auth {
        enabled: true,
        jwks_url: Some(format!("http://{address}/keys").parse().expect("a URL")),
        ..Auth::default()
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(call(&layer, "/a/B", None).await.code, Code::Unauthenticated);
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
