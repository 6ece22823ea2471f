//! Values and errors are the same on both databases.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use storage::{Error, FromRow, Migration, Row, Violation};
use tonic::{Code, Status};

use crate::each::each;

const MIGRATIONS: &[Migration] = &[Migration::new(
    "test",
    "0001_all",
    "CREATE TABLE users (id TEXT PRIMARY KEY);
     CREATE TABLE orders (
         id TEXT PRIMARY KEY,
         user_id TEXT NOT NULL REFERENCES users (id),
         amount BIGINT NOT NULL CHECK (amount > 0),
         paid BOOLEAN NOT NULL,
         weight DOUBLE PRECISION,
         receipt BYTEA,
         small INTEGER,
         created_at BIGINT
     );",
)];

#[derive(Debug, PartialEq)]
struct Order {
    id: String,
    amount: u32,
    paid: bool,
    weight: Option<f64>,
    receipt: Option<Vec<u8>>,
    small: Option<i64>,
    created_at: Option<SystemTime>,
}

impl FromRow for Order {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.get("id")?,
            amount: row.get("amount")?,
            paid: row.get("paid")?,
            weight: row.get("weight")?,
            receipt: row.get("receipt")?,
            small: row.get("small")?,
            created_at: row.get("created_at")?,
        })
    }
}

async fn insert(database: &storage::Database, order: &Order) -> Result<u64, Error> {
    database
        .query(
            "INSERT INTO orders (id, user_id, amount, paid, weight, receipt, small, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&order.id)
        .bind("ann")
        .bind(order.amount)
        .bind(order.paid)
        .bind(order.weight)
        .bind(order.receipt.clone())
        .bind(order.small)
        .bind(order.created_at)
        .execute()
        .await
}

fn order(id: &str) -> Order {
    Order {
        id: id.to_owned(),
        amount: 7,
        paid: true,
        weight: Some(1.5),
        receipt: Some(vec![0, 255]),
        small: Some(3),
        created_at: Some(UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456)),
    }
}

#[tokio::test]
async fn values_of_all_types_come_back_as_they_were() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        let user = database
            .query("INSERT INTO users (id) VALUES ($1)")
            .bind("ann");
        assert_eq!(user.execute().await.expect("a user"), 1);
        let full = order("a");
        let empty = Order {
            paid: false,
            weight: None,
            receipt: None,
            small: None,
            created_at: None,
            ..order("b")
        };
        insert(database, &full).await.expect("an order");
        insert(database, &empty).await.expect("an order");
        let all = database.query("SELECT * FROM orders ORDER BY id");
        assert_eq!(all.fetch_all::<Order>().await.expect("rows"), [full, empty]);

        let count = database.query("SELECT COUNT(*) FROM orders");
        assert_eq!(count.fetch_one::<i64>().await.expect("a row"), 2);
        let pair = database.query("SELECT id, small FROM orders WHERE id = $1");
        let pair: (String, Option<i64>) = pair.bind("b").fetch_one().await.expect("a row");
        assert_eq!(pair, ("b".to_owned(), None));
        let none = database
            .query("SELECT * FROM orders WHERE id = $1")
            .bind("c");
        assert_eq!(
            none.fetch_optional::<Order>().await.expect("no error"),
            None
        );
        let gone = database.query("DELETE FROM orders").execute().await;
        assert_eq!(gone.expect("no error"), 2);
    }
}

#[tokio::test]
async fn errors_are_of_the_same_kinds_and_codes() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        let code = |error: Error| Status::from(error).code();
        let violated = |outcome: Result<u64, Error>| match outcome {
            Err(Error::Violated { rule, .. }) => rule,
            other => panic!("not a violation: {other:?}"),
        };
        assert_eq!(
            violated(insert(database, &order("a")).await),
            Violation::ForeignKey
        );
        let user = database.query("INSERT INTO users (id) VALUES ('ann')");
        user.execute().await.expect("a user");
        insert(database, &order("a")).await.expect("an order");
        let twice = insert(database, &order("a"))
            .await
            .expect_err("it is there");
        assert!(twice.is_unique_violation());
        assert_eq!(code(twice), Code::AlreadyExists);
        let free = Order {
            amount: 0,
            ..order("b")
        };
        assert_eq!(violated(insert(database, &free).await), Violation::Check);
        let null = database
            .query("UPDATE orders SET paid = $1")
            .bind(None::<bool>);
        assert_eq!(violated(null.execute().await), Violation::NotNull);

        let missing = database.query("SELECT * FROM orders WHERE id = 'x'");
        let missing = missing
            .fetch_one::<Order>()
            .await
            .expect_err("it is not there");
        assert_eq!(code(missing), Code::NotFound);
        let wrong = database.query("SELECT * FROM nothing").execute().await;
        let wrong = wrong.expect_err("there is no such table");
        assert!(matches!(wrong, Error::Query(_)), "{wrong:?}");
        assert_eq!(code(wrong), Code::Internal);
        let column = database
            .query("SELECT id FROM orders")
            .fetch_one::<(i64,)>()
            .await;
        assert!(matches!(column, Err(Error::Query(_))), "{column:?}");
    }
}
