//! What the sources have spoken of, per source and report type: covered until when, and where the gaps are. Silence has to
//! be earned: it counts only where a feed has spoken; `machine::proof` asks.
//!
//! ```text
//! covered by a type = what its own files spoke of
//!                   + where the policy says that no file means "nothing seen" (`no_file`): what the source's other files
//!                     spoke of, once its own have had the time to come (`complete_after`)
//!                   − gaps: files of this type, or of an unknown one, that came and were not taken in
//!                   + what a person has confirmed
//! ```
//!
//! A file that was refused, is held, or broke off is a gap for everything that it could have spoken of, until it is taken
//! in after all (the same name, the same content, or the held delivery itself), or a person confirms the stretch. A late
//! addition that is taken in covers nothing.

mod sources;
mod stretch;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::sources::{FeedCoverage, SourceCoverage};
pub use self::stretch::Stretch;
use self::stretch::Stretches;
use crate::ids::{Feed, SourceName, TextRef};
use crate::policy::{NoFile, Source};
use crate::time::{Span, Timestamp};

/// All sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverages(BTreeMap<SourceName, Heard>);

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    /// When it last delivered something that was taken in.
    last_at: Option<Timestamp>,
    /// By report type: what its own files have spoken of, and what a person confirmed of it.
    feeds: BTreeMap<SmolStr, Stretches>,
    /// What the source as a whole has spoken of, every feed having had the time to come.
    complete: Stretches,
    /// Deliveries to which others may still come, in the order in which they came.
    incomplete: VecDeque<Incomplete>,
    /// What a person confirmed of the source as a whole.
    confirmed: Stretches,
    gaps: Vec<Gap>,
}

/// Deliveries that came within one [`BUNDLE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Incomplete {
    first_at: Timestamp,
    last_at: Timestamp,
    covers: Stretches,
}

/// A stretch of which a source has spoken, and what it said was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The report type that could have spoken; none if the type is unknown: then any of the source's.
    pub report: Option<SmolStr>,
    /// Of what it could have spoken.
    pub stretch: Stretch,
    /// Why it was not taken in.
    pub reason: GapReason,
    /// Which delivery this is, for people to look at.
    pub delivery: u64,
    /// What the file was.
    pub file: FileMark,
    /// Types of which a person has confirmed this stretch.
    except: Vec<SmolStr>,
}

/// What tells that a file is the same one again: another try, or a corrected copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Of its name, where the name says which day and report it is; none for `api` and the like.
    pub name: Option<TextRef>,
    /// Of its content.
    pub content: TextRef,
}

/// Why a file is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The program refused the file.
    Refused,
    /// It is held until a person has looked at it.
    Held,
    /// A person refused it, or nobody looked at it in time.
    Discarded,
    /// It broke off while it was taken in.
    BrokenOff,
    /// Too many of its rows could not be read.
    Unread,
}

/// How quiet a feed is about something last seen at a certain time. See [`Coverages::quiet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The last covered stretch without a gap, from the last sight of the trouble on; none if nothing is covered.
    pub stretch: Option<Stretch>,
    /// Gaps after the last sight of the trouble, in order.
    pub gaps: Vec<Hole>,
    /// Nothing has come for longer than the source may leave between two deliveries.
    pub late: bool,
    /// Nothing of this source that covers anything has ever come.
    pub never: bool,
}

/// A gap as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// When.
    pub stretch: Stretch,
    /// Why a file that came is missing, and its delivery; none where no file came at all.
    pub why: Option<(GapReason, u64)>,
}

/// Deliveries this close together become complete together; bounds what a source that delivers every minute takes.
const BUNDLE: Span = Span::from_hours(1);

/// At most this many report types are tracked per source; Shadowserver has 170. Further ones are never covered.
const FEEDS_MOST: usize = 512;

/// At most this many gaps are tracked per source. Beyond that, the two oldest become one gap of the whole source.
const GAPS_MOST: usize = 512;

/// The number of no delivery: they begin with 1.
const NO_DELIVERY: u64 = 0;

/// The same file without a date, once more within this time, says nothing new.
const SAME_DAY: Span = Span::from_hours(24);

/// Gaps that ended this long before the newest one are forgotten: no quarantine lasts as long.
const GAPS_KEPT: Span = Span::from_days(400);

impl GapReason {
    /// All.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Held, Self::Discarded, Self::BrokenOff, Self::Unread];

    /// As written in the API and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Discarded => "discarded",
            Self::BrokenOff => "broken-off",
            Self::Unread => "unread",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "its file was refused",
            Self::Held => "its file is held until somebody has looked at it",
            Self::Discarded => "its file was not accepted",
            Self::BrokenOff => "its file broke off while it was read",
            Self::Unread => "too many rows of its file could not be read",
        })
    }
}

impl FileMark {
    /// Whether one may be another try, or a corrected copy, of the other.
    pub fn is_again(&self, other: &Self) -> bool {
        self.content == other.content || (self.name.is_some() && self.name == other.name)
    }
}

impl Gap {
    /// A new one, of which nobody has confirmed anything.
    pub fn new(report: Option<SmolStr>, stretch: Stretch, reason: GapReason, delivery: u64, file: FileMark) -> Self {
        Self { report, stretch, reason, delivery, file, except: Vec::new() }
    }

    /// Whether a type's silence is interrupted by it.
    fn concerns(&self, report: &SmolStr) -> bool {
        self.report.as_ref().is_none_or(|r| r == report) && !self.except.contains(report)
    }
}

impl Coverages {
    /// A feed has spoken of a stretch, at `at`; of an empty one, if it only came.
    pub(crate) fn hear(&mut self, feed: &Feed, covers: Stretch, at: Timestamp, complete_after: Span) {
        let heard = self.0.entry(feed.source.clone()).or_default();
        heard.last_at = heard.last_at.max(Some(at));
        while let Some(first) = heard.incomplete.front().filter(|i| i.last_at.plus(complete_after) <= at) {
            heard.complete.add_all(&first.covers);
            heard.incomplete.pop_front();
        }
        if covers.is_empty() {
            return;
        }
        match heard.incomplete.back_mut().filter(|i| i.first_at.plus(BUNDLE) > at) {
            Some(bundle) => {
                bundle.last_at = bundle.last_at.max(at);
                bundle.covers.add(covers);
            }
            None => {
                let mut only = Stretches::default();
                only.add(covers);
                heard.incomplete.push_back(Incomplete { first_at: at, last_at: at, covers: only });
            }
        }
        let room = heard.feeds.len() < FEEDS_MOST;
        if room || heard.feeds.contains_key(&feed.report) {
            heard.feeds.entry(feed.report.clone()).or_default().add(covers);
        }
    }

    /// A file came and was not taken in. One of the same delivery takes the place of the older one.
    pub(crate) fn leave_open(&mut self, source: &SourceName, gap: Gap) {
        let heard = self.0.entry(source.clone()).or_default();
        heard.gaps.retain(|g| g.delivery != gap.delivery);
        let forgotten = gap.stretch.until.minus(GAPS_KEPT);
        heard.gaps.retain(|g| g.stretch.until > forgotten);
        heard.gaps.push(gap);
        heard.gaps.sort_by_key(|g| (g.stretch.until, g.stretch.from, g.delivery));
        while heard.gaps.len() > GAPS_MOST {
            let oldest = heard.gaps.remove(0);
            if let Some(next) = heard.gaps.first_mut() {
                next.stretch.from = next.stretch.from.min(oldest.stretch.from);
                next.report = next.report.take().filter(|r| oldest.report.as_ref() == Some(r));
                next.except.retain(|r| oldest.except.contains(r));
                // No single file fills what several have left open; a person may confirm it.
                next.delivery = NO_DELIVERY;
                next.file = FileMark { name: None, content: TextRef([0; 32]) };
            }
        }
    }

    /// A gap's file was taken in after all.
    pub(crate) fn fill(&mut self, source: &SourceName, delivery: u64) {
        if let Some(heard) = self.0.get_mut(source) {
            heard.gaps.retain(|g| g.delivery != delivery);
        }
    }

    /// A person has confirmed that the source had nothing more to say of a stretch: of one report type, or of all.
    pub(crate) fn confirm(&mut self, source: &SourceName, report: Option<&SmolStr>, stretch: Stretch) {
        let heard = self.0.entry(source.clone()).or_default();
        let mut left = Vec::new();
        for gap in heard.gaps.drain(..) {
            let stays = report.is_some() && gap.report.is_some() && gap.report.as_ref() != report;
            if stays || !gap.stretch.overlaps(stretch) {
                left.push(gap);
                continue;
            }
            left.extend(gap.stretch.without(stretch).map(|part| Gap { stretch: part, ..gap.clone() }));
            if let (Some(report), None) = (report, &gap.report) {
                let from = gap.stretch.from.max(stretch.from);
                let inside = Stretch { from, until: gap.stretch.until.min(stretch.until) };
                let mut except = gap.except.clone();
                if !except.contains(report) {
                    except.push(report.clone());
                }
                left.push(Gap { stretch: inside, except, ..gap });
            }
        }
        left.sort_by_key(|g| (g.stretch.until, g.stretch.from, g.delivery));
        heard.gaps = left;
        match report {
            None => heard.confirmed.add(stretch),
            Some(report) if heard.feeds.len() < FEEDS_MOST || heard.feeds.contains_key(report) => {
                heard.feeds.entry(report.clone()).or_default().add(stretch);
            }
            Some(_) => {}
        }
    }

    /// Gaps that a file fills when it is taken in as a feed's: its own, and those of files that it is again, unless they were of
    /// another type.
    pub(crate) fn filled_by(&self, feed: &Feed, delivery: u64, file: Option<&FileMark>) -> Vec<u64> {
        let gaps = self.0.get(&feed.source).map_or(&[][..], |heard| heard.gaps.as_slice());
        let is_again = |g: &Gap| {
            let same_type = g.report.as_ref().is_none_or(|report| *report == feed.report);
            same_type && file.is_some_and(|file| g.file.is_again(file))
        };
        let mut filled: Vec<u64> =
            gaps.iter().filter(|g| g.delivery == delivery || is_again(g)).map(|g| g.delivery).collect();
        filled.sort_unstable();
        filled.dedup();
        filled
    }

    /// Whether the same file is a gap already, for the same reason and of the same stretch: one error page may come in the
    /// place of many days' reports.
    pub(crate) fn has_gap(&self, source: &SourceName, gap: &Gap) -> bool {
        let known = self.0.get(source).map_or(&[][..], |heard| heard.gaps.as_slice());
        known.iter().any(|g| {
            let dateless = g.stretch.from == Timestamp::MIN && gap.stretch.from == Timestamp::MIN;
            // A dateless file that comes for a day and longer may be another day's each time.
            let same_time =
                g.stretch == gap.stretch || (dateless && gap.stretch.until < g.stretch.until.plus(SAME_DAY));
            g.file == gap.file && same_time && g.reason == gap.reason && g.report == gap.report
        })
    }

    /// Something of a source was taken in before.
    pub fn is_used(&self, source: &SourceName) -> bool {
        self.0.get(source).is_some_and(|heard| heard.last_at.is_some())
    }

    /// What a delivery has left open: the latest part, where a person has confirmed others.
    pub fn gap_of(&self, source: &SourceName, delivery: u64) -> Option<&Gap> {
        self.0.get(source)?.gaps.iter().rev().find(|g| g.delivery == delivery)
    }

    /// Whether a feed has spoken of all of a stretch itself.
    pub(crate) fn has_spoken_of(&self, feed: &Feed, stretch: Stretch) -> bool {
        let own = self.0.get(&feed.source).and_then(|heard| heard.feeds.get(&feed.report));
        own.is_some_and(|own| own.contain(stretch))
    }

    /// How quiet a feed is, by `now`, about something last seen at `since`.
    pub fn quiet(&self, feed: &Feed, source: &Source, since: Timestamp, now: Timestamp) -> Quiet {
        let heard = self.0.get(&feed.source);
        let gaps: Vec<&Gap> = heard
            .iter()
            .flat_map(|h| &h.gaps)
            .filter(|g| g.concerns(&feed.report) && g.stretch.until > since)
            .collect();
        let spoken = if source.expect_every <= Span::ZERO {
            // This source is no feed: its silence counts by the clock, except for what came and was not taken in.
            let mut all = Stretches::default();
            all.add(Stretch::before(now));
            all
        } else {
            heard.map(|h| h.spoken(&feed.report, source, now)).unwrap_or_default()
        };
        let never = spoken.last().is_none();
        let mut covered = spoken;
        gaps.iter().for_each(|g| covered.remove(g.stretch));
        let last = covered.last().map(|s| Stretch { from: s.from.max(since), until: s.until.min(now) });
        let known_until = last.map_or(since, |s| s.until);
        let late = !never && source.is_overdue(known_until, now);
        let mut holes: Vec<Hole> = gaps
            .iter()
            .map(|g| Hole { stretch: g.stretch.up_to(now), why: Some((g.reason, g.delivery)) })
            .filter(|hole| !hole.stretch.is_empty())
            .collect();
        holes.extend(no_file(&covered, &gaps, since).map(|stretch| Hole { stretch, why: None }));
        holes.sort_by_key(|h| (h.stretch.from, h.stretch.until));
        Quiet { stretch: last, gaps: holes, late, never }
    }
}

impl Heard {
    /// What a report type has spoken of by `now`, gaps not taken out.
    fn spoken(&self, report: &SmolStr, source: &Source, now: Timestamp) -> Stretches {
        let mut spoken = self.confirmed.clone();
        if let Some(own) = self.feeds.get(report) {
            spoken.add_all(own);
        }
        if source.no_file == NoFile::NothingSeen {
            spoken.add_all(&self.complete);
            let had_time = self.incomplete.iter().take_while(|i| i.last_at.plus(source.complete_after) <= now);
            had_time.for_each(|i| spoken.add_all(&i.covers));
        }
        spoken
    }
}

/// Where nothing came between what is covered, from `since` on and before the last covered moment.
fn no_file<'a>(covered: &'a Stretches, gaps: &'a [&Gap], since: Timestamp) -> impl Iterator<Item = Stretch> + 'a {
    let mut open = Stretches::default();
    if let Some(last) = covered.last() {
        open.add(Stretch { from: since, until: last.until });
    }
    covered.iter().for_each(|s| open.remove(s));
    gaps.iter().for_each(|g| open.remove(g.stretch));
    let found: Vec<Stretch> = open.iter().collect();
    found.into_iter()
}

#[cfg(test)]
mod tests;
