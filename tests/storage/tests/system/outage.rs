//! The database is away for a while: what waits for it ends in time, and what comes after it returns
//! works.

use std::time::Duration;

use chassis::config::Duration as Limit;
use storage::{Database, Error, Migration, Settings};
use tonic::{Code, Status};

use crate::postgres::Postgres;

const MIGRATIONS: &[Migration] = &[Migration::new(
    "test",
    "0001_items",
    "CREATE TABLE items (id BIGINT PRIMARY KEY)",
)];

fn impatient(url: String) -> Settings {
    Settings {
        max_connections: 3,
        acquire_timeout: Limit::from_millis(300),
        statement_timeout: Limit::from_millis(200),
        ..Settings::at(url)
    }
}

async fn insert(database: &Database, id: i64) -> Result<u64, Error> {
    let insert = database.query("INSERT INTO items (id) VALUES ($1)");
    insert.bind(id).execute().await
}

async fn until_it_works(database: &Database, id: i64) {
    while let Err(error) = insert(database, id).await {
        assert!(
            error.is_transient() || matches!(error, Error::Timeout(_)),
            "{error:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_used_again_when_it_is_back() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let settings = impatient(server.create("app"));
    let database = Database::open(&settings, MIGRATIONS)
        .await
        .expect("it opens");
    insert(&database, 1).await.expect("it works");
    let mut lost = database.begin().await.expect("a transaction");
    let insert_lost = lost.query("INSERT INTO items (id) VALUES (2)");
    insert_lost.execute().await.expect("it works");
    let mut unknown = database.begin().await.expect("a transaction");
    let insert_unknown = unknown.query("INSERT INTO items (id) VALUES (3)");
    insert_unknown.execute().await.expect("it works");

    server.kill();
    let error = lost
        .query("SELECT 1")
        .execute()
        .await
        .expect_err("it is gone");
    assert_eq!(Status::from(error).code(), Code::Unavailable);
    let aborted = lost.commit().await.expect_err("it is gone");
    assert!(matches!(aborted, Error::Aborted), "{aborted:?}");
    let unknown = unknown.commit().await.expect_err("it is gone");
    assert!(matches!(unknown, Error::CommitUnknown(_)), "{unknown:?}");
    let error = insert(&database, 4).await.expect_err("it is gone");
    assert_eq!(Status::from(error).code(), Code::Unavailable);
    database.ping().await.expect_err("it is gone");

    server.run();
    until_it_works(&database, 5).await;
    let ids = database.query("SELECT id FROM items ORDER BY id");
    assert_eq!(ids.fetch_all::<i64>().await.expect("rows"), [1, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_holds_nobody_up() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let settings = impatient(server.create("app"));
    let database = Database::open(&settings, MIGRATIONS)
        .await
        .expect("it opens");
    insert(&database, 1).await.expect("it works");
    let mut open = database.begin().await.expect("a transaction");
    open.query("SELECT 1").execute().await.expect("it works");

    let committed = database.begin().await.expect("a transaction");

    server.pause();
    let unknown = committed.commit().await.expect_err("no answer");
    assert!(matches!(unknown, Error::CommitUnknown(_)), "{unknown:?}");
    let text = format!("{unknown:?}");
    assert!(text.ends_with(": no answer within 200ms"), "{text}");
    let stuck = open
        .query("SELECT 1")
        .execute()
        .await
        .expect_err("no answer");
    assert!(matches!(stuck, Error::Timeout(_)), "{stuck:?}");
    drop(open);
    // More than there are connections, each given up by its caller or by itself.
    for id in 100..105 {
        insert(&database, id).await.expect_err("no answer");
        let given_up = tokio::time::timeout(Duration::from_millis(5), insert(&database, id));
        given_up.await.expect_err("no answer");
    }

    server.resume();
    until_it_works(&database, 2).await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let Some(server) = crate::postgres::shared() else {
        return;
    };
    let settings = impatient(server.create("slow"));
    let database = Database::open(&settings, MIGRATIONS)
        .await
        .expect("it opens");
    let slow = database.query("SELECT pg_sleep(60)").execute().await;
    match slow {
        Err(Error::Timeout(limit)) => assert_eq!(limit, Duration::from_millis(200)),
        other => panic!("{other:?}"),
    }
    insert(&database, 1).await.expect("it works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_start_before_its_database() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let settings = impatient(server.create("app"));
    server.kill();
    let opened = tokio::spawn(async move { Database::open(&settings, MIGRATIONS).await });
    server.run();
    let database = opened.await.expect("no panic").expect("it opens");
    insert(&database, 1).await.expect("it works");
}

#[tokio::test]
async fn a_database_that_is_not_there_and_may_not_be_made_is_a_clear_error_at_once() {
    let Some(server) = crate::postgres::shared() else {
        return;
    };
    let owner = Database::open(&Settings::at(server.create("of_the_owner")), &[]).await;
    let role = owner.expect("it opens");
    let role = role.query("CREATE ROLE guest LOGIN").execute().await;
    role.expect("made");
    let url = server.url("nothing").replace("postgres@", "guest@");
    let opened = Database::open(&Settings::at(url), &[]).await;
    let error = opened.expect_err("a guest makes none").to_string();
    let expected = r#"the database refuses the connection: database "nothing" does not exist"#;
    assert_eq!(error, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_a_free_connection_is_told_at_once_and_not_tried_again() {
    for fresh in crate::each::each(MIGRATIONS).await {
        let settings = Settings {
            max_connections: 1,
            max_attempts: 1_000,
            acquire_timeout: Limit::from_millis(100),
            ..Settings::at(fresh.url())
        };
        let database = Database::open(&settings, MIGRATIONS).await;
        let database = database.expect("it opens");
        let held = database.begin().await.expect("a transaction");
        let work = database.transaction(async |transaction| {
            let insert = transaction.query("INSERT INTO items (id) VALUES (1)");
            insert.execute().await
        });
        let busy = tokio::time::timeout(Duration::from_secs(30), work).await;
        let busy = busy.expect("soon").expect_err("no connection is free");
        assert!(!busy.is_transient());
        let text = "none of the 1 connections to the database became free in time";
        assert_eq!(busy.to_string(), text);
        assert_eq!(Status::from(busy).code(), Code::ResourceExhausted);
        held.rollback().await.expect("rolled back");
        until_it_works(&database, 1).await;
    }
}
