//! The second channel: which events are told to the subscriber beside the page, and what became of the telling. Pure; the
//! controller's room `notices` brings them out of the house.
//!
//! Addresses are not here and never in the log: an event says by which channel a notice went, not where to.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::event::{CaseEvent, ProposedBecause, Release};
use crate::rescan::{RescanTrigger, Verdict};
use crate::state::StateName;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Something is wrong, and there is time to fix it.
    Warning,
    /// The line is in quarantine.
    Quarantined,
    /// The check found the door shut.
    CheckClean,
    /// The check found it open.
    CheckVulnerable,
    /// The check saw too little.
    CheckInconclusive,
    /// Free: the fix is proven.
    ReleasedProven,
    /// Free: the subscriber left on trust.
    ReleasedTrust,
    /// Free: by staff.
    ReleasedStaff,
    /// Free: the longest time is over.
    ReleasedExpired,
    /// Free: it was a mistake.
    ReleasedRetracted,
    /// Something was seen again after a release; staff have not decided yet.
    Relapse,
    /// A check of the own line, asked for without a case, found nothing open.
    SelfCheckClean,
    /// The same found something open.
    SelfCheckVulnerable,
    /// The same saw too little.
    SelfCheckInconclusive,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Warning,
        Self::Quarantined,
        Self::CheckClean,
        Self::CheckVulnerable,
        Self::CheckInconclusive,
        Self::ReleasedProven,
        Self::ReleasedTrust,
        Self::ReleasedStaff,
        Self::ReleasedExpired,
        Self::ReleasedRetracted,
        Self::Relapse,
        Self::SelfCheckClean,
        Self::SelfCheckVulnerable,
        Self::SelfCheckInconclusive,
    ];

    /// The notice that an event asks for, if it asks for one. Written out without a wildcard: a new event does not compile
    /// before somebody has thought about it.
    pub fn asked_by(what: &CaseEvent) -> Option<Self> {
        match what {
            CaseEvent::Warned { .. } => Some(Self::Warning),
            // Of one on paper the sender finds that nothing of it is so.
            CaseEvent::Quarantined { .. } | CaseEvent::EnforcementBegan { .. } => Some(Self::Quarantined),
            CaseEvent::Proposed { because, .. } => match because {
                ProposedBecause::Relapse => Some(Self::Relapse),
                // Staff may still dismiss it, and a warning was told as one.
                ProposedBecause::Evidence
                | ProposedBecause::WarningIgnored
                | ProposedBecause::Protected
                | ProposedBecause::DryRun => None,
            },
            CaseEvent::Rescanned { rescan } => match rescan.trigger {
                RescanTrigger::Subscriber => Some(match rescan.verdict() {
                    Verdict::Clean => Self::CheckClean,
                    Verdict::Vulnerable => Self::CheckVulnerable,
                    Verdict::Inconclusive => Self::CheckInconclusive,
                }),
                // The schedule checks again and again, and who asked staff has them on the phone.
                RescanTrigger::Staff | RescanTrigger::Schedule => None,
            },
            CaseEvent::Released { how, .. } => Some(match how {
                Release::Proven => Self::ReleasedProven,
                Release::SelfRelease => Self::ReleasedTrust,
                Release::Staff | Release::Emergency | Release::Protected => Self::ReleasedStaff,
                Release::Expired => Self::ReleasedExpired,
                Release::Retracted => Self::ReleasedRetracted,
            }),
            CaseEvent::Opened { .. }
            | CaseEvent::EvidenceAdded { .. }
            | CaseEvent::Approved { .. }
            | CaseEvent::PaperDropped { .. }
            | CaseEvent::Dismissed { .. }
            | CaseEvent::Retracted { .. }
            | CaseEvent::FixReported { .. }
            | CaseEvent::RescanRequested { .. }
            | CaseEvent::WallTraffic { .. }
            | CaseEvent::ThreatsQueried { .. }
            | CaseEvent::RowUnread { .. }
            | CaseEvent::Renewed { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::Notice { .. }
            | CaseEvent::Closed { .. } => None,
        }
    }

    /// The notice of a check that was asked for without a case.
    pub const fn of_self_check(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Clean => Self::SelfCheckClean,
            Verdict::Vulnerable => Self::SelfCheckVulnerable,
            Verdict::Inconclusive => Self::SelfCheckInconclusive,
        }
    }

    /// Whether it still holds for a case in this state. One that waited too long would frighten people who are free, or
    /// tell people who are not that they are.
    pub const fn holds_in(self, state: StateName) -> bool {
        match self {
            Self::Warning => matches!(state, StateName::Warned),
            Self::Quarantined | Self::CheckClean | Self::CheckVulnerable | Self::CheckInconclusive => {
                matches!(state, StateName::Quarantined)
            }
            // Who is walled by then hears of that instead: "we may have to pause your internet" would be wrong.
            Self::Relapse => matches!(state, StateName::Proposed),
            Self::ReleasedProven
            | Self::ReleasedTrust
            | Self::ReleasedStaff
            | Self::ReleasedExpired
            | Self::ReleasedRetracted => !matches!(state, StateName::Quarantined),
            // Of no case; but they say that the internet works, and what to do on a line that is free.
            Self::SelfCheckVulnerable | Self::SelfCheckInconclusive => !matches!(state, StateName::Quarantined),
            Self::SelfCheckClean => true,
        }
    }

    /// Whether it speaks of a quarantine. Of one on paper nobody is to hear: the line works, and always did.
    pub const fn is_of_quarantine(self) -> bool {
        match self {
            Self::Quarantined
            | Self::CheckClean
            | Self::CheckVulnerable
            | Self::CheckInconclusive
            | Self::ReleasedProven
            | Self::ReleasedTrust
            | Self::ReleasedStaff
            | Self::ReleasedExpired
            | Self::ReleasedRetracted
            | Self::Relapse => true,
            Self::Warning | Self::SelfCheckClean | Self::SelfCheckVulnerable | Self::SelfCheckInconclusive => false,
        }
    }

    /// The result of a check: it can be asked for often, and the page shows it, too.
    pub const fn is_check(self) -> bool {
        matches!(self, Self::CheckClean | Self::CheckVulnerable | Self::CheckInconclusive)
    }

    /// The result of a check without a case. Asked for by whoever is on the line, so it goes by mail alone, to the address of the
    /// subscriber's record.
    pub const fn is_self_check(self) -> bool {
        matches!(self, Self::SelfCheckClean | Self::SelfCheckVulnerable | Self::SelfCheckInconclusive)
    }

    /// As in configuration, metrics and log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Quarantined => "quarantined",
            Self::CheckClean => "check-clean",
            Self::CheckVulnerable => "check-vulnerable",
            Self::CheckInconclusive => "check-inconclusive",
            Self::ReleasedProven => "released-proven",
            Self::ReleasedTrust => "released-trust",
            Self::ReleasedStaff => "released-staff",
            Self::ReleasedExpired => "released-expired",
            Self::ReleasedRetracted => "released-retracted",
            Self::Relapse => "relapse",
            Self::SelfCheckClean => "self-check-clean",
            Self::SelfCheckVulnerable => "self-check-vulnerable",
            Self::SelfCheckInconclusive => "self-check-inconclusive",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// By what a notice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// E-mail.
    Mail,
    /// The provider's own program, which makes an SMS or a letter of it.
    Webhook,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    /// As in configuration, metrics and log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    /// The channel of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a notice on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum NoticeOutcome {
    /// The next server, or the provider's program, took it. Whether anybody reads it nobody knows.
    Sent,
    /// It came back.
    Bounced {
        /// The status of RFC 3463, such as `5.1.1`.
        status: SmolStr,
    },
    /// It did not leave.
    Failed {
        /// Why.
        why: NotSent,
    },
}

/// Why a notice did not leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum NotSent {
    /// No address of the subscriber is known for the channel.
    NoAddress,
    /// Refused for good, with the code of SMTP or HTTP.
    Refused {
        /// The code.
        code: u16,
    },
    /// Tried until its time was over.
    GaveUp,
    /// The case had moved on before it could leave.
    Overtaken,
    /// The line has had as many as it may get in a day.
    Limited,
    /// It could not be written: an address that no mail program takes.
    Unwritable,
    /// The subscriber wants none.
    OptedOut,
    /// It speaks of a quarantine that is on paper only.
    DryRun,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("no address is known"),
            Self::Refused { code } => write!(f, "refused for good with code {code}"),
            Self::GaveUp => f.write_str("tried until its time was over"),
            Self::Overtaken => f.write_str("the case had moved on before it could leave"),
            Self::Limited => f.write_str("the line has had its most for a day"),
            Self::Unwritable => f.write_str("the address is none that mail can be written to"),
            Self::OptedOut => f.write_str("the subscriber has opted out"),
            Self::DryRun => f.write_str("dry run: the line was not walled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_channel_is_known_by_its_name_and_written_as_it() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::of_name(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for channel in Channel::ALL {
            assert_eq!(Channel::of_name(channel.as_str()), Some(channel));
            assert_eq!(serde_json::to_value(channel).unwrap(), channel.as_str());
        }
        assert_eq!(NoticeKind::of_name("letter"), None);
    }

    #[test]
    fn nobody_who_is_free_hears_that_he_is_not_and_the_other_way_round() {
        for kind in NoticeKind::ALL.into_iter().filter(|kind| !kind.is_self_check()) {
            let frightens = matches!(kind, NoticeKind::Quarantined) || kind.is_check();
            assert_eq!(
                kind.holds_in(StateName::Watching),
                !frightens && !matches!(kind, NoticeKind::Warning | NoticeKind::Relapse),
                "{kind}"
            );
            if kind.as_str().starts_with("released") {
                assert!(!kind.holds_in(StateName::Quarantined), "{kind}");
            }
        }
        for kind in [NoticeKind::Relapse, NoticeKind::SelfCheckVulnerable] {
            assert!(kind.holds_in(StateName::Proposed) && !kind.holds_in(StateName::Quarantined), "{kind}");
        }
    }

    #[test]
    fn an_outcome_in_the_log_is_flat_and_holds_no_address() {
        let failed = NoticeOutcome::Failed { why: NotSent::Refused { code: 550 } };
        let text = serde_json::to_string(&failed).unwrap();
        assert_eq!(text, r#"{"outcome":"failed","why":{"why":"refused","code":550}}"#);
        assert_eq!(serde_json::from_str::<NoticeOutcome>(&text).unwrap(), failed);
    }
}
