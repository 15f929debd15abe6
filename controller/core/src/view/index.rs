//! The residents once more, for readers at line rate: which line is behind an address, and which garden it sees. Nothing
//! else, so that a lookup is one or two cache lines. Kept beside the view's maps by the same calls; read through
//! [`Reader`].
//!
//! ```text
//!  address ─▶ key, kind ─▶ shard ─▶ slots: | key | value | key | value | …      value: line, garden, kind, present
//! ```
//!
//! A reader takes no lock, counts no reference and never waits:
//!
//! * A slot's key and kind are written once and stay for as long as its table lives. Only the rest of the value changes,
//!   and that is one word. So a reader cannot see the key of one resident with the line of another.
//! * A resident that leaves clears one bit of its value. Its slot is not given to others; the next growth of the shard
//!   leaves it behind.
//! * A shard grows alone into a new table, which replaces the old one behind one pointer. Readers go on with the old
//!   one until they look at the pointer again, at their next lookup.

use std::array;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Cache};

use super::gardens::{GardenNo, Gardens};
use super::{GardenView, Resident};
use crate::ids::LineNo;
use crate::plan::Element;

/// Each grows alone: at 1,000,000 residents one growth moves some 25,000 slots, well below a millisecond.
const SHARDS: usize = 64;
/// Slots of a shard's first table.
const FIRST_SLOTS: usize = 16;

/// IPv4 addresses.
const V4: u8 = 1;
/// IPv6 prefixes: this and their length, up to /64.
const V6: u8 = 2;
/// A /64 in which longer prefixes live. They are rare (lines get whole /64s), so the slow view sorts them out; the value
/// counts them.
const LONGER: u8 = V6 + 65;
/// The longest prefix that has a key of its own: its network half fills one word.
const LONGEST: u8 = 64;

/// What a [`Reader`] sees behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// No resident.
    Nobody,
    /// This line, in this garden.
    Line(LineNo, GardenNo),
    /// Only [`GardenView::resident`] knows.
    Unsure,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Index {
    shards: [Arc<ArcSwap<Slots>>; SHARDS],
    /// Kinds that have entries, so that a lookup asks only for prefix lengths in use; a bit each.
    in_use: [AtomicU64; 2],
    written: Mutex<Written>,
    pub(super) gardens: Gardens,
}

/// What only writers need to know.
#[derive(Debug)]
struct Written {
    /// Used slots per shard, those of residents that left among them.
    used: [usize; SHARDS],
    /// Entries per kind.
    kinds: [usize; LONGER as usize + 1],
}

impl Default for Index {
    fn default() -> Self {
        let none = Arc::new(Slots::new(0));
        Self {
            shards: array::from_fn(|_| Arc::new(ArcSwap::new(Arc::clone(&none)))),
            in_use: Default::default(),
            written: Mutex::new(Written { used: [0; SHARDS], kinds: [0; LONGER as usize + 1] }),
            gardens: Gardens::default(),
        }
    }
}

impl Index {
    /// Puts a resident in the place of `old`, if somebody was there.
    pub(super) fn put(&self, element: Element, resident: &Resident, old: Option<&Resident>) {
        if old.is_some_and(|old| old.line == resident.line && Arc::ptr_eq(&old.garden, &resident.garden)) {
            // Only the page has changed.
            return;
        }
        let garden = self.gardens.enter(&resident.garden);
        let mut written = self.lock();
        match Key::of(element) {
            Key { kind: LONGER, .. } if old.is_some() => {}
            key @ Key { kind: LONGER, .. } => self.count_longer(&mut written, key, 1),
            key => self.set(&mut written, key, Value::present(key.kind, resident.line, garden)),
        }
        drop(written);
        if let Some(old) = old {
            self.gardens.leave(&old.garden);
        }
    }

    /// Takes out who is there.
    pub(super) fn remove(&self, element: Element, old: &Resident) {
        let mut written = self.lock();
        match Key::of(element) {
            key @ Key { kind: LONGER, .. } => self.count_longer(&mut written, key, -1),
            key => self.set(&mut written, key, Value::absent(key.kind)),
        }
        drop(written);
        self.gardens.leave(&old.garden);
    }

    fn count_longer(&self, written: &mut Written, key: Key, change: i32) {
        let slots = self.shards[key.shard()].load();
        let now = slots.find(key).filter(|v| v.is_present()).map_or(0, |v| v.line().0);
        let then = now.saturating_add_signed(change);
        let value = if then == 0 { Value::absent(LONGER) } else { Value::present(LONGER, LineNo(then), GardenNo(0)) };
        self.set(written, key, value);
    }

    fn set(&self, written: &mut Written, key: Key, value: Value) {
        let shard = key.shard();
        let mut slots = self.shards[shard].load_full();
        let before = slots.find(key);
        if before.is_none() {
            if !value.is_present() {
                return;
            }
            // At most three quarters are used, so that a search for somebody who is not there ends soon.
            if (written.used[shard] + 1) * 4 > slots.0.len() * 3 {
                let (grown, used) = slots.grown();
                slots = Arc::new(grown);
                written.used[shard] = used;
                slots.write(key, value);
                self.shards[shard].store(slots);
            } else {
                slots.write(key, value);
            }
            written.used[shard] += 1;
        } else {
            slots.write(key, value);
        }
        let kind = usize::from(key.kind);
        match (before.is_some_and(Value::is_present), value.is_present()) {
            (false, true) => written.kinds[kind] += 1,
            (true, false) => written.kinds[kind] = written.kinds[kind].saturating_sub(1),
            _ => return,
        }
        let (word, bit) = (&self.in_use[kind / 64], 1 << (kind % 64));
        if written.kinds[kind] == 0 {
            word.fetch_and(!bit, Ordering::Release);
        } else {
            word.fetch_or(bit, Ordering::Release);
        }
    }

    /// A bit for each kind that has entries.
    fn kinds(&self) -> u128 {
        let [low, high] = [0, 1].map(|word: usize| self.in_use[word].load(Ordering::Acquire));
        u128::from(high) << 64 | u128::from(low)
    }

    // A writer that panicked would have done so between two stores of whole words; both are sound for readers.
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks residents up without a lock. One for each thread.
#[derive(Debug)]
pub struct Reader {
    view: Arc<GardenView>,
    tables: [Cache<Arc<ArcSwap<Slots>>, Arc<Slots>>; SHARDS],
}

impl Reader {
    /// For one thread.
    pub fn new(view: Arc<GardenView>) -> Self {
        let tables = array::from_fn(|shard| Cache::new(Arc::clone(&view.index.shards[shard])));
        Self { view, tables }
    }

    /// The view that is read.
    pub fn view(&self) -> &Arc<GardenView> {
        &self.view
    }

    /// Asks memory for what [`Self::find`] will look at, without waiting for it. At a million residents that is far away;
    /// who approaches a batch of clients first waits for all of them at once.
    pub fn approach(&mut self, address: IpAddr) {
        let mut touch = |key: Key| {
            let first = self.tables[key.shard()].load().path(key).next().map(|slot| slot.value.load(Ordering::Relaxed));
            // Nothing depends on it, so nothing waits for it.
            std::hint::black_box(first);
        };
        match address.to_canonical() {
            IpAddr::V4(a) => touch(Key::v4(a)),
            IpAddr::V6(a) => Key::candidates(a, self.view.index.kinds()).for_each(touch),
        }
    }

    /// Who is behind this address: what [`GardenView::resident`] would say, or [`Sight::Unsure`].
    pub fn find(&mut self, address: IpAddr) -> Sight {
        let sight = match address.to_canonical() {
            IpAddr::V4(a) => self.look(Key::v4(a)),
            IpAddr::V6(a) => Key::candidates(a, self.view.index.kinds()).find_map(|key| self.look(key)),
        };
        sight.unwrap_or(Sight::Nobody)
    }

    fn look(&mut self, key: Key) -> Option<Sight> {
        let value = self.tables[key.shard()].load().find(key).filter(|v| v.is_present())?;
        Some(match (key.kind, value.garden()) {
            (LONGER, _) | (_, GardenNo::UNKNOWN) => Sight::Unsure,
            (_, garden) => Sight::Line(value.line(), garden),
        })
    }
}

/// What a slot is found by.
#[derive(Clone, Copy, Debug)]
struct Key {
    word: u64,
    kind: u8,
}

impl Key {
    fn v4(address: Ipv4Addr) -> Self {
        Self { word: u32::from(address).into(), kind: V4 }
    }

    /// The keys under which an address may be found, the longest prefix first; `kinds` has a bit for each kind in use.
    fn candidates(address: Ipv6Addr, kinds: u128) -> impl Iterator<Item = Self> {
        let half = network_half(address);
        let mut kinds = kinds >> V6 << V6;
        std::iter::from_fn(move || {
            let kind = u8::try_from(127_u32.checked_sub(kinds.leading_zeros())?).ok()?;
            kinds &= !(1 << kind);
            Some(Self { word: masked(half, kind.saturating_sub(V6).min(LONGEST).into()), kind })
        })
    }

    fn of(element: Element) -> Self {
        match element {
            Element::V4(a) => Self::v4(a),
            Element::V6(net) if net.prefix_len() > LONGEST => Self { word: network_half(net.addr()), kind: LONGER },
            Element::V6(net) => {
                let length = net.prefix_len();
                Self { word: masked(network_half(net.addr()), length.into()), kind: V6 + length }
            }
        }
    }

    /// Addresses are the provider's own, nobody chooses them to collide: a multiplication spreads them.
    fn hash(self) -> u64 {
        let mixed = (self.word ^ (u64::from(self.kind) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    fn shard(self) -> usize {
        // The top six bits; slots are chosen by those below.
        (self.hash() >> 58) as usize % SHARDS
    }
}

fn network_half(address: Ipv6Addr) -> u64 {
    (u128::from(address) >> 64) as u64
}

fn masked(half: u64, length: u32) -> u64 {
    half & u64::MAX.checked_shl(64 - length.min(64)).unwrap_or(0)
}

/// A slot's second word. Never zero once the slot is used, as the kind is in it.
///
/// ```text
///  63        32 31       8 7    1 0
/// |    line    |  garden  | kind | present |
/// ```
#[derive(Clone, Copy, Debug)]
struct Value(u64);

impl Value {
    fn present(kind: u8, line: LineNo, garden: GardenNo) -> Self {
        Self(u64::from(line.0) << 32 | u64::from(garden.0.min(GardenNo::UNKNOWN.0)) << 8 | u64::from(kind) << 1 | 1)
    }

    fn absent(kind: u8) -> Self {
        Self(u64::from(kind) << 1)
    }

    fn is_present(self) -> bool {
        self.0 & 1 == 1
    }

    fn kind(self) -> u64 {
        self.0 >> 1 & 0x7f
    }

    fn garden(self) -> GardenNo {
        GardenNo((self.0 >> 8) as u32 & GardenNo::UNKNOWN.0)
    }

    fn line(self) -> LineNo {
        LineNo((self.0 >> 32) as u32)
    }
}

/// One shard's table: open addressing, a power of two of slots, never full.
#[derive(Debug)]
struct Slots(Box<[Slot]>);

#[derive(Debug, Default)]
struct Slot {
    key: AtomicU64,
    value: AtomicU64,
}

impl Slots {
    fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Slot::default()).collect())
    }

    /// The slots where a key may be, in order.
    fn path(&self, key: Key) -> impl Iterator<Item = &Slot> {
        let mask = self.0.len().wrapping_sub(1);
        let start = (key.hash() >> 16) as usize;
        (0..self.0.len()).filter_map(move |step| self.0.get(start.wrapping_add(step) & mask))
    }

    fn find(&self, key: Key) -> Option<Value> {
        for slot in self.path(key) {
            // The value is stored after the key and with Release, so the key belongs to it.
            let value = Value(slot.value.load(Ordering::Acquire));
            if value.0 == 0 {
                return None;
            }
            if value.kind() == u64::from(key.kind) && slot.key.load(Ordering::Relaxed) == key.word {
                return Some(value);
            }
        }
        None
    }

    /// Writes a key's value into its own slot or a free one. Writers only, one at a time.
    fn write(&self, key: Key, value: Value) {
        for slot in self.path(key) {
            let held = Value(slot.value.load(Ordering::Relaxed));
            if held.0 == 0 {
                slot.key.store(key.word, Ordering::Relaxed);
            } else if held.kind() != u64::from(key.kind) || slot.key.load(Ordering::Relaxed) != key.word {
                continue;
            }
            slot.value.store(value.0, Ordering::Release);
            return;
        }
    }

    /// Who is present, in a table with room for as many again; and their number.
    fn grown(&self) -> (Self, usize) {
        let present = || {
            self.0.iter().filter_map(|slot| {
                let value = Value(slot.value.load(Ordering::Relaxed));
                let key = Key { word: slot.key.load(Ordering::Relaxed), kind: u8::try_from(value.kind()).ok()? };
                value.is_present().then_some((key, value))
            })
        };
        let count = present().count();
        let grown = Self::new(((count + 1) * 2).next_power_of_two().max(FIRST_SLOTS));
        present().for_each(|(key, value)| grown.write(key, value));
        (grown, count)
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
