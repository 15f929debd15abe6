//! Whether a row that was read may become a sighting: whose network the address is in, what kind of address it is, and
//! when it was seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use pratique_core::policy::Policy;
use pratique_core::time::{Span, Timestamp};

use super::Reason;

/// On top of a source's clock error: our own clock, and the time a file is under way, may be off this much.
const GRACE: Span = Span::from_mins(5);

/// Rules for one file, prepared for many rows.
#[derive(Clone, Debug)]
pub struct Admission {
    own: Networks,
    infrastructure: Networks,
    latest: Timestamp,
    oldest: Timestamp,
}

impl Admission {
    /// The rules of a policy, now, for a source whose clock may be off by `clock_error`.
    pub fn new(policy: &Policy, now: Timestamp, clock_error: Span) -> Self {
        Self {
            own: Networks::new(&policy.global.networks),
            infrastructure: Networks::new(&policy.global.infrastructure),
            latest: now.plus(clock_error).plus(GRACE),
            oldest: now.minus(policy.global.retention.sightings),
        }
    }

    /// Whether an address may be a subscriber's.
    ///
    /// # Errors
    /// Why not.
    pub fn address(&self, address: IpAddr) -> Result<(), Reason> {
        if nobodys(address) {
            return Err(Reason::Bogon);
        }
        if !self.own.contains(address) {
            // Special-purpose networks inside one's own are legitimate (private networks of a lab, CGNAT insides).
            return Err(if special(address) { Reason::Bogon } else { Reason::Foreign });
        }
        if self.infrastructure.contains(address) { Err(Reason::Infrastructure) } else { Ok(()) }
    }

    /// The addresses of our own networks that occur in a text, each once.
    pub fn own_in(&self, text: &[u8]) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for address in addresses_in(text) {
            if self.own.contains(address) && !found.contains(&address) {
                found.push(address);
            }
        }
        found
    }

    /// Whether a time may be meant.
    ///
    /// # Errors
    /// Why not.
    pub fn time(&self, observed: Timestamp) -> Result<(), Reason> {
        if observed > self.latest {
            Err(Reason::Future)
        } else if observed < self.oldest {
            Err(Reason::TooOld)
        } else {
            Ok(())
        }
    }
}

/// Every address that occurs in a text, in its order.
pub fn addresses_in(text: &[u8]) -> impl Iterator<Item = IpAddr> + '_ {
    text.split(|b| !(b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))).filter_map(|word| {
        // The shortest is `::`; the longest is an IPv6 address that ends in an IPv4 one, with a port.
        if word.len() < 2 || word.len() > 52 || !word.iter().any(|b| matches!(b, b'.' | b':')) {
            return None;
        }
        let word = std::str::from_utf8(word).unwrap_or_default().trim_end_matches('.');
        let place = word.split_once(':').filter(|(place, _)| place.contains('.'));
        let address = word.parse().or_else(|_| place.map_or(word, |(place, _)| place).parse());
        let address: IpAddr = address.or_else(|_| word.trim_matches(':').parse()).ok()?;
        Some(address.to_canonical())
    })
}

/// An address from a report's text. IPv4 inside IPv6 (`::ffff:…`) is the IPv4 address, a network of one address is that
/// address.
///
/// # Errors
/// [`Reason::NoAddress`] for what programs write where they have none, [`Reason::Network`] for a network,
/// [`Reason::Address`] for anything else.
pub fn address_of(text: &str) -> Result<IpAddr, Reason> {
    match text.parse::<IpAddr>() {
        Ok(address) if address.to_canonical().is_unspecified() => Err(Reason::NoAddress),
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => match text.parse::<IpNet>() {
            Ok(net) if net.prefix_len() == net.max_prefix_len() => address_of(&net.addr().to_string()),
            Ok(_) => Err(Reason::Network),
            Err(_) if NONE.iter().any(|none| text.eq_ignore_ascii_case(none)) => Err(Reason::NoAddress),
            Err(_) => Err(Reason::Address),
        },
    }
}

/// What databases and programs write where they have no value.
const NONE: [&str; 9] = ["", "-", "null", "<nil>", "nil", "none", "n/a", "\\N", "(null)"];

/// Merged ranges, found by halving: a provider may have thousands of networks.
#[derive(Clone, Debug, Default)]
struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    fn new(nets: &[IpNet]) -> Self {
        let mut found = Self::default();
        for net in IpNet::aggregate(&nets.to_vec()) {
            match net {
                IpNet::V4(n) => found.v4.push((n.network().to_bits(), n.broadcast().to_bits())),
                IpNet::V6(n) => found.v6.push((n.network().to_bits(), n.broadcast().to_bits())),
            }
        }
        found.v4.sort_unstable();
        found.v6.sort_unstable();
        found
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => lies_in(&self.v4, a.to_bits()),
            IpAddr::V6(a) => lies_in(&self.v6, a.to_bits()),
        }
    }
}

fn lies_in<T: Ord + Copy>(ranges: &[(T, T)], x: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= x);
    after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, last)| x <= *last)
}

/// No line can hold it, wherever (RFC 6890: "this network", loopback, link-local, multicast, reserved).
fn nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.is_loopback() || a.is_link_local() || a.octets()[0] >= 224,
        IpAddr::V6(a) => a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_unicast_link_local(),
    }
}

/// Not routed on the Internet (RFC 6890 and its registry).
fn special(address: IpAddr) -> bool {
    let v4 = |a: Ipv4Addr| {
        let [x, y, z, _] = a.octets();
        a.is_private()
            || a.is_documentation()
            || (x == 100 && (64..128).contains(&y))
            || (x == 192 && y == 0 && z == 0)
            || (x == 198 && (18..20).contains(&y))
            || (x == 192 && y == 88 && z == 99)
    };
    let v6 = |a: Ipv6Addr| {
        let s = a.segments();
        // Only 2000::/3 is given out; of it documentation, 6to4, Teredo and benchmarking are not for lines.
        (s[0] & 0xe000) != 0x2000
            || (s[0] == 0x2001 && s[1] == 0x0db8)
            || (s[0] == 0x2001 && s[1] < 0x0200)
            || s[0] == 0x2002
            || (s[0] == 0x3fff && s[1] < 0x1000)
    };
    match address {
        IpAddr::V4(a) => v4(a),
        IpAddr::V6(a) => v6(a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Admission {
        let mut policy = pratique_policy::built_in().unwrap().policy;
        policy.global.infrastructure = vec!["203.0.113.0/28".parse().unwrap()];
        Admission::new(&policy, Timestamp::from_secs(1_000_000_000), Span::from_secs(60))
    }

    fn judged(text: &str) -> Result<(), &'static str> {
        address_of(text).and_then(|a| rules().address(a)).map_err(Reason::key)
    }

    #[test]
    fn addresses_are_refused_for_what_they_are() {
        for (text, expected) in [
            ("198.51.100.7", Ok(())),
            ("2001:db8:1::7", Ok(())),
            ("::ffff:198.51.100.7", Ok(())),
            ("203.0.113.15", Err("infrastructure")),
            ("203.0.113.16", Ok(())),
            ("0.0.0.0/0", Err("network")),
            ("::/0", Err("network")),
            ("198.51.100.0/24", Err("network")),
            ("0.0.0.0", Err("no-address")),
            ("::", Err("no-address")),
            ("NULL", Err("no-address")),
            ("<nil>", Err("no-address")),
            ("-", Err("no-address")),
            ("198.51.100.7/32", Ok(())),
            ("2001:db8::7/128", Ok(())),
            ("0.1.2.3", Err("bogon")),
            ("127.0.0.1", Err("bogon")),
            ("10.1.2.3", Err("bogon")),
            ("100.64.0.1", Err("bogon")),
            ("224.0.0.251", Err("bogon")),
            ("255.255.255.255", Err("bogon")),
            ("169.254.1.1", Err("bogon")),
            ("::1", Err("bogon")),
            ("fe80::1", Err("bogon")),
            ("fd00::1", Err("bogon")),
            ("2002:c633:6407::1", Err("bogon")),
            ("::ffff:127.0.0.1", Err("bogon")),
            ("104.16.1.1", Err("foreign")),
            ("2606:4700::1111", Err("foreign")),
            ("198.51.101.0", Err("foreign")),
            ("", Err("no-address")),
            ("198.51.100.300", Err("address")),
            ("198.51.100.7 OR 1=1", Err("address")),
            ("0xc6336407", Err("address")),
        ] {
            assert_eq!(judged(text), expected, "{text}");
        }
    }

    #[test]
    fn own_addresses_are_found_wherever_they_stand_in_a_text() {
        let found = |text: &str| {
            let all = rules().own_in(text.as_bytes());
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [
            ("2026-02-15 14:19:09,high,198.51.100.7,tcp", "198.51.100.7"),
            ("x198.51.100.7x;198.51.100.7:23 http://198.51.100.8:8080/", "198.51.100.7 198.51.100.8"),
            ("[2001:db8::7]:23 ::ffff:198.51.100.9 10.0.0.1 104.16.1.1", "2001:db8::7 198.51.100.9"),
            ("seen at 198.51.100.7.", "198.51.100.7"),
            ("\u{202e}198.51.100.300 14:19:09 dead:beef :: .. : ...", ""),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn special_networks_of_ones_own_are_fine() {
        let mut policy = pratique_policy::built_in().unwrap().policy;
        policy.global.networks = vec!["100.64.0.0/10".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let rules = Admission::new(&policy, Timestamp::from_secs(0), Span::ZERO);
        assert_eq!(rules.address("100.64.3.4".parse().unwrap()), Ok(()));
        assert_eq!(rules.address("fd00::5".parse().unwrap()), Ok(()));
        assert_eq!(rules.address("127.0.0.1".parse().unwrap()), Err(Reason::Bogon));
    }

    #[test]
    fn times_ahead_of_the_clocks_and_beyond_retention_are_refused() {
        let rules = rules();
        let now = Timestamp::from_secs(1_000_000_000);
        assert_eq!(rules.time(now.plus(Span::from_mins(6))), Ok(()));
        assert_eq!(rules.time(now.plus(Span::from_secs(361))), Err(Reason::Future));
        assert_eq!(rules.time(now.minus(Span::from_days(90))), Ok(()));
        assert_eq!(rules.time(now.minus(Span::from_days(91))), Err(Reason::TooOld));
    }

    proptest::proptest! {
        #[test]
        fn merged_ranges_agree_with_the_networks(bits in proptest::collection::vec((0u32..64, 26u8..=32), 0..8), probe in 0u32..64) {
            let base = 0xc633_6400_u32;
            let nets: Vec<IpNet> = bits.iter().map(|(low, len)| {
                IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(base + low)), *len).unwrap()
            }).collect();
            let probe = IpAddr::V4(Ipv4Addr::from_bits(base + probe));
            proptest::prop_assert_eq!(Networks::new(&nets).contains(probe), nets.iter().any(|n| n.contains(&probe)));
        }
    }
}
