//! What methods take and return.

use std::collections::BTreeMap;

use crate::proto::finding::Complaint;
use crate::proto::lint::{Judged, Scope, case};
use crate::proto::schema::{Method, Service, below, last_part, plain, tag};

/// The type for nothing.
const EMPTY: &str = "google.protobuf.Empty";

pub fn rpc_no_client_streaming(
    _: &Judged<'_>,
    _: &Service<'_>,
    method: &Method<'_>,
) -> Option<Complaint> {
    let name = method.proto.name();
    let streams = method.proto.client_streaming();
    streams.then(|| {
        Complaint::new(
            method.path.clone(),
            format!("method `{name}` takes a stream"),
        )
    })
}

pub fn rpc_no_server_streaming(
    _: &Judged<'_>,
    _: &Service<'_>,
    method: &Method<'_>,
) -> Option<Complaint> {
    let name = method.proto.name();
    let streams = method.proto.server_streaming();
    streams.then(|| {
        Complaint::new(
            method.path.clone(),
            format!("method `{name}` returns a stream"),
        )
    })
}

pub fn rpc_request_standard_name(
    judged: &Judged<'_>,
    service: &Service<'_>,
    method: &Method<'_>,
) -> Option<Complaint> {
    let given = plain(method.proto.input_type());
    if given == EMPTY && judged.config.rpc_allow_google_protobuf_empty_requests {
        return None;
    }
    let path = below(&method.path, &[tag::METHOD_INPUT]);
    misnamed_type(path, [given, "Request"], service, method)
}

pub fn rpc_response_standard_name(
    judged: &Judged<'_>,
    service: &Service<'_>,
    method: &Method<'_>,
) -> Option<Complaint> {
    let given = plain(method.proto.output_type());
    if given == EMPTY && judged.config.rpc_allow_google_protobuf_empty_responses {
        return None;
    }
    let path = below(&method.path, &[tag::METHOD_OUTPUT]);
    misnamed_type(path, [given, "Response"], service, method)
}

fn misnamed_type(
    path: Vec<i32>,
    [given, role]: [&str; 2],
    service: &Service<'_>,
    method: &Method<'_>,
) -> Option<Complaint> {
    let name = last_part(given);
    let short = case::pascal(method.proto.name()) + role;
    let long = case::pascal(service.proto.name()) + &short;
    if name == short || name == long {
        return None;
    }
    let role = role.to_lowercase();
    let message = format!("the {role} of `{}` is called `{name}`", method.proto.name());
    Some(Complaint::new(path, message).help(format!("call it `{short}` or `{long}`")))
}

/// A method that takes or returns a type.
struct Use {
    file: usize,
    path: Vec<i32>,
    is_request: bool,
    is_response: bool,
}

pub fn rpc_request_response_unique(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    let config = scope.config;
    let empty_requests = config.rpc_allow_google_protobuf_empty_requests;
    let empty_responses = config.rpc_allow_google_protobuf_empty_responses;
    let mut complaints = Vec::new();
    let mut uses: BTreeMap<&str, Vec<Use>> = BTreeMap::new();
    for (file_index, file) in scope.files.iter().enumerate() {
        for method in file.services.iter().flat_map(Service::methods) {
            let input = plain(method.proto.input_type());
            let output = plain(method.proto.output_type());
            let is_same = input == output;
            let is_allowed = config.rpc_allow_same_request_response
                || (input == EMPTY && empty_requests && empty_responses);
            if is_same && !is_allowed {
                let name = method.proto.name();
                let message = format!("method `{name}` takes and returns `{input}`");
                let complaint = Complaint::new(method.path.clone(), message);
                complaints.push((file_index, complaint.help(TYPES_OF_ITS_OWN)));
            }
            let a_use = |is_request, is_response| Use {
                file: file_index,
                path: method.path.clone(),
                is_request,
                is_response,
            };
            uses.entry(input).or_default().push(a_use(true, is_same));
            if !is_same {
                uses.entry(output).or_default().push(a_use(false, true));
            }
        }
    }
    for (name, uses) in uses {
        if uses.len() < 2 {
            continue;
        }
        let mut share = |role: &str, concerned: &dyn Fn(&Use) -> bool| {
            let concerned: Vec<&Use> = uses.iter().filter(|it| concerned(it)).collect();
            if concerned.len() < 2 {
                return;
            }
            for it in concerned {
                let message = format!("`{name}` is the {role} of several methods");
                let complaint = Complaint::new(it.path.clone(), message);
                complaints.push((it.file, complaint.help(TYPES_OF_ITS_OWN)));
            }
        };
        if name == EMPTY && (empty_requests || empty_responses) {
            if !empty_requests {
                share("request", &|it| it.is_request);
            }
            if !empty_responses {
                share("response", &|it| it.is_response);
            }
        } else {
            share("request or response", &|_| true);
        }
    }
    complaints
}

const TYPES_OF_ITS_OWN: &str =
    "give each method a request and a response of its own, so that they can grow apart";
