//! What is done in a transaction holds, or does not, whoever else is there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use storage::{Database, Error, Migration};
use tonic::Status;

use crate::each::each;

const MIGRATIONS: &[Migration] = &[Migration::new(
    "test",
    "0001_stock",
    "CREATE TABLE stock (item TEXT PRIMARY KEY, count BIGINT NOT NULL);
     INSERT INTO stock (item, count) VALUES ('book', 0)",
)];

struct Amount(i64);

/// Handlers are futures that threads hand to each other.
fn boxed<'f, T>(
    future: impl Future<Output = T> + Send + 'f,
) -> Pin<Box<dyn Future<Output = T> + Send + 'f>> {
    Box::pin(future)
}

async fn count(database: &Database) -> i64 {
    let count = database.query("SELECT count FROM stock WHERE item = 'book'");
    count.fetch_one().await.expect("a row")
}

/// As a handler would do it: with what it was asked, by reference.
async fn add_one(database: &Database, item: &str, by: &Amount) -> Result<i64, Error> {
    database
        .transaction(async |transaction| {
            let count: i64 = transaction
                .query("SELECT count FROM stock WHERE item = $1")
                .bind(item)
                .fetch_one()
                .await?;
            transaction
                .query("UPDATE stock SET count = $1 WHERE item = $2")
                .bind(count + by.0)
                .bind(item)
                .execute()
                .await?;
            Ok(count + by.0)
        })
        .await
}

#[tokio::test]
async fn what_is_not_committed_does_not_hold() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        let change = "UPDATE stock SET count = 7";
        let mut transaction = database.begin().await.expect("a transaction");
        transaction.query(change).execute().await.expect("no error");
        transaction.rollback().await.expect("no error");
        assert_eq!(count(database).await, 0);

        let mut transaction = database.begin().await.expect("a transaction");
        transaction.query(change).execute().await.expect("no error");
        drop(transaction);
        // The next one waits for the end of what was dropped.
        let transaction = database.begin().await.expect("a transaction");
        transaction.commit().await.expect("no error");
        assert_eq!(count(database).await, 0);

        let failed = database
            .transaction(async |transaction| {
                transaction.query(change).execute().await?;
                Err::<(), Status>(Status::failed_precondition("no"))
            })
            .await;
        assert_eq!(failed.expect_err("it failed").message(), "no");
        assert_eq!(count(database).await, 0);

        let mut transaction = database.begin().await.expect("a transaction");
        transaction.query(change).execute().await.expect("no error");
        transaction.commit().await.expect("no error");
        assert_eq!(count(database).await, 7);
    }
}

#[tokio::test]
async fn nothing_of_a_transaction_holds_in_which_a_statement_failed() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        let insert = "INSERT INTO stock (item, count) VALUES ($1, 1)";
        let mut transaction = database.begin().await.expect("a transaction");
        let pen = transaction.query(insert).bind("pen").execute().await;
        pen.expect("no error");
        let book = transaction.query(insert).bind("book").execute().await;
        assert!(book.is_err_and(|error| error.is_unique_violation()));
        let more = transaction.query("SELECT 1").execute().await;
        assert!(matches!(more, Err(Error::Aborted)), "{more:?}");
        let committed = transaction.commit().await;
        assert!(matches!(committed, Err(Error::Aborted)), "{committed:?}");
        let items = database.query("SELECT item FROM stock");
        assert_eq!(items.fetch_all::<String>().await.expect("rows"), ["book"]);

        // That there is no row is no failure.
        let mut transaction = database.begin().await.expect("a transaction");
        let none = transaction.query("SELECT item FROM stock WHERE count = 7");
        let none = none.fetch_one::<String>().await;
        assert!(matches!(none, Err(Error::NotFound)), "{none:?}");
        transaction.commit().await.expect("no error");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_collide_are_tried_again_until_all_hold() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let database = database.clone();
            // Handlers are futures that threads hand to each other.
            tasks.spawn(async move {
                for _ in 0..5 {
                    serializable(&database).await.expect("it goes through");
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no panic");
        }
        assert_eq!(count(database).await, 20);
    }
}

/// Adds one to what it reads, so that two at the same time collide in PostgreSQL.
async fn serializable(database: &Database) -> Result<(), Error> {
    loop {
        let outcome = database
            .serializable(async |transaction| {
                let select = transaction.query("SELECT count FROM stock");
                let count: i64 = select.fetch_one().await?;
                tokio::task::yield_now().await;
                let update = transaction.query("UPDATE stock SET count = $1");
                update.bind(count + 1).execute().await
            })
            .await;
        match outcome {
            Err(error) if error.is_transient() => {}
            outcome => return outcome.map(|_| ()),
        }
    }
}

#[tokio::test]
async fn a_transaction_is_tried_as_often_as_it_is_allowed_to() {
    let fresh = storage::testing::database(MIGRATIONS).await;
    let attempts = AtomicU32::new(0);
    let outcome = fresh
        .transaction(async |_| {
            attempts.fetch_add(1, Ordering::Relaxed);
            Err::<(), Error>(Error::Conflict(Arc::new(sqlx::Error::PoolClosed)))
        })
        .await;
    assert!(outcome.expect_err("always").is_transient());
    assert_eq!(attempts.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_transaction_that_is_given_up_leaves_its_connection_usable() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        for _ in 0..30 {
            // More often than there are connections.
            let slow = database.transaction(async |transaction| {
                transaction
                    .query("UPDATE stock SET count = 7")
                    .execute()
                    .await?;
                std::future::pending::<Result<(), Error>>().await
            });
            let given_up = tokio::time::timeout(Duration::from_millis(20), slow).await;
            given_up.expect_err("it never ends");
        }
        let added = boxed(add_one(database, "book", &Amount(1))).await;
        assert_eq!(added.expect("it goes through"), 1);
    }
}

#[tokio::test]
async fn a_database_in_memory_outlives_what_is_given_up() {
    let settings = storage::Settings::at("sqlite::memory:");
    let database = Database::open(&settings, MIGRATIONS)
        .await
        .expect("it opens");
    assert_eq!(
        add_one(&database, "book", &Amount(2))
            .await
            .expect("it works"),
        2
    );
    let slow = database.transaction(async |transaction| {
        transaction
            .query("UPDATE stock SET count = 7")
            .execute()
            .await?;
        std::future::pending::<Result<(), Error>>().await
    });
    let given_up = tokio::time::timeout(Duration::from_millis(20), slow).await;
    given_up.expect_err("it never ends");
    let counted = database.query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
         SELECT COUNT(*) FROM n",
    );
    let given_up = tokio::time::timeout(Duration::from_millis(1), counted.fetch_one::<i64>());
    let _ = given_up.await;
    assert_eq!(count(&database).await, 2);
}
