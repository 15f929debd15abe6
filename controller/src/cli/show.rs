//! Tables and times for a terminal. Strangers' text passes [`plain`] first: a report must not drive the terminal.

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::Failure;
use crate::api::dossier::{CaseDossier, CaseRow, Moment, SightingRow};
use crate::api::plain;
use crate::console::words;

/// A table as wide as the terminal.
pub fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headers.iter().copied());
    table
}

/// One JSON document on standard output.
///
/// # Errors
/// When it cannot be written.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Refused(e.to_string()))?;
    println!("{text}");
    Ok(())
}

/// A list of cases.
pub fn cases(rows: &[CaseRow], total: u64) {
    if rows.is_empty() {
        println!("no cases");
        return;
    }
    let mut shown = table(&["CASE", "V", "STATE", "SINCE", "CAUSES", "SUBSCRIBER", "ADDRESSES", "NOTES"]);
    for row in rows {
        let mut notes = Vec::new();
        if let Some(why) = &row.protected {
            notes.push(format!("PROTECTED: {}", plain::short(why, 60)));
        }
        if row.approvals_needed > 1 {
            notes.push(format!("{} of {} approvals", row.approvals.len(), row.approvals_needed));
        }
        if let Some(wall) = &row.wall {
            notes.extend(wall.on_paper.then(|| "on paper: not walled".to_owned()));
            notes.extend(wall.words().map(str::to_owned));
        }
        notes.extend(row.missing.iter().map(|m| m.words.clone()));
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
    println!("{shown}");
    if total > rows.len() as u64 {
        println!("{} of {total}; --after {} shows more", rows.len(), rows.last().map_or(0, |r| r.case.0));
    }
}

/// One case with its story.
pub fn case(case: &CaseDossier) {
    cases(std::slice::from_ref(&case.row), 1);
    if let Some(need) = &case.approval {
        println!("\nWaits for {} approval(s).", need.more);
        if let Some(why) = &need.blocked {
            println!("Cannot be approved now: {}", plain::visible(why));
        }
        if need.confirm_protected {
            println!("The line is protected: each approval needs --protected.");
        }
        if need.confirm_unwalled.is_some() {
            println!("Nothing of the line would be walled: each approval needs --unwalled.");
        }
    }
    if let Some(then) = &case.if_approved {
        let walled: Vec<_> = then.walled.iter().map(ToString::to_string).collect();
        println!(
            "An approval would wall: {}",
            if walled.is_empty() { "nothing now".into() } else { walled.join(", ") }
        );
        for (what, why) in &then.not_walled {
            println!("  and leave {what} open: {why}");
        }
    }
    if !case.silence.is_empty() {
        println!("\nSILENCE");
    }
    for silence in &case.silence {
        println!("{}", words::silence(silence));
        silence.gaps.iter().for_each(|gap| println!("  missing: {}", words::gap(gap)));
    }
    if let Some(wall) = case.row.wall.as_ref().filter(|_| case.if_approved.is_none()) {
        if wall.on_paper {
            println!(
                "\nOn paper only: the line is free. It was approved in a dry run; `pratique enforce` begins or drops it."
            );
        }
        wall.open.iter().for_each(|open| println!("Passes: {}", plain::visible(open)));
    }
    println!("\nEVIDENCE");
    let evidence: Vec<_> = case.troubles.iter().flat_map(|t| &t.evidence).collect();
    sightings(&evidence, false);
    println!("\nSTORY");
    for line in &case.story {
        println!("{}  {}  {}", words::at(&line.at), plain::visible(&line.who), plain::visible(&line.what));
        for text in line.text.iter().flat_map(|t| t.lines()) {
            println!("    | {}", plain::visible(text));
        }
    }
}

/// Sightings, with what became of them.
pub fn sightings(rows: &[&SightingRow], outcomes: bool) {
    let mut headers = vec!["SIGHTING", "OBSERVED", "WHERE", "CAUSE", "SOURCE", "DEVICE"];
    if outcomes {
        headers.push("WHY NOT");
    }
    let mut shown = table(&headers);
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
    println!("{shown}");
}

/// A time.
pub fn at(t: &Moment) -> String {
    words::at(t)
}
