//! What the tests share: [`namespaces`], a place to run in; [`packets`] to send and to see; [`station`], a daemon to start
//! and kill; [`browser`], a real one inside a namespace; and [`bench`], measurements against peers in one run.

pub mod bench;
pub mod browser;
pub mod namespaces;
pub mod packets;
pub mod station;
