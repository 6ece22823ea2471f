//! Sagas in a small world: steps have effects or not, fail, answer late; the process dies whenever it
//! likes. Whatever happens, in the end all effects are there, or none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::Policy;

/// Numbers that look like chance and are the same each time (Marsaglia, "Xorshift RNGs", 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn plan(chance: &mut Chance) -> Plan {
    let mut names = NAMES.iter();
    let mut stages = Vec::new();
    for _ in 0..=chance.below(3) {
        let count = 1 + chance.below(2) as usize;
        let steps = names.by_ref().take(count).map(|name| PlannedStep {
            name,
            policy: Policy {
                attempts: 1 + chance.below(3) as u32,
                ..Policy::default()
            },
        });
        stages.push(steps.collect());
    }
    Plan { stages }
}

/// What the other services know.
#[derive(Default)]
struct World {
    /// Steps whose effect is there.
    effects: BTreeSet<&'static str>,
    /// Steps in the order in which their compensations had success.
    undone: Vec<&'static str>,
    may_be_stuck: bool,
}

impl World {
    /// Acts or undoes, both of which can be done twice. What is answered may not be what happened.
    fn perform(&mut self, doing: Doing, step: &'static str, chance: &mut Chance) -> Event {
        let fate = chance.below(8);
        let has_effect = match doing {
            Doing::Act if fate == 0 => false,
            Doing::Undo if fate == 0 && self.may_be_stuck => false,
            _ => fate < 6 || chance.one_in(2),
        };
        match (doing, has_effect) {
            (Doing::Act, true) => {
                self.effects.insert(step);
            }
            (Doing::Undo, true) => {
                self.effects.remove(step);
                self.undone.push(step);
            }
            _ => {}
        }
        match (doing, fate) {
            (Doing::Act, 0) => Event::Refused(doing, "refused".to_owned()),
            (Doing::Undo, 0) if self.may_be_stuck => Event::Refused(doing, "never".to_owned()),
            (_, 6 | 7) => Event::Failed(doing, "no answer".to_owned()),
            (Doing::Act, _) => Event::Acted(Value::from(step)),
            (Doing::Undo, _) => Event::Undone,
        }
    }
}

struct Run {
    plan: Plan,
    world: World,
    /// What would be there if the process died now.
    kept: Journal,
    journal: Journal,
    going_on: BTreeSet<&'static str>,
    now: i64,
}

impl Run {
    fn note(&mut self, step: &'static str, event: Event) {
        self.journal.note(&self.plan, step, event, self.now, 0.5);
    }

    fn stage(&self, step: &str) -> usize {
        let is_in = |stage: &Vec<PlannedStep>| stage.iter().any(|it| it.name == step);
        self.plan.stages.iter().position(is_in).expect("planned")
    }

    /// What holds whenever something begins.
    fn check(&self, doing: Doing, step: &'static str) {
        let stage = self.stage(step);
        let state = |name: &str| self.journal.steps.get(name).map(|it| it.state);
        match doing {
            Doing::Act => {
                assert_eq!(self.journal.status, Status::Running);
                let before = self.plan.stages[..stage].iter().flatten();
                for earlier in before {
                    assert_eq!(state(earlier.name), Some(State::Acted), "{}", earlier.name);
                }
            }
            Doing::Undo => {
                assert_eq!(self.journal.status, Status::Compensating);
                for later in self.plan.stages[stage + 1..].iter().flatten() {
                    assert!(!self.world.effects.contains(later.name), "{}", later.name);
                }
            }
        }
    }

    /// Goes on to the end, dying now and then.
    fn run_to_end(&mut self, chance: &mut Chance) -> Status {
        for _ in 0..10_000 {
            let decision = decide(&self.plan, &self.journal, &self.going_on, self.now);
            match decision {
                Decision::Start(doing, steps) => {
                    for step in &steps {
                        self.check(doing, step);
                        self.note(step, Event::Began(doing));
                    }
                    self.kept = self.journal.clone();
                    self.going_on.extend(steps);
                }
                Decision::Wait(until) => match self.going_on.is_empty() {
                    true => self.now = until.expect("there is something to wait for"),
                    false => self.end_one(chance),
                },
                Decision::TurnBack => {
                    self.journal.turn_back();
                    self.kept = self.journal.clone();
                }
                Decision::Finish(status) => {
                    self.journal.status = status;
                    self.kept = self.journal.clone();
                    return status;
                }
            }
            if chance.one_in(6) {
                self.die(chance);
            }
        }
        panic!("it does not end: {:?}", self.journal);
    }

    fn end_one(&mut self, chance: &mut Chance) {
        let at = chance.below(self.going_on.len() as u64) as usize;
        let step = *self.going_on.iter().nth(at).expect("it goes on");
        let event = self.world.perform(self.doing(), step, chance);
        self.note(step, event);
        self.going_on.remove(step);
        // What has ended is kept with what begins next, or now.
        if chance.one_in(2) {
            self.kept = self.journal.clone();
        }
    }

    fn doing(&self) -> Doing {
        match self.journal.status {
            Status::Running => Doing::Act,
            _ => Doing::Undo,
        }
    }

    /// What goes on may have its effect yet; nobody hears of it.
    fn die(&mut self, chance: &mut Chance) {
        let doing = self.doing();
        for step in std::mem::take(&mut self.going_on) {
            if chance.one_in(2) {
                let _ = self.world.perform(doing, step, chance);
            }
        }
        self.journal = self.kept.clone();
    }
}

fn run(seed: u64, may_be_stuck: bool) -> (Run, Status) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut run = Run {
        plan: plan(&mut chance),
        world: World {
            may_be_stuck,
            ..World::default()
        },
        kept: Journal::default(),
        journal: Journal::default(),
        going_on: BTreeSet::new(),
        now: 0,
    };
    let status = run.run_to_end(&mut chance);
    (run, status)
}

#[test]
fn in_the_end_all_effects_are_there_or_none() {
    let mut ends = BTreeMap::new();
    for seed in 0..20_000 {
        let (run, status) = run(seed, false);
        let planned = run.plan.stages.iter().flatten().map(|it| it.name);
        match status {
            Status::Completed => {
                assert_eq!(run.world.effects, planned.collect(), "seed {seed}");
                assert_eq!(run.world.undone, [""; 0], "seed {seed}");
            }
            Status::Compensated => {
                assert_eq!(run.world.effects, BTreeSet::new(), "seed {seed}");
                assert!(run.journal.error.is_some(), "seed {seed}");
            }
            other => panic!("seed {seed}: {other:?}"),
        }
        *ends.entry(format!("{status:?}")).or_insert(0) += 1;
    }
    // Both happen often, or this would prove little.
    assert!(
        ends.values().all(|count| *count > 2_000) && ends.len() == 2,
        "{ends:?}"
    );
}

#[test]
fn what_is_stuck_is_undone_when_somebody_has_seen_to_it() {
    let mut stuck = 0;
    for seed in 0..20_000 {
        let (mut run, mut status) = run(seed, true);
        let mut chance = Chance(seed + 1);
        let mut times = 0;
        while status == Status::Stuck {
            times += 1;
            run.journal.retry_stuck();
            run.kept = run.journal.clone();
            status = run.run_to_end(&mut chance);
        }
        stuck += u32::from(times > 0);
        if status == Status::Compensated {
            assert_eq!(run.world.effects, BTreeSet::new(), "seed {seed}");
        }
    }
    assert!(stuck > 500, "{stuck}");
}
