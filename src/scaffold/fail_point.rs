//! Where a process can be made to die, to test what another one finds then.

/// The exit code of a process that ended here.
#[cfg(debug_assertions)]
const EXIT: i32 = 86;

/// Ends the process, as a kill would, when [`ABORT_AFTER`](crate::env_vars::ABORT_AFTER) names this
/// step: `moved:2` is the second time that something was moved. Release builds have none of it.
#[cfg(debug_assertions)]
pub fn passed(step: &str, times: usize) {
    if crate::env_vars::abort_after().is_some_and(|named| named == format!("{step}:{times}")) {
        #[expect(clippy::exit, reason = "what is tested is a process that dies")]
        std::process::exit(EXIT);
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub fn passed(_step: &str, _times: usize) {}
