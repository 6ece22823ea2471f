//! What a system needs around its services.

pub mod consul_agent;
pub mod embedded;
pub mod etcd;
