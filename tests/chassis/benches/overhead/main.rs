//! What the chassis costs: the processor time of a call, against tonic alone.
//!
//! ```text
//! cargo bench -p chassis --bench overhead [-- --rounds 9 --calls 10000 --only server --at 50]
//! ```
//!
//! A server, or a client, is a process of its own with one worker thread, and what is measured is
//! the time that the system has given to all threads of that process, so that what else the
//! machine does shows as little as possible. All processes live through the whole run, and take
//! turns: a round is a number of unary calls with 100 bytes each way to or from each of them. The
//! figures are medians of the rounds, as are those of the comparisons within each round.
//!
//! The chassis is as `chassis::serve` sets it up by default, with a tenth of the traces recorded
//! and sent to a collector, log lines to a pipe that is read, and metrics. The other cases are the
//! same with one thing changed, which tells what that thing costs.
//!
//! Linux only: other systems do not tell what a process has used by the nanosecond.

mod cases;
mod driver;
mod echo;
mod process;
mod role;

use std::io::Write;

use cases::{CLIENTS, Case, SERVERS};
use chassis::testing::TestServer;
use chassis::{Services, testing};
use process::Process;

/// Calls at a time: one, where each call pays for its own system calls and wake-ups, and many,
/// where they share them, as on a busy server.
const CONCURRENCIES: [usize; 2] = [1, 50];

const DEFAULT_ROUNDS: usize = 9;
const DEFAULT_CALLS: usize = 10_000;

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
    let only = option(&arguments, "--only");
    let concurrencies = match number("--at", 0) {
        0 => CONCURRENCIES.to_vec(),
        one => vec![one],
    };

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let collector: TestServer = runtime.block_on(testing::serve(
        Services::new(&[]).add(role::Collector::service()),
    ));
    let collector = collector.address().to_string();

    if only.is_none_or(|only| only == "server") {
        let servers: Vec<Process> = SERVERS
            .iter()
            .map(|case| Process::server(case, &collector))
            .collect();
        for &concurrency in &concurrencies {
            let costs = measure(&servers, rounds, |process| {
                driver::calls(process.address(), calls, concurrency);
                calls
            });
            table("server", SERVERS, &costs, concurrency);
        }
    }
    if only.is_none_or(|only| only == "client") {
        let server = Process::server(&SERVERS[0], &collector);
        let clients: Vec<Process> = CLIENTS
            .iter()
            .map(|case| Process::client(case, &collector, server.address()))
            .collect();
        for &concurrency in &concurrencies {
            let costs = measure(&clients, rounds, |process| {
                process.make_calls(calls, concurrency);
                calls
            });
            table("client", CLIENTS, &costs, concurrency);
        }
    }
}

/// What a call costs each process in each round, in microseconds. The first round is not counted.
fn measure(
    processes: &[Process],
    rounds: usize,
    mut load: impl FnMut(&Process) -> usize,
) -> Vec<Vec<f64>> {
    let mut costs = vec![Vec::new(); processes.len()];
    for round in 0..=rounds {
        for (process, costs) in processes.iter().zip(&mut costs) {
            let before = process.cpu();
            let calls = load(process);
            let used = process.cpu() - before;
            if round > 0 {
                costs.push(used.as_nanos() as f64 / 1e3 / calls as f64);
            }
        }
    }
    costs
}

fn table(side: &str, cases: &[Case], costs: &[Vec<f64>], concurrency: usize) {
    let title = format!("{side}, {concurrency} at a time");
    print(&format!(
        "\n{title:<26} µs of CPU a call (quartiles)    to tonic   to defaults"
    ));
    let (bare, defaults) = (&costs[0], &costs[1]);
    for (case, costs) in cases.iter().zip(costs) {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|it| quantile(costs, it));
        // In a round, all have had the same neighbours.
        let pairs = |others: &[f64], compare: fn(f64, f64) -> f64| {
            let pairs = costs.iter().zip(others);
            let compared: Vec<f64> = pairs.map(|(cost, other)| compare(*cost, *other)).collect();
            quantile(&compared, 0.5)
        };
        let to_tonic = pairs(bare, |cost, bare| (cost / bare - 1.0) * 100.0);
        let to_defaults = pairs(defaults, |cost, defaults| cost - defaults);
        let figures = format!("{median:.2} ({low:.2} to {high:.2})");
        print(&format!(
            "{:<26} {figures:<28} {to_tonic:>+10.1} % {to_defaults:>+10.2} µs",
            case.name,
        ));
    }
}

fn quantile(costs: &[f64], quantile: f64) -> f64 {
    let mut sorted = costs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
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
