//! The tokio runtime, as far as it can be seen without `tokio_unstable`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use tokio::runtime::Handle;

use super::constant;

/// The runtime in which metrics are read.
#[derive(Debug)]
pub(super) struct Runtime;

impl Collector for Runtime {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Ok(runtime) = Handle::try_current() else {
            return Ok(());
        };
        let metrics = runtime.metrics();
        for (name, help, value) in [
            (
                "tokio_workers",
                "Threads that run tasks",
                metrics.num_workers(),
            ),
            (
                "tokio_alive_tasks",
                "Tasks that have not ended",
                metrics.num_alive_tasks(),
            ),
            (
                "tokio_global_queue_depth",
                "Tasks that wait for a worker in the queue of all workers",
                metrics.global_queue_depth(),
            ),
        ] {
            let metric = constant(value as f64);
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}
