//! What services offer, and how.

use std::collections::BTreeSet;

use crate::proto::breaking::Pair;
use crate::proto::finding::Complaint;
use crate::proto::schema::{Method, Service, below, plain, tag};

type Methods<'a> = Pair<'a, Method<'a>>;

pub fn rpc_no_delete(services: &Pair<'_, Service<'_>>) -> Vec<Complaint> {
    let left: BTreeSet<&str> = services
        .after
        .proto
        .method
        .iter()
        .map(|it| it.name())
        .collect();
    let before = services.before.proto.method.iter().map(|it| it.name());
    before
        .filter(|name| !left.contains(name))
        .map(|name| {
            let message = format!("method `{name}` is gone");
            Complaint::new(services.after.path.clone(), message)
        })
        .collect()
}

/// Something of a method that must stay.
fn same(methods: &Methods<'_>, what: &str, values: [&str; 2], tail: &[i32]) -> Option<Complaint> {
    let [before, after] = values;
    if before == after {
        return None;
    }
    let name = methods.after.proto.name();
    let message = format!("{what} of `{name}` was `{before}` and is `{after}`");
    Some(Complaint::new(below(&methods.after.path, tail), message))
}

pub fn rpc_same_request_type(methods: &Methods<'_>) -> Option<Complaint> {
    let types = [methods.before, methods.after].map(|it| plain(it.proto.input_type()));
    same(methods, "the request", types, &[tag::METHOD_INPUT])
}

pub fn rpc_same_response_type(methods: &Methods<'_>) -> Option<Complaint> {
    let types = [methods.before, methods.after].map(|it| plain(it.proto.output_type()));
    same(methods, "the response", types, &[tag::METHOD_OUTPUT])
}

pub fn rpc_same_client_streaming(methods: &Methods<'_>) -> Option<Complaint> {
    let kinds = [methods.before, methods.after].map(|it| kind(it.proto.client_streaming()));
    same(methods, "the request", kinds, &[])
}

pub fn rpc_same_server_streaming(methods: &Methods<'_>) -> Option<Complaint> {
    let kinds = [methods.before, methods.after].map(|it| kind(it.proto.server_streaming()));
    same(methods, "the response", kinds, &[])
}

fn kind(streams: bool) -> &'static str {
    if streams { "a stream" } else { "one message" }
}

pub fn rpc_same_idempotency_level(methods: &Methods<'_>) -> Option<Complaint> {
    /// `MethodOptions.idempotency_level`.
    const NUMBER: i32 = 34;
    let levels = [methods.before, methods.after].map(|method| {
        let options = method.proto.options.as_ref();
        let level = options.map(|options| options.idempotency_level());
        level.unwrap_or_default().as_str_name()
    });
    let path = [tag::METHOD_OPTIONS, NUMBER];
    same(methods, "the idempotency level", levels, &path)
}
