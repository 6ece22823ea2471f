//! The messages, the services and, for those who ask, the clients of etcd's API: generated from the
//! protos beside this file and checked in.

#![allow(
    clippy::all,
    missing_docs,
    unreachable_pub,
    reason = "what the generator writes is not ours to lint"
)]

#[rustfmt::skip]
pub mod etcdserverpb;
#[rustfmt::skip]
pub mod mvccpb;
