//! Making and changing workspaces: [`names`], [`templates`] and the [`plan`] are pure, [`incoming`]
//! reads the protos that a service is made from, [`apply`] is the only writer but for [`git`].

pub mod apply;
pub mod draft;
pub mod edit;
pub mod equip;
pub mod example;
mod fail_point;
pub mod gateway;
pub mod git;
pub mod handlers;
pub mod incoming;
pub mod layout;
pub mod lock;
pub mod names;
pub mod parts;
pub mod plan;
pub mod protocol;
pub mod regenerate;
pub mod rustfmt;
pub mod service;
pub mod taken;
pub mod templates;
pub mod user_code;
pub mod vacant;
pub mod workspace;
