//! What suites share that compare an embedded part with the real one.

use std::future::Future;
use std::time::Duration;

/// How long anything may take that is waited for.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for what must come.
pub async fn within_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: it does not come"))
}

/// Collects differences, so that a run shows them all.
#[derive(Default)]
pub struct Differences(Vec<String>);

impl Differences {
    pub fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        (real, embedded): (T, T),
    ) {
        if real != embedded {
            let text = format!("{what}\n  real     {real:?}\n  embedded {embedded:?}");
            self.0.push(text);
        }
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{}", self.0.join("\n"));
        }
    }
}
