//! The files of texts: found by language, parsed once, with the lines that a mistake is reported by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use unic_langid::LanguageIdentifier;

use super::TextsError;

/// A text file larger than this is not one: ours have 25 KB.
const MAX_FILE: u64 = 1 << 20;

/// Files by language, those that say something instead of others after them.
pub(super) type Layers = BTreeMap<String, Vec<Source>>;

/// A parsed file.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) messages: Vec<Message>,
    /// Names of terms, without the hyphen in front.
    pub(super) terms: BTreeSet<String>,
}

/// A text of a file.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) line: usize,
    /// The term that is all of this text, without the hyphen in front.
    pub(super) term: Option<String>,
}

impl Source {
    pub(super) fn parse(file: &Path, text: String) -> Result<Self, TextsError> {
        let line_of = |pos: usize| text.get(..pos).unwrap_or_default().matches('\n').count() + 1;
        let resource = fluent_syntax::parser::parse(text.as_str()).map_err(|(_, errors)| {
            let first = errors.first();
            TextsError {
                file: file.to_owned(),
                line: first.map_or(0, |e| line_of(e.pos.start)),
                problem: first.map_or_else(|| "cannot be read".into(), |e| format!("no valid Fluent: {}", e.kind)),
            }
        })?;
        // The names are slices of the text, so their distance is the position.
        let line = |name: &str| line_of((name.as_ptr() as usize).saturating_sub(text.as_ptr() as usize));
        let twice = |name: &str, mark: &str| TextsError {
            file: file.to_owned(),
            line: line(name),
            problem: format!("`{mark}{name}` is there twice; remove one"),
        };
        let (mut messages, mut terms) = (Vec::new(), BTreeSet::new());
        let mut seen = BTreeSet::new();
        for entry in &resource.body {
            match entry {
                Entry::Message(message) => {
                    let name = message.id.name;
                    if !seen.insert(name) {
                        return Err(twice(name, ""));
                    }
                    let term = message.value.as_ref().and_then(only_term).map(str::to_owned);
                    messages.push(Message { name: name.to_owned(), line: line(name), term });
                }
                Entry::Term(term) => {
                    let name = term.id.name;
                    if !terms.insert(name.to_owned()) {
                        return Err(twice(name, "-"));
                    }
                }
                _ => {}
            }
        }
        Ok(Self { file: file.to_owned(), messages, terms, text })
    }

    pub(super) fn error(&self, line: usize, problem: impl Into<String>) -> TextsError {
        TextsError { file: self.file.clone(), line, problem: problem.into() }
    }
}

/// The term of a text that consists of nothing else.
fn only_term<'t>(pattern: &Pattern<&'t str>) -> Option<&'t str> {
    let [PatternElement::Placeable { expression: Expression::Inline(expression) }] = pattern.elements.as_slice() else {
        return None;
    };
    match expression {
        InlineExpression::TermReference { id, attribute: None, arguments: None } => Some(id.name),
        _ => None,
    }
}

/// `<language>/*.ftl` and `<language>.ftl`, in this order; and what is wrong with those that are left out.
pub(super) fn read_dir(dir: &Path) -> (Layers, Vec<TextsError>) {
    let (mut layers, mut wrong) = (Layers::new(), Vec::new());
    let is_text = |path: &PathBuf| path.extension().is_some_and(|e| e == "ftl");
    let mut take = |file: &Path, named_by: &Path| {
        let source = language_of(named_by).and_then(|tag| Ok((tag, Source::parse(file, read(file)?)?)));
        match source {
            Ok((tag, source)) => layers.entry(tag).or_default().push(source),
            Err(error) => wrong.push(error),
        }
    };
    let mut unread = Vec::new();
    let mut entries = |dir: &Path| entries_of(dir).map_err(|error| unread.push(error)).unwrap_or_default();
    let (folders, files): (Vec<_>, Vec<_>) = entries(dir).into_iter().partition(|path| path.is_dir());
    for folder in folders {
        entries(&folder).into_iter().filter(is_text).for_each(|file| take(&file, &folder));
    }
    files.into_iter().filter(is_text).for_each(|file| take(&file, &file));
    wrong.extend(unread);
    (layers, wrong)
}

fn language_of(path: &Path) -> Result<String, TextsError> {
    let tag = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let id: LanguageIdentifier = tag.parse().map_err(|_| TextsError {
        file: path.to_owned(),
        line: 0,
        problem: format!("`{tag}` is no language; name it by its BCP 47 tag, such as nl.ftl or pt-BR.ftl"),
    })?;
    Ok(id.to_string())
}

/// What lies in a directory, by name.
fn entries_of(dir: &Path) -> Result<Vec<PathBuf>, TextsError> {
    let failed = |e: std::io::Error| TextsError {
        file: dir.to_owned(),
        line: 0,
        problem: format!("the directory of texts cannot be read: {e}"),
    };
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let mut paths = entries.map(|entry| entry.map(|e| e.path()).map_err(failed)).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, TextsError> {
    let failed = |problem: String| TextsError { file: path.to_owned(), line: 0, problem };
    let size = std::fs::metadata(path).map_err(|e| failed(format!("cannot be read: {e}")))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("has {size} bytes; a text file has at most {MAX_FILE}")));
    }
    std::fs::read_to_string(path).map_err(|e| failed(format!("cannot be read as UTF-8: {e}")))
}
