//! What the rounds come to.

use std::time::Instant;

use super::cases::Case;
use super::print;
use super::process::Process;

/// Of a process in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Of a call, in microseconds.
    cpu: f64,
    /// Calls in a second.
    rate: f64,
}

/// What `calls` calls cost each process in each round. The first round is not counted.
pub(crate) fn measure(
    processes: &[Process],
    rounds: usize,
    calls: usize,
    mut load: impl FnMut(&Process),
) -> Vec<Vec<Cost>> {
    let mut costs = vec![Vec::new(); processes.len()];
    for round in 0..=rounds {
        for (process, costs) in processes.iter().zip(&mut costs) {
            let (before, begin) = (process.cpu(), Instant::now());
            load(process);
            let (used, took) = (process.cpu() - before, begin.elapsed());
            if round > 0 {
                costs.push(Cost {
                    cpu: used.as_nanos() as f64 / 1e3 / calls as f64,
                    rate: calls as f64 / took.as_secs_f64(),
                });
            }
        }
    }
    costs
}

pub(crate) fn table(side: &str, cases: &[Case], costs: &[Vec<Cost>], concurrency: usize) {
    let title = format!("{side}, {concurrency} at a time");
    print(&format!(
        "\n{title:<26} µs of CPU a call (quartiles)    to tonic   to defaults   calls/s   to tonic"
    ));
    let (bare, defaults) = (&costs[0], &costs[1]);
    for (case, costs) in cases.iter().zip(costs) {
        let cpu = |at| quantile(costs.iter().map(|cost| cost.cpu), at);
        let [low, median, high] = [0.25, 0.5, 0.75].map(cpu);
        let rate = quantile(costs.iter().map(|cost| cost.rate), 0.5);
        // In a round, all have had the same neighbours.
        let pairs = |others: &[Cost], compare: fn(&Cost, &Cost) -> f64| {
            let pairs = costs.iter().zip(others);
            quantile(pairs.map(|(cost, other)| compare(cost, other)), 0.5)
        };
        let to_tonic = pairs(bare, |cost, bare| (cost.cpu / bare.cpu - 1.0) * 100.0);
        let to_defaults = pairs(defaults, |cost, defaults| cost.cpu - defaults.cpu);
        let rate_to_tonic = pairs(bare, |cost, bare| (cost.rate / bare.rate - 1.0) * 100.0);
        let figures = format!("{median:.2} ({low:.2} to {high:.2})");
        print(&format!(
            "{:<26} {figures:<28} {to_tonic:>+10.1} % {to_defaults:>+10.2} µs {rate:>9.0} \
             {rate_to_tonic:>+8.1} %",
            case.name,
        ));
    }
}

fn quantile(values: impl Iterator<Item = f64>, quantile: f64) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
}
