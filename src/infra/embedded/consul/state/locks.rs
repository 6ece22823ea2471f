//! What the registry does with sessions and keys, which depend on each other and on checks.

use std::time::Instant;

use super::{Condition, Refusal, Registry, Session, Status, check_id};

impl Registry {
    /// Makes a session under this id, which must be new.
    pub fn create_session(
        &mut self,
        id: String,
        session: Session,
        now: Instant,
    ) -> Result<(), Refusal> {
        for check in session.all_checks() {
            let text = match self.catalog.check(check).map(|check| check.status) {
                None => format!("Missing check '{check}' registration"),
                Some(Status::Critical) => format!("Check '{check}' is in critical state"),
                Some(_) => continue,
            };
            return Err(Refusal::Failed(text));
        }
        let index = self.next_index();
        self.sessions.create(id, session, index, now)
    }

    /// Ends a session, if it is there.
    pub fn destroy_session(&mut self, id: &str, now: Instant) {
        if self.sessions.contains(id) {
            let index = self.next_index();
            self.end_session(id, index, now);
        }
    }

    fn end_session(&mut self, id: &str, index: u64, now: Instant) {
        if let Some(session) = self.sessions.remove(id, index) {
            let keys = self.kv.end_session(id, session.deletes(), index);
            self.sessions.delay(&keys, &session, now);
        }
    }

    /// Ends the sessions that depend on a check, which is critical or gone.
    pub(super) fn end_sessions_of(&mut self, check: &str, index: u64, now: Instant) {
        for session in self.sessions.of_check(check) {
            self.end_session(&session, index, now);
        }
    }

    /// Writes a key; false when the condition does not hold.
    pub fn put_key(
        &mut self,
        key: &str,
        value: (Vec<u8>, u64),
        condition: &Condition,
        now: Instant,
    ) -> Result<bool, Refusal> {
        if let Condition::Acquire(session) | Condition::Release(session) = condition
            && session.is_empty()
        {
            return Err(Refusal::Failed("missing session".to_owned()));
        }
        if let Condition::Acquire(session) = condition {
            if self.sessions.is_delayed(key, now) {
                return Ok(false);
            }
            check_id(session)?;
            if !self.sessions.contains(session) {
                return Err(Refusal::Failed(format!("invalid session \"{session}\"")));
            }
        }
        let index = self.next_index();
        self.kv.put(key, value, condition, index)
    }

    /// Deletes a key; false when `cas` does not match.
    pub fn delete_key(&mut self, key: &str, cas: Option<u64>) -> bool {
        let index = self.next_index();
        self.kv.delete(key, cas, index)
    }

    /// Deletes all keys with a prefix.
    pub fn delete_keys(&mut self, prefix: &str) {
        let index = self.next_index();
        self.kv.delete_all(prefix, index);
    }
}
