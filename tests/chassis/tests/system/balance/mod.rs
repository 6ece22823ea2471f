//! How calls are spread over instances, and which instances get none.

mod ejection;
mod fleet;
mod limits;
mod membership;
mod policies;
mod processes;
mod tried;
