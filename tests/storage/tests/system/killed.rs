//! A service is killed while it writes: what it was told to hold holds, and nothing is there by half.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use storage::{Database, Error, Migration, Settings, System};

use crate::each::each;

const URL: &str = "STORAGE_TEST_URL";

const MIGRATIONS: &[Migration] = &[Migration::new(
    "test",
    "0001_accounts",
    "CREATE TABLE debits (id BIGINT PRIMARY KEY);
     CREATE TABLE credits (id BIGINT PRIMARY KEY REFERENCES debits (id))",
)];

/// What the processes of these tests run: this very binary, told to run this one "test".
#[tokio::test]
#[ignore = "not a test: the writer that tests start"]
#[expect(
    clippy::print_stdout,
    reason = "it is read by the test that started this"
)]
async fn writer() {
    let url = std::env::var(URL).expect("it is set");
    let database = Database::open(&Settings::at(url), MIGRATIONS).await;
    let database = database.expect("it opens");
    let last = database.query("SELECT MAX(id) FROM debits");
    let last: Option<i64> = last.fetch_one().await.expect("a row");
    let mut id = last.unwrap_or(0);
    loop {
        id += 1;
        let written = database.transaction(async |transaction| {
            for sql in [
                "INSERT INTO debits (id) VALUES ($1)",
                "INSERT INTO credits (id) VALUES ($1)",
            ] {
                transaction.query(sql).bind(id).execute().await?;
            }
            Ok::<_, Error>(())
        });
        written.await.expect("it holds");
        println!("holds {id}");
    }
}

fn start(url: &str) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "killed::writer", "--ignored", "--nocapture"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this binary runs")
}

/// Kills a writer after `count` transactions; the last that it was told of.
fn killed_after(count: usize, url: &str) -> i64 {
    let mut writer = start(url);
    let lines = BufReader::new(writer.stdout.take().expect("piped")).lines();
    let ids = lines.map_while(Result::ok).filter_map(|line| {
        let id = line.strip_prefix("holds ")?;
        id.parse::<i64>().ok()
    });
    let mut ids = ids.fuse();
    let before = ids.by_ref().take(count).last().expect("it writes");
    writer.kill().expect("it runs");
    // It may have been told of more until then.
    let last = ids.last().unwrap_or(before);
    writer.wait().expect("it was started");
    last
}

/// The debits with their credits, as they are at one moment: the server may still be committing.
async fn pairs(database: &Database) -> Vec<(i64, Option<i64>)> {
    let pairs = database.query(
        "SELECT debits.id, credits.id FROM debits
         LEFT JOIN credits ON credits.id = debits.id ORDER BY debits.id",
    );
    pairs.fetch_all().await.expect("rows")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_service_was_told_to_hold_holds_and_nothing_is_there_by_half() {
    for fresh in each(MIGRATIONS).await {
        let database = fresh.database();
        for round in 0..5 {
            let url = fresh.url().to_owned();
            let killed = tokio::task::spawn_blocking(move || killed_after(3 + round * 7, &url));
            let last = killed.await.expect("no panic");
            let pairs = pairs(database).await;
            // One that it was not told of may hold as well.
            let held = i64::try_from(pairs.len()).expect("few");
            assert!((last..=last + 1).contains(&held), "{held} of {last}");
            let whole = (1..=held).map(|id| (id, Some(id)));
            assert_eq!(pairs, whole.collect::<Vec<_>>());
        }
        if database.system() == System::Sqlite {
            let check = database.query("PRAGMA integrity_check");
            assert_eq!(check.fetch_one::<String>().await.expect("a row"), "ok");
        }
    }
}
