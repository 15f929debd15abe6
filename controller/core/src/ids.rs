//! Names and numbers of things. Newtypes, so that a line number is never taken for a case number.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub SmolStr);

        impl $name {
            /// From a text.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(SmolStr::new(text))
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

number! {
    /// Our own number for a subscriber's line. The log knows only this; the provider's id behind it lives outside the
    /// log, where it can be purged.
    LineNo(u32)
}
number! {
    /// A case, as staff and subscribers see it.
    CaseId(u64)
}
number! {
    /// A stored sighting.
    SightingNo(u64)
}
number! {
    /// Position in the event log; 1 is the first event. Also the generation of everything derived from it.
    Seq(u64)
}
name! {
    /// The provider's own id of a subscriber (contract or line).
    SubscriberId
}
name! {
    /// What is wrong, by a stable key: `mirai`, `open-telnet`, …
    CauseKey
}
name! {
    /// What a gateway calls a session (Acct-Session-Id). Bounded by whoever reads it; given again after a restart.
    SessionId
}
name! {
    /// Who delivered a report: `shadowserver`, `honeynet`, …
    SourceName
}

/// One report type of one source: what speaks, and falls silent, by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Feed {
    /// Who delivers.
    pub source: SourceName,
    /// The source's report type, for example `scan_telnet`; empty for a source that has only one.
    #[serde(default)]
    pub report: SmolStr,
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.report.is_empty() { self.source.fmt(f) } else { write!(f, "{} {}", self.source, self.report) }
    }
}

/// SHA-256 of a free text that lives outside the log (notes, reasons), so that it can be purged and the log still
/// verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextRef(pub [u8; 32]);

impl TextRef {
    /// The reference of a text.
    pub fn of(text: &str) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for TextRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for TextRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextRef({self})")
    }
}

impl Serialize for TextRef {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TextRef {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(d)?;
        let wrong = || serde::de::Error::custom("a text reference is 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2).ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}
