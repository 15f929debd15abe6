//! Stories told by files: each folder of `tests/scenarios/` holds numbered inputs and the timeline that must come of them.
//!
//! ```text
//! 01-sessions.csv                      who holds what
//! 02-2026-02-15-scan_telnet-asn.csv    a report, named as its source names it
//! 03-approve.yaml                      a wish: what the file is called, with the fields of [`Deed`]
//! 04-clock.yaml                        {advance: 3d}; deadlines on the way are met one by one
//! 05-restart.yaml                      a crash, and a start from what is stored
//! policy/                              files that take the place of the built-in ones; optional
//! expected.txt                         the timeline
//! ```
//!
//! The readers, the engine and its store are the real ones; the clock is faked, and what the wall is told is written down.
//! `PRATIQUE_BLESS=1 cargo test -p pratique-tests --test files scenarios` writes the timelines anew: read them before you commit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use pratique_core::command::{Command, Confirmed};
use pratique_core::event::{Actor, Body, CaseEvent, Event};
use pratique_core::ids::{CaseId, LineNo, Seq, SightingNo, TextRef};
use pratique_core::plan::Element;
use pratique_core::playbook::PortSpec;
use pratique_core::rescan::{Probe, ProbeResult, Rescan, RescanTrigger, Verdict};
use pratique_core::self_check::SelfCheckStep;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::Round;
use pratique_core::wall::{Attempt, Reading};
use pratique_core::world::{Settled, World};
use pratique_engine::clock::Clock;
use pratique_engine::handle::{EngineHandle, Wish};
use pratique_engine::{Engine, Outside};
use pratique_ingest::label::{Label, Readers as _};
use pratique_ingest::readers::FileReaders;
use pratique_policy::PolicySet;
use pratique_sqlite::{Options, SqliteStore, verify};
use pratique_store::StoreError;
use serde::Deserialize;

/// 2026-02-15T12:00:00Z in milliseconds: when every story begins.
const NOON: i64 = 1_771_156_800_000;

/// A timeline that a person reads in one go.
const LONGEST: usize = 60;

/// The wall's counters are read every few seconds in a running daemon; on the faked way through days this is enough.
const LOOK: Span = Span::from_hours(1);

/// What a wish says; which fields matter follows from its name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Deed {
    case: u64,
    /// Who; `ann` where nothing is said.
    by: Option<String>,
    /// The version that was looked at; the present one where nothing is said.
    version: Option<u32>,
    reason: Option<String>,
    protected_confirmed: bool,
    sightings: Vec<u64>,
    advance: Option<Span>,
    /// Of a renewal, from now.
    lasting: Option<Span>,
    /// Of a check: what each probe found.
    found: BTreeMap<String, Verdict>,
    resident: Option<String>,
    port: Option<PortSpec>,
    packets: u64,
}

#[derive(Default)]
struct Hand(AtomicI64);

impl Hand {
    fn set(&self, to: Timestamp) {
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What happened since it was last asked, and the wall as one who follows the steps has it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Witness>>);

#[derive(Default)]
struct Witness {
    wall: BTreeSet<Element>,
    steps: Vec<String>,
    said: Vec<String>,
}

impl Outside for Seen {
    fn settled(&mut self, settled: Settled, world: &World, _: Timestamp) {
        let mut seen = self.0.lock().unwrap();
        for element in &settled.diff.remove {
            assert!(seen.wall.remove(element), "{element} was never walled");
            seen.steps.push(format!("wall -{element}"));
        }
        for element in &settled.diff.add {
            assert!(seen.wall.insert(*element), "{element} was walled already");
            seen.steps.push(format!("wall +{element}"));
        }
        let planned: BTreeSet<Element> = world.plan().elements.keys().copied().collect();
        assert_eq!(seen.wall, planned, "who follows the steps has the plan");
        assert_eq!(*world.plan(), world.plan_from_scratch(), "the plan is what cases and directory say");
    }

    fn committed(&mut self, events: &[(Seq, Event)], world: &World) {
        let mut seen = self.0.lock().unwrap();
        seen.said.extend(events.iter().filter_map(|(_, event)| told(event, world)));
        let steps = std::mem::take(&mut seen.steps);
        seen.said.extend(steps);
    }

    fn failed(&mut self, error: &StoreError) {
        self.0.lock().unwrap().said.push(format!("the store failed: {error}"));
    }
    fn standing(&mut self) -> Result<Vec<Element>, String> {
        Ok(Vec::new())
    }
}

/// A running engine and the story so far.
struct Stage {
    folder: tempfile::TempDir,
    policies: Arc<PolicySet>,
    clock: Arc<Hand>,
    seen: Seen,
    handle: EngineHandle,
    task: tokio::task::JoinHandle<()>,
    blocked: BTreeMap<(Element, PortSpec), u64>,
    told: String,
}

#[test]
fn every_story_goes_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut stories: Vec<PathBuf> = entries(&root).into_iter().filter(|p| p.is_dir()).collect();
    stories.sort();
    assert!(stories.len() >= 19, "only {} stories below {}", stories.len(), root.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bless = std::env::var_os("PRATIQUE_BLESS").is_some_and(|v| v == "1");
    let mut wrong = String::new();
    for story in stories {
        let name = story.file_name().unwrap().to_string_lossy().into_owned();
        let told = runtime.block_on(play(&story));
        assert!(told.lines().count() < LONGEST, "{name}: the timeline is too long to be read:\n{told}");
        let file = story.join("expected.txt");
        if bless {
            std::fs::write(&file, &told).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if expected != told {
            writeln!(wrong, "== {name}\n-- expected\n{expected}-- told\n{told}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}PRATIQUE_BLESS=1 accepts what is told now");
}

async fn play(story: &Path) -> String {
    let policies = Arc::new(policies(story));
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hand(AtomicI64::new(NOON)));
    let seen = Seen::default();
    let (handle, task) = start(folder.path(), &policies, &clock, &seen).await;
    let mut stage =
        Stage { folder, policies, clock, seen, handle, task, blocked: BTreeMap::new(), told: String::new() };
    let mut steps = entries(story);
    steps.retain(|p| p.file_name().is_some_and(|n| n.as_encoded_bytes()[0].is_ascii_digit()));
    steps.sort();
    for step in &steps {
        stage = stage.step(step).await;
    }
    stage.handle.stop().await;
    verify(&stage.folder.path().join("p.db"), None).await.unwrap();
    stage.told
}

fn entries(of: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(of).unwrap().map(|e| e.unwrap().path()).collect()
}

/// The built-in policies, with the story's own files in their place.
fn policies(story: &Path) -> PolicySet {
    let own = story.join("policy");
    if !own.is_dir() {
        return pratique_policy::built_in().unwrap();
    }
    let whole = tempfile::tempdir().unwrap();
    for file in entries(&own) {
        let to = whole.path().join(file.file_name().unwrap());
        if file.is_dir() {
            std::fs::create_dir(&to).unwrap();
            for inner in entries(&file) {
                std::fs::copy(&inner, to.join(inner.file_name().unwrap())).unwrap();
            }
        } else {
            std::fs::copy(&file, to).unwrap();
        }
    }
    pratique_policy::write_built_in(whole.path()).unwrap();
    pratique_policy::load_set(whole.path()).unwrap_or_else(|e| panic!("{}: {e}", story.display()))
}

async fn start(
    folder: &Path,
    policies: &PolicySet,
    clock: &Arc<Hand>,
    seen: &Seen,
) -> (EngineHandle, tokio::task::JoinHandle<()>) {
    let store = SqliteStore::open(&folder.join("p.db"), Options::default()).await.unwrap();
    let (clock, policy) = (Arc::clone(clock) as Arc<dyn Clock>, Arc::new(policies.policy.clone()));
    let (engine, handle) = Engine::load(store, policy, clock, seen.clone(), |_| Vec::new()).await.unwrap();
    (handle, tokio::spawn(engine.run()))
}

impl Stage {
    async fn step(mut self, step: &Path) -> Self {
        let name = step.file_name().unwrap().to_string_lossy().into_owned();
        let (_, what) = name.split_once('-').expect("steps are called NN-WHAT");
        writeln!(self.told, "{} {name}", short(self.clock.now())).unwrap();
        let content = std::fs::read_to_string(step).unwrap();
        match what.split_once('.').unwrap_or((what, "")) {
            ("restart", _) => self = self.restart().await,
            (sessions, "csv") if sessions.starts_with("sessions") => self.sessions(what, &content).await,
            (_, "csv") => self.report(what, &content).await,
            ("protected", "yaml") => self.protect(&content).await,
            (verb, "yaml") => {
                let deed = serde_yaml::from_str(&content).unwrap_or_else(|e| panic!("{}: {e}", step.display()));
                self.deed(verb, deed).await;
            }
            _ => panic!("{}: no step of a story", step.display()),
        }
        let (said, wall) = {
            let mut seen = self.seen.0.lock().unwrap();
            (std::mem::take(&mut seen.said), seen.wall.clone())
        };
        said.iter().for_each(|line| writeln!(self.told, "    {line}").unwrap());
        let wall: Vec<String> = wall.iter().map(ToString::to_string).collect();
        let wall = if wall.is_empty() { "nobody".into() } else { wall.join(", ") };
        writeln!(self.told, "    plan: {wall}").unwrap();
        self
    }

    /// As a crash does: nothing is written any more; the next start knows what is stored.
    async fn restart(mut self) -> Self {
        self.task.abort();
        let _aborted = self.task.await.is_err();
        let before = std::mem::take(&mut *self.seen.0.lock().unwrap()).wall;
        (self.handle, self.task) = start(self.folder.path(), &self.policies, &self.clock, &self.seen).await;
        let mut seen = self.seen.0.lock().unwrap();
        assert_eq!(seen.wall, before, "the wall after a restart is the wall before it");
        seen.said.retain(|line| !line.starts_with("wall +"));
        drop(seen);
        self
    }

    /// The list of protected lines as it is on disk from now on.
    async fn protect(&mut self, content: &str) {
        let mut policy = self.policies.policy.clone();
        policy.protected = serde_yaml::from_str(content).unwrap();
        policy.digest = TextRef::of(content);
        self.handle.policy(Arc::new(policy.clone())).await.unwrap();
        self.policies = Arc::new(PolicySet { policy, ..(*self.policies).clone() });
    }

    fn label(&self, name: &str, content: &str) -> Label {
        Label {
            source: None,
            report: None,
            name: name.into(),
            received_at: self.clock.now(),
            content: TextRef::of(content),
            bytes: content.len() as u64,
        }
    }

    fn readers(&self) -> FileReaders {
        let policies = Arc::new(ArcSwap::new(Arc::clone(&self.policies)));
        FileReaders::new(policies, Arc::new(|_, _| Ok(Vec::new())))
    }

    async fn sessions(&mut self, name: &str, content: &str) {
        let list = match self.readers().sessions(&self.label(name, content), Some("UTC"), &mut content.as_bytes()) {
            Ok(list) => list,
            Err(error) => return self.say(&format!("refused: {error}")),
        };
        for row in &list.refused.first {
            self.say(&format!("refused: {name}:{}: {}", row.line, row.what));
        }
        let report = self.handle.sessions(list.changes).await.unwrap();
        let parts = [
            (report.started + report.past, "new"),
            (report.ended, "ended"),
            (report.changed, "changed"),
            (report.unchanged, "known already"),
            (report.conflicts, "in conflict"),
        ];
        self.say(&format!("sessions: {}", counts(parts)));
    }

    async fn report(&mut self, name: &str, content: &str) {
        let (readers, label) = (self.readers(), self.label(name, content));
        let intake = match readers.report(&label, &mut content.as_bytes()) {
            Ok(intake) => intake,
            Err(error) => {
                self.say(&format!("refused: {error}"));
                self.handle.intake(readers.refused(&label, &error.said)).await.unwrap();
                return;
            }
        };
        let refused: Vec<String> = intake.delivery.refused.iter().map(|(why, n)| format!("{n} {why}")).collect();
        if !refused.is_empty() {
            self.say(&format!("rows refused: {}", refused.join(", ")));
        }
        let report = self.handle.intake(intake).await.unwrap();
        let outcomes = report.outcomes.iter().map(|(what, n)| (*n, what.as_str()));
        self.say(&format!("sightings: {}", counts(outcomes)));
    }

    /// The round that the page of a case shows now.
    async fn round(&self, case: CaseId) -> Round {
        let round = self.handle.read(move |w, _| w.cases().get(case).and_then(pratique_core::state::Case::round));
        round.await.unwrap().unwrap_or(Round(0))
    }

    async fn deed(&mut self, verb: &str, deed: Deed) {
        let now = self.clock.now();
        let case = CaseId(deed.case);
        let by = Actor::Person(deed.by.as_deref().unwrap_or("ann").into());
        let reason = deed.reason.as_deref().map(TextRef::of);
        let current = self.handle.read(move |w, _| w.cases().get(case).map_or(0, |c| c.version)).await.unwrap();
        let version = deed.version.unwrap_or(current);
        let command = match verb {
            "clock" => return self.advance(deed.advance.expect("clock says how far")).await,
            "wall" => {
                let resident = deed.resident.expect("wall says who").parse().unwrap();
                *self.blocked.entry((resident, deed.port.expect("wall says where"))).or_default() += deed.packets;
                self.handle.wall(self.reading(), now).await.unwrap();
                return self.handle.read(|_, _| ()).await.unwrap();
            }
            "approve" => {
                let confirmed = Confirmed { protected: deed.protected_confirmed, ..Confirmed::default() };
                Command::Approve { case, version, by, confirmed }
            }
            "dismiss" => Command::Dismiss { case, version, by, reason },
            "release" => Command::Release { case, version: None, by, reason, emergency: false },
            "report-fixed" => Command::ReportFixed { case, round: self.round(case).await, again: 0 },
            "self-release" => Command::SelfRelease { case, round: self.round(case).await },
            "retract" => {
                let sightings = deed.sightings.iter().copied().map(SightingNo).collect();
                Command::Retract { sightings, by, reason }
            }
            "renew" => {
                let until = now.plus(deed.lasting.expect("renew says how long"));
                Command::Renew { case, version, by, until, reason }
            }
            "check" => Command::RecordRescan { case, rescan: rescan(&deed.found, now) },
            "halt" => Command::Halt { by, because: deed.reason.clone().unwrap_or_default().into() },
            "resume" => Command::Resume { by },
            _ => panic!("no such wish: {verb}"),
        };
        if let Err(refusal) = self.handle.wish(Wish { command, text: deed.reason }).await {
            self.say(&format!("refused: {refusal}"));
        }
    }

    /// Time goes on, deadline by deadline, with the wall's counters being read on the way.
    fn reading(&self) -> Reading {
        Reading { attempts: self.attempts(), filled: 1 }
    }

    async fn advance(&mut self, by: Span) {
        let target = self.clock.now().plus(by);
        while self.clock.now() < target {
            let now = self.clock.now();
            let deadline = self.handle.read(|w, _| w.cases().next_deadline()).await.unwrap();
            let next = deadline.filter(|d| *d > now).unwrap_or(target).min(now.plus(LOOK)).min(target);
            // Before the clock is set: a deadline then never meets older counters.
            self.handle.wall(self.reading(), next).await.unwrap();
            self.handle.read(|_, _| ()).await.unwrap();
            self.clock.set(next);
            self.handle.read(|_, _| ()).await.unwrap();
        }
    }

    fn attempts(&self) -> Vec<Attempt> {
        let attempt = |((resident, port), packets): (&(Element, PortSpec), &u64)| Attempt {
            resident: *resident,
            port: *port,
            packets: *packets,
        };
        self.blocked.iter().map(attempt).collect()
    }

    fn say(&self, line: &str) {
        self.seen.0.lock().unwrap().said.push(line.into());
    }
}

fn rescan(found: &BTreeMap<String, Verdict>, now: Timestamp) -> Rescan {
    let result = |(probe, verdict): (&String, &Verdict)| ProbeResult {
        probe: probe.parse::<Probe>().unwrap(),
        verdict: *verdict,
        found: "".into(),
    };
    Rescan {
        started_at: now,
        finished_at: now,
        trigger: RescanTrigger::Subscriber,
        results: found.iter().map(result).collect(),
    }
}

fn counts<'a>(parts: impl IntoIterator<Item = (u64, &'a str)>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if parts.is_empty() { "none".into() } else { parts.join(", ") }
}

/// `02-15 12:00`: every story plays within one year, and seconds do not matter to it.
fn short(at: Timestamp) -> String {
    at.to_string().get(5..16).unwrap_or_default().replace('T', " ")
}

/// One event as a person at the NOC says it; none for what is the same in every story.
fn told(event: &Event, world: &World) -> Option<String> {
    let said = match &event.body {
        Body::PolicyLoaded { .. } | Body::WallWatched { .. } => return None,
        Body::FeedDelivered { feed, covers_from, covers_until } if covers_from == covers_until => {
            format!("{feed} came for the first time, and covers nothing")
        }
        Body::FeedDelivered { feed, covers_until, .. } => {
            format!("{feed} has spoken up to {}", short(*covers_until))
        }
        Body::FeedGap { source, report, from, until, why, .. } => {
            let report = report.as_deref().unwrap_or("(any type)");
            let from = if *from == Timestamp::MIN { "ever".to_owned() } else { short(*from) };
            format!("{source} {report} from {from} until {} is a gap: {}", short(*until), why.as_str())
        }
        Body::WallGap { from, until } => {
            format!("the wall had no room from {} until {}", short(*from), short(*until))
        }
        Body::FeedGapFilled { source, delivery } => format!("the gap of {source}, delivery {delivery}, is filled"),
        Body::SilenceConfirmed { source, from, until, by, .. } => {
            format!("{} confirms the silence of {source} from {} until {}", who(by), short(*from), short(*until))
        }
        Body::Purged { line, rows, .. } => {
            format!("{} forgotten: {rows} rows", line.map_or(String::new(), |l| l.to_string()))
        }
        Body::RecordsChanged { opted_out, opted_in, clause, .. } => {
            let parts = [(opted_out, "opted out"), (opted_in, "opted in again"), (clause, "with another clause")];
            counts(parts.map(|(lines, what)| (lines.len() as u64, what)))
        }
        Body::SelfCheck { line, step } => match step {
            SelfCheckStep::Agreed => format!("{} has the own line checked", name_of(*line, world)),
            SelfCheckStep::Done { verdict, .. } => {
                format!("the line of {} was found {verdict:?}", name_of(*line, world))
            }
            SelfCheckStep::Mail { outcome, .. } => {
                format!("the result for {} by mail: {outcome:?}", name_of(*line, world))
            }
        },
        Body::Halted { by, because, .. } => format!("halted by {}: {because}", who(by)),
        Body::Resumed { by } => format!("resumed by {}", who(by)),
        Body::Enforcement { mode } => format!("enforcement is {mode:?} from here"),
        Body::Case { case, what } => format!("case {case} {}", of_case(what, world)),
    };
    Some(format!("{} {said}", short(event.at)))
}

fn of_case(what: &CaseEvent, world: &World) -> String {
    match what {
        CaseEvent::RowUnread { feed, until, .. } => {
            format!("a row of {feed} that names this line could not be read; silence counts from {}", short(*until))
        }
        CaseEvent::Opened { line, cause, evidence } => {
            let numbers = evidence.iter().map(|e| e.sighting);
            format!("opened: {cause} at {}, {}", name_of(*line, world), numbered(numbers))
        }
        CaseEvent::Warned { until } => format!("warned until {}", short(*until)),
        CaseEvent::Proposed { rule, because } => {
            format!("proposed because of {}; approval: {}", plain(because), plain(rule))
        }
        CaseEvent::EvidenceAdded { cause, evidence } => format!("sighting {} added: {cause}", evidence.sighting),
        CaseEvent::Approved { by, protected } => {
            format!("approved by {}{}", who(by), if *protected { ", knowing that the line is protected" } else { "" })
        }
        CaseEvent::Quarantined { by, evidence, until, .. } => {
            let all: Vec<String> = by.iter().map(who).collect();
            let on = numbered(evidence.iter().copied());
            format!("quarantined by {} on {on} until {}", all.join(" and "), short(*until))
        }
        CaseEvent::EnforcementBegan { by, .. } => format!("begun by {}", who(by)),
        CaseEvent::PaperDropped { by, .. } => format!("dropped from paper by {}", who(by)),
        CaseEvent::Dismissed { by, .. } => format!("dismissed by {}", who(by)),
        CaseEvent::Retracted { sightings, by, .. } => {
            format!("{} retracted by {}", numbered(sightings.iter().copied()), who(by))
        }
        CaseEvent::FixReported { .. } => "reported as fixed".into(),
        CaseEvent::RescanRequested { trigger } => format!("is to be checked ({})", plain(trigger)),
        CaseEvent::Rescanned { rescan } => format!("was checked: {}", plain(&rescan.verdict())),
        CaseEvent::WallTraffic { packets, last_seen } => {
            format!("attacks the wall: {packets} packets, last {}", short(*last_seen))
        }
        CaseEvent::ThreatsQueried { list, queries, last_seen } => {
            format!("asked for names on {list}: {queries} times, last {}", short(*last_seen))
        }
        CaseEvent::Released { how, by, watch_until, .. } => {
            format!("released ({}) by {}, watched until {}", plain(how), who(by), short(*watch_until))
        }
        CaseEvent::Renewed { by, until, .. } => format!("renewed by {} until {}", who(by), short(*until)),
        CaseEvent::Noted { by, .. } => format!("noted by {}", who(by)),
        CaseEvent::Notice { kind, channel, .. } => format!("is told of {kind} by {channel}"),
        CaseEvent::Closed { why } => format!("closed: {}", plain(why)),
    }
}

fn name_of(line: LineNo, world: &World) -> String {
    world.lines.id(line).map_or_else(|| line.to_string(), ToString::to_string)
}

fn numbered(sightings: impl Iterator<Item = SightingNo>) -> String {
    let numbers: Vec<String> = sightings.map(|s| s.to_string()).collect();
    format!("sighting{} {}", if numbers.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

fn who(actor: &Actor) -> String {
    match actor {
        Actor::Person(name) => name.to_string(),
        Actor::Rule(rule) => format!("rule {rule}"),
        Actor::Subscriber => "the subscriber".into(),
        Actor::System => "pratique".into(),
    }
}

/// The word that the log has for it.
fn plain(what: &impl serde::Serialize) -> String {
    serde_json::to_value(what).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
