//! What the portal promises still works, held against what is open. A promise about emergency calls that nothing keeps stops
//! a daemon whose wall stands; every other one is named, and no page makes it.

use pratique_core::allow::by_way_of_portal;
use pratique_core::ids::CauseKey;
use pratique_core::policy::Policy;
use pratique_core::view::Garden;
use pratique_dns::PlainHttp;
use pratique_portal::promises::{NodeOpens, Open, kept, shut_links};

use super::{Config, EnforcerKind};

/// A line behind the wall must still be able to call for help.
const CALLS_FOR_HELP: [&str; 2] = ["emergency", "phone"];

/// A promise that nothing keeps.
pub(super) struct Broken {
    /// Begins with its key.
    pub(super) what: String,
    /// A daemon does not start with it.
    pub(super) fatal: bool,
}

impl Config {
    /// What this node opens to residents beside the policy. A name is opened in the wall by the resolver of the same node.
    pub fn node_opens(&self) -> NodeOpens {
        let names = self.dns.is_some();
        let http = self.dns.as_ref().is_some_and(|dns| dns.plain_http == PlainHttp::Open) || self.forwards_http();
        NodeOpens { networks: self.wall.garden_networks.clone(), names, http }
    }

    /// Names that have plain HTTP alone are passed on by the portal of this node.
    pub fn forwards_http(&self) -> bool {
        self.portal.is_some() && self.dns.as_ref().is_some_and(|dns| dns.plain_http == PlainHttp::Forward)
    }

    /// Names of the gardens that residents cannot reach, because nobody on this node passes plain HTTP on.
    pub(super) fn http_doubt(&self, policy: &Policy) -> Option<String> {
        self.dns.as_ref().filter(|_| !self.node_opens().http)?;
        let everything = Garden::of(policy.playbooks.keys().cloned().collect::<Vec<CauseKey>>(), policy);
        let shut: Vec<String> =
            everything.allow.names().filter(|(_, ports)| by_way_of_portal(ports)).map(|(name, _)| name).collect();
        let first = shut.first()?;
        Some(format!(
            "dns.plain_http is `forward`, and this node has no section portal that would pass requests on: residents do not reach \
             the {} names that the gardens open on 80/tcp alone, such as {first}. Add the section, or write `plain_http: open`, \
             which opens port 80 to whatever is behind their addresses",
            shut.len()
        ))
    }

    /// Promises of the portal that nothing keeps under this policy, for no line.
    pub(super) fn broken_promises(&self, policy: &Policy) -> Vec<Broken> {
        let Some(portal) = &self.portal else { return Vec::new() };
        let (pages, node) = (&portal.pages, self.node_opens());
        let everybody = Garden::of([], policy);
        // What a cause needs is promised to lines with that cause alone, so one playbook that opens something is enough.
        let somebody = Garden::of(policy.playbooks.keys().cloned().collect::<Vec<CauseKey>>(), policy);
        let broken = |(n, work): (usize, &smol_str::SmolStr)| {
            let garden = if work == "steps" { &somebody } else { &everybody };
            let open = Open { garden, networks: &node.networks, names: node.names, http: node.http, shut: &[] };
            let broken = kept(pages, work, open).err()?;
            let walls = self.enforcer == EnforcerKind::Nft;
            let fatal = walls && CALLS_FOR_HELP.contains(&work.as_str());
            let so = if fatal { "" } else { "; until then no page says it" };
            let what = format!(
                "portal.pages.still_works[{n}] promises `{work}`, and nothing keeps it: {}. {}, or remove the promise{so}",
                broken.missing,
                sentence(&broken.remedy)
            );
            Some(Broken { what, fatal })
        };
        pages.still_works.iter().enumerate().filter_map(broken).collect()
    }
}

impl Config {
    /// Links of the portal's pages that residents cannot open.
    pub(super) fn shut_links(&self, policy: &Policy) -> Vec<String> {
        let Some(portal) = &self.portal else { return Vec::new() };
        let (garden, node) = (Garden::of([], policy), self.node_opens());
        let open = Open { garden: &garden, networks: &node.networks, names: node.names, http: node.http, shut: &[] };
        let said = |(key, name): (&str, String)| {
            format!(
                "portal.pages.{key} leads residents to {name}, which is shut for them: open it in garden.names of policy.yaml, or \
                 leave it out"
            )
        };
        shut_links(&portal.pages, open).into_iter().map(said).collect()
    }
}

/// With a large first letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pratique_policy::file::{ConfigError, parse_yaml};

    use crate::config::Config;

    const PAGES: &str = "portal_url: 'http://help.isp.example/', provider: {name: N, phone: '1', site: isp.example/q}";

    fn config(enforcer: &str, wall: &str, still_works: &str) -> Config {
        let text = format!(
            "enforcer: {enforcer}\nwall: {{portal4: 192.0.2.80, access_interfaces: []{wall}}}\ndns: {{portal_host: help.isp.example, portal4: \
             192.0.2.80}}\nportal:\n  listen: ['192.0.2.80:80']\n  pages: {{{PAGES}, still_works: {still_works}}}\n"
        );
        parse_yaml(Path::new("pratique.yaml"), &text).unwrap()
    }

    /// Errors and doubts, with the words that tell them apart.
    fn said(config: &Config, change: impl FnOnce(&mut pratique_core::policy::Policy)) -> (Vec<String>, Vec<String>) {
        let mut policy = pratique_policy::built_in().unwrap().policy;
        change(&mut policy);
        let words = |found: Vec<ConfigError>| found.iter().map(ToString::to_string).collect();
        (words(config.misfits(&policy)), words(config.doubts(&policy)))
    }

    #[test]
    fn a_promise_about_calls_that_nothing_keeps_stops_a_daemon_that_walls_and_is_named_in_a_dry_run() {
        let walls = config("nft", "", "[emergency, phone, steps, wifi-calling]");
        let (errors, doubts) = said(&walls, |_| ());
        assert_eq!((errors.len(), doubts.len()), (2, 0), "{errors:?} {doubts:?}");
        assert_eq!(
            errors[0],
            "configuration: portal.pages.still_works[0] promises `emergency`, and nothing keeps it: no network is always open \
             (garden.networks of policy.yaml, wall.garden_networks), and no name with port 5060 or 5061. Name the networks of \
             your voice service under garden.networks, write `kept_by: {emergency: elsewhere}` if it does not pass this wall, \
             or remove the promise"
        );
        let dry = config("dry-run", "", "[emergency, phone]");
        let (errors, doubts) = said(&dry, |_| ());
        assert_eq!((errors.len(), doubts.len()), (0, 2), "{errors:?} {doubts:?}");
        assert!(doubts[1].contains("[1] promises `phone`") && doubts[1].ends_with("until then no page says it"));
        let voice = |policy: &mut pratique_core::policy::Policy| {
            policy.global.garden.networks = vec!["192.0.2.16/28".parse().unwrap()];
        };
        assert_eq!(said(&walls, voice), (Vec::new(), Vec::new()));
        let by_wall = config("nft", ", garden_networks: [192.0.2.16/28]", "[emergency, phone]");
        assert_eq!(said(&by_wall, |_| ()), (Vec::new(), Vec::new()));
        let elsewhere = config("nft", "", "[emergency], kept_by: {emergency: elsewhere}");
        assert_eq!(said(&elsewhere, |_| ()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn every_other_promise_that_nothing_keeps_is_named_and_starts_nobodys_trouble() {
        let walls =
            config("nft", ", garden_networks: [192.0.2.16/28]", "[banking, television, coffee, steps, wifi-calling]");
        let (errors, doubts) = said(&walls, |_| ());
        assert_eq!(errors, Vec::<String>::new());
        let named: Vec<_> = doubts.iter().map(|d| d.split('`').nth(1).unwrap()).collect();
        assert_eq!(named, ["banking", "coffee"], "{doubts:?}");
        let (_, doubts) = said(&walls, |policy| {
            policy.global.garden.names.retain(|name| !name.name.ends_with("3gppnetwork.org"));
            policy.playbooks.values_mut().for_each(|playbook| playbook.garden.clear());
        });
        assert_eq!(doubts.len(), 4, "{doubts:?}");
        // Names with plain HTTP alone are reached by way of the portal, and without one not at all.
        let no_pages = Config { portal: None, ..walls.clone() };
        let shut = said(&no_pages, |_| ()).1;
        assert!(shut[0].contains("dns.plain_http is `forward`") && shut[0].contains("such as "), "{shut:?}");
        assert_eq!(said(&Config { enforcer: crate::config::EnforcerKind::DryRun, ..walls.clone() }, |_| ()).1.len(), 2);
        // Names that nobody opens keep nothing.
        let bare = Config { dns: None, ..walls };
        assert!(said(&bare, |_| ()).1.iter().any(|d| d.contains("`wifi-calling`") && d.contains("no section dns")));
    }
}
