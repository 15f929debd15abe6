//! How often one line may do something: look at the self-check, press a button. So many times a minute; in memory, bounded, and
//! forgotten after the minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use pratique_core::places::{OF_SITE, Party};
use pratique_core::time::{Span, Timestamp};

/// Parties remembered at once; some 600 KB. While so many come within one minute, others among them wait for the next.
const MOST: usize = 16_384;

const MINUTE: Span = Span::from_mins(1);

/// Why a party has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It came too often; the next time counts from then on.
    Often(Timestamp),
    /// Too many others come in this minute.
    Crowd,
}

/// Who came in this minute.
pub(crate) struct Pace {
    per_minute: u32,
    home_prefix: u8,
    kept: Mutex<Minute>,
}

struct Minute {
    begun: Timestamp,
    parties: HashMap<Party, u32>,
    /// A /48 of unknown addresses may be one home's: all in it together may come some times as often.
    sites: HashMap<u64, u32>,
}

impl Pace {
    pub(crate) fn new(per_minute: u32, home_prefix: u8) -> Self {
        let kept = Minute { begun: Timestamp::MIN, parties: HashMap::new(), sites: HashMap::new() };
        Self { per_minute, home_prefix, kept: Mutex::new(kept) }
    }

    /// Counts a time.
    ///
    /// # Errors
    /// [`Wait`]: it does not count.
    pub(crate) fn take(&self, party: Party, now: Timestamp) -> Result<(), Wait> {
        // Nothing can panic between lock and unlock, so a poisoned lock is still sound.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if now < kept.begun || now >= kept.begun.plus(MINUTE) {
            kept.begun = now;
            kept.parties.clear();
            kept.sites.clear();
        }
        let until = kept.begun.plus(MINUTE);
        let site = party.site(self.home_prefix);
        let of_site = self.per_minute.saturating_mul(OF_SITE);
        if count(&kept.parties, &party) >= self.per_minute
            || site.is_some_and(|site| count(&kept.sites, &site) >= of_site)
        {
            return Err(Wait::Often(until));
        }
        if kept.parties.len() >= MOST && !kept.parties.contains_key(&party) {
            return Err(Wait::Crowd);
        }
        *kept.parties.entry(party).or_insert(0) += 1;
        if let Some(site) = site {
            *kept.sites.entry(site).or_insert(0) += 1;
        }
        Ok(())
    }
}

fn count<K: Hash + Eq>(counts: &HashMap<K, u32>, key: &K) -> u32 {
    counts.get(key).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use pratique_core::places::HOME_PREFIX;

    use super::*;

    fn party(address: IpAddr) -> Party {
        Party::of(address, None, HOME_PREFIX)
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    #[test]
    fn who_comes_too_often_waits_for_the_minute_to_end_and_nobody_else_does() {
        let pace = Pace::new(2, HOME_PREFIX);
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|address| party(address.parse().unwrap()));
        assert_eq!([pace.take(a, at(0)), pace.take(a, at(1))], [Ok(()); 2]);
        assert_eq!(pace.take(a, at(59)), Err(Wait::Often(at(60))));
        assert_eq!(pace.take(b, at(59)), Ok(()));
        assert_eq!(pace.take(a, at(60)), Ok(()));
        assert_eq!(pace.take(a, at(-500)), Ok(()), "a clock that went back shuts nobody out");
    }

    #[test]
    fn a_storm_of_parties_is_bounded() {
        let pace = Pace::new(1, HOME_PREFIX);
        let peer = |i: u32| party(IpAddr::from(i.to_be_bytes()));
        let most = u32::try_from(MOST).unwrap();
        assert!((0..most).all(|i| pace.take(peer(i), at(0)).is_ok()));
        assert_eq!(pace.take(peer(most), at(0)), Err(Wait::Crowd));
        assert_eq!(pace.take(peer(0), at(0)), Err(Wait::Often(at(60))));
        assert_eq!(pace.kept.lock().unwrap().parties.len(), MOST);
        assert_eq!(pace.take(peer(most), at(60)), Ok(()));
    }

    #[test]
    fn one_home_with_many_prefixes_comes_no_more_often_and_leaves_room_for_others() {
        let pace = Pace::new(2, HOME_PREFIX);
        let from = |net: u64| party(Ipv6Addr::from(u128::from(0x2001_0db8_0000_0000 | net) << 64).into());
        let home = (0..256).filter(|net| pace.take(from(0x1100 | net), at(0)).is_ok()).count();
        assert_eq!(home, 2);
        let site = (0..65_536).filter(|net| pace.take(from(0x10_0000 | net), at(0)).is_ok()).count();
        assert_eq!(site, 16);
        assert_eq!(pace.take(from(0x20_0000), at(0)), Ok(()));
    }
}
