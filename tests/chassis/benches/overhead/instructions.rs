//! Instructions instead of time.

use super::cases::{Case, SERVERS};
use super::process::{Process, Under};
use super::{driver, print};

/// A process takes fifty times as long while it is counted.
pub(crate) const DEFAULT_CALLS: usize = 4_000;

/// Those of calls that set things up, which are not counted.
const WARM_UP: usize = 500;

/// The instructions of a call to a server.
pub(crate) fn server(case: &Case, collector: &str, calls: usize, concurrency: usize) -> f64 {
    let server = Process::server(case, collector, Under::Callgrind);
    driver::calls(server.address(), WARM_UP, concurrency);
    server.start_counting();
    driver::calls(server.address(), calls, concurrency);
    server.counted() as f64 / calls as f64
}

/// The instructions of a call by a client.
pub(crate) fn client(case: &Case, collector: &str, calls: usize, concurrency: usize) -> f64 {
    let server = Process::server(&SERVERS[0], collector, Under::Nothing);
    let client = Process::client(case, collector, server.address(), Under::Callgrind);
    client.make_calls(WARM_UP, concurrency);
    client.start_counting();
    client.make_calls(calls, concurrency);
    client.counted() as f64 / calls as f64
}

/// Counts and prints one case after the other. Tonic and the defaults come first.
pub(crate) fn table(side: &str, cases: &[Case], concurrency: usize, count: impl Fn(&Case) -> f64) {
    let title = format!("{side}, {concurrency} at a time");
    print(&format!(
        "\n{title:<26} instructions a call   to tonic   to defaults"
    ));
    let mut counts = Vec::new();
    for case in cases {
        counts.push(count(case));
        let (count, bare) = (counts[counts.len() - 1], counts[0]);
        let to_tonic = (count / bare - 1.0) * 100.0;
        let to_defaults = count - counts.get(1).unwrap_or(&count);
        print(&format!(
            "{:<26} {count:>19.0} {to_tonic:>+8.1} % {to_defaults:>+13.0}",
            case.name
        ));
    }
}
