//! Spawning tasks.
//!
//! The runtime's code for a task is compiled again for each type of future, some sixty functions
//! each time. In a box all futures are of one type: that is a page less to compile for each task
//! that this crate has, and one allocation for each that is spawned.

use std::pin::Pin;

use hyper::rt::Executor;
use tokio::task::JoinHandle;

/// A future of whatever type.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future to be spawned on a [`JoinSet`](tokio::task::JoinSet).
pub(crate) fn boxed<T>(future: impl Future<Output = T> + Send + 'static) -> Boxed<T> {
    Box::pin(future)
}

/// Spawns a future, as [`tokio::spawn`] does.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(boxed(future))
}

/// Runs what hyper has to do besides. A call is a future of a thousand bytes or more, and on its way
/// into a task that is not in a box it is moved half a dozen times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        spawn(future);
    }
}
