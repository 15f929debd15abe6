//! Small words of pages and of the command line: times as a person at night reads them, states, verdicts, strangers' text made harmless.

use pratique_core::playbook::Class;
use pratique_core::rescan::Verdict;
use pratique_core::sighting::{Severity, Transport};
use pratique_core::state::StateName;
use pratique_core::time::{Moment, Span, Timestamp};

use crate::models::cases::CaseRow;
use crate::models::feeds::{FeedStatus, FeedWaited, GapRow, SilenceRow};
use crate::models::sightings::SightingRow;
use crate::models::status::Status;
use crate::{plain, when};

/// `2026-02-16 01:00 CET (00:00 UTC)`.
pub fn at(t: &Moment) -> String {
    when::shown(t.0)
}

/// A sentence of ours: whole, made visible, and with its times as [`at`].
pub fn said(text: &str) -> String {
    when::sentence(&whole(text))
}

/// `3 h ago`, `in 29 d`.
pub fn ago(t: &Moment, now: &Moment) -> String {
    if [Timestamp::MIN, Timestamp::MAX].contains(&t.0) {
        return t.to_string();
    }
    let ms = now.0.since(t.0).as_millis();
    let said = roughly(ms.unsigned_abs());
    match (said.as_str(), ms >= 0) {
        ("now", _) => said,
        (_, true) => format!("{said} ago"),
        (_, false) => format!("in {said}"),
    }
}

/// A span, roughly.
pub fn span(s: &Span) -> String {
    match roughly(s.as_millis().unsigned_abs()).as_str() {
        "now" => "none".into(),
        said => said.into(),
    }
}

/// The silence that a release rests on, in one sentence.
pub fn silence(row: &SilenceRow) -> String {
    let report = if row.report.is_empty() { String::new() } else { format!(" {}", row.report) };
    let until = match &row.covered_until {
        Some(until) => format!("has spoken up to {}", at(until)),
        None => "has not spoken".to_owned(),
    };
    let since = if row.unread_row { "a row of this line could not be read, until" } else { "last seen" };
    let missing = row.missing.as_ref().map_or_else(String::new, |m| format!(": {}", m.words));
    let (source, since_at) = (shown(row.source.as_str()), at(&row.since));
    let (quiet, needed) = (span(&row.quiet_for), span(&row.needed));
    format!("{}: {source}{report} {until}; quiet for {quiet} of {needed} ({since} {since_at}){missing}", row.cause)
}

/// What the resolver found out about the allow-lists, and about itself, that somebody should look at.
pub fn inward(dns: &pratique_dns::Health) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut found: Vec<String> = dns
        .inward
        .iter()
        .take(SHOWN)
        .map(|seen| {
            format!(
                "Captive DNS: {} leads to {}, which lies in {}: residents do not reach it. If that is a server of yours that they \
                 need, name it in dns.excepted_networks; else look who owns the name.",
                plain::visible(&seen.entry),
                seen.address,
                seen.lies_in
            )
        })
        .collect();
    if let Some(more) = dns.inward.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        found.push(format!("Captive DNS: {more} more entries of the allow-lists lead inwards."));
    }
    found.extend(dns.spent_problem.iter().map(|why| format!("Captive DNS: {}.", plain::visible(why))));
    if dns.spent_not_kept > 0 {
        found.push(
            "Captive DNS: what lines have asked below wildcards could not be written to data_dir; with a restart they would begin \
             a new hour."
                .into(),
        );
    }
    found
}

/// When the wall had no room for a case's attacks, in one sentence.
pub fn wall_gap((from, until): &(Moment, Moment)) -> String {
    format!(
        "From {} to {} the wall had hardly room left to record attack traffic: its silence then proves nothing",
        at(from),
        at(until)
    )
}

/// A gap of a source, in one sentence.
pub fn gap(row: &GapRow) -> String {
    let report = match &row.report {
        Some(report) if report.is_empty() => String::new(),
        Some(report) => format!("{} ", shown(report)),
        None => "any report type ".to_owned(),
    };
    let from = if row.from.0 == Timestamp::MIN { String::new() } else { format!("from {} ", at(&row.from)) };
    let delivery = row.delivery.map_or_else(String::new, |n| format!(" (delivery {n})"));
    format!("{report}{from}until {}: {}{delivery}", at(&row.until), row.words)
}

/// How a source is: speaks, stalled, not used yet; never "stalled" for one that never came.
pub const fn feed(feed: &FeedStatus) -> &'static str {
    match (feed.stalled, feed.last_at.is_some(), feed.gaps_total > 0) {
        (_, false, false) => "not used yet",
        (true, ..) => "stalled",
        (false, _, true) => "reports are missing",
        (false, true, false) => "delivers",
    }
}

/// That some report types of a source have stalled and others have not, in one sentence; none where that is not so.
pub fn stalled_types(feed: &FeedStatus) -> Option<String> {
    const NAMED: usize = 5;
    let stalled: Vec<_> = feed.reports.iter().filter(|report| report.stalled).map(|r| shown(&r.report)).collect();
    if feed.stalled || stalled.is_empty() {
        return None;
    }
    let named = stalled.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if stalled.len() > NAMED { ", …" } else { "" };
    let have = if stalled.len() == 1 { "has" } else { "have" };
    Some(format!("{} of {} report types {have} stalled: {named}{more}", stalled.len(), feed.reports.len()))
}

/// That quarantined lines wait for a report type, in one sentence.
pub fn waited(feed: &FeedStatus, waited: &FeedWaited) -> String {
    let report = if waited.report.is_empty() { String::new() } else { format!(" {}", shown(&waited.report)) };
    let lines = if waited.cases == 1 {
        "1 quarantined line waits".to_owned()
    } else {
        format!("{} quarantined lines wait", waited.cases)
    };
    let until =
        waited.covered_until.as_ref().map_or_else(String::new, |t| format!(", which has spoken up to {}", at(t)));
    format!("{lines} for {}{report}{until}: {}", shown(feed.source.as_str()), waited.missing.words)
}

fn roughly(ms: u64) -> String {
    match ms / 1_000 {
        0..=4 => "now".into(),
        s @ 5..=119 => format!("{s} s"),
        s @ 120..=7_199 => format!("{} min", s / 60),
        s @ 7_200..=172_799 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// Strangers' text, at most 160 characters.
pub fn shown(text: &str) -> String {
    plain::short(text, 160)
}

/// Staff's text: whole, but visible.
pub fn whole(text: &str) -> String {
    plain::lines(text)
}

/// `1,234`.
pub fn count(n: &u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 case is`, `1,234 cases are`.
pub fn there_are(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one} is") } else { format!("{} {one}s are", count(&n)) }
}

/// `1 case`, `1,234 cases`.
pub fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", count(&n)) }
}

/// `12.0 GB`.
pub fn bytes(n: &u64) -> String {
    let (unit, name) = match n {
        0..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", n / unit, n % unit * 10 / unit)
}

/// Where it was seen: `192.0.2.1 port 23/tcp`.
pub fn place(row: &SightingRow) -> String {
    let transport = match row.transport {
        Some(Transport::Tcp) => "/tcp",
        Some(Transport::Udp) => "/udp",
        None => "",
    };
    row.port.map_or_else(|| row.address.to_string(), |port| format!("{} port {port}{transport}", row.address))
}

/// A severity.
pub const fn severity(s: &Severity) -> &'static str {
    match s {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// A class.
pub const fn class(c: &Class) -> &'static str {
    match c {
        Class::Infection => "infection",
        Class::Exposure => "open door",
    }
}

/// A verdict.
pub const fn verdict(v: &Verdict) -> &'static str {
    match v {
        Verdict::Clean => "clean",
        Verdict::Vulnerable => "vulnerable",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// Why a sighting became no evidence, in words. An outcome without words here is shown as it is.
pub fn outcome(key: &str) -> String {
    match key {
        "unknown" => "nobody is known to have held this address then; is a session list missing?".into(),
        "no-port" => "the address is shared and the report names no port".into(),
        "changed-hands" => "the address changed hands within the clock error of the report".into(),
        "conflict" => "two sessions claim the address at the same time".into(),
        "doubtful" => "its holder's session and gateway were not heard of for too long".into(),
        "below-threshold" => "not yet enough of them for a case".into(),
        other => plain::short(other, 80),
    }
}

/// So many lines.
pub fn lines(n: u64) -> String {
    if n == 1 { "1 line".into() } else { format!("{} lines", count(&n)) }
}

/// Whether the quarantine of a case is on paper only.
pub fn on_paper(row: &CaseRow) -> bool {
    row.wall.as_ref().is_some_and(|wall| wall.on_paper)
}

/// Whether the wall holds what a quarantined case says.
pub fn is_walled(row: &CaseRow) -> bool {
    row.state == StateName::Quarantined && row.wall.as_ref().is_none_or(|wall| !wall.on_paper && !wall.withheld)
}

/// Of a line that should be walled and waits for somebody to resume.
pub const WITHHELD: &str =
    "Held back: the line, or a part of it, is free. Nothing is added to the wall until somebody resumes.";

/// How many of the quarantined lines the wall holds as a whole, and what of the others.
pub fn walled(status: &Status) -> String {
    let wall = &status.wall;
    let enforced = wall.walled().saturating_add(wall.nothing).saturating_add(wall.no_address);
    let enforced = enforced.saturating_add(wall.withheld);
    let mut said = format!("{} of {}", count(&wall.whole), lines(enforced));
    let parts = [
        (wall.half, "half"),
        (wall.nothing, "not at all"),
        (wall.no_address, "without an address now"),
        (wall.withheld, "held back until somebody resumes"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, how)| format!("{} {how}", count(n))).collect();
    if !parts.is_empty() {
        said.push_str(&format!(" ({})", parts.join(", ")));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let now = Moment(Timestamp::from_secs(1_771_200_000));
        assert_eq!(at(&now), "2026-02-16 00:00 UTC");
        assert_eq!(ago(&now, &now), "now");
        assert_eq!(ago(&Moment(now.0.minus(Span::from_mins(90))), &now), "90 min ago");
        assert_eq!(ago(&Moment(now.0.plus(Span::from_days(29))), &now), "in 29 d");
        assert_eq!(ago(&Moment(Timestamp::MAX), &now), "further notice");
        assert_eq!(at(&Moment(Timestamp::MAX)), "further notice");
    }

    #[test]
    fn lines_that_are_held_back_count_as_lines_that_should_be_walled() {
        let mut status = Status::default();
        status.wall.withheld = 2;
        assert_eq!(walled(&status), "0 of 2 lines (2 held back until somebody resumes)");
        (status.wall.whole, status.wall.half) = (5, 1);
        assert_eq!(walled(&status), "5 of 8 lines (1 half, 2 held back until somebody resumes)");
    }

    #[test]
    fn numbers_are_grouped_and_bytes_have_units() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(|n| count(&n)), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1_500, 67_108_864, 12_000_000_000].map(|n| bytes(&n)),
            ["0.0 kB", "1.5 kB", "67.1 MB", "12.0 GB"]
        );
    }
}
