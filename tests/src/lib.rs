//! What the tests share: [`namespaces`], a place to run in; [`ports`] that nobody has; [`packets`] to send and to see; [`station`], a daemon to start
//! and kill; [`town`], a wall between a home and the Internet; [`browser`], a real one inside a namespace; and [`bench`],
//! measurements against peers in one run.

pub mod bench;
pub mod browser;
pub mod namespaces;
pub mod packets;
pub mod ports;
pub mod station;
pub mod town;
