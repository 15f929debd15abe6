//! Proof of life by one ICMP echo (RFC 792, RFC 4443 section 4.1). It proves that the line is there, never that a door is
//! shut; without the right to send one it proves nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{SockaddrStorage, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::exchange::{Gate, Limits, finish};
use super::outcome::Observed;

/// Packets looked at: a raw socket hears every echo reply of this host.
const MAX_PACKETS: usize = 256;
/// Bytes before the payload.
const HEADER: usize = 8;

/// Whether the address answers an echo.
pub async fn answers(target: IpAddr, nonce: u64, gate: &Gate<'_>, limits: Limits) -> bool {
    let until = (Instant::now() + limits.per_probe).min(limits.run_ends);
    let Ok(socket) = open(target, limits.source) else { return false };
    if gate.pass().is_err()
        || socket.send_to(&request(target.is_ipv6(), nonce), SocketAddr::from((target, 0))).await.is_err()
    {
        return false;
    }
    let mut space = [0_u8; 256];
    for _ in 0..MAX_PACKETS {
        if !matches!(timeout_at(until, socket.readable()).await, Ok(Ok(()))) {
            return false;
        }
        let came = socket
            .try_io(Interest::READABLE, || Ok(recvfrom::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut space)?));
        let Ok((length, Some(from))) = came else { continue };
        let from = from
            .as_sockaddr_in()
            .map(|a| IpAddr::V4(a.ip()))
            .or_else(|| from.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())));
        if from == Some(target) && is_reply(target.is_ipv6(), nonce, space.get(..length).unwrap_or_default()) {
            return finish(Observed::Refused, gate).proves_life();
        }
    }
    false
}

/// A ping socket where the system allows it, else a raw one.
fn open(target: IpAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let (domain, protocol) =
        if target.is_ipv6() { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
    let socket =
        Socket::new(domain, Type::DGRAM, Some(protocol)).or_else(|_| Socket::new(domain, Type::RAW, Some(protocol)))?;
    socket.set_nonblocking(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    UdpSocket::from_std(socket.into())
}

/// An echo request with the nonce as payload.
fn request(v6: bool, nonce: u64) -> Vec<u8> {
    let [a, b, ..] = nonce.to_be_bytes();
    let mut packet = vec![if v6 { 128 } else { 8 }, 0, 0, 0, a, b, 0, 1];
    packet.extend(nonce.to_be_bytes());
    // The kernel fills in ICMPv6's checksum, which covers the addresses.
    if !v6 {
        let sum = checksum(&packet).to_be_bytes();
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&sum);
        }
    }
    packet
}

/// Whether a received packet is the reply to this nonce. Raw IPv4 sockets deliver the IP header with it.
fn is_reply(v6: bool, nonce: u64, packet: &[u8]) -> bool {
    let skip = match packet.first() {
        Some(first) if !v6 && first >> 4 == 4 => usize::from(first & 15) * 4,
        _ => 0,
    };
    let Some(packet) = packet.get(skip..) else { return false };
    packet.first() == Some(&if v6 { 129 } else { 0 }) && packet.get(HEADER..) == Some(&nonce.to_be_bytes())
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair.first().copied().unwrap_or(0)) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_right_checksum_and_is_not_its_own_reply() {
        let packet = request(false, 0x0123_4567_89ab_cdef);
        assert_eq!(checksum(&packet), 0);
        assert!(!is_reply(false, 0x0123_4567_89ab_cdef, &packet));
    }

    #[test]
    fn a_reply_is_known_with_and_without_the_ip_header_and_only_with_our_nonce() {
        let reply = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &7_u64.to_be_bytes()].concat();
        assert!(is_reply(false, 7, &reply));
        assert!(is_reply(false, 7, &[&[0x45; 20][..], &reply].concat()));
        assert!(!is_reply(false, 8, &reply));
        assert!(!is_reply(false, 7, &[0x4f]));
        let reply6 = [&[129, 0, 0, 0, 0, 0, 0, 1][..], &7_u64.to_be_bytes()].concat();
        assert!(is_reply(true, 7, &reply6));
    }
}
