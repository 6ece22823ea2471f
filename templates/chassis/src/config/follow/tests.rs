use super::*;
use crate::config::Size;

const SIZE: &[Section] = &[Section::MaxRequestSize];

fn config(size: u64) -> Config {
    let mut config = Config::default();
    config.server.max_request_size = Size::from_bytes(size);
    config
}

fn follow(followers: &Followers, first: usize) -> Follow<usize> {
    followers.follow(SIZE, first, |_, config| {
        Ok(config.server.max_request_size.bytes())
    })
}

fn apply(followers: &Followers, changed: &[&str], config: &Config) {
    let changed = keys(changed);
    let ready = followers.prepare(&changed, config);
    let ready = ready.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    followers.apply(ready, &changed, config);
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn what_has_changed_is_made_anew_and_nothing_else() {
    let followers = Followers::new();
    let size = follow(&followers, 1);
    apply(
        &followers,
        &["server.max_request_sizes", "client"],
        &config(2),
    );
    assert_eq!(**size.load(), 1);
    apply(&followers, &["server.max_request_size"], &config(3));
    assert_eq!(**size.load(), 3);
    assert_eq!(**size.clone().load(), 3);
}

#[test]
fn who_comes_late_begins_with_what_is_in_force() {
    let followers = Followers::new();
    apply(&followers, &["server.port"], &config(2));
    assert_eq!(**follow(&followers, 1).load(), 1, "as it was told");
    apply(&followers, &["server.max_request_size"], &config(3));
    apply(&followers, &["server.port"], &config(4));
    assert_eq!(**follow(&followers, 1).load(), 4);
}

#[test]
fn who_comes_while_a_change_is_put_in_force_gets_it_too() {
    let followers = Followers::new();
    let changed = keys(&["server.max_request_size"]);
    let ready = followers.prepare(&changed, &config(2));
    let ready = ready.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let late = follow(&followers, 1);
    followers.apply(ready, &changed, &config(2));
    assert_eq!(**late.load(), 2);
    apply(&followers, &["server.max_request_size"], &config(3));
    assert_eq!(**late.load(), 3);
}

#[test]
fn a_change_of_which_something_cannot_be_made_changes_nothing() {
    let followers = Followers::new();
    let size = follow(&followers, 1);
    let even = followers.follow(SIZE, 0, |before, config| {
        let size = config.server.max_request_size.bytes();
        match size % 2 {
            0 => Ok(before + size),
            _ => Err(format!("{size} is odd")),
        }
    });
    let changed = keys(&["server.max_request_size", "server.port"]);
    let refusal = Refusal {
        key: "server.max_request_size".to_owned(),
        reason: "3 is odd".to_owned(),
    };
    assert_eq!(followers.prepare(&changed, &config(3)).err(), Some(refusal));
    assert_eq!((**size.load(), **even.load()), (1, 0));
    for bytes in [4, 6] {
        apply(&followers, &["server.max_request_size"], &config(bytes));
    }
    assert_eq!((**size.load(), **even.load()), (6, 10), "4, and 6 more");
}

#[tokio::test]
async fn a_change_is_waited_for_once() {
    let followers = Followers::new();
    let size = follow(&followers, 1);
    for bytes in [2, 3] {
        apply(&followers, &["server.max_request_size"], &config(bytes));
    }
    size.changed().await;
    assert_eq!(**size.load(), 3);
    tokio::select! {
        biased;
        () = size.changed() => panic!("nothing has changed since"),
        () = std::future::ready(()) => {}
    }
}

#[test]
fn nobody_is_kept_who_is_gone() {
    let followers = Followers::new();
    let stays = follow(&followers, 1);
    (0..10).for_each(|_| drop(follow(&followers, 1)));
    let _new = follow(&followers, 1);
    assert_eq!(followers.lock().followers.len(), 2);
    drop(stays);
}

#[test]
fn a_section_has_the_keys_below_it() {
    assert!(is_followed("server.limits.rate.burst"));
    assert!(is_followed("server.drain_timeout"));
    assert!(is_followed("client.retry.methods.a.A/B.max_attempts"));
    assert!(!is_followed("server.port"));
    assert!(!is_followed("server.limitsx"));
}
