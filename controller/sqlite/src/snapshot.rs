//! Snapshots of the engine's state, so that a restart need not replay the whole log. They are files beside the database,
//! not rows in it: a hundred megabytes of state would otherwise pass through the write-ahead log and hold up appends. A
//! snapshot is a shortcut only: one that is damaged, or made from another log, is skipped.
//!
//! ```text
//! "pratsnp1" ‖ position, 8 bytes big endian ‖ log hash there, 32 bytes ‖ SHA-256 of all other bytes, 32 bytes ‖ state
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pratique_core::chain::Anchor;
use pratique_core::ids::{Seq, TextRef};
use sha2::Digest as _;

use super::{StoreError, fault};

const MAGIC: &[u8; 8] = b"pratsnp1";
/// Magic, position, log hash, digest.
const HEADER: usize = 8 + 8 + 32 + 32;
/// The newest, and one older in case the newest is damaged.
const KEPT: usize = 2;

/// A snapshot that is undamaged; whether it belongs to this log is for the caller to compare.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// What it stands for.
    pub(super) at: Anchor,
    /// The engine's bytes.
    pub(super) state: Vec<u8>,
}

/// Writes a snapshot whole or not at all, durably, and drops all but the newest two.
pub(super) fn write(db: &Path, at: Anchor, state: &[u8]) -> Result<(), StoreError> {
    let path = path_of(db, at.seq);
    let fail = |e: std::io::Error| fault::io(&path, "write", &e);
    let dir = directory(db);
    let mut file = tempfile::NamedTempFile::new_in(&dir).map_err(fail)?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend(at.seq.0.to_be_bytes());
    header.extend(at.hash.0);
    header.extend(digest(at, state));
    file.write_all(&header).and_then(|()| file.write_all(state)).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(&path).map_err(|e| fail(e.error))?;
    std::fs::File::open(&dir).and_then(|d| d.sync_all()).map_err(fail)?;
    for (_, old) in list(db)?.into_iter().skip(KEPT) {
        std::fs::remove_file(&old).map_err(|e| fault::io(&old, "remove", &e))?;
    }
    Ok(())
}

/// Reads the undamaged snapshots, newest first, one at a time until `belongs` takes one.
pub(super) fn newest(db: &Path, belongs: impl Fn(Anchor) -> bool) -> Result<Option<Snapshot>, StoreError> {
    for (seq, path) in list(db)? {
        match read(&path, seq) {
            Ok(snapshot) if belongs(snapshot.at) => return Ok(Some(snapshot)),
            Ok(_) => tracing::warn!(path = %path.display(), "snapshot of another log skipped"),
            Err(what) => tracing::warn!(path = %path.display(), what, "snapshot skipped"),
        }
    }
    Ok(None)
}

/// Snapshot files by their position, newest first, unread.
pub(super) fn list(db: &Path) -> Result<Vec<(Seq, PathBuf)>, StoreError> {
    let dir = directory(db);
    let prefix = prefix_of(db);
    let fail = |e: std::io::Error| fault::io(&dir, "list", &e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let seq = name.to_str().and_then(|n| n.strip_prefix(&prefix)).and_then(|n| n.parse().ok());
        if let Some(seq) = seq {
            found.push((Seq(seq), entry.path()));
        }
    }
    found.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    Ok(found)
}

fn read(path: &Path, seq: Seq) -> Result<Snapshot, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let (header, state) = bytes.split_at_checked(HEADER).ok_or("too short")?;
    let field = |from: usize| header.get(from..from + 32).and_then(|b| <[u8; 32]>::try_from(b).ok()).ok_or("too short");
    if !header.starts_with(MAGIC) {
        return Err("not a snapshot".to_owned());
    }
    let number = header.get(8..16).and_then(|b| <[u8; 8]>::try_from(b).ok()).ok_or("too short")?;
    let at = Anchor { seq: Seq(u64::from_be_bytes(number)), hash: TextRef(field(16)?) };
    if at.seq != seq || field(48)? != digest(at, state) {
        return Err("damaged: its content does not match its digest".to_owned());
    }
    let mut bytes = bytes;
    bytes.drain(..HEADER);
    Ok(Snapshot { at, state: bytes })
}

fn digest(at: Anchor, state: &[u8]) -> [u8; 32] {
    let mut hash = sha2::Sha256::new();
    hash.update(MAGIC);
    hash.update(at.seq.0.to_be_bytes());
    hash.update(at.hash.0);
    hash.update(state);
    hash.finalize().into()
}

fn directory(db: &Path) -> PathBuf {
    db.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn prefix_of(db: &Path) -> String {
    format!("{}.snapshot-", db.file_name().unwrap_or_default().to_string_lossy())
}

fn path_of(db: &Path, seq: Seq) -> PathBuf {
    directory(db).join(format!("{}{:020}", prefix_of(db), seq.0))
}
