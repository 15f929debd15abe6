//! Which addresses of an upstream answer may be used. PURE, but for the networks that a reload exchanges.
//!
//! An allow-listed name whose owner (or whoever took it over) points it at loopback, at private space or at the
//! provider's own networks would open the wall inwards. Such addresses are stripped before anything is opened.
//!
//! ```text
//! an address is   an exception of the settings, or always open       yes
//!                 in a network that the settings deny                no
//!                 a NAT64 form (RFC 6052), ISATAP                    as the IPv4 address in it, and the rest of this list
//!                 in special space, or outside 2000::/3              no
//!                 in a network of the provider's own                 no
//!                 anything else                                      yes
//! ```
//!
//! 6to4 and Teredo carry any IPv4 address and nobody needs them any more, so they are special space as a whole. The networks
//! that exist for documentation in IPv4 and 2001:db8::/32 are not: nobody routes them, and examples are made of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arc_swap::ArcSwap;
use ipnet::{IpNet, Ipv6Net};

/// Never reachable through a name, unless excepted by the settings. Each with its reason; from IANA's registries of special
/// addresses. What lies outside 2000::/3, the only global unicast space, is never reachable either.
const SPECIAL: [(&str, &str); 16] = [
    ("0.0.0.0/8", "this host (RFC 1122)"),
    ("10.0.0.0/8", "private space (RFC 1918)"),
    ("100.64.0.0/10", "other subscribers behind carrier-grade NAT (RFC 6598)"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local space and cloud metadata"),
    ("172.16.0.0/12", "private space (RFC 1918)"),
    ("192.0.0.0/24", "IETF protocols (RFC 6890)"),
    ("192.88.99.0/24", "6to4 relays (RFC 7526)"),
    ("192.168.0.0/16", "private space (RFC 1918)"),
    ("198.18.0.0/15", "benchmarks inside a network (RFC 2544)"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved space and broadcast"),
    ("2001::/23", "IETF protocols and Teredo (RFC 2928, RFC 4380)"),
    ("2002::/16", "6to4, which carries any IPv4 address"),
    ("3fff::/20", "documentation (RFC 9637)"),
    ("5f00::/16", "segment routing inside a network (RFC 9602)"),
];

/// All global unicast addresses there are (RFC 4291 section 2.5.4, IANA).
const GLOBAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The well-known NAT64 prefix (RFC 6052): what it carries is judged as the IPv4 address it is.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Lengths that a NAT64 prefix may have (RFC 6052 section 2.2).
pub(crate) const NAT64_LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// A network of the provider's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The network.
    pub network: IpNet,
    /// Where it is named, for people: `networks of policy.yaml`, `wall.scanner`.
    pub named: &'static str,
}

/// What the daemon knows of the provider's networks beside the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Never opened through a name: subscribers, infrastructure, the program's own services.
    pub own: Vec<Own>,
    /// Open to every resident anyway, on all ports: a name may point there.
    pub open: Vec<IpNet>,
}

/// Why an address may not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inward {
    /// Special space; with what it is.
    Special(&'static str),
    /// `dns.denied_networks`.
    Denied,
    /// The provider's own; with where it is named.
    Own(&'static str),
}

impl fmt::Display for Inward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(what) => f.write_str(what),
            Self::Denied => f.write_str("dns.denied_networks"),
            Self::Own(named) => f.write_str(named),
        }
    }
}

/// The rule for addresses.
#[derive(Debug)]
pub struct Reachable {
    special: Ranges,
    denied: Ranges,
    excepted: Ranges,
    nat64: Vec<Ipv6Net>,
    now: ArcSwap<Now>,
}

/// The networks in force.
#[derive(Debug, Default)]
struct Now {
    known: Known,
    own: Ranges,
    open: Ranges,
    /// Counts the exchanges.
    edition: u64,
}

impl Reachable {
    /// With networks that are denied beside the built-in ones, exceptions that win over everything, and NAT64 prefixes of the
    /// provider's own.
    pub fn new(denied: &[IpNet], excepted: &[IpNet], nat64: &[Ipv6Net]) -> Self {
        let special = SPECIAL.iter().filter_map(|(net, what)| Some((net.parse().ok()?, *what)));
        let unnamed = |nets: &[IpNet]| Ranges::new(nets.iter().map(|net| (*net, "")));
        Self {
            special: Ranges::new(special),
            denied: unnamed(denied),
            excepted: unnamed(excepted),
            nat64: [NAT64].iter().chain(nat64).map(Ipv6Net::trunc).collect(),
            now: ArcSwap::default(),
        }
    }

    /// From now on these are the provider's own networks.
    pub fn know(&self, known: Known) {
        let now = self.now.load();
        if now.known == known {
            return;
        }
        let own = Ranges::new(known.own.iter().map(|own| (own.network, own.named)));
        let open = Ranges::new(known.open.iter().map(|net| (*net, "")));
        self.now.store(Now { known, own, open, edition: now.edition + 1 }.into());
    }

    /// Another number after every change: what was judged under another one has to be judged again.
    pub fn edition(&self) -> u64 {
        self.now.load().edition
    }

    /// Whether an address may be opened for a resident.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.judge(address).is_ok()
    }

    /// The same, with the reason.
    ///
    /// # Errors
    /// [`Inward`] when it may not.
    pub fn judge(&self, address: IpAddr) -> Result<(), Inward> {
        let now = self.now.load();
        if self.excepted.find(address).is_some() || now.open.find(address).is_some() {
            return Ok(());
        }
        if self.denied.find(address).is_some() {
            return Err(Inward::Denied);
        }
        if let IpAddr::V6(v6) = address {
            if let Some(prefix) = self.nat64.iter().find(|prefix| prefix.contains(&v6)) {
                return self.judge(embedded(v6, prefix.prefix_len()).into());
            }
            if let Some(carried) = isatap(v6) {
                self.judge(carried.into())?;
            }
            if !GLOBAL.contains(&v6) {
                return Err(Inward::Special(
                    self.special.find(address).unwrap_or("not global unicast space (2000::/3)"),
                ));
            }
        }
        if let Some(what) = self.special.find(address) {
            return Err(Inward::Special(what));
        }
        now.own.find(address).map_or(Ok(()), |named| Err(Inward::Own(named)))
    }
}

/// The IPv4 address in a NAT64 form: behind the prefix, without the byte that is always zero (RFC 6052 section 2.2).
fn embedded(address: Ipv6Addr, prefix: u8) -> Ipv4Addr {
    let octets = address.octets();
    let behind = octets.iter().enumerate().skip(usize::from(prefix / 8)).filter(|(at, _)| prefix == 96 || *at != 8);
    let mut v4 = [0; 4];
    v4.iter_mut().zip(behind).for_each(|(to, (_, from))| *to = *from);
    v4.into()
}

/// The IPv4 address in an ISATAP interface identifier (RFC 5214 section 6.1), whatever its prefix: a router that speaks it
/// would deliver the packet there.
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, _, _, _, 0x0000 | 0x0200, 0x5efe, high, low] = address.segments() else { return None };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

/// Networks to look addresses up in, by halving: a provider may have thousands.
#[derive(Debug, Default)]
struct Ranges {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    first: u128,
    last: u128,
    name: &'static str,
}

impl Ranges {
    /// Where networks lie in each other, the wider one's name counts.
    fn new(networks: impl Iterator<Item = (IpNet, &'static str)>) -> Self {
        let mut ranges = Self::default();
        for (net, name) in networks {
            let (list, first, last) = match net {
                IpNet::V4(net) => (&mut ranges.v4, u32::from(net.network()).into(), u32::from(net.broadcast()).into()),
                IpNet::V6(net) => (&mut ranges.v6, u128::from(net.network()), u128::from(net.broadcast())),
            };
            list.push(Range { first, last, name });
        }
        for list in [&mut ranges.v4, &mut ranges.v6] {
            list.sort_by_key(|range| (range.first, std::cmp::Reverse(range.last)));
            // Networks never overlap in part: one that does not begin behind the last lies in it.
            list.dedup_by(|next, kept| next.first <= kept.last);
        }
        ranges
    }

    fn find(&self, address: IpAddr) -> Option<&'static str> {
        let (list, at) = match address {
            IpAddr::V4(a) => (&self.v4, u32::from(a).into()),
            IpAddr::V6(a) => (&self.v6, u128::from(a)),
        };
        let behind = list.partition_point(|range| range.first <= at);
        list.get(behind.checked_sub(1)?).filter(|range| at <= range.last).map(|range| range.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(networks: &[(&str, &'static str)]) -> Known {
        let own = networks.iter().map(|(net, named)| Own { network: net.parse().unwrap(), named }).collect();
        Known { own, open: vec!["198.51.100.16/28".parse().unwrap()] }
    }

    /// Denied 203.0.113.0/24 and 2001:db8:5::/48, excepted 10.9.9.9, own 198.51.100.0/24 and 2001:db8:a::/48, of which the
    /// voice service's is open; a NAT64 prefix inside that.
    fn rule() -> Reachable {
        let denied = ["203.0.113.0/24".parse().unwrap(), "2001:db8:5::/48".parse().unwrap()];
        let rule = Reachable::new(
            &denied,
            &["10.9.9.9/32".parse().unwrap()],
            &["2001:db8:a:64::/96".parse().unwrap(), "2001:db8:b::/48".parse().unwrap()],
        );
        rule.know(own(&[
            ("198.51.100.0/24", "networks of policy.yaml"),
            ("198.51.100.7/32", "wall.scanner"),
            ("2001:db8:a::/48", "networks of policy.yaml"),
            ("192.0.2.53/32", "wall.dns4"),
        ]));
        rule
    }

    #[test]
    fn every_built_in_network_parses() {
        let rule = Reachable::new(&[], &[], &[]);
        assert_eq!(rule.special.v4.len() + rule.special.v6.len(), SPECIAL.len());
    }

    #[test]
    fn inward_addresses_are_not_reachable_and_public_ones_are() {
        let rule = rule();
        for inward in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "192.168.1.1",
            "172.31.0.1",
            "100.64.3.4",
            "169.254.169.254",
            "192.88.99.1",
            "192.0.0.8",
            "198.18.1.1",
            "198.19.3.4",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "203.0.113.7",
            "198.51.100.7",
            "192.0.2.53",
            "::1",
            "::",
            "::7f00:1",
            "::198.51.100.7",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "::ffff:0:198.51.100.7",
            "::ffff:0:8.8.8.8",
            "1::1",
            "100::1",
            "100:0:0:1::1",
            "4000::1",
            "5f00::1",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "2001:0:1::1",
            "2001:2::1",
            "2001:20::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a01:203",
            "64:ff9b::198.51.100.7",
            "64:ff9b::203.0.113.7",
            "64:ff9b:1::8.8.8.8",
            "2001:db8:5:1::1",
            "2001:db8:a:1::1",
            "2001:db8:a:64::198.51.100.7",
            "2001:db8:b:c633:64:700::",
            "2001:db8:6:1:0:5efe:198.51.100.7",
            "2001:db8:6:1:200:5efe:10.1.2.3",
        ] {
            assert!(!rule.allows(inward.parse().unwrap()), "{inward}");
        }
        for public in [
            "192.0.2.7",
            "8.8.8.8",
            "10.9.9.9",
            "198.51.100.17",
            "2001:db8:6::1",
            "2606:4700::1111",
            "64:ff9b::8.8.8.8",
            "64:ff9b::10.9.9.9",
            "2001:db8:a:64::8.8.8.8",
            "2001:db8:b:808:8:800::",
            "2001:db8:6:1:0:5efe:8.8.8.8",
            "172.32.0.1",
        ] {
            assert!(rule.allows(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn the_reason_names_the_place_and_another_list_is_in_force_at_once() {
        let rule = rule();
        let said = |address: &str| rule.judge(address.parse().unwrap()).map_err(|why| why.to_string());
        assert_eq!(said("198.51.100.7").unwrap_err(), "networks of policy.yaml");
        assert_eq!(said("64:ff9b::192.0.2.53").unwrap_err(), "wall.dns4");
        assert_eq!(said("203.0.113.1").unwrap_err(), "dns.denied_networks");
        assert_eq!(said("192.88.99.1").unwrap_err(), "6to4 relays (RFC 7526)");
        assert_eq!(said("5f00::1").unwrap_err(), "segment routing inside a network (RFC 9602)");
        assert_eq!(said("100::1").unwrap_err(), "not global unicast space (2000::/3)");
        let edition = rule.edition();
        rule.know(own(&[("192.0.2.0/24", "infrastructure of policy.yaml")]));
        assert_ne!(rule.edition(), edition);
        let edition = rule.edition();
        rule.know(own(&[("192.0.2.0/24", "infrastructure of policy.yaml")]));
        assert_eq!(rule.edition(), edition, "the same networks are no change");
        assert_eq!(said("198.51.100.7"), Ok(()));
        assert_eq!(said("192.0.2.53").unwrap_err(), "infrastructure of policy.yaml");
    }

    proptest! {
        /// However an IPv4 address is written in IPv6, what is denied as such is denied in it.
        #[test]
        fn an_ipv4_address_that_is_denied_is_denied_in_every_form(
            v4 in prop_oneof![any::<u32>(), (0xc633_6400_u32..0xc633_6500), (0x7f00_0000_u32..0x7f00_0100)],
            zone in 0_u16..3,
        ) {
            let rule = rule();
            let (a, b) = ((v4 >> 16) as u16, v4 as u16);
            let forms: [[u16; 8]; 9] = [
                [0, 0, 0, 0, 0, 0, a, b],
                [0, 0, 0, 0, 0, 0xffff, a, b],
                [0, 0, 0, 0, 0xffff, 0, a, b],
                [0x64, 0xff9b, 0, 0, 0, 0, a, b],
                [0x64, 0xff9b, 1, zone, 0, 0, a, b],
                [0x2001, 0xdb8, 0xa, 0x64, 0, 0, a, b],
                [0x2001, 0xdb8, 0xb, a, b >> 8, b << 8, 0, 0],
                [0x2002, a, b, zone, 0, 0, 0, 1],
                [0x2001, 0, 0x808, 0x808, 0, 0, !a, !b],
            ];
            let open = rule.allows(Ipv4Addr::from(v4).into());
            for (n, form) in forms.into_iter().enumerate() {
                let opens = rule.allows(Ipv6Addr::from(form).into());
                prop_assert!(open || !opens, "{}", Ipv6Addr::from(form));
                // The forms that a translator serves are as good as the address.
                prop_assert_eq!(opens, open && matches!(n, 3 | 5 | 6), "{}", Ipv6Addr::from(form));
            }
            prop_assert!(open || !rule.allows(Ipv6Addr::from([0x2606, 1, 2, zone, 0, 0x5efe, a, b]).into()));
        }

        /// Looking up by halving finds what looking at each finds.
        #[test]
        fn an_address_is_found_as_if_each_network_were_looked_at(
            nets in proptest::collection::vec((0_u32..64, 24_u8..33), 0..12), at in 0_u32..64,
        ) {
            let spread = |n: u32| Ipv4Addr::from(0x0808_0000 + (n << 6));
            let nets: Vec<IpNet> = nets.iter().map(|(n, len)| IpNet::new(spread(*n).into(), *len).unwrap().trunc()).collect();
            let ranges = Ranges::new(nets.iter().map(|net| (*net, "own")));
            let address = IpAddr::V4(spread(at));
            prop_assert_eq!(ranges.find(address).is_some(), nets.iter().any(|net| net.contains(&address)));
        }
    }
}
