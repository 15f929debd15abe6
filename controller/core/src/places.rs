//! Who may take how many of a bounded number of places: connections, questions in flight, forms under way. Asked by the
//! portal, the captive resolver and the office, which keep their own locks around it.
//!
//! Whom a limit counts is a [`Party`]: the line, where it is known, whatever number of addresses it sends from. Of an
//! unknown IPv6 address nobody can see how much of its neighbourhood is one home's, so three bounds hold at once:
//!
//! ```text
//! known line                      its places
//! unknown, within /56 (a setting) the same
//! unknown, within /48            some more, for a provider that delegates that much
//! all unknown together           a part of all places: the rest is kept for lines in quarantine
//! ```
//!
//! While places are plenty a party has its full number. Once three quarters are taken, what one may hold shrinks with what is
//! left: however many parties take all they can get, the next one still finds a place (Choudhury and Hahne, "Dynamic queue
//! length thresholds", 1998).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::ids::LineNo;

/// Whom a limit counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// This line, with all its addresses.
    Line(LineNo),
    /// An IPv4 address of nobody known.
    V4(Ipv4Addr),
    /// The network half of an IPv6 address of nobody known, cut to what one home is taken to hold.
    V6(u64),
}

/// Length of the prefix that is taken for one home where nobody is known to hold an address. Providers delegate /56 to homes
/// more often than anything else (RIPE-690).
pub const HOME_PREFIX: u8 = 56;

/// The longest and the shortest that can be chosen: a link of its own, and what a whole site gets (RFC 6177).
pub const HOME_PREFIXES: std::ops::RangeInclusive<u8> = 32..=64;

impl Party {
    /// Who is behind this address: `line`, or else the address itself, an IPv6 one cut to `home_prefix` bits.
    pub fn of(address: IpAddr, line: Option<LineNo>, home_prefix: u8) -> Self {
        match (line, address.to_canonical()) {
            (Some(line), _) => Self::Line(line),
            (None, IpAddr::V4(a)) => Self::V4(a),
            (None, IpAddr::V6(a)) => Self::V6(cut(network_half(u128::from(a)), home_prefix)),
        }
    }

    /// Nobody is known to hold the address.
    pub const fn is_unknown(&self) -> bool {
        !matches!(self, Self::Line(_))
    }

    /// The /48 around an unknown IPv6 address; none for everybody else, and where homes are taken to hold that much anyway.
    pub fn site(&self, home_prefix: u8) -> Option<u64> {
        match self {
            Self::V6(half) if home_prefix > SITE => Some(cut(*half, SITE)),
            Self::V6(_) | Self::V4(_) | Self::Line(_) => None,
        }
    }
}

/// The largest prefix that one home may have been delegated.
const SITE: u8 = 48;

/// A /48 of unknown addresses may take this many times what one party may: nobody knows whether it is one home or 256.
pub const OF_SITE: u32 = 8;

fn network_half(address: u128) -> u64 {
    u64::try_from(address >> 64).unwrap_or(u64::MAX)
}

fn cut(half: u64, length: u8) -> u64 {
    half & u64::MAX.checked_shl(64_u32.saturating_sub(length.into())).unwrap_or(0)
}

/// How many there are, and who may have how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// All places.
    pub all: u32,
    /// Of them, those that may be taken from addresses of nobody known.
    pub unknown: u32,
    /// Of them, those of one party.
    pub party: u32,
    /// What is taken for one home where nobody is known to hold an address.
    pub home_prefix: u8,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The party has all it may have; or what it may have while places are scarce.
    Party,
    /// The /48 around an unknown address has.
    Site,
    /// All that may be taken from unknown addresses are.
    Unknown,
    /// All are.
    All,
}

/// Places, counted.
#[derive(Debug)]
pub struct Places {
    bounds: Bounds,
    taken: u32,
    unknown: u32,
    /// Never more entries than places. Hashed with a key nobody knows: the addresses are chosen by strangers.
    parties: HashMap<Party, u32>,
    sites: HashMap<u64, u32>,
}

impl Places {
    /// All free.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, taken: 0, unknown: 0, parties: HashMap::new(), sites: HashMap::new() }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`]; nothing is taken then.
    pub fn take(&mut self, party: Party) -> Result<(), Full> {
        let Bounds { all, unknown, home_prefix, .. } = self.bounds;
        if self.taken >= all {
            return Err(Full::All);
        }
        let site = party.site(home_prefix);
        if party.is_unknown() {
            if self.unknown >= unknown {
                return Err(Full::Unknown);
            }
            let most = self.bounds.party.saturating_mul(OF_SITE);
            if site.is_some_and(|site| self.sites.get(&site).is_some_and(|n| *n >= most)) {
                return Err(Full::Site);
            }
        }
        if self.held_by(party) >= self.may_hold(party) {
            return Err(Full::Party);
        }
        self.taken += 1;
        self.unknown += u32::from(party.is_unknown());
        *self.parties.entry(party).or_insert(0) += 1;
        if let Some(site) = site {
            *self.sites.entry(site).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Gives one back.
    pub fn give_back(&mut self, party: Party) {
        if !less(&mut self.parties, &party) {
            return;
        }
        self.taken = self.taken.saturating_sub(1);
        self.unknown = self.unknown.saturating_sub(u32::from(party.is_unknown()));
        if let Some(site) = party.site(self.bounds.home_prefix) {
            less(&mut self.sites, &site);
        }
    }

    /// Places that a party has.
    pub fn held_by(&self, party: Party) -> u32 {
        self.parties.get(&party).copied().unwrap_or(0)
    }

    /// Places that a party may have now.
    pub fn may_hold(&self, party: Party) -> u32 {
        let Bounds { all, unknown, party: most, .. } = self.bounds;
        let may = share(most, all, all.saturating_sub(self.taken));
        if party.is_unknown() { may.min(share(most, unknown, unknown.saturating_sub(self.unknown))) } else { may }
    }

    /// Places that are taken.
    pub const fn taken(&self) -> u32 {
        self.taken
    }

    /// How many there are.
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }
}

/// What one party may hold of so many places when so many are left: its full number while a quarter is left, and from there on
/// in proportion, but never nothing.
pub fn share(most: u32, all: u32, left: u32) -> u32 {
    let scarce = u64::from(left) * 4 * u64::from(most) / u64::from(all.max(1));
    most.min(u32::try_from(scarce).unwrap_or(u32::MAX).max(1))
}

/// One less; whether there was one.
fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else { return false };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(key);
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PORTAL: Bounds = Bounds { all: 8_192, unknown: 6_144, party: 32, home_prefix: HOME_PREFIX };

    fn unknown(address: &str) -> Party {
        Party::of(address.parse().unwrap(), None, HOME_PREFIX)
    }

    /// Takes all it gets from these parties, in turns.
    fn greedy(places: &mut Places, parties: impl Iterator<Item = Party> + Clone) {
        for _ in 0..places.bounds().party {
            for party in parties.clone() {
                let _refused = places.take(party);
            }
        }
    }

    #[test]
    fn a_line_is_one_party_whatever_it_sends_from_and_so_is_a_home_that_nobody_knows() {
        let line = |address: &str| Party::of(address.parse().unwrap(), Some(LineNo(7)), HOME_PREFIX);
        assert_eq!(line("192.0.2.1"), line("2001:db8:11ff::1"));
        assert_eq!(unknown("2001:db8:0:1100::1"), unknown("2001:db8:0:11ff:2::3"));
        assert_ne!(unknown("2001:db8:0:1100::1"), unknown("2001:db8:0:1200::1"));
        assert_eq!(unknown("::ffff:192.0.2.1"), unknown("192.0.2.1"));
        assert_eq!(unknown("2001:db8:0:1100::1").site(HOME_PREFIX), unknown("2001:db8:0:ff00::1").site(HOME_PREFIX));
        assert_eq!(unknown("2001:db8:0:1100::1").site(48), None);
    }

    #[test]
    fn one_home_never_takes_more_than_its_own_whether_it_is_known_or_not() {
        let mut places = Places::new(PORTAL);
        let home = (0..=255_u16).map(|net| unknown(&format!("2001:db8:0:11{net:02x}::1")));
        greedy(&mut places, home);
        greedy(&mut places, std::iter::once(Party::Line(LineNo(1))));
        assert_eq!(places.taken(), 64);
        let site = (0..=255_u16).map(|net| unknown(&format!("2001:db8:1:{net:02x}00::1")));
        greedy(&mut places, site);
        assert_eq!(places.taken(), 64 + 8 * 32, "a /48 may be one home, too");
        assert_eq!(places.take(unknown("2001:db8:1:4200::1")), Err(Full::Site));
        assert_eq!(places.take(unknown("2001:db8:2:4200::1")), Ok(()));
    }

    #[test]
    fn however_many_take_all_they_get_the_next_one_finds_a_place() {
        for lines in [100, 256, 1_000, 4_000] {
            let mut places = Places::new(PORTAL);
            greedy(&mut places, (0..lines).map(|n| Party::Line(LineNo(n))));
            assert_eq!(places.take(Party::Line(LineNo(1_000_000))), Ok(()), "{lines} lines hold {}", places.taken());
        }
    }

    #[test]
    fn addresses_of_nobody_leave_a_part_to_lines_in_quarantine() {
        let mut places = Places::new(PORTAL);
        greedy(&mut places, (0..10_000_u32).map(|n| Party::V4((0x0a00_0000 + n).into())));
        assert_eq!(places.take(unknown("192.0.2.1")), Err(Full::Unknown));
        greedy(&mut places, std::iter::once(Party::Line(LineNo(1))));
        assert!(places.held_by(Party::Line(LineNo(1))) > 16, "{}", places.held_by(Party::Line(LineNo(1))));
    }

    proptest! {
        #[test]
        fn counts_hold_whatever_is_taken_and_given_back(
            all in 1_u32..12, part in 1_u32..12, most in 1_u32..6,
            steps in prop::collection::vec((any::<bool>(), 0_u8..6), 1..200),
        ) {
            let bounds = Bounds { all, unknown: part.min(all), party: most, home_prefix: HOME_PREFIX };
            let mut places = Places::new(bounds);
            let mut held: Vec<Party> = Vec::new();
            let parties = [
                Party::Line(LineNo(1)), Party::Line(LineNo(2)), unknown("192.0.2.1"),
                unknown("2001:db8::1"), unknown("2001:db8:0:100::1"), unknown("2001:db8:1::1"),
            ];
            for (takes, who) in steps {
                let party = parties[usize::from(who)];
                if takes {
                    let free = places.taken() < all;
                    let (had, may) = (places.held_by(party), places.may_hold(party));
                    match places.take(party) {
                        Ok(()) => { prop_assert!(free && had < may); held.push(party); }
                        // Who has none is refused only where nothing of its part is left.
                        Err(full) => prop_assert!(had > 0 || full != Full::Party),
                    }
                } else if let Some(at) = held.iter().position(|h| *h == party) {
                    held.swap_remove(at);
                    places.give_back(party);
                } else {
                    places.give_back(party);
                }
                let count = |party: Party| u32::try_from(held.iter().filter(|h| **h == party).count()).unwrap();
                prop_assert_eq!(places.taken() as usize, held.len());
                prop_assert!(places.taken() <= all);
                for party in parties {
                    prop_assert_eq!(places.held_by(party), count(party));
                    prop_assert!(count(party) <= most);
                }
                prop_assert!(held.iter().filter(|p| p.is_unknown()).count() <= part.min(all) as usize);
            }
            for party in held.drain(..) {
                places.give_back(party);
            }
            prop_assert!(places.taken() == 0 && places.unknown == 0 && places.parties.is_empty() && places.sites.is_empty());
        }
    }
}
