//! The OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.0>) of a table.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::schema::Schemas;
use crate::rule::{Body, Segment, Template};
use crate::table::{Bound, Table};
use crate::transcode;

/// The methods of HTTP that a path can have in OpenAPI.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// How deep fields of fields are told as parameters of a query.
const DEPTH: usize = 3;

/// The document.
pub(super) fn document(table: &Table, title: &str, version: &str, tokens: bool) -> Value {
    let mut schemas = Schemas::new(Comments::new(&table.pool));
    let mut paths = Map::new();
    for bound in table.bindings() {
        let verb = bound.binding.verb.to_ascii_lowercase();
        if !METHODS.contains(&verb.as_str()) {
            continue;
        }
        let path = path(&bound.binding.template);
        let operation = operation(bound, &mut schemas);
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[verb] = operation;
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": version },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas.into_components() },
    });
    document["components"]["schemas"]["Error"] = error();
    if tokens {
        document["components"]["securitySchemes"] = json!({
            "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }
        });
        document["security"] = json!([{ "token": [] }]);
    }
    document
}

/// What errors look like (AIP-193).
fn error() -> Value {
    json!({
        "type": "object",
        "properties": { "error": { "type": "object", "properties": {
            "code": { "type": "integer", "description": "The HTTP status" },
            "status": { "type": "string", "description": "The name of the code of google.rpc.Code" },
            "message": { "type": "string" },
            "details": { "type": "array", "items": { "type": "object" } },
        } } },
    })
}

/// A template as OpenAPI writes it: it has no variables of several segments, so those stand as one.
fn path(template: &Template) -> String {
    let mut path = String::new();
    let mut at = 0;
    while at < template.segments.len() {
        path.push('/');
        match template.variables.iter().find(|it| it.segments.start == at) {
            Some(variable) => {
                path.push_str(&format!("{{{}}}", variable.field.join(".")));
                at = variable.segments.end.min(template.segments.len());
            }
            None => {
                path.push_str(&template.segments[at].to_string());
                at += 1;
            }
        }
    }
    if let Some(verb) = &template.verb {
        path.push(':');
        path.push_str(verb);
    }
    path
}

fn operation(bound: &Bound, schemas: &mut Schemas) -> Value {
    let descriptor = &bound.method.descriptor;
    let service = descriptor.parent_service();
    let mut operation = json!({
        "operationId": format!("{}_{}", service.name(), descriptor.name()),
        "tags": [service.full_name()],
        "parameters": parameters(bound, schemas),
        "responses": {
            "200": { "description": "OK", "content": answer(bound, schemas) },
            "default": { "description": "An error", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Error" } },
            } },
        },
    });
    if bound.additional > 0 {
        let id = format!(
            "{}_{}_{}",
            service.name(),
            descriptor.name(),
            bound.additional + 1
        );
        operation["operationId"] = id.into();
    }
    let comment = schemas
        .comments()
        .of(descriptor.parent_file(), descriptor.path());
    if let Some(comment) = comment {
        operation["summary"] = comment.lines().next().unwrap_or_default().into();
        operation["description"] = comment.into();
    }
    let deprecated = descriptor.method_descriptor_proto().options.as_ref();
    if deprecated.is_some_and(|options| options.deprecated()) {
        operation["deprecated"] = true.into();
    }
    let input = &bound.method.input;
    let body = match &bound.binding.body {
        Body::None => None,
        Body::All => Some(schemas.message(input)),
        Body::Field(name) => input.get_field_by_name(name).map(|it| schemas.field(&it)),
    };
    if bound.takes_raw {
        operation["requestBody"] = json!({ "content": raw() });
    } else if let Some(schema) = body {
        let content_type = match bound.method.streams_requests {
            true => "application/x-ndjson",
            false => "application/json",
        };
        operation["requestBody"] = json!({ "content": { content_type: { "schema": schema } } });
    }
    operation
}

/// Bytes of any type.
fn raw() -> Value {
    json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } })
}

fn answer(bound: &Bound, schemas: &mut Schemas) -> Value {
    if bound.answers_raw {
        return raw();
    }
    let output = &bound.method.output;
    let only = bound.binding.response_body.as_ref();
    let schema = match only.and_then(|name| output.get_field_by_name(name)) {
        Some(field) => schemas.field(&field),
        None => schemas.message(output),
    };
    match bound.method.streams_responses {
        false => json!({ "application/json": { "schema": schema } }),
        true => json!({
            "application/x-ndjson": { "schema": { "type": "object", "properties": {
                "result": schema,
                "error": { "$ref": "#/components/schemas/Error/properties/error" },
            } } },
            "text/event-stream": { "schema": { "type": "string" } },
        }),
    }
}

fn parameters(bound: &Bound, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    let input = &bound.method.input;
    let template = &bound.binding.template;
    let mut taken: Vec<String> = Vec::new();
    for variable in &template.variables {
        let name = variable.field.join(".");
        let mut schema = match resolve(input, &variable.field) {
            Some(field) => schemas.field(&field),
            None => json!({ "type": "string" }),
        };
        if variable.is_path {
            let end = variable.segments.end.min(template.segments.len());
            schema["pattern"] = pattern(&template.segments[variable.segments.start..end]).into();
        }
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": schema,
        }));
        taken.push(name);
    }
    match &bound.binding.body {
        Body::All => return parameters,
        Body::Field(field) => taken.push(field.clone()),
        Body::None => {}
    }
    let mut query = Query {
        parameters,
        taken,
        schemas,
    };
    query.add(input, "", "", DEPTH);
    query.parameters
}

/// Fields that become parameters of a query.
struct Query<'a> {
    parameters: Vec<Value>,
    /// By their names in the proto: those that are in the path or the body.
    taken: Vec<String>,
    schemas: &'a mut Schemas,
}

impl Query<'_> {
    fn add(&mut self, message: &MessageDescriptor, names: &str, shown: &str, depth: usize) {
        for field in message.fields() {
            let name = format!("{names}{}", field.name());
            let json_name = format!("{shown}{}", field.json_name());
            if field.is_map() || self.taken.contains(&name) {
                continue;
            }
            match field.kind() {
                Kind::Message(inner) if !transcode::is_text(&inner) => {
                    if !field.is_list() && depth > 1 && !inner.full_name().starts_with("google.") {
                        let (names, shown) = (format!("{name}."), format!("{json_name}."));
                        self.add(&inner, &names, &shown, depth - 1);
                    }
                }
                _ => {
                    let schema = self.schemas.field(&field);
                    let mut parameter = json!({
                        "name": json_name, "in": "query", "schema": schema,
                    });
                    let comments = self.schemas.comments();
                    if let Some(comment) = comments.of(field.parent_file(), field.path()) {
                        parameter["description"] = comment.into();
                    }
                    self.parameters.push(parameter);
                }
            }
        }
    }
}

fn resolve(message: &MessageDescriptor, path: &[String]) -> Option<FieldDescriptor> {
    let (name, rest) = path.split_first()?;
    let field = message.get_field_by_name(name)?;
    match (rest.is_empty(), field.kind()) {
        (true, _) => Some(field),
        (false, Kind::Message(inner)) => resolve(&inner, rest),
        _ => None,
    }
}

/// What the segments of a variable have to look like, as a regular expression.
fn pattern(segments: &[Segment]) -> String {
    let parts: Vec<String> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(literal) => literal.replace('.', r"\."),
            Segment::Any => "[^/]+".to_owned(),
            Segment::Rest => ".*".to_owned(),
        })
        .collect();
    format!("^{}$", parts.join("/"))
}
