//! What the gateway says of itself, and tokens for development.

use http::Request;
use serde_json::{Value, json};

use crate::support::{DESCRIPTOR_SET, settings, system, system_with};

#[tokio::test]
async fn the_openapi_document_says_what_can_be_called() {
    let system = system().await;
    let reply = system.get("/openapi.json").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    let api = reply.json();
    assert_eq!(api["openapi"], "3.1.0");
    let mut paths: Vec<&String> = api["paths"].as_object().expect("paths").keys().collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "/echo.v1.Echo/Plain",
            "/v1/inner/{inner.text}",
            "/v1/messages",
            "/v1/messages/{text}",
            "/v1/messages/{text}/tags",
            "/v1/messages:chat",
            "/v1/messages:collect",
            "/v1/users/{inner.text}/messages/{number}",
            "/v1/{text}:read",
        ]
    );
    let tags = &api["paths"]["/v1/messages/{text}/tags"]["put"];
    let mut without_query = tags.clone();
    let parameters = without_query["parameters"].as_array_mut().expect("some");
    parameters.truncate(1);
    let texts = json!({"type": "array", "items": {"type": "string"}});
    assert_eq!(
        without_query,
        json!({
            "operationId": "Echo_Tag",
            "tags": ["echo.v1.Echo"],
            "parameters": [
                {"name": "text", "in": "path", "required": true, "schema": {"type": "string"}},
            ],
            "requestBody": {"content": {"application/json": {"schema": texts}}},
            "responses": {
                "200": {"description": "OK", "content": {"application/json": {"schema": texts}}},
                "default": {"description": "An error", "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                }}},
            },
        })
    );
    let names: Vec<&str> = tags["parameters"]
        .as_array()
        .expect("some")
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    for name in [
        "number",
        "inner.inner.number",
        "numbers",
        "at",
        "wrapped",
        "snakeCaseName",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    for name in ["texts", "counts", "inners", "fields", "inner"] {
        assert!(!names.contains(&name), "{name} is in {names:?}");
    }
    let read = &api["paths"]["/v1/{text}:read"]["get"];
    assert_eq!(read["operationId"], "Echo_Get_3");
    assert_eq!(
        read["parameters"][0]["schema"]["pattern"],
        "^shelves/[^/]+/books/.*$"
    );
    // Every reference leads somewhere.
    let schemas = api["components"]["schemas"].as_object().expect("schemas");
    let text = reply.body.split("\"#/components/schemas/").skip(1);
    for name in text.filter_map(|rest| rest.split(['"', '/']).next()) {
        assert!(schemas.contains_key(name), "{name}");
    }
    assert_eq!(
        schemas["echo.v1.Colour"],
        json!({"type": "string", "enum": ["COLOUR_UNSPECIFIED", "COLOUR_RED", "COLOUR_BLUE"]})
    );
    let fail = &schemas["echo.v1.Message"]["properties"]["failWith"];
    assert_eq!(fail["description"], "What the service does.");
    assert_eq!(api.get("security"), None);
}

#[tokio::test]
async fn the_page_for_people_needs_nothing_from_elsewhere() {
    let system = system().await;
    let reply = system.get("/docs").await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(reply.body.contains("fetch(\"/openapi.json\")"));
    assert!(!reply.body.contains("://"), "no address of elsewhere");
    let policy = reply.header("content-security-policy");
    assert!(policy.is_some_and(|it| it.starts_with("default-src 'none'")));
    let system = system_with(|_, settings| settings.docs.enabled = false).await;
    for path in ["/docs", "/openapi.json"] {
        assert_eq!(system.get(path).await.status, 404, "{path}");
    }
}

const SECRET: &str = "a secret of thirty-two bytes, or more";

fn with_tokens(config: &mut chassis::config::Config) {
    config.server.auth.enabled = true;
    config.server.auth.secret = Some(chassis::config::Secret::new(SECRET));
    config.server.auth.issuers = vec!["me".to_owned()];
    config.server.auth.audiences = vec!["us".to_owned()];
}

#[tokio::test]
async fn a_token_for_development_is_one() {
    let system = system_with(|config, settings| {
        with_tokens(config);
        settings.login.enabled = true;
    })
    .await;
    let reply = system
        .ask("POST", "/login", r#"{"subject":"ada","scopes":["a"]}"#)
        .await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (200, Some("no-store"))
    );
    let answer: Value = reply.json();
    assert_eq!(
        (&answer["tokenType"], &answer["expiresIn"]),
        (&json!("Bearer"), &json!(3600))
    );
    let token = answer["accessToken"].as_str().expect("a token");
    let request = Request::get("/v1/messages/a").header("authorization", format!("Bearer {token}"));
    let reply = system
        .send(request.body(String::new()).expect("a request"))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = system.ask("POST", "/login", "{}").await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn nobody_gets_a_token_for_the_asking_but_in_development() {
    let system = system_with(|config, _| with_tokens(config)).await;
    assert_eq!(
        system
            .ask("POST", "/login", r#"{"subject":"a"}"#)
            .await
            .status,
        404
    );
    let mut config = chassis::config::Config::default();
    with_tokens(&mut config);
    let mut settings = settings(([127, 0, 0, 1], 1).into());
    settings.login.enabled = true;
    for environment in ["development", "local", "test"] {
        config.service.environment = environment.to_owned();
        let made = gateway::services(&config, settings.clone(), *DESCRIPTOR_SET).await;
        assert!(made.is_ok(), "{environment}");
    }
    for environment in ["prod", "production", "PROD", "staging", "dev-eu", ""] {
        config.service.environment = environment.to_owned();
        let made = gateway::services(&config, settings.clone(), *DESCRIPTOR_SET).await;
        let error = made.expect_err("not there").to_string();
        assert_eq!(
            error,
            format!(
                "`login.enabled` gives tokens to whoever asks, which is for development: it cannot \
                 be in the environment `{environment}`"
            )
        );
    }
}
