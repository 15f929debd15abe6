//! What the tests share: [`namespaces`], a place to run in; [`packets`] to send and to see; [`station`], a daemon to start
//! and kill; and [`bench`], measurements against peers in one run.

pub mod bench;
pub mod namespaces;
pub mod packets;
pub mod station;
