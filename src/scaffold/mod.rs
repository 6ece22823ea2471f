//! Making and changing workspaces: names, templates, the plan (all pure) and its execution.

pub mod names;
