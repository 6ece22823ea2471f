//! The same requests to the embedded store and to a real etcd must be answered alike, revisions and
//! all: both begin empty.

mod cli;
mod leases;
mod random;
mod requests;
mod stores;
mod transactions;
mod vanishing;
mod watches;
