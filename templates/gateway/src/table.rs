//! What the gateway answers: all methods, and how they are called over HTTP.
//!
//! Pure: descriptors and settings in, a table out. A new one is made when descriptors change; what is
//! being answered goes on with the old one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use http::Uri;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use crate::matcher::Matcher;
use crate::rule::{self, Binding, Body, Template};
use crate::settings::Upstream;
use crate::transcode;

/// All that can be called.
#[derive(Debug)]
pub(crate) struct Table {
    /// By path: `/user.v1.UserService/GetUser`.
    methods: HashMap<String, Arc<Method>>,
    pub(crate) matcher: Matcher<Arc<Bound>>,
    pub(crate) pool: DescriptorPool,
    /// In the order of the descriptors.
    bindings: Vec<Arc<Bound>>,
    openapi: OnceLock<String>,
}

/// A method of a service behind the gateway.
#[derive(Debug)]
pub(crate) struct Method {
    /// `/user.v1.UserService/GetUser`
    pub(crate) uri: Uri,
    pub(crate) descriptor: MethodDescriptor,
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
    pub(crate) streams_requests: bool,
    pub(crate) streams_responses: bool,
    /// Which of the upstreams has it.
    pub(crate) upstream: usize,
}

/// One way to call a method over HTTP.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) method: Arc<Method>,
    pub(crate) binding: Binding,
    /// Whether the body of a request is taken as it comes, and that of a response is as the service has
    /// it: a `google.api.HttpBody`.
    pub(crate) takes_raw: bool,
    pub(crate) answers_raw: bool,
    /// 0 for the first way, and so on.
    pub(crate) additional: usize,
}

impl Table {
    /// The table of what `pool` describes of the services of `upstreams`.
    ///
    /// # Errors
    /// When a name fits no service, or a rule is wrong. Two rules for one path are an error as well:
    /// it would depend on their order which one holds.
    pub(crate) fn new(pool: DescriptorPool, upstreams: &[Upstream]) -> Result<Self, String> {
        let mut table = Self {
            methods: HashMap::new(),
            matcher: Matcher::default(),
            pool,
            bindings: Vec::new(),
            openapi: OnceLock::new(),
        };
        for name in upstreams.iter().flat_map(|upstream| &upstream.names) {
            if !table.pool.services().any(|it| fits(name, &it)) {
                return Err(format!("`{name}` is not described"));
            }
        }
        for service in table.pool.clone().services() {
            let has = |upstream: &Upstream| upstream.names.iter().any(|name| fits(name, &service));
            let Some(upstream) = upstreams.iter().position(has) else {
                continue;
            };
            for method in service.methods() {
                table.add(&method, upstream).map_err(|problem| {
                    format!("the rule of `{}`: {problem}", method.full_name())
                })?;
            }
        }
        Ok(table)
    }

    fn add(&mut self, descriptor: &MethodDescriptor, upstream: usize) -> Result<(), String> {
        let service = descriptor.parent_service().full_name().to_owned();
        let path = format!("/{service}/{}", descriptor.name());
        let method = Arc::new(Method {
            uri: path.parse().map_err(|_| format!("`{path}` is no path"))?,
            descriptor: descriptor.clone(),
            input: descriptor.input(),
            output: descriptor.output(),
            streams_requests: descriptor.is_client_streaming(),
            streams_responses: descriptor.is_server_streaming(),
            upstream,
        });
        let mut bindings = rule::bindings(descriptor)?;
        if bindings.is_empty() {
            bindings.push(Binding {
                verb: "POST".to_owned(),
                template: Template::parse(&path).map_err(|error| error.to_string())?,
                body: Body::All,
                response_body: None,
            });
        }
        for (additional, binding) in bindings.into_iter().enumerate() {
            let response_body = binding.response_body.as_deref();
            let bound = Arc::new(Bound {
                method: Arc::clone(&method),
                takes_raw: match &binding.body {
                    Body::None => false,
                    Body::All => transcode::is_raw(&method.input, None),
                    Body::Field(field) => transcode::is_raw(&method.input, Some(field)),
                },
                answers_raw: transcode::is_raw(&method.output, response_body),
                binding,
                additional,
            });
            let Binding { verb, template, .. } = &bound.binding;
            self.matcher
                .add(verb, template, Arc::clone(&bound))
                .map_err(|other| {
                    let other = other.method.uri.path().trim_start_matches('/');
                    format!("`{verb} {template}` leads to `{other}` already")
                })?;
            self.bindings.push(bound);
        }
        self.methods.insert(path, method);
        Ok(())
    }

    /// The method at `path`.
    pub(crate) fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    /// All ways to call a method over HTTP.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Bound> {
        self.bindings.iter().map(|bound| &**bound)
    }

    /// The OpenAPI document, which `make` makes when somebody asks for the first time.
    pub(crate) fn openapi(&self, make: impl FnOnce() -> String) -> &str {
        self.openapi.get_or_init(make)
    }

    /// The paths of all methods.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }
}

/// Whether `name`, or `package.*`, is that of `service`.
fn fits(name: &str, service: &ServiceDescriptor) -> bool {
    match name.strip_suffix(".*") {
        Some(package) => service.parent_file().package_name() == package,
        None => service.full_name() == name,
    }
}
