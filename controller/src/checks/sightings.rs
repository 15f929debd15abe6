//! What was seen of a line: read from the store, kept for some seconds, and put together by cause.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pratique_core::ids::LineNo;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::CauseCard;
use pratique_policy::INFORMATION;
use pratique_portal::{SeenCard, masked};
use pratique_store::{Reader, Seen, StoreError};
use smol_str::SmolStr;

/// The page says "in the last 24 hours".
const RECENT: Span = Span::from_hours(24);

/// The newest sightings of a line that are looked at: a bot that is seen each minute still shows its other causes.
const LOOKED_AT: u32 = 500;

/// What was seen of a line is kept so long: longer than a reload, shorter than anybody waits for news.
const KEPT_FOR: Span = Span::from_secs(15);

/// Lines kept at once; with causes of a few bytes each some MB at most.
const MOST: usize = 4_096;

/// What was read of a line.
pub(super) struct Read {
    at: Timestamp,
    pub(super) seen: Vec<Seen>,
    /// The address of its record, masked.
    pub(super) mail: Option<SmolStr>,
}

/// By line, never by address.
type ByLine = HashMap<LineNo, Arc<Read>>;

/// What was read lately.
#[derive(Default)]
pub(super) struct Kept(Mutex<ByLine>);

impl Kept {
    pub(super) async fn read(
        &self,
        line: LineNo,
        now: Timestamp,
        reader: &dyn Reader,
    ) -> Result<Arc<Read>, StoreError> {
        let fresh = |read: &Read| read.at <= now && now < read.at.plus(KEPT_FOR);
        if let Some(read) = self.lock().get(&line).filter(|read| fresh(read)) {
            return Ok(Arc::clone(read));
        }
        let seen = reader.seen_of(line, LOOKED_AT).await?;
        let mail = reader.contact(line).await?.email.and_then(|address| masked(&address));
        let read = Arc::new(Read { at: now, seen, mail });
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, read| fresh(read));
        }
        if kept.len() < MOST {
            kept.insert(line, Arc::clone(&read));
        }
        Ok(read)
    }

    // What is held is whole between two calls; a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, ByLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By cause, the last seen first. What only informs (which devices there are) is no trouble, and is left out.
pub(super) fn by_cause(seen: &[Seen], now: Timestamp) -> Vec<SeenCard> {
    let mut cards: Vec<SeenCard> = Vec::new();
    for one in seen.iter().filter(|one| one.cause.as_str() != INFORMATION) {
        let at = one.observed_at;
        match cards.iter_mut().find(|card| card.cause.cause == one.cause) {
            Some(SeenCard { cause, .. }) => {
                if one.device.is_some() && (cause.device.is_none() || at >= cause.last_seen) {
                    cause.device.clone_from(&one.device);
                }
                cause.first_seen = cause.first_seen.min(at);
                cause.last_seen = cause.last_seen.max(at);
                cause.count = cause.count.saturating_add(1);
            }
            None => {
                let (cause, device) = (one.cause.clone(), one.device.clone());
                let cause = CauseCard { cause, first_seen: at, last_seen: at, count: 1, device };
                cards.push(SeenCard { cause, recent: false });
            }
        }
    }
    for card in &mut cards {
        card.recent = card.cause.last_seen.plus(RECENT) > now;
    }
    cards.sort_by_key(|card| std::cmp::Reverse(card.cause.last_seen));
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + hours * 3_600)
    }

    fn seen(cause: &str, hours: i64, device: Option<&str>) -> Seen {
        Seen { cause: cause.into(), observed_at: at(hours), device: device.map(Into::into) }
    }

    #[test]
    fn sightings_become_one_card_per_cause_and_the_last_day_is_told_from_before() {
        let all = [
            seen("mirai", -2, None),
            seen("mirai", -30, Some("camera")),
            seen("open-dns-resolver", -24, None),
            seen("mirai", -5, Some("recorder")),
            seen("information", -1, Some("phone")),
        ];
        let cards = by_cause(&all, at(0));
        assert_eq!(cards.len(), 2, "{cards:?}");
        let mirai = &cards[0].cause;
        assert_eq!((mirai.cause.as_str(), mirai.count, cards[0].recent), ("mirai", 3, true));
        assert_eq!((mirai.first_seen, mirai.last_seen), (at(-30), at(-2)));
        assert_eq!(mirai.device.as_deref(), Some("camera"));
        assert!(!cards[1].recent, "24 hours ago is not within the last 24 hours");
    }
}
