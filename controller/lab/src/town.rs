//! The lab's map: an Internet, a provider's gateway, and homes, each a network namespace, joined by cables.
//!
//! ```text
//!   home 1 ──wan────home0001─┐
//!   home 2 ──wan────home0002─┤ gateway ─internet0────isp0─ internet: resolver, web server, victim, attacker
//!     …                      │   lo: portal, resolver, scanner
//! ```
//!
//! Addresses are those set aside for documentation and benchmarks (RFC 5737, RFC 2544, RFC 3849), so that a page on the
//! screen cannot be taken for somebody's real line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::net::{Namespace, NetError, sysctl};

/// The most homes a street can have; interface names and address plan hold four digits.
pub const MOST_HOMES: u32 = 1_000;

/// The homes' IPv4 addresses are in here, each a /32.
pub const HOMES4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 16);
/// The homes' WAN /64s and delegated /56s are in here.
pub const HOMES6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0x1000, 0, 0, 0, 0, 0), 36);

/// The portal and the captive resolver, on the gateway.
pub const PORTAL4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// The same for IPv6.
pub const PORTAL6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 0x80);
/// The scanner asks from here.
pub const SCANNER4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 90);
/// The same for IPv6.
pub const SCANNER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 0x90);
/// A host on the Internet, by its last number in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host(u8);

impl Host {
    /// A web server with ordinary pages.
    pub const WEB: Self = Self(10);
    /// A public resolver that everybody has configured.
    pub const RESOLVER: Self = Self(53);
    /// Somebody who tries the homes' doors.
    pub const ATTACKER: Self = Self(66);
    /// Somebody whom the infected camera attacks.
    pub const VICTIM: Self = Self(99);
    /// The gateway's end of the uplink.
    const GATEWAY: Self = Self(1);

    const ALL: [Self; 4] = [Self::WEB, Self::RESOLVER, Self::ATTACKER, Self::VICTIM];

    /// Its IPv4 address, in 203.0.113.0/24.
    pub const fn v4(self) -> Ipv4Addr {
        Ipv4Addr::new(203, 0, 113, self.0)
    }

    /// Its IPv6 address, in 2001:db8:f::/48; the last group reads like the IPv4 one.
    pub const fn v6(self) -> Ipv6Addr {
        let (tens, ones) = ((self.0 / 10) as u16, (self.0 % 10) as u16);
        Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, tens * 16 + ones)
    }
}

/// One subscriber's line and what it holds.
#[derive(Clone, Debug)]
pub struct Home {
    /// Counted from 1.
    pub number: u32,
    /// The provider's id for the line.
    pub subscriber: String,
    /// The gateway's interface to it.
    pub interface: String,
    /// The inside.
    pub namespace: Namespace,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// The prefix of its WAN link.
    pub wan6: Ipv6Net,
    /// Its address on the WAN link.
    pub v6: Ipv6Addr,
    /// The prefix delegated to it for its own network.
    pub delegated: Ipv6Net,
    /// Addresses that a visitor's report names and that this home was given.
    pub visiting: Vec<IpAddr>,
}

/// All of it. Gone when the last namespace is no longer held and no thread or process is left inside.
#[derive(Debug)]
pub struct Town {
    /// Where the other people are.
    pub internet: Namespace,
    /// The provider.
    pub gateway: Namespace,
    /// The homes, in the order of their numbers.
    pub homes: Vec<Home>,
}

impl Town {
    /// Builds it. `visiting` are addresses of a visitor's report; the homes from the sixth on are given one each, and
    /// there are as many more homes as that takes. The last `spare` homes have no part in anything.
    ///
    /// # Errors
    /// When the system does not let us, or an address of the visitor is one of the lab's own.
    pub fn build(homes: u32, visiting: &[IpAddr], spare: u32) -> anyhow::Result<Self> {
        /// The first homes have a part in the story; a visitor's address would confuse it.
        const STORY_HOMES: u32 = 5;
        let needed = STORY_HOMES.saturating_add(u32::try_from(visiting.len()).unwrap_or(u32::MAX));
        let homes = homes.max(needed.saturating_add(spare));
        anyhow::ensure!(homes <= MOST_HOMES, "{homes} homes are too many: the lab has room for {MOST_HOMES}");
        for address in visiting {
            check_visitor(*address)?;
        }

        let internet = Namespace::new("internet")?;
        let gateway = Namespace::new("gateway")?;
        gateway.run(|| {
            for (key, value) in [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")] {
                sysctl(key, value)?;
            }
            Ok::<_, NetError>(())
        })??;
        gateway.wire(|wire| {
            for address in [IpAddr::V4(PORTAL4), PORTAL6.into(), SCANNER4.into(), SCANNER6.into()] {
                wire.address("lo", address.into())?;
            }
            wire.veth("internet0", &internet, "isp0")?;
            wire.address("internet0", net(Host::GATEWAY.v4(), 24))?;
            wire.address("internet0", net(Host::GATEWAY.v6(), 48))
        })?;
        internet.wire(|wire| {
            for host in Host::ALL {
                wire.address("isp0", net(host.v4(), 24))?;
                wire.address("isp0", net(host.v6(), 48))?;
            }
            wire.route(net(Ipv4Addr::UNSPECIFIED, 0), Some(Host::GATEWAY.v4().into()), "isp0")?;
            wire.route(net(Ipv6Addr::UNSPECIFIED, 0), Some(Host::GATEWAY.v6().into()), "isp0")
        })?;

        let mut street = Vec::new();
        for number in 1..=homes {
            let own = number.checked_sub(STORY_HOMES + 1).and_then(|n| usize::try_from(n).ok());
            let visiting = own.and_then(|n| visiting.get(n)).copied().into_iter().collect();
            street.push(Home::build(number, &gateway, visiting)?);
        }
        Ok(Self { internet, gateway, homes: street })
    }
}

impl Home {
    fn build(number: u32, gateway: &Namespace, visiting: Vec<IpAddr>) -> Result<Self, NetError> {
        // Number 1 is 198.18.0.10, so that no address ends in 0 or 1 for the first lines a person looks at.
        let v4 = Ipv4Addr::from(u32::from(HOMES4.network()) + number + 9);
        let [hi, lo] = [number >> 8, number & 0xff].map(|n| u16::try_from(n).unwrap_or_default());
        let group = |third: u16, fourth: u16| Ipv6Addr::new(0x2001, 0xdb8, third, fourth, 0, 0, 0, 0);
        let wan = group(0x1000, hi << 8 | lo);
        let home = Self {
            number,
            subscriber: format!("line-{number:04}"),
            interface: format!("home{number:04}"),
            namespace: Namespace::new(&format!("home{number:04}"))?,
            v4,
            wan6: Ipv6Net::new_assert(wan, 64),
            v6: Ipv6Addr::from(u128::from(wan) | 2),
            delegated: Ipv6Net::new_assert(group(0x1800 + hi, lo << 8), 56),
            visiting,
        };
        let gateway4 = IpAddr::V4(PORTAL4);
        let gateway6 = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
        gateway.wire(|wire| {
            wire.veth(&home.interface, &home.namespace, "wan")?;
            wire.address(&home.interface, net(gateway6, 64))?;
            wire.route(IpAddr::V4(home.v4).into(), None, &home.interface)?;
            wire.route(home.wan6.into(), None, &home.interface)?;
            wire.route(home.delegated.into(), Some(home.v6.into()), &home.interface)?;
            for address in &home.visiting {
                wire.route((*address).into(), None, &home.interface)?;
            }
            Ok(())
        })?;
        home.namespace.wire(|wire| {
            wire.address("wan", net(home.v4, 32))?;
            wire.address("wan", net(home.v6, 64))?;
            wire.address("lo", net(home.device6(), 128))?;
            for address in &home.visiting {
                wire.address("wan", (*address).into())?;
            }
            wire.route(gateway4.into(), None, "wan")?;
            wire.route(net(Ipv4Addr::UNSPECIFIED, 0), Some(gateway4), "wan")?;
            wire.route(net(Ipv6Addr::UNSPECIFIED, 0), Some(gateway6), "wan")
        })?;
        Ok(home)
    }

    /// A device's address inside the delegated prefix.
    pub fn device6(&self) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(self.delegated.network()) | 1)
    }

    /// The end of its customer number, with which the page proves itself: 482 for the first home.
    pub fn number_tail(&self) -> String {
        format!("{:03}", (self.number * 137 + 345) % 1_000)
    }

    /// Everything it holds, as session lists write it: address or prefix.
    pub fn holdings(&self) -> Vec<IpNet> {
        let own = [IpNet::from(IpAddr::V4(self.v4)), self.wan6.into(), self.delegated.into()];
        own.into_iter().chain(self.visiting.iter().map(|a| line_of(*a))).collect()
    }
}

/// What a line holds with this address: the IPv4 address, or the /64 around the IPv6 one.
pub fn line_of(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => address.into(),
        IpAddr::V6(_) => net(address, 64).trunc(),
    }
}

/// Refuses addresses of a visitor in networks that the lab itself or every host's own stack uses.
///
/// # Errors
/// Which network that is.
pub fn check_visitor(address: IpAddr) -> anyhow::Result<()> {
    let own: [IpNet; 5] = [
        HOMES4.into(),
        HOMES6.into(),
        net(Host::GATEWAY.v4(), 24).trunc(),
        net(PORTAL4, 24).trunc(),
        net(PORTAL6, 32).trunc(),
    ];
    if let Some(taken) = own.iter().find(|n| n.contains(&address)) {
        anyhow::bail!("{address}: {taken} is used by the lab itself; use a report with other addresses");
    }
    let usable = match address {
        IpAddr::V4(a) => {
            !(a.is_loopback() || a.is_multicast() || a.is_unspecified() || a.is_broadcast() || a.is_link_local())
        }
        IpAddr::V6(a) => {
            !(a.is_loopback() || a.is_multicast() || a.is_unspecified() || a.is_unicast_link_local())
                && a.to_ipv4_mapped().is_none()
        }
    };
    anyhow::ensure!(usable, "{address}: no line can hold this address");
    Ok(())
}

fn net(address: impl Into<IpAddr>, length: u8) -> IpNet {
    let address = address.into();
    // Lengths here are constants that fit their family.
    IpNet::new(address, length).unwrap_or_else(|_| address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_read_alike_in_both_families() {
        assert_eq!(Host::VICTIM.v4().to_string(), "203.0.113.99");
        assert_eq!(Host::VICTIM.v6().to_string(), "2001:db8:f::99");
    }

    #[test]
    fn a_visitor_may_not_bring_the_labs_own_addresses() {
        for own in ["198.18.3.4", "203.0.113.99", "192.0.2.80", "2001:db8:1000::2", "127.0.0.1", "224.0.0.1", "fe80::2"]
        {
            assert!(check_visitor(own.parse().unwrap()).is_err(), "{own}");
        }
        for other in ["82.212.115.188", "100.64.3.4", "2a00:1450::1"] {
            check_visitor(other.parse().unwrap()).unwrap();
        }
    }
}
