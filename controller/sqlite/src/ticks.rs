//! Ticks in a file of their own, `ticks.jsonl`: a line for each, so that one that was cut off spoils no other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pratique_core::ids::CaseId;
use pratique_core::time::Timestamp;
use pratique_store::ticks::{Tick, TickLog};
use serde::{Deserialize, Serialize};

use super::{StoreError, fault};

/// The file.
#[derive(Debug)]
pub struct TickFile {
    path: PathBuf,
    /// Appended to; none until the first.
    file: Option<File>,
}

/// A line of it.
#[derive(Serialize, Deserialize)]
struct Line {
    case: u64,
    since: i64,
    step: String,
    done: bool,
}

impl TickFile {
    /// In the data directory.
    pub const FILE: &str = "ticks.jsonl";

    /// At this path.
    pub fn at(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    fn append(&mut self, tick: &Tick) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(OpenOptions::new().append(true).create(true).open(&self.path)?),
        };
        file.write_all(&written(tick)?)
    }

    fn write(&mut self, ticks: &[Tick]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.path.parent().unwrap_or(Path::new(".")))?;
        for tick in ticks {
            file.write_all(&written(tick)?)?;
        }
        self.file = Some(file.persist(&self.path).map_err(|error| error.error)?);
        Ok(())
    }
}

impl TickLog for TickFile {
    fn all(&mut self) -> Result<Vec<Tick>, StoreError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault::apart(&self.path, "read", &error)),
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let tick = |Line { case, since, step, done }| Tick {
            case: CaseId(case),
            since: Timestamp::from_millis(since),
            step,
            done,
        };
        Ok(lines.map(tick).collect())
    }

    fn add(&mut self, tick: &Tick) -> Result<(), StoreError> {
        self.append(tick).map_err(|e| fault::apart(&self.path, "write", &e))
    }

    fn replace(&mut self, ticks: &[Tick]) -> Result<(), StoreError> {
        self.write(ticks).map_err(|e| fault::apart(&self.path, "write", &e))
    }
}

/// With a line's end before it, so that a line that was cut off spoils no other.
fn written(Tick { case, since, step, done }: &Tick) -> io::Result<Vec<u8>> {
    let mut bytes = vec![b'\n'];
    let line = Line { case: case.0, since: since.as_millis(), step: step.clone(), done: *done };
    serde_json::to_writer(&mut bytes, &line)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TickFile::FILE);
        let tick = |step: &str| Tick { case: CaseId(7), since: Timestamp::from_secs(9), step: step.into(), done: true };
        let mut ticks = TickFile::at(path.clone());
        ticks.add(&tick("mirai-1")).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n{\"case\":7,\"si").unwrap();
        let mut ticks = TickFile::at(path);
        assert_eq!(ticks.all().unwrap(), [tick("mirai-1")]);
        ticks.add(&tick("mirai-2")).unwrap();
        assert_eq!(ticks.all().unwrap(), [tick("mirai-1"), tick("mirai-2")]);
    }
}
