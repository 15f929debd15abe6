//! The page's news as server-sent events (WHATWG HTML, section 9.2), for browsers with scripts: `changed` when the case says
//! something new, `free` when the line is out. Everybody else reloads.
//!
//! A watch looks at the view twice a second: two lookups cost less than keeping a list of who waits, and the view stays
//! without writers' duties.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use pratique_core::view::{CaseCard, GardenView, Resident};
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks: released within two seconds shall be seen within two seconds.
const EVERY: Duration = Duration::from_millis(500);
/// Looks without news before a sign of life: a router forgets a silent connection after a minute at the earliest.
const QUIET: u32 = 40;
/// A browser comes again this long after the end of a connection, in milliseconds.
const AGAIN: &str = "retry: 3000\n\n";

/// One browser's watch over its line.
pub(crate) struct Watch {
    view: Arc<GardenView>,
    stopping: Arc<AtomicBool>,
    peer: IpAddr,
    /// What the page showed, until it is known which resident that is.
    shown: Mark,
    seen: Option<Arc<Resident>>,
    turn: Turn,
    quiet: u32,
    state: State,
}

/// Ready when it is time for another look.
type Turn = Box<dyn FnMut(&mut Context<'_>) -> Poll<()> + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begun,
    Watching,
    Over,
}

/// Which state of a case a page shows: equal for equal cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn of(card: &CaseCard) -> Self {
        let mut hasher = DefaultHasher::new();
        // A card is plain data; one that could not be written would only look changed.
        serde_json::to_vec(card).unwrap_or_default().hash(&mut hasher);
        Self(hasher.finish())
    }

    /// From a query such as `m=00ff…`; anything else is a mark that no card has.
    pub(crate) fn read(query: Option<&str>) -> Self {
        let digits = query.and_then(|query| query.strip_prefix("m="));
        Self(digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default())
    }

    /// As a query.
    pub(crate) fn query(self) -> String {
        format!("m={:x}", self.0)
    }
}

impl Watch {
    pub(crate) fn new(view: Arc<GardenView>, stopping: Arc<AtomicBool>, peer: IpAddr, shown: Mark) -> Self {
        let mut turn = interval(EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::that_looks(Box::new(move |cx| turn.poll_tick(cx).map(drop)), view, stopping, peer, shown)
    }

    fn that_looks(turn: Turn, view: Arc<GardenView>, stopping: Arc<AtomicBool>, peer: IpAddr, shown: Mark) -> Self {
        Self { view, stopping, peer, shown, seen: None, turn, quiet: 0, state: State::Begun }
    }

    /// The next piece; none at the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.state == State::Begun {
            self.state = State::Watching;
            return Poll::Ready(Some(Bytes::from_static(AGAIN.as_bytes())));
        }
        while self.state == State::Watching {
            ready!((self.turn)(cx));
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            if let Some(news) = self.look() {
                self.quiet = 0;
                return Poll::Ready(Some(Bytes::from_static(news.as_bytes())));
            }
            self.quiet += 1;
            if self.quiet >= QUIET {
                self.quiet = 0;
                return Poll::Ready(Some(Bytes::from_static(b":\n\n")));
            }
        }
        self.state = State::Over;
        Poll::Ready(None)
    }

    fn look(&mut self) -> Option<&'static str> {
        let Some(now) = self.view.resident(self.peer) else {
            self.state = State::Over;
            return Some("event: free\ndata:\n\n");
        };
        let same = match &self.seen {
            Some(seen) => Arc::ptr_eq(seen, &now) || seen.card == now.card,
            None => self.shown == Mark::of(&now.card),
        };
        self.seen = Some(now);
        (!same).then_some("event: changed\ndata:\n\n")
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::Ipv4Addr;

    use pratique_core::allow::AllowList;
    use pratique_core::plan::Element;

    use super::*;

    const HOME: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    async fn next(watch: &mut Watch) -> Option<String> {
        poll_fn(|cx| watch.poll_next(cx)).await.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A watch over the home in made time: the next look is always due.
    fn watch(view: &Arc<GardenView>, stopping: Arc<AtomicBool>, shown: Mark) -> Watch {
        Watch::that_looks(Box::new(|_| Poll::Ready(())), Arc::clone(view), stopping, HOME.into(), shown)
    }

    fn put(view: &GardenView, change: impl FnOnce(&mut CaseCard)) -> Mark {
        let mut card = Resident::for_test(7, "mirai", AllowList::default()).card.clone();
        change(&mut card);
        let mark = Mark::of(&card);
        let resident = Resident { case: card.case, line: pratique_core::ids::LineNo(1), garden: Arc::default(), card };
        view.put(Element::V4(HOME), Arc::new(resident));
        mark
    }

    #[tokio::test]
    async fn news_come_once_each_and_the_last_is_freedom() {
        let view = Arc::new(GardenView::default());
        let shown = put(&view, |_| ());
        let mut watch = watch(&view, Arc::default(), shown);
        assert_eq!(next(&mut watch).await.unwrap(), AGAIN);
        assert_eq!(next(&mut watch).await.unwrap(), ":\n\n", "nothing has happened");
        put(&view, |card| card.checking_since = Some(card.since));
        assert_eq!(next(&mut watch).await.unwrap(), "event: changed\ndata:\n\n");
        put(&view, |card| card.checking_since = Some(card.since));
        assert_eq!(next(&mut watch).await.unwrap(), ":\n\n", "the same once more is no news");
        view.remove(Element::V4(HOME));
        assert_eq!(next(&mut watch).await.unwrap(), "event: free\ndata:\n\n");
        assert_eq!(next(&mut watch).await, None);
    }

    #[tokio::test]
    async fn a_page_that_was_old_when_the_watch_began_is_told() {
        let view = Arc::new(GardenView::default());
        let shown = put(&view, |_| ());
        put(&view, |card| card.version += 1);
        for shown in [shown, Mark::read(None), Mark::read(Some("m=zz")), Mark::read(Some(&shown.query()))] {
            let mut watch = watch(&view, Arc::default(), shown);
            next(&mut watch).await;
            assert_eq!(next(&mut watch).await.unwrap(), "event: changed\ndata:\n\n");
        }
    }

    #[tokio::test]
    async fn a_watch_ends_when_the_portal_stops() {
        let (view, stopping) = (Arc::new(GardenView::default()), Arc::new(AtomicBool::new(false)));
        let shown = put(&view, |_| ());
        let mut watch = watch(&view, Arc::clone(&stopping), shown);
        next(&mut watch).await;
        stopping.store(true, Ordering::Relaxed);
        assert_eq!(next(&mut watch).await, None);
    }
}
