//! The instances of a service as they come and go.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Instance;
use crate::task;

/// The instances of a service, followed by a task that ends with the last clone of this.
///
/// The value is `None` until the registry has answered for the first time.
#[derive(Debug, Clone)]
pub(crate) struct Instances {
    current: watch::Receiver<Option<Arc<[Instance]>>>,
    _task: Arc<Task>,
}

#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where a task that follows a registry publishes what it finds.
#[derive(Debug)]
pub(super) struct Publisher {
    service: String,
    current: watch::Sender<Option<Arc<[Instance]>>>,
}

impl Publisher {
    /// Publishes a set, if it is another than the last.
    pub(super) fn publish(&self, instances: Arc<[Instance]>) {
        self.current.send_if_modified(|current| {
            if current.as_ref() == Some(&instances) {
                return false;
            }
            let service = &self.service;
            let addresses: Vec<_> = instances.iter().map(|it| it.address).collect();
            tracing::info!(service, ?addresses, "instances changed");
            *current = Some(instances);
            true
        });
    }
}

impl Instances {
    /// Follows the instances of `service` with the task that `follow` makes.
    pub(super) fn follow<F>(service: &str, follow: impl FnOnce(Publisher) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, current) = watch::channel(None);
        let publisher = Publisher {
            service: service.to_owned(),
            current: sender,
        };
        let task = task::spawn(follow(publisher)).abort_handle();
        Self {
            current,
            _task: Arc::new(Task(task)),
        }
    }

    /// The instances now; `None` before the first answer.
    pub(crate) fn current(&self) -> Option<Arc<[Instance]>> {
        self.current.borrow().clone()
    }

    /// Returns when the instances have changed since the last call; never, when nothing will.
    pub(crate) async fn changed(&mut self) {
        if self.current.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
