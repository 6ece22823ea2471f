//! Building the services of a workspace, starting and watching them.
//!
//! - [`plan`] decides which processes there are to be and on which ports;
//! - [`build`] has cargo build them, [`cargo_progress`] shows how far it is;
//! - [`surroundings`] sees to what they need around them: the [`registry`] that they find each other
//!   by, and the [`infrastructure`] that `msvc up` has started;
//! - [`system`] is the processes while they run: [`process`] starts one and tells what happens to
//!   it, [`supervisor`] decides what that leads to, [`view`] shows it;
//! - [`front`] knows a call to begin with through a gateway, [`newcomers`] sees what comes to the workspace
//!   meanwhile;
//! - [`state_file`] tells other commands what runs.

pub mod build;
pub mod cargo_progress;
pub mod error;
pub mod front;
pub mod infrastructure;
pub mod newcomers;
pub mod plan;
pub mod process;
pub mod registry;
pub mod signals;
pub mod state_file;
pub mod supervisor;
pub mod surroundings;
pub mod system;
pub mod view;
