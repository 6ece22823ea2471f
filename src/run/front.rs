//! A call to begin with through a gateway of a workspace.
//!
//! Which one is read from the gateway's configuration and the rules of the protos, so that it is a call
//! that the gateway knows.

use std::fs;
use std::net::SocketAddr;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use toml_edit::{DocumentMut, Item};

use crate::bench::template::example;
use crate::client::descriptors::WORKSPACE_FILE;
use crate::client::methods;
use crate::project::Project;

/// The longest body that is shown, in characters; a longer one has no fields.
const LONGEST_BODY: usize = 80;

/// The command for a call through the gateway `name`, which listens there; nothing where that is none.
pub fn example_call(project: &Project, name: &str, address: SocketAddr) -> Option<String> {
    let folder = project.service_folder(name).join("config");
    let files = ["default.toml", "dev.toml"].map(|file| fs::read_to_string(folder.join(file)));
    let texts = files.into_iter().map_while(Result::ok);
    let configuration: Vec<DocumentMut> = texts.filter_map(|it| it.parse().ok()).collect();
    let services = strings_of(last(&configuration, &["app", "gateway", "services"])?);
    let path = project.root.join(WORKSPACE_FILE);
    let pool = DescriptorPool::decode(fs::read(path).ok()?.as_slice()).ok()?;
    let has_auth = last(&configuration, &["server", "auth", "enabled"])
        .and_then(Item::as_bool)
        .unwrap_or_default();
    let public = last(&configuration, &["server", "auth", "public"]).map(names);
    let is_open = |method: &MethodDescriptor| {
        let name = methods::full_name(method);
        !has_auth || public.iter().flatten().any(|it| matches(it, &name))
    };
    let methods = pool.services().filter(|service| {
        let name = service.full_name();
        let package = service.package_name();
        services.iter().any(|it| fits(it, name, package))
    });
    let methods = methods.flat_map(|service| service.methods().collect::<Vec<_>>());
    let calls = methods
        .filter(|it| !it.is_client_streaming() && !it.is_server_streaming() && is_open(it))
        .filter_map(|it| call(&pool, &it));
    let call = calls.min_by_key(|call| call.effort)?;
    let has_tls = last(&configuration, &["server", "tls", "enabled"]).and_then(Item::as_bool);
    let scheme = match has_tls {
        Some(true) => Scheme::Https,
        _ => Scheme::Http,
    };
    Some(call.command(scheme, address))
}

/// The names in `[[app.gateway.services]]`.
fn strings_of(services: &Item) -> Vec<String> {
    let tables = services.as_array_of_tables();
    let tables = tables.into_iter().flatten();
    tables
        .filter_map(|it| it.get("names"))
        .flat_map(names)
        .collect()
}

fn names(list: &Item) -> Vec<String> {
    let values = list.as_array().into_iter().flatten();
    let texts = values.filter_map(|it| it.as_str());
    texts.map(str::to_owned).collect()
}

/// What the last of some files that has a key says.
fn last<'a>(files: &'a [DocumentMut], key: &[&str]) -> Option<&'a Item> {
    let mut found = files.iter().rev().filter_map(|file| {
        let mut keys = key.iter();
        keys.try_fold(file.as_item(), |item, key| item.get(key))
    });
    found.next()
}

/// Whether `wanted`, or `package.*`, is that of a service: as the gateway takes it.
fn fits(wanted: &str, service: &str, package: &str) -> bool {
    match wanted.strip_suffix(".*") {
        Some(wanted) => package == wanted,
        None => service == wanted,
    }
}

/// Whether a method's name is meant by another, which may end with `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// How a gateway is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    /// With a certificate that curl need not know.
    Https,
}

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    /// How much has to be known for it to be more than a try.
    effort: u8,
    verb: &'static str,
    path: String,
    body: Option<String>,
}

impl Call {
    fn command(&self, scheme: Scheme, address: SocketAddr) -> String {
        let (option, scheme) = match scheme {
            Scheme::Http => ("", "http"),
            Scheme::Https => ("-k ", "https"),
        };
        let verb = match (self.verb, &self.body) {
            ("GET", None) | ("POST", Some(_)) => String::new(),
            (verb, _) => format!("-X {verb} "),
        };
        let body = self.body.as_ref().map(|body| format!("-d '{body}' "));
        let body = body.unwrap_or_default();
        format!("curl {option}{verb}{body}{scheme}://{address}{}", self.path)
    }
}

/// How a method is called; `None` where its rule asks for more than an example can give.
fn call(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<Call> {
    let lists = method.name().starts_with("List");
    let body = || match example(&method.input()) {
        body if lists || body.len() > LONGEST_BODY => "{}".to_owned(),
        body => body,
    };
    let Some(rule) = rule(pool, method) else {
        return Some(Call {
            effort: if lists { 1 } else { 4 },
            verb: "POST",
            path: format!("/{}", methods::full_name(method)),
            body: Some(body()),
        });
    };
    let text = |field: &str| match rule.get_field_by_name(field)?.into_owned() {
        Value::String(text) => Some(text).filter(|it| !it.is_empty()),
        _ => None,
    };
    let verbs = [
        ("GET", "get"),
        ("POST", "post"),
        ("PUT", "put"),
        ("PATCH", "patch"),
        ("DELETE", "delete"),
    ];
    let (verb, template) = verbs
        .into_iter()
        .find_map(|(verb, field)| Some((verb, text(field)?)))?;
    let path = filled(&template);
    let body = match text("body").as_deref() {
        None => None,
        Some("*") => Some(body()),
        Some(_) => return None,
    };
    Some(Call {
        effort: match (verb, path == template) {
            ("GET", true) => 0,
            ("GET", false) => 2,
            ("POST", _) => 3,
            _ => 5,
        },
        verb,
        path,
        body,
    })
}

/// The `google.api.http` rule of a method.
fn rule(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name("google.api.http")?;
    let options = method.options();
    match options.has_extension(&extension) {
        true => options.get_extension(&extension).as_message().cloned(),
        false => None,
    }
}

/// A path with `1` for each of its variables: `/v1/users/{id}` as `/v1/users/1`.
fn filled(template: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (variable, after) = after.split_once('}').unwrap_or((after, ""));
        let segments = variable.split_once('=').map_or("*", |(_, it)| it);
        path.push_str(before);
        path.push_str(segments);
        rest = after;
    }
    path.push_str(rest);
    let segments = path.split('/').map(|segment| {
        let (name, verb) = segment.split_at(segment.find(':').unwrap_or(segment.len()));
        match name {
            "*" | "**" => format!("1{verb}"),
            _ => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_path_are_filled() {
        for (template, path) in [
            ("/v1/users", "/v1/users"),
            ("/v1/users/{id}", "/v1/users/1"),
            (
                "/v1/{name=shelves/*/books/**}:read",
                "/v1/shelves/1/books/1:read",
            ),
            ("/v1/{a.b}/c/{d=e/*}/f", "/v1/1/c/e/1/f"),
            ("/v1/*/a", "/v1/1/a"),
        ] {
            assert_eq!(filled(template), path);
        }
    }

    #[test]
    fn a_call_is_one_line_for_a_shell() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let call_over = |scheme, verb, body: Option<&str>| {
            let call = Call {
                effort: 0,
                verb,
                path: "/v1/a".to_owned(),
                body: body.map(str::to_owned),
            };
            call.command(scheme, address)
        };
        let call = |verb, body| call_over(Scheme::Http, verb, body);
        assert_eq!(call("GET", None), "curl http://127.0.0.1:8080/v1/a");
        assert_eq!(
            call("POST", Some("{}")),
            "curl -d '{}' http://127.0.0.1:8080/v1/a"
        );
        assert_eq!(
            call("PUT", Some("{}")),
            "curl -X PUT -d '{}' http://127.0.0.1:8080/v1/a"
        );
        assert_eq!(
            call("DELETE", None),
            "curl -X DELETE http://127.0.0.1:8080/v1/a"
        );
        assert_eq!(
            call_over(Scheme::Https, "PUT", Some("{}")),
            "curl -k -X PUT -d '{}' https://127.0.0.1:8080/v1/a"
        );
    }

    #[test]
    fn a_package_is_that_of_a_service_and_not_of_those_below() {
        for (wanted, service, package, is_meant) in [
            ("shop.v1.*", "shop.v1.Orders", "shop.v1", true),
            ("shop.*", "shop.v1.Orders", "shop.v1", false),
            ("shop.v1.Orders", "shop.v1.Orders", "shop.v1", true),
            ("shop.v1.Or*", "shop.v1.Orders", "shop.v1", false),
            ("*", "shop.v1.Orders", "shop.v1", false),
        ] {
            assert_eq!(fits(wanted, service, package), is_meant, "{wanted}");
        }
        assert!(matches("shop.*", "shop.v1.Orders/Get"));
        assert!(!matches("shop.v1.Orders/Get", "shop.v1.Orders/GetAll"));
    }
}
