//! What the chassis costs: the processor time of a call, against tonic alone.
//!
//! ```text
//! cargo bench -p chassis --bench overhead [-- --rounds 9 --calls 10000 --only server --at 50]
//! cargo bench -p chassis --bench overhead -- --instructions [--calls 4000 --only server --at 50]
//! ```
//!
//! A server, or a client, is a process of its own with one worker thread, and what is measured is
//! the time that the system has given to all threads of that process, so that what else the
//! machine does shows as little as possible. All processes live through the whole run, and take
//! turns: a round is a number of unary calls with 100 bytes each way to or from each of them. The
//! figures are medians of the rounds, as are those of the comparisons within each round. How many
//! calls were made in a second says more about what else the machine does, the caller included.
//!
//! `--instructions` counts the instructions of a call instead, outside of the kernel, by `valgrind`:
//! they are the same whatever else the machine does, and tell apart what is too small for a clock.
//!
//! The chassis is as `chassis::serve` sets it up by default, with a tenth of the traces recorded
//! and sent to a collector, log lines to a pipe that is read, and metrics. The other cases are the
//! same with one thing changed, which tells what that thing costs.
//!
//! Linux only: other systems do not tell what a process has used by the nanosecond.

mod cases;
mod driver;
mod echo;
mod instructions;
mod process;
mod report;
mod role;

use std::io::Write;

use cases::{CLIENTS, Case, SERVERS};
use chassis::testing::TestServer;
use chassis::{Services, testing};
use process::{Process, Under};
use report::{Cost, measure, table};

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

    let servers = only.is_none_or(|only| only == "server");
    let clients = only.is_none_or(|only| only == "client");
    if arguments
        .iter()
        .any(|argument| argument == "--instructions")
    {
        let calls = number("--calls", instructions::DEFAULT_CALLS);
        for &concurrency in &concurrencies {
            if servers {
                let count =
                    |case: &Case| instructions::server(case, &collector, calls, concurrency);
                instructions::table("server", SERVERS, concurrency, count);
            }
            if clients {
                let count =
                    |case: &Case| instructions::client(case, &collector, calls, concurrency);
                instructions::table("client", CLIENTS, concurrency, count);
            }
        }
        return;
    }
    if servers {
        let start = |case: &Case| Process::server(case, &collector, Under::Nothing);
        let servers: Vec<Process> = SERVERS.iter().map(start).collect();
        for &concurrency in &concurrencies {
            let costs = measure(&servers, rounds, calls, |process| {
                driver::calls(process.address(), calls, concurrency);
            });
            table("server", SERVERS, &costs, concurrency);
        }
    }
    if clients {
        let server = Process::server(&SERVERS[0], &collector, Under::Nothing);
        let address = server.address();
        let start = |case: &Case| Process::client(case, &collector, address, Under::Nothing);
        let clients: Vec<Process> = CLIENTS.iter().map(start).collect();
        for &concurrency in &concurrencies {
            let costs: Vec<Vec<Cost>> = measure(&clients, rounds, calls, |process| {
                process.make_calls(calls, concurrency);
            });
            table("client", CLIENTS, &costs, concurrency);
        }
    }
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
