//! What is reported of settings.

use super::*;

/// A setting as it is reported: its value, its origin, and whether it is live.
fn setting(value: serde_json::Value, origin: &str, live: bool) -> serde_json::Value {
    json!({"value": value, "origin": origin, "live": live})
}

#[test]
fn the_report_says_where_each_value_came_from_and_hides_secrets() {
    let text = "[app]\ngreeting = \"a\"\ndoor = \"open sesame\"\n\
                [registry]\nmeta = { db_password = \"hunter2\" }\ntags = [\"x://u:p@h\"]\n";
    let folder = Folder::new().file("default.toml", text);
    let static_list = r#"{ users = ["10.0.0.1:1"] }"#;
    let variables = [
        ("APP_SERVER__PORT", "7"),
        ("APP_REGISTRY__STATIC", static_list),
        ("CONSUL_HTTP_ADDR", "10.0.0.7:8500"),
        ("CONSUL_HTTP_TOKEN", "hunter2"),
        FROM_CONSUL,
    ];
    let (_, mut started) = loaded(&folder, &variables, Some("[app]\nlimit = 3"));
    change(&mut started, store("[app]\nlimit = -3"));
    let mut report = started.center.state.load().json();
    let time = report["refused"]["timestamp_seconds"].take();
    assert!(time.is_u64(), "{time}");
    let mut settings = report["settings"].take();
    let file = |line| format!("config/default.toml:{line}");
    let variable = |name| format!("the environment variable {name}");
    const DEFAULT: &str = "the built-in defaults";
    for (key, value, origin, live) in [
        ("app.door", json!("[redacted]"), file(3), true),
        ("app.greeting", json!("a"), file(2), true),
        (
            "app.limit",
            json!(3),
            "consul:config/dev/probe:2".to_owned(),
            true,
        ),
        (
            "config_center.source",
            json!("consul"),
            variable("APP_CONFIG_CENTER__SOURCE"),
            false,
        ),
        (
            "registry.meta.db_password",
            json!("[redacted]"),
            file(5),
            false,
        ),
        ("registry.tags", json!(["[redacted]"]), file(6), false),
        (
            "registry.static.users",
            json!(["10.0.0.1:1"]),
            variable("APP_REGISTRY__STATIC"),
            false,
        ),
        (
            "registry.consul.address",
            json!("http://10.0.0.7:8500"),
            variable("CONSUL_HTTP_ADDR"),
            false,
        ),
        (
            "registry.consul.token",
            json!("[redacted]"),
            variable("CONSUL_HTTP_TOKEN"),
            false,
        ),
        ("server.port", json!(7), variable("APP_SERVER__PORT"), false),
        ("service.name", json!("probe"), DEFAULT.to_owned(), false),
        (
            "service.environment",
            json!("dev"),
            DEFAULT.to_owned(),
            false,
        ),
        ("service.version", json!("1.2.3"), DEFAULT.to_owned(), false),
        // What nobody has said is there as well, as one would write it.
        (
            "client.retry.codes",
            json!(["UNAVAILABLE"]),
            DEFAULT.to_owned(),
            true,
        ),
        (
            "server.auth.public",
            json!(["grpc.health.v1.Health/*"]),
            DEFAULT.to_owned(),
            cfg!(feature = "auth"),
        ),
        (
            "server.auth.secret",
            json!(null),
            DEFAULT.to_owned(),
            cfg!(feature = "auth"),
        ),
        (
            "server.connections.resets.rate",
            json!(100.0),
            DEFAULT.to_owned(),
            true,
        ),
        (
            "server.limits.client_rate.key",
            json!("peer"),
            DEFAULT.to_owned(),
            true,
        ),
        (
            "server.max_request_size",
            json!("4MiB"),
            DEFAULT.to_owned(),
            true,
        ),
        (
            "server.drain_timeout",
            json!("30s"),
            DEFAULT.to_owned(),
            true,
        ),
        ("log.level", json!("info"), DEFAULT.to_owned(), false),
    ] {
        assert_eq!(settings[key].take(), setting(value, &origin, live), "{key}");
    }
    // Everything else is there, too, and nobody has set it.
    let rest = settings.as_object().expect("a table").values();
    let rest: Vec<_> = rest.filter(|it| !it.is_null()).collect();
    assert!(rest.len() > 100, "{}", rest.len());
    let is_default = |it: &&serde_json::Value| it["origin"] == DEFAULT;
    assert!(rest.iter().all(is_default), "{rest:#?}");
    let expected = json!({
        "settings": null,
        "restart_needed": false,
        "restart_needed_for": [],
        "refused": {
            "reason": "failed to load consul:config/dev/probe:2: `app.limit`: \
                       expected a whole number that is not negative, got integer `-3`",
            "timestamp_seconds": null,
        },
    });
    assert_eq!(report, expected);
}

#[test]
fn the_report_says_what_is_in_force_until_a_restart() {
    let folder = Folder::new().file("default.toml", "[server]\nport = 4");
    let (_, mut started) = loaded(&folder, &[], None);
    let text = "[server]\nhost = \"127.0.0.1\"\n[server.limits]\nmax_in_flight = 7";
    assert_eq!(
        change(&mut started, files(text)),
        "changed server.host,server.limits.max_in_flight,server.port; \
         restart server.host,server.port"
    );
    let settings = started.center.state.load().json()["settings"].take();
    let pending = |value: serde_json::Value, origin: &str, in_force: serde_json::Value| json!({"value": value, "origin": origin, "live": false, "in_force": in_force});
    let file = "config/default.toml";
    let port = pending(json!(50051), "the built-in defaults", json!(4));
    assert_eq!(settings["server.port"], port);
    let origin = format!("{file}:2");
    let host = pending(json!("127.0.0.1"), &origin, json!("0.0.0.0"));
    assert_eq!(settings["server.host"], host);
    let limit = &settings["server.limits.max_in_flight"];
    assert_eq!(limit, &setting(json!(7), &format!("{file}:4"), true));
}
