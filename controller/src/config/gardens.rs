//! What the configuration demands of the policies: a playbook for each cause of `dns.gardens`, and something open for each
//! promise of the portal; and a wall that opens the addresses of `dns.gardens`.

use pratique_core::ids::CauseKey;
use pratique_core::policy::{Policy, UnknownSources};
use pratique_policy::file::ConfigError;
use pratique_policy::nearest;

use super::{Config, EnforcerKind};

impl Config {
    /// What this configuration says that does not fit these policies, each with its place and its remedy. Nothing is in
    /// force with a problem: not at start, and not when the policies are read again.
    pub fn misfits(&self, policy: &Policy) -> Vec<ConfigError> {
        let gardens = self.dns.iter().flat_map(|dns| &dns.gardens).enumerate();
        let causes = gardens.flat_map(|(n, garden)| garden.causes.iter().map(move |cause| (n, cause)));
        let unknown = causes.filter(|(_, cause)| !policy.playbooks.contains_key(cause));
        let mut found: Vec<String> = unknown
            .map(|(n, cause)| {
                let meant = nearest(cause.as_str(), policy.playbooks.keys().map(CauseKey::as_str));
                let meant = meant.map(|m| format!("did you mean `{m}`? ")).unwrap_or_default();
                format!(
                    "dns.gardens[{n}].causes has `{cause}`, which has no playbook in {}: {meant}correct it, remove it, or \
                     write its playbook",
                    self.policies.display()
                )
            })
            .collect();
        let broken = self.broken_promises(policy).into_iter();
        found.extend(broken.filter(|broken| broken.fatal).map(|broken| broken.what));
        found.extend(self.unchecked_sources(policy));
        self.placed(found)
    }

    /// What a daemon starts with under these policies, though hardly anybody means it so, each with its place and its remedy:
    /// said by `check-config`, at start and on the health page.
    pub fn doubts(&self, policy: &Policy) -> Vec<ConfigError> {
        let broken = self.broken_promises(policy).into_iter();
        let found = broken.filter(|broken| !broken.fatal).map(|broken| broken.what);
        self.placed(
            found
                .chain(self.shut_links(policy))
                .chain(self.portals_dropped_at_home())
                .chain(self.inward_doubts(policy))
                .chain(self.http_doubt(policy))
                .collect(),
        )
    }

    /// All that a daemon starts with under these policies and that somebody should look at, in words.
    pub fn warnings(&self, policy: &Policy) -> Vec<String> {
        let doubts = self.doubts(policy);
        self.scan.warning(policy).into_iter().chain(doubts.iter().map(ToString::to_string)).collect()
    }

    /// Sources that nobody holds are dropped where subscribers are, and nowhere else.
    fn unchecked_sources(&self, policy: &Policy) -> Option<String> {
        let asked = self.enforcer == EnforcerKind::Nft && policy.global.unknown_sources == UnknownSources::Drop;
        (asked && self.wall.access().is_empty()).then(|| {
            "wall.access_interfaces names none, and policy.yaml says `unknown_sources: drop`: packets from which interfaces? Name \
             those that subscribers are behind, or write `unknown_sources: pass`"
                .into()
        })
    }

    /// Addresses that residents are told and this node's wall keeps shut.
    pub(super) fn walled_off_portals(&self) -> Vec<String> {
        let Some(dns) = self.dns.as_ref().filter(|_| self.enforcer == EnforcerKind::Nft) else { return Vec::new() };
        let (wall, mut found) = (&self.wall, Vec::new());
        for (n, garden) in dns.gardens.iter().enumerate() {
            for address in garden.addresses() {
                let open = wall.all_portals().any(|portal| portal == address)
                    || wall.garden_networks.iter().any(|net| net.contains(&address));
                if !open {
                    let causes: Vec<_> = garden.causes.iter().map(CauseKey::as_str).collect();
                    found.push(format!(
                        "wall.portals lacks {address}, the portal that dns.gardens[{n}] tells residents with {}: they could \
                         not reach it; add the address",
                        causes.join(", ")
                    ));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pratique_policy::file::parse_yaml;

    use crate::config::{Config, EnforcerKind};

    fn parse(text: &str) -> Config {
        parse_yaml(Path::new("pratique.yaml"), text).unwrap()
    }

    #[test]
    fn portals_that_the_wall_keeps_shut_are_named_with_the_field_to_add_them_to() {
        let said = |enforcer: &str, wall: &str| {
            let text = format!(
                "enforcer: {enforcer}\nwall: {{portal4: 192.0.2.80, access_interfaces: [], {wall}}}\n\
                 dns: {{portal_host: help.isp.example, portal4: 192.0.2.80, gardens: [{{causes: [mirai, open-telnet], \
                 portal4: 192.0.2.81, portal6: '2001:db8::81'}}, {{causes: [generic], portal4: 192.0.2.80}}]}}\n"
            );
            parse(&text).problems()
        };
        let found = said("nft", "portals: [192.0.2.81]");
        assert_eq!(
            found,
            [
                "wall.portals lacks 2001:db8::81, the portal that dns.gardens[0] tells residents with mirai, open-telnet: they \
              could not reach it; add the address"
            ]
        );
        assert_eq!(said("nft", "").len(), 2);
        assert_eq!(said("nft", "portals: [192.0.2.81, '2001:db8::81']"), Vec::<String>::new());
        assert_eq!(said("nft", "garden_networks: ['2001:db8::/64'], portals: [192.0.2.81]"), Vec::<String>::new());
        assert_eq!(said("dry-run", ""), Vec::<String>::new(), "nothing is walled");
    }

    #[test]
    fn the_example_of_the_readme_is_sound_and_fits_the_policies_that_come_with_it() {
        let page = include_str!("../../../policies/README.md");
        let example =
            page.split("```yaml\n").find_map(|rest| rest.starts_with("dns:").then(|| rest.split("```").next()));
        let config = parse(example.flatten().unwrap());
        assert!(config.enforcer == EnforcerKind::Nft && config.dns.as_ref().unwrap().gardens.len() == 2);
        assert_eq!(config.problems(), Vec::<String>::new());
        assert_eq!(config.misfits(&pratique_policy::built_in().unwrap().policy), []);
    }

    #[test]
    fn dropping_sources_that_nobody_holds_asks_for_the_interfaces_of_subscribers() {
        let mut policy = pratique_policy::built_in().unwrap().policy;
        let said = |policy: &_, access: &str, enforcer: &str| {
            let text = format!("enforcer: {enforcer}\nwall: {{portal4: 192.0.2.80, access_interfaces: {access}}}\n");
            parse(&text).misfits(policy).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said(&policy, "[]", "nft"), Vec::<String>::new());
        policy.global.unknown_sources = pratique_core::policy::UnknownSources::Drop;
        let found = said(&policy, "[]", "nft");
        assert!(found.len() == 1 && found[0].contains("wall.access_interfaces names none"), "{found:?}");
        assert_eq!(said(&policy, "[home0]", "nft"), Vec::<String>::new());
        assert_eq!(said(&policy, "[]", "dry-run"), Vec::<String>::new());
    }

    #[test]
    fn a_cause_without_playbook_is_named_with_its_entry_and_what_was_meant() {
        let policy = pratique_policy::built_in().unwrap().policy;
        let config = |causes: &str| {
            parse(&format!(
                "dns: {{portal_host: p.isp.example, portal4: 192.0.2.80, gardens: [{{causes: [mirai], portal4: 192.0.2.81}}, \
                 {{causes: {causes}, portal4: 192.0.2.82}}]}}\n"
            ))
        };
        assert!(config("[open-telnet, generic]").misfits(&policy).is_empty());
        let found = config("[open-telnet, open-teknet]").misfits(&policy);
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "configuration: dns.gardens[1].causes has `open-teknet`, which has no playbook in policies: did you mean \
              `open-telnet`? correct it, remove it, or write its playbook"
            ]
        );
        assert!(Config::default().misfits(&policy).is_empty());
    }
}
