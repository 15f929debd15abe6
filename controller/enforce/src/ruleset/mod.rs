//! The wall as nftables rules: pure, from configuration to sets, chains and rules, and from there to text or messages.
//!
//! * [`model`]: the few kinds of terms that rules are made of
//! * [`wall`]: the rules themselves, chain by chain, with the reasons; `services`: those about resolver and portals; `flows`:
//!   connections to opened addresses, and how many; `rated`: those about time; `scans`: the scanner; `sources` and `forged`: who
//!   may have sent a packet; `zones`: where its flow is looked up; `evidence`: what is remembered of blocked traffic
//! * [`text`]: as `nft list` shows them
//! * [`encode`]: as netlink messages
//! * [`lines`]: which line goes into which set; [`held`]: the same for everything that is held; [`keys`]: keys of sets to and from messages; [`names`]: of sets, counters

pub mod encode;
mod evidence;
pub mod flows;
mod forged;
pub mod held;
pub mod keys;
pub mod lines;
pub mod model;
pub mod names;
mod rated;
mod scans;
mod services;
mod sources;
pub mod text;
pub mod wall;
mod zones;

pub use wall::{STEERED_AT, Wall};
