//! What this crate may be built without, and what a service says that is asked for it then.
//!
//! `auth`, `http`, `secrets` and `tls` are off until they are named in `default` under `[features]` in
//! `crates/chassis/Cargo.toml`: most services need none of them at first, and they would be a sixth of
//! the first build.

/// Which line of which file turns a feature on.
macro_rules! turn_on {
    ($feature:literal) => {
        concat!(
            "add \"",
            $feature,
            "\" to `default` under [features] in crates/chassis/Cargo.toml"
        )
    };
}

pub(crate) use turn_on;
