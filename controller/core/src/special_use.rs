//! Special-use names: what every resolver answers by itself, on any network, walled or not. PURE. Read by the captive resolver,
//! and by [`crate::playbook`], as no allow-list can open such a name.
//!
//! From IANA's registries "Special-Use Domain Names" and "Locally-Served DNS Zones", without the names that are to be resolved
//! like all others (`example`, `example.com`, …: RFC 6761 section 6.5).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// What there is at a special-use name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialUse {
    /// These addresses, and nothing of any other type.
    Addresses(&'static [IpAddr]),
    /// A pointer to this name, and nothing of any other type.
    Pointer(&'static str),
    /// The name exists, and there is nothing.
    Empty,
    /// No such name.
    Nonexistent,
}

/// What there is in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    /// The same at its top and at all names below.
    All(SpecialUse),
    /// This at its top, no names below.
    Top(SpecialUse),
}

const LOOPBACK: SpecialUse = SpecialUse::Addresses(&[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
/// A resolver that does no NAT64 has no AAAA records there.
const IPV4_ONLY: SpecialUse =
    SpecialUse::Addresses(&[IpAddr::V4(Ipv4Addr::new(192, 0, 0, 170)), IpAddr::V4(Ipv4Addr::new(192, 0, 0, 171))]);
const GONE: Zone = Zone::All(SpecialUse::Nonexistent);
const EMPTY: Zone = Zone::Top(SpecialUse::Empty);
const TO_IPV4_ONLY: Zone = Zone::Top(SpecialUse::Pointer("ipv4only.arpa"));

const NAMES: [(&str, Zone); 33] = [
    ("localhost", Zone::All(LOOPBACK)), // RFC 6761 section 6.3
    ("invalid", GONE),                  // RFC 6761 section 6.4
    ("test", GONE),                     // RFC 6761 section 6.2
    ("onion", GONE),                    // RFC 7686
    ("local", GONE),                    // RFC 6762 section 22.1
    ("alt", GONE),                      // RFC 9476
    ("home.arpa", EMPTY),               // RFC 8375
    ("service.arpa", EMPTY),            // RFC 9665
    ("6tisch.arpa", EMPTY),             // RFC 9031
    ("eap.arpa", EMPTY),                // RFC 9965
    ("eap-noob.arpa", EMPTY),           // RFC 9140
    // RFC 9462 section 6.4: with nothing there, nobody brings a resolver of their own.
    ("resolver.arpa", Zone::All(SpecialUse::Empty)),
    ("ipv4only.arpa", Zone::Top(IPV4_ONLY)), // RFC 8880
    ("170.0.0.192.in-addr.arpa", TO_IPV4_ONLY),
    ("171.0.0.192.in-addr.arpa", TO_IPV4_ONLY),
    // Private use (RFC 1918); 172.16.0.0/12 is among the `RANGES`.
    ("10.in-addr.arpa", EMPTY),
    ("168.192.in-addr.arpa", EMPTY),
    // RFC 6303 section 4.2: this network, loopback, link-local, documentation, broadcast.
    ("0.in-addr.arpa", EMPTY),
    ("127.in-addr.arpa", EMPTY),
    ("254.169.in-addr.arpa", EMPTY),
    ("2.0.192.in-addr.arpa", EMPTY),
    ("100.51.198.in-addr.arpa", EMPTY),
    ("113.0.203.in-addr.arpa", EMPTY),
    ("255.255.255.255.in-addr.arpa", EMPTY),
    // RFC 6303 sections 4.3 to 4.6: unspecified, loopback, unique local, link-local, documentation.
    ("0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", EMPTY),
    ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", EMPTY),
    ("d.f.ip6.arpa", EMPTY),
    ("8.e.f.ip6.arpa", EMPTY),
    ("9.e.f.ip6.arpa", EMPTY),
    ("a.e.f.ip6.arpa", EMPTY),
    ("b.e.f.ip6.arpa", EMPTY),
    ("8.b.d.0.1.0.0.2.ip6.arpa", EMPTY),
    // IPv6 documentation, the second prefix (RFC 9637).
    ("0.f.f.f.3.ip6.arpa", EMPTY),
];

/// Empty reverse zones that have a number each: private use (RFC 1918), and behind carrier-grade NAT (RFC 7793).
const RANGES: [(std::ops::RangeInclusive<u8>, &str); 2] =
    [(16..=31, "172.in-addr.arpa"), (64..=127, "100.in-addr.arpa")];

/// The label below which browsers look for the settings of a proxy, in each domain that they think is theirs. Who answers can
/// read all of their traffic, so such a name never exists, and none below it.
pub const PROXY_DISCOVERY: &str = "wpad";

static ZONES: LazyLock<BTreeMap<String, Zone>> = LazyLock::new(|| {
    let ranges = RANGES.into_iter().flat_map(|(range, above)| range.map(move |n| (format!("{n}.{above}"), EMPTY)));
    NAMES.into_iter().map(|(name, zone)| (name.to_owned(), zone)).chain(ranges).collect()
});

/// The last labels of all zones: asked for each question, so that most need no look into [`ZONES`].
const LAST_LABELS: [&str; 7] = ["arpa", "local", "localhost", "test", "invalid", "onion", "alt"];

/// What there is at `name`, in lower case without a trailing dot, if it is a special-use name.
pub fn special_use(name: &str) -> Option<SpecialUse> {
    let wpad = PROXY_DISCOVERY.as_bytes();
    if name.as_bytes().windows(wpad.len()).any(|part| part == wpad)
        && name.split('.').any(|label| label == PROXY_DISCOVERY)
    {
        return Some(SpecialUse::Nonexistent);
    }
    let last = name.rfind('.').and_then(|dot| name.get(dot + 1..)).unwrap_or(name);
    if !LAST_LABELS.contains(&last) {
        return None;
    }
    let mut at = name;
    loop {
        match (ZONES.get(at), at.len() == name.len()) {
            (Some(Zone::All(there)), _) | (Some(Zone::Top(there)), true) => return Some(*there),
            (Some(Zone::Top(_)), false) => return Some(SpecialUse::Nonexistent),
            (None, _) => at = at.split_once('.')?.1,
        }
    }
}

/// The tops of all zones of special-use names.
pub fn special_zones() -> impl Iterator<Item = &'static str> {
    ZONES.keys().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_labels_are_those_of_the_zones() {
        let last = |zone: &'static str| zone.rsplit('.').next().unwrap();
        let of_zones: std::collections::BTreeSet<_> = special_zones().map(last).collect();
        assert_eq!(of_zones, LAST_LABELS.into_iter().collect());
    }

    #[test]
    fn each_name_has_what_its_rfc_says() {
        let mut table = String::new();
        let names = "
            localhost a.b.localhost invalid x.invalid x.test x.onion printer.local local x.alt wpad wpad.lan
            wpad.isp.example wpad.home.arpa home.arpa nas.home.arpa _dns.resolver.arpa resolver.arpa
            ipv4only.arpa x.ipv4only.arpa 170.0.0.192.in-addr.arpa 10.in-addr.arpa 1.0.0.10.in-addr.arpa
            9.15.172.in-addr.arpa 9.16.172.in-addr.arpa 31.172.in-addr.arpa 32.172.in-addr.arpa
            1.64.100.in-addr.arpa 1.63.100.in-addr.arpa 1.0.168.192.in-addr.arpa 1.169.192.in-addr.arpa
            in-addr.arpa arpa b.e.f.ip6.arpa c.e.f.ip6.arpa 0.d.f.ip6.arpa example www.example notlocalhost
            local.example test.example xwpad.example a.wpad.example home.example lan
        ";
        for name in names.split_whitespace() {
            let there = match special_use(name) {
                None => "-".to_owned(),
                Some(SpecialUse::Addresses(all)) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                Some(other) => format!("{other:?}"),
            };
            table.push_str(&format!("{name:26}{there}\n"));
        }
        insta::assert_snapshot!(table, @r#"
        localhost                 127.0.0.1 ::1
        a.b.localhost             127.0.0.1 ::1
        invalid                   Nonexistent
        x.invalid                 Nonexistent
        x.test                    Nonexistent
        x.onion                   Nonexistent
        printer.local             Nonexistent
        local                     Nonexistent
        x.alt                     Nonexistent
        wpad                      Nonexistent
        wpad.lan                  Nonexistent
        wpad.isp.example          Nonexistent
        wpad.home.arpa            Nonexistent
        home.arpa                 Empty
        nas.home.arpa             Nonexistent
        _dns.resolver.arpa        Empty
        resolver.arpa             Empty
        ipv4only.arpa             192.0.0.170 192.0.0.171
        x.ipv4only.arpa           Nonexistent
        170.0.0.192.in-addr.arpa  Pointer("ipv4only.arpa")
        10.in-addr.arpa           Empty
        1.0.0.10.in-addr.arpa     Nonexistent
        9.15.172.in-addr.arpa     -
        9.16.172.in-addr.arpa     Nonexistent
        31.172.in-addr.arpa       Empty
        32.172.in-addr.arpa       -
        1.64.100.in-addr.arpa     Nonexistent
        1.63.100.in-addr.arpa     -
        1.0.168.192.in-addr.arpa  Nonexistent
        1.169.192.in-addr.arpa    -
        in-addr.arpa              -
        arpa                      -
        b.e.f.ip6.arpa            Empty
        c.e.f.ip6.arpa            -
        0.d.f.ip6.arpa            Nonexistent
        example                   -
        www.example               -
        notlocalhost              -
        local.example             -
        test.example              -
        xwpad.example             -
        a.wpad.example            Nonexistent
        home.example              -
        lan                       -
        "#);
    }

    #[test]
    fn a_name_that_does_not_exist_has_none_below_it() {
        let gone = special_zones().flat_map(|zone| [zone.to_owned(), format!("x.{zone}")]);
        for name in gone.filter(|name| special_use(name) == Some(SpecialUse::Nonexistent)) {
            assert_eq!(special_use(&format!("y.{name}")), Some(SpecialUse::Nonexistent), "{name}");
        }
    }

    #[test]
    fn every_zone_is_found() {
        assert_eq!(ZONES.len(), NAMES.len() + 16 + 64);
        for zone in special_zones() {
            assert!(special_use(zone).is_some() && special_use(&format!("x.{zone}")).is_some(), "{zone}");
        }
    }
}
