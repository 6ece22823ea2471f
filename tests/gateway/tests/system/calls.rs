//! Calls with one request and one response.

use serde_json::json;

use crate::support::{self, system};

#[tokio::test]
async fn a_path_a_query_and_a_body_become_a_message() {
    let system = system().await;
    for (method, path, body, expected) in [
        ("GET", "/v1/messages/hello", "", json!({"text": "hello"})),
        (
            "GET",
            "/v1/messages/a%2Fb%20%C3%A9?number=-7&large=-9&truth=true&colour=COLOUR_RED&data=_-8",
            "",
            json!({"text": "a/b é", "number": -7, "large": "-9", "truth": true,
                   "colour": "COLOUR_RED", "data": "/+8="}),
        ),
        (
            "GET",
            "/v1/messages/x?inner.text=a+b&inner.inner.number=3&texts=1&texts=2&numbers=3",
            "",
            json!({"text": "x", "inner": {"text": "a b", "inner": {"number": 3}},
                   "texts": ["1", "2"], "numbers": [3]}),
        ),
        (
            "GET",
            "/v1/users/ada/messages/17?snakeCaseName=a&at=2026-01-02T03:04:05Z&took=1.5s&wrapped=7",
            "",
            json!({"inner": {"text": "ada"}, "number": 17, "snakeCaseName": "a",
                   "at": "2026-01-02T03:04:05Z", "took": "1.500s", "wrapped": "7"}),
        ),
        (
            "GET",
            "/v1/shelves/1/books/2/3:read",
            "",
            json!({"text": "shelves/1/books/2/3"}),
        ),
        (
            "POST",
            "/v1/messages",
            r#"{"text":"t","snake_case_name":"s","counts":{"a":1}}"#,
            json!({"text": "t", "snakeCaseName": "s", "counts": {"a": 1}}),
        ),
        (
            "PATCH",
            "/v1/messages/m?number=1",
            r#"{"text":"inside"}"#,
            json!({"text": "m", "number": 1, "inner": {"text": "inside"}}),
        ),
        (
            "PUT",
            "/v1/messages/m/tags",
            r#"["a","b"]"#,
            json!(["a", "b"]),
        ),
        ("GET", "/v1/inner/i", "", json!({"text": "i"})),
        ("REPORT", "/v1/messages/r", "", json!({"text": "r"})),
        (
            "POST",
            "/echo.v1.Echo/Plain",
            r#"{"text":"p"}"#,
            json!({"text": "p"}),
        ),
        ("POST", "/echo.v1.Echo/Plain", "", json!({})),
    ] {
        let reply = system.ask(method, path, body).await;
        assert_eq!((reply.status, reply.json()), (200, expected), "{path}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("x-echo"), Some("yes"), "metadata comes along");
        assert_eq!(reply.header("grpc-status"), None);
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_the_field() {
    let system = system().await;
    for (method, path, body, expected) in [
        (
            "GET",
            "/v1/messages/x?number=a",
            "",
            "`number` must be a whole number of 32 bits",
        ),
        (
            "GET",
            "/v1/messages/x?nothing=1",
            "",
            "`nothing` is not a field of the request",
        ),
        (
            "GET",
            "/v1/messages/x?text=1",
            "",
            "`text` cannot be in the query: it is in the path",
        ),
        (
            "GET",
            "/v1/messages/x?number=1&number=2",
            "",
            "`number` has more than one value",
        ),
        (
            "GET",
            "/v1/messages/x?left=1&right=2",
            "",
            "`right` has more than one value",
        ),
        (
            "GET",
            "/v1/messages/x?counts=1",
            "",
            "`counts` must be no value: it is a map",
        ),
        (
            "GET",
            "/v1/messages/x?left=%ff",
            "",
            "`left=%ff` in the query cannot be decoded",
        ),
        (
            "GET",
            "/v1/messages/%ff",
            "",
            "`/v1/messages/%ff` cannot be decoded as UTF-8",
        ),
        ("GET", "/v1/messages/x", "{}", "a body is not expected here"),
        (
            "POST",
            "/v1/messages?text=a",
            "{}",
            "`text` cannot be in the query: the body holds all fields",
        ),
        (
            "PATCH",
            "/v1/messages/m?inner.text=a",
            "{}",
            "`inner.text` cannot be in the query: the body is this field",
        ),
        (
            "POST",
            "/v1/messages",
            r#"{"text":1}"#,
            "the body is not a `echo.v1.Message`: invalid type: integer `1`, expected a string \
             at line 1 column 9",
        ),
    ] {
        let reply = system.ask(method, path, body).await;
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, &error["message"]),
            (400, &json!(expected)),
            "{path}"
        );
        assert_eq!(error["status"], "INVALID_ARGUMENT");
    }
    let reply = system.get("/v1/messages/x?inner.number=a").await;
    assert_eq!(
        reply.json(),
        json!({"error": {
            "code": 400,
            "status": "INVALID_ARGUMENT",
            "message": "`inner.number` must be a whole number of 32 bits",
            "details": [{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{
                    "field": "inner.number",
                    "description": "must be a whole number of 32 bits",
                }],
            }],
        }})
    );
}

#[tokio::test]
async fn codes_become_the_statuses_that_code_proto_documents() {
    // So many failures would open it.
    let system = support::system_with(|config, _| config.client.breaker.enabled = false).await;
    let statuses = [
        499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
    ];
    for (code, expected) in (1..).zip(statuses) {
        let reply = system
            .get(&format!("/v1/messages/x?fail_with={code}"))
            .await;
        assert_eq!(reply.status, expected, "{code}");
        assert_eq!(reply.json()["error"]["code"], expected);
    }
    let reply = system.get("/v1/messages/x?failWith=8&retryAfter=7").await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("7"))
    );
    let reply = system.get("/v1/messages/x?failWith=14&retryAfter=1").await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1"))
    );
    let reply = system.get("/v1/messages/x?failWith=16").await;
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_there_otherwise_405() {
    let system = system().await;
    for path in [
        "/",
        "/v2/messages",
        "/echo.v1.Hidden/Get",
        "/echo.v1.Echo/Get",
    ] {
        let reply = system.ask("POST", path, "{}").await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(
            reply.json(),
            json!({"error": {"code": 404, "status": "NOT_FOUND",
                             "message": format!("there is nothing at `{path}`")}})
        );
    }
    let reply = system.ask("DELETE", "/v1/messages/x", "").await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (405, Some("GET, PATCH, REPORT"))
    );
}

#[tokio::test]
async fn who_does_not_answer_is_a_bad_gateway_or_one_in_trouble() {
    let system = support::system_with(|config, _| {
        config.server.deadline.unary = chassis::config::Duration::from_millis(100);
        config.client.ready_timeout = chassis::config::Duration::from_millis(100);
    })
    .await;
    let reply = system.get("/v1/messages/x?speakNonsense=true").await;
    assert_eq!(reply.status, 502, "{reply:?}");
    let reply = system.get("/v1/messages/x?hang=true").await;
    assert_eq!(reply.status, 504, "{reply:?}");
    drop(system.echo);
    let system = support::System {
        gateway: system.gateway,
        echo: chassis::testing::serve(chassis::Services::new(&[])).await,
    };
    let reply = system.get("/v1/messages/x").await;
    assert_eq!(reply.status, 503, "{reply:?}");
}
