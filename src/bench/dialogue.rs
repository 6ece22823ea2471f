//! The messages of calls that are streams: when they come, and which of them answers which.
//!
//! Pure: the time is passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::stats::Latencies;

/// How the request messages of a call follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Talk {
    /// All at once.
    #[default]
    AtOnce,
    /// At equal distances from the start of the call.
    Every {
        /// The distance.
        #[serde(rename = "interval_seconds", serialize_with = "seconds")]
        interval: Duration,
    },
    /// Each when the one before it was answered by a message.
    InTurn,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// When messages of streams came.
#[derive(Clone, Debug, Default)]
pub struct StreamTimes {
    /// From the sending of a call to its first response message.
    pub first: Latencies,
    /// From one response message of a call to the next.
    pub gap: Latencies,
    /// From a request message to the response message with the same number, unless all are sent at once.
    pub echo: Latencies,
}

impl StreamTimes {
    /// Takes all of others.
    pub fn add(&mut self, other: &Self) {
        self.first.add(&other.first);
        self.gap.add(&other.gap);
        self.echo.add(&other.echo);
    }
}

/// The messages of one call.
#[derive(Clone, Debug)]
pub struct Dialogue {
    begun: Instant,
    last: Option<Instant>,
    /// When messages were sent that have no answer yet.
    unanswered: VecDeque<Instant>,
    said: u64,
}

impl Dialogue {
    /// That of a call that was sent then.
    pub fn new(begun: Instant) -> Self {
        Self {
            begun,
            last: None,
            unanswered: VecDeque::new(),
            said: 0,
        }
    }

    /// How many messages were sent one by one.
    pub fn said(&self) -> u64 {
        self.said
    }

    /// A message was sent.
    pub fn say(&mut self, now: Instant) {
        self.said += 1;
        self.unanswered.push_back(now);
    }

    /// Messages came.
    pub fn hear(&mut self, messages: u64, now: Instant, mut times: Option<&mut StreamTimes>) {
        for _ in 0..messages {
            let sent = self.unanswered.pop_front();
            let before = self.last.replace(now);
            let Some(times) = &mut times else { continue };
            match before {
                None => times
                    .first
                    .record(now.saturating_duration_since(self.begun)),
                Some(last) => times.gap.record(now.saturating_duration_since(last)),
            }
            if let Some(sent) = sent {
                times.echo.record(now.saturating_duration_since(sent));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_timed_from_the_call_from_each_other_and_from_what_they_answer() {
        let begun = Instant::now();
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        let mut dialogue = Dialogue::new(begun);
        let mut times = StreamTimes::default();
        dialogue.say(at(1));
        dialogue.say(at(4));
        dialogue.hear(1, at(5), Some(&mut times));
        // Not measured.
        dialogue.say(at(6));
        dialogue.hear(1, at(7), None);
        dialogue.hear(2, at(17), Some(&mut times));
        let all = |latencies: &Latencies| {
            let millis = |time: Option<Duration>| time.map(|time| time.as_millis());
            (
                latencies.count(),
                millis(latencies.least()),
                millis(latencies.greatest()),
            )
        };
        assert_eq!(dialogue.said(), 3);
        assert_eq!(all(&times.first), (1, Some(5), Some(5)));
        assert_eq!(all(&times.gap), (2, Some(0), Some(10)));
        // The last message answers none.
        assert_eq!(all(&times.echo), (2, Some(4), Some(11)));
    }
}
