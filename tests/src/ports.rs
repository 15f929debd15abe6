//! Ports of loopback for programs that must be told theirs before they start.
//!
//! A port that the kernel chose, and that was given back, is soon chosen again for somebody else: a resolver that starts a tenth of a
//! second later then finds it taken. These come from below the range that the kernel chooses from (32768 and up unless told
//! otherwise), one after another, so that only a program that insists on the same number could be in the way.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const MANY: u16 = 12_000;

/// A port of 127.0.0.1 that nobody has, for UDP and TCP, and that this process gives out once.
///
/// # Panics
///
/// When none of them is free.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Programs that run at the same time begin in different places.
    let begin = u16::try_from(std::process::id().wrapping_mul(257) % u32::from(MANY)).unwrap_or_default();
    for _ in 0..MANY {
        let port = FIRST + (begin + GIVEN.fetch_add(1, Ordering::Relaxed) % MANY) % MANY;
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok() {
            return port;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + MANY - 1)
}
