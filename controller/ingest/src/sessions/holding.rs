//! What a row says is held: an address, a range of its ports, or a prefix.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv6Net};
use pratique_core::session::Holding;

use super::refused::Reason;
use pratique_core::text::printable;

/// An IPv4 network in a list becomes one session per address; more than a /24 is not one line's.
const WIDEST_V4: u8 = 24;
/// The widest prefix delegated to one line: a /40 holds 256 ordinary business allocations already.
const WIDEST_V6: u8 = 40;

/// What one row of a list gives.
pub(crate) enum Held {
    One(Holding),
    /// First and last.
    V4(Ipv4Addr, Ipv4Addr),
}

impl Held {
    /// Reads an address or network, with first and last port where the row has them.
    pub(crate) fn read(place: &str, ports: (&str, &str)) -> Result<Self, (Reason, String)> {
        let shown = || printable(place.as_bytes(), 60);
        let no = |reason, what: String| Err((reason, what));
        if place.is_empty() {
            return no(Reason::Address, "address is empty; write an address or a prefix".into());
        }
        let ports = read_ports(ports).map_err(|what| (Reason::Port, what))?;
        if let Ok(address) = place.parse::<IpAddr>() {
            let address = address.to_canonical();
            if !usable(address) {
                return no(Reason::Address, format!("`{}` is no address of a line; leave such rows out", shown()));
            }
            return match (address, ports) {
                (IpAddr::V4(a), None) => Ok(Self::One(Holding::V4(a))),
                (IpAddr::V4(a), Some((from, to))) => Ok(Self::One(Holding::V4Ports(a, from, to))),
                (IpAddr::V6(_), Some(_)) => no(Reason::Port, "ports are for IPv4 only; leave them empty".into()),
                // It stands for the /64 of the line's WAN: hosts on it choose their own addresses.
                (IpAddr::V6(a), None) => Ok(Self::One(Holding::V6(Ipv6Net::new_assert(a, 64).trunc()))),
            };
        }
        let Ok(net) = place.parse::<IpNet>() else {
            let what = format!("`{}` is no address; write 198.51.100.7, 2001:db8::1 or 2001:db8:1::/56", shown());
            return no(Reason::Address, what);
        };
        if ports.is_some() {
            return no(Reason::Port, "ports go with one address, not with a network; leave them empty".into());
        }
        let widest = match net {
            IpNet::V4(_) => WIDEST_V4,
            IpNet::V6(_) => WIDEST_V6,
        };
        if !usable(net.network()) {
            return no(Reason::Network, format!("`{}` is no network of a line", shown()));
        }
        if net.trunc() != net {
            let what = format!("`{}` has host bits; write {} or the address alone", shown(), net.trunc());
            return no(Reason::Network, what);
        }
        if net.prefix_len() < widest {
            let what = format!("`{}` is wider than /{widest}: not one line's; check the prefix length", shown());
            return no(Reason::Network, what);
        }
        match net {
            // Every address, the first and last included: on a routed line all are usable.
            IpNet::V4(net) => Ok(Self::V4(net.network(), net.broadcast())),
            IpNet::V6(net) => Ok(Self::One(Holding::V6(net))),
        }
    }

    /// Each for itself.
    pub(crate) fn each(self, mut add: impl FnMut(Holding)) {
        match self {
            Self::One(holding) => add(holding),
            Self::V4(first, last) => {
                (first.to_bits()..=last.to_bits()).for_each(|a| add(Holding::V4(Ipv4Addr::from_bits(a))));
            }
        }
    }
}

/// The address a row names, however wrong the rest of it is.
pub(super) fn named(place: &str) -> Option<IpAddr> {
    let address = place.parse::<IpAddr>().or_else(|_| place.parse::<IpNet>().map(|net| net.network())).ok()?;
    Some(address.to_canonical()).filter(|a| usable(*a))
}

fn usable(a: IpAddr) -> bool {
    !(a.is_unspecified() || a.is_loopback() || a.is_multicast())
}

fn read_ports(ports: (&str, &str)) -> Result<Option<(u16, u16)>, String> {
    if ports == ("", "") {
        return Ok(None);
    }
    let port = |t: &str| t.parse::<u16>().map_err(|_| format!("`{}` is no port", printable(t.as_bytes(), 20)));
    let (from, to) = (port(ports.0)?, port(ports.1)?);
    if from > to { Err(format!("ports {from} to {to} run backwards; swap them")) } else { Ok(Some((from, to))) }
}
