//! The settings of a gateway.

use std::path::PathBuf;

use chassis::config::{Duration, Size};
use serde::{Deserialize, Serialize};

/// `[app.gateway]`: what a gateway answers, and how.
///
/// Where it listens, its TLS, who may call, how often, and the deadlines of calls are those of every
/// server: `[server]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[[app.gateway.services]]`: the services behind it. Those that are not named are not there
    /// for its clients. Default: none.
    pub services: Vec<Upstream>,
    /// `[[app.gateway.routes]]`: paths that are passed on over HTTP/1 as they are. What protos say
    /// comes first, then the longest path. Default: none.
    pub routes: Vec<Route>,
    /// A file with a descriptor set, which is read instead of the one that is built in. Default:
    /// none.
    pub descriptors: Option<PathBuf>,
    /// How often that file is looked at, for what is new in it to be served. Default: `"1s"`;
    /// `"0s"` is never.
    pub reload: Duration,
    /// Whether fields that have their default value are in JSON too. Default: false, as in the
    /// canonical mapping of proto3.
    pub emit_defaults: bool,
    /// The largest body of a request that becomes one message. Default: `"4MiB"`.
    pub max_body: Size,
    /// The longest wait for the body of a request. Default: `"30s"`; `"0s"` is no limit.
    pub body_timeout: Duration,
    /// Which headers of requests become metadata; a `*` at the end stands for anything. Default:
    /// `authorization`, `accept-language`, `idempotency-key`.
    pub forward_headers: Vec<String>,
    /// Proxies in front of the gateway, by their addresses (`"10.0.0.7"`, `"10.0.0.0/8"`), which say in
    /// `x-forwarded-proto` over what a request came to them. What others say there is left out. Default:
    /// none.
    pub trusted_proxies: Vec<String>,
    /// `[app.gateway.cors]`: pages of browsers that may read the answers.
    pub cors: Cors,
    /// `[app.gateway.docs]`: what can be called, for people and for tools.
    pub docs: Docs,
    /// `[app.gateway.login]`: tokens for development.
    pub login: Login,
}

impl Default for Settings {
    fn default() -> Self {
        let headers = ["authorization", "accept-language", "idempotency-key"];
        Self {
            services: Vec::new(),
            routes: Vec::new(),
            descriptors: None,
            reload: Duration::from_secs(1),
            emit_defaults: false,
            max_body: Size::from_mib(4),
            body_timeout: Duration::from_secs(30),
            forward_headers: headers.map(str::to_owned).to_vec(),
            trusted_proxies: Vec::new(),
            cors: Cors::default(),
            docs: Docs::default(),
            login: Login::default(),
        }
    }
}

/// `[app.gateway.cors]`: pages of browsers that may read the answers (WHATWG Fetch, "CORS
/// protocol").
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Where they come from: `"https://app.example.com"`, or `"*"` for anywhere. Default: none,
    /// pages of other origins cannot read anything.
    pub origins: Vec<String>,
    /// Whether cookies and other credentials of the browser are sent along. Default: false. It
    /// needs origins that are named.
    pub credentials: bool,
    /// How long a browser remembers that it may. Default: `"10m"`.
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

/// `[app.gateway.docs]`: what can be called, for people and for tools.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Docs {
    /// Default: true.
    pub enabled: bool,
    /// The page for people. Default: `"/docs"`.
    pub path: String,
    /// The OpenAPI 3.1 document. Default: `"/openapi.json"`.
    pub openapi: String,
}

impl Default for Docs {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "/docs".to_owned(),
            openapi: "/openapi.json".to_owned(),
        }
    }
}

/// `[app.gateway.login]`: tokens for development, for whoever asks. They are signed with
/// `server.auth.secret`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// Default: false. But in the environments (`service.environment`) `dev`, `development`, `local`
    /// and `test` the gateway does not start with it.
    pub enabled: bool,
    /// Where `POST` gets one. Default: `"/login"`.
    pub path: String,
    /// How long tokens are valid. Default: `"1h"`.
    pub lifetime: Duration,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            enabled: false,
            path: "/login".to_owned(),
            lifetime: Duration::from_secs(3600),
        }
    }
}

/// One of `[[app.gateway.routes]]`: paths that are passed on over HTTP/1 as they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name in metrics and logs. Rules and limits know it as the method `http/<name>`. Letters,
    /// digits and underscores.
    pub name: String,
    /// What paths begin with: `"/files"` is `/files` and all below it.
    pub path: String,
    /// Where they go: as the targets of services.
    pub target: String,
    /// Whether `path` is left out of what is passed on. Default: false.
    #[serde(default)]
    pub strip: bool,
}

/// One of `[[app.gateway.services]]`: services that are found in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Where they are: `user-service`, `consul:///user-service`, `static:///127.0.0.1:50051`, … as
    /// for [`chassis::client::connect`].
    pub target: String,
    /// Their full names, `user.v1.UserService`; `user.v1.*` is all of a package.
    pub names: Vec<String>,
}
