//! What dns and portal may see of the residents: who is behind an address, and what the page says.
//!
//! Many readers, one writer (the engine). A lookup takes one shard's read lock for a moment and copies one `Arc`; a
//! change touches one shard. The cost is flat in the number of residents, and a reader sees either the old or the new
//! resident, never a mixture.
//!
//! Readers at line rate use [`Reader`] instead, which knows lines and gardens only and takes no lock.

mod gardens;
mod index;
mod kept;

use std::hash::{Hash as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::Ipv6Net;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::allow::AllowList;
use crate::command::Missing;
use crate::ids::{CaseId, CauseKey, LineNo, Seq};
use crate::places::Party;
use crate::plan::Element;
use crate::rescan::{Rescan, Verdict};
use crate::time::{Span, Timestamp};

pub use gardens::{Garden, GardenNo, Site};
use index::Index;
pub use index::{Reader, Sight};
pub use kept::KeptResident;

/// One quarantined subscriber, as its garden sees it.
#[derive(Debug)]
pub struct Resident {
    /// Its case.
    pub case: CaseId,
    /// Its line.
    pub line: LineNo,
    /// Its causes and the names it may reach.
    pub garden: Arc<Garden>,
    /// What its page says.
    pub card: CaseCard,
}

/// The case as its subscriber may see it. No evidence beyond one's own line, no names of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseCard {
    /// Number to give on the phone.
    pub case: CaseId,
    /// Changes with every event.
    pub version: u32,
    /// In quarantine since.
    pub since: Timestamp,
    /// Ends at the latest.
    pub until: Timestamp,
    /// What was seen, per cause.
    pub causes: Vec<CauseCard>,
    /// When the subscriber said "fixed".
    pub fix_reported_at: Option<Timestamp>,
    /// A check is under way since.
    pub checking_since: Option<Timestamp>,
    /// The last check: when, and what it found per cause.
    pub last_check: Option<CheckCard>,
    /// What is still missing before the line is freed by proof.
    pub missing: Option<Missing>,
    /// When the line is freed if nothing is seen until then and each check finds it clean.
    pub freed: Freed,
    /// From when on the subscriber can ask for the next check; none for at once.
    pub check_again: Option<Timestamp>,
    /// What proves the fix.
    pub proof: Proof,
    /// When the trouble was last seen alive at the wall, if that was after the subscriber said "fixed" or the last check.
    pub alive_at: Option<Timestamp>,
    /// The subscriber may leave on trust now.
    pub self_release: bool,
    /// What the policy allows of that; none if the causes rule it out.
    pub trust: Option<Trust>,
    /// So often the trouble came back after a release.
    pub relapses: u32,
    /// Language of the subscriber's record, as a BCP 47 tag.
    pub language: Option<SmolStr>,
    /// A detail that only provider and subscriber know; for the page of this line alone, so it is never written elsewhere.
    #[serde(skip)]
    pub number_tail: Option<SmolStr>,
}

impl CaseCard {
    /// Which round of fixing and checking this is.
    pub fn round(&self) -> Round {
        Round::of(self.since, self.fix_reported_at, self.last_check.as_ref().map(|check| check.at))
    }
}

/// A round of fixing and checking: a button counts in the round its page showed. Evidence that comes in between changes
/// the version of a case, but not what the subscriber meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Round(pub u64);

impl Round {
    /// The round after these moments: quarantine, word that it is fixed, and check.
    pub(crate) fn of(since: Timestamp, fix_reported_at: Option<Timestamp>, checked_at: Option<Timestamp>) -> Self {
        let mut hasher = rustc_hash::FxHasher::default();
        (since, fix_reported_at, checked_at).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What proves the fix of all causes of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// A check from outside can tell something; otherwise silence alone does.
    pub checks: bool,
    /// So long nobody may report the trouble.
    pub silence: Span,
    /// So long the wall may see nothing of it.
    pub wall_silence: Span,
}

/// When a line is freed if nothing more is seen of it and each check finds it clean: the one answer that all pages give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// Not before this; none where nobody can say. Never later than the end of the quarantine.
    pub earliest: Option<Timestamp>,
    /// It also takes a report that has not come, and when that comes is the reporter's affair.
    pub awaits_report: bool,
}

/// How often a line may leave on trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Times it did within the span.
    pub used: u32,
    /// Times it may.
    pub times: u32,
    /// The span, back from now.
    pub within: Span,
    /// When the oldest of the used times no longer counts; none if none is used.
    pub oldest_until: Option<Timestamp>,
}

impl Trust {
    /// Times that are left.
    pub const fn left(&self) -> u32 {
        self.times.saturating_sub(self.used)
    }
}

/// What a check from outside can tell of a line that is not in quarantine, and when its subscriber may ask for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckState {
    /// Which round this is; a button counts in the round its page showed.
    pub round: Round,
    /// A check is under way since.
    pub checking_since: Option<Timestamp>,
    /// The last check since the warning.
    pub last_check: Option<CheckCard>,
    /// From when on the next one can be asked for; none for at once.
    pub check_again: Option<Timestamp>,
}

/// One cause on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseCard {
    /// Selects the texts.
    pub cause: CauseKey,
    /// First observation.
    pub first_seen: Timestamp,
    /// Last observation.
    pub last_seen: Timestamp,
    /// How many observations.
    pub count: u32,
    /// Device, where the report named it.
    pub device: Option<SmolStr>,
}

/// The last check on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCard {
    /// When it ended.
    pub at: Timestamp,
    /// Over everything.
    pub verdict: Verdict,
    /// Each probe: name with port (`telnet:23`), verdict, and the key of what was found.
    pub found: Vec<(SmolStr, Verdict, SmolStr)>,
}

impl CheckCard {
    /// What a check found.
    pub fn of(rescan: &Rescan) -> Self {
        let found = rescan.results.iter().map(|r| (format_smolstr!("{}", r.probe), r.verdict, r.found.clone()));
        Self { at: rescan.finished_at, verdict: rescan.verdict(), found: found.collect() }
    }
}

const SHARDS: usize = 64;

type Shard<K> = RwLock<FxHashMap<K, Arc<Resident>>>;

/// The residents by address.
#[derive(Debug)]
pub struct GardenView {
    v4: [Shard<Ipv4Addr>; SHARDS],
    v6: [Shard<Ipv6Net>; SHARDS],
    /// Entries per IPv6 prefix length, so that a lookup asks only for lengths in use.
    lengths: [AtomicUsize; 129],
    index: Index,
    generation: AtomicU64,
    /// Grows with each change of who is inside, or of what a page says.
    changes: AtomicU64,
}

impl Default for GardenView {
    fn default() -> Self {
        Self {
            v4: std::array::from_fn(|_| RwLock::default()),
            v6: std::array::from_fn(|_| RwLock::default()),
            lengths: std::array::from_fn(|_| AtomicUsize::new(0)),
            index: Index::default(),
            generation: AtomicU64::new(0),
            changes: AtomicU64::new(0),
        }
    }
}

impl GardenView {
    /// Who is behind this address; none if no resident is. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn resident(&self, address: IpAddr) -> Option<Arc<Resident>> {
        self.find(address).map(|(_, resident)| resident)
    }

    /// The address or prefix of a resident that this address belongs to.
    pub fn element_of(&self, address: IpAddr) -> Option<Element> {
        self.find(address).map(|(element, _)| element)
    }

    fn find(&self, address: IpAddr) -> Option<(Element, Arc<Resident>)> {
        match address.to_canonical() {
            IpAddr::V4(a) => Some((Element::V4(a), read(&self.v4[shard4(a)]).get(&a).cloned()?)),
            IpAddr::V6(a) => (0..=128u8).rev().find_map(|len| {
                if self.lengths[usize::from(len)].load(Ordering::Acquire) == 0 {
                    return None;
                }
                let net = Ipv6Net::new(a, len).ok()?.trunc();
                Some((Element::V6(net), read(&self.v6[shard6(net)]).get(&net).cloned()?))
            }),
        }
    }

    /// Whom limits count behind this address: the line of its resident, or else what is taken for one home.
    pub fn party(&self, address: IpAddr, home_prefix: u8) -> Party {
        Party::of(address, self.resident(address).map(|resident| resident.line), home_prefix)
    }

    /// Puts or replaces a resident at an address or prefix.
    pub fn put(&self, element: Element, resident: Arc<Resident>) {
        self.changes.fetch_add(1, Ordering::Release);
        // The index is changed under the same lock, so that both agree on the order of changes.
        match element {
            Element::V4(a) => {
                let mut shard = write(&self.v4[shard4(a)]);
                let old = shard.insert(a, Arc::clone(&resident));
                self.index.put(element, &resident, old.as_deref());
            }
            Element::V6(net) => {
                let net = net.trunc();
                let mut shard = write(&self.v6[shard6(net)]);
                let old = shard.insert(net, Arc::clone(&resident));
                if old.is_none() {
                    self.lengths[usize::from(net.prefix_len())].fetch_add(1, Ordering::Release);
                }
                self.index.put(Element::V6(net), &resident, old.as_deref());
            }
        }
    }

    /// Takes an address or prefix out.
    pub fn remove(&self, element: Element) {
        self.remove_where(element, |_| true);
    }

    /// The resident of exactly this address or prefix.
    pub fn at(&self, element: Element) -> Option<Arc<Resident>> {
        match element {
            Element::V4(a) => read(&self.v4[shard4(a)]).get(&a).cloned(),
            Element::V6(net) => read(&self.v6[shard6(net.trunc())]).get(&net.trunc()).cloned(),
        }
    }

    /// Takes an address or prefix out if it still shows this resident; a newer one stays.
    pub fn remove_if(&self, element: Element, resident: &Arc<Resident>) {
        self.remove_where(element, |held| Arc::ptr_eq(held, resident));
    }

    fn remove_where(&self, element: Element, is_it: impl Fn(&Arc<Resident>) -> bool) {
        self.changes.fetch_add(1, Ordering::Release);
        // The removal and the look share one lock: the engine may put a newer resident at any moment.
        match element {
            Element::V4(a) => {
                let mut shard = write(&self.v4[shard4(a)]);
                if shard.get(&a).is_some_and(is_it)
                    && let Some(old) = shard.remove(&a)
                {
                    self.index.remove(element, &old);
                }
            }
            Element::V6(net) => {
                let net = net.trunc();
                let mut shard = write(&self.v6[shard6(net)]);
                if shard.get(&net).is_some_and(is_it)
                    && let Some(old) = shard.remove(&net)
                {
                    self.lengths[usize::from(net.prefix_len())].fetch_sub(1, Ordering::Release);
                    self.index.remove(Element::V6(net), &old);
                }
            }
        }
    }

    /// The garden of a number; none when nobody is in it any more.
    pub fn garden(&self, number: GardenNo) -> Option<Arc<Garden>> {
        self.index.gardens.garden(number)
    }

    /// A number that is another one after each change, for who keeps a copy.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The log position this view has followed to.
    pub fn generation(&self) -> Seq {
        Seq(self.generation.load(Ordering::Acquire))
    }

    /// Says that everything up to here is in.
    pub fn set_generation(&self, seq: Seq) {
        self.generation.store(seq.0, Ordering::Release);
    }

    /// Addresses and prefixes inside.
    pub fn len(&self) -> usize {
        let v4: usize = self.v4.iter().map(|s| read(s).len()).sum();
        v4 + self.v6.iter().map(|s| read(s).len()).sum::<usize>()
    }

    /// Nobody is in quarantine.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn shard4(a: Ipv4Addr) -> usize {
    (u32::from(a) as usize) % SHARDS
}

fn shard6(net: Ipv6Net) -> usize {
    let n = u128::from(net.network());
    ((n >> 64) as usize ^ (n >> 72) as usize ^ (n >> 80) as usize) % SHARDS
}

// A writer cannot panic while it holds the lock (it only inserts or removes), so a poisoned lock is still sound.
fn read<K>(shard: &Shard<K>) -> std::sync::RwLockReadGuard<'_, FxHashMap<K, Arc<Resident>>> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<K>(shard: &Shard<K>) -> std::sync::RwLockWriteGuard<'_, FxHashMap<K, Arc<Resident>>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl Resident {
    /// A resident for tests of readers: one cause, quarantined at the epoch for 30 days.
    pub fn for_test(case: u64, cause: &str, allow: AllowList) -> Arc<Self> {
        Arc::new(Self {
            case: CaseId(case),
            line: LineNo(1),
            garden: Arc::new(Garden::new([cause.into()], allow)),
            card: CaseCard {
                case: CaseId(case),
                version: 3,
                since: Timestamp::from_secs(0),
                until: Timestamp::from_secs(30 * 86_400),
                causes: vec![CauseCard {
                    cause: cause.into(),
                    first_seen: Timestamp::from_secs(0),
                    last_seen: Timestamp::from_secs(0),
                    count: 1,
                    device: None,
                }],
                fix_reported_at: None,
                checking_since: None,
                last_check: None,
                missing: Some(Missing::Rescan),
                freed: Freed { earliest: Some(Timestamp::from_secs(48 * 3_600)), awaits_report: true },
                check_again: None,
                proof: Proof { checks: true, silence: Span::from_hours(48), wall_silence: Span::from_hours(1) },
                alive_at: None,
                self_release: false,
                trust: Some(Trust { used: 0, times: 2, within: Span::from_days(30), oldest_until: None }),
                relapses: 0,
                language: None,
                number_tail: None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_with_a_report_a_check_or_a_new_quarantine_and_not_with_evidence() {
        let card = Resident::for_test(7, "mirai", AllowList::default()).card.clone();
        let with = |change: &dyn Fn(&mut CaseCard)| {
            let mut card = card.clone();
            change(&mut card);
            card.round()
        };
        let now = Timestamp::from_secs(9);
        let check = CheckCard { at: now, verdict: Verdict::Clean, found: Vec::new() };
        let rounds = [
            card.round(),
            with(&|c| c.fix_reported_at = Some(now)),
            with(&|c| c.last_check = Some(check.clone())),
            with(&|c| c.since = now),
        ];
        assert_eq!(rounds.iter().collect::<std::collections::HashSet<_>>().len(), rounds.len());
        assert_eq!(with(&|c| (c.version, c.causes[0].count, c.missing) = (9, 9, None)), card.round());
    }

    #[test]
    fn a_resident_is_found_by_ipv4_by_any_address_of_its_prefixes_and_by_nothing_else() {
        let view = GardenView::default();
        let resident = Resident::for_test(7, "mirai", AllowList::default());
        view.put(Element::V4("192.0.2.1".parse().unwrap()), resident.clone());
        view.put(Element::V6("2001:db8:1:2::/64".parse().unwrap()), resident.clone());
        view.put(Element::V6("2001:db8:aa00::/56".parse().unwrap()), resident);
        for inside in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1:2:3:4:5:6", "2001:db8:aa00:ff::1"] {
            assert!(view.resident(inside.parse().unwrap()).is_some(), "{inside}");
            assert!(view.element_of(inside.parse().unwrap()).is_some(), "{inside}");
        }
        for outside in ["192.0.2.2", "2001:db8:1:3::1", "2001:db8:aa00:100::1", "::1"] {
            assert!(view.resident(outside.parse().unwrap()).is_none(), "{outside}");
        }
        view.remove(Element::V6("2001:db8:1:2::/64".parse().unwrap()));
        assert!(view.resident("2001:db8:1:2::9".parse().unwrap()).is_none());
        assert_eq!(view.len(), 2);
    }
}
