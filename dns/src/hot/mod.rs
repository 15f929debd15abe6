//! The way nearly every question goes: a resident asks over UDP for a name that is on no list, and gets the portal. Answered
//! where it was received, in the buffer it came in, without a lock, an allocation or a task.
//!
//! ```text
//!  front: receive a batch ─▶ who asks? ─▶ may it? ─▶ parse ─▶ names: on a list? ─▶ answer ─▶ send the batch
//!                              │            │          │ not plain    │ perhaps       │ does not fit
//!                              ▼            ▼          └──────────────┴───────────────┴─▶ queue ─▶ handler
//!                          strangers      silence
//! ```
//!
//! Whatever is not plainly captive goes to the `handler`, over a bounded queue. So this half need not know how to do
//! everything; it must only never answer otherwise than the handler would, byte for byte, which a test holds it to.

mod answer;
mod batch;
mod front;
mod names;
mod parse;

use std::net::IpAddr;

use pratique_core::view::{Reader, Sight};

use crate::hot::answer::Words;
use crate::hot::names::Names;
use crate::rates::{Rates, Tick};
use crate::settings::Settings;

pub(crate) use front::{Front, Slow};

/// One thread's part: everything it needs to answer, and what it counted.
pub(crate) struct Hot {
    reader: Reader,
    names: Names,
    words: Words,
    counts: Counts,
}

/// What is to be done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Send back so many bytes of the buffer.
    Reply(usize),
    /// No reply.
    Silence,
    /// The handler knows. The question was admitted: its line has paid for it.
    Slow,
}

/// Since they were last told to the metrics: counters that all threads share must not be touched for each datagram.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    portal: u64,
    nodata: u64,
    line_rate: u64,
    stranger_rate: u64,
    queue: u64,
    send: u64,
}

impl Hot {
    /// For one thread.
    pub(crate) fn new(settings: &Settings, reader: Reader) -> Self {
        Self { reader, names: Names::new(settings), words: Words::new(settings), counts: Counts::default() }
    }

    /// Judges the datagram that fills the first `size` bytes of `buffer`; a reply is written over it.
    pub(crate) fn judge(
        &mut self,
        buffer: &mut [u8],
        size: usize,
        client: IpAddr,
        rates: &Rates,
        now: Tick,
    ) -> Outcome {
        let (line, garden) = match self.reader.find(client) {
            Sight::Line(line, garden) => (line, Some(garden)),
            Sight::Nobody => return self.stranger(client, rates, now),
            Sight::Unsure => match self.reader.view().resident(client) {
                Some(resident) => (resident.line, None),
                None => return self.stranger(client, rates, now),
            },
        };
        // Before anything is parsed: a flood costs a lookup and a look at its bucket.
        if !rates.admit(line, now) {
            self.counts.line_rate += 1;
            return Outcome::Silence;
        }
        let (Some(garden), Some(plain)) = (garden, parse::read(buffer.get(..size).unwrap_or_default())) else {
            return Outcome::Slow;
        };
        if self.names.may_be_listed(buffer, &plain, garden, self.reader.view()) {
            return Outcome::Slow;
        }
        match self.words.answer(buffer, size, &plain) {
            Some((size, is_address)) => {
                *(if is_address { &mut self.counts.portal } else { &mut self.counts.nodata }) += 1;
                Outcome::Reply(size)
            }
            None => Outcome::Slow,
        }
    }

    fn stranger(&mut self, client: IpAddr, rates: &Rates, now: Tick) -> Outcome {
        if rates.admit_stranger(client, now) {
            return Outcome::Slow;
        }
        self.counts.stranger_rate += 1;
        Outcome::Silence
    }
}

#[cfg(test)]
mod tests;
