//! `[proto.gen]`: what may be wanted of generated code compiles, for hard names as well, and JSON is what
//! protobuf says; what cannot be done is refused with its line.

use std::fs;
use std::path::PathBuf;

use msvc::proto::sources::Sources;

use crate::generated::{alone, cargo, clippy, succeed};
use crate::support::{Sandbox, fixtures};

const PROTO: &str = r#"syntax = "proto3";
package json.v1;

import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_HIGH = 1; }

message Everything {
  message Inner { bytes raw = 1; Everything up = 2; }
  int64 large = 1;
  double not_a_number = 2;
  bytes raw = 3;
  map<string, bytes> raws = 4;
  Level level = 5;
  repeated Level levels = 6;
  google.protobuf.Any any = 7;
  google.protobuf.FieldMask mask = 8;
  google.protobuf.Timestamp time = 9;
  google.protobuf.Duration duration = 10;
  google.protobuf.Struct structure = 11;
  google.protobuf.Int64Value wrapped = 12;
  google.protobuf.Empty empty = 13;
  oneof choice { Inner inner = 14; string name = 15; bytes chosen = 16; }
  optional string maybe = 17;
  Inner boxed = 18;
  string spelled = 19 [json_name = "SPELLED"];
  Lent lent = 20;
}

message Lent { int64 seconds = 1; int32 nanos = 2; }

service JsonService { rpc Get(Everything) returns (Lent); }
"#;

const OPTIONS: &str = r##"
[proto.gen]
serde = true
bytes = ["."]
boxed = ["json.v1.Everything.boxed", "json.v1.Everything.inner"]

[proto.gen.extern-paths]
"json.v1.Lent" = "::prost_types::Duration"

[proto.gen.type-attributes]
"json.v1.Everything" = "#[must_use]"
"json.v1.Everything.choice" = "#[non_exhaustive]"
"json.v1.Level" = "#[non_exhaustive]"

[proto.gen.field-attributes]
"json.v1.Everything.name" = "#[doc(alias = \"title\")]"
"json.v1.Everything.large" = "#[doc(alias = \"big\")] #[doc(hidden)]"
"json.v1.Level.LEVEL_HIGH" = "#[doc(alias = \"top\")]"
"##;

/// What Google's own implementation for Python reads and writes as well (protobuf 7.36.2).
const TEST: &str = r##"//! JSON is what protobuf says.

use protocol::json::v1::{Everything, Level};

const JSON: &str = r#"{
  "large": "9007199254740993",
  "notANumber": "NaN",
  "raw": "/w==",
  "raws": {"a": "AAE="},
  "level": "LEVEL_HIGH",
  "levels": ["LEVEL_UNSPECIFIED", 7],
  "any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"},
  "mask": "displayName,a.bC",
  "time": "2026-01-02T03:04:05.600Z",
  "duration": "-0.000000001s",
  "structure": {"a": [null, 1.0, {"b": "c"}]},
  "wrapped": "0",
  "empty": {},
  "inner": {"raw": "AQ=="},
  "maybe": "",
  "boxed": {"up": {"chosen": "Ag=="}},
  "SPELLED": "x",
  "lent": {"seconds": "3"}
}"#;

#[test]
fn a_message_is_read_and_written_as_canonical_json() {
    let message: Everything = serde_json::from_str(JSON).expect("valid");
    assert_eq!(message.large, 9_007_199_254_740_993);
    assert!(message.not_a_number.is_nan());
    assert_eq!(message.raw, prost::bytes::Bytes::from_static(b"\xff"));
    assert_eq!(message.lent.map(|it: prost_types::Duration| it.seconds), Some(3));
    assert_eq!(message.boxed.as_ref().map(|it: &Box<_>| it.raw.len()), Some(0));
    let expected: serde_json::Value = serde_json::from_str(JSON).expect("JSON");
    assert_eq!(serde_json::to_value(&message).expect("written"), expected);
}

#[test]
fn enums_are_read_by_name_and_number_and_written_by_name() {
    assert_eq!(serde_json::to_string(&Level::High).expect("written"), "\"LEVEL_HIGH\"");
    for text in ["\"LEVEL_HIGH\"", "1"] {
        assert_eq!(serde_json::from_str::<Level>(text).expect("read"), Level::High);
    }
    for text in ["\"LEVEL_LOW\"", "-1", "18446744073709551615", "true"] {
        serde_json::from_str::<Level>(text).expect_err(text);
    }
}

#[test]
fn what_the_proto_has_not_is_refused() {
    let error = serde_json::from_str::<Everything>("{\"larg\": 1}").expect_err("unknown");
    assert!(error.to_string().contains("larg"), "{error}");
}
"##;

/// A workspace with the protos of hard names and those above.
fn workspace() -> Sandbox {
    let sandbox = Sandbox::new();
    let names = fixtures::folder("names");
    let own = sandbox.path().join("../own");
    fs::create_dir(&own).expect("made");
    fs::write(own.join("json.proto"), PROTO).expect("written");
    let mut args = vec!["new".to_owned(), "json-service".to_owned()];
    for folder in [&names, &own] {
        let sources = Sources {
            folders: vec![folder.clone()],
            ..Sources::default()
        };
        args.extend(["-I".to_owned(), folder.display().to_string()]);
        for name in sources.all_names().expect("readable") {
            let path: PathBuf = folder.join(name);
            args.extend(["--proto".to_owned(), path.display().to_string()]);
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    succeed(&sandbox, &args);
    sandbox
}

fn append(sandbox: &Sandbox, file: &str, text: &str) {
    let path = sandbox.path().join(file);
    let before = fs::read_to_string(&path).expect("there");
    fs::write(path, before + text).expect("written");
}

#[test]
fn options_compile_and_json_is_canonical() {
    let _alone = alone();
    let sandbox = workspace();
    append(&sandbox, "msvc.toml", OPTIONS);
    succeed(&sandbox, &["proto", "gen"]);
    // The stub of before returns the message that another crate has now; the check says so.
    let service = sandbox
        .path()
        .join("services/json-service/src/json_service.rs");
    let stub = fs::read_to_string(&service).expect("made");
    let mended = stub.replace("Response<Lent>", "Response<prost_types::Duration>");
    assert_ne!(mended, stub);
    fs::write(&service, mended).expect("written");
    succeed(&sandbox, &["proto", "gen", "--check"]);
    cargo(&sandbox, &["fmt", "--package", "protocol", "--check"]);
    let protocol = sandbox.path().join("crates/protocol");
    fs::create_dir_all(protocol.join("tests")).expect("made");
    fs::write(protocol.join("tests/json.rs"), TEST).expect("written");
    let manifest = "crates/protocol/Cargo.toml";
    append(
        &sandbox,
        manifest,
        "\n[dev-dependencies]\nserde_json = \"1\"\n",
    );
    clippy(&sandbox, &["--package", "protocol"]);
    cargo(&sandbox, &["test", "--quiet", "--package", "protocol"]);
}
