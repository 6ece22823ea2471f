//! Building the services of a workspace, starting and watching them.

pub mod build;
pub mod ports;
pub mod process;
pub mod state_file;
pub mod supervisor;
