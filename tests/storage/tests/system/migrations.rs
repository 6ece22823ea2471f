//! Tables are made once, whoever starts at the same time, and failures say which script it was.

use storage::{Database, Error, Migration, Settings};

use crate::each::{each, postgres_url};

const ORDERS: Migration = Migration::new(
    "shop",
    "0001_orders",
    "CREATE TABLE orders (id TEXT PRIMARY KEY); INSERT INTO orders (id) VALUES ('first')",
);
const INDEX: Migration = Migration::new("shop", "0002_index", "CREATE INDEX by_id ON orders (id)");
const BROKEN: Migration = Migration::new(
    "shop",
    "0002_broken",
    "INSERT INTO orders (id) VALUES ('second'); CREATE NONSENSE",
);

async fn ids(database: &Database) -> Vec<String> {
    let ids = database.query("SELECT id FROM orders ORDER BY id");
    ids.fetch_all().await.expect("rows")
}

#[tokio::test]
async fn each_script_runs_once() {
    for fresh in each(&[ORDERS]).await {
        let again = Database::open(&Settings::at(fresh.url()), &[ORDERS, INDEX]).await;
        let again = again.expect("it opens");
        assert_eq!(ids(&again).await, ["first"]);
        let applied = again.query("SELECT name FROM _migrations ORDER BY name");
        let applied: Vec<String> = applied.fetch_all().await.expect("rows");
        assert_eq!(applied, ["shop/0001_orders", "shop/0002_index"]);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_made_once_by_all_who_want_it() {
    let Some(url) = postgres_url() else { return };
    let url = url.replace('?', "_of_%22all%22?");
    let (settings, migrations) = (Settings::at(url), [ORDERS]);
    let open = || Database::open(&settings, &migrations);
    let (a, b, c) = tokio::join!(open(), open(), open());
    for database in [a, b, c] {
        assert_eq!(ids(&database.expect("it opens")).await, ["first"]);
    }
}

#[tokio::test]
async fn scripts_are_the_files_of_the_crate() {
    const FILES: &[Migration] = storage::migrations!["0001_notes", "0002_tags"];
    storage::testing::assert_listed(FILES, env!("CARGO_MANIFEST_DIR"));
    for fresh in each(FILES).await {
        let applied = fresh
            .database()
            .query("SELECT name FROM _migrations ORDER BY name");
        let applied: Vec<String> = applied.fetch_all().await.expect("rows");
        assert_eq!(applied, ["storage/0001_notes", "storage/0002_tags"]);
        let tags = fresh.database().query("SELECT COUNT(*) FROM tags");
        assert_eq!(tags.fetch_one::<i64>().await.expect("a row"), 0);
    }
}

#[test]
#[should_panic = "the scripts that are listed"]
fn a_script_that_was_forgotten_is_found_out() {
    let some = storage::migrations!["0001_notes"];
    storage::testing::assert_listed(some, env!("CARGO_MANIFEST_DIR"));
}

#[tokio::test]
async fn a_script_that_fails_is_named_and_leaves_nothing() {
    for fresh in each(&[]).await {
        let error = fresh.database().migrate(&[ORDERS, BROKEN]).await;
        let error = error.expect_err("it is broken");
        assert_eq!(error.to_string(), "migration `shop/0002_broken` failed");
        // The one before it holds.
        assert_eq!(ids(fresh.database()).await, ["first"]);
    }
}

#[tokio::test]
async fn a_script_that_was_changed_is_refused() {
    for fresh in each(&[ORDERS]).await {
        let changed = Migration::new("shop", "0001_orders", "CREATE TABLE orders (id BIGINT)");
        let error = fresh.database().migrate(&[changed]).await;
        assert_eq!(
            error.expect_err("it was changed").to_string(),
            "migration `shop/0001_orders` is not what was applied to this database: add another \
             one instead of changing it"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_the_same_time_wait_for_each_other() {
    for fresh in each(&[]).await {
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = fresh.url().to_owned();
            starts.spawn(async move {
                let settings = Settings::at(url);
                Database::open(&settings, &[ORDERS, INDEX])
                    .await
                    .map(|_| ())
            });
        }
        while let Some(started) = starts.join_next().await {
            started.expect("no panic").expect("it opens");
        }
        assert_eq!(ids(fresh.database()).await, ["first"]);
    }
}

#[tokio::test]
async fn databases_can_share_a_server_and_folders_are_made() {
    let fresh = storage::testing::database(&[ORDERS]).await;
    let folder = fresh.url().strip_prefix("sqlite:").expect("it is SQLite");
    let below = format!("sqlite:{folder}-other/a/b.db");
    let other = Database::open(&Settings::at(below), &[ORDERS]).await;
    assert_eq!(ids(&other.expect("it opens")).await, ["first"]);
    if let Some(url) = postgres_url() {
        let other = Database::open(&Settings::at(url), &[ORDERS]).await;
        assert_eq!(ids(&other.expect("it opens")).await, ["first"]);
    }
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused() {
    for (url, expected) in [
        (
            "orders.db",
            "the database's `url` has no scheme, expected `sqlite:PATH` or `postgres://…`",
        ),
        (
            "mysql://u:secret@h/d",
            "the database's `url` begins with `mysql:`, expected `sqlite:` or `postgres:`",
        ),
    ] {
        match Database::open(&Settings::at(url), &[]).await {
            Err(Error::Settings(problem)) => assert_eq!(problem, expected),
            other => panic!("{other:?}"),
        }
    }
}
