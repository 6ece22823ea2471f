//! What it costs to find an endpoint for a call: the policy, the connection, the circuit breaker.
//!
//! ```text
//! cargo bench -p chassis --bench pick
//! ```
//!
//! A round is a thousand picks, and then their thousand outcomes; the figures are the median of the
//! rounds and, in parentheses, the 95th percentile, in nanoseconds of wall time a pick. A round is
//! far shorter than a time slice, so what else the machine does shows in few of them; so does, on a
//! busy machine, that two threads run at the same time: look at the percentile for that.

use std::hint::black_box;
use std::io::Write;
use std::sync::Barrier;
use std::time::Instant;

use chassis::Services;
use chassis::config::{BalancePolicy, Config, Duration, NoSettings};
use chassis::testing::{self, Pick, Picker, TestServer};
use tonic::Code;

const PATH: &str = "/user.v1.UserService/GetUser";
const PICKS: usize = 1_000;
const ROUNDS: usize = 2_001;

/// What is measured: its name, and the configuration that makes it.
type Case = (&'static str, fn(&mut Config));

const CASES: [Case; 9] = [
    ("round_robin, no breaker", |config| {
        config.client.breaker.enabled = false;
    }),
    ("round_robin", |_| {}),
    ("weighted_round_robin", |config| {
        config.client.balance.policy = BalancePolicy::WeightedRoundRobin;
    }),
    ("random", |config| {
        config.client.balance.policy = BalancePolicy::Random;
    }),
    ("p2c, no breaker", |config| {
        config.client.breaker.enabled = false;
        config.client.balance.policy = BalancePolicy::P2c;
    }),
    ("p2c", |config| {
        config.client.balance.policy = BalancePolicy::P2c;
    }),
    ("round_robin, slow calls", |config| {
        config.client.breaker.slow_call_duration = Duration::from_secs(1);
    }),
    ("round_robin, per method", |config| {
        config.client.breaker.per_method = true;
    }),
    ("round_robin, outliers", |config| {
        config.client.outlier.enabled = true;
    }),
];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    let servers: Vec<TestServer> = (0..3)
        .map(|_| runtime.block_on(testing::serve(Services::new(&[]))))
        .collect();
    print("ns a pick                    endpoints  threads  pick             outcome");
    for (name, change) in CASES {
        let mut config = Config::<NoSettings>::default();
        change(&mut config);
        for (count, threads) in [(3, 1), (3, 2), (1, 2)] {
            let picker = connect(&servers[..count], &config);
            let (pick, outcome) = measure(&picker, threads);
            print(&format!(
                "{name:<28} {count:>9} {threads:>8}  {pick:<16} {outcome}"
            ));
        }
    }
}

/// A picker that is connected to all of `servers`.
fn connect(servers: &[TestServer], config: &Config) -> Picker {
    let addresses: Vec<String> = servers.iter().map(|it| it.address().to_string()).collect();
    let target = format!("static:///{}", addresses.join(","));
    // The last one has gone.
    wait_for_connections(&target, 0);
    let picker = Picker::connect(&target, config).expect("a valid target");
    wait_for_connections(&target, servers.len());
    picker
}

fn wait_for_connections(target: &str, count: usize) {
    let row = format!(r#"client_endpoints{{target="{target}",state="connected"}} "#);
    loop {
        let metrics = chassis::metrics::render();
        let value = metrics.lines().find_map(|line| line.strip_prefix(&row));
        if value.unwrap_or("0") == count.to_string() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// The medians of a pick and of an outcome in so many threads.
fn measure(picker: &Picker, threads: usize) -> (String, String) {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| rounds(picker, &barrier)))
            .collect();
        let own = rounds(picker, &barrier);
        for other in others {
            other.join().expect("no panic");
        }
        own
    })
}

fn rounds(picker: &Picker, barrier: &Barrier) -> (String, String) {
    let mut picks: Vec<Option<Pick>> = Vec::with_capacity(PICKS);
    let (mut pick_times, mut outcome_times) = (Vec::new(), Vec::new());
    barrier.wait();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for _ in 0..PICKS {
            picks.push(picker.pick(black_box(PATH)));
        }
        let picked = Instant::now();
        for pick in picks.drain(..) {
            pick.expect("an endpoint").finish(Code::Ok);
        }
        outcome_times.push(picked.elapsed());
        pick_times.push(picked - begin);
    }
    (figures(pick_times), figures(outcome_times))
}

/// The median and the 95th percentile, in nanoseconds a pick.
fn figures(mut times: Vec<std::time::Duration>) -> String {
    times.sort_unstable();
    let quantile =
        |percent: usize| times[times.len() * percent / 100].as_nanos() as f64 / PICKS as f64;
    format!("{:.1} ({:.1})", quantile(50), quantile(95))
}

fn print(line: &str) {
    // Who does not read it need not have it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
