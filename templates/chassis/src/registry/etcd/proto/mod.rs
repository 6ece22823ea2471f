//! The messages and clients of etcd's API, generated from the protos beside this file and checked
//! in: no build needs a generator.

// What the generator writes is not ours to lint, and not all of it is used.
#![allow(clippy::all, dead_code, missing_docs, unreachable_pub)]

#[rustfmt::skip]
pub(super) mod etcdserverpb;
#[rustfmt::skip]
pub(super) mod mvccpb;
