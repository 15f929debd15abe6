//! YAML errors in words for the person who wrote the file: where, what, what was meant, what to do.

use std::fmt;

use serde::de::DeserializeOwned;

use super::PolicyFile;
use super::misspelt::distance;

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The file (or directory) as the person knows it.
    pub path: String,
    /// Line and column, both from 1, where they are known.
    pub at: Option<(usize, usize)>,
    /// What is wrong, what was meant, what to do.
    pub what: String,
}

/// Every problem found, ordered by file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl PolicyError {
    pub(super) fn new(path: String, at: Option<(usize, usize)>, what: String) -> Self {
        Self { path, at, what }
    }
}

impl PolicyErrors {
    pub(super) fn new(mut errors: Vec<PolicyError>) -> Self {
        errors.sort_by(|a, b| (&a.path, a.at).cmp(&(&b.path, b.at)));
        errors.dedup();
        Self(errors)
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// Reads one file into its type.
pub(super) fn parse<T: DeserializeOwned>(file: &PolicyFile) -> Result<T, PolicyError> {
    // Maps with free keys (subscribers, sources, types) would silently keep the last of two equal keys; reading the
    // plain value first finds those.
    let plain: Result<serde_yaml::Value, _> = serde_yaml::from_str(&file.text);
    plain.and_then(|_| serde_yaml::from_str(&file.text)).map_err(|e| explain(file, &e))
}

fn explain(file: &PolicyFile, error: &serde_yaml::Error) -> PolicyError {
    let at = error.location().map(|l| (l.line(), l.column()));
    let full = error.to_string();
    let message = match at {
        Some(_) => full.rfind(" at line ").and_then(|i| full.get(..i)).unwrap_or(&full),
        None => &full,
    };
    let what = in_words(message);
    let at = at.map(|at| sharpen(file, message, at)).or(Some((1, 1)));
    PolicyError::new(file.shown.clone(), at, what)
}

/// serde's message, with the nearest known key and a remedy.
fn in_words(message: &str) -> String {
    let (place, bare) = split_place(message);
    let within = if place.is_empty() { String::new() } else { format!(" in `{place}`") };
    let quoted: Vec<&str> = bare.split('`').skip(1).step_by(2).collect();
    let known = quoted.get(1..).unwrap_or_default();
    let first = quoted.first().copied().unwrap_or_default();
    if bare.starts_with("unknown field") || bare.starts_with("unknown variant") {
        let thing = if bare.starts_with("unknown field") { "key" } else { "value" };
        let meant = match nearest(first, known.iter().copied()) {
            Some(m) => format!("did you mean `{m}`? "),
            None => "remove it or choose a known one. ".into(),
        };
        return format!("unknown {thing} `{first}`{within}; {meant}Known here: {}", known.join(", "));
    }
    if bare.starts_with("missing field") {
        return format!("`{first}` is missing{within}; add it (policies/README.md says what it means)");
    }
    if let Some(rest) = bare.strip_prefix("duplicate entry with key ") {
        return format!("the key {rest} is there twice{within}; remove one");
    }
    if bare.starts_with("duplicate field") {
        return format!("the key `{first}` is there twice{within}; remove one");
    }
    if bare.starts_with("EOF while parsing") {
        return "the file is empty; fill it in, or copy it from the program's policies/".into();
    }
    if bare.contains("invalid IP address syntax") {
        return format!("not a network{within}; write address and prefix length, as 192.0.2.0/24 or 2001:db8::/32");
    }
    if bare.starts_with("invalid type") || bare.starts_with("invalid value") {
        return format!("{bare}{within}; correct the value or its indentation");
    }
    if place.is_empty() { bare.into() } else { format!("`{place}`: {bare}") }
}

/// `caps.lines: unknown field …` → (`caps.lines`, `unknown field …`).
fn split_place(message: &str) -> (&str, &str) {
    match message.split_once(": ") {
        Some((place, rest)) if !place.contains([' ', '`']) => (place, rest),
        _ => ("", message),
    }
}

/// The parser names the place where it noticed, often the start of the whole block; the line of the key or value itself
/// is kinder.
fn sharpen(file: &PolicyFile, message: &str, at: (usize, usize)) -> (usize, usize) {
    let (_, bare) = split_place(message);
    let Some(quoted) = bare.split('`').nth(1) else { return at };
    if bare.starts_with("missing field") || bare.starts_with("unknown variant") {
        return at;
    }
    let is_key = bare.starts_with("unknown field");
    let mut lines = file.text.lines().enumerate().skip(at.0.saturating_sub(1));
    let found = lines.find_map(|(i, line)| {
        let column = if is_key { key_column(line, quoted) } else { value_column(line, quoted) };
        Some((i + 1, column?))
    });
    found.unwrap_or(at)
}

/// The column of `key:` in a line, from 1; comments do not count.
fn key_column(line: &str, key: &str) -> Option<usize> {
    let code = line.split(" #").next().unwrap_or(line);
    if code.trim_start().starts_with('#') {
        return None;
    }
    for (start, _) in code.match_indices(key) {
        let before = code.get(..start)?.chars().last();
        let after = code.get(start + key.len()..)?;
        let starts = before.is_none_or(|c| matches!(c, ' ' | '{' | ',' | '"' | '\'' | '-'));
        if starts && after.trim_start_matches(['"', '\'']).starts_with(':') {
            return Some(code.get(..start)?.chars().count() + 1);
        }
    }
    None
}

/// The column of a value in a line, from 1; comments do not count.
fn value_column(line: &str, value: &str) -> Option<usize> {
    let code = line.split(" #").next().unwrap_or(line);
    if value.is_empty() || code.trim_start().starts_with('#') {
        return None;
    }
    code.find(value).and_then(|start| code.get(..start)).map(|before| before.chars().count() + 1)
}

impl PolicyFile {
    /// Where a key stands.
    pub(super) fn line_of(&self, key: &str) -> Option<(usize, usize)> {
        self.text.lines().enumerate().find_map(|(i, line)| Some((i + 1, key_column(line, key)?)))
    }

    /// Where the thing stands that a problem in words speaks of: what it quotes, else the last part of a dotted key at
    /// its beginning.
    pub(super) fn line_meant(&self, problem: &str) -> Option<(usize, usize)> {
        if let Some(quoted) = problem.split('`').nth(1) {
            let mut lines = self.text.lines().enumerate();
            let found = lines.find_map(|(i, line)| Some((i + 1, value_column(line, quoted)?)));
            if found.is_some() {
                return found;
            }
        }
        let word = problem.split([' ', ':']).next()?;
        let key = word.rsplit('.').next()?;
        self.line_of(key).or_else(|| self.line_of(word.split('.').next()?))
    }
}

/// The known word a wrong one was most probably meant to be; none if nothing is near.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: Vec<char> = wrong.to_lowercase().replace('_', "-").chars().take(64).collect();
    let allowed = (wrong.len() / 3).max(2);
    known
        .into_iter()
        .map(|k| (distance(&wrong, &k.to_lowercase().replace('_', "-").chars().take(64).collect::<Vec<_>>()), k))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}
