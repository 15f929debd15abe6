//! Deliveries that wait for a person: the rows of each lie in a file of the data directory, by its number, until somebody
//! takes it in or refuses it, or nobody has for as long as the policy keeps them. Nothing of them is in the directory or in
//! a case before that.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pratique_core::coverage::GapReason;
use pratique_core::event::Actor;
use pratique_core::ids::TextRef;
use pratique_core::sighting::Sighting;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{EngineOffice, unreadable};
use crate::engine::handle::{EngineError, Intake, IntakeReport, Spoken};
use crate::store::{Delivery, DeliveryState};

/// So many deliveries that wait are looked at.
pub(super) const LOOKED_AT: u32 = 1_000;

/// A file is put down before its delivery is recorded: one this young may belong to no delivery yet.
const JUST_PUT: Duration = Duration::from_secs(3_600);

#[derive(Serialize, Deserialize)]
struct Held {
    /// Of what, since a number that was never recorded may be given again after a crash.
    content: TextRef,
    source: SmolStr,
    report: SmolStr,
    sightings: Vec<Sighting>,
    /// None in files of an older version: such a delivery covers nothing.
    #[serde(default)]
    spoken: Option<Spoken>,
}

impl EngineOffice {
    /// Puts a delivery's rows aside under a number of its own; what is left is to be recorded.
    pub(super) async fn hold(&self, mut intake: Intake) -> Result<Intake, EngineError> {
        intake.delivery.number = self.engine.delivery_number().await?;
        let folder = self.held.clone();
        blocking(move || {
            let Intake { delivery, sightings, spoken, refused } = intake;
            let (content, source, report) = (delivery.content, delivery.source.clone(), delivery.report.clone());
            put(&folder, delivery.number, &Held { content, source, report, sightings, spoken: spoken.clone() })?;
            Ok(Intake { delivery, sightings: Vec::new(), spoken, refused })
        })
        .await
    }

    /// Takes a held delivery in, or one that broke off while it was taken in; none if none with this number waits.
    pub(super) async fn accept(&self, number: u64, by: &Actor) -> Result<Option<IntakeReport>, EngineError> {
        let _one_decision_at_a_time = self.deciding.lock().await;
        let Some(delivery) = self.waiting(number).await? else { return Ok(None) };
        let folder = self.held.clone();
        let intake = blocking(move || take(&folder, delivery)).await?;
        tracing::info!(delivery = number, by = ?by, "a held delivery was accepted");
        let report = self.take_in(intake).await?;
        forget(&self.held, number);
        Ok(Some(report))
    }

    /// Refuses a held delivery; false if none with this number is held.
    pub(super) async fn refuse(&self, number: u64, by: &Actor, why: &'static str) -> Result<bool, EngineError> {
        let _one_decision_at_a_time = self.deciding.lock().await;
        let held = self.waiting(number).await?.filter(|d| d.state == DeliveryState::Held);
        let Some(mut delivery) = held else { return Ok(false) };
        tracing::info!(delivery = number, by = ?by, why, "a held delivery was refused");
        delivery.state = DeliveryState::Refused;
        delivery.refused.push((SmolStr::new_static(why), delivery.rows));
        // What it could have spoken of stays open, for another reason now.
        let folder = self.held.clone();
        let spoken = blocking(move || Ok(spoken_of(&folder, number))).await?;
        self.engine.intake(Intake { delivery, sightings: Vec::new(), spoken, refused: Vec::new() }).await?;
        forget(&self.held, number);
        Ok(true)
    }

    /// Refuses what was held for longer than the policy says, and removes files that no delivery waits for.
    ///
    /// # Errors
    /// What cannot be read or stored; the rest is done the next time.
    pub async fn expire_held(&self) -> Result<(), EngineError> {
        let oldest = self.engine.read(|world, now| now.minus(world.policy().global.retention.held)).await?;
        let mut waiting = Vec::new();
        for state in [DeliveryState::Held, DeliveryState::Receiving] {
            waiting.extend(self.reader.deliveries_in(state, LOOKED_AT).await.map_err(unreadable)?);
        }
        for delivery in waiting.extract_if(.., |d| d.received_at < oldest) {
            if delivery.state == DeliveryState::Held {
                self.refuse(delivery.number, &Actor::System, "nobody took it in within retention.held").await?;
            }
        }
        if waiting.len() >= LOOKED_AT as usize {
            return Ok(());
        }
        for number in left_behind(&self.held) {
            if !waiting.iter().any(|d| d.number == number) {
                forget(&self.held, number);
            }
        }
        Ok(())
    }

    async fn waiting(&self, number: u64) -> Result<Option<Delivery>, EngineError> {
        for state in [DeliveryState::Held, DeliveryState::Receiving] {
            let found = self.reader.deliveries_in(state, LOOKED_AT).await.map_err(unreadable)?;
            let found = found.into_iter().find(|d| d.number == number);
            // What was never held has no rows here: it has to be delivered again.
            if let Some(found) = found.filter(|d| d.state == DeliveryState::Held || path(&self.held, d.number).exists())
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The usual size of earlier deliveries.
pub(super) fn median(mut rows: Vec<u64>) -> Option<u64> {
    rows.sort_unstable();
    rows.get(rows.len() / 2).copied()
}

/// The file is whole or not there.
fn put(folder: &Path, number: u64, held: &Held) -> Result<(), EngineError> {
    let path = path(folder, number);
    let failed = |e: std::io::Error| EngineError::Store(format!("{}: {e}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let bytes = serde_json::to_vec(held).map_err(|e| EngineError::Store(e.to_string()))?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The delivery with its rows, to be taken in under its old number.
fn take(folder: &Path, mut delivery: Delivery) -> Result<Intake, EngineError> {
    let path = path(folder, delivery.number);
    let failed = |why: String| {
        EngineError::Store(format!("the held rows cannot be read ({}: {why}); deliver the file again", path.display()))
    };
    let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
    let held: Held = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
    if (held.content, &held.source, &held.report) != (delivery.content, &delivery.source, &delivery.report) {
        return Err(failed("they are another delivery's".into()));
    }
    delivery.state = DeliveryState::Accepted;
    delivery.because = None;
    Ok(Intake { delivery, sightings: held.sightings, spoken: held.spoken, refused: Vec::new() })
}

/// What a held delivery that is now refused leaves open; none if its rows cannot be read: then it stays open as held.
fn spoken_of(folder: &Path, number: u64) -> Option<Spoken> {
    let bytes = std::fs::read(path(folder, number)).ok()?;
    let mut spoken = serde_json::from_slice::<Held>(&bytes).ok()?.spoken?;
    if let Some(open) = &mut spoken.open {
        open.reason = GapReason::Discarded;
    }
    Some(spoken)
}

fn forget(folder: &Path, number: u64) {
    let path = path(folder, number);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the rows of a delivery that waits no more could not be removed");
        }
        _ => {}
    }
}

/// The numbers of files that have lain for a while.
fn left_behind(folder: &Path) -> Vec<u64> {
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let age = SystemTime::now().duration_since(entry.metadata().ok()?.modified().ok()?).ok()?;
        (age > JUST_PUT).then_some(())?;
        entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok()
    };
    // The folder is made with the first of them.
    std::fs::read_dir(folder).map(|entries| entries.filter_map(number).collect()).unwrap_or_default()
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.json"))
}

/// Disk work of up to hundreds of megabytes, off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| EngineError::Store(format!("reading or writing held rows broke off: {e}")))?
}
