//! What a system needs around its services.

pub mod consul_agent;
pub mod embedded;
pub mod etcd;

/// The innermost cause, which is what the operating system said.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
