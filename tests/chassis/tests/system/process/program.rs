//! The program that the processes of these tests run.

use serde::Deserialize;

use crate::support::{self, Behaviour, ProbeApi};

/// What can be set in `[app]` of these processes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    greeting: String,
}

/// What the processes of these tests run: this very binary, told to run this one "test".
#[test]
#[ignore = "not a test: the service that tests start"]
fn service() -> Result<(), chassis::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let config = chassis::config::load::<Settings>("probe", "1.2.3")?;
        config.live().on_change(|settings| {
            tracing::info!(greeting = settings.greeting, "settings changed");
        });
        let downstream = match std::env::var("PROBE_DOWNSTREAM") {
            Ok(target) => Some(chassis::client::connect(&target, &config).await?),
            Err(_) => None,
        };
        let services = support::services(ProbeApi {
            instance: std::env::var("PROBE_INSTANCE").unwrap_or_default(),
            downstream,
            always: always(),
        });
        let services = match std::env::var_os("PROBE_DATABASE") {
            Some(path) => services.depends_on("database", move || {
                let there = std::fs::metadata(&path).map(|_| ());
                async { there }
            }),
            None => services,
        };
        let services = match std::env::var_os("PROBE_BACKGROUND") {
            Some(_) => with_background(services),
            None => services,
        };
        chassis::serve(config, services).await
    })
}

/// Work beside the calls that says when it is told to stop, and a page.
fn with_background(services: chassis::Services) -> chassis::Services {
    let services = services.background("sweeper", |stop| async move {
        tracing::info!("sweeping");
        stop.requested().await;
        tracing::info!("swept");
        Ok::<_, std::io::Error>(())
    });
    services.page("/sweeper", |query| async {
        Ok::<_, std::io::Error>([query])
    })
}

/// What unary calls do in this process: `hang` or `unavailable` in `PROBE_ALWAYS`.
fn always() -> Option<Behaviour> {
    match std::env::var("PROBE_ALWAYS").ok()?.as_str() {
        "hang" => Some(Behaviour::Hang(true)),
        "unavailable" => Some(Behaviour::Fail(tonic::Code::Unavailable as i32)),
        other => panic!("unknown: {other}"),
    }
}
