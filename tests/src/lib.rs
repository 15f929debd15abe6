//! What the tests share: a place to run in, packets to send, measurements.

pub mod bench;
pub mod namespaces;
pub mod packets;
