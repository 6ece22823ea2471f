//! Services as processes: configuration by the environment, logs, signals, the admin server.

mod life;
mod logs;
mod program;
mod service;

pub(crate) use service::Service;
