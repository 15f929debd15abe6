//! The story: a report comes in, a line is walled, its owner fixes the device, the line is let out. Each step is waited
//! for, for a bounded time, and counts only when it was observed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::devices::{Camera, OpenResolver, Person, TestLine};
use super::internet::{ECHO_PORT, Internet};
use super::node::{Node, sessions_csv};
use super::reports::{CAMERA, Report};
use super::timeline::{Step, Timeline};
use super::town::{Host, Town};
use super::witness::{Checked, Shown, Steered, Witness};

mod extras;

pub use self::extras::{Infected, Warned};

/// Ctrl-C, in words.
pub const INTERRUPTED: &str = "stopped from outside";

/// Longest waits. A machine with one slow core needs a tenth of them.
const SOON: Duration = Duration::from_secs(15);
/// Starting the daemon, and checks that probe every port of three addresses.
const LATER: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Between two presses of a button, as people make them: who presses more than sixty times a minute is not listened to.
const BETWEEN_PRESSES: Duration = Duration::from_secs(1);
/// Long enough for ten attacks of the camera: if none of them arrives, none does.
const TEN_ATTACKS: Duration = Duration::from_secs(2);

/// Everything on the stage. What is dropped first stands first: people and devices, then the daemon, then the servers.
pub struct Stage {
    camera: Camera,
    _resolver: OpenResolver,
    _test_line: TestLine,
    people: [Person; 2],
    witness: Witness,
    /// The daemon.
    pub node: Node,
    internet: Internet,
    /// The map.
    pub town: Town,
    runtime: Handle,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Sets it up and waits until the daemon is ready and the free town lives.
    ///
    /// # Errors
    /// When something cannot be started, in words.
    pub fn set(
        town: Town,
        api_port: u16,
        old_reports: bool,
        runtime: Handle,
        interrupted: Arc<AtomicBool>,
        timeline: &Timeline,
    ) -> anyhow::Result<Self> {
        let internet = Internet::start(&town.internet, &runtime)?;
        let [infected, open, clean, neighbour, test, ..] = &town.homes[..] else { bail!("the town has too few homes") };
        let camera = Camera::plug_in(infected, &runtime)?;
        let resolver = OpenResolver::plug_in(open, &runtime)?;
        // Both doors are open before anybody knocks at one.
        let mut people = [Person::move_in(clean, &runtime)?, Person::move_in(neighbour, &runtime)?];
        people[0].begin_to_browse(clean, Some(neighbour.v4.into()))?;
        people[1].begin_to_browse(neighbour, Some(clean.v4.into()))?;
        let witness = Witness::sit_down(infected, &town.internet)?;
        let test_line = TestLine::plug_in(test, &runtime)?;
        let node = Node::start(&town, test_line.controls(), api_port, old_reports)?;
        let mut stage = Self {
            camera,
            _resolver: resolver,
            _test_line: test_line,
            people,
            witness,
            node,
            internet,
            town,
            runtime,
            interrupted,
        };
        // A visitor's report may be years old; the lines in it have to have been there then.
        let since = match old_reports {
            true => SystemTime::UNIX_EPOCH,
            // The day before yesterday: the lines have to have been there at the first of two daily scans, too.
            false => SystemTime::now() - Duration::from_secs(2 * 86_400),
        };
        if let Err(e) = stage.come_alive(since, timeline) {
            bail!("{}", stage.with_log(&e));
        }
        Ok(stage)
    }

    /// An error with what the daemon said last.
    pub fn with_log(&mut self, e: &anyhow::Error) -> String {
        let text = format!("{e:#}");
        let log = self.node.last_log(15);
        if text == INTERRUPTED || log.is_empty() {
            return text;
        }
        format!("{text}\nthe daemon's last words:\n{}", log.trim_end())
    }

    fn come_alive(&mut self, since: SystemTime, timeline: &Timeline) -> anyhow::Result<()> {
        let staff = self.node.staff();
        self.wait(LATER, "the daemon to be ready", |_| Ok(staff.is_ready().then_some(())))?;
        let sessions = sessions_csv(&self.town, since.try_into()?);
        staff.post_csv("/api/v1/sessions?name=lab.csv", &sessions).context("the session list was not taken")?;
        self.wait(SOON, "the camera to attack, and people to browse", |stage| {
            let attacked = stage.internet.attacks() >= 6;
            Ok((attacked && stage.people.iter().all(|p| p.good() > 0)).then_some(()))
        })?;
        anyhow::ensure!(self.witness.steered() == Steered::Real, "the free home does not get real DNS answers");
        anyhow::ensure!(self.witness.ways_in(&[23])? == 3, "the camera cannot be reached from the Internet");
        timeline.say(&format!(
            "{} homes are online; a camera in the home of {} is infected: it attacks {} and anybody can log in to it",
            self.town.homes.len(),
            self.town.homes[0].subscriber,
            Host::VICTIM.v4()
        ));
        Ok(())
    }

    /// Plays all steps.
    ///
    /// # Errors
    /// The step that was not observed, with what was awaited.
    pub fn play(&mut self, timeline: &mut Timeline) -> anyhow::Result<()> {
        let case = self.report_comes_in(timeline)?;
        self.line_is_walled(case, timeline)?;
        self.owner_looks(case, timeline)?;
        self.owner_fixes(case, timeline)?;
        self.others_are_well()
    }

    fn report_comes_in(&mut self, timeline: &mut Timeline) -> anyhow::Result<u64> {
        let home = self.town.homes[0].clone();
        let seen = SystemTime::now() - Duration::from_secs(2);
        let report = Report::infected_camera(home.v4.into(), seen)?;
        self.node.deliver(&report)?;
        let delivery = self.step(timeline, Step::Sighting, SOON, "the report to be taken in", |s| {
            let all = s.node.staff().get("/api/v1/deliveries")?;
            Ok(find(&all, |d| d["name"].as_str().is_some_and(|n| n.contains(&report.name))))
        })?;
        let rows = delivery["rows"].as_u64().unwrap_or_default();
        timeline.observed(
            Step::Sighting,
            &format!("Shadowserver's report {} is read: {rows} row, {} has Mirai", report.name, home.v4),
        );

        let subscriber = home.subscriber.clone();
        let row = self.step(timeline, Step::Attributed, SOON, "a case of the line that held the address", |s| {
            s.case_of(&subscriber)
        })?;
        let case = row["case"].as_u64().context("a case without a number")?;
        timeline.observed(
            Step::Attributed,
            &format!("{} belonged to {subscriber} at that moment; case {case} is opened", home.v4),
        );

        let row = self.step(timeline, Step::Proposed, SOON, "the case to be proposed", |s| {
            Ok(s.case_of(&subscriber)?.filter(|row| row["state"] == "proposed"))
        })?;
        let held = row["elements"].as_array().map_or(0, Vec::len);
        timeline.observed(
            Step::Proposed,
            &format!("case {case} waits for a person; it would wall {held} addresses and prefixes of the line"),
        );

        self.others_are_well()?;
        let open = self.town.homes[1].clone();
        for day in Report::open_resolver(open.v4.into(), SystemTime::now() - Duration::from_secs(2))? {
            self.node.deliver(&day)?;
        }
        let second = self.wait(SOON, "the case of the open resolver", |s| s.case_of(&open.subscriber))?;
        let state = second["state"].as_str().unwrap_or_default();
        timeline.say(&format!(
            "in passing: two daily scans found an open DNS resolver at {1}, case {0}: {state} only, its device does not attack",
            second["case"], open.subscriber
        ));
        Ok(case)
    }

    fn line_is_walled(&mut self, case: u64, timeline: &mut Timeline) -> anyhow::Result<()> {
        let staff = self.node.staff();
        let subscriber = self.town.homes[0].subscriber.clone();
        // As a person does who looks at the newest version; should the case move in between, they look again.
        self.step(timeline, Step::Approved, SOON, "the approval to be taken", |s| {
            let row = s.case_of(&subscriber)?.context("the case is gone")?;
            let approval = json!({ "version": row["version"], "reason": "Seen attacking; evidence checked." });
            staff.post(&format!("/api/v1/cases/{case}/approve"), &approval).map(Some)
        })?;
        let approved = Instant::now();
        timeline.observed(Step::Approved, "Anna at the NOC has looked at the evidence and approves");

        let mut last_byte = Duration::ZERO;
        self.step(timeline, Step::Enforced, SOON, "the home's open connection to stop", |s| {
            if s.witness.flow_is_alive() {
                last_byte = approved.elapsed();
                return Ok(None);
            }
            Ok(Some(()))
        })?;
        let seen = match last_byte.as_millis() {
            0 => "a connection that was open in the home carries no byte any more".into(),
            ms => format!("a connection that was open in the home carried its last byte {ms} ms after the approval"),
        };
        timeline.observed(Step::Enforced, &seen);

        self.step(timeline, Step::DnsSteered, SOON, "DNS answers with the portal's address", |s| {
            Ok((s.witness.steered() == Steered::Portal).then_some(()))
        })?;
        let resolver = Host::RESOLVER.v4();
        timeline.observed(
            Step::DnsSteered,
            &format!("even {resolver}, asked from the same socket as before, says that www.example.com is the portal"),
        );

        self.step(timeline, Step::OutboundBlocked, SOON, "nothing of the home to arrive outside", |s| {
            let before = s.internet.attacks();
            let new = s.witness.ways_out(&[(Host::VICTIM, 23), (Host::WEB, ECHO_PORT)])?;
            std::thread::sleep(TEN_ATTACKS);
            let quiet = s.internet.attacks() == before;
            Ok((quiet && new == 0 && !s.witness.flow_is_alive()).then_some(()))
        })?;
        timeline.observed(
            Step::OutboundBlocked,
            "new connections fail from all addresses of the line, and the victim is left in peace",
        );

        self.step(timeline, Step::InboundBlocked, SOON, "nobody to reach the camera from outside", |s| {
            let open = s.witness.ways_in(&[23, 2323, 80])?;
            Ok((open == 0).then_some(()))
        })?;
        timeline.observed(
            Step::InboundBlocked,
            "nobody on the Internet gets in to the camera any more, neither by IPv4 nor by IPv6",
        );
        self.others_are_well()
    }

    fn owner_looks(&mut self, case: u64, timeline: &mut Timeline) -> anyhow::Result<()> {
        let [_, _, device] = CAMERA;
        let page = self.step(timeline, Step::PortalSeen, SOON, "the portal's page about this case", |s| {
            let shown = s.witness.browse()?;
            Ok(shown.is_portal_about(case, device).then_some(shown))
        })?;
        timeline.observed(
            Step::PortalSeen,
            &format!("in the home, www.example.com leads to {}: why, which device ({device}), what to do", page.url),
        );
        self.press_fixed(&page)?;
        self.step(timeline, Step::RescanVulnerable, LATER, "the page to say that the device is still open", |s| {
            Ok((s.witness.browse()?.last_check() == Some(Checked::Vulnerable)).then_some(()))
        })?;
        timeline.observed(
            Step::RescanVulnerable,
            "the owner presses the button too early; the check finds the camera still open, the page says so",
        );
        Ok(())
    }

    fn owner_fixes(&mut self, case: u64, timeline: &mut Timeline) -> anyhow::Result<()> {
        self.camera.fix();
        let home = self.town.homes[0].clone();
        self.step(timeline, Step::Fixed, SOON, "the camera's doors to be closed, seen from inside", |_| {
            let open = |port: &u16| std::net::TcpStream::connect((home.v4, *port)).is_ok();
            Ok((!home.namespace.run(|| [23, 2323, 80].iter().any(open))?).then_some(()))
        })?;
        timeline.observed(
            Step::Fixed,
            "the owner restarts the camera, sets a password, switches telnet and remote access off",
        );

        let page = self.wait(SOON, "the portal's page", |s| Ok(Some(s.witness.browse()?)))?;
        self.press_fixed(&page)?;
        // The page may be gone already: a clean check can release the line at once.
        let clean = self.step(timeline, Step::RescanClean, LATER, "the page to say that nothing is open", |s| {
            let shown = s.witness.browse()?;
            Ok((shown.is_real() || shown.last_check() == Some(Checked::Clean)).then_some(shown))
        })?;
        timeline.observed(
            Step::RescanClean,
            "the owner presses again; the check finds nothing dangerous any more, the page says so",
        );

        let mut left = None;
        if !clean.is_real() {
            left = self.step(
                timeline,
                Step::Released,
                LATER,
                "the page to offer the way out, or the line to be free",
                |s| {
                    let shown = s.witness.browse()?;
                    if shown.is_real() {
                        return Ok(Some(None));
                    }
                    if !shown.has_button("/leave") {
                        return Ok(None);
                    }
                    s.witness.press(&shown, "/leave")?;
                    Ok(Some(Some(Instant::now())))
                },
            )?;
        }
        let staff = self.node.staff();
        self.step(timeline, Step::Released, SOON, "the case to be watched only", |_| {
            let row = staff.get(&format!("/api/v1/cases/{case}"))?;
            Ok((row["state"] == "watching").then_some(()))
        })?;
        timeline.observed(
            Step::Released,
            if left.is_some() {
                "the attacks have stopped too, the owner presses \"go back online\"; the line is watched from now on"
            } else {
                "the fix is proven; the line is watched from now on"
            },
        );

        self.step(timeline, Step::Reachable, SOON, "real answers, a real page and open ways out", |s| {
            let free = s.witness.steered() == Steered::Real && s.witness.browse()?.is_real();
            Ok((free && s.witness.ways_out(&[(Host::WEB, ECHO_PORT)])? == 3).then_some(()))
        })?;
        timeline.observed(
            Step::Reachable,
            "real DNS answers, the real www.example.com, all addresses of the line get out again",
        );
        Ok(())
    }

    fn press_fixed(&mut self, page: &Shown) -> anyhow::Result<()> {
        let mut page = page.clone();
        self.wait(SOON, "the button \"I have done this\" to be taken", |s| {
            if !page.has_button("/fixed") {
                page = s.witness.browse()?;
                return Ok(None);
            }
            let after = s.witness.press(&page, "/fixed")?;
            let taken = after.is_checking() || after.url.contains("n=started");
            page = after;
            if !taken {
                std::thread::sleep(BETWEEN_PRESSES);
            }
            Ok(taken.then_some(()))
        })
    }

    /// The clean home and the neighbour have not noticed anything.
    fn others_are_well(&self) -> anyhow::Result<()> {
        for (home, person) in self.town.homes[2..].iter().zip(&self.people) {
            if let Some(complaint) = person.complaints().first() {
                bail!("{} was hurt although nothing is wrong there: {complaint}", home.subscriber);
            }
        }
        Ok(())
    }

    /// How often the people in unharmed homes have seen that all is well.
    pub fn well_seen(&self) -> u64 {
        self.people.iter().map(Person::good).sum()
    }

    /// The newest case of a line.
    fn case_of(&self, subscriber: &str) -> anyhow::Result<Option<Value>> {
        let page = self.node.staff().get(&format!("/api/v1/cases?subscriber={subscriber}"))?;
        Ok(page["rows"].as_array().and_then(|rows| rows.iter().max_by_key(|r| r["case"].as_u64())).cloned())
    }

    /// Waits for one step; when it does not come, the timeline says what was awaited.
    fn step<T>(
        &mut self,
        timeline: &mut Timeline,
        step: Step,
        patience: Duration,
        awaited: &str,
        look: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        self.wait(patience, awaited, look).inspect_err(|_| timeline.missed(step, awaited))
    }

    /// Looks again and again until there is something, the time is over, the daemon has ended or somebody stops us.
    fn wait<T>(
        &mut self,
        patience: Duration,
        awaited: &str,
        mut look: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + patience;
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!(INTERRUPTED);
            }
            let last = match look(self) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => None,
                Err(e) => Some(e),
            };
            if let Some(status) = self.node.ended() {
                bail!("the daemon ended ({status}) while waiting for {awaited}");
            }
            if Instant::now() >= until {
                let why = last.map(|e| format!("; last: {e:#}")).unwrap_or_default();
                bail!("waited {} s for {awaited}{why}", patience.as_secs());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn find(list: &Value, matches: impl Fn(&Value) -> bool) -> Option<Value> {
    list.as_array()?.iter().find(|v| matches(v)).cloned()
}
