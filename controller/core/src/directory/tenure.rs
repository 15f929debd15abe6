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
//! Of a session only the earliest and latest start and the latest end are kept: nothing else of its facts can ever make a
//! difference.

use super::Effect;
use super::push_tightly;
use crate::ids::LineNo;
use crate::session::{Holding, KnownSession, Session};
use crate::time::{Span, Timestamp};

/// Ports of a whole address or prefix.
pub(super) const ALL_PORTS: (u16, u16) = (0, u16::MAX);

/// One session of a line on a holding. 32 bytes: most of the directory's memory is made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenure {
    /// The earliest start that was told.
    pub(super) from: Timestamp,
    /// First moment after; [`Timestamp::MAX`] while it lasts.
    pub(super) to: Timestamp,
    pub(super) line: LineNo,
    /// The latest start that was told, in ms after `from`.
    spread: u32,
    /// First and last port; [`ALL_PORTS`] for a whole address or prefix.
    pub(super) ports: (u16, u16),
    pub(super) nas: u16,
    /// `to` was not told: a newer session ended it.
    superseded: bool,
}

/// What a fact did to the tenures of its holding.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) effect: Effect,
    /// Whether the line held this at the end of what was known before.
    pub(super) live_before: bool,
    /// And now.
    pub(super) live_after: bool,
    /// Tenures that are new or different: that of the fact, and the one before it.
    pub(super) put: [Option<Tenure>; 2],
    /// Tenures that are part of another one now; the key is `from`.
    pub(super) gone: Vec<Tenure>,
}

impl Tenure {
    /// As one fact tells it.
    pub(super) fn told(session: &Session) -> Self {
        Self {
            from: session.from,
            to: session.to,
            line: session.line,
            spread: 0,
            ports: super::ports(session.holding),
            nas: session.nas,
            superseded: false,
        }
    }

    /// As it was stored.
    pub(super) fn restored(known: &KnownSession) -> Self {
        let spread = spread(known.session.from, known.last_start);
        Self { spread, superseded: known.superseded, ..Self::told(&known.session) }
    }

    /// As it is stored.
    pub(super) fn known(&self, holding: Holding) -> KnownSession {
        let session = Session { line: self.line, holding, nas: self.nas, from: self.from, to: self.to };
        KnownSession { session, last_start: self.last_start(), superseded: self.superseded }
    }

    pub(super) fn is_live(&self) -> bool {
        self.to == Timestamp::MAX
    }

    fn last_start(&self) -> Timestamp {
        self.from.plus(Span::from_millis(self.spread.into()))
    }

    /// The end, where one was told.
    fn told_end(&self) -> Option<Timestamp> {
        (!self.is_live() && !self.superseded).then_some(self.to)
    }

    fn is_of(&self, other: &Self) -> bool {
        self.line == other.line && self.ports == other.ports
    }

    /// Rule 1.
    fn same_start(&self, other: &Self, jitter: Span) -> bool {
        self.from <= other.last_start().plus(jitter) && other.from <= self.last_start().plus(jitter)
    }

    /// Rules 1 and 2: both are the same session.
    fn merged(self, told: Self) -> Self {
        let (from, last) = (self.from.min(told.from), self.last_start().max(told.last_start()));
        let end = self.told_end().max(told.told_end()).filter(|end| *end > last);
        // Where the next session is not known any more, what it ended stays ended. Ends up to the last start say nothing.
        let next = [self, told].iter().filter(|t| t.superseded && t.to > last).map(|t| t.to).min();
        let superseded = end.is_none() && next.is_some();
        let to = end.or(next).unwrap_or(Timestamp::MAX);
        let nas = if told.nas == 0 { self.nas } else { told.nas };
        Self { from, to, spread: spread(from, last), nas, superseded, ..self }
    }

    /// Rule 3, beside the start of the line's next session.
    fn ended_by(self, next: Timestamp) -> Self {
        if self.told_end().is_some() { self } else { Self { to: self.to.min(next), superseded: true, ..self } }
    }
}

/// Takes a fact into the tenures of its address or prefix, which are those of all lines.
pub(super) fn take(tenures: &mut Vec<Tenure>, told: Tenure, jitter: Span) -> Taken {
    let live = |tenures: &[Tenure]| tenures.iter().any(|t| t.is_of(&told) && t.is_live());
    let live_before = live(tenures);
    // At most two, one on either side: those that are known lie further apart than the jitter.
    let mut absorbed: Vec<Tenure> = Vec::new();
    let mut merged = told;
    if let Some(at) = tenures.iter().position(|t| t.is_of(&told) && t.same_start(&told, jitter)) {
        let first = tenures.swap_remove(at);
        merged = first.merged(told);
        absorbed.push(first);
        while let Some(at) = tenures.iter().position(|t| t.is_of(&merged) && t.same_start(&merged, jitter)) {
            let next = tenures.swap_remove(at);
            merged = next.merged(merged);
            absorbed.push(next);
        }
    }
    let own = || tenures.iter().enumerate().filter(|(_, t)| t.is_of(&told));
    let next = own().map(|(_, t)| t.from).filter(|from| *from > merged.from).min();
    let before = own().filter(|(_, t)| t.from < merged.from).max_by_key(|(_, t)| t.from).map(|(at, _)| at);
    if let Some(next) = next {
        merged = merged.ended_by(next);
    }
    let mut put = [None; 2];
    if let Some(before) = before.and_then(|at| tenures.get_mut(at)) {
        let ended = before.ended_by(merged.from);
        if ended != *before {
            *before = ended;
            put[1] = Some(ended);
        }
    }
    push_tightly(tenures, merged);
    let live_after = live(tenures);
    let mut gone = absorbed.clone();
    gone.retain(|t| t.from != merged.from);
    if absorbed[..] != [merged] {
        put[0] = Some(merged);
    }
    let effect = match absorbed[..] {
        [] if merged.is_live() => Effect::Started,
        [] => Effect::Past,
        _ if !live_before && live_after => Effect::Started,
        _ if live_before && !live_after => Effect::Ended,
        [one] if (one.to, one.nas, one.superseded) == (merged.to, merged.nas, merged.superseded) => Effect::Unchanged,
        _ => Effect::Changed,
    };
    Taken { effect, live_before, live_after, put, gone }
}

/// Whether two lines claim the same now.
pub(super) fn clash(tenures: &[Tenure]) -> bool {
    let live = || tenures.iter().filter(|t| t.is_live());
    let meets = |a: &Tenure, b: &Tenure| a.line != b.line && a.ports.0 <= b.ports.1 && b.ports.0 <= a.ports.1;
    live().enumerate().any(|(i, a)| live().skip(i + 1).any(|b| meets(a, b)))
}

/// A chain of jittering starts is seconds long; one of 49 days would end here.
fn spread(from: Timestamp, last: Timestamp) -> u32 {
    u32::try_from(last.since(from).as_millis()).unwrap_or(u32::MAX)
}
