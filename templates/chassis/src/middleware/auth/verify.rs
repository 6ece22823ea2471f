//! From the metadata of a call to what its token says.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use tokio::task::AbortHandle;

use super::fetch::Source;
use super::keys::Keys;
use super::outcome::Outcome;
use super::store::{Store, keep_fresh, report};
use super::{Claims, provider};
use crate::Error;
use crate::config;
use crate::server::Methods;
use crate::tls::ClientTls;

/// The shortest secret of HS256, in bytes (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;

/// In seconds.
const MAX_LEEWAY: u64 = 86_400;

const SCHEME: &str = "bearer ";

/// Decides about calls.
#[derive(Debug)]
pub(super) struct Verifier {
    store: Arc<Store>,
    refresher: Option<AbortHandle>,
    config: config::Auth,
    /// In seconds.
    leeway: u64,
}

impl Drop for Verifier {
    fn drop(&mut self) {
        if let Some(refresher) = &self.refresher {
            refresher.abort();
        }
    }
}

impl Verifier {
    /// With keys that may be missing still: a URL that does not answer is no error, it is asked
    /// again.
    ///
    /// # Errors
    /// When settings do not fit each other, or a file cannot be used.
    pub(super) async fn new(config: &config::Auth) -> Result<Self, Error> {
        provider::install();
        let store = store(config)?;
        match (store.refresh_now().await, &config.jwks_file) {
            (Err(problem), Some(_)) => return Err(Error::Auth(problem)),
            (refreshed, _) => report(refreshed),
        }
        Ok(Self::of(config, store))
    }

    /// With no keys from elsewhere yet.
    ///
    /// # Errors
    /// When settings do not fit each other.
    pub(super) fn without_keys(config: &config::Auth) -> Result<Self, Error> {
        provider::install();
        Ok(Self::of(config, store(config)?))
    }

    /// Looks for keys once. Where there are none, it is told and tried again.
    pub(super) async fn look_for_keys(&self) {
        report(self.store.refresh_now().await);
    }

    /// By other settings: with the same keys when they come from where they came from, else with
    /// keys that are there.
    ///
    /// # Errors
    /// As [`Self::new`], and when a URL does not answer.
    pub(super) async fn renewed(&self, config: &config::Auth) -> Result<Self, Error> {
        let from = |it: &config::Auth| {
            let files = (it.jwks_file.clone(), it.jwks_ca.clone());
            (files, it.jwks_url.clone(), it.secret.clone())
        };
        if from(config) == from(&self.config) {
            let min_refresh = config.min_refresh.get();
            let store = self.store.renewed(min_refresh, config.cached_tokens);
            return Ok(Self::of(config, store.await));
        }
        let store = store(config)?;
        store.refresh_now().await.map_err(Error::Auth)?;
        Ok(Self::of(config, store))
    }

    fn of(config: &config::Auth, store: Store) -> Self {
        let store = Arc::new(store);
        let every = config.refresh.non_zero().filter(|_| store.can_refresh());
        Self {
            refresher: every.map(|every| keep_fresh(Arc::clone(&store), every)),
            store,
            leeway: config.leeway.get().as_secs().min(MAX_LEEWAY),
            config: config.clone(),
        }
    }

    pub(super) fn is_public(&self, path: &str) -> bool {
        let mut public = self.config.public.iter();
        public.any(|pattern| pattern.matches(path))
    }

    /// The token in `headers`.
    ///
    /// # Errors
    /// Why there is none to look at.
    pub(super) fn token<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Outcome> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Outcome::missing)?;
        // Two that differ could be read one way here and another way elsewhere.
        if values.next().is_some() {
            return Err(Outcome::malformed);
        }
        let text = value.to_str().map_err(|_| Outcome::malformed)?;
        let (scheme, token) = text
            .split_at_checked(SCHEME.len())
            .ok_or(Outcome::malformed)?;
        match scheme.eq_ignore_ascii_case(SCHEME) {
            true if token.len() > self.config.max_token_size.bytes() => Err(Outcome::too_large),
            true => Ok(token),
            false => Err(Outcome::malformed),
        }
    }

    /// What `token` says, if it is good.
    ///
    /// # Errors
    /// Why it is not; [`Outcome::unknown_key`] and [`Outcome::no_keys`] may be cured by
    /// [`Verifier::refresh`].
    pub(super) fn verify(&self, token: &str) -> Result<Claims, Outcome> {
        let current = self.store.current();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        if let Some(claims) = current.cache.get(token, now, self.leeway) {
            return Ok(claims);
        }
        let header = decode_header(token).map_err(|error| outcome(error.kind()))?;
        // What must be understood and is not (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(Outcome::malformed);
        }
        if current.keys.is_empty() {
            return Err(Outcome::no_keys);
        }
        let key = current.keys.find(header.kid.as_deref(), header.alg)?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.leeway;
        validation.validate_nbf = true;
        let mut required = vec!["exp"];
        let config::Auth {
            issuers, audiences, ..
        } = &self.config;
        if !issuers.is_empty() {
            validation.set_issuer(issuers);
            required.push("iss");
        }
        if !audiences.is_empty() {
            validation.set_audience(audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        let decoded = decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| outcome(error.kind()))?.claims;
        let claims = Claims::new(claims);
        current.cache.insert(token, claims.clone());
        Ok(claims)
    }

    /// Whether keys that are not known may be found.
    pub(super) fn can_refresh(&self, outcome: Outcome) -> bool {
        matches!(outcome, Outcome::unknown_key | Outcome::no_keys) && self.store.can_refresh()
    }

    pub(super) async fn refresh(&self) {
        self.store.refresh_for_unknown_key().await;
    }

    /// Whether `claims` allow the method at `path`.
    pub(super) fn allows(&self, claims: &Claims, path: &str) -> bool {
        let rules = self.config.rules.iter();
        let mut rules = rules.filter(|rule| rule.methods.iter().any(|it| it.matches(path)));
        rules.all(|rule| {
            let scopes = rule.scopes.iter().all(|scope| claims.has_scope(scope));
            let roles = rule.roles.is_empty() || rule.roles.iter().any(|it| claims.has_role(it));
            scopes && roles
        })
    }
}

/// That these settings can be used, as far as that can be said at once.
///
/// # Errors
/// When settings do not fit each other, name methods that are not there, or name a file that
/// cannot be used.
pub(super) fn check(config: &config::Auth, methods: &Methods) -> Result<(), Error> {
    if !config.enabled {
        return Ok(());
    }
    provider::install();
    check_patterns(config, methods)?;
    store(config)?.check_file().map_err(Error::Auth)
}

fn store(config: &config::Auth) -> Result<Store, Error> {
    let min_refresh = config.min_refresh.get();
    let fetched = |source| Store::fetched(source, min_refresh, config.cached_tokens);
    match (&config.jwks_file, &config.jwks_url, &config.secret) {
        (Some(path), None, None) => Ok(fetched(Source::File(path.clone()))),
        (None, Some(url), None) => {
            let tls = match url.is_https() {
                true => Some(ClientTls::for_https(config.jwks_ca.as_ref())?),
                false => None,
            };
            Ok(fetched(Source::Url(url.clone(), tls)))
        }
        (None, None, Some(secret)) if secret.expose().len() < MIN_SECRET => Err(Error::Auth(
            format!("`server.auth.secret` is shorter than {MIN_SECRET} bytes"),
        )),
        (None, None, Some(secret)) => Ok(Store::fixed(
            Keys::secret(secret.expose().as_bytes()),
            config.cached_tokens,
        )),
        _ => Err(Error::Auth(
            "`server.auth` needs exactly one of `jwks_file`, `jwks_url` and `secret`".to_owned(),
        )),
    }
}

/// A pattern that fits nothing is a name with a mistake in it, and a method without protection.
fn check_patterns(config: &config::Auth, methods: &Methods) -> Result<(), Error> {
    let rules = config.rules.iter().flat_map(|rule| &rule.methods);
    for pattern in rules.chain(&config.public) {
        if !methods.any(&|path| pattern.matches(path)) {
            return Err(Error::Auth(format!(
                "`server.auth` names `{pattern}`, which no service here has"
            )));
        }
    }
    Ok(())
}

fn outcome(error: &ErrorKind) -> Outcome {
    match error {
        ErrorKind::InvalidSignature => Outcome::signature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm => Outcome::algorithm,
        ErrorKind::ExpiredSignature => Outcome::expired,
        ErrorKind::ImmatureSignature => Outcome::not_yet_valid,
        ErrorKind::InvalidIssuer => Outcome::issuer,
        ErrorKind::InvalidAudience => Outcome::audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => Outcome::claims,
        _ => Outcome::malformed,
    }
}
