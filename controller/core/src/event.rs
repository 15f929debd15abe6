//! What happened: the only thing that changes a case, and the audit trail. No address, no subscriber id, no free text
//! stands in an event; those live outside the log and can be purged.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::coverage::{FileMark, GapReason};
use crate::ids::{CaseId, CauseKey, Feed, LineNo, Seq, SightingNo, SourceName, TextRef};
use crate::notice::{Channel, NoticeKind, NoticeOutcome};
use crate::playbook::ApprovalRule;
use crate::rescan::{Rescan, RescanTrigger};
use crate::self_check::SelfCheckStep;
use crate::sighting::Severity;
use crate::time::Timestamp;

/// One entry of the log, before it has its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was decided.
    pub at: Timestamp,
    /// What happened to what.
    #[serde(flatten)]
    pub body: Body,
}

/// Of a case, or of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Body {
    /// Something happened to a case.
    Case {
        /// Which.
        case: CaseId,
        /// What.
        what: CaseEvent,
    },
    /// A feed delivered; its silence about a line counts up to `covers_until`.
    FeedDelivered {
        /// Which feed.
        #[serde(flatten)]
        feed: Feed,
        /// The delivery speaks of everything from here …
        covers_from: Timestamp,
        /// … up to here.
        covers_until: Timestamp,
    },
    /// A file came and was not taken in: what it could have spoken of is no silence. One of the same delivery takes the place
    /// of the older one.
    FeedGap {
        /// Who delivered it.
        source: SourceName,
        /// Its report type; none if that is unknown: then it could have been any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<SmolStr>,
        /// It could have spoken of everything from here …
        from: Timestamp,
        /// … up to here.
        until: Timestamp,
        /// Why it was not taken in.
        why: GapReason,
        /// The delivery's number.
        delivery: u64,
        /// What tells that the same file comes again.
        file: FileMark,
    },
    /// The file of a gap was taken in after all.
    FeedGapFilled {
        /// Who delivered it.
        source: SourceName,
        /// The delivery that was a gap.
        delivery: u64,
    },
    /// A person confirmed that a source had nothing more to say of our lines in a stretch.
    SilenceConfirmed {
        /// Which source.
        source: SourceName,
        /// Which report type; none for all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<SmolStr>,
        /// From here …
        from: Timestamp,
        /// … up to here.
        until: Timestamp,
        /// Who.
        by: Actor,
        /// How they know.
        because: SmolStr,
    },
    /// The wall's counters were read all this time: where they showed nothing, there was nothing.
    WallWatched {
        /// From here without a gap …
        from: Timestamp,
        /// … up to here.
        until: Timestamp,
    },
    /// The wall had hardly room to record blocked traffic: that it shows nothing of this time proves nothing.
    WallGap {
        /// From the last reading with room …
        from: Timestamp,
        /// … up to this one.
        until: Timestamp,
    },
    /// A policy came into force.
    PolicyLoaded {
        /// Its digest.
        digest: TextRef,
    },
    /// Personal data were erased.
    Purged {
        /// The line whose id is no longer known; none for a purge by retention.
        line: Option<LineNo>,
        /// Who asked.
        by: Actor,
        /// Rows erased.
        rows: u64,
    },
    /// What contracts say of quarantine changed, by a session list: who may be walled follows from it. Touches no case.
    RecordsChanged {
        /// Number of the list's delivery; none where it had none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        list: Option<u64>,
        /// Lines whose subscribers opted out.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        opted_out: Vec<LineNo>,
        /// Lines whose opt-out was taken back.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        opted_in: Vec<LineNo>,
        /// Lines with another version of the terms, or none any more.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        clause: Vec<LineNo>,
    },
    /// A subscriber had the own line checked. Touches no case.
    SelfCheck {
        /// Whose line.
        line: LineNo,
        /// What of it.
        step: SelfCheckStep,
    },
    /// Nothing new is enforced until somebody resumes; releases go on.
    Halted {
        /// Who or what halted.
        by: Actor,
        /// Why.
        because: SmolStr,
        /// The wall itself gets nothing added either, as when the log was put back from a backup: what it says of who is
        /// quarantined may be over.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        wall: bool,
    },
    /// Enforcement may go on.
    Resumed {
        /// Who.
        by: Actor,
    },
    /// A daemon has begun that enforces in this way. Written when it is not the way of the entry before; a log without one was
    /// written by a program that did not say.
    Enforcement {
        /// How.
        mode: Enforcement,
    },
}

/// Whether what is decided reaches the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// A wall holds what the plan says.
    Real,
    /// Nothing is walled: every quarantine is on paper.
    DryRun,
}

/// What happened to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CaseEvent {
    /// Evidence passed a playbook's threshold. Followed by `Warned` or `Proposed` in the same append.
    Opened {
        /// Whose line.
        line: LineNo,
        /// First cause.
        cause: CauseKey,
        /// The sightings that passed the threshold.
        evidence: Vec<EvidenceRef>,
    },
    /// The subscriber is warned; enforcement waits.
    Warned {
        /// Proposed if something is seen after this.
        until: Timestamp,
    },
    /// Waits for approval. Also the relapse of a watched case.
    Proposed {
        /// Approvals needed.
        rule: ApprovalRule,
        /// Why now.
        because: ProposedBecause,
    },
    /// New evidence, also during quarantine or grace; resets silence. A new cause joins the case.
    EvidenceAdded {
        /// Of what.
        cause: CauseKey,
        /// The sighting.
        evidence: EvidenceRef,
    },
    /// One approval of possibly several.
    Approved {
        /// By whom or which rule.
        by: Actor,
        /// The line was protected, and this person confirmed that it shall be enforced all the same.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        protected: bool,
    },
    /// The line is enforced from here.
    Quarantined {
        /// Everybody who approved.
        by: Vec<Actor>,
        /// Policy in force.
        policy: TextRef,
        /// Sightings it rests on.
        evidence: Vec<SightingNo>,
        /// Why this is justified.
        justification: SmolStr,
        /// Ends here at the latest.
        until: Timestamp,
    },
    /// A quarantine that was on paper only is enforced from here.
    EnforcementBegan {
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// A quarantine that was on paper only is not to be enforced: its approvals count no more. Followed by `Proposed` in the
    /// same append.
    PaperDropped {
        /// Who.
        by: Actor,
        /// Why, for a person.
        reason: Option<TextRef>,
    },
    /// A person decided against it.
    Dismissed {
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// The source took sightings back, or staff found them wrong.
    Retracted {
        /// Which.
        sightings: Vec<SightingNo>,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<TextRef>,
    },
    /// A row of a report that the case rests on named an address of the line and could not be read: up to `until` nobody
    /// knows whether the trouble was seen.
    RowUnread {
        /// In which report.
        #[serde(flatten)]
        feed: Feed,
        /// The report speaks up to here.
        until: Timestamp,
        /// In which delivery, for people to look at.
        delivery: u64,
    },
    /// The subscriber says it is fixed.
    FixReported {
        /// How often that was said again since the last time, and led to nothing: a check was under way, or was made just then.
        #[serde(skip_serializing_if = "is_zero", default)]
        again: u32,
    },
    /// A rescan is due.
    RescanRequested {
        /// Why.
        trigger: RescanTrigger,
    },
    /// A rescan ended.
    Rescanned {
        /// With what.
        rescan: Rescan,
    },
    /// The wall blocked attack traffic from this line.
    WallTraffic {
        /// Packets since the last such event.
        packets: u64,
        /// When the counters were last seen to grow; before the event's own time, since events are thinned out.
        last_seen: Timestamp,
    },
    /// The line asked for names on a threat list: which list and when, never which names.
    ThreatsQueried {
        /// The list's name.
        list: SmolStr,
        /// Questions since the last such event of this list.
        queries: u64,
        /// The last of them.
        last_seen: Timestamp,
    },
    /// The line is free from here.
    Released {
        /// On what ground.
        how: Release,
        /// Who.
        by: Actor,
        /// Why, for a person's release.
        reason: Option<TextRef>,
        /// New evidence until here is a relapse.
        watch_until: Timestamp,
    },
    /// A person renewed the quarantine.
    Renewed {
        /// Who.
        by: Actor,
        /// New end.
        until: Timestamp,
        /// Why.
        reason: Option<TextRef>,
    },
    /// A note by staff.
    Noted {
        /// Who.
        by: Actor,
        /// The text.
        text: TextRef,
    },
    /// What became of a notice beside the page: by which channel, never where to.
    Notice {
        /// The log entry that asked for it.
        of: Seq,
        /// About what.
        kind: NoticeKind,
        /// By what.
        channel: Channel,
        /// What became of it.
        #[serde(flatten)]
        outcome: NoticeOutcome,
    },
    /// The end of the story.
    Closed {
        /// Why.
        why: Closed,
    },
}

/// One sighting as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRef {
    /// Which.
    pub sighting: SightingNo,
    /// From whom.
    #[serde(flatten)]
    pub feed: Feed,
    /// When it was seen.
    pub observed_at: Timestamp,
    /// How bad.
    pub severity: Severity,
    /// Device, where the report names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<SmolStr>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// A member of staff, by name of the person, not of the token: two tokens of one person are one person.
    Person(SmolStr),
    /// A rule of the policy, by name.
    Rule(SmolStr),
    /// The subscriber.
    Subscriber,
    /// pratique itself: deadlines, retention.
    System,
}

/// Why a case is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProposedBecause {
    /// The evidence passed the threshold.
    Evidence,
    /// The warning's deadline passed and evidence went on.
    WarningIgnored,
    /// Evidence came back while watched.
    Relapse,
    /// The line became protected while it was enforced: it was freed, and people have to agree anew.
    Protected,
    /// It was approved in a dry run, and that approval was dropped.
    DryRun,
}

/// On what ground a line was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// The playbook's conditions hold.
    Proven,
    /// The subscriber left on trust after a clean rescan.
    SelfRelease,
    /// A member of staff.
    Staff,
    /// The longest time was over.
    Expired,
    /// The evidence was taken back.
    Retracted,
    /// `release --all`.
    Emergency,
    /// The line became protected, and not everybody who had approved knew that.
    Protected,
}

/// Why a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// Warned and quiet since.
    QuietAfterWarning,
    /// Watched and quiet.
    QuietAfterRelease,
    /// The time was over, and nobody knows whether it was quiet: reports that would have said so are missing.
    Unheard,
    /// A person dismissed it.
    Dismissed,
    /// No evidence left.
    Retracted,
}
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}
