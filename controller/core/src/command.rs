//! What the world asks of cases, and how they refuse.

use std::net::IpAddr;

use smol_str::SmolStr;

use crate::coverage::{FileMark, Gap, Stretch};
use crate::event::{Actor, Enforcement, EvidenceRef};
use crate::ids::{CaseId, CauseKey, Feed, LineNo, Seq, SightingNo, SourceName, TextRef};
use crate::notice::{Channel, NoticeKind, NoticeOutcome};
use crate::rescan::{Rescan, RescanTrigger};
use crate::self_check::SelfCheckStep;
use crate::state::StateName;
use crate::time::{Span, Timestamp};
use crate::view::Round;

/// A wish. [`crate::machine`] turns it into events or a [`Refusal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Attributed sightings that passed their playbook's threshold.
    Observe {
        /// Whose.
        line: LineNo,
        /// Of what.
        cause: CauseKey,
        /// The sightings, at least one.
        evidence: Vec<EvidenceRef>,
    },
    /// An approval.
    Approve {
        /// Which case.
        case: CaseId,
        /// The version the person looked at.
        version: u32,
        /// Who.
        by: Actor,
        /// What the person knows of the line, and means all the same.
        confirmed: Confirmed,
    },
    /// The line of a quarantined case is protected: unless everybody who approved knew that, it is freed and proposed anew.
    FreeProtected {
        /// Which case.
        case: CaseId,
    },
    /// Not a case.
    Dismiss {
        /// Which case.
        case: CaseId,
        /// The version the person looked at.
        version: u32,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Let the line out by staff. The version is optional: freeing a line must not fail on a race.
    Release {
        /// Which case.
        case: CaseId,
        /// The version the person looked at.
        version: Option<u32>,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
        /// Part of `release --all`.
        emergency: bool,
    },
    /// The subscriber says "I have done this, check my connection".
    ReportFixed {
        /// Which case.
        case: CaseId,
        /// The round that the page showed.
        round: Round,
        /// How often it was pressed since the last time that something came of it.
        again: u32,
    },
    /// The subscriber leaves on trust.
    SelfRelease {
        /// Which case.
        case: CaseId,
        /// The round that the page showed.
        round: Round,
    },
    /// The subscriber of a line that was warned wants a check.
    CheckWarned {
        /// Which case.
        case: CaseId,
        /// The round that the page showed.
        round: Round,
        /// Where the button was pressed: only on the warned line itself it counts.
        address: IpAddr,
        /// Its port: behind CGNAT it decides whose line that is.
        port: u16,
    },
    /// Somebody or the schedule wants a rescan.
    RequestRescan {
        /// Which case.
        case: CaseId,
        /// Why.
        trigger: RescanTrigger,
    },
    /// The scanner is done.
    RecordRescan {
        /// Which case.
        case: CaseId,
        /// The outcome.
        rescan: Rescan,
    },
    /// The wall blocked attack traffic.
    WallTraffic {
        /// Which case.
        case: CaseId,
        /// Packets.
        packets: u64,
        /// When the counters were last seen to grow.
        last_seen: Timestamp,
    },
    /// The line asked the captive resolver for names on a threat list.
    ThreatsQueried {
        /// Which case.
        case: CaseId,
        /// The list's name.
        list: SmolStr,
        /// Questions.
        queries: u64,
        /// The last of them.
        last_seen: Timestamp,
    },
    /// The wall's counters were read.
    WallWatched {
        /// They speak of everything up to here.
        until: Timestamp,
    },
    /// The wall's counters were read, but there was hardly room for more: what was blocked up to here may not have been
    /// recorded.
    WallCrowded {
        /// When they were read.
        until: Timestamp,
    },
    /// Sightings were wrong.
    Retract {
        /// Which.
        sightings: Vec<SightingNo>,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Longer quarantine.
    Renew {
        /// Which case.
        case: CaseId,
        /// The version the person looked at.
        version: u32,
        /// Who.
        by: Actor,
        /// From now.
        until: Timestamp,
        /// Why.
        reason: Option<TextRef>,
    },
    /// A note.
    Note {
        /// Which case.
        case: CaseId,
        /// Who.
        by: Actor,
        /// The text.
        text: TextRef,
    },
    /// What became of a notice.
    RecordNotice {
        /// Which case.
        case: CaseId,
        /// The log entry that asked for it.
        of: Seq,
        /// About what.
        kind: NoticeKind,
        /// By what.
        channel: Channel,
        /// What became of it.
        outcome: NoticeOutcome,
    },
    /// A subscriber had the own line checked.
    RecordSelfCheck {
        /// Whose line.
        line: LineNo,
        /// What of it.
        step: SelfCheckStep,
    },
    /// A feed delivered, and all of it was taken in.
    FeedDelivered {
        /// Which.
        feed: Feed,
        /// It speaks of everything in this stretch; none where it speaks of its rows alone, as a late addition or a list.
        covers: Option<Stretch>,
        /// The delivery's number.
        delivery: u64,
        /// What the file was: gaps that it left before are filled.
        file: FileMark,
        /// It told something that was taken in. One that did not fills no gap but its own.
        has_rows: bool,
    },
    /// A file came and was not taken in.
    FeedGap {
        /// Who delivered it.
        source: SourceName,
        /// Of what it could have spoken, and why it is missing.
        gap: Gap,
    },
    /// A row of a report named an address of a line and could not be read.
    RowUnread {
        /// Whose address.
        line: LineNo,
        /// In which report.
        feed: Feed,
        /// The report speaks up to here.
        until: Timestamp,
        /// In which delivery.
        delivery: u64,
    },
    /// A person confirms that a source had nothing more to say of our lines in a stretch.
    ConfirmSilence {
        /// Which source.
        source: SourceName,
        /// Which report type; none for all of them.
        report: Option<SmolStr>,
        /// When.
        stretch: Stretch,
        /// Who.
        by: Actor,
        /// How they know.
        because: SmolStr,
    },
    /// A policy came into force.
    LoadPolicy {
        /// Its digest.
        digest: TextRef,
    },
    /// Stop enforcing anything new.
    Halt {
        /// Who.
        by: Actor,
        /// Why.
        because: SmolStr,
    },
    /// Add nothing to the wall either, whatever quarantines there are: the log was put back from a backup. Ends with
    /// [`Command::Resume`].
    KeepWall {
        /// Why.
        because: SmolStr,
    },
    /// Go on.
    Resume {
        /// Who.
        by: Actor,
    },
    /// A daemon begins, or goes on, that enforces in this way.
    NoteEnforcement {
        /// How.
        mode: Enforcement,
    },
    /// Quarantines that are on paper only are to be enforced.
    BeginEnforcement {
        /// Which, each on paper now.
        cases: Vec<CaseId>,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Quarantines that are on paper only are not to be enforced; their cases are proposed again.
    DropPaper {
        /// Which, each on paper now.
        cases: Vec<CaseId>,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Everything that is due now.
    Tick,
}

/// What somebody who approves confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// That a protected line is meant.
    pub protected: bool,
    /// That the line is meant although the wall can hold nothing of it.
    pub unwalled: bool,
    /// That the line is meant although nothing was heard for too long of the session by which it holds its address.
    pub doubtful: bool,
}

impl Confirmed {
    /// Everything that can be confirmed.
    pub const ALL: Self = Self { protected: true, unwalled: true, doubtful: true };
}

/// Why a command was not followed. Every refusal leaves the state as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such case.
    #[error("there is no case {0}")]
    NoSuchCase(CaseId),
    /// The case changed since it was looked at.
    #[error("case {case} changed since you looked at it: you saw version {seen}, now it is {now}; look again")]
    Stale {
        /// Which.
        case: CaseId,
        /// Version named.
        seen: u32,
        /// Version now.
        now: u32,
    },
    /// The button was pressed on a page of another round of fixing and checking: a double click, a replay, or an old page.
    #[error("case {0} is in another round than the page that was pressed on: look at it again")]
    OtherRound(CaseId),
    /// Who asks for a check is not on the line that was warned.
    #[error("the line of case {0} does not hold the address that asks")]
    NotOnLine(CaseId),
    /// No check from outside tells anything of its causes.
    #[error("no check from outside tells anything of case {0}")]
    NoCheck(CaseId),
    /// The subscriber asked for a check a moment ago.
    #[error("case {case} was checked a moment ago; its subscriber can ask again from {at} on")]
    CheckedJustNow {
        /// Which.
        case: CaseId,
        /// From when on.
        at: Timestamp,
    },
    /// Not in this state.
    #[error("case {case} is {state}: it cannot be {verb}")]
    WrongState {
        /// Which.
        case: CaseId,
        /// Its state.
        state: StateName,
        /// What was wanted, as a participle.
        verb: &'static str,
    },
    /// The same person a second time.
    #[error("{0} has approved already; a second person is needed")]
    SamePerson(SmolStr),
    /// Protected line.
    #[error("the line is protected ({0}): it takes two people who confirm that")]
    Protected(SmolStr),
    /// Nobody knows whether the line still holds what would be walled.
    #[error(
        "somebody else may hold it by now: {0}. Wait until that is heard of again, or confirm that this line is meant (--doubtful)"
    )]
    Doubtful(SmolStr),
    /// The wall would hold nothing of the line.
    #[error(
        "nothing of this line would be walled: {0}. Fix that first, or confirm that the line is to be quarantined although it \
         stays open (--unwalled)"
    )]
    WallsNothing(SmolStr),
    /// Nothing can be enforced in a dry run.
    #[error("this node runs dry: set `enforcer: nft` and start it again, then begin")]
    DryRun,
    /// The quarantine of this case is not one on paper.
    #[error("case {0} has no quarantine on paper: look again at `pratique enforce list`")]
    NotOnPaper(CaseId),
    /// The line of a case that is to be enforced may not be.
    #[error("case {case} cannot be enforced: {why}; drop it first")]
    CannotBegin {
        /// Which.
        case: CaseId,
        /// Why.
        why: SmolStr,
    },
    /// A rule may not approve this.
    #[error("a rule cannot approve this: {0}")]
    NotAutomatic(&'static str),
    /// A cap would be passed.
    #[error(
        "the cap {cap} is reached ({now} of {limit}): wait until there is room, or raise caps.{cap} in policy.yaml"
    )]
    Capped {
        /// Which cap, by its name in policy.yaml.
        cap: &'static str,
        /// Now.
        now: u64,
        /// Limit.
        limit: u64,
    },
    /// No ground in the contract.
    #[error("the contract gives no ground for a quarantine ({0}): only a warning is possible")]
    NoGround(&'static str),
    /// New enforcement is halted.
    #[error("enforcement is halted ({0}): somebody has to resume it first")]
    Halted(SmolStr),
    /// Too often.
    #[error("self-release was used {used} of {limit} times within {within}")]
    SelfReleaseUsedUp {
        /// So often.
        used: u32,
        /// Of so many.
        limit: u32,
        /// Within this time.
        within: Span,
    },
    /// Not yet proven enough even for trust.
    #[error("not yet: {0}")]
    NotYet(Missing),
    /// A rescan is under way.
    #[error("a check of case {0} is under way")]
    RescanUnderWay(CaseId),
    /// The end lies outside what the playbook allows.
    #[error("the new end must lie ahead and within {0} from now")]
    RenewTooLong(Span),
    /// A stretch that nobody can speak of yet.
    #[error("the stretch from {from} to {until} is empty or lies ahead of now: only what has passed can be confirmed")]
    NotPassed {
        /// From here …
        from: Timestamp,
        /// … up to here.
        until: Timestamp,
    },
    /// Nothing known of these sightings.
    #[error("none of these sightings is part of an open case")]
    NoSuchSighting,
    /// No playbook.
    #[error("there is no playbook for cause {0}, and none called generic")]
    NoPlaybook(CauseKey),
    /// The playbook makes no cases of this.
    #[error("cause {0} is for information only")]
    InformationOnly(CauseKey),
    /// The observations are older than the playbook accepts for a new case.
    #[error("the observations are older than {0}: too old to open a case")]
    TooOld(Span),
}

impl Refusal {
    /// Every code that [`Refusal::code`] gives.
    pub const CODES: [&str; 27] = [
        "no-such-case",
        "stale",
        "wrong-state",
        "same-person",
        "protected",
        "doubtful",
        "walls-nothing",
        "dry-run",
        "not-on-paper",
        "cannot-begin",
        "not-automatic",
        "capped",
        "no-ground",
        "halted",
        "self-release-used-up",
        "not-yet",
        "rescan-under-way",
        "checked-just-now",
        "other-round",
        "not-on-line",
        "no-check",
        "renew-too-long",
        "not-passed",
        "no-such-sighting",
        "no-playbook",
        "information-only",
        "too-old",
    ];

    /// Its stable code, for programs and metrics. A new one belongs into [`Refusal::CODES`], too.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchCase(_) => "no-such-case",
            Self::Stale { .. } => "stale",
            Self::WrongState { .. } => "wrong-state",
            Self::SamePerson(_) => "same-person",
            Self::Protected(_) => "protected",
            Self::Doubtful(_) => "doubtful",
            Self::WallsNothing(_) => "walls-nothing",
            Self::DryRun => "dry-run",
            Self::NotOnPaper(_) => "not-on-paper",
            Self::CannotBegin { .. } => "cannot-begin",
            Self::NotAutomatic(_) => "not-automatic",
            Self::Capped { .. } => "capped",
            Self::NoGround(_) => "no-ground",
            Self::Halted(_) => "halted",
            Self::SelfReleaseUsedUp { .. } => "self-release-used-up",
            Self::NotYet(_) => "not-yet",
            Self::RescanUnderWay(_) => "rescan-under-way",
            Self::CheckedJustNow { .. } => "checked-just-now",
            Self::OtherRound(_) => "other-round",
            Self::NotOnLine(_) => "not-on-line",
            Self::NoCheck(_) => "no-check",
            Self::RenewTooLong(_) => "renew-too-long",
            Self::NotPassed { .. } => "not-passed",
            Self::NoSuchSighting => "no-such-sighting",
            Self::NoPlaybook(_) => "no-playbook",
            Self::InformationOnly(_) => "information-only",
            Self::TooOld(_) => "too-old",
        }
    }
}

/// What still stands between a line and its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// No rescan, or none since the last evidence.
    Rescan,
    /// The last one found the door open.
    StillVulnerable,
    /// The last one saw nothing.
    Inconclusive,
    /// Feeds have not yet covered enough silence.
    Silence,
    /// A feed it rests on has stopped delivering.
    FeedStalled,
    /// The newest report that it rests on came and was not taken in: refused, held, broken off.
    FeedGap,
    /// What it rests on is no feed: its source never said how far it has seen, so its silence proves nothing.
    NoFeed,
    /// Attack traffic at the wall.
    WallSilence,
    /// The wall has no room to record blocked traffic: its silence proves nothing now.
    WallGap,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rescan => "no check since the last evidence",
            Self::StillVulnerable => "the last check found the door still open",
            Self::Inconclusive => "the last check could not see the line",
            Self::Silence => "not quiet for long enough",
            Self::FeedStalled => "a feed this case rests on has stopped delivering",
            Self::FeedGap => "a report this case rests on came and was not taken in",
            Self::NoFeed => "no feed has reported this, so silence cannot prove the fix",
            Self::WallSilence => "the wall has not been free of attack traffic for long enough",
            Self::WallGap => "the wall has hardly room left to record attack traffic, so its silence proves nothing",
        })
    }
}
