//! The key that links, stamps and bounces are marked with. It lies in the data directory, readable for pratique alone, so that
//! a link outlives a restart; whoever has it can make links that look genuine.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use pratique_portal::LinkKey;

/// In the data directory.
pub const FILE: &str = "notices.key";

/// Reads the key; none if there is none yet.
///
/// # Errors
/// When the file cannot be read, is no key, or can be read by others.
pub fn load(data_dir: &Path) -> anyhow::Result<Option<LinkKey>> {
    let path = data_dir.join(FILE);
    let at = || format!("{}", path.display());
    match std::fs::File::open(&path) {
        Ok(file) => {
            let mode = file.metadata().with_context(at)?.mode();
            if mode & 0o077 != 0 {
                bail!("{}: others can read the key of links in notices; chmod 600", path.display());
            }
            let mut bytes = Vec::new();
            file.take(LinkKey::BYTES as u64 + 1).read_to_end(&mut bytes).with_context(at)?;
            let key = bytes.try_into().ok().map(LinkKey::new);
            key.map(Some).with_context(|| {
                let length = LinkKey::BYTES;
                format!(
                    "{}: is no key of {length} bytes; put the former one back, or remove it: links in notices that \
                         were sent then stop working",
                    path.display()
                )
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(at),
    }
}

/// Reads the key, or makes one if there is none yet.
///
/// # Errors
/// As [`load`], or when it cannot be made. A new key is never made over an old file: links that are out would not be genuine any
/// more.
pub fn load_or_make(data_dir: &Path) -> anyhow::Result<LinkKey> {
    if let Some(key) = load(data_dir)? {
        return Ok(key);
    }
    let path = data_dir.join(FILE);
    let at = || format!("{}: cannot be made", path.display());
    let mut key = [0; LinkKey::BYTES];
    getrandom::fill(&mut key).map_err(|e| anyhow::anyhow!("the system gives no random numbers: {e}"))?;
    // Whole or not at all: half a key would never be a key again.
    let unfinished = data_dir.join(format!("{FILE}.new"));
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let mut file = file.with_context(at)?;
    file.write_all(&key).and_then(|()| file.sync_all()).with_context(at)?;
    std::fs::rename(&unfinished, &path).with_context(at)?;
    Ok(LinkKey::new(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_outlives_a_restart_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let mark = |key: &LinkKey| key.mark("x", &[1]);
        assert!(load(folder.path()).unwrap().is_none());
        let first = mark(&load_or_make(folder.path()).unwrap());
        assert_eq!(mark(&load_or_make(folder.path()).unwrap()), first);
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_make(folder.path()).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "short").unwrap();
        assert!(load_or_make(folder.path()).unwrap_err().to_string().contains("is no key"));
    }
}
