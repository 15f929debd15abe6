//! The lab: a whole Internet in network namespaces, to see the loop work without root, installed programs or a network.
//!
//! * [`net`], [`wire`]: namespaces, cables, addresses, routes

pub mod net;
pub mod wire;
