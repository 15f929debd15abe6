//! What was told of one line on one holding, put together to sessions.
//!
//! What is told are facts: "it holds this since x", or "it held this from x to y". The same fact comes again and again, in
//! any order, and with a start that jitters (accounting computes it as now − Acct-Session-Time). These rules make sessions of
//! them; each looks only at the set of the facts, so that any order and repetition gives the same:
//!
//! 1. **One start.** Starts that lie within `start_jitter` of each other, one to the next, are one start, and so one session.
//!    It began at the earliest of them.
//! 2. **An end that was told stays.** A session has ended at the latest end told of it, also if a list that says "it lasts"
//!    with the same start comes afterwards: that list is older than the end, or contradicts it, and neither may bring an
//!    address back to a line that has left it. Only a start that was told at or after the end shows that the line is back.
//! 3. **A newer start ends what came before.** A line has one session on a holding at a time. One whose end nobody told ended
//!    when the next one began; then it has no gap to it, so both are one tenure. One that lasts is not ended by the late stop of an
//!    older session (a NAS that gives an old session up after the new one began).
//!
//! ```text
//! told      08:00:00–      08:00:01–      08:00:01–09:00:00          a second off, then the end
//! session   [08:00:00, 09:00:00)
//!
//! told      07:00–         08:00–08:30    09:00–                     one stop was lost
//! sessions  [07:00, 08:00)[08:00, 08:30)  [09:00, …)
//! ```
//!
//! 4. **What its gateway does ends it, too.** A session that is known to have lasted up to `heard` ended at the first moment after
//!    that at which its gateway restarted or listed all it had ([`Bounds::cut`]). An end that was told with the session's start
//!    stands against that, and a fact that it lasted on takes it back. Where nothing at all ends it within its source's
//!    `stale_after`, and the gateway went on speaking of others, it ended where it was heard of last ([`Bounds::stale`]).
//! 5. **A session id is one session.** Its stop ends what bears it, and so does another line that gets it from the same
//!    gateway ([`Bounds::over`]).
//!
//! Of a session only the earliest and latest start, the last moment at which it lasted and the latest end are kept: nothing
//! else of its facts can ever make a difference.

use super::Effect;
use super::push_tightly;
use crate::ids::LineNo;
use crate::session::{Ending, Holding, KnownSession, Session};
use crate::time::{Span, Timestamp};

/// Ports of a whole address or prefix.
pub(super) const ALL_PORTS: (u16, u16) = (0, u16::MAX);

/// That a session lasted on is written to the store in steps of this: facts that say so come every few minutes for each
/// session, and after a restart the next one says it again.
const HEARD_STEP: Span = Span::from_mins(10);

/// One session of a line on a holding. 40 bytes: most of the directory's memory is made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenure {
    /// The earliest start that was told.
    pub(super) from: Timestamp,
    /// First moment after; [`Timestamp::MAX`] while it lasts.
    pub(super) to: Timestamp,
    /// The last moment at which a fact says that it lasted; never before the latest start.
    pub(super) heard: Timestamp,
    pub(super) line: LineNo,
    /// The latest start that was told, in ms after `from`.
    spread: u32,
    /// First and last port; [`ALL_PORTS`] for a whole address or prefix.
    pub(super) ports: (u16, u16),
    pub(super) nas: u16,
    /// How `to` is known.
    pub(super) ending: Ending,
}

/// What else than its own facts ends a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// Over at the latest here, whatever was heard: the session id was stopped, or given to another line.
    pub(super) over: Option<Timestamp>,
    /// The gateway had it no more here, which is after [`Tenure::heard`].
    pub(super) cut: Option<Timestamp>,
    /// Whether something should have been heard of it again up to here.
    pub(super) stale: Option<Silence>,
}

/// By when a session should have been heard of again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub(super) limit: Timestamp,
    /// Its gateway was heard of then or later.
    pub(super) broken: bool,
}

/// How a fact is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// For itself.
    Alone,
    /// As one of all that a gateway has. That it lasted then follows for the store from the gateway's list as a whole, and need
    /// not be written for each.
    Listed,
    /// For itself, and if it ended at this moment because of another session, that is judged anew.
    Anew(Timestamp),
}

/// What a fact did to the tenures of its holding.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) effect: Effect,
    /// The gateway of the session by which the line held this at the end of what was known before; none if it did not.
    pub(super) live_before: Option<u16>,
    /// And now.
    pub(super) live_after: Option<u16>,
    /// The gateway of the fact's session.
    pub(super) nas: u16,
    /// It was not that of one that is part of it.
    pub(super) is_new_nas: bool,
    /// Tenures that are new or different: that of the fact, and the one before it.
    pub(super) put: [Option<Tenure>; 2],
    /// Tenures that are part of another one now; the key is `from`.
    pub(super) gone: Vec<Tenure>,
}

impl Tenure {
    /// As one fact tells it, which was true up to `heard`.
    pub(super) fn told(session: &Session, heard: Timestamp) -> Self {
        Self {
            from: session.from,
            to: session.to,
            heard: heard.max(session.from),
            line: session.line,
            spread: 0,
            ports: super::ports(session.holding),
            nas: session.nas,
            ending: Ending::Told,
        }
    }

    /// As it was stored.
    pub(super) fn restored(known: &KnownSession) -> Self {
        let spread = spread(known.session.from, known.last_start);
        let heard = known.heard.max(known.last_start);
        Self { spread, ending: known.ending, ..Self::told(&known.session, heard) }
    }

    /// As it is stored.
    pub(super) fn known(&self, holding: Holding) -> KnownSession {
        let session = Session { line: self.line, holding, nas: self.nas, from: self.from, to: self.to };
        KnownSession { session, last_start: self.last_start(), heard: self.heard, ending: self.ending }
    }

    pub(super) fn is_live(&self) -> bool {
        self.to == Timestamp::MAX
    }

    /// Whether a start that was told is one of this session's.
    pub(super) fn began_at(&self, start: Timestamp) -> bool {
        self.from <= start && start <= self.last_start()
    }

    pub(super) fn last_start(&self) -> Timestamp {
        self.from.plus(Span::from_millis(self.spread.into()))
    }

    /// The end, where one was told.
    fn told_end(&self) -> Option<Timestamp> {
        (!self.is_live() && self.ending == Ending::Told).then_some(self.to)
    }

    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.line == other.line && self.ports == other.ports
    }

    /// Rule 1.
    fn same_start(&self, other: &Self, jitter: Span) -> bool {
        self.from <= other.last_start().plus(jitter) && other.from <= self.last_start().plus(jitter)
    }

    /// Rules 1 and 2: both are the same session.
    fn merged(self, told: Self, taking: Taking) -> Self {
        let (from, last) = (self.from.min(told.from), self.last_start().max(told.last_start()));
        let heard = self.heard.max(told.heard);
        let both = [self, told];
        // Where what ended it is not known any more, it stays ended. Ends up to the last start say nothing.
        let kept = |ending, after| {
            both.iter().filter(move |t| t.ending == ending && !t.is_live() && t.to > after).map(|t| t.to)
        };
        let merged = Self { from, to: Timestamp::MAX, heard, spread: spread(from, last), ending: Ending::Told, ..self };
        let over = kept(Ending::Superseded, last).filter(|to| taking != Taking::Anew(*to)).min();
        let cut = kept(Ending::CutOff, heard).min();
        let merged = match (kept(Ending::Told, last).max(), kept(Ending::Stale, heard).min()) {
            (Some(to), _) => Self { to, ..merged },
            (None, Some(to)) => Self { to, ending: Ending::Stale, ..merged },
            (None, None) => merged.bounded(Bounds { over, cut, stale: None }),
        };
        // What heard of it last is its gateway, if that was more than its start.
        let older = told.heard < self.heard && self.heard > self.last_start();
        let nas = if told.nas == 0 || (older && self.nas != 0) { self.nas } else { told.nas };
        Self { nas, ..merged }
    }

    /// Rule 3, beside the start of the line's next session; rules 4 and 5.
    fn bounded(self, Bounds { over, cut, stale }: Bounds) -> Self {
        if self.told_end().is_some() {
            return self;
        }
        let was_stale = self.ending == Ending::Stale;
        let mut ended = if was_stale { Self { to: Timestamp::MAX, ending: Ending::Told, ..self } } else { self };
        if let Some(to) = over.filter(|over| *over <= ended.to && *over > self.last_start()) {
            ended = Self { to, ending: Ending::Superseded, ..ended };
        }
        if let Some(to) = cut.filter(|cut| *cut < ended.to) {
            ended = Self { to, ending: Ending::CutOff, ..ended };
        }
        let is_stale = match stale {
            Some(silence) => silence.broken && ended.to > silence.limit,
            // Its source has no limit any more; what was over stays over.
            None => was_stale && self.to < ended.to,
        };
        // The last moment at which it is known to have lasted is its own.
        let to = self.heard.plus(Span::from_millis(1));
        if is_stale { Self { to, ending: Ending::Stale, ..ended } } else { ended }
    }

    /// Whether its end is known neither from a fact nor from what came before it should have been heard of again.
    pub(super) fn is_open_after(&self, stale_after: Span) -> bool {
        self.told_end().is_none() && self.to > self.heard.plus(stale_after)
    }

    /// Whether it is known to have lasted on after this moment, and the store may know only that it lasted before.
    pub(super) fn may_be_stored_before(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.heard && step(at) == step(self.heard)
    }

    /// Whether the store would write the same.
    fn is_stored_as(&self, other: &Self, taking: Taking) -> bool {
        let same_step = step(self.heard) == step(other.heard);
        Self { heard: other.heard, ..*self } == *other && (taking == Taking::Listed || same_step)
    }
}

/// Takes a fact into the tenures of its address or prefix, which are those of all lines. `bounds` says what else ends a session
/// of the fact's line and holding.
pub(super) fn take(
    tenures: &mut Vec<Tenure>,
    told: Tenure,
    jitter: Span,
    taking: Taking,
    bounds: impl Fn(&Tenure) -> Bounds,
) -> Taken {
    let live = |tenures: &[Tenure]| tenures.iter().find(|t| t.is_of(&told) && t.is_live()).map(|t| t.nas);
    let live_before = live(tenures);
    // At most two, one on either side: those that are known lie further apart than the jitter.
    let mut absorbed: Vec<Tenure> = Vec::new();
    let mut merged = told;
    if let Some(at) = tenures.iter().position(|t| t.is_of(&told) && t.same_start(&told, jitter)) {
        let first = tenures.swap_remove(at);
        merged = first.merged(told, taking);
        absorbed.push(first);
        while let Some(at) = tenures.iter().position(|t| t.is_of(&merged) && t.same_start(&merged, jitter)) {
            let next = tenures.swap_remove(at);
            merged = next.merged(merged, taking);
            absorbed.push(next);
        }
    }
    let own = || tenures.iter().enumerate().filter(|(_, t)| t.is_of(&told));
    let next = own().map(|(_, t)| t.from).filter(|from| *from > merged.from).min();
    let before = own().filter(|(_, t)| t.from < merged.from).max_by_key(|(_, t)| t.from).map(|(at, _)| at);
    let until = |next: Option<Timestamp>, t: &Tenure| {
        let bounds = bounds(t);
        Bounds { over: [next, bounds.over].into_iter().flatten().min(), ..bounds }
    };
    merged = merged.bounded(until(next, &merged));
    let mut put = [None; 2];
    if let Some(before) = before.and_then(|at| tenures.get_mut(at)) {
        let ended = before.bounded(until(Some(merged.from), before));
        if ended != *before {
            *before = ended;
            put[1] = Some(ended);
        }
    }
    push_tightly(tenures, merged);
    let live_after = live(tenures);
    let mut gone = absorbed.clone();
    gone.retain(|t| t.from != merged.from);
    if !matches!(absorbed[..], [ref one] if one.is_stored_as(&merged, taking)) {
        put[0] = Some(merged);
    }
    let effect = match absorbed[..] {
        [] if merged.is_live() => Effect::Started,
        [] => Effect::Past,
        _ if live_before.is_none() && live_after.is_some() => Effect::Started,
        _ if live_before.is_some() && live_after.is_none() => Effect::Ended,
        [one] if (one.to, one.nas, one.ending) == (merged.to, merged.nas, merged.ending) => Effect::Unchanged,
        _ => Effect::Changed,
    };
    let is_new_nas = absorbed.iter().all(|t| t.nas != merged.nas);
    Taken { effect, live_before, live_after, nas: merged.nas, is_new_nas, put, gone }
}

/// Whether two lines claim the same now.
pub(super) fn clash(tenures: &[Tenure]) -> bool {
    let live = || tenures.iter().filter(|t| t.is_live());
    let meets = |a: &Tenure, b: &Tenure| a.line != b.line && a.ports.0 <= b.ports.1 && b.ports.0 <= a.ports.1;
    live().enumerate().any(|(i, a)| live().skip(i + 1).any(|b| meets(a, b)))
}

/// That a session lasted is written once in each of these.
fn step(heard: Timestamp) -> i64 {
    heard.as_millis().div_euclid(HEARD_STEP.as_millis())
}

/// A chain of jittering starts is seconds long; one of 49 days would end here.
fn spread(from: Timestamp, last: Timestamp) -> u32 {
    u32::try_from(last.since(from).as_millis()).unwrap_or(u32::MAX)
}
