//! Tokens for development: whoever asks gets one, for whoever they say they are. It signs with
//! `server.auth.secret` (HS256, RFC 7515), and is refused where it would be a hole.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::config::Config;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Status;
use tonic::body::Body;

use crate::settings;
use crate::status::Failure;

/// The only environments in which tokens are there for the asking.
const DEVELOPMENT: [&str; 4] = ["dev", "development", "local", "test"];

/// The largest request, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// Makes tokens.
#[derive(Debug)]
pub(crate) struct Login {
    path: String,
    key: hmac::Key,
    issuer: Option<String>,
    audience: Option<String>,
    lifetime: Duration,
}

/// Who wants to be whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    subject: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

impl Login {
    /// `None` when it is off.
    ///
    /// # Errors
    /// When it is on anywhere but in development, or tokens are not signed with a secret.
    pub(crate) fn new<A>(
        settings: &settings::Login,
        config: &Config<A>,
    ) -> Result<Option<Self>, String> {
        if !settings.enabled {
            return Ok(None);
        }
        let environment = config.service.environment.as_str();
        if !DEVELOPMENT.contains(&environment) {
            return Err(format!(
                "`login.enabled` gives tokens to whoever asks, which is for development: it cannot \
                 be in the environment `{environment}`"
            ));
        }
        let auth = &config.server.auth;
        let Some(secret) = &auth.secret else {
            return Err("`login.enabled` needs `server.auth.secret`, to sign with it".to_owned());
        };
        Ok(Some(Self {
            path: settings.path.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()),
            issuer: auth.issuers.first().cloned(),
            audience: auth.audiences.first().cloned(),
            lifetime: settings.lifetime.get(),
        }))
    }

    /// Whether `request` asks for a token.
    pub(crate) fn is_asked<B>(&self, request: &Request<B>) -> bool {
        request.method() == Method::POST && request.uri().path() == self.path
    }

    /// A token.
    ///
    /// # Errors
    /// When the request is not one for a token.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let invalid = |problem: String| Failure::from(Status::invalid_argument(problem));
        let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|error| invalid(error.to_string()))?;
        let wanted: Wanted = serde_json::from_slice(&body.to_bytes())
            .map_err(|error| invalid(format!("the body is not who wants a token: {error}")))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let token = self.token(&wanted, now.unwrap_or_default());
        let answer = json!({
            "accessToken": token,
            "tokenType": "Bearer",
            "expiresIn": self.lifetime.as_secs(),
        });
        let mut response = Response::new(Body::new(answer.to_string()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    fn token(&self, wanted: &Wanted, now: Duration) -> String {
        let mut claims = json!({
            "sub": wanted.subject,
            "iat": now.as_secs(),
            "exp": (now + self.lifetime).as_secs(),
            "scope": wanted.scopes.join(" "),
            "roles": wanted.roles,
        });
        if let Some(issuer) = &self.issuer {
            claims["iss"] = issuer.as_str().into();
        }
        if let Some(audience) = &self.audience {
            claims["aud"] = audience.as_str().into();
        }
        let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        let message = format!("{}.{}", part(header), part(claims));
        let signature = hmac::sign(&self.key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
