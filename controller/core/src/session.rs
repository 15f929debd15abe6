//! Who held what: the sessions the directory is made of.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::ids::LineNo;
use crate::plan::Element;
use crate::time::Timestamp;

/// What a session gives a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Holding {
    /// A whole IPv4 address.
    V4(Ipv4Addr),
    /// A range of ports of a shared IPv4 address (CGNAT), both ends included.
    V4Ports(Ipv4Addr, u16, u16),
    /// An IPv6 WAN /64 or a delegated prefix, truncated.
    V6(Ipv6Net),
}

impl Holding {
    /// What the wall can hold of it. A shared address has to be walled where it is not shared: at the CGNAT's inside.
    pub const fn element(self) -> Option<Element> {
        match self {
            Self::V4(a) => Some(Element::V4(a)),
            Self::V4Ports(..) => None,
            Self::V6(net) => Some(Element::V6(net)),
        }
    }

    /// Whether an address (and port, behind CGNAT) lies in it.
    pub fn covers(self, address: IpAddr, port: Option<u16>) -> bool {
        match (self, address) {
            (Self::V4(a), IpAddr::V4(b)) => a == b,
            (Self::V4Ports(a, from, to), IpAddr::V4(b)) => a == b && port.is_some_and(|p| (from..=to).contains(&p)),
            (Self::V6(net), IpAddr::V6(b)) => net.contains(&b),
            _ => false,
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(a) => write!(f, "{a}"),
            Self::V4Ports(a, from, to) => write!(f, "{a}:{from}-{to}"),
            Self::V6(net) => write!(f, "{net}"),
        }
    }
}

/// Who held what, from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub line: LineNo,
    /// What.
    pub holding: Holding,
    /// Which NAS said so by which source, as [`crate::nas`] numbers them; 0 for none.
    pub nas: u16,
    /// First moment.
    pub from: Timestamp,
    /// First moment after; [`Timestamp::MAX`] while it lasts.
    pub to: Timestamp,
}

impl Session {
    /// It lasts still.
    pub fn is_live(&self) -> bool {
        self.to == Timestamp::MAX
    }

    /// It lasted at this moment.
    pub fn lasts_at(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// A session as the directory put it together from all that was told of it: what the store keeps. `from` of the session is the
/// earliest start that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KnownSession {
    /// Who held what, from when to when.
    pub session: Session,
    /// The latest start that was told of it: accounting that computes the start tells it a second off now and then.
    pub last_start: Timestamp,
    /// The last moment at which a fact says that it lasted; never before `last_start`.
    pub heard: Timestamp,
    /// How its end is known.
    pub ending: Ending,
}

/// How the end of a session is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ending {
    /// A fact told it; or the session lasts.
    Told,
    /// Nobody told it with the session's start: it ended at the latest when the line's next session on this holding began, when
    /// its session id was stopped, or when its gateway gave that id to another line.
    Superseded,
    /// Its gateway had it no more: a restart, or a snapshot without it. A fact that it lasted longer takes this back.
    CutOff,
    /// Its source went on speaking of its gateway, and not of it: it ended where it was heard of last. A fact that it lasted longer
    /// takes this back.
    Stale,
}

impl From<Session> for KnownSession {
    /// As it was told once.
    fn from(session: Session) -> Self {
        Self { last_start: session.from, heard: session.from, ending: Ending::Told, session }
    }
}

/// The directory's answer to (address, port, time).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// Exactly one line can be meant. Only this acts.
    One(LineNo),
    /// More than one line can be meant; the operator is told why.
    Ambiguous(Ambiguity),
    /// Nobody is known to have held it then.
    Unknown,
}

/// Why an attribution is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Ambiguity {
    /// Two or more lines held it within the source's clock error.
    #[error("the address changed hands within the clock error of the report")]
    ChangedHands,
    /// The address is shared and the report has no port.
    #[error("the address is shared by several lines and the report names no port")]
    NoPort,
    /// Two live sessions claim it.
    #[error("two sessions claim the address at the same time")]
    Conflict,
    /// Its holder's session was not heard of for too long, and neither was its gateway.
    #[error("nothing was heard of the session for longer than its source's stale_after, nor of its gateway")]
    Doubtful,
}
