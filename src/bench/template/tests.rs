use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};

use super::*;
use crate::bench::random::SplitMix;
use crate::client::json;
use crate::proto::compile::compile as compile_proto;
use crate::proto::sources::Sources as ProtoSources;

const PROTO: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "google/protobuf/duration.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = 2; }
    message Item {
      string name = 1;
      uint32 price = 2;
      Colour colour = 3;
      repeated Item parts = 4;
    }
    message Order {
      string note = 20;
      int32 a = 1; int64 b = 2; uint32 c = 3; uint64 d = 4; sint32 e = 5; sint64 f = 6;
      fixed32 g = 7; fixed64 h = 8; sfixed32 i = 9; sfixed64 j = 10; float k = 11; double l = 12;
      bool paid = 13; bytes blob = 14; Colour colour = 15; Item item = 16;
      optional int32 maybe = 17; optional string hint = 18;
      repeated Item items = 19;
      repeated sint64 numbers = 21; repeated double weights = 22; repeated string tags = 23;
      repeated Colour colours = 24; repeated int32 loose = 25 [packed = false];
      map<string, Item> extras = 26; map<int32, string> names = 27; map<bool, sint32> flags = 28;
      oneof payment { string card = 29; int64 cash = 30; Item barter = 31; }
      google.protobuf.Timestamp at = 32;
      google.protobuf.Duration within = 33;
      google.protobuf.StringValue title = 34; google.protobuf.Int64Value count = 35;
      google.protobuf.Struct more = 36; google.protobuf.Value any = 37;
      google.protobuf.ListValue list = 38;
    }
"#;

const OLD: &str = r#"
    syntax = "proto2";
    package old;
    message Old {
      required string name = 1;
      optional group Inner = 2 { optional int32 x = 1; repeated int32 y = 2; }
      optional sint32 z = 1000;
      extensions 2000 to 2999;
    }
    extend Old { optional string more = 2000; }
"#;

fn descriptor(proto: &str, name: &str) -> MessageDescriptor {
    let mut sources = ProtoSources::default();
    sources
        .memory
        .insert("o.proto".to_owned(), proto.to_owned());
    let compiled = compile_proto(&sources, &["o.proto".to_owned()]).expect("valid");
    let pool = DescriptorPool::decode(compiled.encoded.as_slice()).expect("valid");
    pool.get_message_by_name(name).expect("declared")
}

fn order() -> MessageDescriptor {
    descriptor(PROTO, "shop.v1.Order")
}

fn sources() -> Sources {
    let rows = "id,name,colour,when\n7,Ada,COLOUR_RED,2026-01-02T03:04:05Z\n0,,COLOUR_UNSPECIFIED,1970-01-01T00:00:00Z\n-3,\"Zoë \"\"Z\"\"\",COLOUR_BLUE,2001-09-09T01:46:40.5Z\n";
    Sources {
        rows: Some(Rows::from_csv(rows).expect("rows")),
        environment: [("REGION".to_owned(), "eu".to_owned())].into(),
    }
}

fn step(number: u64) -> Step {
    Step {
        seed: 42,
        number,
        now: Moment {
            seconds: 1_767_225_600 + number,
            nanos: (number * 1_000) as u32,
        },
    }
}

/// What is made of a template by its plan and by way of JSON.
fn both(text: &str, descriptor: &MessageDescriptor, number: u64) -> (Vec<u8>, Vec<u8>) {
    let plans = compile(text, "-d", descriptor, &sources());
    let plans = plans.unwrap_or_else(|error| panic!("{error}"));
    let mut spliced = Vec::new();
    plans
        .iter()
        .for_each(|plan| plan.write(&step(number), &mut spliced));
    let scanned = scan(text, Syntax::Json, "-d", &sources()).expect("a template");
    let expanded = scanned.expand(&step(number));
    let messages = json::read_all(&expanded, descriptor, "-d");
    let messages = messages.unwrap_or_else(|error| panic!("{expanded}: {error}"));
    let encoded = messages.iter().flat_map(DynamicMessage::encode_to_vec);
    (spliced, encoded.collect())
}

/// Random templates for a descriptor.
struct Writer(SplitMix);

impl Writer {
    fn any(&mut self, texts: &[&str]) -> String {
        texts[self.0.below(texts.len() as u64) as usize].to_owned()
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> String {
        let mut fields = Vec::new();
        let mut oneofs = Vec::new();
        for field in descriptor.fields() {
            let is_other = |oneof: prost_reflect::OneofDescriptor| {
                let is_known = oneofs.contains(&oneof.name().to_owned());
                oneofs.push(oneof.name().to_owned());
                is_known
            };
            if self.0.below(3) == 0 || field.containing_oneof().is_some_and(is_other) {
                continue;
            }
            fields.push(format!(
                "\"{}\": {}",
                field.json_name(),
                self.field(&field, depth)
            ));
        }
        // The order in the JSON is none of the message's.
        for index in (1..fields.len()).rev() {
            fields.swap(index, self.0.below(index as u64 + 1) as usize);
        }
        format!("{{{}}}", fields.join(", "))
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> String {
        if field.is_map()
            && let Kind::Message(entry) = field.kind()
        {
            let key = match entry.map_entry_key_field().kind() {
                Kind::String => self.any(&["", "k", "k-{{seq}}", "{{randomString 0 200}}"]),
                Kind::Bool => self.any(&["true", "false"]),
                _ => self.any(&["0", "5"]),
            };
            let value = self.single(&entry.map_entry_value_field(), depth);
            return format!("{{\"{key}\": {value}}}");
        }
        if field.is_list() {
            let count = self.0.below(4);
            let all: Vec<String> = (0..count).map(|_| self.single(field, depth)).collect();
            return format!("[{}]", all.join(","));
        }
        self.single(field, depth)
    }

    fn single(&mut self, field: &FieldDescriptor, depth: usize) -> String {
        match field.kind() {
            Kind::Message(inner) => match inner.full_name() {
                "google.protobuf.Timestamp" => self.any(&[
                    "\"{{now}}\"",
                    "{{now}}",
                    "\"{{column when}}\"",
                    "\"2026-01-31T12:00:00Z\"",
                ]),
                "google.protobuf.Duration" => self.any(&["\"1.5s\"", "\"{{randomChoice 0s 2s}}\""]),
                "google.protobuf.StringValue" => self.text(),
                "google.protobuf.Int64Value" => self.number(true),
                "google.protobuf.Struct" => self.any(&[
                    r#"{"a": "{{uuid}}"}"#,
                    r#"{"b": {{seq}}}"#,
                    r#"{"c": ["x{{seq}}", {"d": {{uuid}}}, null]}"#,
                ]),
                "google.protobuf.Value" => {
                    self.any(&["{{seq}}", "\"{{seq}}\"", "null", "[{{randomInt 0 1}}]"])
                }
                "google.protobuf.ListValue" => self.any(&["[]", "[{{seq}}, \"{{now}}\", true]"]),
                _ if depth == 3 => "{}".to_owned(),
                _ => self.message(&inner, depth + 1),
            },
            Kind::Enum(_) => self.any(&[
                "\"{{randomChoice COLOUR_RED COLOUR_UNSPECIFIED}}\"",
                "\"{{column colour}}\"",
                "{{randomInt 0 2}}",
                "1",
                "\"COLOUR_BLUE\"",
            ]),
            Kind::String => self.text(),
            Kind::Bytes => self.any(&["\"{{randomChoice AAEC \\\"\\\" /w==}}\"", "\"AAEC\""]),
            Kind::Bool => self.any(&["{{randomChoice true false}}", "true", "false"]),
            Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => self.number(false),
            _ => self.number(true),
        }
    }

    fn text(&mut self) -> String {
        self.any(&[
            "\"\"",
            "\"plain\"",
            "{{uuid}}",
            "\"{{uuid}}\"",
            "\"a\\\"{{seq}}\\n{{ randomString 3 }}é\"",
            "\"{{randomString 0 300}}\"",
            "\"{{randomString 0 1}}\"",
            "\"{{now}} {{now millis}}\"",
            "\"{{column name}}\"",
            "\"<{{column name}}>\"",
            "\"{{env REGION}}\"",
            "\"{{randomChoice a \\\"b c\\\" \\\"\\\"}}\"",
            "\"{{\\\"{{\\\"}}\"",
            "{{column name}}",
        ])
    }

    fn number(&mut self, is_signed: bool) -> String {
        match is_signed {
            true => self.any(&[
                "0",
                "7",
                "-1",
                "{{seq}}",
                "\"{{seq}}\"",
                "{{randomInt -2 2}}",
                "\"{{randomInt -2000000000 2000000000}}\"",
                "{{column id}}",
                "\"{{column id}}\"",
                "{{now seconds}}",
                "{{randomChoice 1 -1 0}}",
                "{{seq -5}}",
            ]),
            false => self.any(&[
                "0",
                "9",
                "{{seq}}",
                "\"{{seq 3}}\"",
                "{{randomInt 0 300}}",
                "{{now seconds}}",
            ]),
        }
    }
}

#[test]
fn what_is_spliced_is_what_the_json_comes_to() {
    let order = order();
    for seed in 0..120 {
        let text = Writer(SplitMix::new(seed)).message(&order, 0);
        for number in 0..6 {
            let (spliced, encoded) = both(&text, &order, number);
            assert_eq!(spliced, encoded, "message {number} of {text}");
        }
    }
}

#[test]
fn groups_and_extensions_are_spliced_as_well() {
    let old = descriptor(OLD, "old.Old");
    let text = r#"{"[old.more]": "x", "z": {{randomInt -9 9}}, "inner": {"y": [1, {{seq}}], "x": {{seq}}}, "name": "{{uuid}}"}"#;
    for number in 0..3 {
        let (spliced, encoded) = both(text, &old, number);
        assert_eq!(spliced, encoded, "message {number}");
    }
}

#[test]
fn several_messages_of_a_template_share_their_number() {
    let text = r#"{"note": "{{seq}}"} {"b": {{seq 5}}}"#;
    let plans = compile(text, "-d", &order(), &sources()).expect("a template");
    let expand = |number| {
        let mut bytes = Vec::new();
        plans
            .iter()
            .for_each(|plan| plan.write(&step(number), &mut bytes));
        bytes
    };
    assert_eq!(expand(0), b"\xa2\x01\x010\x10\x05");
    assert_eq!(expand(7), b"\xa2\x01\x017\x10\x0c");
}

#[test]
fn numbers_of_32_bits_begin_anew_after_the_greatest() {
    let plans = compile(r#"{"a": {{seq 2147483646}}}"#, "-d", &order(), &sources());
    let plans = plans.expect("a template");
    let mut bytes = Vec::new();
    (0..3).for_each(|number| plans[0].write(&step(number), &mut bytes));
    let largest = b"\x08\xff\xff\xff\xff\x07";
    let before = b"\x08\xfe\xff\xff\xff\x07";
    assert_eq!(bytes, [&before[..], largest, before].concat());
}

#[test]
fn the_same_seed_gives_the_same_messages_and_another_one_others() {
    let text = r#"{"note": "{{uuid}}", "b": {{randomInt 0 1000000000}}, "tags": ["{{randomString 8}}", "{{randomString 8}}"]}"#;
    let made = |seed| {
        let scanned = scan(text, Syntax::Json, "-d", &sources()).expect("a template");
        scanned.expand(&Step { seed, ..step(3) })
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
    insta::assert_snapshot!(made(1), @r#"{"note": "2fbda35a-0c0b-46dd-999e-2aadfe1692e9", "b": 746174454, "tags": ["q7kWd0H6", "ASXVva2e"]}"#);
}

#[test]
fn an_example_is_a_message_of_its_type() {
    let text = example(&order());
    let messages = json::read_all(&text, &order(), "-d").expect("valid");
    let set = |message: &DynamicMessage| message.fields().count();
    // One of the three that pay, and the mask of none.
    assert_eq!(set(&messages[0]), order().fields().count() - 2);
    insta::assert_snapshot!(text, @r#"{"a":1,"b":"1","c":1,"d":"1","e":1,"f":"1","g":1,"h":"1","i":1,"j":"1","k":1.5,"l":1.5,"paid":true,"blob":"AAEC","colour":"COLOUR_RED","item":{"name":"name","price":1,"colour":"COLOUR_RED"},"maybe":1,"hint":"hint","items":[{"name":"name","price":1,"colour":"COLOUR_RED"}],"note":"note","numbers":["1"],"weights":[1.5],"tags":["tags"],"colours":["COLOUR_RED"],"loose":[1],"extras":{"key":{"name":"name","price":1,"colour":"COLOUR_RED"}},"names":{"1":"value"},"flags":{"true":1},"card":"card","at":"2026-01-31T12:00:00Z","within":"1s","title":"value","count":"1","more":{"name":"value"},"any":"value","list":["value"]}"#);
}

fn problem(text: &str) -> String {
    match compile(text, "-d", &order(), &sources()) {
        Ok(plans) => panic!("{plans:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn placeholders_that_are_none_are_told_with_their_place_and_what_was_meant() {
    insta::assert_snapshot!(problem("{\n \"note\": \"{{uiud}}\"}"), @r#"
    -d:2:11: there is no generator `uiud`: did you mean `uuid`?
       |
     2 |  "note": "{{uiud}}"}
       |           ^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"b": {{randomInt 5}}}"#), @r#"
    -d:1:7: write `{{randomInt LEAST GREATEST}}`
       |
     1 | {"b": {{randomInt 5}}}
       |       ^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"b": {{randomInt 5 4}}}"#), @r#"
    -d:1:7: there is nothing from 5 to 4
       |
     1 | {"b": {{randomInt 5 4}}}
       |       ^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"b": {{seq}"#), @r#"
    -d:1:7: a placeholder that is not closed by `}}`
       |
     1 | {"b": {{seq}
       |       ^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"note": "{{column nmae}}"}"#), @r#"
    -d:1:11: the rows have no column `nmae`: did you mean `name`?
       |
     1 | {"note": "{{column nmae}}"}
       |           ^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"note": "{{env NOPE}}"}"#), @r#"
    -d:1:11: the environment has no `NOPE`
       |
     1 | {"note": "{{env NOPE}}"}
       |           ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"note": "{{}}"}"#), @r#"
    -d:1:11: an empty placeholder: there are `seq`, `uuid`, `randomInt`, `randomString`, `randomChoice`, `now`, `column`, `env`
       |
     1 | {"note": "{{}}"}
       |           ^^^^
    "#);
}

#[test]
fn what_does_not_fit_its_field_is_told_at_its_place_in_the_template() {
    insta::assert_snapshot!(problem(r#"{"note": "{{uuid}}", "ntoe": 1}"#), @r#"
    -d:1:22: `shop.v1.Order` has no field `ntoe`
       |
     1 | {"note": "{{uuid}}", "ntoe": 1}
       |                      ^^^^^^
     = help: did you mean `note`?
    "#);
    insta::assert_snapshot!(problem(r#"{"note": "{{uuid}}", "a": "{{uuid}}"}"#), @r#"
    -d:1:27: field `a` of `shop.v1.Order` is a `int32`: invalid digit found in string
       |
     1 | {"note": "{{uuid}}", "a": "{{uuid}}"}
       |                           ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"a": {{randomInt 0 3000000000}}}"#), @r#"
    -d:1:7: field `a` of `shop.v1.Order` is a `int32`: out of range integral type conversion attempted
       |
     1 | {"a": {{randomInt 0 3000000000}}}
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"a": {{now millis}}}"#), @r#"
    -d:1:7: field `a` of `shop.v1.Order` is a `int32`: out of range integral type conversion attempted
       |
     1 | {"a": {{now millis}}}
       |       ^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"note": "{{uuid}}", "a": "1{{seq}}"}"#), @r#"
    -d:1:29: a number takes one placeholder that gives numbers, and nothing beside it
       |
     1 | {"note": "{{uuid}}", "a": "1{{seq}}"}
       |                             ^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"c": {{column id}}}"#), @r#"
    -d:1:7: field `c` of `shop.v1.Order` is a `uint32`: out of range integral type conversion attempted
       |
     1 | {"c": {{column id}}}
       |       ^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"within": "{{randomInt 1 5}}s"}"#), @r#"
    -d:1:13: only `randomChoice` or `column` can stand for a `google.protobuf.Duration`, and nothing beside it
       |
     1 | {"within": "{{randomInt 1 5}}s"}
       |             ^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(problem(r#"{"{{randomChoice note hint}}": "a"}"#), @r#"
    -d:1:3: a placeholder cannot stand for the name of a field
       |
     1 | {"{{randomChoice note hint}}": "a"}
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}
