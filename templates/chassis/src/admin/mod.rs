//! The HTTP server for machines that look after the service: orchestrators and Prometheus.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | 200 while the process works: restart it when it does not |
//! | `/readyz` | 200 when it should get calls, else 503; JSON with the state of each dependency |
//! | `/metrics` | metrics, in the OpenMetrics format for those who accept it, else in Prometheus' own |
//! | `/log/level` | what is logged; `PUT` changes it, with `?for=5m` for a while |
//! | `/configz` | the settings that are in force and where each came from, without secrets; JSON |
//! | others | what [`Services::page`](crate::Services::page) has added |

mod level;
mod pages;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::readiness::Readiness;
use crate::task;

pub(crate) use pages::Page;

/// The longest wait for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after the system refused to accept a connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// A running admin server. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    task: JoinHandle<()>,
}

impl Admin {
    pub(crate) fn start(listener: TcpListener, readiness: Readiness, pages: Vec<Page>) -> Self {
        let pages = pages.into();
        Self {
            task: task::spawn(serve(listener, Site { readiness, pages })),
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is shown.
#[derive(Debug, Clone)]
struct Site {
    readiness: Readiness,
    pages: Arc<[Page]>,
}

async fn serve(listener: TcpListener, site: Site) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(task::boxed(serve_connection(stream, site.clone())));
                }
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, site: Site) {
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { routes::answer(request, &site).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "admin connection ended");
    }
}
