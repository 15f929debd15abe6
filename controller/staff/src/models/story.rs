//! The log of a case in words that a person can read aloud on the phone. One exhaustive match: a new event does not
//! compile without its sentence.

use pratique_core::event::{Actor, Body, CaseEvent, Closed, ProposedBecause, Release};
use pratique_core::ids::{Seq, TextRef};
use pratique_core::notice::{Channel, NoticeOutcome};
use pratique_core::playbook::ApprovalRule;
use pratique_core::rescan::{Rescan, RescanTrigger, Verdict};
use pratique_core::time::{Moment, Timestamp};
use pratique_store::Record;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::cases::who;

/// One thing that happened to a case. [`lines`] makes it from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryLine {
    /// Position in the log.
    pub seq: Seq,
    /// When.
    pub at: Moment,
    /// Who: a person, `rule NAME`, `subscriber` or `pratique`.
    pub who: String,
    /// A stable key: `opened`, `approved`, `released`, …
    pub kind: SmolStr,
    /// In words.
    pub what: String,
    /// The reason or note behind it; none if there is none or it has been erased.
    pub text: Option<String>,
    /// This many entries of the log say the same; `what` counts them.
    #[serde(default = "one")]
    pub folded: u64,
    /// When the last of them was, where there are several.
    #[serde(default)]
    pub last_at: Option<Moment>,
}

const fn one() -> u64 {
    1
}

/// The story that log entries tell; `text` finds the free text behind a reference. Entries that are not of a case are left
/// out.
///
/// An infected device attacks for days, and a feed reports it each day: between two decisions, entries that say the same are
/// one line that counts them, at the place of the first. Nothing that somebody decided or did is ever folded.
pub fn lines(records: &[Record], text: impl Fn(TextRef) -> Option<String>) -> Vec<StoryLine> {
    let mut lines: Vec<StoryLine> = Vec::new();
    // Repeats since the last decision, each with the place of its line.
    let mut repeats: Vec<(Repeat, usize)> = Vec::new();
    for record in records {
        let Body::Case { what, .. } = &record.event.body else { continue };
        let told = line(record, what, &text);
        let Some(repeat) = Repeat::of(what) else {
            repeats.clear();
            lines.push(told);
            continue;
        };
        match repeats.iter_mut().find(|(known, _)| known.is_same(&repeat)) {
            Some((known, place)) => {
                known.add(&repeat);
                if let Some(line) = lines.get_mut(*place) {
                    line.folded = line.folded.saturating_add(1);
                    line.last_at = Some(record.event.at.into());
                    line.what = known.words(line.folded);
                }
            }
            None => {
                repeats.push((repeat, lines.len()));
                lines.push(told);
            }
        }
    }
    lines
}

fn line(record: &Record, what: &CaseEvent, text: &impl Fn(TextRef) -> Option<String>) -> StoryLine {
    let (kind, actor, sentence, reference) = sentence(what);
    StoryLine {
        seq: record.seq,
        at: record.event.at.into(),
        who: who(&actor),
        kind: kind.into(),
        what: sentence,
        text: reference.and_then(text),
        folded: 1,
        last_at: None,
    }
}

/// What an entry says that others say as well, and what is counted of it.
struct Repeat {
    of: RepeatOf,
    /// Packets or questions.
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

#[derive(PartialEq, Eq)]
enum RepeatOf {
    Wall,
    Threats { list: String },
    Evidence { cause: String, feed: String },
    Requested,
    Rescanned { said: String },
}

impl Repeat {
    fn of(what: &CaseEvent) -> Option<Self> {
        let (of, count, at) = match what {
            CaseEvent::WallTraffic { packets, last_seen } => (RepeatOf::Wall, *packets, *last_seen),
            CaseEvent::ThreatsQueried { list, queries, last_seen } => {
                (RepeatOf::Threats { list: list.to_string() }, *queries, *last_seen)
            }
            CaseEvent::EvidenceAdded { cause, evidence } => {
                let of = RepeatOf::Evidence { cause: cause.to_string(), feed: evidence.feed.to_string() };
                (of, 1, evidence.observed_at)
            }
            // Nobody asked for these but the clock.
            CaseEvent::RescanRequested { trigger: RescanTrigger::Schedule } => (RepeatOf::Requested, 1, Timestamp::MIN),
            CaseEvent::Rescanned { rescan } if rescan.trigger == RescanTrigger::Schedule => {
                (RepeatOf::Rescanned { said: ended(rescan) }, 1, rescan.finished_at)
            }
            _ => return None,
        };
        Some(Self { of, count, first: at, last: at })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.of == other.of
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Of this many entries.
    fn words(&self, times: u64) -> String {
        let Self { of, count, first, last } = self;
        match of {
            RepeatOf::Wall => {
                format!("Blocked attack traffic seen {times} times between {first} and {last}: {count} packets in all")
            }
            RepeatOf::Threats { list } => {
                format!("Asked {count} times for names on the threat list {list}, between {first} and {last}")
            }
            RepeatOf::Evidence { cause, feed } => {
                format!("Seen again {times} times: {cause}, reported by {feed}, observed between {first} and {last}")
            }
            RepeatOf::Requested => format!("Check asked for by schedule, {times} times"),
            RepeatOf::Rescanned { said } => format!("{said}; the same {times} times, the last at {last}"),
        }
    }
}

fn ended(rescan: &Rescan) -> String {
    let found: Vec<_> =
        rescan.results.iter().map(|r| format!("{} {} ({})", r.probe, verdict(r.verdict), r.found)).collect();
    let detail = if found.is_empty() { "nothing could be asked".to_owned() } else { found.join(", ") };
    format!("Check ended {}: {detail}", verdict(rescan.verdict()))
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
        CaseEvent::FixReported { again } => {
            let said = match again {
                0 => "Says it is fixed and asks for a check".into(),
                1 => "Says it is fixed and asks for a check; had asked once more before, too soon".into(),
                n => format!("Says it is fixed and asks for a check; had asked {n} times more before, too soon"),
            };
            ("fix-reported", Actor::Subscriber, said, None)
        }
        CaseEvent::RescanRequested { trigger } => {
            let by = match trigger {
                RescanTrigger::Subscriber => "by the subscriber",
                RescanTrigger::Staff => "by staff",
                RescanTrigger::Schedule => "by schedule",
            };
            ("rescan-requested", system, format!("Check asked for {by}"), None)
        }
        CaseEvent::Rescanned { rescan } => ("rescanned", system, ended(rescan), None),
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
    use pratique_core::ids::CaseId;

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
        let found = |r| (r == why).then(|| "called in, camera is gone".into());
        let told = lines(std::slice::from_ref(&record), found).remove(0);
        assert_eq!(told.who, "anna");
        assert_eq!(told.what, "Line released: by staff; watched until 1970-01-02T00:00:00Z");
        assert_eq!(told.text.as_deref(), Some("called in, camera is gone"));
        let told = lines(&[record], |_| None).remove(0);
        assert_eq!(told.text, None, "an erased text leaves the line");
    }

    fn record(seq: u64, what: CaseEvent) -> Record {
        let at = Timestamp::from_secs(i64::try_from(seq).unwrap() * 3_600);
        Record { seq: Seq(seq), event: Event { at, body: Body::Case { case: CaseId(4), what } }, hash: TextRef::of("") }
    }

    #[test]
    fn repeats_are_one_line_that_counts_them_and_decisions_stay() {
        let traffic = |hour: i64| CaseEvent::WallTraffic { packets: 5, last_seen: Timestamp::from_secs(hour * 3_600) };
        let asked = |hour| CaseEvent::ThreatsQueried {
            list: "urlhaus".into(),
            queries: 2,
            last_seen: Timestamp::from_secs(hour),
        };
        let fixed = || CaseEvent::FixReported { again: 0 };
        let events = [traffic(1), asked(2), traffic(3), traffic(4), asked(5), fixed(), traffic(7), fixed(), fixed()];
        let records: Vec<Record> = (1..).zip(events).map(|(seq, what)| record(seq, what)).collect();
        let told = lines(&records, |_| None);
        let short: Vec<_> = told.iter().map(|l| (l.kind.as_str(), l.folded)).collect();
        let expected = [
            ("wall-traffic", 3),
            ("threats-queried", 2),
            ("fix-reported", 1),
            ("wall-traffic", 1),
            ("fix-reported", 1),
            ("fix-reported", 1),
        ];
        assert_eq!(short, expected);
        assert_eq!(
            told[0].what,
            "Blocked attack traffic seen 3 times between 1970-01-01T01:00:00Z and 1970-01-01T04:00:00Z: 15 packets in all"
        );
        assert_eq!((told[0].seq, told[0].last_at), (Seq(1), Some(Timestamp::from_secs(4 * 3_600).into())));
        assert_eq!(told.iter().map(|l| l.folded).sum::<u64>(), records.len() as u64, "nothing is lost");
    }
}
