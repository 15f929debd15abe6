//! The hash chain of the log: every entry's hash covers the hash before it, so that nobody can edit, drop, move or slip in
//! an entry without every later hash being wrong.
//!
//! ```text
//! hash(n) = SHA-256( hash(n−1) ‖ n as 8 bytes, big endian ‖ at as 8 bytes, big endian ‖ body as stored )
//! hash(0) = 32 zero bytes
//! ```
//!
//! The body is hashed as the bytes that lie in the store, never as something serialised again. What a chain alone cannot
//! show is a log cut at its end; for that the newest hash has to be known elsewhere: see [`Anchor`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::ids::{Seq, TextRef};
use crate::time::Timestamp;

/// The hash before the first entry.
pub const GENESIS: TextRef = TextRef([0; 32]);

/// An entry as it lies in the store, not yet believed.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its position as stored.
    pub seq: Seq,
    /// When it was decided, as stored.
    pub at: Timestamp,
    /// Its body, byte for byte.
    pub body: &'a [u8],
    /// Its hash as stored; anything but 32 bytes is wrong.
    pub hash: &'a [u8],
}

/// The first entry that is not what it was when it was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log entry {seq}: {what}")]
pub struct BadEntry {
    /// Its position.
    pub seq: Seq,
    /// What is wrong with it.
    pub what: String,
}

/// A point of the log that is known from elsewhere: printed, written down, or kept beside the store. Written as
/// `position:hash`, for example `42:9f86d0…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The position.
    pub seq: Seq,
    /// The hash there.
    pub hash: TextRef,
}

/// A text that is not an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known point of the log; write position:hash as printed by `pratique verify-log`")]
pub struct NotAnAnchor(String);

/// The hash of an entry.
pub fn link(before: &TextRef, seq: Seq, at: Timestamp, body: &[u8]) -> TextRef {
    let mut hash = sha2::Sha256::new();
    hash.update(before.0);
    hash.update(seq.0.to_be_bytes());
    hash.update(at.as_millis().to_be_bytes());
    hash.update(body);
    TextRef(hash.finalize().into())
}

/// A chain up to some point, to which entries are added or against which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    head: Anchor,
}

impl Chain {
    /// Before the first entry.
    pub const fn new() -> Self {
        Self { head: Anchor { seq: Seq(0), hash: GENESIS } }
    }

    /// From a point that is believed.
    pub const fn from(head: Anchor) -> Self {
        Self { head }
    }

    /// The last entry so far.
    pub const fn head(&self) -> Anchor {
        self.head
    }

    /// Adds an entry; returns its position and hash.
    pub fn push(&mut self, at: Timestamp, body: &[u8]) -> Anchor {
        let seq = Seq(self.head.seq.0.saturating_add(1));
        self.head = Anchor { seq, hash: link(&self.head.hash, seq, at, body) };
        self.head
    }

    /// Checks the next stored entry.
    ///
    /// # Errors
    /// [`BadEntry`] when it does not follow from what came before; the chain then stays where it was.
    pub fn check(&mut self, entry: Stored<'_>) -> Result<(), BadEntry> {
        let expected = Seq(self.head.seq.0.saturating_add(1));
        if entry.seq != expected {
            let what = if entry.seq > expected {
                format!("missing: the next entry in the log is {}", entry.seq)
            } else {
                format!("out of order: entry {} stands here", entry.seq)
            };
            return Err(BadEntry { seq: expected, what });
        }
        let hash = link(&self.head.hash, entry.seq, entry.at, entry.body);
        if entry.hash != hash.0.as_slice() {
            let what = "its hash does not follow from its content and the entry before it: it was edited, replaced or \
                        slipped in"
                .to_owned();
            return Err(BadEntry { seq: expected, what });
        }
        self.head = Anchor { seq: expected, hash };
        Ok(())
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks a whole log from its first entry; returns its last.
///
/// # Errors
/// [`BadEntry`] names the first entry that is wrong.
pub fn verify<'a>(entries: impl IntoIterator<Item = Stored<'a>>) -> Result<Anchor, BadEntry> {
    let mut chain = Chain::new();
    entries.into_iter().try_for_each(|entry| chain.check(entry))?;
    Ok(chain.head())
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = NotAnAnchor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnAnchor(text.chars().take(100).collect());
        let (seq, hash) = text.trim().split_once(':').ok_or_else(wrong)?;
        let seq = Seq(seq.parse().map_err(|_| wrong())?);
        let hash = serde_json::from_value(serde_json::Value::String(hash.to_owned())).map_err(|_| wrong())?;
        Ok(Self { seq, hash })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (Seq, Timestamp, Vec<u8>, TextRef);

    fn log_of(bodies: &[Vec<u8>]) -> Vec<Row> {
        let mut chain = Chain::new();
        let row = |(i, body): (usize, &Vec<u8>)| {
            let at = Timestamp::from_millis(i as i64 * 7);
            let anchor = chain.push(at, body);
            (anchor.seq, at, body.clone(), anchor.hash)
        };
        bodies.iter().enumerate().map(row).collect()
    }

    fn check(log: &[Row]) -> Result<Anchor, BadEntry> {
        verify(log.iter().map(|(seq, at, body, hash)| Stored { seq: *seq, at: *at, body, hash: &hash.0 }))
    }

    #[test]
    fn the_hash_is_the_one_the_description_gives() {
        let mut bytes = vec![0; 32];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, 0, 0, 0, 3, 232]);
        bytes.extend(b"{}");
        let expected: [u8; 32] = sha2::Sha256::digest(&bytes).into();
        assert_eq!(link(&GENESIS, Seq(1), Timestamp::from_secs(1), b"{}"), TextRef(expected));
    }

    #[test]
    fn an_anchor_reads_as_it_is_written() {
        let anchor = Anchor { seq: Seq(42), hash: link(&GENESIS, Seq(42), Timestamp::from_secs(1), b"x") };
        assert_eq!(anchor.to_string().parse(), Ok(anchor));
        for bad in ["", "42", "42:", "x:00", "42:0g", ":", "-1:00"] {
            assert!(bad.parse::<Anchor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_log_verifies() {
        assert_eq!(check(&[]), Ok(Anchor { seq: Seq(0), hash: GENESIS }));
    }

    proptest! {
        #[test]
        fn every_single_change_is_found_at_its_place(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 2..8),
            which in any::<prop::sample::Index>(),
            how in 0..7_u8,
        ) {
            let mut log = log_of(&bodies);
            prop_assert!(check(&log).is_ok());
            let i = which.index(log.len());
            match how {
                0 => log[i].2.push(b'!'),
                1 => log[i].1 = log[i].1.plus(crate::time::Span::from_millis(1)),
                2 => log[i].3.0[31] ^= 1,
                3 => log[i].0 = Seq(log[i].0.0 + 1),
                // A gap.
                4 if i + 1 < log.len() => { log.remove(i); }
                // Slipped in, later entries moved on but not hashed again.
                5 => {
                    let mut forged = log[i].clone();
                    forged.2.push(b'?');
                    log.insert(i, forged);
                    for (n, row) in log.iter_mut().enumerate() { row.0 = Seq(n as u64 + 1); }
                }
                6 if i + 1 < log.len() && log[i].2 != log[i + 1].2 => {
                    let (a, b) = (log[i].2.clone(), log[i + 1].2.clone());
                    log[i].2 = b;
                    log[i + 1].2 = a;
                }
                _ => return Ok(()),
            }
            let bad = check(&log).unwrap_err();
            prop_assert_eq!(bad.seq, Seq(i as u64 + 1));
        }
    }
}
