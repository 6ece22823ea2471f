//! What is compared.

use chassis::config::{Config, LogFormat, NoSettings, Ratio};

/// A process, by what is done to the defaults.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `None` is tonic alone.
    pub(crate) change: Option<fn(&mut Config)>,
}

const fn tonic() -> Case {
    Case {
        name: "tonic",
        change: None,
    }
}

const fn chassis(name: &'static str, change: fn(&mut Config)) -> Case {
    Case {
        name,
        change: Some(change),
    }
}

/// Tonic and the defaults come first.
pub(crate) const SERVERS: &[Case] = &[
    tonic(),
    chassis("chassis", |_| {}),
    chassis("  pretty log", |config| {
        config.log.format = LogFormat::Pretty;
    }),
    chassis("  every trace recorded", |config| {
        config.tracing.sample_ratio = Some(Ratio::ONE);
    }),
    chassis("  no trace recorded", |config| {
        config.tracing.sample_ratio = Some(Ratio::ZERO);
    }),
    chassis("  without trace", |config| {
        config.server.layers.trace = false;
    }),
    chassis("  without log", |config| config.server.layers.log = false),
    chassis("  without metrics", |config| {
        config.server.layers.metrics = false;
    }),
    chassis("  without deadline", |config| {
        config.server.layers.deadline = false;
    }),
    chassis("  without catch_panic", |config| {
        config.server.layers.catch_panic = false;
    }),
    chassis("  without all of these", |config| {
        let layers = &mut config.server.layers;
        layers.trace = false;
        layers.log = false;
        layers.metrics = false;
        layers.deadline = false;
        layers.catch_panic = false;
    }),
];

/// Tonic and the defaults come first.
pub(crate) const CLIENTS: &[Case] = &[
    tonic(),
    chassis("chassis", |_| {}),
    chassis("  every trace recorded", |config| {
        config.tracing.sample_ratio = Some(Ratio::ONE);
    }),
    chassis("  no trace recorded", |config| {
        config.tracing.sample_ratio = Some(Ratio::ZERO);
    }),
    chassis("  without trace", |config| {
        config.client.layers.trace = false;
    }),
    chassis("  without metrics", |config| {
        config.client.layers.metrics = false;
    }),
    chassis("  without deadline", |config| {
        config.client.layers.deadline = false;
    }),
    chassis("  without retry", |config| {
        config.client.retry.enabled = false;
    }),
    chassis("  without breaker", |config| {
        config.client.breaker.enabled = false;
    }),
    chassis("  without all of these", |config| {
        config.client.layers.trace = false;
        config.client.layers.metrics = false;
        config.client.layers.deadline = false;
        config.client.retry.enabled = false;
        config.client.breaker.enabled = false;
    }),
];

/// The configuration of a case, with the collector at `collector`.
pub(crate) fn config(change: fn(&mut Config), collector: &str) -> Config<NoSettings> {
    let mut config = Config::<NoSettings>::default();
    config.service.name = "overhead".to_owned();
    config.server.host = "127.0.0.1".to_owned();
    config.admin.port = Some(0);
    config.log.format = LogFormat::Json;
    let endpoint = format!("http://{collector}");
    config.tracing.endpoint = Some(endpoint.parse().expect("a valid URL"));
    config.tracing.sample_ratio = Some(Ratio::TENTH);
    change(&mut config);
    config
}
