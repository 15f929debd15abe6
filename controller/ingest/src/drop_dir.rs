//! A directory into which reports are dropped. A file is taken when it has not changed for one look, and then lies in
//! `done/`, `held/` or `refused/`, with the reason beside it; it is never overwritten and never deleted.
//!
//! ```text
//! drop/FILE ──same size, time and inode at two looks──▶ taken ─▶ done/FILE
//!   .hidden, *.part: left alone                           ├───▶ held/FILE    + FILE.reason.txt
//!                                                         ├───▶ refused/FILE + FILE.reason.txt
//!                                                         └───▶ stays: the engine is busy, or the file changed
//! ```
//!
//! A crash between taking and moving takes the file once more at the next start; the same content counts once.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use tracing::{info, warn};

/// So many files are taken at one look; the rest waits for the next.
const AT_ONCE: usize = 1_000;

/// So many files of one name are told apart in `done/` and its siblings.
const SAME_NAME: u32 = 10_000;

const PLACES: [&str; 3] = ["done", "held", "refused"];

/// The directory, and how its files looked last time.
#[derive(Debug)]
pub struct DropDir {
    root: PathBuf,
    seen: HashMap<OsString, Stamp>,
    meters: Option<DropMeters>,
}

/// What the NOC sees of it.
#[derive(Clone, Debug)]
pub struct DropMeters {
    files: IntCounterVec,
    waiting: IntGauge,
}

/// A file that lies still.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// Its name, for labels and messages.
    pub name: String,
    path: PathBuf,
    stamp: Stamp,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Taken in, or known already.
    Done,
    /// Held for a person, and why.
    Held(String),
    /// Refused whole, and why.
    Refused(String),
    /// Not now, and why: it stays and is tried again.
    Later(String),
}

/// Enough to see that a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let modified = (meta.mtime(), meta.mtime_nsec());
        Self { device: meta.dev(), inode: meta.ino(), size: meta.len(), modified }
    }
}

impl DropMeters {
    /// Registered meters.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Files of the drop directory by what became of them";
        let files = IntCounterVec::new(Opts::new("pratique_drop_files_total", help), &["fate"])?;
        let waiting =
            IntGauge::new("pratique_drop_files_waiting", "Files in the drop directory that are not taken yet")?;
        registry.register(Box::new(files.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        for place in PLACES {
            files.with_label_values(&[place]).inc_by(0);
        }
        Ok(Self { files, waiting })
    }
}

impl Dropped {
    /// Opens it, if it is still the file that was seen; never through a symbolic link.
    ///
    /// # Errors
    /// When it cannot be opened, or has changed meanwhile: try again later.
    pub fn open(&self) -> io::Result<File> {
        // Without O_NONBLOCK a pipe put in the file's place would block for ever.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&self.path)?;
        if Stamp::of(&file.metadata()?) != self.stamp {
            return Err(io::Error::other("the file has changed since it was seen"));
        }
        Ok(file)
    }
}

impl DropDir {
    /// Makes the places where files end, if they are not there.
    ///
    /// # Errors
    /// When the directory is missing or cannot be written: said now, not at the first file.
    pub fn open(root: &Path, meters: Option<DropMeters>) -> io::Result<Self> {
        let told = |path: &Path, e: io::Error| {
            io::Error::new(e.kind(), format!("{}: {e}; create it, writable for pratique", path.display()))
        };
        if !std::fs::metadata(root).map_err(|e| told(root, e))?.is_dir() {
            return Err(told(root, io::Error::from(io::ErrorKind::NotADirectory)));
        }
        for place in PLACES {
            let path = root.join(place);
            std::fs::create_dir_all(&path).map_err(|e| told(&path, e))?;
            tempfile::tempfile_in(&path).map_err(|e| told(&path, e))?;
        }
        Ok(Self { root: root.to_path_buf(), seen: HashMap::new(), meters })
    }

    /// Looks once. Returns files that look as they did at the last look, in the order of their names, so that days come
    /// in order. Links, pipes and the like go to `refused/` at once.
    ///
    /// # Errors
    /// When the directory cannot be read; what was seen before is kept.
    pub fn look(&mut self) -> io::Result<Vec<Dropped>> {
        let mut now = HashMap::new();
        let mut still = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_left_alone(&name) {
                continue;
            }
            // Of the entry itself: a link is not followed.
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Taken away between listing and looking.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            if meta.is_dir() {
                continue;
            }
            let stamp = Stamp::of(&meta);
            let shown = pratique_core::text::printable(name.to_string_lossy().as_bytes(), 200).to_string();
            let dropped = Dropped { name: shown, path: entry.path(), stamp };
            if !meta.is_file() {
                let what = if meta.is_symlink() { "a symbolic link" } else { "a pipe, socket or device" };
                let fate = Fate::Refused(format!("{what}, not a file; copy the report itself into the directory"));
                self.file_away(&dropped, &fate)?;
                continue;
            }
            if self.seen.get(&name) == Some(&stamp) {
                still.push(dropped);
            }
            now.insert(name, stamp);
        }
        self.seen = now;
        if let Some(meters) = &self.meters {
            meters.waiting.set(i64::try_from(self.seen.len()).unwrap_or(i64::MAX));
        }
        still.sort_by(|a, b| a.path.cmp(&b.path));
        still.truncate(AT_ONCE);
        Ok(still)
    }

    /// Moves a file to where it ends; returns its new path, or none if it stays. A file that changed while it was read
    /// stays and is read again: what was added must not get lost.
    ///
    /// # Errors
    /// When it cannot be moved; it then stays, and the same content counts once.
    pub fn file_away(&mut self, dropped: &Dropped, fate: &Fate) -> io::Result<Option<PathBuf>> {
        let (place, reason) = match fate {
            Fate::Done => ("done", None),
            Fate::Held(reason) => ("held", Some(reason)),
            Fate::Refused(reason) => ("refused", Some(reason)),
            Fate::Later(_) => return Ok(None),
        };
        if Stamp::of(&std::fs::symlink_metadata(&dropped.path)?) != dropped.stamp {
            return Ok(None);
        }
        let name = dropped.path.file_name().unwrap_or(OsStr::new("unnamed"));
        let dir = self.root.join(place);
        for n in 1..=SAME_NAME {
            let to = dir.join(numbered(name, n));
            if to.symlink_metadata().is_ok() {
                continue;
            }
            if let Some(reason) = reason {
                // Before the move: a file that has moved always has its reason.
                let mut beside = to.clone().into_os_string();
                beside.push(".reason.txt");
                std::fs::write(beside, format!("{reason}\n"))?;
            }
            match move_to(&dropped.path, &to) {
                Ok(()) => {
                    self.seen.remove(name);
                    if let Some(meters) = &self.meters {
                        meters.files.with_label_values(&[place]).inc();
                    }
                    return Ok(Some(to));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!("{} holds {SAME_NAME} files of this name; clear it out", dir.display())))
    }

    /// Looks again and again until `stop` is done. `take` says what becomes of each file, one after the other.
    pub async fn watch<F, Fut>(mut self, every: Duration, mut take: F, stop: impl Future<Output = ()>)
    where
        F: FnMut(Dropped) -> Fut,
        Fut: Future<Output = Fate>,
    {
        let mut stop = std::pin::pin!(stop);
        loop {
            let looked;
            (self, looked) = match blocking(self, Self::look).await {
                Some(back) => back,
                None => return,
            };
            let files = looked.unwrap_or_else(|e| {
                warn!(error = %e, "the drop directory cannot be read; trying again");
                Vec::new()
            });
            for dropped in files {
                let fate = tokio::select! {
                    biased;
                    () = &mut stop => return,
                    fate = take(dropped.clone()) => fate,
                };
                tell(&dropped.name, &fate);
                let moved;
                (self, moved) = match blocking(self, move |dir| dir.file_away(&dropped, &fate)).await {
                    Some(back) => back,
                    None => return,
                };
                if let Err(e) = moved {
                    warn!(error = %e, "a dropped file cannot be moved; it stays and is tried again");
                }
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }
}

/// Disk work off the async threads. None when the runtime is going down.
async fn blocking<T: Send + 'static>(
    mut dir: DropDir,
    work: impl FnOnce(&mut DropDir) -> T + Send + 'static,
) -> Option<(DropDir, T)> {
    let done = tokio::task::spawn_blocking(move || {
        let result = work(&mut dir);
        (dir, result)
    });
    done.await.inspect_err(|e| warn!(error = %e, "watching the drop directory ended")).ok()
}

fn tell(name: &str, fate: &Fate) {
    match fate {
        Fate::Done => info!(file = name, "dropped file taken in"),
        Fate::Held(reason) => warn!(file = name, reason, "dropped file held for a person"),
        // The reason may quote a row, and so an address: it stands in the file beside the report.
        Fate::Refused(_) => warn!(file = name, "dropped file refused; the reason lies beside it in refused/"),
        Fate::Later(reason) => warn!(file = name, reason, "dropped file left for later"),
    }
}

/// Hidden files, and names under which others write before they rename.
fn is_left_alone(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let unfinished: [&[u8]; 4] = [b".part", b".tmp", b".filepart", b".crdownload"];
    name.starts_with(b".") || unfinished.iter().any(|end| name.to_ascii_lowercase().ends_with(end))
}

/// `report.csv`, `report.csv.2`, …
fn numbered(name: &OsStr, n: u32) -> OsString {
    let mut name = name.to_os_string();
    if n > 1 {
        name.push(format!(".{n}"));
    }
    name
}

/// Renames without ever replacing.
fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that cannot say "do not replace" (NFS): the name was looked for just before, and only this
        // program writes there.
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => std::fs::rename(from, to),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn dir() -> (tempfile::TempDir, DropDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = DropDir::open(root.path(), None).unwrap();
        (root, dir)
    }

    fn names(files: &[Dropped]) -> Vec<&str> {
        files.iter().map(|f| f.name.as_str()).collect()
    }

    fn inside(root: &Path, place: &str) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(root.join(place))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_taken_when_it_lies_still_and_in_order_of_names() {
        let (root, mut dir) = dir();
        std::fs::write(root.path().join("b.csv"), "1").unwrap();
        assert!(dir.look().unwrap().is_empty());
        std::fs::write(root.path().join("a.csv"), "1").unwrap();
        std::fs::write(root.path().join("b.csv"), "12").unwrap();
        assert!(dir.look().unwrap().is_empty());
        for name in [".hidden", "c.csv.part", "d.csv.PART"] {
            std::fs::write(root.path().join(name), "1").unwrap();
        }
        assert_eq!(names(&dir.look().unwrap()), ["a.csv", "b.csv"]);
        assert_eq!(names(&dir.look().unwrap()), ["a.csv", "b.csv"]);
    }

    #[test]
    fn a_file_ends_in_its_place_with_the_reason_and_replaces_nothing() {
        let (root, mut dir) = dir();
        for (round, fate) in [
            Fate::Refused("line 3: no".into()),
            Fate::Refused("again".into()),
            Fate::Held("ten times".into()),
            Fate::Done,
        ]
        .iter()
        .enumerate()
        {
            std::fs::write(root.path().join("a.csv"), format!("{round}")).unwrap();
            dir.look().unwrap();
            let found = dir.look().unwrap();
            dir.file_away(&found[0], fate).unwrap().unwrap();
        }
        assert_eq!(inside(root.path(), "refused"), ["a.csv", "a.csv.2", "a.csv.2.reason.txt", "a.csv.reason.txt"]);
        assert_eq!(inside(root.path(), "held"), ["a.csv", "a.csv.reason.txt"]);
        assert_eq!(inside(root.path(), "done"), ["a.csv"]);
        let read = |p: &str| std::fs::read_to_string(root.path().join(p)).unwrap();
        assert_eq!((read("refused/a.csv").as_str(), read("refused/a.csv.reason.txt").as_str()), ("0", "line 3: no\n"));
        assert!(dir.look().unwrap().is_empty());
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_stays() {
        let (root, mut dir) = dir();
        let path = root.path().join("a.csv");
        std::fs::write(&path, "1").unwrap();
        dir.look().unwrap();
        let found = dir.look().unwrap();
        let mut text = String::new();
        found[0].open().unwrap().read_to_string(&mut text).unwrap();
        std::fs::write(&path, "12").unwrap();
        assert_eq!(dir.file_away(&found[0], &Fate::Done).unwrap(), None);
        assert!(found[0].open().is_err());
        assert!(path.exists());
    }

    #[test]
    fn a_restart_finds_what_was_not_moved() {
        let (root, mut first) = dir();
        std::fs::write(root.path().join("a.csv"), "1").unwrap();
        first.look().unwrap();
        assert_eq!(first.look().unwrap().len(), 1);
        drop(first);
        let mut second = DropDir::open(root.path(), None).unwrap();
        assert!(second.look().unwrap().is_empty());
        assert_eq!(names(&second.look().unwrap()), ["a.csv"]);
    }

    #[test]
    fn links_and_pipes_are_refused_without_being_followed() {
        let (root, mut dir) = dir();
        let secret = root.path().join(".secret");
        std::fs::write(&secret, "do not read").unwrap();
        std::os::unix::fs::symlink(&secret, root.path().join("link.csv")).unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe.csv"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(dir.look().unwrap().is_empty());
        assert!(dir.look().unwrap().is_empty());
        let refused = inside(root.path(), "refused");
        assert_eq!(refused, ["link.csv", "link.csv.reason.txt", "pipe.csv", "pipe.csv.reason.txt"]);
        assert!(secret.exists());
    }

    #[test]
    fn a_missing_directory_is_said_at_once() {
        let root = tempfile::tempdir().unwrap();
        let said = DropDir::open(&root.path().join("nowhere"), None).unwrap_err().to_string();
        assert!(said.contains("nowhere: ") && said.contains("create it"), "{said}");
    }

    #[tokio::test]
    async fn the_watch_retries_what_was_put_off_and_stops() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::new();
        let dir = DropDir::open(root.path(), Some(DropMeters::new(&registry).unwrap())).unwrap();
        std::fs::write(root.path().join("a.csv"), "1").unwrap();
        let tries = Arc::new(Mutex::new(0));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut stop = Some(stop);
        let counted = tries.clone();
        let take = move |_: Dropped| {
            let mut tries = counted.lock().unwrap();
            *tries += 1;
            if *tries == 3 {
                // Stopped after this file: the watch still puts it away, because that select comes first.
                let _gone = stop.take().map(|s| s.send(()));
            }
            let fate = if *tries < 2 { Fate::Later("busy".into()) } else { Fate::Done };
            if *tries == 2 {
                std::fs::write(root_of(&root).join("b.csv"), "2").unwrap();
            }
            std::future::ready(fate)
        };
        fn root_of(root: &tempfile::TempDir) -> PathBuf {
            root.path().to_path_buf()
        }
        let stopped = async move {
            let _closed = stopped.await;
        };
        dir.watch(Duration::from_millis(1), take, stopped).await;
        assert_eq!(*tries.lock().unwrap(), 3);
        let done = registry.gather().iter().any(|f| f.name() == "pratique_drop_files_total");
        assert!(done);
    }
}
