//! The lab: a whole Internet in network namespaces, to see the loop work without root, installed programs or a network.
//!
//! * [`net`], [`wire`]: namespaces, cables, addresses, routes
//! * [`town`]: the map; [`internet`]: the people outside; [`devices`]: what stands in the homes

pub mod client;
pub mod devices;
pub mod internet;
pub mod net;
pub mod node;
pub mod reports;
pub mod timeline;
pub mod town;
pub mod wire;
pub mod witness;
