//! Who relays: one process at a time, for as long as it says so again and again.

use std::time::Duration;

use storage::Database;
use uuid::Uuid;

use crate::database::now;

/// How long it lasts that is not renewed.
const LEASE: Duration = Duration::from_secs(15);

/// How often it is renewed.
pub(super) const RENEWAL: Duration = Duration::from_secs(5);

/// The name of the only lease that there is.
const NAME: &str = "outbox";

/// What one process has, or would like to have.
pub(super) struct Lease<'d> {
    database: &'d Database,
    holder: String,
}

impl<'d> Lease<'d> {
    pub(super) fn new(database: &'d Database) -> Self {
        let holder = Uuid::now_v7().to_string();
        Self { database, holder }
    }

    /// Takes it if nobody has it, or renews it. Whether it is this process's now.
    pub(super) async fn take(&self) -> Result<bool, storage::Error> {
        let now = now();
        let take = self.database.query(
            "INSERT INTO messaging_leases (name, holder, until) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = $2, until = $3 \
             WHERE messaging_leases.holder = $2 OR messaging_leases.until < $4",
        );
        let take = take.untraced().bind(NAME).bind(&self.holder);
        let until = now.saturating_add(LEASE.as_millis() as i64);
        Ok(take.bind(until).bind(now).execute().await? > 0)
    }

    /// Lets another have it at once.
    pub(super) async fn give_up(&self) -> Result<(), storage::Error> {
        let give_up = self
            .database
            .query("DELETE FROM messaging_leases WHERE name = $1 AND holder = $2");
        let give_up = give_up.untraced().bind(NAME).bind(&self.holder);
        give_up.execute().await.map(drop)
    }
}
