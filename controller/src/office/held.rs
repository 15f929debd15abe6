//! Deliveries that wait for a person: their rows lie in a file of the data directory, by the content's hash, until
//! somebody accepts them. Nothing of them is in the directory or in a case before that.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pratique_core::ids::TextRef;
use pratique_core::sighting::Sighting;
use pratique_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::handle::{EngineError, Intake};
use crate::store::{Delivery, DeliveryState};

/// A held delivery is looked for among so many newest ones.
pub(super) const LOOK_BACK: u32 = 1_000;

#[derive(Serialize, Deserialize)]
struct Held {
    sightings: Vec<Sighting>,
    covers_until: Option<Timestamp>,
}

/// Keeps a delivery's rows; the file is whole or not there.
pub(super) fn put(folder: &Path, intake: &Intake) -> Result<(), EngineError> {
    let path = path(folder, intake.delivery.content);
    let failed = |e: std::io::Error| EngineError::Store(format!("{}: {e}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let held = Held { sightings: intake.sightings.clone(), covers_until: intake.covers_until };
    let bytes = serde_json::to_vec(&held).map_err(|e| EngineError::Store(e.to_string()))?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The delivery with its rows, to be taken in under its old number.
pub(super) fn take(folder: &Path, mut delivery: Delivery) -> Result<Intake, EngineError> {
    let path = path(folder, delivery.content);
    let failed = |why: String| {
        EngineError::Store(format!("the held rows cannot be read ({}: {why}); deliver the file again", path.display()))
    };
    let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
    let held: Held = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
    delivery.state = DeliveryState::Accepted;
    Ok(Intake { delivery, sightings: held.sightings, covers_until: held.covers_until })
}

/// Removes the rows once they are taken in.
pub(super) fn forget(folder: &Path, content: TextRef) {
    let path = path(folder, content);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(path = %path.display(), %error, "the rows of an accepted delivery could not be removed");
    }
}

/// The usual size of earlier deliveries.
pub(super) fn median(mut rows: Vec<u64>) -> Option<u64> {
    rows.sort_unstable();
    rows.get(rows.len() / 2).copied()
}

fn path(folder: &Path, content: TextRef) -> PathBuf {
    folder.join(format!("{content}.json"))
}
