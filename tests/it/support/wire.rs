//! A test for the crate `protocol` of the protos in `proto-fixtures/names`: messages as the descriptors
//! encode them, and paths and names as the protos have them, under whatever names in Rust.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// Messages by their names in the protos and in Rust, as JSON, with what Rust must find in them.
const MESSAGES: &[[&str; 4]] = &[
    [
        "names.folding.Http_Server",
        "folding::HttpServerMessage2",
        r#"{"a": {"a": 7}, "b": {"a": 8}}"#,
        "found.a == Some(folding::HttpServerMessage { a: 7 })",
    ],
    [
        "names.accessors.Accessors",
        "accessors::Accessors",
        r#"{"setFoo": "KIND_A", "setSetFoo": 3, "type": {"5": "KIND_A"}}"#,
        "found.set_foo_field == 1 && found.set_set_foo == Some(3) && found.type_field[&5] == 1",
    ],
    [
        "Names.Folding.Same",
        "super_folding::Same",
        r#"{"other": {"name": "a"}, "third": {"kind": "KIND_B"}}"#,
        "found.other.is_some() && found.third.is_some_and(|it| it.kind == 1)",
    ],
    [
        "names.legacy.Legacy",
        "legacy::Legacy",
        r#"{"foo_bar": "a", "fooBar": "b", "FooBar": "c", "level": "HIGH", "clash": "CLASH_aB",
            "cleared": {}, "item": {"a": 1}}"#,
        "found.foo_bar.as_deref() == Some(\"a\") && found.level() == legacy::Level::High",
    ],
    [
        "names.editions.Delimited",
        "editions::Delimited",
        r#"{"inner": {"name": "a"}, "numbers": [1, 2], "required": 0}"#,
        "found.inner.is_some() && found.numbers == [1, 2] && found.with_default() == 5",
    ],
];

/// What every test needs.
const HEAD: &str = r#"//! What goes over the wire is what the protos say.

use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use prost::Message;
use protocol::names::{accessors, editions, enums, folding, legacy, methods, services};
use protocol::names_package::folding as super_folding;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

/// Refuses calls, but remembers their paths.
#[derive(Clone, Default)]
struct Paths(Arc<Mutex<Vec<String>>>);

impl Service<http::Request<Body>> for Paths {
    type Response = http::Response<Body>;
    type Error = String;
    type Future = Ready<Result<Self::Response, String>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.lock().expect("unpoisoned").push(request.uri().path().to_owned());
        ready(Err("no answer".to_owned()))
    }
}

fn refused<T>(call: impl Future<Output = Result<T, tonic::Status>>) {
    let outcome = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(outcome, Poll::Ready(Err(_))));
}

#[test]
fn calls_go_over_the_paths_of_the_protos() {
    let paths = Paths::default();
    let mut methods = methods::methods_client::MethodsClient::new(paths.clone());
    refused(methods.get_url(methods::M {}));
    refused(methods.get_url_rpc(methods::M {}));
    refused(methods.new_rpc(methods::M {}));
    let mut renamed = services::t_service_client::TServiceClient::new(paths.clone());
    refused(renamed.r#do(services::M {}));
    let mut packaged = super_folding::served_client::ServedClient::new(paths.clone());
    refused(packaged.get(folding::Same::default()));
    let expected = [
        "/names.methods.Methods/get_url",
        "/names.methods.Methods/GetURL",
        "/names.methods.Methods/New",
        "/names.services.T/Do",
        "/Names.Folding.Served/Get",
    ];
    assert_eq!(*paths.0.lock().expect("unpoisoned"), expected);
    assert_eq!(services::t_service_server::TServiceServer::<()>::NAME, "names.services.T");
}

#[test]
fn values_are_called_as_in_the_protos() {
    for value in ["CLASH_UNKNOWN", "UNKNOWN", "CLASH_a_b", "CLASH_aB", "CLASH_A_B", "ClashAB", "AB"] {
        let found = enums::Clash::from_str_name(value).expect(value);
        assert_eq!(found.as_str_name(), value);
    }
    assert_eq!(enums::ClashEnum::Ok.as_str_name(), "CLASH_OK");
    assert_eq!(enums::Uses::default().digits(), enums::Digits::DValue);
}
"#;

/// Writes the test into the crate.
pub fn write_test(protocol: &Path) {
    let encoded = fs::read(protocol.join("src/descriptors.binpb")).expect("there");
    let pool = DescriptorPool::decode(encoded.as_slice()).expect("valid");
    let mut test = HEAD.to_owned();
    for (number, [proto, rust, json, condition]) in MESSAGES.iter().enumerate() {
        let descriptor = pool.get_message_by_name(proto).expect(proto);
        let mut json = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(descriptor, &mut json).expect(proto);
        let bytes = message.encode_to_vec();
        assert!(!bytes.is_empty(), "{proto}");
        write!(
            test,
            "\n/// `{proto}`\n#[test]\nfn message_{number}_is_encoded_as_its_descriptor_says() {{\n    \
             let bytes: &[u8] = &{bytes:?};\n    let found = {rust}::decode(bytes).expect(\"valid\");\n    \
             assert_eq!(found.encode_to_vec(), bytes);\n    assert!({condition}, \"{{found:?}}\");\n}}\n"
        )
        .expect("writing to a string");
    }
    fs::create_dir_all(protocol.join("tests")).expect("made");
    fs::write(protocol.join("tests/wire.rs"), test).expect("written");
}
