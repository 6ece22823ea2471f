//! The layer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service, ServiceExt};

use super::outcome::{Outcome, count, refuse};
use super::verify::Verifier;
use crate::Error;
use crate::config;
use crate::middleware::refuse::Refusable;
use crate::server::Methods;

/// The layer that the configuration asks for.
///
/// # Errors
/// When settings do not fit each other, name methods that are not there, or name a file that
/// cannot be used.
pub(crate) async fn layer(config: &config::Auth, methods: &Methods) -> Result<AuthLayer, Error> {
    let verifier = match config.enabled {
        true => Some(Arc::new(Verifier::new(config, methods).await?)),
        false => None,
    };
    Ok(AuthLayer { verifier })
}

/// Wraps a server so that only those call who may; with `None`, in nothing.
#[derive(Debug, Clone)]
pub(crate) struct AuthLayer {
    verifier: Option<Arc<Verifier>>,
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            verifier: self.verifier.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    verifier: Option<Arc<Verifier>>,
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
        let Some(verifier) = &self.verifier else {
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
