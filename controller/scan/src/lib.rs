//! The scanner: harmless probes that check whether a line's open door is shut. It stands between a case that asks for a
//! rescan and the [`Rescan`](pratique_core::rescan::Rescan) that the case judges.
//!
//! * [`probe`]: what each probe asks and how its answer is read; pure
//! * [`outcome`]: the table below; pure
//! * [`exchange`], [`echo`], [`icmp`]: one probe over one socket
//! * [`run`]: a whole rescan; [`settings`]: what can be set about it
//! * [`control`]: the responder that proves that doors can be seen at all
//!
//! # What is observed, and what it means
//!
//! | observed at one address | TCP | UDP |
//! | --- | --- | --- |
//! | the open door itself ([`probe`] says what that is) | vulnerable | vulnerable |
//! | the service refuses strangers (DNS REFUSED) | – | clean `dns-refused` |
//! | something else answers, garbage, an endless answer | inconclusive `other-service`, `garbage`, … | same |
//! | accepted, but silent or closed at once | inconclusive `open-but-silent`, `closed-without-answer` | – |
//! | reset; ICMP port unreachable sent by the address itself | clean `refused` | clean `refused` |
//! | ICMP port unreachable sent by another address; prohibited | inconclusive `filtered` | same |
//! | ICMP host or network unreachable, loop | inconclusive `unreachable` | same |
//! | nothing, but the address proved life in this run | inconclusive `timeout` (see `dropped_tcp_is_shut`) | clean `silent` |
//! | nothing, and no proof of life: offline, gone, or dropped on the way | inconclusive `timeout` | same |
//! | no longer the line's address, before a packet or before the verdict | inconclusive `address-changed` | same |
//! | not asked: `blocked-here` also where the wall did not let the scanner in | inconclusive | same |
//! | not asked: `packet-limit`, `out-of-time`, `busy`, `blocked-here`, `no-socket`, … | inconclusive | same |
//!
//! Above that: every *clean* needs a positive control that answered, from the same source address, in the same address
//! family, in this run; else it is inconclusive `no-control`. Over several addresses a probe is vulnerable if it is at one,
//! and clean only if it is at each.
//!
//! Life is proved by any answer or refusal of the address itself to another probe; if there was none, a port at which
//! nothing listens is asked, and one ICMP echo is sent.
//!
//! # What a rescan cannot see
//!
//! * An IPv6 prefix cannot be swept: only addresses that somebody named are asked.
//! * A reset made by a box on the way looks like the device's own. A control on a test line behind the same box tells.
//! * A home router that sends ICMP errors from another of its addresses counts as a filter: inconclusive, never clean.
//! * "Clean" speaks of the door, never of an infection: bots close the door behind them. Cases know that.
//! * Probes leave with the kernel's own repeats (SYN) beside the counted packets; `per_probe` bounds them.
//!
//! How often a line is scanned is the engine's business; [`Scanner`] bounds one run.

pub mod control;
mod echo;
pub mod exchange;
pub mod icmp;
pub mod outcome;
pub mod probe;
pub mod run;
pub mod settings;

pub use control::{Control, ControlSettings};
pub use probe::Kind;
pub use run::{Job, Passage, Scanner};
pub use settings::Settings;

#[cfg(test)]
mod device_tests;
