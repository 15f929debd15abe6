//! What comes in from outside: the readers behind the API, and the drop directory. Both lead to the same office, so a file
//! is judged the same whichever way it came.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use pratique_core::ids::TextRef;
use sha2::Digest as _;
use tokio::sync::watch;

use super::stopped;
use crate::api::intake::{Label, Readers as _, Unreadable};
use crate::api::office::Office as _;
use crate::clock::Clock;
use crate::engine::handle::Intake;
use crate::office::EngineOffice;
use crate::policy_files::PolicySet;
use crate::sources::drop_dir::{DropDir, DropMeters, Dropped, Fate};
use crate::sources::guard;
use crate::sources::readers::{FileReaders, Usual};
use crate::store::{DeliveryState, Reader};

/// Reads files with the policies in force.
pub struct Inbox {
    office: Arc<EngineOffice>,
    clock: Arc<dyn Clock>,
    policies: Arc<ArcSwap<PolicySet>>,
    readers: FileReaders,
}

impl Inbox {
    /// For a running engine.
    pub fn new(policies: PolicySet, office: Arc<EngineOffice>, clock: Arc<dyn Clock>) -> Self {
        let policies = Arc::new(ArcSwap::from_pointee(policies));
        let usual = usual(Arc::clone(&office.reader), tokio::runtime::Handle::current());
        let readers = FileReaders::new(Arc::clone(&policies), usual);
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
        let read = tokio::task::spawn_blocking(move || inbox.read(&dropped));
        let intake = match read.await {
            Ok(Ok(intake)) => intake,
            Ok(Err(NotRead::Later(why))) => return Fate::Later(why),
            Ok(Err(NotRead::Refused(label, why))) => {
                // Refused deliveries are on record too: "nothing came" and "something unreadable came" are different.
                return match self.office.intake(self.readers.refused(&label, &why.said)).await {
                    Ok(_) => {
                        self.office.metrics.engine.file_refused(why.reason);
                        Fate::Refused(why.said)
                    }
                    Err(error) => Fate::Later(error.to_string()),
                };
            }
            Err(error) => return Fate::Later(error.to_string()),
        };
        let held = intake.delivery.state == DeliveryState::Held;
        match self.office.intake(intake).await {
            Ok(report) if held => Fate::Held(format!(
                "ten times the usual size; look at it, then `pratique delivery accept {}`",
                report.delivery
            )),
            Ok(_) => Fate::Done,
            Err(error) => Fate::Later(error.to_string()),
        }
    }

    fn read(&self, dropped: &Dropped) -> Result<Intake, NotRead> {
        let later = |e: std::io::Error| NotRead::Later(e.to_string());
        let mut file = dropped.open().map_err(later)?;
        let (content, bytes) = digest(&mut file).map_err(later)?;
        let received_at = self.clock.now();
        let label = Label { source: None, report: None, name: dropped.name.clone(), received_at, content, bytes };
        match self.readers.report_with(&label, &mut file, &mut |_, _| ()) {
            Ok(intake) => Ok(intake),
            Err(why) => Err(NotRead::Refused(Box::new(label), why)),
        }
    }
}

enum NotRead {
    /// It may go better later.
    Later(String),
    /// It is not what it should be.
    Refused(Box<Label>, Unreadable),
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
