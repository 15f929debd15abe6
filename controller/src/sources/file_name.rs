//! What a file's name says: `2026-02-15-scan_telnet-example_net-asn.csv` is the report of that day, of that type.

use pratique_core::coverage::Stretch;
use pratique_core::time::{Span, Timestamp};
use smol_str::SmolStr;

use super::{FeedError, Kind};

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Midnight (UTC) at which the reported day begins.
    pub day: Timestamp,
    /// Report type.
    pub report: SmolStr,
    /// A late addition to a day that was reported before: says nothing about anybody's silence.
    pub delayed: bool,
    /// The name without what a copy adds to it, in lower case: a corrected file bears the same.
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

/// Reads a name `YYYY-MM-DD-TYPE-REST.csv`.
///
/// # Errors
/// [`FeedError::Compressed`] for an archive, [`FeedError::UnknownType`] for any other name.
pub fn parse(name: &str) -> Result<FileName, FeedError> {
    let lower = name.to_ascii_lowercase();
    for (end, kind) in
        [(".zip", "zip"), (".gz", "gzip"), (".bz2", "bzip2"), (".xz", "xz"), (".zst", "zstd"), (".7z", "7z")]
    {
        if lower.ends_with(end) {
            return Err(FeedError::Compressed(kind));
        }
    }
    understood(name).ok_or_else(|| {
        let shown = super::printable(name.as_bytes(), 80);
        FeedError::UnknownType(format!(
            "`{shown}` is not the name of a Shadowserver report; name it YYYY-MM-DD-TYPE-ANYTHING.csv, or say the type"
        ))
    })
}

fn understood(name: &str) -> Option<FileName> {
    let stem = name.strip_suffix(".csv")?;
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
    let stem = stem.to_ascii_lowercase();
    Some(FileName { day, report: SmolStr::new(report), delayed: rest.ends_with("delayed"), stem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_day_and_type() {
        let name = parse("2026-02-15-scan_telnet-example_net-asn.csv").unwrap();
        assert_eq!((name.report.as_str(), name.delayed), ("scan_telnet", false));
        assert_eq!(name.day.to_string(), "2026-02-15T00:00:00Z");
        assert!(parse("2026-02-15-scan_dns-example-asn-delayed.csv").unwrap().delayed);
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
    fn archives_and_other_names_are_refused_with_the_remedy() {
        assert_eq!(parse("2026-02-15-scan_telnet-x.csv.gz"), Err(FeedError::Compressed("gzip")));
        assert_eq!(parse("reports.ZIP"), Err(FeedError::Compressed("zip")));
        for other in [
            "",
            "report.csv",
            "2026-02-15-scan_telnet.csv",
            "2026-13-15-a-b.csv",
            "2026-02-15--x.csv",
            "../../etc",
            "é",
        ] {
            assert!(matches!(parse(other), Err(FeedError::UnknownType(_))), "{other}");
        }
    }
}
