//! What was said of sessions, each by itself: that one began, lasts or ended; that a gateway restarted; all that a gateway
//! has. [`crate::directory`] puts them together.
//!
//! Each fact carries the time of which it is true, which is not when it arrived. So any order and repetition of a history gives
//! the same sessions, and what got lost costs only what it said.
//!
//! | fact | says | and ends |
//! | --- | --- | --- |
//! | `Start` | held since `from` | the line's earlier session on this holding |
//! | `Update` | held since `from`, and still at `at` | what `Start` ends |
//! | `Stop` | held from `from` to `at` | that session |
//! | `StopId` | whatever bears the session id is over | what bears it and had begun before `at` |
//! | `NasRestart` | the gateway had nothing at `at` | its sessions that were not heard of at `at` or later |
//! | `Snapshot` | the gateway had this at `at`, and nothing else | its other sessions, in the same way |

use smol_str::SmolStr;

use crate::ids::{SessionId, SubscriberId};
use crate::session::Holding;
use crate::text::printable;
use crate::time::Timestamp;

/// Longest session id, in bytes: what fits into an attribute of RADIUS (RFC 2865, section 5).
pub const MAX_SESSION_ID: usize = 253;

/// One fact, with names as they were said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFact {
    /// Which gateway it is about; empty for none.
    pub nas: SmolStr,
    /// When it was true.
    pub at: Timestamp,
    /// What.
    pub event: SessionEvent,
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A session began.
    Start(Held),
    /// A session lasts.
    Update(Held),
    /// A session is over, and it is known since when it was.
    Stop(Held),
    /// A session is over, of which only the gateway's id is known.
    StopId(SessionId),
    /// The gateway restarted: it has nothing of what it had.
    NasRestart,
    /// Everything that the gateway has.
    Snapshot(Vec<Held>),
}

/// What one session gives a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub subscriber: SubscriberId,
    /// What is held: addresses, port ranges, prefixes; at least one.
    pub holdings: Vec<Holding>,
    /// The first moment at which the line held it.
    pub from: Timestamp,
    /// What the gateway calls the session, where it has a name for it.
    pub id: Option<SessionId>,
}

impl SessionFact {
    /// Its kind.
    pub const fn kind(&self) -> FactKind {
        match self.event {
            SessionEvent::Start(_) => FactKind::Start,
            SessionEvent::Update(_) => FactKind::Update,
            SessionEvent::Stop(_) | SessionEvent::StopId(_) => FactKind::Stop,
            SessionEvent::NasRestart => FactKind::NasRestart,
            SessionEvent::Snapshot(_) => FactKind::Snapshot,
        }
    }
}

/// The kinds of facts: the closed set that the API and metrics name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKind {
    /// [`SessionEvent::Start`].
    Start,
    /// [`SessionEvent::Update`].
    Update,
    /// [`SessionEvent::Stop`] and [`SessionEvent::StopId`].
    Stop,
    /// [`SessionEvent::NasRestart`].
    NasRestart,
    /// [`SessionEvent::Snapshot`].
    Snapshot,
}

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Start, Self::Update, Self::Stop, Self::NasRestart, Self::Snapshot];

    /// As the API and metrics name it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::Stop => "stop",
            Self::NasRestart => "nas-restart",
            Self::Snapshot => "snapshot",
        }
    }
}

impl SessionId {
    /// From text: not empty, bounded, and without what cannot be shown; it must come back from the store as it was.
    pub fn read(text: &str) -> Option<Self> {
        let sound =
            !text.is_empty() && text.len() <= MAX_SESSION_ID && printable(text.as_bytes(), MAX_SESSION_ID) == text;
        sound.then(|| Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_bounded_and_comes_back_as_it_was() {
        for good in ["00000001", "erx ge-1/2.100:42:0001", "\u{e9}t\u{e9}"] {
            assert_eq!(SessionId::read(good).map(|id| id.as_str().to_owned()).as_deref(), Some(good));
        }
        for bad in ["", "a\nb", "a\u{202e}b", &"x".repeat(254)] {
            assert_eq!(SessionId::read(bad), None, "{bad:?}");
        }
    }
}
