//! What the tests of all registries need.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chassis::client::Channel;

use crate::support::{ProbeClient, ProbeRequest};

/// What takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "it did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The instances that answer 20 calls, all of which must succeed.
async fn instances(client: &mut ProbeClient<Channel>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..20 {
        let reply = client
            .unary(ProbeRequest::default())
            .await
            .expect("a reply");
        names.insert(reply.into_inner().instance);
    }
    names
}

/// Calls until exactly these instances answer; no call may fail meanwhile.
pub(crate) async fn wait_for_instances(client: &mut ProbeClient<Channel>, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|&name| name.to_owned()).collect();
    let begin = Instant::now();
    loop {
        let found = instances(client).await;
        if found == expected {
            return;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "found {found:?} and not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
