//! Part `self_check` of section `portal.pages`. Off where it is not there: the page shows what was seen of a line to
//! everybody in the house, and it is only as right as the sessions are. A provider has to want that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pratique_core::rescan::Probe;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::settings::SettingsError;

/// The self-check page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfCheck {
    /// Pages for one line per minute; where nobody is known to be held at an address, for that IPv4 address or IPv6 prefix
    /// (`limits.home_prefix`). Behind CGNAT many homes share one, hence not less.
    pub looks_per_minute: u32,
    /// Look-ups under way at once on this node; the rest waits for `limits.desk_timeout` and is then told to come again. Each
    /// takes a millisecond.
    pub looks_at_once: usize,
    /// Scans of the visitor's own line, after consent; none offers none.
    pub scan: Option<Scans>,
    /// Open figures at `/figures` and `/figures.json`. Off by default: publishing them is for the provider to decide.
    pub figures: bool,
    /// Campaigns whose links, `/check?c=<name>`, are counted: short names. None by default.
    pub campaigns: Vec<SmolStr>,
    /// Pictures of your own, shown where a link is shared: by language a PNG of 1200x630 pixels.
    pub pictures: BTreeMap<SmolStr, PathBuf>,
}

/// Scans that visitors may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scans {
    /// For one line per hour. Who has shut a door wants to look again; more only disturbs small devices.
    pub per_line: u32,
    /// For all lines per minute on this node.
    pub per_minute: u32,
    /// Under way at once on this node: fewer than `scan.max_concurrent`, so that residents never wait behind visitors.
    pub at_once: u32,
    /// What is asked, beside what the line was reported for. By default the doors that harmful programs look for first and that
    /// no home needs open; a web server on 443 may be wanted.
    pub probes: Vec<Probe>,
}

impl Default for SelfCheck {
    fn default() -> Self {
        Self {
            looks_per_minute: 60,
            looks_at_once: 32,
            scan: Some(Scans::default()),
            figures: false,
            campaigns: Vec::new(),
            pictures: BTreeMap::new(),
        }
    }
}

impl Default for Scans {
    fn default() -> Self {
        let probes = vec![
            Probe::Telnet(23),
            Probe::Telnet(2323),
            Probe::Adb(5555),
            Probe::HttpAdmin(80),
            Probe::HttpAdmin(8080),
            Probe::OpenDns(53),
            Probe::Ssdp(1900),
            Probe::NtpMonlist(123),
            Probe::SnmpPublic(161),
        ];
        Self { per_line: 3, per_minute: 30, at_once: 8, probes }
    }
}

/// More would not fit into the packets and the time of one scan.
const MOST_PROBES: usize = 16;

impl SelfCheck {
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.looks_per_minute == 0 || self.looks_at_once == 0 {
            let problem = "a limit of 0 would shut the page; use at least 1, or remove self_check";
            return Err(SettingsError::new("self_check", problem));
        }
        self.check_sharing()?;
        let Some(scan) = &self.scan else { return Ok(()) };
        if scan.per_line == 0 || scan.per_minute == 0 || scan.at_once == 0 {
            let problem = "a limit of 0 would refuse every scan; use at least 1, or write `scan: null` to offer none";
            return Err(SettingsError::new("self_check.scan", problem));
        }
        if scan.per_line > 20 {
            let problem = "more than 20 an hour would keep small devices busy; use a smaller number";
            return Err(SettingsError::new("self_check.scan.per_line", problem));
        }
        if scan.probes.is_empty() || scan.probes.len() > MOST_PROBES {
            let problem = format!("name 1 to {MOST_PROBES} probes, such as telnet or http-admin:8080");
            return Err(SettingsError::new("self_check.scan.probes", problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_part_switches_the_page_on_and_a_limit_of_nothing_is_refused() {
        let empty: SelfCheck = serde_yaml::from_str("{}").unwrap();
        assert_eq!(empty, SelfCheck::default());
        assert!(empty.check().is_ok());
        for wrong in ["looks_per_minute: 0", "looks_at_once: 0"] {
            let error = serde_yaml::from_str::<SelfCheck>(wrong).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with("portal.self_check: a limit of 0"), "{error}");
        }
        for (wrong, field) in [
            ("scan: {per_line: 0}", "self_check.scan: "),
            ("scan: {at_once: 0}", "self_check.scan: "),
            ("scan: {per_line: 21}", "self_check.scan.per_line: "),
            ("scan: {probes: []}", "self_check.scan.probes: "),
        ] {
            let error = serde_yaml::from_str::<SelfCheck>(wrong).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
        assert!(serde_yaml::from_str::<SelfCheck>("scan: null").unwrap().scan.is_none());
        assert!(serde_yaml::from_str::<SelfCheck>("scan: {probes: [ssh]}").is_err());
        assert!(serde_yaml::from_str::<SelfCheck>("looks_per_hour: 5").is_err());
    }
}
