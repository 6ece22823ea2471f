use super::*;
use crate::config;

const PATH: &str = "/a.A/B";

/// An endpoint of which everything is to be known.
fn vitals() -> Arc<Vitals> {
    let watched = Watched {
        breaker: Some(breaker::Settings::new(
            "dns:///a:1",
            &config::Breaker::default(),
        )),
        load: Some(Weighing::new(&config::Balance::default(), Instant::now())),
        tally: true,
    };
    let authority = Authority::from_static("a:1");
    Arc::new(Vitals::new(([10, 0, 0, 1], 1).into(), authority, &watched))
}

fn begin(vitals: &Arc<Vitals>) -> Call {
    let call = vitals.begin(PATH, Some(Instant::now()));
    call.expect("no breaker is open")
}

/// In milliseconds, to the nearest.
fn cost(vitals: &Vitals) -> u64 {
    let (load, weighing) = vitals.load.as_ref().expect("it is watched");
    let now = weighing.tick(Instant::now());
    (load.cost(weighing, now) / 1e6).round() as u64
}

async fn pass(millis: u64) {
    tokio::time::advance(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn latency_is_the_time_to_the_head_of_the_response() {
    let vitals = vitals();
    let mut call = begin(&vitals);
    pass(20).await;
    call.responded();
    pass(10).await;
    assert_eq!(cost(&vitals), 40, "it is still in flight");
    call.finish(Code::Ok);
    assert_eq!(cost(&vitals), 20);
    assert_eq!(vitals.take_tally(), (1, 0));
    assert_eq!(vitals.take_tally(), (0, 0), "it was taken");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sheds_load_is_well_but_kept_away_from() {
    let vitals = vitals();
    for _ in 0..10 {
        let mut call = begin(&vitals);
        call.responded();
        call.finish(Code::ResourceExhausted);
    }
    assert_eq!(cost(&vitals), 5_000);
    assert!(!vitals.is_open(PATH));
    assert_eq!(vitals.take_tally(), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_says_how_long_it_was_waited_for() {
    let vitals = vitals();
    let call = begin(&vitals);
    pass(300).await;
    call.finish(Code::Cancelled);
    assert_eq!(cost(&vitals), 300);
    assert_eq!(vitals.take_tally(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_sent_says_nothing() {
    let vitals = vitals();
    drop(begin(&vitals));
    assert_eq!(cost(&vitals), 0);
    assert_eq!(vitals.take_tally(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn failures_open_the_breaker_and_count() {
    let vitals = vitals();
    for _ in 0..3 {
        begin(&vitals).finish(Code::Unavailable);
    }
    assert!(vitals.is_open(PATH));
    assert!(vitals.begin(PATH, Some(Instant::now())).is_none());
    assert_eq!(vitals.take_tally(), (0, 3));
    assert_eq!(cost(&vitals), 5_000, "nothing is in flight");
}
#[tokio::test(start_paused = true)]
async fn what_is_known_stays_known_when_it_is_watched_in_another_way() {
    let before = vitals();
    let mut call = begin(&before);
    begin(&before).finish(Code::Unavailable);
    let origin = before.load.as_ref().expect("it is watched").1;
    let address = ([10, 0, 0, 1], 1).into();
    let watched = |min_requests| Watched {
        breaker: Some(breaker::Settings::new(
            "dns:///a:1",
            &config::Breaker {
                min_requests,
                ..config::Breaker::default()
            },
        )),
        load: Some(origin),
        tally: true,
    };
    let after = Arc::new(before.renewed(address, &watched(2)));
    pass(20).await;
    call.responded();
    call.finish(Code::Unavailable);
    assert!(after.is_open(PATH), "two of two failed");
    assert_eq!(after.take_tally(), (0, 2));
    assert_eq!(cost(&after), 5_000, "nothing is in flight");

    let nothing = Arc::new(after.renewed(address, &Watched::default()));
    assert!(!nothing.is_open(PATH));
    assert!(nothing.load().is_none());
    begin(&nothing).finish(Code::Unavailable);
    assert_eq!(nothing.take_tally(), (0, 0));
}
