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
//! What the last two need to know of the resident's garden, its lists and its portal, `gardens` keeps for each thread.
//!
//! Who floods is dropped by the kernel for a while, so that its datagrams do not stand in front of everybody's (`shield`).
//!
//! Whatever is not plainly captive goes to the `handler`, over a bounded queue. So this half need not know how to do
//! everything; it must only never answer otherwise than the handler would, byte for byte, which a test holds it to.

mod answer;
mod batch;
mod front;
mod gardens;
mod names;
mod parse;
mod shield;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use pratique_core::view::{GardenNo, Reader, Sight};

use crate::hot::answer::Words;
use crate::hot::gardens::Gardens;
pub(crate) use crate::hot::names::Listed;
use crate::hot::names::Names;
use crate::rates::{Rates, Tick};
use crate::settings::Settings;

pub(crate) use front::{Front, Slow};

/// One thread's part: everything it needs to answer, and what it counted.
pub(crate) struct Hot {
    reader: Reader,
    gardens: Gardens,
    names: Names,
    words: Words,
    counts: Counts,
}

/// An admitted question: its line has paid for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// A resident of this garden asks.
    Garden(GardenNo),
    /// Whoever asks, only the handler knows.
    Handler,
}

/// What is to be done with an admitted datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Send back so many bytes of the buffer.
    Reply(usize),
    /// The handler knows.
    Handler,
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
    pub(crate) fn new(settings: &Settings, threats: &Arc<ArcSwap<Listed>>, reader: Reader) -> Self {
        Self {
            reader,
            gardens: Gardens::new(settings),
            names: Names::new(threats),
            words: Words::new(settings),
            counts: Counts::default(),
        }
    }

    /// Asks memory for who this is, see [`Reader::approach`].
    pub(crate) fn approach(&mut self, client: IpAddr) {
        self.reader.approach(client);
    }

    /// Who asks.
    pub(crate) fn find(&mut self, client: IpAddr) -> Sight {
        self.reader.find(client)
    }

    /// Takes the question from its client's allowance; none if it has none left. Before anything is parsed: a flood costs
    /// a lookup and a look at its bucket.
    pub(crate) fn admit(&mut self, sight: Sight, client: IpAddr, rates: &Rates, now: Tick) -> Option<Gate> {
        let (line, gate) = match sight {
            Sight::Line(line, garden) => (Some(line), Gate::Garden(garden)),
            Sight::Nobody => (None, Gate::Handler),
            Sight::Unsure => (self.reader.view().resident(client).map(|resident| resident.line), Gate::Handler),
        };
        let (admitted, refused) = match line {
            Some(line) => (rates.admit(line, now), &mut self.counts.line_rate),
            None => (rates.admit_stranger(client, now), &mut self.counts.stranger_rate),
        };
        if !admitted {
            *refused += 1;
        }
        admitted.then_some(gate)
    }

    /// Judges the admitted datagram that fills the first `size` bytes of `buffer`; a reply is written over it.
    pub(crate) fn judge(&mut self, gate: Gate, buffer: &mut [u8], size: usize) -> Outcome {
        let (Gate::Garden(garden), Some(plain)) = (gate, parse::read(buffer.get(..size).unwrap_or_default())) else {
            return Outcome::Handler;
        };
        // Who validates may ask for the end of an allowed name's alias, which only the handler knows.
        if plain.edns.is_some_and(|edns| edns.dnssec_ok) {
            return Outcome::Handler;
        }
        let Some(garden) = self.gardens.get(garden, self.reader.view()) else { return Outcome::Handler };
        if self.names.may_be_listed(buffer, &plain, &garden.listed) {
            return Outcome::Handler;
        }
        match self.words.answer(&garden.portal, buffer, size, &plain) {
            Some((size, is_address)) => {
                *(if is_address { &mut self.counts.portal } else { &mut self.counts.nodata }) += 1;
                Outcome::Reply(size)
            }
            None => Outcome::Handler,
        }
    }
}

#[cfg(test)]
mod tests;
