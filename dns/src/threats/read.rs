//! A threat list from its file: plain names, a hosts file, or a response policy zone (RPZ). PURE but for opening the file.
//!
//! ```text
//! plain   evil.example              hosts   0.0.0.0 evil.example      rpz   evil.example    CNAME .
//!         *.worse.example                                                   *.worse.example CNAME .
//! ```
//!
//! A name stands for itself alone, `*.` for everything below it, as in RPZ. A list that looks wrong as a whole is refused:
//! the last good one stays in force. Single lines that cannot be read are counted and the first is named.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Largest file: about ten million names.
const MAX_BYTES: u64 = 256 << 20;
/// A million names take about 60 MB.
const MAX_NAMES: usize = 5_000_000;
/// A name has at most 253 characters; the rest of a record is short.
const MAX_LINE: usize = 4_096;
/// Lines looked at to tell one format from another.
const LOOKED_AT: usize = 64;
/// More unreadable lines than one in so many, beyond a handful, and the file is something else.
const READABLE: usize = 10;

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Told from its first lines.
    #[default]
    Auto,
    /// One name a line; `#` and `;` begin a comment.
    Plain,
    /// As `/etc/hosts`: an address and names.
    Hosts,
    /// A response policy zone in master file form; only its QNAME triggers count, and `rpz-passthru.` spares a name.
    Rpz,
}

/// Names that are on a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    exact: HashSet<SmolStr>,
    below: HashSet<SmolStr>,
    spared: HashSet<SmolStr>,
    spared_below: HashSet<SmolStr>,
    /// Lines that could not be read: how many, and the first.
    pub(crate) bad: Option<(usize, String)>,
}

/// Why a file is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is larger than {} MiB: not taken", MAX_BYTES >> 20)]
    TooLarge,
    #[error("holds more than {MAX_NAMES} names: not taken")]
    TooMany,
    #[error("is a web page, not a list (probably a log-in or error page): fetch it again")]
    WebPage,
    #[error("holds no name: an empty list is a failed download; remove it from threat_lists if it is meant so")]
    Empty,
    #[error("line {line}: {what}")]
    Line { line: usize, what: &'static str },
    #[error("{bad} of its lines cannot be read, the first is {first}: is it {expected}?")]
    Unreadable { bad: usize, first: String, expected: &'static str },
}

/// Reads a file.
pub(crate) fn read(path: &Path, format: Format) -> Result<Names, ListError> {
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_BYTES {
        return Err(ListError::TooLarge);
    }
    let mut text = Vec::new();
    // The file may grow while it is read.
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    parse(&text, format)
}

/// Reads its bytes.
pub(crate) fn parse(text: &[u8], format: Format) -> Result<Names, ListError> {
    if text.trim_ascii_start().starts_with(b"<") {
        return Err(ListError::WebPage);
    }
    let format = if format == Format::Auto { told(text) } else { format };
    let mut reading = Reading::default();
    let mut lines = BufReader::new(text);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        reading.line += 1;
        let readable = std::str::from_utf8(&line).ok().filter(|l| l.len() <= MAX_LINE);
        let done = readable.is_some_and(|text| match format {
            Format::Hosts => reading.hosts(text),
            Format::Rpz => reading.rpz(text),
            Format::Plain | Format::Auto => reading.plain(text),
        });
        if let Some(what) = reading.fatal {
            return Err(ListError::Line { line: reading.line, what });
        }
        if !done {
            let shown: String =
                String::from_utf8_lossy(&line).trim().chars().filter(|c| !c.is_control()).take(60).collect();
            let (bad, _) = reading.names.bad.get_or_insert_with(|| (0, format!("line {}: `{shown}`", reading.line)));
            *bad += 1;
        }
        if reading.names.len() > MAX_NAMES {
            return Err(ListError::TooMany);
        }
    }
    let names = reading.names;
    if let Some((bad, first)) = names.bad.clone().filter(|(bad, _)| *bad > names.len() / READABLE + READABLE) {
        let expected = match format {
            Format::Plain | Format::Auto => "a plain list of names",
            Format::Hosts => "a hosts file",
            Format::Rpz => "a response policy zone",
        };
        return Err(ListError::Unreadable { bad, first, expected });
    }
    if names.len() == 0 { Err(ListError::Empty) } else { Ok(names) }
}

impl Names {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.exact.len() + self.below.len()
    }

    /// Whether a name (lower case, no trailing dot) is on the list.
    pub(crate) fn has(&self, name: &str) -> bool {
        let listed = |exact: &HashSet<SmolStr>, below: &HashSet<SmolStr>| {
            exact.contains(name) || (!below.is_empty() && parents(name).any(|parent| below.contains(parent)))
        };
        listed(&self.exact, &self.below) && !listed(&self.spared, &self.spared_below)
    }

    /// Every name, with or without what is below it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().chain(&self.below).map(SmolStr::as_str)
    }

    /// Takes `*.name` or `name` in; false if it is no name.
    fn add(&mut self, text: &str, spare: bool) -> bool {
        let (bare, below) = text.strip_prefix("*.").map_or((text, false), |bare| (bare, true));
        let Some(name) = host(bare) else { return false };
        let set = match (spare, below) {
            (false, false) => &mut self.exact,
            (false, true) => &mut self.below,
            (true, false) => &mut self.spared,
            (true, true) => &mut self.spared_below,
        };
        set.insert(name);
        true
    }
}

/// `a.b.c` → `b.c`, `c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..))
}

/// A host name as questions have it; none for what is none, and for a whole top-level domain.
fn host(text: &str) -> Option<SmolStr> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label_ok = |l: &str| {
        !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let sound = text.len() <= 253 && text.contains('.') && text.split('.').all(label_ok);
    sound.then(|| SmolStr::new(text.to_ascii_lowercase()))
}

fn told(text: &[u8]) -> Format {
    for line in text.split(|b| *b == b'\n').take(LOOKED_AT).filter_map(|l| std::str::from_utf8(l).ok()) {
        let line = bare(line, &['#', ';']);
        let mut words = line.split_ascii_whitespace();
        let (first, rest) = (words.next().unwrap_or_default(), words.collect::<Vec<_>>());
        if first.starts_with('$')
            || rest.iter().any(|w| w.eq_ignore_ascii_case("SOA") || w.eq_ignore_ascii_case("CNAME"))
        {
            return Format::Rpz;
        }
        if first.parse::<std::net::IpAddr>().is_ok() && !rest.is_empty() {
            return Format::Hosts;
        }
    }
    Format::Plain
}

fn bare<'l>(line: &'l str, comment: &[char]) -> &'l str {
    line.split(comment).next().unwrap_or_default().trim()
}

#[derive(Default)]
struct Reading {
    names: Names,
    line: usize,
    fatal: Option<&'static str>,
    /// Of a zone: where relative names belong, the last owner, open parentheses.
    origin: Option<SmolStr>,
    owner: SmolStr,
    open: usize,
}

impl Reading {
    fn plain(&mut self, line: &str) -> bool {
        let name = bare(line, &['#', ';']);
        name.is_empty() || self.names.add(name, false)
    }

    fn hosts(&mut self, line: &str) -> bool {
        let mut words = bare(line, &['#']).split_ascii_whitespace();
        let Some(address) = words.next() else { return true };
        // `localhost` and the like have one label and name nobody.
        address.parse::<std::net::IpAddr>().is_ok()
            && words.all(|name| !name.contains('.') || self.names.add(name, false) || name == "0.0.0.0")
    }

    fn rpz(&mut self, line: &str) -> bool {
        let continued = line.starts_with([' ', '\t']);
        let line = bare(line, &[';']);
        let inside = self.open > 0;
        let count = |c: char| line.matches(c).count();
        self.open = (self.open + count('(')).saturating_sub(count(')'));
        if line.is_empty() || inside {
            return true;
        }
        let mut words = line.split_ascii_whitespace().peekable();
        if line.starts_with('$') {
            match words.next() {
                Some("$ORIGIN") => self.origin = words.next().map(SmolStr::new),
                Some("$TTL") => {}
                _ => self.fatal = Some("only $ORIGIN and $TTL are read; put included files into the list itself"),
            }
            return true;
        }
        if !continued {
            self.owner = words.next().map_or_else(SmolStr::default, SmolStr::new);
        }
        let is_type = |w: &&str| !(w.bytes().all(|b| b.is_ascii_digit()) || w.eq_ignore_ascii_case("IN"));
        let Some(kind) = words.find(is_type) else { return false };
        let target = words.next().unwrap_or_default();
        if kind.eq_ignore_ascii_case("SOA") && self.origin.is_none() && self.owner != "@" {
            self.origin = Some(self.owner.clone());
        }
        if kind.eq_ignore_ascii_case("SOA") || kind.eq_ignore_ascii_case("NS") {
            return true;
        }
        let spare = kind.eq_ignore_ascii_case("CNAME") && target.eq_ignore_ascii_case("rpz-passthru.");
        match self.trigger() {
            // Triggers by address or name server say nothing about a question.
            Some(name) if name.rsplit('.').next().is_some_and(|last| last.starts_with("rpz-")) => true,
            Some(name) => self.names.add(&name, spare),
            None => true,
        }
    }

    /// The owner without its zone; none for the zone itself.
    fn trigger(&self) -> Option<SmolStr> {
        let owner = self.owner.to_ascii_lowercase();
        let Some(absolute) = owner.strip_suffix('.') else {
            return (owner != "@").then(|| SmolStr::new(&owner));
        };
        let origin = self.origin.as_ref().map(|o| o.trim_end_matches('.').to_ascii_lowercase()).unwrap_or_default();
        let name = absolute.strip_suffix(&origin)?.strip_suffix('.')?;
        Some(SmolStr::new(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str, format: Format) -> Vec<String> {
        let names = parse(text.as_bytes(), format).unwrap_or_else(|e| panic!("{e}: {text}"));
        let mut all: Vec<String> = names.exact.iter().map(ToString::to_string).collect();
        all.extend(names.below.iter().map(|n| format!("*.{n}")));
        all.sort();
        all
    }

    #[test]
    fn the_three_formats_are_told_apart_and_read() {
        let plain = "# feed\nEvil.example.\n*.worse.example ; all of it\n\n";
        let hosts = "127.0.0.1 localhost\n0.0.0.0 evil.example www.evil.example # c2\n::1 localhost\n";
        let rpz = "$TTL 60\n@ IN SOA localhost. root.localhost. (\n 1 ; serial\n 3600 600 86400 60 )\n  IN NS localhost.\n\
                   evil.example CNAME .\n*.evil.example 300 IN CNAME .\n24.0.2.0.192.rpz-ip CNAME .\n";
        for format in [Format::Auto, Format::Plain] {
            assert_eq!(listed(plain, format), ["*.worse.example", "evil.example"]);
        }
        for format in [Format::Auto, Format::Hosts] {
            assert_eq!(listed(hosts, format), ["evil.example", "www.evil.example"]);
        }
        for format in [Format::Auto, Format::Rpz] {
            assert_eq!(listed(rpz, format), ["*.evil.example", "evil.example"]);
        }
    }

    #[test]
    fn a_zone_with_absolute_names_is_read_and_what_passes_through_is_spared() {
        let zone = "rpz.isp.example. 60 IN SOA a. b. 1 2 3 4 5\n*.evil.example.rpz.isp.example. CNAME .\n\
                    good.evil.example.rpz.isp.example. CNAME rpz-passthru.\n";
        let names = parse(zone.as_bytes(), Format::Auto).unwrap();
        assert!(names.has("bad.evil.example") && !names.has("good.evil.example") && !names.has("evil.example"));
    }

    #[test]
    fn a_name_is_compared_label_by_label() {
        let names = parse(b"evil.example\n*.worse.example\n", Format::Plain).unwrap();
        for on in ["evil.example", "a.worse.example", "a.b.worse.example"] {
            assert!(names.has(on), "{on}");
        }
        for off in ["www.evil.example", "xevil.example", "worse.example", "xworse.example", "example"] {
            assert!(!names.has(off), "{off}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_reason() {
        let many_bad = "not a name\n".repeat(30);
        for (text, said) in [
            ("<!DOCTYPE html><html>evil.example", "is a web page"),
            ("", "holds no name"),
            ("# nothing today\n", "holds no name"),
            (many_bad.as_str(), "30 of its lines cannot be read, the first is line 1: `not a name`"),
            ("$INCLUDE other.zone\nevil.example CNAME .\n", "line 1: only $ORIGIN"),
        ] {
            let error = parse(text.as_bytes(), Format::Auto).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_counted_and_named_and_whole_top_level_domains_are_such_lines() {
        let names = parse(b"evil.example\ncom\nb\xc3\xbccher.example\n", Format::Plain).unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!(names.bad, Some((2, "line 2: `com`".into())));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            for format in [Format::Auto, Format::Plain, Format::Hosts, Format::Rpz] {
                let _either = parse(&text, format);
            }
        }
    }
}
