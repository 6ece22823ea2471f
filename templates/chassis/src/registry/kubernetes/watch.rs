//! Following the endpoints of a service: a list, then its changes from the list's version on.
//!
//! API servers end watches as a matter of course: they are resumed from the last version. When that
//! is too old (410 Gone), everything is listed anew. Nothing is published because of an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use http::header::AUTHORIZATION;
use tokio::time::Instant;

use super::api::SliceList;
use super::view::{End, Problem, View};
use crate::Error;
use crate::backoff::Backoff;
use crate::client::KubernetesService;
use crate::config::{Kubernetes, RegistryUrl, Secret};
use crate::registry::http::{Call, Client, Error as HttpError, Lines};
use crate::registry::watch::{Instances, Publisher};
use crate::tls::{ClientTls, Protocol, RegistryKeys};

const MIN_BACKOFF: Duration = Duration::from_millis(200);

/// As client-go's reflector, whose delays go from 800 ms up to this.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A watch that lasted as long was a good one: the next failure is a first one.
const STABLE: Duration = Duration::from_secs(1);

/// The longest wait for an answer, and for the head of a watch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a watch may last; client-go asks for 5 to 10 minutes.
const WATCH: Duration = Duration::from_secs(5 * 60);

/// A watch that does not end by itself after [`WATCH`] and this is broken.
const GRACE: Duration = Duration::from_secs(30);

/// Where a pod finds the namespace that it is in.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

const TLS_KEYS: RegistryKeys = RegistryKeys {
    address: "registry.kubernetes.api_server",
    ca: "registry.kubernetes.tls.ca",
    cert: "registry.kubernetes.tls.cert",
    key: "registry.kubernetes.tls.key",
};

/// Follows the ready endpoints of `service`.
///
/// # Errors
/// When the configuration does not say where the API server is, and when the files for TLS cannot be
/// used.
pub(crate) fn watch(service: KubernetesService, config: &Kubernetes) -> Result<Instances, Error> {
    let server = config.server()?.clone();
    let tls = server
        .is_https()
        .then(|| ClientTls::for_registry(&config.tls, &TLS_KEYS, Protocol::Http1));
    let source = Source {
        server,
        tls: tls.transpose()?,
        token_file: config.token_file.clone(),
        namespace: service
            .namespace
            .clone()
            .or(config.namespace.clone())
            .unwrap_or_else(own_namespace),
        name: service.name.clone(),
        port: service.port.clone(),
    };
    let name = service.to_string();
    Ok(Instances::follow(&name, move |publisher| {
        follow(source, publisher)
    }))
}

/// What is followed.
#[derive(Debug)]
struct Source {
    server: RegistryUrl,
    tls: Option<ClientTls>,
    token_file: Option<PathBuf>,
    namespace: String,
    name: String,
    port: String,
}

/// Never returns.
async fn follow(source: Source, publisher: Publisher) {
    let mut known: Option<View> = None;
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut failing = false;
    let service = source.name.as_str();
    loop {
        let end = match open(&source, &mut known, &publisher).await {
            Ok((view, lines)) => {
                if failing {
                    tracing::info!(service, registry = %source.server, "the registry answers again");
                }
                failing = false;
                let begin = Instant::now();
                let end = changes(view, lines, &source.port, &publisher).await;
                if begin.elapsed() >= STABLE {
                    backoff.reset();
                }
                end
            }
            Err(end) => end,
        };
        match end {
            End::Usual => {}
            End::Gone => {
                tracing::info!(
                    service,
                    "the version is too old, listing the endpoints anew"
                );
                known = None;
            }
            End::Failed(problem) => {
                if !failing {
                    tracing::warn!(service, error = %problem, registry = %source.server, "the registry cannot be reached, the last instances stay");
                }
                failing = true;
                // What cannot be read would be sent again from this version on.
                if matches!(problem, Problem::Http(HttpError::Body(_))) {
                    known = None;
                }
            }
        }
        tokio::time::sleep(backoff.delay()).await;
    }
}

/// Lists what is not known, and opens a watch behind it.
async fn open<'v>(
    source: &Source,
    known: &'v mut Option<View>,
    publisher: &Publisher,
) -> Result<(&'v mut View, Lines), End> {
    let view = match known {
        Some(view) => view,
        None => {
            let view = known.insert(source.list().await?);
            view.publish(publisher).await;
            view
        }
    };
    let lines = source.watch(&view.version).await?;
    Ok((view, lines))
}

/// Takes changes as they come until the watch ends.
async fn changes(view: &mut View, mut lines: Lines, port: &str, publisher: &Publisher) -> End {
    let limit = Instant::now() + WATCH + GRACE;
    loop {
        let line = match tokio::time::timeout_at(limit, lines.next()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return End::Usual,
            Ok(Err(error)) => return error.into(),
            Err(_) => return HttpError::Timeout(WATCH + GRACE).into(),
        };
        let event = serde_json::from_slice(&line).map_err(HttpError::Body);
        let changed = event
            .map_err(End::from)
            .and_then(|event| view.apply(event, port));
        match changed {
            Ok(true) => view.publish(publisher).await,
            Ok(false) => {}
            Err(end) => return end,
        }
    }
}

fn get(path: &str) -> Call<'_> {
    Call {
        method: Method::GET,
        path,
        body: Vec::new(),
        timeout: TIMEOUT,
    }
}

impl Source {
    async fn list(&self) -> Result<View, End> {
        let path = self.path("");
        let answer = self.client()?.call(get(&path)).await?;
        let list: SliceList = serde_json::from_slice(&answer.body).map_err(HttpError::Body)?;
        Ok(View::new(list, &self.port))
    }

    async fn watch(&self, version: &str) -> Result<Lines, End> {
        let limit = WATCH.as_secs();
        let path = self.path(&format!(
            "&watch=true&allowWatchBookmarks=true&timeoutSeconds={limit}&resourceVersion={version}"
        ));
        Ok(self.client()?.lines(get(&path)).await?)
    }

    /// The path of the service's slices.
    fn path(&self, more: &str) -> String {
        let Self {
            namespace, name, ..
        } = self;
        format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{name}{more}"
        )
    }

    fn client(&self) -> Result<Client, End> {
        let token = match &self.token_file {
            Some(path) => Some((AUTHORIZATION, bearer(path)?)),
            None => None,
        };
        Ok(Client {
            address: self.server.clone(),
            tls: self.tls.clone(),
            token,
        })
    }
}

/// The file is small and in memory: it does not hold up the runtime.
fn bearer(path: &Path) -> Result<Secret, End> {
    match std::fs::read_to_string(path) {
        Ok(token) => Ok(Secret::new(format!("Bearer {}", token.trim()))),
        Err(error) => Err(End::Failed(Problem::Token(path.to_owned(), error))),
    }
}

fn own_namespace() -> String {
    let text = std::fs::read_to_string(NAMESPACE_FILE).unwrap_or_default();
    match text.trim() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    }
}
