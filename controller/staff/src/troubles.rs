//! What is wrong with this node and its surroundings, in words, the worst first; and what is good to know.

use pratique_core::reach::Family;
use pratique_core::wall::Reading;

use crate::models::status::{Claimed, GatewayRow, Status};
use crate::{elsewhere, plain, words};

/// What is wrong, in words, the worst first.
pub fn troubles(status: &Status) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(how_far) = &status.loading {
        found.push(format!(
            "This node is starting: {how_far}. Until that is done, pages and captive DNS answer from the last view, and the wall \
             stays as it was."
        ));
    }
    if let Some(why) = &status.settings_problem {
        found.push(format!(
            "The settings on disk are refused, and those that were last in force are used: {why}. Mend the file \
             (`pratique check-config`) and start the daemon again."
        ));
    }
    if let Some(why) = &status.log_problem {
        found.push(format!(
            "The log is not what was written: {why}. `pratique verify-log` checks it again; compare it with a backup."
        ));
    }
    if status.wall.kept {
        found.push(kept_wall(status));
    }
    for e in &status.enforcers {
        if let Some(why) = &e.failing {
            found.push(format!("Enforcer {} fails: {why}. The wall stays as it was. Writing is tried again.", e.name));
        } else if !e.in_step {
            found.push(match words::span(&e.lag).as_str() {
                "none" => format!("Enforcer {} has not followed the plan yet.", e.name),
                lag => format!("Enforcer {} is behind the plan by {lag}.", e.name),
            });
        }
    }
    found.extend(status.elsewhere.iter().filter_map(|health| elsewhere::trouble(health, &status.now)));
    for e in status.enforcers.iter().filter(|e| e.evidence_filled >= Reading::NEARLY_FULL) {
        found.push(format!(
            "What enforcer {} remembers of blocked attack traffic fills {} % of its room: what others send may not be recorded, \
             so nobody's silence at the wall counts. Raise `wall.attempts_size`.",
            e.name, e.evidence_filled
        ));
    }
    found.extend(unchecked(status, true));
    if let Some(why) = status.store.disk.as_ref().filter(|_| status.store.intake_stopped.is_none()) {
        found.push(format!("The store's disk: {why}."));
    }
    if !status.store.writable && status.loading.is_none() {
        found.push("The store does not take appends: nothing new is decided, enforcement stays as it is.".into());
    }
    if let Some(why) = &status.store.intake_stopped {
        found.push(format!("Intake has stopped: {why}. Releases go on."));
    }
    if let Some(why) = &status.store.position_copy {
        found.push(format!(
            "The copy of the log's position cannot be written: {why}. A data directory put back as a whole may go unnoticed; see \
             position_copy in pratique.yaml."
        ));
    }
    if let Some(why) = &status.policy_problem {
        found.push(format!("The policy on disk is not in force: {why}"));
    }
    if status.wall.on_paper > 0 && !status.dry_run {
        found.push(format!(
            "{} approved in a dry run and not walled: `pratique enforce list` shows them, `pratique enforce begin` \
             walls them, `pratique enforce drop` gives them up.",
            if status.wall.on_paper == 1 {
                "1 line was".into()
            } else {
                format!("{} lines were", status.wall.on_paper)
            }
        ));
    }
    found.extend(status.enforcers.iter().filter_map(|e| e.former_wall.clone()));
    found.extend(status.enforcers.iter().flat_map(|e| &e.remarks).map(|remark| format!("Wall: {remark}.")));
    found.extend(status.warnings.iter().map(|warning| format!("Configuration: {warning}.")));
    for (case, why) in &status.kept_out {
        found.push(format!("Case {case} is quarantined, but {why}."));
    }
    let more = status.kept_out_total.saturating_sub(status.kept_out.len() as u64);
    if more > 0 {
        let others = if status.kept_out.is_empty() { "" } else { " more" };
        let lines = if more == 1 { "line holds" } else { "lines hold" };
        found.push(format!("{more}{others} quarantined {lines} something that the wall does not."));
    }
    for (case, why) in &status.wall.half_known {
        found.push(format!("Case {case} is half-walled: {why}."));
    }
    for (family, lines) in [("IPv4", status.wall.half_missing_ipv4), ("IPv6", status.wall.half_missing_ipv6)] {
        if lines > 0 {
            let lines = words::lines(lines);
            found.push(format!("In all, {family} of {lines} passes the wall: it is not known, or kept out."));
        }
    }
    for feed in status.feeds.iter().filter(|f| f.stalled) {
        found.push(format!(
            "Feed {} has stalled: its silence does not count, releases that rest on it wait.",
            feed.source
        ));
    }
    for feed in &status.feeds {
        found.extend(feed.waited.iter().map(|waited| format!("{}.", words::waited(feed, waited))));
        if feed.gaps_total > 0 {
            let files = if feed.gaps_total == 1 { "1 file".to_owned() } else { format!("{} files", feed.gaps_total) };
            found.push(format!(
                "{files} of {} came and could not be taken in: that is no silence. `pratique coverage list` names them.",
                words::shown(feed.source.as_str())
            ));
        }
    }
    for list in status.dns.iter().flat_map(|dns| &dns.threat_lists) {
        found.extend(list.problem.clone().map(|problem| format!("Captive DNS, {problem}.")));
    }
    found.extend(status.dns.iter().flat_map(words::inward));
    let certificate = status.dns.iter().filter_map(|dns| dns.certificate.as_ref());
    found.extend(certificate.flat_map(|c| &c.problems).map(|problem| format!("Captive DNS, {problem}.")));
    if let Some(notices) = &status.notices {
        for (channel, since) in &notices.failing {
            found.push(format!("Notices by {channel} have not been taken since {since}; they are tried again."));
        }
        found.extend(notices.problems.iter().map(|problem| format!("Notices: {problem}.")));
    }
    let certificate = status.portal_certificate.iter().flat_map(|c| &c.problems);
    found.extend(certificate.map(|problem| format!("Portal, {problem}.")));
    if status.conflicts > 0 {
        found.push(claimed_twice(status));
    }
    let silent: Vec<&GatewayRow> = status.gateways.iter().filter(|gateway| gateway.silent).collect();
    if let Some(first) = silent.first() {
        let since = first.heard.as_ref().map_or_else(|| "since the start".to_owned(), |at| format!("since {at}"));
        let named = if first.nas.is_empty() { &first.source } else { &first.nas };
        found.push(format!(
            "{} silent for longer than stale_after, the first is {} ({since}): {} of {} sessions are doubtful. Nothing new is \
             attributed to them; what is walled stays.",
            if silent.len() == 1 { "1 gateway is".to_owned() } else { format!("{} gateways are", silent.len()) },
            plain::visible(named),
            words::count(&status.doubtful),
            words::count(&status.sessions),
        ));
    }
    if status.session_list_late
        && let Some(last) = &status.session_list
    {
        found.push(format!(
            "The last session list came at {last}, later than its source promises in policy.yaml: lines may have moved since."
        ));
    }
    if status.held_deliveries > 0 {
        let one = status.held_deliveries == 1;
        found.push(format!(
            "{} for a decision: nothing of {} counts before; `pratique delivery list`.",
            if one {
                "1 held delivery waits".to_owned()
            } else {
                format!("{} held deliveries wait", status.held_deliveries)
            },
            if one { "it" } else { "them" }
        ));
    }
    if status.refused_lately > 0 {
        let files = words::counted(status.refused_lately, "file");
        found.push(format!(
            "{files} refused in the last {}; `pratique delivery list` says why.",
            words::span(&Status::LATELY)
        ));
    }
    found
}

/// That nothing is walled, in words; none where a wall stands.
pub fn dry_run(status: &Status) -> Option<String> {
    let would = words::lines(status.wall.would_be_walled);
    status.dry_run.then(|| format!("Dry run: nothing is walled; {would} would be."))
}

/// What is good to know of this machine, and needs nobody.
pub fn notes(status: &Status) -> impl Iterator<Item = String> {
    let notes = status.enforcers.iter().flat_map(|e| &e.notes).map(|note| format!("Wall: {note}."));
    notes.chain(unchecked(status, false))
}

/// That no source of a version of IP is dropped as unknown, in words: of versions that subscribers have, or of the others.
fn unchecked(status: &Status, theirs: bool) -> impl Iterator<Item = String> {
    let of = move |family: &Family| status.wall.families.contains(family) == theirs;
    let families = status.enforcers.iter().flat_map(|e| &e.unchecked).filter(move |family| of(family));
    families.map(|family| {
        format!(
            "`unknown_sources: drop` drops no {family} packet: no live session with {family} is known, and dropping them all would cut \
             everybody off. Until one is known, a home behind the wall gets out under any {family} address that is routed back to \
             its interface. Import who holds which {family} addresses."
        )
    })
}

/// What a log that was put back means for the wall.
fn kept_wall(status: &Status) -> String {
    let waiting = match status.wall.withheld {
        0 => "No quarantined line waits for that now".to_owned(),
        1 => "1 quarantined line is not walled, or not with all it holds".to_owned(),
        n => format!("{} quarantined lines are not walled, or not with all they hold", words::count(&n)),
    };
    format!(
        "Nothing is added to the wall until somebody resumes: the log was put back from a backup or lost its end, or that cannot be \
         ruled out. What it says of who is quarantined and who holds which address may be over, and who was quarantined since is \
         not known to it: those lines are free, and only a new report brings them back. {waiting}. Import a current session list, release \
         whose quarantine is over (`pratique case list --state quarantined`), then `pratique resume` walls the others."
    )
}

/// Which addresses two lines claim, by name where the person may see them.
fn claimed_twice(status: &Status) -> String {
    let of = |claimed: &Claimed| {
        let lines: Vec<_> = claimed.lines.iter().map(|line| plain::short(line.as_str(), 40)).collect();
        format!("{} by {}", claimed.address, lines.join(" and "))
    };
    let named: Vec<String> = status.claimed_twice.iter().map(of).collect();
    let more = status.conflicts.saturating_sub(named.len() as u64);
    let named = match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", named.join("; ")),
        (false, more) => format!(": {}; and {more} more", named.join("; ")),
    };
    let count = match status.conflicts {
        1 => "1 address is".to_owned(),
        n => format!("{} addresses are", words::count(&n)),
    };
    format!("{count} claimed by two lines, so nobody is walled there{named}.")
}
