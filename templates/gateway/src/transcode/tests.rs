//! The examples of the comments in `google/api/http.proto`.

use std::borrow::Cow;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::*;
use crate::rule::Body;

fn field(name: &str, number: i32, r#type: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional as i32),
        r#type: Some(r#type as i32),
        ..FieldDescriptorProto::default()
    }
}

/// `message GetMessageRequest { string message_id; int64 revision; SubMessage sub; repeated string
/// tags; } message SubMessage { string subfield; }`
fn request() -> MessageDescriptor {
    let sub = DescriptorProto {
        name: Some("SubMessage".to_owned()),
        field: vec![field("subfield", 1, Type::String)],
        ..DescriptorProto::default()
    };
    let request = DescriptorProto {
        name: Some("GetMessageRequest".to_owned()),
        field: vec![
            field("message_id", 1, Type::String),
            field("revision", 2, Type::Int64),
            FieldDescriptorProto {
                type_name: Some(".SubMessage".to_owned()),
                ..field("sub", 3, Type::Message)
            },
            FieldDescriptorProto {
                label: Some(Label::Repeated as i32),
                ..field("tags", 4, Type::String)
            },
        ],
        ..DescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("messaging.proto".to_owned()),
        message_type: vec![request, sub],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] };
    let pool = DescriptorPool::decode(&*set.encode_to_vec()).expect("a valid set");
    let request = pool.get_message_by_name("GetMessageRequest");
    request.expect("it is described")
}

/// The canonical JSON of what a request becomes, or why it is none.
fn read_as(
    body: &Body,
    variables: &[(&str, &str)],
    query: &str,
    text: &str,
) -> Result<String, String> {
    let names: Vec<Vec<String>> = variables
        .iter()
        .map(|(name, _)| name.split('.').map(str::to_owned).collect())
        .collect();
    let texts = variables.iter().map(|(_, text)| Cow::Borrowed(*text));
    let inputs = Inputs {
        variables: names.iter().map(|it| &**it).zip(texts).collect(),
        query: Some(query),
        body: text.as_bytes(),
        raw: None,
    };
    let message = read(&request(), body, &inputs).map_err(|error| error.to_string())?;
    let how = Output {
        emit_defaults: false,
    };
    let json = write(&request(), &message.encode_to_vec(), None, how)?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

#[test]
fn a_variable_is_a_field() {
    // GET /v1/messages/123456
    let read = read_as(&Body::None, &[("message_id", "123456")], "", "");
    assert_eq!(read.as_deref(), Ok(r#"{"messageId":"123456"}"#));
}

#[test]
fn a_field_of_the_path_is_not_in_the_query_by_any_name() {
    // An empty text does not show that it was set.
    for (variable, name) in [
        ("message_id", "message_id"),
        ("message_id", "messageId"),
        ("sub.subfield", "sub.subfield"),
    ] {
        let read = read_as(&Body::None, &[(variable, "")], &format!("{name}=a"), "");
        let problem = format!("`{name}` cannot be in the query: it is in the path");
        assert_eq!(read, Err(problem));
    }
}

#[test]
fn fields_that_are_not_in_the_path_are_in_the_query() {
    // GET /v1/messages/123456?revision=2&sub.subfield=foo
    let variables = [("message_id", "123456")];
    let read = read_as(&Body::None, &variables, "revision=2&sub.subfield=foo", "");
    let expected = r#"{"messageId":"123456","revision":"2","sub":{"subfield":"foo"}}"#;
    assert_eq!(read.as_deref(), Ok(expected));
    let read = read_as(&Body::None, &[], "tags=a&tags=b+c", "");
    assert_eq!(read.as_deref(), Ok(r#"{"tags":["a","b c"]}"#));
}

#[test]
fn a_body_is_a_field_or_all_fields() {
    // PATCH /v1/messages/123456 { "subfield": "Hi!" }
    let variables = [("message_id", "123456")];
    let sub = Body::Field("sub".to_owned());
    let read = read_as(&sub, &variables, "revision=1", r#"{"subfield":"Hi!"}"#);
    let expected = r#"{"messageId":"123456","revision":"1","sub":{"subfield":"Hi!"}}"#;
    assert_eq!(read.as_deref(), Ok(expected));
    let read = read_as(&Body::All, &variables, "", r#"{"sub":{"subfield":"Hi!"}}"#);
    let expected = r#"{"messageId":"123456","sub":{"subfield":"Hi!"}}"#;
    assert_eq!(read.as_deref(), Ok(expected));
    let tags = Body::Field("tags".to_owned());
    assert_eq!(
        read_as(&tags, &[], "", r#"["a"]"#).as_deref(),
        Ok(r#"{"tags":["a"]}"#)
    );
}

#[test]
fn what_is_in_the_path_holds_whatever_the_body_says() {
    let read = read_as(
        &Body::All,
        &[("message_id", "1")],
        "",
        r#"{"messageId":"2"}"#,
    );
    assert_eq!(read.as_deref(), Ok(r#"{"messageId":"1"}"#));
}

#[test]
fn the_body_of_one_field_cannot_set_another() {
    let tags = Body::Field("tags".to_owned());
    let read = read_as(&tags, &[], "", r#"["a"],"messageId":"2""#);
    assert_eq!(
        read,
        Err("`tags` is not JSON: trailing characters at line 1 column 6".to_owned())
    );
}

#[test]
fn bodies_that_are_not_utf8_or_too_deep_are_refused() {
    let deep = "[".repeat(10_000);
    assert!(read_as(&Body::All, &[], "", &deep).is_err());
    let inputs = Inputs {
        variables: Vec::new(),
        query: None,
        body: b"{\"messageId\":\"\xff\"}",
        raw: None,
    };
    let error = read(&request(), &Body::All, &inputs).expect_err("not UTF-8");
    assert_eq!(error.to_string(), "the body is not UTF-8 after 14 bytes");
}
