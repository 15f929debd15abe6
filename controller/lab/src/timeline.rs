//! What the lab shows: a timeline for people, or one JSON object per step for programs.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use serde::Serialize;

/// The steps of the story, in order. The names are those of `--json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A report about the line has been taken in.
    Sighting,
    /// The line that held the address is known.
    Attributed,
    /// A case waits for approval.
    Proposed,
    /// A member of staff approved it.
    Approved,
    /// The home's traffic no longer passes.
    Enforced,
    /// Its names lead to the portal.
    DnsSteered,
    /// Nothing of it gets out: open flows, new ones, attacks.
    OutboundBlocked,
    /// Nobody gets in.
    InboundBlocked,
    /// The subscriber sees why.
    PortalSeen,
    /// A check finds the unfixed device.
    RescanVulnerable,
    /// The device is fixed.
    Fixed,
    /// A check finds it clean.
    RescanClean,
    /// The line is let out.
    Released,
    /// Everything works again.
    Reachable,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 14] = [
        Self::Sighting,
        Self::Attributed,
        Self::Proposed,
        Self::Approved,
        Self::Enforced,
        Self::DnsSteered,
        Self::OutboundBlocked,
        Self::InboundBlocked,
        Self::PortalSeen,
        Self::RescanVulnerable,
        Self::Fixed,
        Self::RescanClean,
        Self::Released,
        Self::Reachable,
    ];

    /// In words.
    const fn title(self) -> &'static str {
        match self {
            Self::Sighting => "sighting",
            Self::Attributed => "attributed",
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Enforced => "enforced",
            Self::DnsSteered => "DNS steered",
            Self::OutboundBlocked => "outbound blocked",
            Self::InboundBlocked => "inbound blocked",
            Self::PortalSeen => "portal seen",
            Self::RescanVulnerable => "rescan: vulnerable",
            Self::Fixed => "fixed",
            Self::RescanClean => "rescan: clean",
            Self::Released => "released",
            Self::Reachable => "reachable",
        }
    }
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    t_ms: u128,
    step: Step,
    ok: bool,
    took_ms: u128,
    seen: &'a str,
}

/// Where the story is told.
#[derive(Debug)]
pub struct Timeline {
    json: bool,
    colour: bool,
    begun: Instant,
    last: Instant,
    seen: Vec<Step>,
}

impl Timeline {
    /// Begins. Colour only on a terminal, and never with NO_COLOR (no-color.org).
    pub fn begin(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let now = Instant::now();
        let colour = !json && !unwanted && std::io::stdout().is_terminal();
        Self { json, colour, begun: now, last: now, seen: Vec::new() }
    }

    /// A line for people between the steps.
    pub fn say(&self, text: &str) {
        if !self.json {
            self.print(&format!("{}  {text}", self.paint("2", &self.clock(Instant::now()))));
        }
    }

    /// Something beside the steps, in its own words for people.
    pub fn extra(&self, value: &serde_json::Value, words: &dyn Fn(&serde_json::Value) -> String) {
        if self.json { self.print(&value.to_string()) } else { self.say(&words(value)) }
    }

    /// What a kept lab offers: names, values, and what each is for.
    pub fn kept(&self, offers: &[(&str, &str, &str)]) {
        if self.json {
            let map: serde_json::Map<_, _> = offers.iter().map(|(n, v, _)| ((*n).to_string(), (*v).into())).collect();
            self.print(&serde_json::json!({ "kept": map }).to_string());
            return;
        }
        for (name, value, what) in offers {
            let what = self.paint("2", &format!("({what})"));
            self.print(&format!("  {} {value}  {what}", self.paint("1", &format!("{name:<8}"))));
        }
    }

    /// A step was observed: what was seen.
    pub fn observed(&mut self, step: Step, seen: &str) {
        self.step(step, true, seen);
        self.seen.push(step);
    }

    /// A step was not observed: what was awaited.
    pub fn missed(&mut self, step: Step, awaited: &str) {
        self.step(step, false, awaited);
    }

    /// Every step was observed, in order.
    pub fn complete(&self) -> bool {
        self.seen == Step::ALL
    }

    /// The end: the last JSON object, or a summary.
    pub fn end(&self, error: Option<&str>) {
        let ok = error.is_none() && self.complete();
        if self.json {
            let result = match error {
                _ if ok => serde_json::json!({ "result": "ok" }),
                Some(e) => serde_json::json!({ "result": "failed", "error": e }),
                None => serde_json::json!({ "result": "failed" }),
            };
            self.print(&result.to_string());
            return;
        }
        let took = self.last.duration_since(self.begun).as_secs_f64();
        let count = format!("{} of {} steps observed in {took:.1} s", self.seen.len(), Step::ALL.len());
        let mut text = String::from("\n");
        let verdict = if ok { self.paint("1;32", "ok") } else { self.paint("1;31", "failed") };
        write!(text, "{verdict}: {count}").ok();
        if let Some(e) = error {
            write!(text, "\n{e}").ok();
        }
        self.print(&text);
    }

    fn step(&mut self, step: Step, ok: bool, text: &str) {
        let now = Instant::now();
        let took = now.duration_since(self.last);
        self.last = now;
        if self.json {
            let t_ms = now.duration_since(self.begun).as_millis();
            let line = Line { t_ms, step, ok, took_ms: took.as_millis(), seen: text };
            self.print(&serde_json::to_string(&line).unwrap_or_default());
            return;
        }
        let mark = if ok { self.paint("32", "✔") } else { self.paint("31", "✘") };
        let title = self.paint("1", &format!("{:<19}", step.title()));
        self.print(&format!("{}  {mark} {title} {text}", self.paint("2", &self.clock(now))));
    }

    fn clock(&self, now: Instant) -> String {
        format!("{:>7.2} s", now.duration_since(self.begun).as_secs_f64())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A reader that went away (`| head`) must not end the lab before it has cleaned up.
    fn print(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_named_in_json_as_the_issue_names_them() {
        let names: Vec<String> = Step::ALL.iter().map(|s| serde_json::to_string(s).unwrap().replace('"', "")).collect();
        assert_eq!(
            names.join(" "),
            "sighting attributed proposed approved enforced dns_steered outbound_blocked inbound_blocked portal_seen \
             rescan_vulnerable fixed rescan_clean released reachable"
        );
    }

    #[test]
    fn only_all_steps_in_order_are_complete() {
        let mut timeline = Timeline::begin(true);
        for step in Step::ALL {
            assert!(!timeline.complete());
            timeline.observed(step, "");
        }
        assert!(timeline.complete());
    }
}
