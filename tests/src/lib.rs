//! What the tests share: [`namespaces`], a place to run in; [`packets`] to send and to see; and [`bench`], measurements
//! against peers in one run.

pub mod bench;
pub mod namespaces;
pub mod packets;
