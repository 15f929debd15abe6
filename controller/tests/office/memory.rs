//! A small office in memory over core's types, enough to try every path of API, console and command line over real
//! sockets: versions, two people, protected lines, caps and halts are refused as the case machine refuses them.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use pratique::api::delivery::{DeliveryDossier, RefusedLine};
use pratique::api::dossier::*;
use pratique::api::dossier::{WallRow, WallStatus};
use pratique::api::enforce::Paper;
use pratique::api::intake::SessionsTaken;
use pratique::api::line::{AddressDossier, LineDossier, MailRow, OpenRow, SelfCheckRow, SelfCheckState};
use pratique::api::office::{CaseQuery, Office, visible};
use pratique::api::retractions::Observation;
use pratique::engine::handle::*;
use pratique::notices::{NotNoted, Noted};
use pratique::sources::sessions::List;
use pratique::store::{Delivery, DeliveryState};
use pratique_core::command::{Command, Missing, Refusal};
use pratique_core::event::{Actor, EvidenceRef, Release};
use pratique_core::ids::*;
use pratique_core::plan::Element;
use pratique_core::playbook::{ApprovalRule, Class};
use pratique_core::reach::{Extent, Reach};
use pratique_core::rescan::{RescanTrigger, Verdict};
use pratique_core::sighting::{Severity, Transport};
use pratique_core::state::{Approval, Case, State, StateName, Trouble};
use pratique_core::time::{Span, Timestamp};
use pratique_dns::portals::Addresses;

pub const NOW: Timestamp = Timestamp::from_secs(1_771_200_000);

pub struct Memory(pub Mutex<World>);

pub struct World {
    pub dry_run: bool,
    pub seq: u64,
    pub cases: Vec<Kept>,
    pub deliveries: Vec<Delivery>,
    pub halted: Option<String>,
    pub caps: CapsUse,
    pub taken: Vec<Intake>,
}

pub struct Kept {
    pub case: Case,
    pub subscriber: SubscriberId,
    pub holding: IpAddr,
    pub protected: Option<&'static str>,
    /// Why the wall would hold nothing of its line.
    pub walls_nothing: Option<&'static str>,
    pub story: Vec<StoryLine>,
    /// The line holds nothing any more.
    pub left: bool,
}

impl Memory {
    /// `proposed` ordinary cases from number 1 on, in 192.0.2.0/24; then one of a protected line, one that needs two
    /// people, one in quarantine and one of another region.
    pub fn with(proposed: u8) -> Self {
        let mut cases: Vec<Kept> = (1..=proposed).map(|n| kept(n.into(), [192, 0, 2, n], ApprovalRule::One)).collect();
        let next = u64::from(proposed) + 1;
        let mut hospital = kept(next, [198, 51, 100, 1], ApprovalRule::Two);
        hospital.protected = Some("hospital, emergency room");
        let two = kept(next + 1, [198, 51, 100, 2], ApprovalRule::Two);
        let mut walled = kept(next + 2, [198, 51, 100, 3], ApprovalRule::One);
        walled.case.state =
            State::Quarantined { since: NOW.minus(Span::from_hours(9)), until: NOW.plus(Span::from_days(29)) };
        walled.case.version = 4;
        walled.case.approvals = vec![Approval { by: Actor::Person("ben".into()), protected: false }];
        let other = kept(next + 3, [203, 0, 113, 1], ApprovalRule::One);
        cases.extend([hospital, two, walled, other]);
        let held = Delivery {
            number: 7,
            source: "shadowserver".into(),
            report: "scan_telnet".into(),
            name: "2026-02-16-scan_telnet-as64500.csv".into(),
            content: TextRef::of("x"),
            received_at: NOW.minus(Span::from_mins(40)),
            state: DeliveryState::Held,
            rows: 41_302,
            refused: vec![("outside-networks".into(), 12)],
            because: Some("41302 rows where 3912 are usual".into()),
            warnings: Vec::new(),
        };
        let caps = CapsUse { lines_limit: 50, lines_now: 1, per_hour_limit: 20, begun_last_hour: 0 };
        Self(Mutex::new(World {
            dry_run: false,
            seq: 100,
            cases,
            deliveries: vec![held],
            halted: None,
            caps,
            taken: Vec::new(),
        }))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

/// A row that was refused, as a stranger wrote it.
fn refused_lines() -> Vec<RefusedLine> {
    vec![RefusedLine {
        line: 3,
        reason: "columns".into(),
        what: "2 columns where the header has 3".into(),
        row: "=cmd()|'/C calc'!A0,<script>alert(1)</script>".into(),
    }]
}

fn kept(n: u64, address: [u8; 4], rule: ApprovalRule) -> Kept {
    let seen = NOW.minus(Span::from_hours(20));
    let evidence = |number| EvidenceRef {
        sighting: SightingNo(number),
        feed: Feed { source: "shadowserver".into(), report: "scan_telnet".into() },
        observed_at: seen,
        severity: Severity::High,
        device: None,
    };
    let trouble = Trouble {
        cause: if n.is_multiple_of(2) { "open-telnet".into() } else { "mirai".into() },
        first_seen: seen,
        last_seen: evidence(n).observed_at,
        severity: Severity::High,
        count: 3,
        rows: 3,
        passes: Vec::new(),
        sightings: vec![SightingNo(n * 10)],
        unread_until: None,
        feeds: vec![Feed { source: "shadowserver".into(), report: "scan_telnet".into() }],
        device: Some("Hikvision IP camera".into()),
    };
    let case = Case {
        id: CaseId(n),
        line: LineNo(u32::try_from(n).unwrap()),
        version: 2,
        state: State::Proposed { since: NOW.minus(Span::from_hours(3)), rule },
        opened_at: NOW.minus(Span::from_hours(3)),
        changed_at: NOW.minus(Span::from_hours(3)),
        troubles: vec![trouble],
        approvals: Vec::new(),
        fix_reported_at: None,
        rescan_pending: None,
        last_rescan: None,
        wall_traffic: None,
        threat_queries: None,
        relapses: 0,
        last_release: None,
        on_paper: false,
    };
    let line = |seq, kind: &str, what: &str| StoryLine {
        seq: Seq(seq),
        at: NOW.minus(Span::from_hours(3)).into(),
        who: "pratique".into(),
        kind: kind.into(),
        what: what.into(),
        text: None,
        folded: 1,
        last_at: None,
    };
    let story = vec![
        line(n * 2, "opened", "Opened for mirai on 3 sightings"),
        line(n * 2 + 1, "proposed", "Proposed for quarantine: the evidence passed the threshold"),
    ];
    Kept {
        case,
        subscriber: SubscriberId::new(format!("C-{n:05}")),
        holding: address.into(),
        protected: None,
        walls_nothing: None,
        story,
        left: false,
    }
}

impl World {
    /// As the core counts them: of every line here both families are known, or nothing is walled.
    fn wall(&self) -> WallStatus {
        let quarantined = self.cases.iter().filter(|k| k.case.is_quarantined());
        let paper = quarantined.clone().filter(|k| k.case.on_paper).count() as u64;
        let whole = quarantined.count() as u64 - paper;
        WallStatus { whole, on_paper: paper, would_be_walled: paper, ..WallStatus::default() }
    }
}

impl Kept {
    fn wall(&self) -> WallRow {
        let (extent, ipv4, open) = match self.walls_nothing {
            Some(why) => (Extent::Nothing, Reach::KeptOut, vec![why.into()]),
            None => (Extent::Whole, Reach::Walled, Vec::new()),
        };
        WallRow { extent, ipv4, ipv6: Reach::Absent, open, on_paper: self.case.is_on_paper() }
    }

    fn element(&self) -> Element {
        self.holding.to_string().parse().unwrap()
    }

    fn needed(&self) -> u32 {
        match self.case.state {
            State::Proposed { rule: ApprovalRule::Two, .. } => 2,
            _ if self.protected.is_some() => 2,
            State::Proposed { .. } => 1,
            _ => 0,
        }
    }

    fn row(&self) -> CaseRow {
        let facts = RowFacts {
            subscriber: Some(self.subscriber.clone()),
            elements: (!self.left).then(|| self.element()).into_iter().collect(),
            approvals: self.case.approvals.iter().map(|a| a.by.clone()).collect(),
            approvals_needed: self.needed(),
            protected: self.protected.map(Into::into),
            missing: vec![Missing::Rescan, Missing::Silence],
            wall: Some(self.wall()),
        };
        CaseRow::of(&self.case, facts)
    }

    fn evidence(&self) -> Vec<SightingRow> {
        let trouble = &self.case.troubles[0];
        vec![SightingRow {
            number: trouble.sightings[0],
            received_at: NOW.minus(Span::from_hours(4)).into(),
            observed_at: trouble.first_seen.into(),
            source: "shadowserver".into(),
            also_from: vec!["abuse.example".into()],
            report: "event4_honeypot_darknet".into(),
            cause: trouble.cause.clone(),
            address: self.holding,
            port: Some(23),
            transport: Some(Transport::Tcp),
            severity: Severity::High,
            device: trouble.device.clone(),
            detail: vec![
                ("banner".into(), "\u{1b}[2J<script>alert(1)</script>\u{202e}login:".into()),
                ("family".into(), "mirai".into()),
            ],
            outcome: "evidence".into(),
            delivery: 5,
        }]
    }

    fn dossier(&self, halted: Option<&String>) -> CaseDossier {
        let row = self.row();
        let proposed = row.state == StateName::Proposed;
        let more = row.approvals_needed.saturating_sub(u32::try_from(row.approvals.len()).unwrap());
        let trouble = &self.case.troubles[0];
        CaseDossier {
            line: self.case.line,
            opened_at: self.case.opened_at.into(),
            changed_at: self.case.changed_at.into(),
            troubles: vec![TroubleDossier {
                cause: trouble.cause.clone(),
                class: Class::Infection,
                severity: trouble.severity,
                first_seen: trouble.first_seen.into(),
                last_seen: trouble.last_seen.into(),
                count: trouble.count,
                sources: trouble.sources(),
                device: trouble.device.clone(),
                evidence: self.evidence(),
            }],
            approval: proposed.then(|| ApprovalNeed {
                rule: if row.approvals_needed > 1 { ApprovalRule::Two } else { ApprovalRule::One },
                more,
                confirm_protected: self.protected.is_some(),
                confirm_unwalled: self.walls_nothing.map(Into::into),
                blocked: halted.map(|h| format!("enforcement is halted ({h})")),
            }),
            holdings: (!self.left)
                .then(|| HoldingRow {
                    holding: self.holding.to_string(),
                    element: Some(self.element()),
                    nas: "bras1".into(),
                    since: NOW.minus(Span::from_days(3)).into(),
                    walled: self.case.is_enforced(),
                })
                .into_iter()
                .collect(),
            if_approved: proposed.then(|| Consequence {
                walled: vec![self.element()],
                not_walled: vec![("100.64.0.9:1024-2047".into(), "shared address: wall it inside the CGNAT".into())],
                at_most: Span::from_days(30),
                released_by: vec!["a clean check".into(), "48h of silence".into()],
            }),
            fix_reported_at: None,
            rescan_pending: None,
            last_rescan: self.case.is_enforced().then(|| RescanRow {
                at: NOW.minus(Span::from_hours(1)).into(),
                trigger: RescanTrigger::Subscriber,
                verdict: Verdict::Vulnerable,
                found: vec![("telnet:23".into(), Verdict::Vulnerable, "login-prompt".into())],
            }),
            wall_traffic: None,
            threat_queries: None,
            last_release: None,
            silence: Vec::new(),
            story: self.story.clone(),
            row,
        }
    }

    fn tell(&mut self, seq: u64, by: &Actor, kind: &str, what: &str, text: Option<String>) {
        self.case.version += 1;
        let who = who(by);
        let (at, kind, what) = (NOW.into(), kind.into(), what.into());
        self.story.push(StoryLine { seq: Seq(seq), at, who, kind, what, text, folded: 1, last_at: None });
    }
}

impl World {
    fn find(&mut self, case: CaseId) -> Result<&mut Kept, Refusal> {
        self.cases.iter_mut().find(|k| k.case.id == case).ok_or(Refusal::NoSuchCase(case))
    }

    fn current(&mut self, case: CaseId, seen: u32) -> Result<&mut Kept, Refusal> {
        let kept = self.find(case)?;
        let now = kept.case.version;
        if now == seen { Ok(kept) } else { Err(Refusal::Stale { case, seen, now }) }
    }

    fn follow(&mut self, wish: Wish) -> Result<Done, Refusal> {
        self.seq += 1;
        let seq = self.seq;
        let halted = self.halted.clone();
        let text = wish.text;
        let case = match wish.command {
            Command::Approve { case, version, by, protected_confirmed, unwalled_confirmed } => {
                let kept = self.current(case, version)?;
                let state = kept.case.state.name();
                if state != StateName::Proposed {
                    return Err(Refusal::WrongState { case, state, verb: "approved" });
                }
                if let Some(why) = halted {
                    return Err(Refusal::Halted(why.into()));
                }
                if kept.case.approvals.iter().any(|a| a.by == by) {
                    return Err(Refusal::SamePerson(who(&by).into()));
                }
                if let Some(why) = kept.protected.filter(|_| !protected_confirmed) {
                    return Err(Refusal::Protected(why.into()));
                }
                if let Some(why) = kept.walls_nothing.filter(|_| !unwalled_confirmed) {
                    return Err(Refusal::WallsNothing(why.into()));
                }
                kept.case.approvals.push(Approval { by: by.clone(), protected: protected_confirmed });
                kept.tell(seq, &by, "approved", "Approved the quarantine", None);
                if kept.case.approvals.len() >= kept.needed() as usize {
                    kept.case.state = State::Quarantined { since: NOW, until: NOW.plus(Span::from_days(30)) };
                    kept.tell(seq + 1, &Actor::System, "quarantined", "Line quarantined", None);
                    self.caps.lines_now += 1;
                    self.caps.begun_last_hour += 1;
                }
                case
            }
            Command::BeginEnforcement { cases, by, .. } => {
                if self.dry_run {
                    return Err(Refusal::DryRun);
                }
                for id in &cases {
                    let kept = self.find(*id)?;
                    kept.case.on_paper = false;
                    kept.tell(seq, &by, "enforcement-began", "The line is walled from here", text.clone());
                }
                cases[0]
            }
            Command::DropPaper { cases, by, .. } => {
                for id in &cases {
                    let kept = self.find(*id)?;
                    kept.case.state = State::Proposed { since: NOW, rule: ApprovalRule::One };
                    kept.case.approvals.clear();
                    kept.tell(seq, &by, "paper-dropped", "That approval was dropped", text.clone());
                }
                cases[0]
            }
            Command::Dismiss { case, version, by, .. } => {
                let kept = self.current(case, version)?;
                kept.case.state = State::Closed { at: NOW, why: pratique_core::event::Closed::Dismissed };
                kept.tell(seq, &by, "dismissed", "Dismissed: no quarantine", text);
                case
            }
            Command::Release { case, version, by, .. } => {
                let kept = match version {
                    Some(version) => self.current(case, version)?,
                    None => self.find(case)?,
                };
                let state = kept.case.state.name();
                if state != StateName::Quarantined {
                    return Err(Refusal::WrongState { case, state, verb: "released" });
                }
                kept.case.state = State::Watching { since: NOW, until: NOW.plus(Span::from_days(14)) };
                kept.case.last_release = Some((NOW, Release::Staff));
                kept.tell(seq, &by, "released", "Line released: by staff", text);
                case
            }
            Command::Renew { case, version, by, until, .. } => {
                let kept = self.current(case, version)?;
                if until <= NOW || until > NOW.plus(Span::from_days(30)) {
                    return Err(Refusal::RenewTooLong(Span::from_days(30)));
                }
                kept.tell(seq, &by, "renewed", "Quarantine renewed", text);
                case
            }
            Command::Note { case, by, .. } => {
                self.find(case)?.tell(seq, &by, "noted", "Note", text);
                case
            }
            Command::RequestRescan { case, .. } => {
                let kept = self.find(case)?;
                if kept.case.rescan_pending.is_some() {
                    return Err(Refusal::RescanUnderWay(case));
                }
                kept.case.rescan_pending = Some((RescanTrigger::Staff, NOW));
                kept.tell(seq, &Actor::System, "rescan-requested", "Check asked for by staff", None);
                case
            }
            Command::Retract { sightings, by, .. } => {
                let meant = |k: &&mut Kept| k.case.troubles[0].sightings.iter().any(|s| sightings.contains(s));
                let kept = self.cases.iter_mut().find(meant).ok_or(Refusal::NoSuchSighting)?;
                kept.tell(seq, &by, "retracted", "Took back 1 sighting", text);
                kept.case.id
            }
            Command::Halt { because, .. } => {
                self.halted = Some(because.to_string());
                return Ok(Done { seq: Seq(seq), case: None });
            }
            Command::Resume { .. } => {
                self.halted = None;
                return Ok(Done { seq: Seq(seq), case: None });
            }
            Command::ConfirmSilence { .. } => return Ok(Done { seq: Seq(seq), case: None }),
            other => panic!("staff never send {other:?}"),
        };
        let version = self.find(case)?.case.version;
        Ok(Done { seq: Seq(seq), case: Some((case, version)) })
    }
}

/// The first line has had itself checked: once with an open door and a mail that came back, and once without an end.
fn self_checks_of(line: LineNo) -> Vec<SelfCheckRow> {
    if line != LineNo(1) {
        return Vec::new();
    }
    let agreed = |hours: u64| SelfCheckRow {
        seq: Seq(90 - hours),
        agreed_at: NOW.minus(Span::from_hours(hours.cast_signed())).into(),
        state: SelfCheckState::Lost,
        ended_at: None,
        verdict: None,
        open: Vec::new(),
        mail: None,
    };
    let open =
        OpenRow { probe: "telnet:23".into(), found: "login-prompt".into(), words: "asks everybody to log in".into() };
    let mail = MailRow {
        key: "bounced".into(),
        words: "sent, and came back: status 5.1.1".into(),
        at: Some(NOW.minus(Span::from_hours(29)).into()),
    };
    let done = SelfCheckRow {
        state: SelfCheckState::Done,
        ended_at: Some(NOW.minus(Span::from_hours(30)).into()),
        verdict: Some(Verdict::Vulnerable),
        open: vec![open],
        mail: Some(mail),
        ..agreed(30)
    };
    vec![agreed(2), done]
}

#[async_trait]
impl Office for Memory {
    async fn wish(&self, wish: Wish) -> Result<Done, EngineError> {
        Ok(self.world().follow(wish)?)
    }

    async fn intake(&self, intake: Intake) -> Result<IntakeReport, EngineError> {
        let mut world = self.world();
        let number = 8 + world.taken.len() as u64;
        let taken = intake.sightings.len() as u64;
        world.deliveries.insert(0, Delivery { number, ..intake.delivery.clone() });
        world.taken.push(intake);
        Ok(IntakeReport { delivery: number, taken, outcomes: vec![("evidence".into(), taken)], ..Default::default() })
    }

    async fn session_list(&self, list: List, delivery: Delivery) -> Result<SessionsTaken, EngineError> {
        Ok(SessionsTaken {
            report: self.sessions(list.changes).await?,
            delivery: 1,
            state: DeliveryState::Accepted,
            because: None,
            rows: list.rows,
            refused: delivery.refused,
            refused_rows: Vec::new(),
            warnings: list.warnings,
        })
    }

    async fn list_refused(&self, _: Delivery) -> Result<(), EngineError> {
        Ok(())
    }

    async fn address(&self, address: IpAddr, at: Option<Timestamp>) -> Result<AddressDossier, EngineError> {
        let at = at.unwrap_or(Timestamp::MIN).into();
        Ok(AddressDossier { address, at, held_by: Vec::new(), tenures: Vec::new(), claimed_twice: false })
    }

    async fn sessions(&self, changes: Vec<SessionChange>) -> Result<SessionReport, EngineError> {
        Ok(SessionReport { started: changes.len() as u64, ..SessionReport::default() })
    }

    async fn case(&self, case: CaseId) -> Result<Option<CaseDossier>, EngineError> {
        let world = self.world();
        Ok(world.cases.iter().find(|k| k.case.id == case).map(|k| k.dossier(world.halted.as_ref())))
    }

    async fn cases(&self, q: CaseQuery) -> Result<CasePage, EngineError> {
        let world = self.world();
        let matches = |k: &&Kept| {
            let nets = [k.element().net()];
            (q.ids.is_empty() || q.ids.contains(&k.case.id))
                && (q.states.is_empty() || q.states.contains(&k.case.state.name()))
                && q.cause.as_ref().is_none_or(|c| k.case.trouble(c).is_some())
                && q.subscriber.as_ref().is_none_or(|s| *s == k.subscriber)
                && q.network.is_none_or(|n| n.contains(&k.holding))
                && visible(&q.scope, nets, [])
        };
        let mut rows: Vec<_> = world.cases.iter().filter(matches).map(Kept::row).collect();
        let total = rows.len() as u64;
        rows.sort_by_key(|r| std::cmp::Reverse(r.case));
        rows.retain(|r| q.after.is_none_or(|a| r.case < a));
        rows.truncate(q.limit as usize);
        Ok(CasePage { rows, total })
    }

    async fn story(&self, case: CaseId) -> Result<Vec<StoryLine>, EngineError> {
        Ok(self.world().find(case)?.story.clone())
    }

    async fn causes(&self) -> Vec<String> {
        ["mirai", "open-telnet"].map(Into::into).into()
    }

    async fn garden(&self, _: &str) -> pratique_core::view::Garden {
        pratique_core::view::Garden::default()
    }

    async fn status(&self) -> Status {
        let world = self.world();
        let count = |s: StateName| world.cases.iter().filter(|k| k.case.state.name() == s).count() as u64;
        Status {
            notices: None,
            version: "0.1.0".into(),
            warnings: Vec::new(),
            now: NOW.into(),
            started_at: NOW.minus(Span::from_days(2)).into(),
            seq: Seq(world.seq),
            halted: world.halted.clone(),
            cases: StateName::ALL.into_iter().map(|s| (s, count(s))).collect(),
            lines: 84_210,
            sessions: 91_004,
            conflicts: 1,
            dry_run: world.dry_run,
            wall: world.wall(),
            kept_out: vec![(
                CaseId(3),
                "not with all it holds: 192.0.2.241 overlaps the provider's own infrastructure 192.0.2.240/28".into(),
            )],
            kept_out_total: 5,
            caps: world.caps.clone(),
            enforcers: vec![EnforcerStatus {
                name: "nftables".into(),
                generation: Seq(world.seq),
                in_step: true,
                lag: Span::ZERO,
                elements: count(StateName::Quarantined),
                drifts: 1,
                last_drift: Some((NOW.minus(Span::from_hours(5)).into(), "nft (pid 4711) flushed the ruleset".into())),
                failing: None,
                former_wall: None,
            }],
            store: StoreStatus {
                writable: true,
                free_bytes: Some(12_000_000_000),
                reserve_bytes: Some(67_108_864),
                intake_stopped: None,
            },
            dns: Some(pratique_dns::Health {
                answers: vec![("portal".into(), 1_204_331), ("nodata".into(), 804)],
                threat_lists: vec![pratique_dns::ListHealth {
                    list: "c2".into(),
                    names: 41_200,
                    problem: Some("threat list c2: /lists/c2 is a web page".into()),
                }],
                certificate: Some(pratique_dns::CertificateHealth {
                    days_left: Some(9),
                    problems: vec!["certificate /etc/dns.pem ends in 9 days: renew it".into()],
                }),
                portals: [(vec!["infected-nas".into()], "192.0.2.81", "2001:db8::81"), (Vec::new(), "192.0.2.80", "")]
                    .map(|(causes, portal4, portal6)| pratique_dns::Place {
                        causes,
                        at: Addresses { portal4: portal4.parse().ok(), portal6: portal6.parse().ok() },
                    })
                    .into(),
                ..pratique_dns::Health::default()
            }),
            portal_certificate: Some(pratique_portal::CertificateHealth {
                days_left: None,
                problems: vec!["certificate /etc/portal.pem holds no certificate; none is in force".into()],
            }),
            feeds: vec![
                FeedStatus {
                    source: "honeynet".into(),
                    covers_until: Some(NOW.minus(Span::from_days(2)).into()),
                    expect_every: Span::from_hours(1),
                    stalled: true,
                    last_at: Some(NOW.minus(Span::from_days(2)).into()),
                    gaps_total: 0,
                    gaps: Vec::new(),
                    waited: Vec::new(),
                },
                FeedStatus {
                    source: "manual".into(),
                    covers_until: None,
                    expect_every: Span::from_days(90),
                    stalled: false,
                    last_at: None,
                    gaps_total: 0,
                    gaps: Vec::new(),
                    waited: Vec::new(),
                },
                FeedStatus {
                    source: "shadowserver".into(),
                    covers_until: Some(NOW.minus(Span::from_hours(9)).into()),
                    expect_every: Span::from_hours(36),
                    stalled: false,
                    last_at: Some(NOW.minus(Span::from_hours(3)).into()),
                    gaps_total: 0,
                    gaps: Vec::new(),
                    waited: Vec::new(),
                },
            ],
            policy: Some(TextRef::of("policy").to_string()),
            policy_problem: None,
            held_deliveries: world.deliveries.iter().filter(|d| d.state == DeliveryState::Held).count() as u64,
            deliveries: world.deliveries.iter().map(|d| DeliveryRow::of(d, Some(3_912))).collect(),
            refused_lately: 0,
            session_list: Some(NOW.minus(Span::from_hours(30)).into()),
            session_list_late: true,
            claimed_twice: vec![Claimed {
                address: "192.0.2.9/32".parse().unwrap(),
                lines: vec!["C-00001".into(), "C-00002".into()],
            }],
        }
    }

    async fn plan(&self) -> Result<PlanReport, EngineError> {
        let world = self.world();
        let desired = world.cases.iter().filter(|k| k.case.is_enforced()).count() as u64;
        let diff = EnforcerDiff { name: "nftables".into(), actual: Some(desired), ..EnforcerDiff::default() };
        let (dry_run, would_be_walled) = (world.dry_run, world.wall().would_be_walled);
        Ok(PlanReport { generation: Seq(world.seq), desired, dry_run, would_be_walled, enforcers: vec![diff] })
    }

    async fn paper(&self) -> Result<Paper, EngineError> {
        let world = self.world();
        let cases = world.cases.iter().filter(|k| k.case.is_on_paper()).map(|k| k.case.id).collect();
        Ok(Paper { dry_run: world.dry_run, cases })
    }

    async fn deliveries(&self, limit: u32) -> Result<Vec<DeliveryRow>, EngineError> {
        let world = self.world();
        let usual = |d: &Delivery| (d.state == DeliveryState::Held).then_some(3_912);
        Ok(world.deliveries.iter().take(limit as usize).map(|d| DeliveryRow::of(d, usual(d))).collect())
    }

    async fn delivery(&self, number: u64) -> Result<Option<DeliveryDossier>, EngineError> {
        let world = self.world();
        let Some(found) = world.deliveries.iter().find(|d| d.number == number) else { return Ok(None) };
        let waits = found.state == DeliveryState::Held;
        Ok(Some(DeliveryDossier {
            delivery: DeliveryRow::of(found, waits.then_some(3_912)),
            sound: waits.then_some(2),
            unknown_type: false,
            sample: Vec::new(),
            refused_rows: refused_lines(),
        }))
    }

    async fn refused_rows(&self, _: u64, _: u64) -> Result<Vec<RefusedLine>, EngineError> {
        Ok(refused_lines())
    }

    async fn accept_held(&self, delivery: u64, _: bool, _: Actor) -> Result<Option<IntakeReport>, EngineError> {
        let mut world = self.world();
        let held = world.deliveries.iter_mut().find(|d| d.number == delivery && d.state == DeliveryState::Held);
        Ok(held.map(|d| {
            d.state = DeliveryState::Accepted;
            IntakeReport { delivery, taken: d.rows, ..IntakeReport::default() }
        }))
    }

    async fn refuse_held(&self, delivery: u64, _: Actor) -> Result<bool, EngineError> {
        let mut world = self.world();
        let held = world.deliveries.iter_mut().find(|d| d.number == delivery && d.state == DeliveryState::Held);
        Ok(held.map(|d| d.state = DeliveryState::Refused).is_some())
    }

    async fn unattributed(&self, limit: u32) -> Result<Vec<SightingRow>, EngineError> {
        let mut rows = self.world().cases[0].evidence();
        rows[0].outcome = "no-port".into();
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn evidence(&self, observations: &[Observation]) -> Result<Vec<Vec<SightingNo>>, EngineError> {
        let world = self.world();
        let known: Vec<SightingRow> = world.cases.iter().flat_map(Kept::evidence).collect();
        let same = |o: &Observation, s: &&SightingRow| s.address == o.address && s.cause == o.cause;
        let of = |o: &Observation| known.iter().filter(|s| same(o, s)).map(|s| s.number).collect();
        Ok(observations.iter().map(of).collect())
    }

    async fn bounce(&self, raw: Vec<u8>) -> Result<Noted, NotNoted> {
        match pratique::notices::bounce::read(&raw) {
            Ok(report) => Ok(Noted::Bounced(Some(report.stamp.case))),
            Err(why) => Err(NotNoted::Refused(why.to_string())),
        }
    }

    async fn line(&self, subscriber: &SubscriberId) -> Result<Option<LineDossier>, EngineError> {
        let world = self.world();
        Ok(world.cases.iter().find(|k| k.subscriber == *subscriber).map(|k| LineDossier {
            email: None,
            phone: None,
            subscriber: k.subscriber.clone(),
            line: k.case.line,
            holdings: k.dossier(None).holdings,
            cases: vec![k.row()],
            protected: k.protected.map(Into::into),
            clause: Some("2025-01".into()),
            opted_out: false,
            language: Some("nl".into()),
            self_checks: self_checks_of(k.case.line),
        }))
    }

    async fn self_checks(&self, line: LineNo) -> Result<Vec<SelfCheckRow>, EngineError> {
        Ok(self_checks_of(line))
    }

    async fn purge(&self, subscriber: &SubscriberId, _: Actor) -> Result<Option<Purged>, EngineError> {
        Ok(self.line(subscriber).await?.map(|_| Purged { rows: 5 }))
    }

    async fn release_all(&self, by: Actor, reason: String) -> Result<ReleasedAll, EngineError> {
        let mut world = self.world();
        let ids: Vec<_> = world.cases.iter().filter(|k| k.case.is_enforced()).map(|k| k.case.id).collect();
        for case in &ids {
            let command =
                Command::Release { case: *case, version: None, by: by.clone(), reason: None, emergency: true };
            world.follow(Wish { command, text: Some(reason.clone()) })?;
        }
        Ok(ReleasedAll { released: ids.len() as u64, failed: 0 })
    }
}
