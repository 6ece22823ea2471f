//! What is seen of statements: spans and metrics.

#[path = "../../support/spans.rs"]
mod spans;

use opentelemetry::trace::{SpanKind, Status};
use storage::{Error, Migration};

use spans::{Spans, described};

const MIGRATIONS: &[Migration] = &[Migration::new(
    "test",
    "0001_orders",
    "CREATE TABLE orders (id TEXT PRIMARY KEY)",
)];

#[tokio::test]
async fn statements_have_spans_and_are_measured() {
    let spans = Spans::keep();
    let database = storage::testing::database(MIGRATIONS).await;
    spans.take();

    let insert = "INSERT INTO orders (id) VALUES ($1)";
    let outcome = database
        .transaction(async |transaction| {
            transaction.query(insert).bind("secret").execute().await?;
            transaction.query(insert).bind("secret").execute().await
        })
        .await;
    assert!(outcome.is_err_and(|error: Error| error.is_unique_violation()));
    let taken = spans.take();
    let [first, second, transaction] = &taken[..] else {
        panic!("three spans: {taken:?}");
    };
    let expected = [
        "db.collection.name=orders",
        "db.namespace=test",
        "db.operation.name=INSERT",
        "db.query.summary=INSERT orders",
        "db.query.text=INSERT INTO orders (id) VALUES ($1)",
        "db.system.name=sqlite",
    ];
    let expected = expected.map(str::to_owned).to_vec();
    assert_eq!(described(first), ("INSERT orders".to_owned(), expected));
    assert_eq!(
        (&first.span_kind, &first.status),
        (&SpanKind::Client, &Status::Unset)
    );
    let (_, attributes) = described(second);
    assert!(
        attributes.contains(&"error.type=violation".to_owned()),
        "{attributes:?}"
    );
    // SQLITE_CONSTRAINT_PRIMARYKEY
    let code = "db.response.status_code=1555".to_owned();
    assert!(attributes.contains(&code), "{attributes:?}");
    let failed = Status::error("there is a row with that key already");
    assert_eq!((&second.status, &transaction.status), (&failed, &failed));
    assert_eq!(
        (&*transaction.name, &transaction.span_kind),
        ("transaction", &SpanKind::Internal)
    );
    for statement in [first, second] {
        assert_eq!(statement.parent_span_id, transaction.span_context.span_id());
    }

    let metrics = chassis::metrics::render();
    // The migration was noted down as well.
    for expected in [
        r#"db_client_operation_duration_seconds_count{database="test",operation="INSERT",outcome="ok"} 2"#,
        r#"db_client_operation_duration_seconds_count{database="test",operation="INSERT",outcome="violation"} 1"#,
        r#"db_client_connections{database="test",state="used"} "#,
        r#"db_client_connections_max{database="test"} 10"#,
        r#"db_client_connection_timeouts_total{database="test"} 0"#,
    ] {
        assert!(metrics.contains(expected), "{expected}\n{metrics}");
    }
    database.close().await;
    let metrics = chassis::metrics::render();
    assert!(
        !metrics.contains(r#"db_client_connections_max{database="test"}"#),
        "{metrics}"
    );
}
