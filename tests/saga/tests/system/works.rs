//! What works on sagas in these tests.

use chassis::background::Stopper;
use saga::{Ended, Error, Sagas, Status};
use tokio::task::JoinHandle;

/// Sagas that are worked on until this is dropped.
pub(crate) struct Works {
    pub(crate) sagas: Sagas,
    stopper: Stopper,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

pub(crate) fn work(sagas: &Sagas) -> Works {
    let stopper = Stopper::new();
    Works {
        sagas: sagas.clone(),
        task: tokio::spawn(sagas.worker()(stopper.handle())),
        stopper,
    }
}

impl Works {
    pub(crate) async fn stop(self) {
        self.stopper.stop();
        self.task.await.expect("no panic").expect("no error");
    }
}

/// How a saga has ended.
pub(crate) fn ended(status: Status, error: Option<&str>) -> Ended {
    let error = error.map(str::to_owned);
    Ended { status, error }
}
