//! What a message costs that is made by a template, in nanoseconds of processor time:
//!
//!     cargo bench --bench template

use std::hint::black_box;
use std::time::Duration;

use msvc::bench::template::{Moment, Rows, Sources, Step, compile};
use prost_reflect::DescriptorPool;
use rustix::time::{ClockId, clock_gettime};

/// How many messages are made at a time, and how often that is done.
const MESSAGES: u64 = 1_000_000;
const ROUNDS: usize = 7;

const PROTO: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "google/protobuf/timestamp.proto";
    message Line { string sku = 1; uint32 count = 2; }
    message Order {
      uint64 id = 1;
      string customer = 2;
      string note = 3;
      Line line = 4;
      google.protobuf.Timestamp at = 5;
      string currency = 6;
    }
"#;

const TEMPLATES: [(&str, &str); 4] = [
    (
        "nothing generated",
        r#"{"id": 7, "customer": "ada", "note": "as always"}"#,
    ),
    (
        "five: seq, randomInt, randomChoice, column, now",
        r#"{"id": {{seq}}, "customer": "{{column name}}", "line": {"sku": "tea", "count": {{randomInt 1 9}}}, "currency": "{{randomChoice EUR USD}}", "at": {{now}}}"#,
    ),
    (
        "five: seq, uuid, randomInt, randomString, now",
        r#"{"id": {{seq}}, "customer": "{{uuid}}", "note": "{{randomString 16}}", "line": {"sku": "tea", "count": {{randomInt 1 9}}}, "at": {{now}}}"#,
    ),
    ("one: uuid", r#"{"customer": "{{uuid}}"}"#),
];

fn main() {
    let mut sources = msvc::proto::sources::Sources::default();
    sources
        .memory
        .insert("o.proto".to_owned(), PROTO.to_owned());
    let compiled = msvc::proto::compile::compile(&sources, &["o.proto".to_owned()]);
    let compiled = compiled.expect("a proto");
    let pool = DescriptorPool::decode(compiled.encoded.as_slice()).expect("descriptors");
    let order = pool.get_message_by_name("shop.v1.Order").expect("declared");
    let sources = Sources {
        rows: Some(Rows::from_csv("name\nAda\nBob\nCleo\n").expect("rows")),
        ..Sources::default()
    };
    for (name, text) in TEMPLATES {
        let plans = compile(text, "-d", &order, &sources).expect("a template");
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let mut message = Vec::with_capacity(256);
                let begun = cpu();
                for number in 0..MESSAGES {
                    message.clear();
                    let now = Moment {
                        seconds: 1_767_225_600,
                        nanos: number as u32,
                    };
                    let step = Step {
                        seed: 1,
                        number,
                        now,
                    };
                    plans[0].write(black_box(&step), &mut message);
                    black_box(&message);
                }
                (cpu() - begun).as_nanos() as f64 / MESSAGES as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        print(&format!(
            "{:6.1} ns (from {:.1} to {:.1})  {name}",
            rounds[ROUNDS / 2],
            rounds[0],
            rounds[ROUNDS - 1]
        ));
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn print(line: &str) {
    println!("{line}");
}
