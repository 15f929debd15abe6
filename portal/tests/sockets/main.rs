//! The portal on real sockets: what a resident sees, and what is thrown at it.

// A test ends by panicking; the switch in .clippy.toml reaches functions marked as tests only, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attacks;
mod forward;
mod notes;
mod notice_links;
mod one_line;
mod preview;
mod probes;
mod resident;
mod secure;
mod self_check;
mod small_browsers;
mod support;
mod unknown;
mod warned;
