//! More lines in trouble than the story has, for people and browsers that visit the lab.

use std::net::IpAddr;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::super::devices::{Camera, OpenResolver, open_page};
use super::super::reports::{Report, Visit};
use super::super::town::{Home, PORTAL4};
use super::{LATER, SOON, Stage, find};

/// One more infected camera, for visitors to deal with.
#[derive(Debug)]
pub struct Infected {
    /// Where it stands.
    pub home: Home,
    /// The case about it.
    pub case: u64,
    /// The device.
    pub camera: Camera,
}

/// A line that was warned of its open resolver.
#[derive(Debug)]
pub struct Warned {
    /// Where it stands.
    pub home: Home,
    /// The case about it.
    pub case: u64,
    /// The device.
    pub resolver: OpenResolver,
}

impl Stage {
    /// Brings a visitor's report in and returns the cases it opened.
    ///
    /// # Errors
    /// When it is not taken in.
    pub fn visit(&mut self, visit: &Visit) -> anyhow::Result<Vec<Value>> {
        let staff = self.node.staff();
        self.node.deliver(&visit.report)?;
        let name = visit.report.name.clone();
        let delivery = self.wait(LATER, "the visitor's report to be taken in", |_| {
            let all = staff.get("/api/v1/deliveries")?;
            Ok(find(&all, |d| d["name"].as_str().is_some_and(|n| n.contains(&name))))
        })?;
        let mut cases = vec![json!({ "delivery": delivery })];
        for home in self.town.homes.iter().filter(|h| !h.visiting.is_empty()) {
            if let Some(row) = self.case_of(&home.subscriber)? {
                cases.push(json!({ "addresses": home.visiting, "case": row }));
            }
        }
        Ok(cases)
    }

    /// Two more cameras are taken and reported, in the last two homes. The first one's line is walled; the second one's
    /// case waits in the queue for whoever looks at the console.
    ///
    /// # Errors
    /// When that is not reached.
    pub fn leave_to_visitors(&mut self) -> anyhow::Result<[Infected; 2]> {
        let [.., first, second] = &self.town.homes[..] else { bail!("the town has too few homes") };
        let [first, second] = [first.clone(), second.clone()];
        Ok([self.wall_in(&first)?, self.infect(&second)?])
    }

    /// One more camera is taken and reported, and the line is walled.
    ///
    /// # Errors
    /// When that is not reached.
    pub fn wall_in(&mut self, home: &Home) -> anyhow::Result<Infected> {
        let walled = self.infect(home)?;
        let staff = self.node.staff();
        self.wait(SOON, "the approval to be taken", |s| {
            let row = s.case_of(&home.subscriber)?.context("the case is gone")?;
            let approval = json!({ "version": row["version"], "reason": "Seen attacking; evidence checked." });
            staff.post(&format!("/api/v1/cases/{}/approve", walled.case), &approval).map(Some)
        })?;
        let portal = IpAddr::V4(PORTAL4);
        self.wait(SOON, "the line to be walled", |_| {
            let page = home.namespace.run(|| open_page("www.example.com.", "/"))?;
            Ok(page.is_ok_and(|(at, _)| at == portal).then_some(()))
        })?;
        Ok(walled)
    }

    fn infect(&mut self, home: &Home) -> anyhow::Result<Infected> {
        let camera = Camera::plug_in(home, &self.runtime)?;
        self.node.deliver(&Report::infected_camera(home.v4.into(), SystemTime::now())?)?;
        let row = self.wait(SOON, "the case to be proposed", |s| {
            Ok(s.case_of(&home.subscriber)?.filter(|row| row["state"] == "proposed"))
        })?;
        Ok(Infected { home: home.clone(), case: row["case"].as_u64().context("a case without a number")?, camera })
    }

    /// One more open resolver is reported, of which the subscriber is warned: the line stays as it is.
    ///
    /// # Errors
    /// When that is not reached.
    pub fn warn(&mut self, home: &Home) -> anyhow::Result<Warned> {
        let resolver = OpenResolver::plug_in(home, &self.runtime)?;
        for day in Report::open_resolver(home.v4.into(), SystemTime::now())? {
            self.node.deliver(&day)?;
        }
        let row = self.wait(SOON, "the subscriber to be warned", |s| {
            Ok(s.case_of(&home.subscriber)?.filter(|row| row["state"] == "warned"))
        })?;
        Ok(Warned { home: home.clone(), case: row["case"].as_u64().context("a case without a number")?, resolver })
    }
}
