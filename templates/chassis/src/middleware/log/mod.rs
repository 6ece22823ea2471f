//! A log line for each call: method, peer, code and latency; the trace id comes with the span.
//!
//! Calls are logged at `info`, or at `warn` when the server failed; health checks and reflection
//! at `debug`. The target is [`TARGET`], so `log.level = "info,rpc=off"` silences them alone.

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use http::uri::PathAndQuery;
use tonic::Code;
use tonic::transport::server::TcpConnectInfo;
use tracing::Level;

use super::call;
use super::observe::{Watch, Watcher};
use super::trace::Scope;
use crate::telemetry::log::calls::{self, CallLine, Ids, TARGET};

/// Has a server's calls logged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    pub(crate) enabled: bool,
}

impl Watch for Log {
    type Watcher = Line;

    fn begin<Q>(&self, request: &Request<Q>) -> Option<Line> {
        self.enabled.then(|| Line::begin(request))
    }
}

/// The line of a call, written when it ends.
#[derive(Debug)]
pub(crate) struct Line {
    path: Option<PathAndQuery>,
    peer: Option<SocketAddr>,
    place: Place,
}

/// Where a call is. One that is dropped ends outside of it.
#[derive(Debug)]
enum Place {
    /// For the chassis' own log.
    Ids(Option<Ids>),
    /// For subscribers of which nobody knows what they look at.
    Scope(Scope),
}

impl Line {
    fn begin<Q>(request: &Request<Q>) -> Self {
        let peer = request.extensions().get::<TcpConnectInfo>();
        Self {
            path: request.uri().path_and_query().cloned(),
            peer: peer.and_then(TcpConnectInfo::remote_addr),
            place: match calls::are_written() {
                true => Place::Ids(Ids::current()),
                false => Place::Scope(Scope::current()),
            },
        }
    }
}

impl Watcher for Line {
    fn end(self, code: Code, took: Duration) {
        let path = self.path.as_ref().map_or("/", PathAndQuery::path);
        let level = match code {
            _ if call::is_infrastructure(path) => Level::DEBUG,
            code if call::is_server_fault(code) => Level::WARN,
            _ => Level::INFO,
        };
        let mut line = CallLine {
            level,
            method: path.trim_start_matches('/'),
            peer: self.peer,
            code: call::name(code),
            latency: took,
            ids: None,
        };
        match self.place {
            Place::Ids(ids) => {
                line.ids = ids;
                calls::write(&line);
            }
            Place::Scope(scope) => {
                let _entered = scope.enter();
                emit(&line);
            }
        }
    }
}

/// The line as an event.
pub(crate) fn emit(line: &CallLine<'_>) {
    let CallLine {
        method,
        code,
        latency,
        ..
    } = line;
    let peer = line.peer.map(tracing::field::display);
    macro_rules! event {
        ($level:ident) => {
            tracing::event!(target: TARGET, Level::$level, peer, code, ?latency, "{method}")
        };
    }
    match line.level {
        Level::DEBUG => event!(DEBUG),
        Level::WARN => event!(WARN),
        _ => event!(INFO),
    }
}

#[cfg(test)]
mod tests;
