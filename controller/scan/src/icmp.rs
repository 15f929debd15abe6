//! ICMP errors that answer a probe, from the kernel's error queue (`IP_RECVERR`, ip(7)).
//!
//! A plain "connection refused" does not say who refused. Gateways reject with ICMP port unreachable as well, our own wall
//! among them; only the sender of the ICMP packet tells a shut door from a filter on the way.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

use super::outcome::Observed;

/// One error, as a device on the way or at its end sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// ICMPv6 rather than ICMP.
    pub v6: bool,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Who sent it.
    pub from: Option<IpAddr>,
}

/// Makes the kernel keep ICMP errors for this socket, also for unconnected ones.
///
/// # Errors
/// When the kernel refuses the option.
pub fn keep_errors(socket: &impl AsFd, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?
    }
    Ok(())
}

/// Takes the next kept error that came from the network; none if there is none.
pub fn next_error(socket: &impl AsFd) -> Option<IcmpError> {
    let fd = socket.as_fd().as_raw_fd();
    // Local errors (a message too long) may stand before it; the queue is bounded by the socket's buffer, the loop by this.
    for _ in 0..8 {
        let mut quoted = [0_u8; 64];
        let mut control = nix::cmsg_space!([u8; 64]);
        let mut parts = [IoSliceMut::new(&mut quoted)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags).ok()?;
        for part in message.cmsgs().ok()? {
            let (error, from) = match part {
                ControlMessageOwned::Ipv4RecvErr(e, a) => {
                    (e, a.map(|a| IpAddr::V4(Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr)))))
                }
                ControlMessageOwned::Ipv6RecvErr(e, a) => {
                    (e, a.map(|a| IpAddr::V6(Ipv6Addr::from(a.sin6_addr.s6_addr))))
                }
                _ => continue,
            };
            let v6 = match error.ee_origin {
                libc::SO_EE_ORIGIN_ICMP => false,
                libc::SO_EE_ORIGIN_ICMP6 => true,
                _ => continue,
            };
            return Some(IcmpError { v6, kind: error.ee_type, code: error.ee_code, from });
        }
    }
    None
}

/// What an ICMP error means for a probe of `asked`. None: it says nothing about the door (fragmentation, redirects).
pub fn judge(error: IcmpError, asked: IpAddr) -> Option<Observed> {
    let shut = if error.from == Some(asked) { Observed::Refused } else { Observed::Filtered };
    Some(match (error.v6, error.kind, error.code) {
        // RFC 792 and RFC 1812 section 5.2.7.1: protocol and port unreachable.
        (false, 3, 2 | 3) => shut,
        // Administratively prohibited: network, host, communication.
        (false, 3, 9 | 10 | 13) => Observed::Filtered,
        // Fragmentation needed.
        (false, 3, 4) => return None,
        // Time exceeded: a loop on the way.
        (false, 3 | 11, _) => Observed::Unreachable,
        // RFC 4443 section 3.1: port unreachable; prohibited, source policy, reject route.
        (true, 1, 4) => shut,
        (true, 1, 1 | 5 | 6) => Observed::Filtered,
        (true, 1 | 3, _) => Observed::Unreachable,
        // Unrecognised next header: the device knows no such protocol.
        (true, 4, 1) => shut,
        _ => return None,
    })
}

/// What a local error of a socket call means, when no ICMP error explains it.
pub fn judge_local(error: &io::Error, tcp: bool) -> Observed {
    match error.raw_os_error() {
        // For TCP the reset itself; the error queue is empty then. For UDP an ICMP error that we could not read.
        Some(libc::ECONNREFUSED) if tcp => Observed::Refused,
        Some(libc::ECONNREFUSED) => Observed::Filtered,
        Some(libc::ETIMEDOUT) => Observed::Silent,
        Some(libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENETDOWN) => Observed::Unreachable,
        // Our own packet filter or a prohibit route.
        Some(libc::EPERM | libc::EACCES) => Observed::NotAsked("blocked-here"),
        Some(libc::EADDRNOTAVAIL) => Observed::NotAsked("source-address"),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Observed::NotAsked("no-socket"),
        _ => Observed::NotAsked("socket-error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_device_itself_can_say_that_its_door_is_shut() {
        let asked: IpAddr = "192.0.2.7".parse().unwrap();
        let gateway: IpAddr = "192.0.2.1".parse().unwrap();
        let v4 = |kind, code, from| judge(IcmpError { v6: false, kind, code, from }, asked);
        assert_eq!(v4(3, 3, Some(asked)), Some(Observed::Refused));
        assert_eq!(v4(3, 3, Some(gateway)), Some(Observed::Filtered), "reject with port-unreachable by a gateway");
        assert_eq!(v4(3, 3, None), Some(Observed::Filtered));
        for code in [9, 10, 13] {
            assert_eq!(v4(3, code, Some(asked)), Some(Observed::Filtered));
        }
        assert_eq!(v4(3, 1, Some(gateway)), Some(Observed::Unreachable));
        assert_eq!(v4(11, 0, Some(gateway)), Some(Observed::Unreachable));
        assert_eq!(v4(3, 4, Some(gateway)), None);
    }

    #[test]
    fn the_same_holds_for_icmpv6() {
        let asked: IpAddr = "2001:db8::7".parse().unwrap();
        let v6 = |kind, code, from| judge(IcmpError { v6: true, kind, code, from }, asked);
        assert_eq!(v6(1, 4, Some(asked)), Some(Observed::Refused));
        assert_eq!(v6(1, 4, None), Some(Observed::Filtered));
        assert_eq!(v6(1, 1, Some(asked)), Some(Observed::Filtered));
        assert_eq!(v6(1, 3, None), Some(Observed::Unreachable));
        assert_eq!(v6(2, 0, None), None);
    }
}
