//! The file that says that everything is to be free: `pratique release --all` writes it before it touches the wall, and removes it
//! when the log holds the releases.
//!
//! ```text
//!  release --all ──▶ released-all ──▶ the enforcer's thread builds no wall while it is there ([`Marker::brake`])
//!                         │
//!                         ├─ no daemon: the command itself writes the releases, or the next start does
//!                         └─ a daemon runs: it releases everybody, answers in released-all.answer, and removes it
//! ```
//!
//! It frees whoever was quarantined when it was written and nobody who came later, so one that was left behind does no harm.

use std::path::Path;

use anyhow::Context as _;
use pratique_core::time::Timestamp;
use pratique_enforce::driver::Brake;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::slip::Slip;

/// The file.
#[derive(Clone, Debug)]
pub struct Marker(Slip);

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When everything was released.
    pub at: Timestamp,
    /// Who did it.
    pub by: SmolStr,
    /// Why.
    pub reason: String,
}

/// What a running daemon did about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of which mark.
    pub at: Timestamp,
    /// Cases its log holds as released by it.
    pub released: u64,
}

impl Marker {
    /// Of the node whose store lies there.
    pub fn at(data_dir: &Path) -> Self {
        Self(Slip::at(data_dir, "released-all"))
    }

    /// What it says; none if it is not there.
    pub fn read(&self) -> Option<Mark> {
        // One that is there and cannot be read: the safe reading is that lines are to be free.
        let text = self.0.text()?;
        let plain = || Mark { at: self.0.written_at(), by: "local account".into(), reason: text.clone() };
        Some(serde_json::from_str(&text).unwrap_or_else(|_| plain()))
    }

    /// Whether it is there, also where it cannot be read. A folder that cannot be looked into says nothing of it.
    pub fn is_there(&self) -> bool {
        self.0.is_there()
    }

    /// Writes it durably. On a full disk the store's reserve gives way: it is kept for releases.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, mark: &Mark) -> anyhow::Result<()> {
        self.0.write(mark).with_context(|| format!("the marker {} cannot be written", self.0.path().display()))
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it stays.
    pub fn remove(&self) -> anyhow::Result<()> {
        self.0.remove().with_context(|| {
            format!(
                "the marker {} cannot be removed: no wall is built while it is there; remove it",
                self.0.path().display()
            )
        })
    }

    /// Says what was done about it. Only a help for who waits: the log has it.
    pub fn answer(&self, answer: &Answer) {
        self.0.answer(answer);
    }

    /// What a running daemon did about this mark; none where it said nothing.
    pub fn answered(&self, mark: &Mark) -> Option<Answer> {
        self.0.answered().filter(|answer: &Answer| answer.at == mark.at)
    }

    /// Removes the answer that nobody waits for any more.
    pub fn forget_answer(&self) {
        self.0.forget_answer();
    }

    /// Keeps the enforcer from building a wall while the file is there.
    pub fn brake(&self) -> Brake {
        let marker = self.clone();
        Brake::new(move || {
            marker.is_there().then(|| {
                format!(
                    "everything was released by `release --all`, and the log does not say so yet: no wall is built while {} \
                     is there",
                    marker.0.path().display()
                )
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_a_file_of_an_older_program_counts_from_when_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let marker = Marker::at(dir.path());
        assert!(marker.read().is_none() && marker.brake().on().is_none());
        let mark = Mark { at: Timestamp::from_secs(9), by: "local ann".into(), reason: "storm".into() };
        marker.write(&mark).unwrap();
        assert_eq!(marker.read(), Some(mark.clone()));
        assert!(marker.brake().on().is_some_and(|why| why.contains("released-all")));
        marker.answer(&Answer { at: mark.at, released: 7 });
        assert_eq!(marker.answered(&mark).map(|a| a.released), Some(7));
        assert_eq!(marker.answered(&Mark { at: Timestamp::from_secs(10), ..mark.clone() }), None, "of another one");
        marker.remove().unwrap();
        assert!(marker.read().is_none() && marker.brake().on().is_none());

        std::fs::write(dir.path().join("released-all"), "flood").unwrap();
        let old = marker.read().unwrap();
        assert!(old.reason == "flood" && old.at > Timestamp::from_secs(1_700_000_000), "{old:?}");
        std::fs::write(dir.path().join("released-all"), [0xff, 0xfe]).unwrap();
        assert!(marker.read().is_some(), "what cannot be read is not absent");
    }
}
