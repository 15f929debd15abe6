//! The log of a case in words that a person can read aloud on the phone. One exhaustive match: a new event does not
//! compile without its sentence.

use pratique_core::event::{Actor, Body, CaseEvent, Closed, ProposedBecause, Release};
use pratique_core::ids::TextRef;
use pratique_core::notice::{Channel, NoticeOutcome};
use pratique_core::playbook::ApprovalRule;
use pratique_core::rescan::{RescanTrigger, Verdict};

use super::dossier::{StoryLine, who};
use crate::store::Record;

/// The line of one log entry; `text` finds the free text behind a reference. None for entries that are not of a case.
pub fn line(record: &Record, text: impl Fn(TextRef) -> Option<String>) -> Option<StoryLine> {
    let Body::Case { what, .. } = &record.event.body else { return None };
    let (kind, actor, sentence, reference) = sentence(what);
    Some(StoryLine {
        seq: record.seq,
        at: record.event.at.into(),
        who: who(&actor),
        kind: kind.into(),
        what: sentence,
        text: reference.and_then(text),
    })
}

/// The references of free texts that entries speak of, to be read from the store in one go.
pub fn references<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<TextRef> {
    let of = |r: &'a Record| match &r.event.body {
        Body::Case { what, .. } => sentence(what).3,
        _ => None,
    };
    records.into_iter().filter_map(of).collect()
}

fn sentence(what: &CaseEvent) -> (&'static str, Actor, String, Option<TextRef>) {
    let system = Actor::System;
    match what {
        CaseEvent::Opened { cause, evidence, .. } => {
            ("opened", system, format!("Opened for {cause} on {}", sightings(evidence.len())), None)
        }
        CaseEvent::Warned { until } => {
            ("warned", system, format!("Subscriber warned; proposed for quarantine if it is seen after {until}"), None)
        }
        CaseEvent::Proposed { rule, because } => {
            let why = match because {
                ProposedBecause::Evidence => "the evidence passed the threshold",
                ProposedBecause::WarningIgnored => "it was seen after the time that the warning gave",
                ProposedBecause::Relapse => "evidence came back after the release",
                ProposedBecause::DryRun => "it was approved in a dry run, and that approval was dropped",
                ProposedBecause::Protected => "the line has become protected, and those who approve have to know that",
            };
            let rule = match rule {
                ApprovalRule::Auto => "a rule may approve",
                ApprovalRule::One => "one person has to approve",
                ApprovalRule::Two => "two people have to approve",
            };
            ("proposed", system, format!("Proposed for quarantine: {why}; {rule}"), None)
        }
        CaseEvent::EvidenceAdded { cause, evidence } => {
            let said = format!("Seen again: {cause}, reported by {}, observed {}", evidence.feed, evidence.observed_at);
            ("evidence", system, said, None)
        }
        CaseEvent::Approved { by, protected } => {
            let knowing = if *protected { ", knowing that the line is protected" } else { "" };
            ("approved", by.clone(), format!("Approved the quarantine{knowing}"), None)
        }
        CaseEvent::Quarantined { by, evidence, justification, until, policy } => {
            let names: Vec<_> = by.iter().map(who).collect();
            let policy = policy.to_string();
            let said = format!(
                "Line quarantined until {until} at the latest; approved by {}, resting on {}, under policy {}; ground: {justification}",
                names.join(" and "),
                sightings(evidence.len()),
                policy.get(..12).unwrap_or(&policy),
            );
            ("quarantined", system, said, None)
        }
        CaseEvent::EnforcementBegan { by, reason } => {
            let said = "Had been approved in a dry run; the line is walled from here";
            ("enforcement-began", by.clone(), said.into(), *reason)
        }
        CaseEvent::PaperDropped { by, reason } => {
            let said = "Had been approved in a dry run; that approval was dropped, and the line was never walled";
            ("paper-dropped", by.clone(), said.into(), *reason)
        }
        CaseEvent::Dismissed { by, reason } => ("dismissed", by.clone(), "Dismissed: no quarantine".into(), *reason),
        CaseEvent::Retracted { sightings: numbers, by, reason } => {
            ("retracted", by.clone(), format!("Took back {}", sightings(numbers.len())), *reason)
        }
        CaseEvent::RowUnread { feed, until, delivery } => {
            let said = format!(
                "A row of {feed} (delivery {delivery}) names an address of this line and could not be read: silence counts \
                 from {until}"
            );
            ("row-unread", system, said, None)
        }
        CaseEvent::FixReported => {
            ("fix-reported", Actor::Subscriber, "Says it is fixed and asks for a check".into(), None)
        }
        CaseEvent::RescanRequested { trigger } => {
            let by = match trigger {
                RescanTrigger::Subscriber => "by the subscriber",
                RescanTrigger::Staff => "by staff",
                RescanTrigger::Schedule => "by schedule",
            };
            ("rescan-requested", system, format!("Check asked for {by}"), None)
        }
        CaseEvent::Rescanned { rescan } => {
            let found: Vec<_> =
                rescan.results.iter().map(|r| format!("{} {} ({})", r.probe, verdict(r.verdict), r.found)).collect();
            let detail = if found.is_empty() { "nothing could be asked".to_owned() } else { found.join(", ") };
            ("rescanned", system, format!("Check ended {}: {detail}", verdict(rescan.verdict())), None)
        }
        CaseEvent::WallTraffic { packets, .. } => {
            ("wall-traffic", system, format!("The wall blocked {packets} more attack packets"), None)
        }
        CaseEvent::ThreatsQueried { list, queries, last_seen } => {
            let said = format!("Asked {queries} times for names on the threat list {list}, last at {last_seen}");
            ("threats-queried", system, said, None)
        }
        CaseEvent::Released { how, by, reason, watch_until } => {
            let ground = match how {
                Release::Proven => "the fix is proven",
                Release::SelfRelease => "self-release after a clean check",
                Release::Staff => "by staff",
                Release::Expired => "the longest time was over",
                Release::Retracted => "the evidence was taken back",
                Release::Emergency => "everything was released",
                Release::Protected => "it has become protected",
            };
            ("released", by.clone(), format!("Line released: {ground}; watched until {watch_until}"), *reason)
        }
        CaseEvent::Renewed { by, until, reason } => {
            ("renewed", by.clone(), format!("Quarantine renewed until {until}"), *reason)
        }
        CaseEvent::Noted { by, text } => ("noted", by.clone(), "Note".into(), Some(*text)),
        CaseEvent::Notice { kind, channel, outcome, .. } => {
            let channel = match channel {
                Channel::Mail => "by e-mail",
                Channel::Webhook => "by the webhook",
            };
            match outcome {
                NoticeOutcome::Sent => ("notice-sent", system, format!("Notice {kind} sent {channel}"), None),
                NoticeOutcome::Bounced { status } => {
                    ("notice-bounced", system, format!("Notice {kind} {channel} came back: status {status}"), None)
                }
                NoticeOutcome::Failed { why } => {
                    ("notice-failed", system, format!("Notice {kind} {channel} did not leave: {why}"), None)
                }
            }
        }
        CaseEvent::Closed { why } => {
            let why = match why {
                Closed::QuietAfterWarning => "quiet since the warning",
                Closed::QuietAfterRelease => "quiet since the release",
                Closed::Unheard => "the time is over; whether it was quiet is not known, since reports are missing",
                Closed::Dismissed => "dismissed",
                Closed::Retracted => "no evidence is left",
            };
            ("closed", system, format!("Closed: {why}"), None)
        }
    }
}

fn sightings(n: usize) -> String {
    if n == 1 { "1 sighting".into() } else { format!("{n} sightings") }
}

fn verdict(v: Verdict) -> &'static str {
    match v {
        Verdict::Clean => "clean",
        Verdict::Vulnerable => "vulnerable",
        Verdict::Inconclusive => "inconclusive",
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::event::Event;
    use pratique_core::ids::{CaseId, Seq};
    use pratique_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_release_says_who_on_what_ground_and_why() {
        let why = TextRef::of("called in, camera is gone");
        let what = CaseEvent::Released {
            how: Release::Staff,
            by: Actor::Person("anna".into()),
            reason: Some(why),
            watch_until: Timestamp::from_secs(86_400),
        };
        let record = Record {
            seq: Seq(9),
            event: Event { at: Timestamp::from_secs(0), body: Body::Case { case: CaseId(4), what } },
            hash: TextRef::of(""),
        };
        assert_eq!(references([&record]), [why]);
        let told = line(&record, |r| (r == why).then(|| "called in, camera is gone".into())).unwrap();
        assert_eq!(told.who, "anna");
        assert_eq!(told.what, "Line released: by staff; watched until 1970-01-02T00:00:00Z");
        assert_eq!(told.text.as_deref(), Some("called in, camera is gone"));
        assert_eq!(line(&record, |_| None).unwrap().text, None, "an erased text leaves the line");
    }
}
