//! Enforcers in words: how one elsewhere is, and how far each is with a line.

use pratique_core::time::{Moment, Span};
use pratique_enforce::remote::{Health, LineReport, LineState, Wanted};

use crate::models::plan::LineAt;
use crate::words;

/// An enforcer that lags for longer than this is told as trouble: a pause between two tries is over by then.
const LONG: Span = Span::from_mins(2);

/// How one is as a whole, in few words.
pub fn health(health: &Health) -> String {
    if health.waits_for_plan {
        return "waits until the plan is known; nothing is told".into();
    }
    let counts = health.lines.each();
    let behind: Vec<String> = counts
        .iter()
        .filter(|(key, n)| *key != "done" && *n > 0)
        .map(|(key, n)| format!("{key} {}", words::count(n)))
        .collect();
    let quarantined = words::lines(health.quarantined);
    match (health.in_step, &health.oldest) {
        (true, _) => format!("in step, {quarantined} in quarantine"),
        (false, Some(since)) => {
            format!(
                "{}; {quarantined} in quarantine by the plan; the oldest since {}",
                behind.join(", "),
                words::at(since)
            )
        }
        (false, None) => behind.join(", "),
    }
}

/// What is wrong with one, in a sentence; none if nothing is.
pub fn trouble(health: &Health, now: &Moment) -> Option<String> {
    let (name, behind) = (&health.name, words::lines(health.lines.behind()));
    if health.waits_for_plan {
        return health.failing.as_ref().map(|why| format!("Enforcer {name}: {why}."));
    }
    if let Some(why) = &health.failing {
        return Some(format!(
            "Enforcer {name} cannot be told anything: {why}. What it has stays as it is, and it is tried again; {behind} not as wanted there. \
             The wall and other enforcers go on."
        ));
    }
    if health.removed {
        return Some(format!("Enforcer {name} is no longer configured: {behind} there are being taken back."));
    }
    if health.lines.failed > 0 {
        return Some(format!(
            "Enforcer {name} has not taken what is wanted of {}: `pratique plan` names them, with the reason.",
            words::lines(health.lines.failed)
        ));
    }
    let lag = health.oldest.as_ref().map_or(Span::ZERO, |since| now.0.since(since.0));
    if lag > LONG {
        return Some(format!(
            "Enforcer {name} is behind the plan by {}: {behind} not as wanted there.",
            words::span(&lag)
        ));
    }
    health.holds_back.as_ref().map(|why| format!("Enforcer {name} quarantines nobody new: {why}."))
}

/// How far an enforcer is with a line.
pub fn line(at: &LineAt) -> String {
    format!("{}: {}", at.enforcer, report(&at.report))
}

/// What is wanted of a line, and how far that is.
pub fn report(report: &LineReport) -> String {
    let wanted = match report.wanted {
        Wanted::Quarantined => "quarantine",
        Wanted::Free => "release",
    };
    let since =
        |since: &Option<Moment>| since.as_ref().map(|at| format!(" since {}", words::at(at))).unwrap_or_default();
    let mut said = match &report.state {
        LineState::Pending { since: at } => format!("{wanted} pending{}", since(at)),
        LineState::Done { since: at } => format!("{wanted} done{}", since(at)),
        LineState::Failed { why, tries, next_try, since: at } => {
            let tries = tries.map(|n| format!(", tries: {n}")).unwrap_or_default();
            let next = next_try.as_ref().map(|at| format!(", next {}", words::at(at))).unwrap_or_default();
            format!("{wanted} wanted{}, failed: {}{tries}{next}", since(at), words::shown(why))
        }
        LineState::Differs { what, since: at } => {
            format!("{wanted} told, but differs since {}: {}; it is told again", words::at(at), words::shown(what))
        }
        LineState::Unknown => format!("{wanted} wanted; what it has is not known yet"),
    };
    if let Some(at) = &report.verified_at {
        said.push_str(&format!("; seen to be so at {}", words::at(at)));
    }
    if let Some(why) = &report.unverified {
        said.push_str(&format!("; cannot be looked at: {}", words::shown(why)));
    }
    said
}

#[cfg(test)]
mod tests {
    use pratique_core::time::Timestamp;
    use pratique_enforce::remote::LineCounts;

    use super::*;

    fn noon() -> Moment {
        Timestamp::from_secs(1_771_156_800).into()
    }

    #[test]
    fn what_is_wrong_is_said_worst_first_and_a_short_lag_is_not() {
        let calm = Health { name: "crm".into(), in_step: true, quarantined: 3, ..Health::default() };
        assert_eq!((health(&calm).as_str(), trouble(&calm, &noon())), ("in step, 3 lines in quarantine", None));
        let lines = LineCounts { pending: 2, done: 1, ..LineCounts::default() };
        let busy =
            Health { in_step: false, lines, oldest: Some(noon().0.minus(Span::from_secs(30)).into()), ..calm.clone() };
        assert!(health(&busy).starts_with("pending 2; 3 lines in quarantine by the plan; the oldest since 2026-02-15"));
        assert_eq!(trouble(&busy, &noon()), None);
        let late = Health { oldest: Some(noon().0.minus(Span::from_hours(1)).into()), ..busy.clone() };
        assert!(trouble(&late, &noon()).unwrap().contains("behind the plan by 60 min: 2 lines"));
        let refused = Health { lines: LineCounts { failed: 1, ..lines }, ..busy.clone() };
        assert!(trouble(&refused, &noon()).unwrap().contains("has not taken what is wanted of 1 line:"));
        let removed = Health { removed: true, ..busy.clone() };
        assert!(trouble(&removed, &noon()).unwrap().contains("no longer configured: 2 lines"));
        let down = Health { failing: Some("cannot be reached".into()), ..removed };
        assert!(trouble(&down, &noon()).unwrap().contains("cannot be told anything: cannot be reached."));
        let loading = Health { waits_for_plan: true, in_step: false, ..calm };
        assert_eq!((health(&loading).contains("waits"), trouble(&loading, &noon())), (true, None));
    }

    #[test]
    fn a_line_is_said_with_its_reason_and_its_next_try() {
        let state = LineState::Failed {
            why: "answers 422 to PUT: no\u{202e}such line".into(),
            tries: Some(3),
            next_try: Some(noon()),
            since: Some(noon()),
        };
        let at = LineAt {
            enforcer: "crm".into(),
            report: LineReport { wanted: Wanted::Free, state, verified_at: None, unverified: None },
        };
        let said = line(&at);
        assert!(said.starts_with("crm: release wanted since 2026-02-15"), "{said}");
        assert!(said.contains("failed: answers 422 to PUT: no\\u{202e}such line, tries: 3, next 2026-02-15"), "{said}");
    }
}
