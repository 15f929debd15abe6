//! Deliveries that wait for a person: the rows of each lie in a file of the data directory, by its number, until somebody
//! takes it in or refuses it, or nobody has for as long as the policy keeps them. Nothing of them is in the directory or in
//! a case before that.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pratique_core::coverage::GapReason;
use pratique_core::event::Actor;
use pratique_core::ids::{CauseKey, TextRef};
use pratique_core::sighting::Sighting;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{EngineOffice, unreadable};
use crate::engine::handle::{EngineError, Intake, IntakeReport, SessionChange, SessionReport, Spoken};
use crate::policy_files::INFORMATION;
use crate::sources::{FileReason, sessions};
use crate::store::{Delivery, DeliveryState, KEPT_PER_DELIVERY, RefusedRow};

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
    /// Nobody has said yet what its type means.
    #[serde(default)]
    unknown_type: bool,
}

/// How a held delivery is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// As its type says.
    Read,
    /// For information: it opens no case and proves no silence.
    Information,
}

/// A held delivery, looked at.
pub(super) struct Looked {
    /// Rows that could be read.
    pub(super) sound: u64,
    /// The first of them.
    pub(super) sample: Vec<Sighting>,
    /// It can only be taken as information.
    pub(super) unknown_type: bool,
}

impl EngineOffice {
    /// Puts a delivery's rows aside under a number of its own; what is left is to be recorded.
    pub(super) async fn hold(&self, mut intake: Intake) -> Result<Intake, EngineError> {
        intake.delivery.number = self.engine.delivery_number().await?;
        let folder = self.held.clone();
        blocking(move || {
            let Intake { delivery, sightings, spoken, refused, unknown_type } = intake;
            let (content, source, report) = (delivery.content, delivery.source.clone(), delivery.report.clone());
            let held = Held { content, source, report, sightings, spoken: spoken.clone(), unknown_type };
            put(&folder, delivery.number, &held)?;
            Ok(Intake { delivery, sightings: Vec::new(), spoken, refused, unknown_type })
        })
        .await
    }

    /// The sound rows of a held delivery; none if none with this number waits.
    pub(super) async fn look(&self, number: u64, most: usize) -> Result<Option<Looked>, EngineError> {
        let Some(delivery) = self.waiting(number).await? else { return Ok(None) };
        let folder = self.held.clone();
        let mut held = blocking(move || get(&folder, &delivery)).await?;
        let sound = held.sightings.len() as u64;
        held.sightings.truncate(most);
        Ok(Some(Looked { sound, sample: held.sightings, unknown_type: held.unknown_type }))
    }

    /// Takes a held delivery in, or one that broke off while it was taken in; none if none with this number waits. Of rows
    /// that could not be read nothing is taken: they stay with the delivery.
    pub(super) async fn accept(&self, number: u64, how: As, by: &Actor) -> Result<Option<IntakeReport>, EngineError> {
        let _one_decision_at_a_time = self.deciding.lock().await;
        let Some(delivery) = self.waiting(number).await? else { return Ok(None) };
        tracing::info!(delivery = number, by = ?by, how = ?how, "a held delivery was accepted");
        if delivery.report == sessions::REPORT {
            self.is_newest_list(&delivery).await?;
            let report = self.accept_list(delivery).await?;
            forget(&self.held, number);
            return Ok(Some(of_list(number, &report)));
        }
        let folder = self.held.clone();
        let intake = blocking(move || take(&folder, delivery, how)).await?;
        let report = self.take_in(intake).await?;
        forget(&self.held, number);
        Ok(Some(report))
    }

    /// A list tells of its own time: taken in after a newer one of its source, it would undo what that one said, an opt-out
    /// among it.
    async fn is_newest_list(&self, held: &Delivery) -> Result<(), EngineError> {
        let known = self.reader.deliveries(LOOKED_AT).await.map_err(unreadable)?;
        let newer = known.iter().find(|d| {
            d.report == held.report
                && d.source == held.source
                && d.state == DeliveryState::Accepted
                && d.received_at > held.received_at
        });
        let Some(newer) = newer else { return Ok(()) };
        Err(EngineError::Undecided(format!(
            "a newer session list of this source was taken in since (delivery {}), and this one could undo what it said: refuse it, \
             and send a corrected list",
            newer.number
        )))
    }

    /// Refuses a held delivery; false if none with this number is held.
    pub(super) async fn refuse(&self, number: u64, by: &Actor, why: Refused) -> Result<bool, EngineError> {
        let _one_decision_at_a_time = self.deciding.lock().await;
        let held = self.waiting(number).await?.filter(|d| d.state == DeliveryState::Held);
        let Some(mut delivery) = held else { return Ok(false) };
        tracing::info!(delivery = number, by = ?by, why = why.words(), "a held delivery was refused");
        let unread = delivery.refused.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
        let before = delivery.clone();
        delivery.state = DeliveryState::Refused;
        delivery.refused.push((SmolStr::new_static(why.key()), delivery.rows.saturating_sub(unread)));
        delivery.because = Some(why.words().into());
        if delivery.report == sessions::REPORT {
            self.engine.delivered(delivery, Vec::new()).await?;
        } else {
            let folder = self.held.clone();
            let kept = self.reader.refused_rows(number, 0, KEPT_PER_DELIVERY as u32).await.map_err(unreadable)?;
            // Rows that are lost do not keep anybody from refusing the rest.
            let held = before.clone();
            let got = blocking(move || Ok(get(&folder, &held).ok())).await?;
            let refused = got.as_ref().map_or_else(Vec::new, |held| sound_rows(held, &kept, &before, why));
            // What it could have spoken of stays open, for another reason now.
            let spoken = got.and_then(spoken_of);
            let intake = Intake { delivery, sightings: Vec::new(), spoken, refused, unknown_type: false };
            self.engine.intake(intake).await?;
        }
        self.metrics.engine.file_refused(why.reason());
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
                self.refuse(delivery.number, &Actor::System, Refused::Expired).await?;
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

/// A session list as far as it could be read.
#[derive(Serialize, Deserialize)]
struct HeldList {
    content: TextRef,
    source: SmolStr,
    changes: Vec<SessionChange>,
}

/// Puts a session list aside.
pub(super) fn put_list(folder: &Path, delivery: &Delivery, changes: Vec<SessionChange>) -> Result<(), EngineError> {
    put(folder, delivery.number, &HeldList { content: delivery.content, source: delivery.source.clone(), changes })
}

/// A session list that was put aside.
pub(super) fn take_list(folder: &Path, delivery: &Delivery) -> Result<Vec<SessionChange>, EngineError> {
    let path = path(folder, delivery.number);
    let failed = |why: String| {
        EngineError::Store(format!("the held list cannot be read ({}: {why}); send it again", path.display()))
    };
    let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
    let held: HeldList = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
    if (held.content, &held.source) != (delivery.content, &delivery.source) {
        return Err(failed("it is another delivery's".into()));
    }
    Ok(held.changes)
}

/// The usual size of earlier deliveries.
pub(super) fn median(mut rows: Vec<u64>) -> Option<u64> {
    rows.sort_unstable();
    rows.get(rows.len() / 2).copied()
}

/// What became of a session list, as of a delivery of sightings.
fn of_list(delivery: u64, report: &SessionReport) -> IntakeReport {
    let SessionReport { started, past, ended, changed, unchanged, conflicts, .. } = *report;
    let outcomes =
        [("started", started), ("past", past), ("ended", ended), ("changed", changed), ("conflict", conflicts)];
    IntakeReport {
        delivery,
        taken: started + past + ended + changed,
        repeated: unchanged,
        outcomes: outcomes.into_iter().map(|(key, n)| (SmolStr::new_static(key), n)).filter(|(_, n)| *n > 0).collect(),
        opened: Vec::new(),
    }
}

/// The file is whole or not there.
fn put(folder: &Path, number: u64, held: &impl Serialize) -> Result<(), EngineError> {
    let path = path(folder, number);
    let failed = |e: std::io::Error| EngineError::Store(format!("{}: {e}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let bytes = serde_json::to_vec(held).map_err(|e| EngineError::Store(e.to_string()))?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Who refused what was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody of the staff.
    Person,
    /// Nobody decided in time.
    Expired,
}

impl Refused {
    const fn key(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Expired => "expired",
        }
    }

    const fn reason(self) -> FileReason {
        match self {
            Self::Person => FileReason::Person,
            Self::Expired => FileReason::Expired,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Person => "refused by a person",
            Self::Expired => "nobody took it in within retention.held",
        }
    }
}

/// What could be read of a delivery and was refused with it, kept beside what could not. The rows themselves are gone:
/// what was understood of each stands here, numbered after the lines of the file that are kept already.
fn sound_rows(held: &Held, kept: &[RefusedRow], delivery: &Delivery, why: Refused) -> Vec<RefusedRow> {
    let room = KEPT_PER_DELIVERY.saturating_sub(kept.len());
    let after = kept.last().map_or(0, |row| row.line).max(delivery.rows.saturating_add(1));
    let row = |(line, s): (u64, &Sighting)| {
        let port = s.port.map_or_else(String::new, |p| p.to_string());
        RefusedRow {
            delivery: delivery.number,
            received_at: delivery.received_at,
            line,
            reason: SmolStr::new_static(why.key()),
            text: format!("could be read; {}", why.words()),
            raw: format!("{},{},{port},{}", s.observed_at, s.address, s.cause),
            addresses: vec![s.address],
        }
    };
    (after.saturating_add(1)..).zip(&held.sightings).take(room).map(row).collect()
}

/// The rows that were put aside for a delivery.
fn get(folder: &Path, delivery: &Delivery) -> Result<Held, EngineError> {
    let path = path(folder, delivery.number);
    let failed = |why: String| {
        EngineError::Store(format!("the held rows cannot be read ({}: {why}); deliver the file again", path.display()))
    };
    let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
    let held: Held = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
    if (held.content, &held.source, &held.report) != (delivery.content, &delivery.source, &delivery.report) {
        return Err(failed("they are another delivery's".into()));
    }
    Ok(held)
}

/// The delivery with its rows, to be taken in under its old number.
fn take(folder: &Path, mut delivery: Delivery, how: As) -> Result<Intake, EngineError> {
    let mut held = get(folder, &delivery)?;
    match how {
        As::Read if held.unknown_type => {
            let why = format!(
                "nobody has said what `{}` means: list it in shadowserver.yaml and deliver the file again, or take it in as \
                 information (--as-information)",
                delivery.report
            );
            return Err(EngineError::Undecided(why));
        }
        As::Read => {}
        As::Information => {
            held.sightings.iter_mut().for_each(|s| s.cause = CauseKey::new(INFORMATION));
            // What nobody knows the meaning of leaves nothing open once somebody has said that it only informs. Of another
            // type the gap stays: its silence was not taken in.
            held.spoken = held.spoken.filter(|_| held.unknown_type).map(|spoken| Spoken { covers: None, ..spoken });
            delivery.warnings.push("taken as information: it opens no case and proves no silence".into());
        }
    }
    delivery.state = DeliveryState::Accepted;
    delivery.because = None;
    Ok(Intake { delivery, sightings: held.sightings, spoken: held.spoken, refused: Vec::new(), unknown_type: false })
}

/// What a held delivery that is now refused leaves open, for another reason.
fn spoken_of(held: Held) -> Option<Spoken> {
    let mut spoken = held.spoken?;
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
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| EngineError::Store(format!("reading or writing held rows broke off: {e}")))?
}
