//! `msvc up` that is broken off: by Ctrl-C, by SIGKILL, at any moment.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::site::Site;
use crate::support::system::Running;

/// How many times it is killed.
const KILLS: u64 = 20;
/// The longest time, in milliseconds, after which it is.
const LONGEST: u64 = 1600;

#[test]
fn ctrl_c_leaves_what_the_next_up_goes_on_from() {
    let Some(site) = Site::new() else { return };
    let mut running = Running::of(site.command(&["up", "rabbitmq", "redis"]));
    running.wait_for("Healthy redis");
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(130), "{:#?}", running.seen);
    let told = running.seen[running.seen.len() - 2..].join("\n");
    insta::assert_snapshot!(told, @r"
    error: interrupted
    hint: what was made stays: `msvc up` goes on from there, `msvc down` removes it
    ");
    let redis = site.container("redis");
    let up = site.json(&["up", "redis"]);
    assert_eq!(up["resources"][0]["deed"], "unchanged", "{up}");
    assert_eq!(site.container("redis"), redis);
    site.clear();
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_that_down_does_not_remove() {
    let Some(site) = Site::new() else { return };
    let mut early = 0;
    // The moments are spread over the time that it takes, in an order without a pattern.
    for kill in 0..KILLS {
        let moment = (kill * 7919 + 37) % KILLS * LONGEST / KILLS;
        let mut command = site.command(&["up", "redis", "nats", "etcd", "-q"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("msvc starts");
        std::thread::sleep(Duration::from_millis(moment));
        early += u32::from(child.try_wait().expect("it was started").is_none());
        let _ = child.kill();
        let _ = child.wait();
        site.clear();
    }
    assert!(early > 0, "it was killed before it had ended");
}

#[test]
fn killed_at_any_moment_the_next_up_brings_all_up() {
    let Some(site) = Site::new() else { return };
    for moment in [60, 150, 300, 500, 800] {
        let mut child = site
            .command(&["up", "redis", "nats", "-q"])
            .spawn()
            .expect("msvc starts");
        std::thread::sleep(Duration::from_millis(moment));
        let _ = child.kill();
        let _ = child.wait();
        let up = site.msvc(&["up", "redis", "nats"]);
        assert!(up.starts_with("exit: 0"), "{up}");
        let healthy = site.json(&["status"]);
        let all = healthy["resources"].as_array().expect("a list");
        assert_eq!(all.len(), 2, "{up}");
        assert!(all.iter().all(|it| it["healthy"] == true), "{healthy}");
        site.clear();
    }
}
