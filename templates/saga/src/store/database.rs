//! Sagas in a table.
//!
//! A process has a saga until `due_at`, which it moves on as long as it works. Each that takes a saga
//! up adds one to its `fence`, and whoever writes names the fence that it has: what one that was
//! thought dead writes changes nothing. So no lock is held while steps go on.

use std::sync::Arc;

use storage::{Database, FromRow, Migration, Row, Transaction};

use super::{Claim, Claimed, Filter, Key, New, Seen};
use crate::machine::Journal;
use crate::{Error, Status};

pub(super) const MIGRATIONS: &[Migration] = &[Migration::new(
    "saga",
    "0001_sagas",
    "CREATE TABLE sagas (
         saga TEXT NOT NULL,
         id TEXT NOT NULL,
         status TEXT NOT NULL,
         input TEXT NOT NULL,
         journal TEXT NOT NULL,
         trace TEXT NOT NULL,
         owner TEXT NOT NULL,
         fence BIGINT NOT NULL,
         due_at BIGINT NOT NULL,
         created_at BIGINT NOT NULL,
         updated_at BIGINT NOT NULL,
         PRIMARY KEY (saga, id)
     );
     CREATE INDEX sagas_due ON sagas (saga, due_at) WHERE status IN ('running', 'compensating');
     CREATE INDEX sagas_created ON sagas (created_at);
     CREATE INDEX sagas_ended ON sagas (updated_at) WHERE status IN ('completed', 'compensated')",
)];

const INSERT: &str = "INSERT INTO sagas
    (saga, id, status, input, journal, trace, owner, fence, due_at, created_at, updated_at)
    VALUES ($1, $2, 'running', $3, $4, $5, '', 0, $6, $6, $6)
    ON CONFLICT (saga, id) DO NOTHING";

pub(super) async fn insert(database: &Database, new: New, now: i64) -> Result<bool, Error> {
    let journal = serde_json::to_string(&Journal::default())?;
    let insert = database.query(INSERT).bind(new.key.saga).bind(&*new.key.id);
    let insert = insert.bind(new.input).bind(journal).bind(new.trace);
    Ok(insert.bind(now).execute().await? == 1)
}

/// As [`insert`], to hold together with what else is done in `transaction`.
pub(crate) async fn insert_in(
    transaction: &mut Transaction,
    new: New,
    now: i64,
) -> Result<bool, Error> {
    let journal = serde_json::to_string(&Journal::default())?;
    let insert = transaction
        .query(INSERT)
        .bind(new.key.saga)
        .bind(&*new.key.id);
    let insert = insert.bind(new.input).bind(journal).bind(new.trace);
    Ok(insert.bind(now).execute().await? == 1)
}

/// What is taken up: the rest of a [`Claimed`].
struct Taken {
    input: String,
    trace: String,
    journal: String,
    fence: i64,
}

impl FromRow for Taken {
    fn from_row(row: &Row) -> Result<Self, storage::Error> {
        Ok(Self {
            input: row.get("input")?,
            trace: row.get("trace")?,
            journal: row.get("journal")?,
            fence: row.get("fence")?,
        })
    }
}

pub(super) async fn claim(
    database: &Database,
    saga: &str,
    claim: Claim<'_>,
    limit: u32,
) -> Result<Vec<Claimed>, Error> {
    let due = database.query(
        "SELECT id, fence FROM sagas
         WHERE saga = $1 AND status IN ('running', 'compensating') AND due_at <= $2
         ORDER BY due_at LIMIT $3",
    );
    let due = due.bind(saga).bind(claim.now).bind(limit);
    // Asked again and again, where nobody waits for it.
    let due: Vec<(String, i64)> = due.untraced().fetch_all().await?;
    let mut claimed = Vec::with_capacity(due.len());
    for (id, fence) in due {
        match take(database, saga, claim, (&id, fence)).await {
            Ok(Some(saga)) => claimed.push(saga),
            // Another process was faster.
            Ok(None) => {}
            // The others are of no use to anybody else until the lease is over.
            Err(error) => {
                tracing::error!(saga, id, error = ?error, "a saga cannot be taken up");
                if !matches!(error, Error::Json(_)) {
                    break;
                }
            }
        }
    }
    Ok(claimed)
}

async fn take(
    database: &Database,
    saga: &str,
    claim: Claim<'_>,
    (id, fence): (&str, i64),
) -> Result<Option<Claimed>, Error> {
    let taken = database
        .query(
            "UPDATE sagas SET owner = $1, fence = fence + 1, due_at = $2
             WHERE saga = $3 AND id = $4 AND fence = $5 AND due_at <= $6
             RETURNING input, trace, journal, fence",
        )
        .bind(claim.owner)
        .bind(claim.lease_until)
        .bind(saga)
        .bind(id)
        .bind(fence)
        .bind(claim.now);
    let Some(taken) = taken.untraced().fetch_optional::<Taken>().await? else {
        return Ok(None);
    };
    Ok(Some(Claimed {
        key: Key {
            saga: saga.to_owned(),
            id: Arc::from(id),
        },
        input: taken.input.into(),
        trace: taken.trace,
        journal: serde_json::from_str(&taken.journal)?,
        fence: taken.fence,
    }))
}

pub(super) async fn save(
    database: &Database,
    claimed: &Claimed,
    due_at: i64,
    now: i64,
) -> Result<bool, Error> {
    let save = database
        .query(
            "UPDATE sagas SET status = $1, journal = $2, trace = $3, due_at = $4, updated_at = $5
             WHERE saga = $6 AND id = $7 AND fence = $8",
        )
        .bind(claimed.journal.status.name())
        .bind(serde_json::to_string(&claimed.journal)?)
        .bind(&claimed.trace)
        .bind(due_at)
        .bind(now)
        .bind(&claimed.key.saga)
        .bind(&*claimed.key.id)
        .bind(claimed.fence);
    Ok(save.execute().await? == 1)
}

pub(super) async fn renew(
    database: &Database,
    claimed: &Claimed,
    due_at: i64,
) -> Result<bool, Error> {
    let renew = database
        .query("UPDATE sagas SET due_at = $1 WHERE saga = $2 AND id = $3 AND fence = $4")
        .bind(due_at)
        .bind(&claimed.key.saga)
        .bind(&*claimed.key.id)
        .bind(claimed.fence);
    Ok(renew.untraced().execute().await? == 1)
}

pub(super) async fn resume(database: &Database, key: &Key, now: i64) -> Result<bool, Error> {
    loop {
        let stuck = database.query(
            "SELECT journal, fence FROM sagas WHERE saga = $1 AND id = $2 AND status = 'stuck'",
        );
        let stuck = stuck.bind(&key.saga).bind(&*key.id);
        let Some((journal, fence)) = stuck.fetch_optional::<(String, i64)>().await? else {
            return Ok(false);
        };
        let mut journal: Journal = serde_json::from_str(&journal)?;
        journal.retry_stuck();
        let resume = database
            .query(
                "UPDATE sagas SET status = $1, journal = $2, due_at = $3, fence = fence + 1
                 WHERE saga = $4 AND id = $5 AND fence = $6 AND status = 'stuck'",
            )
            .bind(journal.status.name())
            .bind(serde_json::to_string(&journal)?)
            .bind(now)
            .bind(&key.saga)
            .bind(&*key.id)
            .bind(fence);
        // If not, another one was faster: what is written has to be what comes after its journal.
        if resume.execute().await? == 1 {
            return Ok(true);
        }
    }
}

pub(super) async fn find(database: &Database, key: &Key) -> Result<Option<Journal>, Error> {
    let journal = database.query("SELECT journal FROM sagas WHERE saga = $1 AND id = $2");
    let journal = journal.bind(&key.saga).bind(&*key.id);
    let journal: Option<String> = journal.untraced().fetch_optional().await?;
    Ok(journal.map(|it| serde_json::from_str(&it)).transpose()?)
}

pub(super) async fn list(database: &Database, filter: &Filter) -> Result<Vec<Seen>, Error> {
    let all_open = filter.status.is_none() && filter.id.is_none();
    let rows = database
        .query(
            "SELECT saga, id, journal, owner, created_at, updated_at FROM sagas
             WHERE (CAST($1 AS TEXT) IS NULL OR saga = $1)
               AND (CAST($2 AS TEXT) IS NULL OR id = $2)
               AND (CAST($3 AS TEXT) IS NULL OR status = $3)
               AND (NOT $4 OR status IN ('running', 'compensating', 'stuck'))
             ORDER BY created_at DESC LIMIT $5",
        )
        .bind(filter.saga.as_ref())
        .bind(filter.id.as_ref())
        .bind(filter.status.map(Status::name))
        .bind(all_open)
        .bind(filter.limit);
    let rows: Vec<Listed> = rows.fetch_all().await?;
    rows.into_iter().map(Listed::into_seen).collect()
}

struct Listed {
    saga: String,
    id: String,
    journal: String,
    owner: String,
    created_at: i64,
    updated_at: i64,
}

impl FromRow for Listed {
    fn from_row(row: &Row) -> Result<Self, storage::Error> {
        Ok(Self {
            saga: row.get("saga")?,
            id: row.get("id")?,
            journal: row.get("journal")?,
            owner: row.get("owner")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

impl Listed {
    fn into_seen(self) -> Result<Seen, Error> {
        Ok(Seen {
            key: Key {
                saga: self.saga,
                id: self.id.into(),
            },
            journal: serde_json::from_str(&self.journal)?,
            owner: self.owner,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

pub(super) async fn forget(database: &Database, before: i64, limit: u32) -> Result<u64, Error> {
    let forget = database.query(
        "DELETE FROM sagas WHERE (saga, id) IN (
             SELECT saga, id FROM sagas
             WHERE status IN ('completed', 'compensated') AND updated_at < $1 LIMIT $2)",
    );
    let forget = forget.bind(before).bind(limit);
    Ok(forget.untraced().execute().await?)
}
