//! What comes in from outside: the readers behind the API, and the drop directory. Both lead to the same office, so a file
//! is judged the same whichever way it came.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use pratique_core::ids::TextRef;
use pratique_engine::clock::Clock;
use pratique_ingest::drop_dir::{DropDir, DropMeters, Dropped, Fate};
use pratique_ingest::guard;
use pratique_ingest::readers::{FileReaders, Usual};
use pratique_policy::PolicySet;
use pratique_store::{DeliveryState, Reader};
use sha2::Digest as _;
use tokio::sync::{mpsc, watch};

use super::stopped;
use pratique_ingest::label::{Label, Part, Readers as _};
use pratique_staff::office::Office as _;
use pratique_staff::queries::EngineOffice;

/// Reads files with the policies in force.
pub struct Inbox {
    office: Arc<EngineOffice>,
    clock: Arc<dyn Clock>,
    policies: Arc<ArcSwap<PolicySet>>,
    readers: FileReaders,
}

impl Inbox {
    /// For a running engine; archives are unpacked in `spool`.
    pub fn new(policies: PolicySet, office: Arc<EngineOffice>, clock: Arc<dyn Clock>, spool: PathBuf) -> Self {
        let policies = Arc::new(ArcSwap::from_pointee(policies));
        let usual = usual(Arc::clone(&office.reader), tokio::runtime::Handle::current());
        let readers = FileReaders::new(Arc::clone(&policies), usual).with_spool(spool);
        Self { office, clock, policies, readers }
    }

    /// The office it leads to.
    pub fn office(&self) -> &EngineOffice {
        &self.office
    }

    /// The readers for the API.
    pub fn readers(&self) -> FileReaders {
        self.readers.clone()
    }

    /// New policies are in force.
    pub fn set_policies(&self, policies: PolicySet) {
        self.policies.store(Arc::new(policies));
    }

    /// Opens the drop directory.
    ///
    /// # Errors
    /// When it is not there, or not writable.
    pub fn open(folder: &Path, registry: &prometheus::Registry) -> anyhow::Result<DropDir> {
        DropDir::open(folder, Some(DropMeters::new(registry)?)).context("drop_dir")
    }

    /// Takes in what is dropped, looking `every` so often, until told to stop.
    pub async fn watch(self: Arc<Self>, folder: DropDir, every: Duration, stopping: watch::Receiver<bool>) {
        let take = |dropped: Dropped| {
            let inbox = Arc::clone(&self);
            async move { inbox.take(dropped).await }
        };
        folder.watch(every, take, stopped(stopping)).await;
    }

    async fn take(self: Arc<Self>, dropped: Dropped) -> Fate {
        let inbox = Arc::clone(&self);
        // One at a time: each may hold all its rows in memory.
        let (hand_over, mut parts) = mpsc::channel(1);
        let reading = tokio::task::spawn_blocking(move || inbox.read(&dropped, &hand_over));
        let mut fates = Vec::new();
        while let Some(part) = parts.recv().await {
            fates.push((part.label.name.clone(), self.take_part(part).await));
        }
        match reading.await {
            Ok(Ok(())) => together(fates),
            Ok(Err(error)) => Fate::Later(error.to_string()),
            Err(error) => Fate::Later(error.to_string()),
        }
    }

    async fn take_part(&self, part: Part) -> Fate {
        let Part { intake, refused, .. } = part;
        let held = intake.delivery.because.clone().filter(|_| intake.delivery.state == DeliveryState::Held);
        match (self.office.intake(intake).await, refused, held) {
            (Ok(report), Some(why), _) => {
                self.office.metrics.engine.file_refused(why.reason);
                let rows = format!("its rows are kept: `pratique delivery refused {}`", report.delivery);
                Fate::Refused(format!("{}\n{rows}", why.said))
            }
            (Ok(report), None, Some(why)) => Fate::Held(format!(
                "{why}\nlook at it with `pratique delivery show {0}`; it says what you can do",
                report.delivery
            )),
            (Ok(_), None, None) => Fate::Done,
            (Err(error), ..) => Fate::Later(error.to_string()),
        }
    }

    fn read(&self, dropped: &Dropped, hand_over: &mpsc::Sender<Part>) -> std::io::Result<()> {
        let mut file = dropped.open()?;
        let (content, bytes) = digest(&mut file)?;
        let received_at = self.clock.now();
        let label = Label { source: None, report: None, name: dropped.name.clone(), received_at, content, bytes };
        self.readers.reports(&label, &mut file, &mut |part| {
            // The daemon is stopping; the file stays and is taken at the next start.
            let _stopping = hand_over.blocking_send(part).is_err();
        });
        Ok(())
    }
}

/// What becomes of a file of which these became of its parts. What has to be tried again is, all of it: the same content
/// counts once. What a person has to look at goes before what was refused.
fn together(mut fates: Vec<(String, Fate)>) -> Fate {
    if fates.len() == 1 {
        return fates.pop().map_or(Fate::Done, |(_, fate)| fate);
    }
    if let Some(at) = fates.iter().position(|(_, fate)| matches!(fate, Fate::Later(_))) {
        return fates.swap_remove(at).1;
    }
    let said: Vec<String> = fates
        .iter()
        .map(|(name, fate)| match fate {
            Fate::Held(why) => format!("{name}: held: {why}"),
            Fate::Refused(why) => format!("{name}: refused: {why}"),
            Fate::Done | Fate::Later(_) => format!("{name}: taken in"),
        })
        .collect();
    if fates.iter().any(|(_, fate)| matches!(fate, Fate::Held(_))) {
        Fate::Held(said.join("\n"))
    } else if fates.iter().any(|(_, fate)| matches!(fate, Fate::Refused(_))) {
        Fate::Refused(said.join("\n"))
    } else {
        Fate::Done
    }
}

/// SHA-256 and length; the file is at its beginning again afterwards.
fn digest(file: &mut File) -> std::io::Result<(TextRef, u64)> {
    let mut hash = sha2::Sha256::new();
    let (mut buffer, mut bytes) = (vec![0; 64 * 1024], 0_u64);
    loop {
        let n = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        hash.update(part);
        bytes = bytes.saturating_add(n as u64);
    }
    file.seek(SeekFrom::Start(0))?;
    Ok((TextRef(hash.finalize().into()), bytes))
}

/// What a delivery is compared with. Called from blocking threads only.
fn usual(reader: Arc<dyn Reader>, runtime: tokio::runtime::Handle) -> Arc<Usual> {
    Arc::new(move |source: &str, report: &str| {
        let rows = runtime.block_on(reader.usual_rows(source, report, guard::USUAL_OF));
        rows.map_err(|e| e.to_string())
    })
}
