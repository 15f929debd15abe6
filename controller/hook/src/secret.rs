//! Passwords and keys of other machines: one line in a file of its own, so that the configuration can be shown to anybody.

use std::io::Read as _;
use std::path::Path;

use smol_str::SmolStr;

/// No secret is longer, in bytes.
const LONGEST: u64 = 64 << 10;

/// Reads a secret: one line, which others must not be able to read.
///
/// # Errors
/// When the file cannot be read, can be read by anybody, or holds nothing.
pub fn secret(field: &str, path: &Path) -> Result<SmolStr, String> {
    use std::os::unix::fs::MetadataExt as _;
    let fail = |problem: String| format!("{field}: {}: {problem}", path.display());
    let meta = std::fs::metadata(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    if meta.mode() & 0o007 != 0 {
        return Err(fail("everybody on this machine can read it; chmod 600".into()));
    }
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map_err(|e| fail(format!("cannot be read: {e}")))?;
    let secret = text.trim();
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(fail("write the secret into it, on one line".into()));
    }
    Ok(secret.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_that_others_cannot_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            secret("x.secret_file", &path)
        };
        assert_eq!(read("open sesame\n", 0o600).as_deref(), Ok("open sesame"));
        assert!(read("open sesame\n", 0o644).unwrap_err().contains("chmod 600"));
        assert!(read("\n", 0o600).unwrap_err().contains("on one line"));
        assert!(read("a\nb\n", 0o600).unwrap_err().contains("on one line"));
        std::fs::remove_file(&path).unwrap();
        let missing = secret("x.secret_file", &path).unwrap_err();
        assert!(missing.starts_with("x.secret_file: "), "{missing}");
    }
}
