//! What a file's name says: `2026-02-15-scan_telnet-example_net-asn.csv` is the report of that day, of that type. Case does
//! not matter, nor do the marks that browsers and mail programs put on a second copy.

use pratique_core::coverage::Stretch;
use pratique_core::time::{Span, Timestamp};
use smol_str::SmolStr;

use super::{FeedError, Kind};

/// Endings of archives, and what they are.
const ARCHIVES: [(&str, &str); 6] =
    [(".zip", "zip"), (".gz", "gzip"), (".bz2", "bzip2"), (".xz", "xz"), (".zst", "zstd"), (".7z", "7z")];

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Midnight (UTC) at which the reported day begins.
    pub day: Timestamp,
    /// Report type, in lower case.
    pub report: SmolStr,
    /// A late addition to a day that was reported before: says nothing about anybody's silence.
    pub delayed: bool,
    /// The name without folder, endings and marks of copies, in lower case: the same for a file and its correction.
    pub stem: String,
}

impl FileName {
    /// Midnight (UTC) at which the reported day ends.
    pub fn end(&self) -> Timestamp {
        self.day.plus(Span::from_days(1))
    }

    /// The reported day, as far as it has passed.
    pub fn stretch(&self, now: Timestamp) -> Stretch {
        Stretch { from: self.day, until: self.end() }.up_to(now)
    }

    /// The kind of the file. It speaks of its day to the end, as far as that has passed; a date ahead of the clock
    /// says nothing.
    pub fn kind(&self, now: Timestamp) -> Kind {
        let end = self.end();
        let covers = !self.delayed && self.day <= now;
        Kind::Shadowserver { report: self.report.clone(), covers_until: covers.then(|| end.min(now)) }
    }
}

/// Reads a name `YYYY-MM-DD-TYPE-REST.csv`. The ending may be missing where the rest is right, and that of an archive may
/// stand behind it.
///
/// # Errors
/// [`FeedError::UnknownType`] for any other name.
pub fn parse(name: &str) -> Result<FileName, FeedError> {
    understood(name).ok_or_else(|| {
        let shown = pratique_core::text::printable(name.as_bytes(), 80);
        FeedError::UnknownType(format!(
            "`{shown}` is not the name of a Shadowserver report; name it YYYY-MM-DD-TYPE-ANYTHING.csv, or say the type"
        ))
    })
}

/// A name without folder, endings and marks of copies, in lower case.
pub fn stem(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
    let mut stem = name.as_str();
    loop {
        let shorter = without_copy_mark(stem);
        let ends = ARCHIVES.iter().map(|(end, _)| *end).chain([".csv"]);
        let shorter = ends.fold(shorter, |stem, end| stem.strip_suffix(end).unwrap_or(stem)).trim_end();
        if shorter.len() == stem.len() {
            return stem.to_owned();
        }
        stem = shorter;
    }
}

/// The kind of archive a name says; none for other names.
pub fn archive(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    ARCHIVES.iter().find(|(end, _)| without_copy_mark(&name).ends_with(end)).map(|(_, kind)| *kind)
}

/// Without ` (2)`, ` - Copy`, or the `.2` of a second file in a folder where nothing is replaced.
fn without_copy_mark(name: &str) -> &str {
    let name = name.trim_end();
    let digits = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((before, number)) = name.strip_suffix(')').and_then(|n| n.rsplit_once('('))
        && digits(number)
    {
        return before.trim_end();
    }
    if let Some((before, number)) = name.rsplit_once('.')
        && digits(number)
        && ARCHIVES.iter().map(|(end, _)| *end).chain([".csv"]).any(|end| before.ends_with(end))
    {
        return before;
    }
    [" - copy", " copy"].iter().fold(name, |name, mark| name.strip_suffix(mark).unwrap_or(name))
}

fn understood(name: &str) -> Option<FileName> {
    let stem = stem(name);
    // Other endings are other things.
    let ended = name.to_ascii_lowercase();
    if !ended.contains(".csv") && archive(name).is_none() && stem.contains('.') {
        return None;
    }
    let date = stem.get(..10)?;
    let (report, rest) = stem.get(10..)?.strip_prefix('-')?.split_once('-')?;
    if report.is_empty() || rest.is_empty() || report.len() > 64 {
        return None;
    }
    let digits = |range: std::ops::Range<usize>| date.get(range).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    if !(digits(0..4) && digits(5..7) && digits(8..10)) {
        return None;
    }
    let day = Timestamp::parse(&format!("{date} 00:00:00")).ok()?;
    // Wherever it stands: what is taken for late by mistake only proves no silence.
    let delayed = rest.split(|c: char| !c.is_alphanumeric()).any(|word| word == "delayed");
    Some(FileName { day, report: SmolStr::new(report), delayed, stem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_day_and_type() {
        let name = parse("2026-02-15-scan_telnet-example_net-asn.csv").unwrap();
        assert_eq!((name.report.as_str(), name.delayed), ("scan_telnet", false));
        assert_eq!(name.day.to_string(), "2026-02-15T00:00:00Z");
        assert_eq!(name.stem, "2026-02-15-scan_telnet-example_net-asn");
        for same in [
            "2026-02-15-scan_telnet-example_net-asn.CSV",
            "2026-02-15-Scan_Telnet-example_net-ASN.csv",
            "2026-02-15-scan_telnet-example_net-asn (1).csv",
            "2026-02-15-scan_telnet-example_net-asn(12).csv",
            "2026-02-15-scan_telnet-example_net-asn.csv (1)",
            "2026-02-15-scan_telnet-example_net-asn - Copy.csv",
            "2026-02-15-scan_telnet-example_net-asn - Copy (2).csv",
            "2026-02-15-scan_telnet-example_net-asn.csv.2",
            "2026-02-15-scan_telnet-example_net-asn.csv.zip",
            "2026-02-15-scan_telnet-example_net-asn.csv.gz (3)",
            "2026-02-15-scan_telnet-example_net-asn.zip",
            "2026-02-15-scan_telnet-example_net-asn",
            "/var/spool/2026-02-15-scan_telnet-example_net-asn.csv",
            "C:\\reports\\2026-02-15-scan_telnet-example_net-asn.csv",
        ] {
            assert_eq!(parse(same), Ok(name.clone()), "{same}");
        }
    }

    #[test]
    fn a_late_addition_is_known_by_any_spelling() {
        for late in
            ["-delayed", "-delayed (1)", "-delayed-2", "-Delayed", "-DELAYED-asn", "_delayed", "-delayed - Copy"]
        {
            assert!(parse(&format!("2026-02-15-scan_dns-example-asn{late}.csv")).unwrap().delayed, "{late}");
            assert!(parse(&format!("2026-02-15-scan_dns-example-asn{late}.csv.zip")).unwrap().delayed, "{late}");
        }
        assert!(parse("2026-02-15-scan_dns-example-asn-delayed.csv (1)").unwrap().delayed);
        assert!(!parse("2026-02-15-scan_dns-undelayed-asn (1).csv").unwrap().delayed);
    }

    #[test]
    fn a_day_covers_to_its_end_but_never_beyond_now() {
        let name = parse("2026-02-15-scan_telnet-x.csv").unwrap();
        let covers = |now: &str, name: &FileName| match name.kind(Timestamp::parse(now).unwrap()) {
            Kind::Shadowserver { covers_until, .. } => covers_until.map(|t| t.to_string()),
            Kind::Plain { .. } => None,
        };
        assert_eq!(covers("2026-02-17 00:00:00", &name).as_deref(), Some("2026-02-16T00:00:00Z"));
        assert_eq!(covers("2026-02-15 12:00:00", &name).as_deref(), Some("2026-02-15T12:00:00Z"));
        assert_eq!(covers("2026-02-14 12:00:00", &name), None);
        let late = FileName { delayed: true, ..name };
        assert_eq!(covers("2026-02-17 00:00:00", &late), None);
    }

    #[test]
    fn other_names_are_refused_with_the_remedy() {
        assert_eq!(archive("reports.ZIP"), Some("zip"));
        assert_eq!(archive("reports.csv"), None);
        for other in [
            "",
            "report.csv",
            "2026-02-15-scan_telnet.csv",
            "2026-13-15-a-b.csv",
            "2026-02-15--x.csv",
            "2026-02-15-scan_telnet-x.txt",
            "../../etc",
            "é",
            "(1)",
            ".csv",
        ] {
            assert!(matches!(parse(other), Err(FeedError::UnknownType(_))), "{other}");
        }
    }
}
