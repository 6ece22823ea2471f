//! The JSON mapping, against Python's protobuf.
//!
//! Each text is sent through a gateway to a service that echoes it: it has to be taken when Python
//! takes it, and to come back as what Python writes. Where they differ, it is said why.

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use support::{DESCRIPTOR_SET, system};

const SCRIPT: &str = r#"
import json, sys
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
pool = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[1], "rb").read()).file:
    pool.Add(file)
Message = message_factory.GetMessageClass(pool.FindMessageTypeByName("echo.v1.Message"))
for line in sys.stdin:
    try:
        message = json_format.Parse(json.loads(line), Message(), descriptor_pool=pool)
        print(json.dumps(json_format.MessageToDict(message, descriptor_pool=pool)), flush=True)
    except Exception as error:
        print(json.dumps("refused: " + str(error)), flush=True)
"#;

/// What both have to see alike.
const TEXTS: &[&str] = &[
    "{}",
    "null",
    "[]",
    "1",
    "\"a\"",
    "{",
    "{}}",
    "{\"text\":\"a\",}",
    r#"{"text":"a","text":"b"}"#,
    r#"{"unknown":1}"#,
    // Names.
    r#"{"snakeCaseName":"a"}"#,
    r#"{"snake_case_name":"a"}"#,
    r#"{"SnakeCaseName":"a"}"#,
    r#"{"snakeCaseName":"a","snake_case_name":"b"}"#,
    // null is as if it were not there.
    r#"{"text":null,"number":null,"inner":null,"texts":null,"counts":null,"colour":null}"#,
    r#"{"maybe":null,"left":null,"at":null,"wrapped":null,"fields":null}"#,
    r#"{"value":null}"#,
    r#"{"null":null}"#,
    r#"{"texts":[null]}"#,
    r#"{"counts":{"a":null}}"#,
    r#"{"inners":[null]}"#,
    // Texts.
    r#"{"text":"\u00e9\ud83d\ude00\n\t\"\\\/"}"#,
    r#"{"text":""}"#,
    r#"{"text":1}"#,
    r#"{"text":true}"#,
    r#"{"text":["a"]}"#,
    r#"{"text":"\x"}"#,
    "{\"text\":\"\n\"}",
    // Whole numbers.
    r#"{"number":2147483647}"#,
    r#"{"number":-2147483648}"#,
    r#"{"number":2147483648}"#,
    r#"{"number":"17"}"#,
    r#"{"number":"-17"}"#,
    r#"{"number":"+17"}"#,
    r#"{"number":" 17"}"#,
    r#"{"number":"17 "}"#,
    r#"{"number":"0x11"}"#,
    r#"{"number":""}"#,
    r#"{"number":1.0}"#,
    r#"{"number":1.5}"#,
    r#"{"number":1e2}"#,
    r#"{"number":1e-1}"#,
    r#"{"number":-0}"#,
    r#"{"number":"-0"}"#,
    r#"{"number":true}"#,
    r#"{"number":[1]}"#,
    r#"{"large":"9223372036854775807"}"#,
    r#"{"large":"-9223372036854775808"}"#,
    r#"{"large":9223372036854775807}"#,
    r#"{"large":"9223372036854775808"}"#,
    r#"{"large":9223372036854775808}"#,
    r#"{"small":4294967295}"#,
    r#"{"small":4294967296}"#,
    r#"{"small":-1}"#,
    r#"{"huge":"18446744073709551615"}"#,
    r#"{"huge":18446744073709551615}"#,
    r#"{"huge":"18446744073709551616"}"#,
    r#"{"huge":"-1"}"#,
    // Numbers.
    r#"{"single":0.1,"double":0.1}"#,
    r#"{"single":1.5,"double":-2.5e10}"#,
    r#"{"double":1e400}"#,
    r#"{"single":1e39}"#,
    r#"{"single":3.4028235e38}"#,
    r#"{"double":1.7976931348623157e308}"#,
    r#"{"double":5e-324}"#,
    r#"{"single":"NaN","double":"Infinity"}"#,
    r#"{"single":"-Infinity","double":"NaN"}"#,
    r#"{"double":"1.5"}"#,
    r#"{"double":"a"}"#,
    r#"{"double":""}"#,
    r#"{"double":"inf"}"#,
    r#"{"double":true}"#,
    "{\"double\":NaN}",
    // Booleans.
    r#"{"truth":true}"#,
    r#"{"truth":false}"#,
    r#"{"truth":"true"}"#,
    r#"{"truth":1}"#,
    // Bytes, in either alphabet, with padding or without.
    r#"{"data":"AQID"}"#,
    r#"{"data":"AQ=="}"#,
    r#"{"data":"AQ"}"#,
    r#"{"data":"-_8="}"#,
    r#"{"data":"-_8"}"#,
    r#"{"data":"+/8="}"#,
    r#"{"data":"!"}"#,
    r#"{"data":1}"#,
    // Enums.
    r#"{"colour":"COLOUR_RED"}"#,
    r#"{"colour":1}"#,
    r#"{"colour":"COLOUR_UNSPECIFIED"}"#,
    r#"{"colour":99}"#,
    r#"{"colour":"COLOUR_GREEN"}"#,
    r#"{"colour":"colour_red"}"#,
    r#"{"colour":"1"}"#,
    r#"{"colour":1.5}"#,
    r#"{"colours":["COLOUR_RED",2,0]}"#,
    // Messages, lists, maps.
    r#"{"inner":{}}"#,
    r#"{"inner":{"inner":{"inner":{"number":1}}}}"#,
    r#"{"inner":[]}"#,
    r#"{"inner":"a"}"#,
    r#"{"texts":["a","b",""]}"#,
    r#"{"texts":[]}"#,
    r#"{"texts":"a"}"#,
    r#"{"texts":{}}"#,
    r#"{"numbers":[1,"2",3.0]}"#,
    r#"{"inners":[{},{"text":"a"}]}"#,
    r#"{"counts":{"a":1,"b":"2"}}"#,
    r#"{"counts":{}}"#,
    r#"{"counts":[]}"#,
    r#"{"counts":{"a":"b"}}"#,
    r#"{"byNumber":{"-7":{"text":"a"},"8":{}}}"#,
    r#"{"byNumber":{"a":{}}}"#,
    r#"{"byNumber":{"9223372036854775808":{}}}"#,
    // One of several.
    r#"{"left":"a"}"#,
    r#"{"left":""}"#,
    r#"{"left":"a","right":1}"#,
    r#"{"right":0}"#,
    r#"{"maybe":""}"#,
    // Times.
    r#"{"at":"2026-01-02T03:04:05Z"}"#,
    r#"{"at":"2026-01-02T03:04:05.123Z"}"#,
    r#"{"at":"2026-01-02T03:04:05.123456789Z"}"#,
    r#"{"at":"2026-01-02T03:04:05.1Z"}"#,
    r#"{"at":"2026-01-02T03:04:05+01:30"}"#,
    r#"{"at":"1969-12-31T23:59:59.5Z"}"#,
    r#"{"at":"0001-01-01T00:00:00Z"}"#,
    r#"{"at":"9999-12-31T23:59:59.999999999Z"}"#,
    r#"{"at":"0000-01-01T00:00:00Z"}"#,
    r#"{"at":"2026-02-30T00:00:00Z"}"#,
    r#"{"at":"2026-01-02T03:04:05"}"#,
    r#"{"at":"2026-01-02"}"#,
    r#"{"at":""}"#,
    r#"{"at":0}"#,
    r#"{"took":"1s"}"#,
    r#"{"took":"1.5s"}"#,
    r#"{"took":"-1.5s"}"#,
    r#"{"took":"-0.5s"}"#,
    r#"{"took":"0s"}"#,
    r#"{"took":"0.000000001s"}"#,
    r#"{"took":"315576000000s"}"#,
    r#"{"took":"315576000001s"}"#,
    r#"{"took":"1"}"#,
    r#"{"took":"s"}"#,
    r#"{"took":1}"#,
    // Wrappers.
    r#"{"wrapped":"7"}"#,
    r#"{"wrapped":7}"#,
    r#"{"wrapped":0}"#,
    r#"{"wrapped":{"value":1}}"#,
    r#"{"wrappedText":""}"#,
    r#"{"wrappedText":1}"#,
    r#"{"wrappedTruth":false}"#,
    r#"{"wrappedData":"AQ=="}"#,
    r#"{"wrappedDouble":"NaN"}"#,
    // Masks.
    r#"{"mask":"text,inner.snakeCase"}"#,
    r#"{"mask":""}"#,
    r#"{"mask":1}"#,
    // Any JSON.
    r#"{"fields":{"a":1,"b":[null,true,"c",{"d":1.5}]}}"#,
    r#"{"fields":{}}"#,
    r#"{"fields":[]}"#,
    r#"{"value":1}"#,
    r#"{"value":"a"}"#,
    r#"{"value":[1,{"a":null}]}"#,
    r#"{"value":{"a":{}}}"#,
    r#"{"list":[1,"a",null]}"#,
    r#"{"list":{}}"#,
    // Messages of any type.
    r#"{"any":{"@type":"type.googleapis.com/echo.v1.Inner","text":"a"}}"#,
    r#"{"any":{"text":"a","@type":"type.googleapis.com/echo.v1.Inner"}}"#,
    r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.5s"}}"#,
    r#"{"any":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"a"}}"#,
    r#"{"any":{"@type":"type.googleapis.com/unknown.Type","text":"a"}}"#,
    r#"{"any":{"text":"a"}}"#,
    r#"{"any":{}}"#,
];

/// What Python does otherwise, and who is right.
const DIFFERENCES: &[(&str, &str)] = &[
    ("[]", "Python takes an empty list for an empty object"),
    (r#"{"inner":[]}"#, "the same"),
    (
        r#"{"text":"a","text":"b"}"#,
        "here the last one holds, as in most readers of JSON",
    ),
    (r#"{"double":true}"#, "Python takes a boolean for a number"),
    (r#"{"data":"!"}"#, "Python drops what is not base64"),
    (
        r#"{"colour":"1"}"#,
        "Python takes a number in quotes for an enum",
    ),
    (r#"{"colour":1.5}"#, "Python cuts the number"),
    (
        r#"{"wrappedDouble":"NaN"}"#,
        "prost-reflect writes null, which reads back as not there",
    ),
    (r#"{"any":{}}"#, "prost-reflect wants a type"),
];

/// Python with the descriptors.
struct Python {
    child: Child,
    texts: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// `None` where there is no Python, or none with protobuf.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
    fn start(descriptors: &Path) -> Option<Self> {
        let has_protobuf = Command::new("python3")
            .args(["-c", "import google.protobuf"])
            .output();
        if !has_protobuf.is_ok_and(|output| output.status.success()) {
            let missing = "python3 has no protobuf (`pip install protobuf`)";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        }
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .arg(descriptors)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        Some(Self {
            texts: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        })
    }

    /// What Python writes of `text`, or that it refuses it.
    fn ask(&mut self, text: &str) -> Value {
        writeln!(self.texts, "{}", json!(text)).expect("Python reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("Python answers");
        serde_json::from_str(&answer).expect(&answer)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn json_is_taken_and_written_as_python_does_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let descriptors = folder.path().join("echo.bin");
    std::fs::write(&descriptors, *DESCRIPTOR_SET).expect("written");
    let Some(mut python) = Python::start(&descriptors) else {
        return;
    };
    let system = system().await;
    let mut differences = Vec::new();
    for text in TEXTS {
        let theirs = python.ask(text);
        let reply = system.ask("POST", "/v1/messages", text).await;
        let is_known = DIFFERENCES.iter().any(|(known, _)| known == text);
        let agree = match (reply.status, &theirs) {
            (200, theirs) => reply.json() == *theirs,
            (400, Value::String(refusal)) => refusal.starts_with("refused: "),
            _ => false,
        };
        if agree == is_known {
            differences.push(format!(
                "{text}\n  ours:   {} {}\n  theirs: {theirs}",
                reply.status, reply.body
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
