//! The last view of the residents, kept beside the store: after a start pages and captive answers come from it until the engine is
//! loaded.
//!
//! ```text
//! "pratview" ‖ version, 1 byte ‖ SHA-256 of all that follows, 32 bytes ‖ when, residents: in postcard's format
//! ```
//!
//! It is a shortcut only: one that is damaged, of another version, too large or too old is not used, and pages wait for the engine.
//! Who was released just before a crash may be in it, and is shown as held until the engine is loaded; the wall holds the line as
//! long. Who was walled just before may be missing as long. An address can change hands while no daemon runs, so one that
//! was not touched for [`MOST_AGE`] is not used: nobody is to read another's page.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pratique_core::policy::Policy;
use pratique_core::time::Timestamp;
use pratique_core::view::{GardenView, KeptResident};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

const MAGIC: &[u8; 8] = b"pratview";
/// Of what is in a [`KeptResident`], however deep.
const VERSION: u8 = 1;
/// Magic, version, digest.
const HEADER: usize = 8 + 1 + 32;

/// A larger file is neither written nor read: some 250 bytes for each of half a million residents.
const MOST_BYTES: u64 = 128 << 20;

/// How long a file may lie untouched and still be used. Longer than a machine takes to start, shorter than addresses last.
const MOST_AGE: Duration = Duration::from_secs(30 * 60);

/// Changes are looked for this often, and a file that is still right is touched.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const TOUCH_EVERY: Duration = Duration::from_secs(30);
/// Between two writes lie at least this, and this many times what the last one took: at most a fiftieth of one core.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_TIMES: u32 = 50;

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// When it was written.
    at: Timestamp,
    residents: Vec<KeptResident>,
}

/// The file beside a store.
#[derive(Clone, Debug)]
pub(super) struct KeptView {
    path: PathBuf,
}

impl KeptView {
    pub(super) fn at(data_dir: &Path) -> Self {
        Self { path: data_dir.join(format!("{}.view", pratique_sqlite::DATABASE)) }
    }

    /// Fills an empty view. Says as of when it is; none where there is nothing that can be used.
    pub(super) fn restore(&self, view: &GardenView, policy: &Policy) -> Option<Timestamp> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                warn!(%error, "the last view cannot be read; pages wait until the log is read");
                return None;
            }
        };
        match read(file) {
            Ok(kept) => {
                info!(residents = kept.residents.len(), at = %kept.at, "pages and captive answers come from the last view until the log is read");
                view.restore(kept.residents, policy);
                Some(kept.at)
            }
            Err(why) => {
                warn!(why, "the last view is not used; pages wait until the log is read");
                None
            }
        }
    }

    /// Writes it whole or not at all. With `erase` the former content is overwritten first.
    fn write(&self, view: &GardenView, at: Timestamp, erase: bool) -> anyhow::Result<()> {
        let kept = Kept { at, residents: view.to_keep() };
        let body = postcard::to_stdvec(&kept)?;
        if erase {
            self.erase();
        }
        if body.len() as u64 > MOST_BYTES {
            self.erase();
            anyhow::bail!("{} residents are more than it is made for", kept.residents.len());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // Made for its owner alone, as all temporary files of this library.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&[VERSION])?;
        file.write_all(&Sha256::digest(&body))?;
        file.write_all(&body)?;
        file.as_file().sync_data()?;
        file.persist(&self.path)?;
        Ok(())
    }

    /// Overwrites and removes it: erased means overwritten.
    pub(super) fn erase(&self) {
        let overwritten =
            File::options().write(true).custom_flags(nix::libc::O_NOFOLLOW).open(&self.path).and_then(|mut file| {
                let mut left = file.metadata()?.len();
                file.seek(SeekFrom::Start(0))?;
                let nothing = vec![0; 64 * 1024];
                while left > 0 {
                    let piece = left.min(nothing.len() as u64);
                    file.write_all(nothing.get(..piece as usize).unwrap_or_default())?;
                    left -= piece;
                }
                file.sync_data()
            });
        if let Err(error) = overwritten.and_then(|()| std::fs::remove_file(&self.path))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(path = %self.path.display(), %error, "the last view could not be erased; remove it");
        }
    }

    /// Says that it is still right.
    fn touch(&self) {
        let touched =
            File::options().write(true).open(&self.path).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = touched {
            debug!(%error, "the last view could not be touched");
        }
    }
}

fn read(file: File) -> Result<Kept, String> {
    let said = file.metadata().map_err(|e| e.to_string())?;
    let age = said.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
    if age > MOST_AGE {
        return Err(format!("it is {} minutes old: addresses may have changed hands", age.as_secs() / 60));
    }
    if said.len() > MOST_BYTES + HEADER as u64 {
        return Err("it is too large".to_owned());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(said.len()).unwrap_or_default());
    file.take(MOST_BYTES + HEADER as u64).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let (header, body) = bytes.split_at_checked(HEADER).ok_or("it is too short")?;
    let rest = header.strip_prefix(MAGIC).ok_or("it is no view")?;
    let digest = rest.strip_prefix(&[VERSION]).ok_or("it is of another version of this program")?;
    if Sha256::digest(body).as_slice() != digest {
        return Err("it is damaged: its content does not match its digest".to_owned());
    }
    postcard::from_bytes(body).map_err(|e| e.to_string())
}

/// Keeps the file as the view is, until the daemon is to stop, and writes it a last time then. `purged` is rung when personal data
/// were erased: then it is written again at once, over the former content. `full` says that there is no room to waste, `loaded` that
/// the view is the engine's: what was restored must not look younger than it is.
pub(super) async fn keep(
    (kept, view): (KeptView, Arc<GardenView>),
    now: impl Fn() -> Timestamp + Send + Sync + Clone + 'static,
    full: impl Fn() -> bool + Send + 'static,
    loaded: impl Fn() -> bool + Send + 'static,
    purged: Arc<Notify>,
    stopping: watch::Receiver<bool>,
) {
    let stop = super::stopped(stopping);
    tokio::pin!(stop);
    let (mut written, mut touched, mut not_before) = (None, Instant::now(), Instant::now());
    let mut said = false;
    loop {
        let (last, erase) = tokio::select! {
            () = &mut stop => (true, false),
            () = purged.notified() => (false, true),
            () = tokio::time::sleep(LOOK_EVERY) => (false, false),
        };
        if !loaded() {
            if last {
                return;
            }
            continue;
        }
        let changes = view.changes();
        let due = written != Some(changes) && Instant::now() >= not_before && !full();
        if last || erase || due {
            let began = Instant::now();
            let (kept, view, now) = (kept.clone(), Arc::clone(&view), now.clone());
            let done = tokio::task::spawn_blocking(move || kept.write(&view, now(), erase)).await;
            match done.unwrap_or_else(|e| Err(e.into())) {
                Ok(()) => (written, said) = (Some(changes), false),
                Err(error) if !said => {
                    warn!("the last view cannot be kept, so pages wait for the log after the next start: {error:#}");
                    said = true;
                }
                Err(_) => {}
            }
            touched = Instant::now();
            not_before = touched + PAUSE.max(began.elapsed() * PAUSE_TIMES);
        } else if written == Some(changes) && touched.elapsed() >= TOUCH_EVERY {
            kept.touch();
            touched = Instant::now();
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::allow::AllowList;
    use pratique_core::view::Resident;

    use super::*;

    fn policy() -> Policy {
        pratique_policy::built_in().unwrap().policy
    }

    fn view() -> GardenView {
        let view = GardenView::default();
        for n in 1..=3 {
            view.put(format!("192.0.2.{n}").parse().unwrap(), Resident::for_test(n, "mirai", AllowList::default()));
        }
        view
    }

    #[test]
    fn what_was_kept_is_there_again_and_what_is_not_whole_not_ours_or_old_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let kept = KeptView::at(dir.path());
        let restored = || {
            let view = GardenView::default();
            (kept.restore(&view, &policy()), view.len())
        };
        assert_eq!(restored(), (None, 0));
        let at = Timestamp::from_secs(1_700_000_000);
        kept.write(&view(), at, false).unwrap();
        assert_eq!(restored(), (Some(at), 3));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept.path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);

        let whole = std::fs::read(&kept.path).unwrap();
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            std::fs::write(&kept.path, bytes).unwrap();
            restored()
        };
        assert_eq!(with(&|b| _ = b.pop()), (None, 0), "cut");
        assert_eq!(with(&|b| *b.last_mut().unwrap() ^= 1), (None, 0), "a bit");
        assert_eq!(with(&|b| b[8] += 1), (None, 0), "another version");
        assert_eq!(with(&|b| b.clear()), (None, 0), "empty");
        assert_eq!(with(&|_| ()), (Some(at), 3));
        let old = SystemTime::now() - MOST_AGE - Duration::from_secs(1);
        File::options().write(true).open(&kept.path).unwrap().set_modified(old).unwrap();
        assert_eq!(restored(), (None, 0), "old");
        kept.touch();
        assert_eq!(restored(), (Some(at), 3), "touched");
        kept.erase();
        assert!(!kept.path.exists());
    }

    #[test]
    fn what_a_version_holds_changes_only_together_with_it() {
        let view = GardenView::default();
        view.put("192.0.2.1".parse().unwrap(), Resident::for_test(1, "mirai", AllowList::default()));
        let kept = Kept { at: Timestamp::from_secs(9), residents: view.to_keep() };
        let layout = Sha256::digest(postcard::to_stdvec(&kept).unwrap());
        let layout: String = layout.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (VERSION, layout.as_str()),
            (1, "5e1759a4bbbc00c0d2e9d14dcd4736a17903d067f4934ea5bbc2b16f8e522236"),
            "the types have changed: raise VERSION"
        );
    }
}
