use prost::Message as _;
use prost_reflect::DescriptorPool;

use super::*;

/// A message of a file's descriptor: `name`, `dependency`, `message_type[].name`, `syntax`.
fn checks(expectations: &[&str], extractions: &[&str]) -> Checks {
    let descriptor = DescriptorPool::global()
        .get_message_by_name("google.protobuf.FileDescriptorProto")
        .expect("well known");
    Checks {
        descriptor,
        every: 10,
        expectations: expectations
            .iter()
            .map(|text| text.parse().expect("an expectation"))
            .collect(),
        extractions: extractions
            .iter()
            .map(|text| text.parse().expect("an extraction"))
            .collect(),
    }
}

fn body(names: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for name in names {
        let file = prost_types::FileDescriptorProto {
            name: Some((*name).to_owned()),
            dependency: vec!["a".to_owned(), "b".to_owned()],
            public_dependency: vec![7],
            ..Default::default()
        };
        let message = file.encode_to_vec();
        body.push(0);
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
    }
    body
}

#[test]
fn expectations_hold_or_are_told_with_what_was_found() {
    for held in [
        "name==x.proto",
        "name == \"x.proto\"",
        "name!=y",
        "name~proto",
        "dependency~a",
        "dependency[1]==b",
        "publicDependency[0]==7",
        "public_dependency[0]>=7",
        "publicDependency[0]<8",
        "syntax!=proto3",
        "syntax==null",
    ] {
        let mut findings = Findings::default();
        checks(&[held], &[]).look(&body(&["x.proto"]), &mut findings);
        assert_eq!((findings.sampled, findings.failed), (1, 0), "{held}");
    }
    let mut findings = Findings::default();
    let checks = checks(
        &["name==x", "dependency[2]==c", "publicDependency[0]>7"],
        &[],
    );
    checks.look(&body(&["x", "y"]), &mut findings);
    checks.look(&body(&["y"]), &mut findings);
    let concluded = serde_json::to_value(findings.conclude(10)).expect("serializes");
    assert_eq!(
        concluded,
        serde_json::json!({
            "every": 10,
            "sampled": 2,
            "failed": 2,
            "unmet": [
                { "expectation": "dependency[2]==c", "count": 3, "found": [{ "value": "nothing", "count": 3 }] },
                { "expectation": "name==x", "count": 2, "found": [{ "value": "y", "count": 2 }] },
                { "expectation": "publicDependency[0]>7", "count": 3, "found": [{ "value": "7", "count": 3 }] },
            ],
            "extracted": [],
        })
    );
}

#[test]
fn values_are_extracted_and_counted_up_to_a_number_of_different_ones() {
    let checks = checks(&[], &["file=name", "dependency[0]"]);
    let mut parts = [Findings::default(), Findings::default()];
    for index in 0..24 {
        let name = format!("{}.proto", index % 12);
        checks.look(&body(&[&name]), &mut parts[index / 12]);
    }
    let mut findings = Findings::default();
    parts.iter().for_each(|part| findings.add(part));
    let concluded = findings.conclude(10);
    assert_eq!(concluded.extracted[0].name, "dependency[0]");
    assert_eq!(concluded.extracted[0].values[0].to_string(), "a (24 times)");
    assert_eq!(concluded.extracted[1].values.len(), 10);
    assert_eq!(
        concluded.extracted[1].values[3].to_string(),
        "3.proto (2 times)"
    );
    assert_eq!(concluded.extracted[1].others, 4);
}

#[test]
fn what_cannot_be_read_is_not_what_was_expected() {
    let mut findings = Findings::default();
    checks(&[], &[]).look(b"\0\0\0\0\x02\x0a\x05", &mut findings);
    let concluded = findings.conclude(1);
    assert_eq!((concluded.sampled, concluded.failed), (1, 1));
    assert_eq!(concluded.unmet[0].expectation, "a response can be read");
}

#[test]
fn what_is_wrong_with_an_expectation_is_told() {
    let problem = |text: &str| text.parse::<Expectation>().expect_err("none").to_string();
    insta::assert_snapshot!(problem("name"), @"expected a field, one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, and a value, such as `user.id==7`");
    insta::assert_snapshot!(problem("na me==1"), @"`na me` is no field such as `user.tags[0].name`");
    insta::assert_snapshot!(problem("tags[x]==1"), @"`tags[x]` is no field such as `user.tags[0].name`");
    let paths = [
        "nam",
        "messageType[0].nmae",
        "kinds.any.name",
        "kinds.any.nam",
        "name.x",
        "options.java_package",
    ];
    let checked: Vec<String> = paths.map(checked).to_vec();
    insta::assert_debug_snapshot!(checked, @r#"
    [
        "`a.File` has no field `nam`: did you mean `name`?",
        "`a.Kind` has no field `nmae`: did you mean `name`?",
        "known",
        "`a.Kind` has no field `nam`: did you mean `name`?",
        "known",
        "known",
    ]
    "#);
}

/// Whether a path leads anywhere.
fn checked(path: &str) -> String {
    let proto = r#"
        syntax = "proto3";
        package a;
        message File { string name = 1; repeated Kind message_type = 2; Options options = 3; map<string, Kind> kinds = 4; }
        message Kind { string name = 1; }
        message Options { string java_package = 1; }
    "#;
    let mut sources = crate::proto::sources::Sources::default();
    sources
        .memory
        .insert("a.proto".to_owned(), proto.to_owned());
    let compiled =
        crate::proto::compile::compile(&sources, &["a.proto".to_owned()]).expect("valid");
    let pool = DescriptorPool::decode(compiled.encoded.as_slice()).expect("valid");
    let file = pool.get_message_by_name("a.File").expect("declared");
    let path: Path = path.parse().expect("a path");
    let checked = path.check(&file);
    checked.map_or_else(|error| error.to_string(), |()| "known".to_owned())
}
