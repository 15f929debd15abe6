//! A YAML file of this node's own, such as `pratique.yaml` and `tokens.yaml`: read strictly, and refused with file, line, column and
//! the key that was probably meant. The files of `policies/` are explained at greater length, all of them at once.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::nearest;
use crate::place::place_of;

/// A configuration file is never this large; refusing early keeps a mistyped path (`/dev/zero`, a report) harmless.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why a file was not taken: `path:line:column: what, and what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: PathBuf,
    at: Option<(usize, usize)>,
    what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// About a whole file.
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.into(), at: None, what: what.into() }
    }

    /// About the key with which the problem begins, as in `api.listen is …`, where it is in the file's text.
    pub fn placed(path: &Path, text: &str, what: String) -> Self {
        Self { path: path.into(), at: place_of(text, &what), what }
    }
}

/// Reads a small text file.
///
/// # Errors
/// When it cannot be read, is larger than a configuration file ever is, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let fail = |what: String| ConfigError { path: path.into(), at: None, what };
    let file = std::fs::File::open(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    let bytes = read.map_err(|e| fail(format!("cannot be read as text: {e}")))?;
    if bytes as u64 > MAX_FILE_BYTES {
        return Err(fail(format!("is larger than {MAX_FILE_BYTES} bytes: this is no configuration file")));
    }
    Ok(text)
}

/// Reads YAML strictly; errors name line and column, and for a misspelt key the one that was probably meant.
///
/// # Errors
/// Anything the type does not say.
pub fn parse_yaml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    serde_yaml::from_str(text).map_err(|e| {
        let at = e.location().map(|l| (l.line(), l.column()));
        let said = e.to_string();
        let said = at.and_then(|(l, c)| said.strip_suffix(&format!(" at line {l} column {c}"))).unwrap_or(&said);
        ConfigError { path: path.into(), at, what: with_suggestion(said) }
    })
}

fn with_suggestion(said: &str) -> String {
    let Some((_, rest)) = said.split_once("unknown field `") else { return said.to_owned() };
    let mut quoted = rest.split('`');
    let Some(wrong) = quoted.next() else { return said.to_owned() };
    let known = quoted.skip(1).step_by(2);
    match nearest(wrong, known) {
        Some(meant) => format!("{said}; did you mean `{meant}`?"),
        None => format!("{said}; remove it or correct it"),
    }
}
