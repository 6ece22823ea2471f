//! `google.api.http` rules: how a method is called over HTTP.
//!
//! Pure: descriptors in, bindings out. What a rule means is written in the comments of
//! `google/api/http.proto`.

mod template;

use prost::Message;
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};

pub(crate) use template::{Segment, Template};

/// The options of a method, as far as they matter here. The extension has its own number, so it is
/// found whether or not the descriptors of `google.api` are there.
#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(message, optional, tag = "72295728")]
    http: Option<HttpRule>,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, Message)]
struct HttpRule {
    #[prost(string, tag = "2")]
    get: String,
    #[prost(string, tag = "3")]
    put: String,
    #[prost(string, tag = "4")]
    post: String,
    #[prost(string, tag = "5")]
    delete: String,
    #[prost(string, tag = "6")]
    patch: String,
    #[prost(string, tag = "7")]
    body: String,
    #[prost(message, optional, tag = "8")]
    custom: Option<CustomPattern>,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<HttpRule>,
    #[prost(string, tag = "12")]
    response_body: String,
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, Message)]
struct CustomPattern {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    path: String,
}

/// One way in which a method is called over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// `GET`; `*` is any.
    pub(crate) verb: String,
    pub(crate) template: Template,
    pub(crate) body: Body,
    /// The field of the response that is answered with, instead of all of it.
    pub(crate) response_body: Option<String>,
}

/// What the body of a request becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing: all other fields are in the query.
    None,
    /// `*`: all fields that are not in the path.
    All,
    /// This field; the others are in the query.
    Field(String),
}

/// The bindings of `method`, as its rule says, or none when it has no rule.
///
/// # Errors
/// What is wrong with the rule.
pub(crate) fn bindings(method: &MethodDescriptor) -> Result<Vec<Binding>, String> {
    let options = method.options().encode_to_vec();
    let options = Options::decode(&*options).map_err(|error| error.to_string())?;
    let Some(rule) = options.http else {
        return Ok(Vec::new());
    };
    let mut bindings = vec![binding(&rule, method)?];
    for rule in &rule.additional_bindings {
        if !rule.additional_bindings.is_empty() {
            return Err("additional_bindings cannot have further ones".to_owned());
        }
        bindings.push(binding(rule, method)?);
    }
    Ok(bindings)
}

fn binding(rule: &HttpRule, method: &MethodDescriptor) -> Result<Binding, String> {
    let custom = rule.custom.clone().unwrap_or_default();
    let patterns = [
        ("GET", &rule.get),
        ("PUT", &rule.put),
        ("POST", &rule.post),
        ("DELETE", &rule.delete),
        ("PATCH", &rule.patch),
        (&*custom.kind, &custom.path),
    ];
    let mut patterns = patterns.iter().filter(|(_, path)| !path.is_empty());
    let Some((verb, path)) = patterns.next() else {
        return Err("the rule has no path".to_owned());
    };
    let template =
        Template::parse(path).map_err(|error| format!("the path `{path}` is wrong: {error}"))?;
    let input = method.input();
    for variable in &template.variables {
        check_variable(&input, &variable.field).map_err(|problem| {
            format!(
                "the variable `{}` of `{path}` {problem}",
                variable.field.join(".")
            )
        })?;
    }
    let body = match &*rule.body {
        "" => Body::None,
        "*" => Body::All,
        field if field_name(&input, field) => Body::Field(field.to_owned()),
        field => return Err(format!("`{}` has no field `{field}`", input.full_name())),
    };
    let output = method.output();
    let response_body = match &*rule.response_body {
        "" => None,
        field if field_name(&output, field) => Some(field.to_owned()),
        field => return Err(format!("`{}` has no field `{field}`", output.full_name())),
    };
    Ok(Binding {
        verb: (*verb).to_owned(),
        template,
        body,
        response_body,
    })
}

fn field_name(message: &MessageDescriptor, name: &str) -> bool {
    message.get_field_by_name(name).is_some()
}

/// A variable is one value: neither a list, nor a map, nor a message (apart from those that are a
/// text in JSON).
fn check_variable(input: &MessageDescriptor, path: &[String]) -> Result<(), String> {
    let mut message = input.clone();
    for (at, name) in path.iter().enumerate() {
        let Some(field) = message.get_field_by_name(name) else {
            return Err(format!("names no field of `{}`", message.full_name()));
        };
        if field.is_list() || field.is_map() {
            return Err("is a list or a map".to_owned());
        }
        match (field.kind(), at + 1 == path.len()) {
            (Kind::Message(inner), false) => message = inner,
            (_, false) => return Err(format!("goes on after `{name}`, which is no message")),
            (Kind::Message(inner), true) if !crate::transcode::is_text(&inner) => {
                return Err("is a message".to_owned());
            }
            (_, true) => {}
        }
    }
    Ok(())
}
