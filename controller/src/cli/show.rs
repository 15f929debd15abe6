//! Tables and times for a terminal. Strangers' text passes [`plain`] first: a report must not drive the terminal.

use pratique_core::time::Moment;
use pratique_staff::models::cases::CaseRow;
use pratique_staff::models::dossier::CaseDossier;
use pratique_staff::models::sightings::SightingRow;
use pratique_staff::{elsewhere, plain, words};
use serde::Serialize;

use super::Failure;
use super::print::say;
use super::table::Table;

/// One JSON document on standard output.
///
/// # Errors
/// When it cannot be written.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Refused(e.to_string()))?;
    say!("{text}");
    Ok(())
}

/// A list of cases.
pub fn cases(rows: &[CaseRow], total: u64) {
    if rows.is_empty() {
        say!("no cases");
        return;
    }
    let mut shown = Table::new(&["CASE", "V", "STATE", "SINCE", "CAUSES", "SUBSCRIBER", "ADDRESSES", "NOTES"]);
    for row in rows {
        let mut notes = Vec::new();
        if let Some(why) = &row.protected {
            notes.push(format!("PROTECTED: {}", plain::short(why, 60)));
        }
        if row.approvals_needed > 1 {
            notes.push(format!("{} of {} approvals", row.approvals.len(), row.approvals_needed));
        }
        notes.extend(row.blocked.iter().map(|why| format!("cannot be approved now: {}", plain::short(why, 100))));
        if let Some(wall) = &row.wall {
            notes.extend(wall.on_paper.then(|| "on paper: not walled".to_owned()));
            notes.extend(wall.words().map(str::to_owned));
        }
        notes.extend(row.missing.iter().map(|m| words::said(&m.words)));
        let list = |items: Vec<String>| items.join(", ");
        shown.add_row([
            row.case.to_string(),
            row.version.to_string(),
            row.state.to_string(),
            words::at(&row.since),
            list(row.causes.iter().map(|c| plain::short(c.as_str(), 40)).collect()),
            row.subscriber.as_ref().map_or_else(|| "erased".into(), |s| plain::short(s.as_str(), 40)),
            list(row.elements.iter().map(ToString::to_string).collect()),
            notes.join("; "),
        ]);
    }
    say!("{shown}");
    if total > rows.len() as u64 {
        say!("{} of {total}; --after {} shows more", rows.len(), rows.last().map_or(0, |r| r.case.0));
    }
}

/// One case with its story.
pub fn case(case: &CaseDossier) {
    cases(std::slice::from_ref(&case.row), 1);
    say!("On pages and in letters it is {}.", case.row.case.number());
    if let Some(need) = &case.approval {
        say!("\nWaits for {} approval(s).", need.more);
        if let Some(why) = &need.blocked {
            say!("Cannot be approved now: {}", plain::visible(why));
        }
        if need.confirm_protected {
            say!("The line is protected: each approval needs --protected.");
        }
        if let Some(why) = &need.confirm_doubtful {
            say!("Somebody else may hold it by now ({}): each approval needs --doubtful.", plain::visible(why));
        }
        if need.confirm_unwalled.is_some() {
            say!("Nothing of the line would be walled: each approval needs --unwalled.");
        }
    }
    if let Some(then) = &case.if_approved {
        let walled: Vec<_> = then.walled.iter().map(ToString::to_string).collect();
        say!("An approval would wall: {}", if walled.is_empty() { "nothing now".into() } else { walled.join(", ") });
        for (what, why) in &then.not_walled {
            say!("  and leave {what} open: {why}");
        }
    }
    if !case.silence.is_empty() || case.wall_gap.is_some() {
        say!("\nSILENCE");
    }
    for silence in &case.silence {
        say!("{}", words::silence(silence));
        silence.gaps.iter().for_each(|gap| say!("  missing: {}", words::gap(gap)));
    }
    if let Some(gap) = &case.wall_gap {
        say!("{}", words::wall_gap(gap));
    }
    if let Some(wall) = case.row.wall.as_ref().filter(|_| case.if_approved.is_none()) {
        if wall.on_paper {
            say!(
                "\nOn paper only: the line is free. It was approved in a dry run; `pratique enforce` begins or drops it."
            );
        }
        if wall.withheld {
            say!("\n{}", words::WITHHELD);
        }
        wall.open.iter().for_each(|open| say!("Passes: {}", plain::visible(open)));
    }
    if !case.enforcers.is_empty() {
        say!("\nENFORCERS");
        case.enforcers.iter().for_each(|at| say!("{}", words::said(&elsewhere::line(at))));
    }
    say!("\nEVIDENCE");
    let evidence: Vec<_> = case.troubles.iter().flat_map(|t| &t.evidence).collect();
    sightings(&evidence, false);
    say!("\nSTORY");
    for line in &case.story {
        say!("{}  {}  {}", words::at(&line.at), plain::visible(&line.who), words::said(&line.what));
        for text in line.text.iter().flat_map(|t| t.lines()) {
            say!("    | {}", plain::visible(text));
        }
    }
}

/// Sightings, with what became of them.
pub fn sightings(rows: &[&SightingRow], outcomes: bool) {
    let mut headers = vec!["SIGHTING", "OBSERVED", "WHERE", "CAUSE", "SOURCE", "DEVICE"];
    if outcomes {
        headers.push("WHY NOT");
    }
    let mut shown = Table::new(&headers);
    for row in rows {
        let mut cells = vec![
            row.number.to_string(),
            words::at(&row.observed_at),
            words::place(row),
            plain::short(row.cause.as_str(), 40),
            format!("{} {}", plain::short(row.source.as_str(), 40), plain::short(&row.report, 40)),
            row.device.as_deref().map(|d| plain::short(d, 96)).unwrap_or_default(),
        ];
        if outcomes {
            cells.push(words::outcome(&row.outcome));
        }
        shown.add_row(cells);
    }
    say!("{shown}");
}

/// A time.
pub fn at(t: &Moment) -> String {
    words::at(t)
}
