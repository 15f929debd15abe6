//! Enforcers elsewhere that are told line by line: a provisioning system over HTTP, later gateways over RADIUS.
//!
//! ```text
//!  settle ─▶ lines that differ ─▶ ┌────────────┐ take ─▶ ledger (what is about to be told) ─▶ LineEnforcer::tell
//!                                 │ Reconciler │                                                  │
//!                                 └────────────┘ ◀──── done, refused, later ◀─────────────────────┤
//!                                       └─ now and then ─▶ LineEnforcer::look ─▶ as told, or differs ─▶ told again
//! ```
//!
//! Per line only the newest order counts, one request is under way, and a release goes before everything else. A quarantine is
//! in the [`ledger`] before it leaves the house, so whatever happens later, it is known that it has to be taken back. Nothing
//! here can keep the wall of this machine waiting, and nothing here frees or quarantines by itself: all follows the plan.
//!
//! * [`reconcile`]: which line is to be told or looked at next; pure, time is a parameter
//! * [`ledger`]: what enforcers were told, on disk; [`driver`]: the task that brings the three together
//! * [`metrics`]: what the NOC graphs

pub mod driver;
pub mod ledger;
pub mod metrics;
mod pace;
pub mod reconcile;

use pratique_core::ids::{CaseId, LineNo, Seq, SubscriberId};
use pratique_core::plan::LineSession;
use pratique_core::time::{Moment, Span, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::driver::Remote;
pub use self::reconcile::Reconciler;

/// What is wanted of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// It is in quarantine.
    Quarantined,
    /// It is not.
    Free,
}

impl Wanted {
    /// As in requests, metrics and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Free => "free",
        }
    }
}

/// What an enforcer is to make so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Our number of the line.
    pub line: LineNo,
    /// The provider's own id of it.
    pub subscriber: SubscriberId,
    /// The case that asks for it, or asked last.
    pub case: CaseId,
    /// What is wanted.
    pub wanted: Wanted,
    /// What a quarantined line holds now; nothing of one that is to be free.
    pub sessions: Vec<LineSession>,
    /// Grows with each order, also across restarts: what comes late and has a smaller one is old. Milliseconds since 1970 when the
    /// order was made, or one more than the last.
    pub revision: u64,
    /// The log position it follows from.
    pub position: Seq,
}

/// What an enforcer has of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// What it was told.
    AsTold,
    /// Something else, in words.
    Other(SmolStr),
}

/// Why a line could not be told or looked at. Words of a refusal may be the enforcer's own, and so only staff read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Not for this line, as things are. Tried again all the same, but not soon: a person has to change something.
    Refused(SmolStr),
    /// It may go better for this line later; not before this has passed, if the enforcer says so.
    Later(SmolStr, Option<Span>),
    /// Nobody can be told now.
    Down(SmolStr, Option<Span>),
}

impl Trouble {
    /// In words.
    pub const fn why(&self) -> &SmolStr {
        match self {
            Self::Refused(why) | Self::Later(why, _) | Self::Down(why, _) => why,
        }
    }

    /// As in metrics.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Later(..) => "later",
            Self::Down(..) => "down",
        }
    }
}

/// Something that is told line by line. It is asked from several threads, never twice at once for one line.
pub trait LineEnforcer: Send + Sync + 'static {
    /// Of which kind it is.
    fn kind(&self) -> &'static str;

    /// Makes it so; blocks until that is acknowledged. The same order comes again, with the same revision, until it is.
    ///
    /// # Errors
    /// When it was not acknowledged. It may have been done all the same.
    fn tell(&self, order: &Order, now: Timestamp) -> Result<(), Trouble>;

    /// What it has of a line; blocks. An acknowledgement alone proves nothing.
    ///
    /// # Errors
    /// When it cannot be seen; that is never "as told".
    fn look(&self, order: &Order, now: Timestamp) -> Result<Seen, Trouble>;
}

/// How fast, how often, and when again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// Lines told per second.
    pub per_second: u32,
    /// Requests under way at once.
    pub at_once: u32,
    /// Lines looked at per minute.
    pub looks_per_minute: u32,
    /// The pause after the first failure of a line; it doubles …
    pub retry_first: Span,
    /// … up to this.
    pub retry_most: Span,
}

impl Default for Pace {
    fn default() -> Self {
        // What a provisioning system bears beside its daily work. The longest pause is what a release can wait after a failure
        // has ended.
        Self {
            per_second: 10,
            at_once: 4,
            looks_per_minute: 60,
            retry_first: Span::from_secs(2),
            retry_most: Span::from_mins(5),
        }
    }
}

impl Pace {
    /// What serde cannot see, each with its remedy; `at` is what stands before the names of its fields.
    pub fn problems(&self, at: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut bounds = |field: &str, value: u32, most: u32| {
            if value == 0 || value > most {
                found.push(format!("{at}.{field} must lie between 1 and {most}"));
            }
        };
        bounds("per_second", self.per_second, 1_000);
        bounds("at_once", self.at_once, 64);
        bounds("looks_per_minute", self.looks_per_minute, 60_000);
        if self.retry_first < Span::from_millis(100) || self.retry_first > self.retry_most {
            found.push(format!("{at}.retry_first must be at least 100ms and no longer than {at}.retry_most"));
        }
        if self.retry_most > Span::from_hours(1) {
            found.push(format!("{at}.retry_most must be at most 1h: a release can wait that long"));
        }
        found
    }
}

/// How it stands with one line at one enforcer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LineState {
    /// Not told yet.
    Pending {
        /// Wanted since; none where that is not known, as of the wall of this machine.
        since: Option<Moment>,
    },
    /// Acknowledged.
    Done {
        /// Since when; none where that is not known.
        since: Option<Moment>,
    },
    /// The last try failed.
    Failed {
        /// Why.
        why: SmolStr,
        /// Tries that failed in a row; none where nobody counts them.
        tries: Option<u32>,
        /// The next one.
        next_try: Option<Moment>,
        /// Wanted since.
        since: Option<Moment>,
    },
    /// A look found something else; it is told again.
    Differs {
        /// What was found.
        what: SmolStr,
        /// Found then.
        since: Moment,
    },
    /// What it has is not known yet; it will be looked at.
    Unknown,
}

impl LineState {
    /// The keys of all states, as in metrics and API.
    pub const KEYS: [&str; 5] = ["pending", "done", "failed", "differs", "unknown"];

    /// What went wrong, in its own words.
    pub const fn why(&self) -> Option<&SmolStr> {
        match self {
            Self::Failed { why, .. } | Self::Differs { what: why, .. } => Some(why),
            Self::Pending { .. } | Self::Done { .. } | Self::Unknown => None,
        }
    }

    /// Which of them this is.
    pub const fn key(&self) -> &'static str {
        Self::KEYS[self.place()]
    }

    const fn place(&self) -> usize {
        match self {
            Self::Pending { .. } => 0,
            Self::Done { .. } => 1,
            Self::Failed { .. } => 2,
            Self::Differs { .. } => 3,
            Self::Unknown => 4,
        }
    }
}

/// One line at one enforcer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineReport {
    /// What is wanted.
    pub wanted: Wanted,
    /// How far that is.
    #[serde(flatten)]
    pub state: LineState,
    /// When a look last found what was told.
    #[serde(default)]
    pub verified_at: Option<Moment>,
    /// Why the last look saw nothing, where it did not.
    #[serde(default)]
    pub unverified: Option<SmolStr>,
}

/// One enforcer as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its configured name.
    pub name: SmolStr,
    /// Of which kind.
    pub kind: SmolStr,
    /// Every line is as the plan says, as far as it was acknowledged.
    pub in_step: bool,
    /// The plan is not known yet: nothing is told.
    pub waits_for_plan: bool,
    /// Lines in each state.
    pub lines: LineCounts,
    /// Of them, those to be in quarantine.
    pub quarantined: u64,
    /// Since when the longest waiting line has not been as wanted.
    pub oldest: Option<Moment>,
    /// Nothing new is quarantined there, for this reason; releases go on.
    pub holds_back: Option<String>,
    /// What is wrong with the enforcer as a whole.
    pub failing: Option<String>,
    /// It is no longer configured, and what it had is taken back.
    pub removed: bool,
    /// Looks since the start that found something else than was told.
    pub differed: u64,
}

/// Lines by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// [`LineState::Pending`].
    pub pending: u64,
    /// [`LineState::Done`].
    pub done: u64,
    /// [`LineState::Failed`].
    pub failed: u64,
    /// [`LineState::Differs`].
    pub differs: u64,
    /// [`LineState::Unknown`].
    pub unknown: u64,
}

impl LineCounts {
    /// Each state with its lines.
    pub fn each(&self) -> [(&'static str, u64); 5] {
        let Self { pending, done, failed, differs, unknown } = *self;
        let [p, d, f, x, u] = LineState::KEYS;
        [(p, pending), (d, done), (f, failed), (x, differs), (u, unknown)]
    }

    /// Lines that are not, or not known to be, as wanted.
    pub const fn behind(&self) -> u64 {
        self.pending.saturating_add(self.failed).saturating_add(self.differs).saturating_add(self.unknown)
    }
}
