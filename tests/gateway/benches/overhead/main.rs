//! What the gateway costs: the processor time of a request through it, against a call of gRPC
//! without it.
//!
//! ```text
//! cargo bench -p gateway --bench overhead [-- --rounds 9 --calls 10000 --at 32]
//! ```
//!
//! A call without the gateway takes the time of its client and of its server; the gateway is a server
//! and a client at once, so its own time is what compares with both of them. Each of them is a
//! process with one worker thread, and what is measured is the time that the system has given to
//! all threads of the process. All live through the whole run and take turns: a round is a number of
//! requests of about 100 bytes each way in each of the ways; the figures are medians of the rounds.
//!
//! The client and the server of the bare calls are tonic's own. The service behind the gateway is the
//! same server. The gateway is as `gateway::serve` sets it up; what a case changes is in its name.
//!
//! Linux only: other systems do not tell what a process has used by the nanosecond.

mod driver;
mod process;
mod role;

use std::io::Write;

use driver::Way;
use process::Process;

const DEFAULT_ROUNDS: usize = 9;
const DEFAULT_CALLS: usize = 10_000;

/// Requests at a time.
const DEFAULT_CONCURRENCY: usize = 32;

/// What is measured: the name, the gateway if there is one, and how requests get there.
const CASES: [(&str, Option<&str>, Way); 7] = [
    ("bare gRPC, client and server", None, Way::Grpc),
    ("gateway, gRPC that passes through", Some("full"), Way::Grpc),
    ("gateway, JSON over HTTP/2", Some("full"), Way::Http2),
    ("gateway, JSON over HTTP/1", Some("full"), Way::Http1),
    ("… without log lines", Some("quiet"), Way::Http1),
    (
        "… without the layers of the server and the client",
        Some("plain"),
        Way::Http1,
    ),
    (
        "gateway, route to an HTTP server, over HTTP/1",
        Some("quiet"),
        Way::Route,
    ),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(role) = option(&arguments, "--role") {
        return role::run(role, &arguments);
    }
    if !cfg!(target_os = "linux") {
        return print("this benchmark reads /proc: Linux only");
    }
    let number = |name, default| {
        option(&arguments, name).map_or(default, |text| text.parse().expect("a number"))
    };
    let rounds = number("--rounds", DEFAULT_ROUNDS);
    let calls = number("--calls", DEFAULT_CALLS);
    let concurrency = number("--at", DEFAULT_CONCURRENCY);

    let server = Process::start(&["--role", "server"]);
    let files = Process::start(&["--role", "files"]);
    let behind = ["--server", server.address(), "--files", files.address()];
    let gateways = ["full", "quiet", "plain"].map(|kind| {
        let arguments = [&["--role", "gateway", "--kind", kind][..], &behind].concat();
        (kind, Process::start(&arguments))
    });
    let client = Process::start(&["--role", "client"]);

    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); CASES.len()];
    // The first round warms up.
    for round in 0..=rounds {
        for (at, (_, gateway, way)) in CASES.iter().enumerate() {
            let gateway = gateway.map(|kind| {
                let (_, process) = gateways
                    .iter()
                    .find(|(it, _)| *it == kind)
                    .expect("it is there");
                process
            });
            let address = gateway.unwrap_or(&server).address();
            let cpu = || match gateway {
                Some(gateway) => gateway.cpu(),
                None => server.cpu() + client.cpu(),
            };
            let before = cpu();
            client.make_calls(&format!("{} {address} {calls} {concurrency}", way.name()));
            let used = cpu() - before;
            if round > 0 {
                costs[at].push(used.as_secs_f64() * 1e6 / calls as f64);
            }
        }
    }
    print(&format!(
        "{concurrency} at a time, {rounds} rounds of {calls}"
    ));
    print(&format!("{:52} {:>10} {:>8}", "", "µs a call", "of bare"));
    for (at, (name, ..)) in CASES.iter().enumerate() {
        let ratios = costs[at]
            .iter()
            .zip(&costs[0])
            .map(|(cost, bare)| cost / bare);
        let (cost, ratio) = (median(costs[at].clone()), median(ratios.collect()));
        print(&format!("{name:52} {cost:>10.1} {ratio:>8.2}"));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value of the option called `name`.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

fn print(line: &str) {
    // Who does not read it need not have it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
