//! Making and changing workspaces: [`names`], [`templates`] and the [`plan`] are pure, [`apply`] is
//! the only writer.

pub mod apply;
pub mod handlers;
pub mod layout;
pub mod names;
pub mod plan;
pub mod protocol;
pub mod service;
pub mod templates;
pub mod workspace;
