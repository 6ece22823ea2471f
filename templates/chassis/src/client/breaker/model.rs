//! The breaker against a model of it that remembers every call: random calls, times and rules, and
//! after each step both must say the same.

use std::time::Duration;

use tokio::time::Instant;

use super::BreakerState;
use super::state::{Outcome, Rules, SlowCall, State};
use crate::client::random::{below, random};

/// What the documentation of the breaker says, in the simplest way.
struct Model<'r> {
    rules: &'r Rules,
    phase: Phase,
    generation: u64,
}

enum Phase {
    /// Since when, and every call that ended.
    Closed(Instant, Vec<(Instant, Outcome)>),
    Open(Instant),
    /// Since when, and the places of probes: taken by calls under way, and by successes.
    HalfOpen(Instant, u32, u32),
}

impl Model<'_> {
    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed(..) => BreakerState::Closed,
            Phase::Open(..) => BreakerState::Open,
            Phase::HalfOpen(..) => BreakerState::HalfOpen,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    fn acquire(&mut self, now: Instant) -> Option<u64> {
        let due = match self.phase {
            Phase::Closed(..) => false,
            Phase::Open(since) => now - since >= self.rules.open_for,
            Phase::HalfOpen(since, under_way, succeeded) => {
                let is_full = under_way + succeeded >= self.rules.probes;
                is_full && now - since >= self.rules.open_for
            }
        };
        if due {
            self.enter(Phase::HalfOpen(now, 0, 0));
        }
        let permitted = match &mut self.phase {
            Phase::Closed(..) => true,
            Phase::Open(..) => false,
            Phase::HalfOpen(_, under_way, succeeded) => {
                let has_room = *under_way + *succeeded < self.rules.probes;
                *under_way += u32::from(has_room);
                has_room
            }
        };
        permitted.then_some(self.generation)
    }

    fn record(&mut self, generation: u64, outcome: Outcome, now: Instant) {
        if generation != self.generation {
            return;
        }
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failure { .. });
        match &mut self.phase {
            Phase::Open(_) => {}
            Phase::Closed(since, calls) => {
                if outcome == Outcome::Neutral {
                    return;
                }
                calls.push((now, outcome));
                let (since, calls) = (*since, std::mem::take(calls));
                match is_broken(self.rules, since, &calls, now) {
                    true => self.enter(Phase::Open(now)),
                    false => self.phase = Phase::Closed(since, calls),
                }
            }
            Phase::HalfOpen(_, under_way, succeeded) => {
                *under_way -= 1;
                if failed(&outcome) || outcome == Outcome::Slow {
                    return self.enter(Phase::Open(now));
                }
                *succeeded += u32::from(outcome == Outcome::Success);
                if *succeeded >= self.rules.probes {
                    self.enter(Phase::Closed(now, Vec::new()));
                }
            }
        }
    }
}

/// Whether the last of `calls` opens a breaker that is closed since `since`.
fn is_broken(rules: &Rules, since: Instant, calls: &[(Instant, Outcome)], now: Instant) -> bool {
    let is_failure = |outcome: &Outcome| matches!(outcome, Outcome::Failure { .. });
    let is_slow =
        |outcome: &Outcome| matches!(outcome, Outcome::Slow | Outcome::Failure { slow: true });
    // Time passes in tenths of the window.
    let tenth = |at: Instant| (at - since).as_nanos() / (rules.window.as_nanos() / 10);
    let counted = calls.iter().filter(|(at, _)| tenth(now) - tenth(*at) < 10);
    let counted: Vec<&Outcome> = counted.map(|(_, outcome)| outcome).collect();
    let share = |is: &dyn Fn(&Outcome) -> bool| {
        counted.iter().filter(|it| is(it)).count() as f64 / counted.len() as f64
    };
    let row = calls.iter().rev().take_while(|(_, it)| is_failure(it));
    let row = row.count() as u32;
    let (_, last) = calls.last().expect("one has ended");
    let is_enough = counted.len() >= rules.min_requests as usize;
    let by_failures = is_enough && is_failure(last) && share(&is_failure) >= rules.failure_ratio;
    let by_row = rules.consecutive_failures.is_some_and(|limit| row >= limit);
    let by_slowness = is_enough
        && is_slow(last)
        && rules
            .slow_call
            .is_some_and(|rule| share(&is_slow) >= rule.ratio);
    by_failures || by_row || by_slowness
}

fn pick<T: Copy>(among: &[T]) -> T {
    among[below(among.len(), random() as u32)]
}

fn random_rules() -> Rules {
    let slow_call = |ratio| SlowCall {
        duration: Duration::from_secs(1),
        ratio,
    };
    Rules {
        window: pick(&[1, 10, 60].map(Duration::from_secs)),
        min_requests: pick(&[1, 3, 10]),
        failure_ratio: pick(&[0.1, 0.5, 1.0]),
        consecutive_failures: pick(&[None, Some(1), Some(4)]),
        slow_call: pick(&[None, Some(0.5), Some(1.0)]).map(slow_call),
        open_for: pick(&[0, 5, 60].map(Duration::from_secs)),
        probes: pick(&[1, 3]),
    }
}

#[test]
fn it_does_what_a_model_that_remembers_everything_does() {
    const OUTCOMES: [Outcome; 8] = [
        Outcome::Success,
        Outcome::Success,
        Outcome::Success,
        Outcome::Slow,
        Outcome::Neutral,
        Outcome::Failure { slow: false },
        Outcome::Failure { slow: false },
        Outcome::Failure { slow: true },
    ];
    const STEPS: [Duration; 6] = [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_millis(700),
        Duration::from_millis(1_300),
        Duration::from_secs(5),
        Duration::from_secs(60),
    ];
    let mut changes = 0;
    for _ in 0..2_000 {
        let rules = random_rules();
        let mut now = Instant::now();
        let mut breaker = State::new(&rules, now);
        let mut model = Model {
            rules: &rules,
            phase: Phase::Closed(now, Vec::new()),
            generation: 0,
        };
        let mut under_way = Vec::new();
        // What was done so far, for who has to find out why it failed.
        let mut story = Vec::new();
        let mut told = BreakerState::Closed;
        for _ in 0..100 {
            let step = pick(&STEPS);
            now += step;
            let change = if pick(&[true, false]) || under_way.is_empty() {
                let (permitted, change) = breaker.acquire(&rules, now);
                let expected = model.acquire(now);
                story.push(format!("after {step:?}: begin, {expected:?}"));
                assert_eq!(permitted, expected, "{rules:#?} {story:#?}");
                under_way.extend(permitted);
                change
            } else {
                // Not always the oldest ends first.
                let index = below(under_way.len(), random() as u32);
                let generation = under_way.swap_remove(index);
                let outcome = pick(&OUTCOMES);
                story.push(format!("after {step:?}: {generation} ends, {outcome:?}"));
                model.record(generation, outcome, now);
                breaker.record(&rules, generation, outcome, now)
            };
            let is = (breaker.generation(), change.map(|it| (it.from, it.to)));
            let changed = (told != model.state()).then_some((told, model.state()));
            assert_eq!(is, (model.generation, changed), "{rules:#?} {story:#?}");
            changes += u32::from(changed.is_some());
            told = model.state();
        }
    }
    assert!(changes > 2_000, "{changes} changes are not worth much");
}
