//! How many messages are published and handled, how long it takes, and with what outcome, under the
//! names of OpenTelemetry's conventions for messaging.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::register);

struct Metrics {
    sent: Family<Sent, Counter>,
    send_duration: Family<Sent, Histogram, fn() -> Histogram>,
    processed: Family<Processed, Counter>,
    process_duration: Family<Processed, Histogram, fn() -> Histogram>,
    in_flight: Family<Member, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sent {
    messaging_system: &'static str,
    messaging_destination_name: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Processed {
    messaging_system: &'static str,
    messaging_destination_name: String,
    messaging_consumer_group_name: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Member {
    messaging_system: &'static str,
    messaging_destination_name: String,
    messaging_consumer_group_name: String,
}

impl Metrics {
    fn register() -> Self {
        let histogram: fn() -> Histogram =
            || Histogram::new(chassis::metrics::buckets().iter().copied());
        let metrics = Self {
            sent: Family::default(),
            send_duration: Family::new_with_constructor(histogram),
            processed: Family::default(),
            process_duration: Family::new_with_constructor(histogram),
            in_flight: Family::default(),
        };
        chassis::metrics::register(
            "messaging_client_sent_messages",
            "Messages that were published: confirmed, or failed",
            metrics.sent.clone(),
        );
        chassis::metrics::register(
            "messaging_client_operation_duration_seconds",
            "From the call of publish to the broker's confirmation",
            metrics.send_duration.clone(),
        );
        chassis::metrics::register(
            "messaging_process_messages",
            "Attempts to handle a message: handled, failed and to be tried again, or a dead letter",
            metrics.processed.clone(),
        );
        chassis::metrics::register(
            "messaging_process_duration_seconds",
            "How long a handler took for an attempt",
            metrics.process_duration.clone(),
        );
        chassis::metrics::register(
            "messaging_process_in_flight",
            "Messages that this process holds: handled now, or waiting for their key or a retry",
            metrics.in_flight.clone(),
        );
        metrics
    }
}

/// Counts a message that was published, or was not.
pub(crate) fn published(system: &'static str, topic: &str, is_ok: bool, took: Duration) {
    let labels = Sent {
        messaging_system: system,
        messaging_destination_name: topic.to_owned(),
        outcome: if is_ok { "confirmed" } else { "failed" },
    };
    METRICS.sent.get_or_create(&labels).inc();
    let duration = METRICS.send_duration.get_or_create(&labels);
    duration.observe(took.as_secs_f64());
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Handled,
    Failed,
    DeadLetter,
}

/// The metrics of a member of a group.
#[derive(Debug)]
pub(crate) struct Group {
    system: &'static str,
    topic: String,
    group: String,
    in_flight: Gauge,
}

impl Group {
    pub(crate) fn new(system: &'static str, topic: &str, group: &str) -> Self {
        let labels = Member {
            messaging_system: system,
            messaging_destination_name: topic.to_owned(),
            messaging_consumer_group_name: group.to_owned(),
        };
        Self {
            system,
            topic: topic.to_owned(),
            group: group.to_owned(),
            in_flight: METRICS.in_flight.get_or_create(&labels).clone(),
        }
    }

    /// Counts a message as held until the guard is dropped.
    pub(crate) fn hold(&self) -> Held {
        self.in_flight.inc();
        Held(self.in_flight.clone())
    }

    /// Counts an attempt.
    pub(crate) fn attempted(&self, outcome: Outcome, took: Duration) {
        let labels = Processed {
            messaging_system: self.system,
            messaging_destination_name: self.topic.clone(),
            messaging_consumer_group_name: self.group.clone(),
            outcome: match outcome {
                Outcome::Handled => "handled",
                Outcome::Failed => "failed",
                Outcome::DeadLetter => "dead_letter",
            },
        };
        METRICS.processed.get_or_create(&labels).inc();
        let duration = METRICS.process_duration.get_or_create(&labels);
        duration.observe(took.as_secs_f64());
    }
}

/// A message that is held.
#[derive(Debug)]
pub(crate) struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
