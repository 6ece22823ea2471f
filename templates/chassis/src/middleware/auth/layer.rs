//! The layer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::task::AbortHandle;
use tower::{Layer, Service, ServiceExt};

use super::outcome::{Outcome, count, refuse};
use super::verify::{self, Verifier};
use crate::config::{self, Follow, Section};
use crate::middleware::refuse::Refusable;
use crate::server::Methods;
use crate::{Error, task};

/// The wait before keys that could not be loaded are looked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// The layer that the configuration asks for, and for what it asks later.
///
/// # Errors
/// When settings do not fit each other, name methods that are not there, or name a file that
/// cannot be used.
pub(crate) async fn layer(config: &config::Auth, methods: &Methods) -> Result<AuthLayer, Error> {
    verify::check(config, methods)?;
    let methods = methods.clone();
    let settings = Follow::renewing(&[Section::Auth], config.clone(), move |_, config| {
        let config = &config.server.auth;
        verify::check(config, &methods).map_err(|error| error.to_string())?;
        Ok(config.clone())
    });
    AuthLayer::following(settings).await
}

/// Wraps a server so that only those call who may; where everybody may, in nothing.
#[derive(Debug, Clone)]
pub(crate) struct AuthLayer {
    shared: Arc<Shared>,
}

/// What decides now, and what follows the settings until this is dropped.
#[derive(Debug)]
struct Shared {
    verifier: Arc<ArcSwapOption<Verifier>>,
    task: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AuthLayer {
    /// # Errors
    /// As those of [`layer`].
    pub(super) async fn following(settings: Follow<config::Auth>) -> Result<Self, Error> {
        let config = settings.load().clone();
        let first = match config.enabled {
            true => Some(Arc::new(Verifier::new(&config).await?)),
            false => None,
        };
        let verifier = Arc::new(ArcSwapOption::new(first));
        let task = task::spawn(follow(settings, Arc::clone(&verifier))).abort_handle();
        let shared = Arc::new(Shared { verifier, task });
        Ok(Self { shared })
    }
}

/// Puts changed settings in force once they can be: keys that come from elsewhere are there first,
/// and until then the last settings stay. To ask for tokens at all is in force at once: until the keys
/// are there, nobody has a good one.
async fn follow(settings: Follow<config::Auth>, verifier: Arc<ArcSwapOption<Verifier>>) {
    loop {
        settings.changed().await;
        loop {
            let config = settings.load().clone();
            let before = verifier.load_full();
            let made = match &before {
                _ if !config.enabled => Ok(None),
                Some(before) => before.renewed(&config).await.map(Some),
                None => Verifier::without_keys(&config).map(Some),
            };
            match made {
                Ok(made) => {
                    if made.is_none() && before.is_some() {
                        tracing::warn!("nobody needs a token any more (server.auth.enabled)");
                    }
                    let made = made.map(Arc::new);
                    verifier.store(made.clone());
                    if let (Some(made), None) = (made, before) {
                        made.look_for_keys().await;
                    }
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "the last settings of `server.auth` stay for now");
                    // Or as soon as they change once more.
                    let _ = tokio::time::timeout(AGAIN, settings.changed()).await;
                }
            }
        }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, Q, B> Service<Request<Q>> for Auth<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Default,
    Q: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = AuthFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let verifier = self.shared.verifier.load();
        let Some(verifier) = &*verifier else {
            return AuthFuture::now(Refusable::call(self.inner.call(request)));
        };
        if verifier.is_public(request.uri().path()) {
            count(Outcome::public);
            return AuthFuture::now(Refusable::call(self.inner.call(request)));
        }
        match admit(verifier, &mut request) {
            Ok(()) => AuthFuture::now(Refusable::call(self.inner.call(request))),
            Err(outcome) if verifier.can_refresh(outcome) => {
                let (verifier, inner) = (Arc::clone(verifier), self.inner.clone());
                AuthFuture::later(async move {
                    verifier.refresh().await;
                    match admit(&verifier, &mut request) {
                        Ok(()) => Refusable::call(inner.oneshot(request)).await,
                        Err(outcome) => Ok(refuse(outcome).into_http()),
                    }
                })
            }
            Err(outcome) => AuthFuture::now(Refusable::refused(refuse(outcome))),
        }
    }
}

/// Puts what the token says into `request`, if it is good and allows the call.
fn admit<Q>(verifier: &Verifier, request: &mut Request<Q>) -> Result<(), Outcome> {
    let token = verifier.token(request.headers())?;
    let claims = verifier.verify(token)?;
    if !verifier.allows(&claims, request.uri().path()) {
        return Err(Outcome::denied);
    }
    count(Outcome::ok);
    request.extensions_mut().insert(claims);
    Ok(())
}

type Later<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

pin_project! {
    /// The future of a call that is let through or refused, at once or when keys have been looked
    /// for.
    pub(crate) struct AuthFuture<F, B> {
        #[pin]
        now: Refusable<F>,
        later: Option<Later<B>>,
    }
}

impl<F, B> AuthFuture<F, B> {
    fn now(now: Refusable<F>) -> Self {
        Self { now, later: None }
    }

    fn later(
        later: impl Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    ) -> Self {
        Self {
            now: Refusable::never(),
            later: Some(Box::pin(later)),
        }
    }
}

impl<F, B> Future for AuthFuture<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.later {
            Some(later) => later.as_mut().poll(cx),
            None => this.now.poll(cx),
        }
    }
}
