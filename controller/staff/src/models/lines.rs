//! A line as staff see it, with the checks that somebody on it asked for on the self-check page. Those have no case; they are
//! put together from the log by [`self_checks`]. Times are RFC 3339 in UTC.

use std::net::IpAddr;

use pratique_core::event::Body;
use pratique_core::ids::{LineNo, Seq, SubscriberId};
use pratique_core::notice::NoticeOutcome;
use pratique_core::rescan::Verdict;
use pratique_core::self_check::SelfCheckStep;
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_store::Record;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::models::cases::CaseRow;
use crate::models::dossier::HoldingRow;

/// So many self-checks of a line are shown, the newest.
pub const SHOWN: usize = 20;

/// So many log entries are read for them. A check has four at most: consent, result, and its mail sent and come back.
pub const ENTRIES: u32 = 4 * SHOWN as u32;

/// Longer than any scan waits and takes, by the limits of section `scan`.
const LONGEST: Span = Span::from_mins(12);

/// What is known of a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineDossier {
    /// The provider's id.
    pub subscriber: SubscriberId,
    /// Our number.
    pub line: LineNo,
    /// What it holds now.
    pub holdings: Vec<HoldingRow>,
    /// Its cases that are not forgotten, newest first.
    pub cases: Vec<CaseRow>,
    /// Why it is protected, if it is.
    pub protected: Option<SmolStr>,
    /// Version of the terms with the quarantine clause.
    pub clause: Option<SmolStr>,
    /// Opted out.
    pub opted_out: bool,
    /// Language, BCP 47.
    pub language: Option<SmolStr>,
    /// Where notices go.
    #[serde(default)]
    pub email: Option<SmolStr>,
    /// The same by telephone.
    #[serde(default)]
    pub phone: Option<SmolStr>,
    /// Checks that somebody on the line asked for, newest first, at most [`SHOWN`].
    #[serde(default)]
    pub self_checks: Vec<SelfCheckRow>,
}

/// A purge that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Rows erased.
    pub rows: u64,
}

/// Who holds and held an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressDossier {
    /// The address.
    pub address: IpAddr,
    /// At this moment …
    pub at: Moment,
    /// … these lines held it: one, none, or several that claim it. Behind CGNAT each has some of the ports.
    pub held_by: Vec<TenureRow>,
    /// Everybody who is known to hold or have held it, newest first. Sessions that touch or overlap are one.
    pub tenures: Vec<TenureRow>,
    /// Two lines claim it now, so nobody is enforced there.
    pub claimed_twice: bool,
}

/// A line's time on an address or prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenureRow {
    /// The provider's id; none if it was erased.
    pub subscriber: Option<SubscriberId>,
    /// Our number.
    pub line: LineNo,
    /// What is held: the address, ports of it, or the prefix around it.
    pub holding: String,
    /// Which NAS said so; empty for none. Of several sessions that touch, the newest's.
    #[serde(default)]
    pub nas: SmolStr,
    /// First moment.
    pub from: Moment,
    /// First moment after; none while it lasts.
    pub to: Option<Moment>,
}

/// A check that somebody on a line asked for on the self-check page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfCheckRow {
    /// Position of the consent in the log.
    pub seq: Seq,
    /// When somebody on the line agreed to it. No packet left before.
    pub agreed_at: Moment,
    /// How far it came.
    pub state: SelfCheckState,
    /// When its result was recorded; none without one, as below.
    pub ended_at: Option<Moment>,
    /// What it said.
    pub verdict: Option<Verdict>,
    /// What stood open.
    pub open: Vec<OpenRow>,
    /// What became of the mail with the result; none if none was asked for.
    pub mail: Option<MailRow>,
}

/// How far a self-check came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelfCheckState {
    /// It has a result.
    Done,
    /// The result is not there yet.
    UnderWay,
    /// Agreed to, and no result will come: the daemon ended, or the log could not take it. Packets may have been sent.
    Lost,
}

impl SelfCheckState {
    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::UnderWay => "under way",
            Self::Lost => "no result: it was broken off, or could not be recorded",
        }
    }
}

/// Something that stood open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRow {
    /// What was asked (`telnet:23`).
    pub probe: String,
    /// The key of what was found.
    pub found: SmolStr,
    /// The same in words.
    pub words: String,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRow {
    /// A stable key: `asked`, `sent`, `bounced`, `failed`.
    pub key: SmolStr,
    /// In words.
    pub words: String,
    /// When that was recorded; none while nothing is known.
    pub at: Option<Moment>,
}

impl MailRow {
    fn asked() -> Self {
        Self { key: "asked".into(), words: "asked for; nothing more is known of it yet".into(), at: None }
    }

    fn of(outcome: &NoticeOutcome, at: Timestamp) -> Self {
        let (key, words) = match outcome {
            NoticeOutcome::Sent => ("sent", "sent: the next mail server took it".into()),
            NoticeOutcome::Bounced { status } => ("bounced", format!("sent, and came back: status {status}")),
            NoticeOutcome::Failed { why } => ("failed", format!("not sent: {why}")),
        };
        Self { key: key.into(), words, at: Some(at.into()) }
    }
}

/// The self-checks that entries of one line speak of, newest first, from the entries as the store gives them, newest first.
/// The daemon that runs began at `started_at`: what was under way before is lost.
pub fn self_checks(entries: &[Record], started_at: Timestamp, now: Timestamp) -> Vec<SelfCheckRow> {
    let mut checks: Vec<(SelfCheckRow, Option<Seq>)> = Vec::new();
    for Record { seq, event, .. } in entries.iter().rev() {
        let Body::SelfCheck { step, .. } = &event.body else { continue };
        match step {
            SelfCheckStep::Agreed => checks.push((agreed(*seq, event.at), None)),
            SelfCheckStep::Done { verdict, open, mail } => {
                // A line has one check at a time. A consent too old to be read again leaves a result without one: left out.
                let Some((check, done @ None)) = checks.last_mut() else { continue };
                *done = Some(*seq);
                check.state = SelfCheckState::Done;
                check.ended_at = Some(event.at.into());
                check.verdict = Some(*verdict);
                let row = |o: &pratique_core::rescan::ProbeResult| OpenRow {
                    probe: o.probe.to_string(),
                    found: o.found.clone(),
                    words: open_words(&o.found).into(),
                };
                check.open = open.iter().map(row).collect();
                check.mail = mail.then(MailRow::asked);
            }
            SelfCheckStep::Mail { of, outcome } => {
                if let Some((check, _)) = checks.iter_mut().find(|(_, done)| *done == Some(*of)) {
                    check.mail = Some(MailRow::of(outcome, event.at));
                }
            }
        }
    }
    if let Some((last, None)) = checks.last_mut() {
        let began = last.agreed_at.0;
        if began >= started_at && now < began.plus(LONGEST) {
            last.state = SelfCheckState::UnderWay;
        }
    }
    checks.into_iter().rev().map(|(check, _)| check).take(SHOWN).collect()
}

const fn agreed(seq: Seq, at: Timestamp) -> SelfCheckRow {
    SelfCheckRow {
        seq,
        agreed_at: Moment(at),
        state: SelfCheckState::Lost,
        ended_at: None,
        verdict: None,
        open: Vec::new(),
        mail: None,
    }
}

/// What a probe found open, for staff. A key without words here is shown as it is.
fn open_words(found: &str) -> &str {
    match found {
        "login-prompt" => "asks everybody to log in",
        "shell-prompt" => "takes orders from everybody, without a password",
        "telnet-negotiation" => "offers remote control",
        "accepted" => "takes connections from everybody",
        "login-form" | "redirect-to-login" | "http-auth" => "shows everybody the log-in of a device",
        "admin-page" => "shows everybody the settings of a device",
        "recursion" => "resolves names for everybody",
        "ssdp-answer" => "answers everybody who looks for devices",
        "monlist" | "readvar" => "answers time questions that amplify attacks",
        "snmp-answer" => "tells everybody about the device",
        "adb-open" => "lets everybody control the device",
        "adb-asks-for-key" => "answers everybody, and asks for a key",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::event::Event;
    use pratique_core::ids::TextRef;
    use pratique_core::notice::NotSent;
    use pratique_core::rescan::{Probe, ProbeResult};

    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    /// Entries a minute apart, from position 1, as the store gives them.
    fn log(steps: &[SelfCheckStep]) -> Vec<Record> {
        let entry = |(i, step): (usize, &SelfCheckStep)| Record {
            seq: Seq(i as u64 + 1),
            event: Event { at: at(60 * i as i64), body: Body::SelfCheck { line: LineNo(7), step: step.clone() } },
            hash: TextRef([0; 32]),
        };
        let mut entries: Vec<Record> = steps.iter().enumerate().map(entry).collect();
        entries.reverse();
        entries
    }

    fn done(verdict: Verdict, mail: bool) -> SelfCheckStep {
        let found = ProbeResult { probe: Probe::Telnet(23), verdict, found: "login-prompt".into() };
        let open = if verdict == Verdict::Vulnerable { vec![found] } else { Vec::new() };
        SelfCheckStep::Done { verdict, open, mail }
    }

    fn mail(of: u64, outcome: NoticeOutcome) -> SelfCheckStep {
        SelfCheckStep::Mail { of: Seq(of), outcome }
    }

    #[test]
    fn consent_result_and_mail_make_one_row_and_the_newest_comes_first() {
        use SelfCheckStep::Agreed;
        let bounced = NoticeOutcome::Bounced { status: "5.1.1".into() };
        let no_address = NoticeOutcome::Failed { why: NotSent::NoAddress };
        let entries = log(&[
            Agreed,
            done(Verdict::Vulnerable, true),
            Agreed,
            mail(2, NoticeOutcome::Sent),
            done(Verdict::Clean, true),
            mail(2, bounced),
            mail(5, no_address),
            Agreed,
            done(Verdict::Inconclusive, true),
            Agreed,
            done(Verdict::Clean, false),
        ]);
        let rows = self_checks(&entries, at(0), at(9_999));
        assert!(rows.iter().all(|row| row.state == SelfCheckState::Done));
        let mails: Vec<_> =
            rows.iter().map(|row| row.mail.as_ref().map(|m| (m.key.as_str(), m.words.as_str()))).collect();
        assert_eq!(
            mails,
            [
                None,
                Some(("asked", "asked for; nothing more is known of it yet")),
                Some(("failed", "not sent: no address is known")),
                Some(("bounced", "sent, and came back: status 5.1.1")),
            ]
        );
        let first = rows.last().unwrap();
        assert_eq!((first.seq, first.agreed_at.0, first.ended_at), (Seq(1), at(0), Some(Moment(at(60)))));
        assert_eq!(
            (first.verdict, first.mail.as_ref().unwrap().at),
            (Some(Verdict::Vulnerable), Some(Moment(at(300))))
        );
        let open = OpenRow {
            probe: "telnet:23".into(),
            found: "login-prompt".into(),
            words: "asks everybody to log in".into(),
        };
        assert_eq!(first.open, [open]);
    }

    #[test]
    fn a_consent_without_a_result_is_under_way_for_some_minutes_and_lost_after_a_restart() {
        let state = |entries: &[Record], started_at, now| {
            let rows = self_checks(entries, started_at, now);
            rows.into_iter().map(|row| row.state).collect::<Vec<_>>()
        };
        let entries = log(&[SelfCheckStep::Agreed]);
        assert_eq!(state(&entries, at(-5), at(10)), [SelfCheckState::UnderWay]);
        assert_eq!(state(&entries, at(5), at(10)), [SelfCheckState::Lost], "it was under way when the daemon ended");
        assert_eq!(state(&entries, at(-5), at(0).plus(LONGEST)), [SelfCheckState::Lost]);
        // The next one begins all the same.
        let entries = log(&[SelfCheckStep::Agreed, SelfCheckStep::Agreed, done(Verdict::Clean, false)]);
        assert_eq!(state(&entries, at(-5), at(130)), [SelfCheckState::Done, SelfCheckState::Lost]);
    }

    #[test]
    fn what_is_cut_off_at_the_old_end_is_left_out_and_the_rest_is_bounded() {
        let cut = log(&[done(Verdict::Clean, true), mail(1, NoticeOutcome::Sent), SelfCheckStep::Agreed]);
        assert_eq!(self_checks(&cut, at(0), at(0)).len(), 1);
        let many = log(&vec![SelfCheckStep::Agreed; SHOWN + 5]);
        let rows = self_checks(&many, at(0), at(0));
        assert_eq!((rows.len(), rows[0].seq), (SHOWN, Seq(SHOWN as u64 + 5)));
    }
}
