//! The messages of calls that are streams, on one connection.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use super::wire::Wire;
use crate::bench::dialogue::{Dialogue, Talk};
use crate::bench::engine::ledger::Ledger;
use crate::bench::engine::line::Call;
use crate::bench::engine::timer::Timer;
use crate::bench::http2::{Heard, put_field};

/// What is known of the streams of a connection.
#[derive(Default)]
pub(super) struct Streams {
    of: HashMap<u32, Dialogue>,
    /// Which streams are to send a message when, the first one first: all have the same interval.
    due: VecDeque<(Instant, u32)>,
    /// Where messages are put on their way here.
    heard: Vec<Heard<Call>>,
}

impl Streams {
    /// Forgets the calls that are over.
    pub(super) fn keep(&mut self, mut is_in_flight: impl FnMut(u32) -> bool) {
        self.of.retain(|stream, _| is_in_flight(*stream));
    }
}

impl Wire {
    /// Opens a call whose messages are sent one by one, and sends the first.
    pub(super) fn open(&self, ledger: &Ledger, mut call: Call) {
        (call.messages, call.bytes) = (0, 0);
        let mut fields = Vec::new();
        ledger.metadata(&call, |name, value| {
            put_field(&mut fields, name.as_bytes(), value);
        });
        let stream = self.connection.borrow_mut().open(call, &fields);
        let mut streams = self.streams.borrow_mut();
        streams.of.insert(stream, Dialogue::new(call.sent));
        drop(streams);
        self.say(ledger, stream, &call, call.sent);
        if let Talk::Every { interval } = ledger.job.talk {
            let mut streams = self.streams.borrow_mut();
            streams.due.push_back((call.sent + interval, stream));
            drop(streams);
            self.due.notify_one();
        }
    }

    /// Sends the next message of a call; tells whether there are more.
    fn say(&self, ledger: &Ledger, stream: u32, call: &Call, now: Instant) -> bool {
        let mut streams = self.streams.borrow_mut();
        let Some(dialogue) = streams.of.get_mut(&stream) else {
            // It is over.
            return false;
        };
        let (index, count) = (dialogue.said(), ledger.job.payload.count);
        if index >= count {
            return false;
        }
        let message = ledger.message(call, index, now);
        let is_last = index + 1 == count;
        let mut connection = self.connection.borrow_mut();
        if let Some(call) = connection.send(stream, &message, is_last) {
            call.messages += 1;
            call.bytes += message.len() as u32;
            dialogue.say(now);
        }
        !is_last
    }

    /// Times the messages that came, and answers them where it is our turn then.
    pub(super) fn hear(&self, ledger: &Ledger, now: Instant) {
        let mut streams = self.streams.borrow_mut();
        let mut heard = std::mem::take(&mut streams.heard);
        self.connection.borrow_mut().heard(&mut heard);
        for Heard {
            stream,
            call,
            messages,
        } in &heard
        {
            let dialogue = streams.of.entry(*stream);
            let dialogue = dialogue.or_insert_with(|| Dialogue::new(call.sent));
            ledger.hear(call, dialogue, *messages, now);
        }
        drop(streams);
        if ledger.job.talk == Talk::InTurn {
            for Heard {
                stream,
                call,
                messages,
            } in &heard
            {
                for _ in 0..*messages {
                    self.say(ledger, *stream, call, now);
                }
            }
        }
        heard.clear();
        self.streams.borrow_mut().heard = heard;
    }

    /// A call is over.
    pub(super) fn forget(&self, stream: u32) {
        self.streams.borrow_mut().of.remove(&stream);
    }

    /// Sends messages when they are due, for as long as there is the connection.
    pub(super) async fn keep_talking(self: Rc<Self>, ledger: Rc<Ledger>) {
        let Talk::Every { interval } = ledger.job.talk else {
            return;
        };
        let Ok(timer) = Timer::new() else {
            return;
        };
        while !self.is_lost() {
            let first = self.streams.borrow().due.front().copied();
            let Some((due, stream)) = first else {
                self.due.notified().await;
                continue;
            };
            if Instant::now() < due {
                timer.sleep_until(due).await;
            }
            self.streams.borrow_mut().due.pop_front();
            let call = self.connection.borrow_mut().call(stream).copied();
            let now = Instant::now();
            if let Some(call) = call
                && self.say(&ledger, stream, &call, now)
            {
                let mut streams = self.streams.borrow_mut();
                streams.due.push_back((due + interval, stream));
            }
            self.wake();
        }
    }
}
