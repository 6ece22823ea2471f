use serde_json::Value;

use super::journal::pause;
use super::*;
use crate::Policy;

fn step(name: &'static str) -> PlannedStep {
    PlannedStep {
        name,
        policy: Policy {
            attempts: 2,
            ..Policy::default()
        },
    }
}

fn order() -> Plan {
    Plan {
        stages: vec![
            vec![step("reserve")],
            vec![step("charge"), step("notify")],
            vec![step("confirm")],
        ],
    }
}

/// What is decided after `events`, with nothing going on.
fn after(journal: &mut Journal, events: &[(&'static str, Event)]) -> Decision {
    let plan = order();
    for (step, event) in events {
        journal.note(&plan, step, event.clone(), 0, 1.0);
    }
    decide(&plan, journal, &BTreeSet::new(), 0)
}

fn acted(step: &'static str) -> [(&'static str, Event); 2] {
    [
        (step, Event::Began(Doing::Act)),
        (step, Event::Acted(Value::Null)),
    ]
}

#[test]
fn stages_follow_each_other_and_their_steps_begin_together() {
    let mut journal = Journal::default();
    let start = |steps: &[&'static str]| Decision::Start(Doing::Act, steps.to_vec());
    assert_eq!(after(&mut journal, &[]), start(&["reserve"]));
    assert_eq!(
        after(&mut journal, &acted("reserve")),
        start(&["charge", "notify"])
    );
    assert_eq!(after(&mut journal, &acted("notify")), start(&["charge"]));
    assert_eq!(after(&mut journal, &acted("charge")), start(&["confirm"]));
    let finish = Decision::Finish(Status::Completed);
    assert_eq!(after(&mut journal, &acted("confirm")), finish);
}

#[test]
fn a_step_that_is_refused_is_not_undone_and_those_before_it_are_in_reverse() {
    let mut journal = Journal::default();
    after(&mut journal, &acted("reserve"));
    after(&mut journal, &acted("notify"));
    let refused = [
        ("charge", Event::Began(Doing::Act)),
        ("charge", Event::Refused(Doing::Act, "no money".to_owned())),
    ];
    assert_eq!(after(&mut journal, &refused), Decision::TurnBack);
    assert_eq!(journal.error.as_deref(), Some("charge: no money"));
    journal.turn_back();
    let undo = |step| Decision::Start(Doing::Undo, vec![step]);
    assert_eq!(after(&mut journal, &[]), undo("notify"));
    assert_eq!(
        after(&mut journal, &[("notify", Event::Undone)]),
        undo("reserve")
    );
    let finish = Decision::Finish(Status::Compensated);
    assert_eq!(after(&mut journal, &[("reserve", Event::Undone)]), finish);
}

#[test]
fn a_step_without_an_answer_is_tried_again_after_a_pause_and_undone_in_the_end() {
    let mut journal = Journal::default();
    let no_answer = [
        ("reserve", Event::Began(Doing::Act)),
        ("reserve", Event::Failed(Doing::Act, "no answer".to_owned())),
    ];
    let pause = Policy::default().min_backoff.as_micros() as i64;
    assert_eq!(after(&mut journal, &no_answer), Decision::Wait(Some(pause)));
    let start = Decision::Start(Doing::Act, vec!["reserve"]);
    assert_eq!(decide(&order(), &journal, &BTreeSet::new(), pause), start);
    assert_eq!(after(&mut journal, &no_answer), Decision::TurnBack);
    journal.turn_back();
    let undo = Decision::Start(Doing::Undo, vec!["reserve"]);
    assert_eq!(after(&mut journal, &[]), undo);
}

#[test]
fn a_step_that_was_going_on_when_the_process_died_is_acted_again_and_then_known_to_be_uncertain() {
    let mut journal = Journal::default();
    let began = [("reserve", Event::Began(Doing::Act))];
    let again = Decision::Start(Doing::Act, vec!["reserve"]);
    assert_eq!(after(&mut journal, &began), again);
    let refused = [
        ("reserve", Event::Began(Doing::Act)),
        ("reserve", Event::Refused(Doing::Act, "no".to_owned())),
    ];
    after(&mut journal, &refused);
    journal.turn_back();
    let undo = Decision::Start(Doing::Undo, vec!["reserve"]);
    assert_eq!(after(&mut journal, &[]), undo);
}

#[test]
fn what_goes_on_beside_a_step_that_failed_is_waited_for() {
    let mut journal = Journal::default();
    after(&mut journal, &acted("reserve"));
    let events = [
        ("notify", Event::Began(Doing::Act)),
        ("charge", Event::Began(Doing::Act)),
        ("charge", Event::Refused(Doing::Act, "no".to_owned())),
    ];
    after(&mut journal, &events);
    let going_on = BTreeSet::from(["notify"]);
    let decision = decide(&order(), &journal, &going_on, 0);
    assert_eq!(decision, Decision::Wait(None));
}

#[test]
fn pauses_double_up_to_their_maximum() {
    let policy = Policy::default();
    let pauses = [1, 2, 3, 40].map(|attempts| pause(&policy, attempts, 1.0));
    assert_eq!(pauses, [100_000, 200_000, 400_000, 10_000_000]);
    assert_eq!(pause(&policy, 1, 0.0), 50_000);
}

#[test]
fn a_journal_is_kept_as_json_and_comes_back() {
    let mut journal = Journal::default();
    after(&mut journal, &acted("reserve"));
    let text = serde_json::to_string(&journal).expect("JSON");
    let expected = concat!(
        r#"{"status":"running","steps":{"reserve":{"state":"acted","attempts":1,"#,
        r#""undo_attempts":0,"output":null}},"error":null}"#
    );
    assert_eq!(text, expected);
    let back: Journal = serde_json::from_str(&text).expect("a journal");
    assert_eq!(back.steps["reserve"].state, State::Acted);
}
