//! The wall as nftables rules: pure, from configuration to sets, chains and rules, and from there to text or messages.
//!
//! * [`model`]: the few kinds of terms that rules are made of
//! * [`wall`]: the rules themselves, chain by chain, with the reasons; `services`: those about resolver and portals
//! * [`text`]: as `nft list` shows them
//! * [`encode`]: as netlink messages
//! * [`lines`]: which line goes into which set; [`keys`]: keys of sets to and from messages; [`names`]: of sets, counters

pub mod encode;
pub mod keys;
pub mod lines;
pub mod model;
pub mod names;
mod services;
pub mod text;
pub mod wall;

pub use wall::Wall;
