//! The gardens in use, and numbers for them, so that the index can say in 24 bits which one a line sees. There is one garden
//! for each combination of causes and families, so the numbers stay few.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use ipnet::IpNet;
use smol_str::SmolStr;

use crate::allow::AllowList;
use crate::ids::CauseKey;
use crate::playbook::{AllowName, PortSpec};
use crate::policy::Policy;
use crate::reach::Families;
use crate::sighting::Transport;

/// What residents with the same causes, known over the same families, share: everything that a resolver's answer depends on
/// beside the name, and what else is open to them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Garden {
    /// Their causes, in order.
    pub causes: Box<[CauseKey]>,
    /// Names they may reach.
    pub allow: AllowList,
    /// Families over which the portal knows their lines: they are led to no address of the other one.
    pub known_over: Families,
    /// Those of them that everybody in the garden may reach, whatever the causes.
    pub everybody: AllowList,
    /// Networks that the policy always opens.
    pub networks: Box<[IpNet]>,
    /// Sites for people among the names, by name, those for the steps first.
    pub sites: Box<[Site]>,
}

/// A site that a resident may open in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: SmolStr,
    /// It can be reached over https; otherwise over http alone.
    pub https: bool,
    /// A playbook of the line's causes opens it: it helps with the steps. Otherwise it is open to everybody in the garden.
    pub for_steps: bool,
}

impl Garden {
    /// For these causes, in any order, with these names and nothing else.
    pub fn new(causes: impl IntoIterator<Item = CauseKey>, allow: AllowList) -> Self {
        let mut causes: Vec<_> = causes.into_iter().collect();
        causes.sort_unstable();
        causes.dedup();
        Self { causes: causes.into(), allow, known_over: Families::BOTH, ..Self::default() }
    }

    /// The same for lines that are known over these families only.
    #[must_use]
    pub fn known_over(self, families: Families) -> Self {
        Self { known_over: families, ..self }
    }

    /// What a policy opens to residents with these causes.
    pub fn of(causes: impl IntoIterator<Item = CauseKey>, policy: &Policy) -> Self {
        let bare = Self::new(causes, AllowList::default());
        let own = bare.causes.iter().filter_map(|cause| policy.playbook(cause)).flat_map(|playbook| &playbook.garden);
        let own: Vec<&AllowName> = own.collect();
        let mut sites = Vec::new();
        add_sites(&mut sites, &own, true);
        add_sites(&mut sites, &policy.global.garden.names.iter().collect::<Vec<_>>(), false);
        Self {
            allow: policy.allow_list(&bare.causes),
            everybody: policy.allow_list([]),
            networks: policy.global.garden.networks.clone().into(),
            sites: sites.into(),
            ..bare
        }
    }
}

fn add_sites(sites: &mut Vec<Site>, names: &[&AllowName], for_steps: bool) {
    let mut more: Vec<Site> = Vec::new();
    // What one playbook keeps from people (`link: false`), another does not show by not saying so.
    let hidden = |name: &SmolStr| names.iter().any(|other| other.name == *name && other.link == Some(false));
    for allow in names.iter().filter(|allow| allow.is_site() && !hidden(&allow.name)) {
        let https = allow.ports.contains(&PortSpec { port: 443, transport: Transport::Tcp });
        match more.iter_mut().chain(sites.iter_mut()).find(|site| site.name == allow.name) {
            Some(site) => site.https |= https,
            None => more.push(Site { name: allow.name.clone(), https, for_steps }),
        }
    }
    more.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    sites.append(&mut more);
}

/// The number of a garden. Never used again for another one, so whoever remembers something about a number need not be told
/// when its garden is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GardenNo(pub u32);

impl GardenNo {
    /// All numbers are used up; the garden must be asked of the resident itself.
    pub const UNKNOWN: Self = Self((1 << 24) - 1);
}

/// The gardens in use.
#[derive(Debug, Default)]
pub(super) struct Gardens(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the garden's place in memory: it stays there while it is known here.
    numbers: FxHashMap<usize, (GardenNo, u64)>,
    gardens: FxHashMap<GardenNo, Arc<Garden>>,
    next: u32,
}

impl Gardens {
    /// One more entry of the view is in this garden.
    pub(super) fn enter(&self, garden: &Arc<Garden>) -> GardenNo {
        let known = &mut *self.lock();
        let (number, entries) = known.numbers.entry(place(garden)).or_insert_with(|| {
            let number = GardenNo(known.next.min(GardenNo::UNKNOWN.0));
            known.next = number.0.saturating_add(1);
            known.gardens.insert(number, Arc::clone(garden));
            (number, 0)
        });
        *entries += 1;
        *number
    }

    /// One entry less is in this garden.
    pub(super) fn leave(&self, garden: &Arc<Garden>) {
        let known = &mut *self.lock();
        let Some((number, entries)) = known.numbers.get_mut(&place(garden)) else { return };
        *entries = entries.saturating_sub(1);
        if *entries == 0 {
            known.gardens.remove(number);
            known.numbers.remove(&place(garden));
        }
    }

    /// The garden of a number; none when nobody is in it any more.
    pub(super) fn garden(&self, number: GardenNo) -> Option<Arc<Garden>> {
        self.lock().gardens.get(&number).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(garden: &Arc<Garden>) -> usize {
    Arc::as_ptr(garden).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_names_that_people_open_and_not_what_programs_ask() {
        let mut policy = crate::testing::policy();
        let names = |text: &str| -> Vec<AllowName> { serde_json::from_str(text).unwrap() };
        policy.global.garden.names = names(
            r#"[{"name": "pool.ntp.org", "ports": ["123/udp"]}, {"name": "ocsp.ca.example", "ports": ["80/tcp"]},
                {"name": "help.isp.example", "ports": ["443/tcp"]}, {"name": "*.bank.example", "ports": ["443/tcp"]},
                {"name": "old.isp.example", "ports": ["80/tcp"], "link": true}]"#,
        );
        let playbook = policy.playbooks.get_mut(&"mirai".into()).unwrap();
        playbook.garden = names(
            r#"[{"name": "www.vendor.example"}, {"name": "cdn.vendor.example", "link": false},
                {"name": "*.update.example"}, {"name": "help.isp.example"}]"#,
        );
        let said = |causes: &[&str]| -> Vec<String> {
            let garden = Garden::of(causes.iter().map(|cause| CauseKey::from(*cause)), &policy);
            let said = |s: &Site| {
                format!("{}{}{}", s.name, if s.https { "" } else { " http" }, if s.for_steps { " steps" } else { "" })
            };
            garden.sites.iter().map(said).collect()
        };
        assert_eq!(said(&["mirai"]), ["help.isp.example steps", "www.vendor.example steps", "old.isp.example http"]);
        assert_eq!(said(&["open-telnet"]), ["help.isp.example", "old.isp.example http"]);
    }

    #[test]
    fn a_garden_keeps_its_number_while_in_use_and_the_number_is_never_another_gardens() {
        let gardens = Gardens::default();
        let (one, two) = (Arc::new(Garden::default()), Arc::new(Garden::default()));
        let first = gardens.enter(&one);
        assert_eq!(gardens.enter(&one), first);
        assert_ne!(gardens.enter(&two), first);
        gardens.leave(&one);
        assert!(gardens.garden(first).is_some_and(|garden| Arc::ptr_eq(&garden, &one)));
        gardens.leave(&one);
        assert!(gardens.garden(first).is_none());
        assert_ne!(gardens.enter(&one), first);
    }
}
