//! What a system needs around its services.

pub mod background;
pub mod consul_agent;
pub mod docker;
pub mod embedded;
pub mod etcd;
pub mod jaeger;
pub mod json_api;
pub mod ready;
pub mod reconcile;
pub mod resource;
pub mod stack;
pub mod state_file;

/// The innermost cause, which is what the operating system said.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
