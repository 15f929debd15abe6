//! What the daemon may do, and what others may do with its files.
//!
//! Files: whatever lies in `data_dir` names subscribers, so folders are 0700 and files 0600, whoever made them and with whatever
//! umask. Capabilities: after the sockets are bound, the wall's (CAP_NET_ADMIN) and the scanner's (CAP_NET_RAW) are all that is left;
//! a hole in what reads strangers' files and packets then opens little. Threads inherit what the thread has that starts them, so the
//! runtime's own give up theirs as they start, and the main thread once all sockets are bound.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use nix::sys::stat::{Mode, umask};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use tracing::{info, warn};

use crate::config::Config;

const OTHERS: u32 = 0o077;
/// As deep as data_dir ever is, and some.
const DEEPEST: usize = 8;

/// From here on no file is made that others may read.
pub fn private() {
    umask(Mode::from_bits_truncate(OTHERS));
}

/// Makes `data_dir` if there is none, and what lies in it private. What cannot be changed is said, each folder once.
///
/// # Errors
/// When it cannot be made.
pub fn close_data_dir(data_dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(data_dir).with_context(|| format!("data_dir {} cannot be made", data_dir.display()))?;
    close(data_dir, 0);
    Ok(())
}

fn close(folder: &Path, depth: usize) {
    close_one(folder);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        match fs::symlink_metadata(&path) {
            Ok(said) if said.is_dir() && depth < DEEPEST => close(&path, depth + 1),
            // A link's own rights mean nothing, and what it leads to is not ours.
            Ok(said) if said.is_file() => close_one(&path),
            _ => {}
        }
    }
}

fn close_one(path: &Path) {
    let Ok(said) = fs::symlink_metadata(path) else { return };
    let mode = said.permissions().mode();
    if mode & OTHERS == 0 {
        return;
    }
    match fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS & 0o7777)) {
        Ok(()) => {
            warn!(path = %path.display(), "others could read this or write there; its rights are the daemon's alone now")
        }
        Err(error) => {
            warn!(path = %path.display(), %error, "others can read this or write there, and its rights cannot be changed")
        }
    }
}

/// Of the thread that calls it, and of all that it starts from then on: keeps what the wall, the scanner and the files need.
/// `files` says whether files of other accounts have to be read and written, which takes root's right to do so.
pub fn drop_capabilities(files: bool) -> Result<CapabilitySet, String> {
    let has = capabilities(None).map_err(|e| e.to_string())?;
    let mut keep = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    if files {
        keep |= CapabilitySet::DAC_OVERRIDE;
    }
    let keep = has.permitted & keep;
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(|e| e.to_string())?;
    set_no_new_privs(true).map_err(|e| e.to_string())?;
    Ok(keep)
}

/// The same for a thread of the runtime, which needs no more than the main thread keeps.
pub fn drop_in_thread(files: bool) {
    if let Err(error) = drop_capabilities(files) {
        warn!(error, "a thread keeps its capabilities");
    }
}

/// For the main thread, once everything is bound.
pub fn drop_after_start(files: bool) {
    match drop_capabilities(files) {
        Ok(kept) => info!(kept = %names(kept), "capabilities are dropped"),
        Err(error) => warn!(error, "the capabilities this was started with are kept"),
    }
}

fn names(kept: CapabilitySet) -> String {
    let known = [
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        (CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
    ];
    let kept: Vec<_> = known.iter().filter(|(set, _)| kept.contains(*set)).map(|(_, name)| *name).collect();
    if kept.is_empty() { "none".into() } else { kept.join(", ") }
}

/// Whether root runs this and something it works with belongs to somebody else: without its right to overlook that, it could not
/// read or write there.
pub fn needs_others_files(config: &Config) -> bool {
    if !nix::unistd::geteuid().is_root() {
        return false;
    }
    let files = [
        Some(&config.data_dir),
        Some(&config.policies),
        Some(&config.tokens),
        config.file.as_ref(),
        config.drop_dir.as_ref(),
    ];
    let mut files: Vec<&Path> = files.into_iter().flatten().map(AsRef::as_ref).collect();
    let tls = config.dns.as_ref().and_then(|dns| dns.tls.as_ref());
    files.extend(tls.into_iter().flat_map(|tls| [tls.certificate.as_path(), tls.key.as_path()]));
    let tls = config.portal.as_ref().and_then(|portal| portal.tls.as_ref());
    files.extend(tls.into_iter().flat_map(|tls| [tls.certificate.as_path(), tls.key.as_path()]));
    files.extend(config.position_copy.as_deref().and_then(Path::parent));
    let foreign = |path: &Path| fs::metadata(path).is_ok_and(|said| said.uid() != 0);
    // What others own inside a folder of root's counts too: files are put there by whoever reports.
    let inside = |path: &Path| fs::read_dir(path).is_ok_and(|all| all.flatten().any(|entry| foreign(&entry.path())));
    files.iter().any(|path| foreign(path) || inside(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_data_dir_is_private_whoever_made_it_and_links_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (data, outside) = (dir.path().join("data"), dir.path().join("outside"));
        fs::create_dir_all(data.join("held/7")).unwrap();
        for file in [data.join("pratique.db"), data.join("held/7/rows"), outside.clone()] {
            fs::write(&file, "x").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        }
        for folder in [data.clone(), data.join("held"), data.join("held/7")] {
            fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
        close_data_dir(&data).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, wanted) in
            [("", 0o700), ("held", 0o700), ("held/7", 0o700), ("pratique.db", 0o600), ("held/7/rows", 0o600)]
        {
            assert_eq!(mode(&data.join(path)), wanted, "{path}");
        }
        assert_eq!(mode(&outside), 0o666);
    }

    #[test]
    fn a_thread_that_gives_up_its_capabilities_has_no_others() {
        let thread = std::thread::spawn(|| {
            let before = capabilities(None).unwrap().permitted;
            let kept = drop_capabilities(false).unwrap();
            assert_eq!(kept, before & (CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW));
            let after = capabilities(None).unwrap();
            assert_eq!((after.permitted, after.effective, after.inheritable), (kept, kept, CapabilitySet::empty()));
            // Threads of it have no more.
            let inherited = std::thread::spawn(|| capabilities(None).unwrap().permitted);
            assert_eq!(inherited.join().unwrap(), kept);
        });
        thread.join().unwrap();
    }
}
