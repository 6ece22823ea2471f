//! What the store knows: a state machine without input, output or a clock. The time is passed in.
//!
//! It takes and gives etcd's own messages, whose headers have the revision and nothing else.

mod history;
mod interval;
mod lease;
mod range;
mod refusal;
#[cfg(test)]
mod tests;
mod txn;
mod watch;

use std::time::Instant;

use super::proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse,
    LeaseRevokeResponse, LeaseStatus, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, ResponseHeader, TxnRequest, TxnResponse,
};

pub(super) use history::Limits;
pub(super) use refusal::Refusal;
pub(super) use watch::Watches;

use history::History;
use interval::Interval;
use lease::Leases;
use txn::Decided;

/// The header of a response at a revision.
fn revision_of(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader {
        revision,
        ..ResponseHeader::default()
    })
}

fn check_put(request: &PutRequest) -> Result<(), Refusal> {
    if request.key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Refusal::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Refusal::LeaseProvided);
    }
    Ok(())
}

fn check_delete(request: &DeleteRangeRequest) -> Result<(), Refusal> {
    match request.key.is_empty() {
        true => Err(Refusal::EmptyKey),
        false => Ok(()),
    }
}

/// Everything that the store knows.
#[derive(Debug)]
pub(super) struct Store {
    history: History,
    leases: Leases,
}

impl Store {
    pub fn new(limits: Limits) -> Self {
        Self {
            history: History::new(limits),
            leases: Leases::default(),
        }
    }

    /// The last revision.
    pub fn revision(&self) -> i64 {
        self.history.revision()
    }

    /// What is kept, and what of it is current, in bytes.
    pub fn bytes(&self) -> (usize, usize) {
        self.history.bytes()
    }

    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Refusal> {
        range::check(request)?;
        range::range(&self.history, request)
    }

    pub fn put(&mut self, request: PutRequest) -> Result<PutResponse, Refusal> {
        check_put(&request)?;
        self.check_lease(&request)?;
        self.check_kept(&request)?;
        if !self
            .history
            .has_room(request.key.len() + request.value.len())
        {
            return Err(Refusal::NoSpace);
        }
        let response = self.apply_put(request)?;
        self.history.commit();
        Ok(response)
    }

    pub fn delete_range(
        &mut self,
        request: &DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, Refusal> {
        check_delete(request)?;
        let response = self.apply_delete(request);
        self.history.commit();
        Ok(response)
    }

    pub fn txn(&mut self, request: TxnRequest) -> Result<TxnResponse, Refusal> {
        txn::check(&request)?;
        let decided = Decided::new(&self.history, request);
        decided.check(self)?;
        let mut response = decided.perform(self)?;
        self.history.commit();
        response.header = revision_of(self.revision());
        Ok(response)
    }

    pub fn compact(&mut self, request: &CompactionRequest) -> Result<CompactionResponse, Refusal> {
        self.history.compact(request.revision)?;
        Ok(CompactionResponse {
            header: revision_of(self.revision()),
        })
    }

    /// Grants a lease; `unused` is the id of one that may have any.
    pub fn grant(
        &mut self,
        request: &LeaseGrantRequest,
        unused: i64,
        now: Instant,
    ) -> Result<LeaseGrantResponse, Refusal> {
        let id = match request.id {
            0 => unused,
            id => id,
        };
        let ttl = self.leases.grant(id, request.ttl, now)?;
        Ok(LeaseGrantResponse {
            header: revision_of(self.revision()),
            id,
            ttl,
            error: String::new(),
        })
    }

    pub fn keep_alive(&mut self, id: i64, now: Instant) -> LeaseKeepAliveResponse {
        LeaseKeepAliveResponse {
            header: revision_of(self.revision()),
            id,
            ttl: self.leases.keep_alive(id, now).unwrap_or(0),
        }
    }

    pub fn time_to_live(
        &self,
        request: &LeaseTimeToLiveRequest,
        now: Instant,
    ) -> LeaseTimeToLiveResponse {
        let response = LeaseTimeToLiveResponse {
            header: revision_of(self.revision()),
            id: request.id,
            ttl: -1,
            ..LeaseTimeToLiveResponse::default()
        };
        match self.leases.remaining(request.id, now) {
            None => response,
            Some(remaining) => LeaseTimeToLiveResponse {
                ttl: remaining.seconds,
                granted_ttl: remaining.granted,
                keys: match request.keys {
                    true => remaining.keys,
                    false => Vec::new(),
                },
                ..response
            },
        }
    }

    pub fn leases(&self) -> LeaseLeasesResponse {
        LeaseLeasesResponse {
            header: revision_of(self.revision()),
            leases: self.leases.ids().map(|id| LeaseStatus { id }).collect(),
        }
    }

    /// Ends a lease, and deletes what it holds, all at one revision.
    pub fn revoke(&mut self, id: i64) -> Result<LeaseRevokeResponse, Refusal> {
        let keys = self.leases.remove(id).ok_or(Refusal::LeaseNotFound)?;
        for key in keys {
            self.history.delete(&key);
        }
        self.history.commit();
        Ok(LeaseRevokeResponse {
            header: revision_of(self.revision()),
        })
    }

    /// Ends the leases whose time is over; whether there were any.
    pub fn elapse(&mut self, now: Instant) -> bool {
        let mut elapsed = false;
        while let Some(id) = self.leases.expired(now) {
            // It is there.
            let _ = self.revoke(id);
            elapsed = true;
        }
        elapsed
    }

    /// When the next lease ends.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.leases.next_expiry()
    }

    /// # Errors
    /// When a put is to keep what there is, and there is nothing.
    fn check_kept(&self, request: &PutRequest) -> Result<(), Refusal> {
        let keeps = request.ignore_value || request.ignore_lease;
        match keeps && self.history.current(&request.key).is_none() {
            true => Err(Refusal::KeyNotFound),
            false => Ok(()),
        }
    }

    /// # Errors
    /// When there is no such lease.
    fn check_lease(&self, request: &PutRequest) -> Result<(), Refusal> {
        match request.lease != 0 && !self.leases.exists(request.lease) {
            true => Err(Refusal::LeaseNotFound),
            false => Ok(()),
        }
    }

    fn apply_put(&mut self, request: PutRequest) -> Result<PutResponse, Refusal> {
        let previous = self.history.current(&request.key).cloned();
        let kept = || previous.as_ref().ok_or(Refusal::KeyNotFound);
        let value = match request.ignore_value {
            true => kept()?.value.clone(),
            false => request.value,
        };
        let lease = match request.ignore_lease {
            true => kept()?.lease,
            false => request.lease,
        };
        self.leases.attach(&request.key, lease);
        self.history.put(request.key, value, lease);
        let previous = previous.filter(|_| request.prev_kv);
        Ok(PutResponse {
            header: revision_of(self.history.revision()),
            prev_kv: previous.map(|it| (*it).clone()),
        })
    }

    fn apply_delete(&mut self, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let interval = Interval::new(&request.key, &request.range_end);
        let found = self.history.range(&interval, self.history.revision());
        let found: Vec<_> = found.cloned().collect();
        for kv in &found {
            self.leases.detach(&kv.key);
            self.history.delete(&kv.key);
        }
        DeleteRangeResponse {
            header: revision_of(self.history.revision()),
            deleted: i64::try_from(found.len()).unwrap_or(i64::MAX),
            prev_kvs: match request.prev_kv {
                true => found.iter().map(|kv| (**kv).clone()).collect(),
                false => Vec::new(),
            },
        }
    }
}
