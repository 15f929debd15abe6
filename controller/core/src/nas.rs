//! Names of gateways (NAS, BNG, BRAS), each with the source that speaks of it. Sessions carry a number instead: there are
//! millions of sessions and a few thousand names.
//!
//! One gateway has a number for each source that speaks of it, since sources fall silent each by itself. What a gateway does
//! to its sessions (a restart, a snapshot) concerns all its numbers: [`Nases::numbers`].

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::ids::SourceName;

/// All that were ever named. Numbers begin with 1 and are never given again: 0 stands for none.
#[derive(Clone, Debug, Default)]
pub struct Nases {
    by_number: FxHashMap<u16, Nas>,
    by_name: FxHashMap<Nas, u16>,
    last: u16,
}

/// One gateway, as one source speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nas {
    /// What it is called; empty for what a source says of no gateway.
    pub name: SmolStr,
    /// Who speaks of it; empty where an older program did not note that.
    pub source: SourceName,
}

impl Nas {
    /// A gateway of which nobody noted who speaks of it.
    fn unsaid(name: &SmolStr) -> Self {
        Self { name: name.clone(), source: SourceName::new("") }
    }
}

impl Nases {
    /// The number of a gateway, as a source speaks of it. True if it has to be stored: it is new, or it is now known who
    /// speaks of it.
    pub fn note(&mut self, source: &SourceName, name: &SmolStr) -> (u16, bool) {
        let nas = Nas { name: name.clone(), source: source.clone() };
        if let Some(known) = self.by_name.get(&nas) {
            return (*known, false);
        }
        // The first source that names it gets what an older program knew of it.
        if let Some(known) = self.by_name.remove(&Nas::unsaid(name)) {
            self.put(known, nas);
            return (known, true);
        }
        // 65,535 gateways are more than any provider has; beyond that, sessions go without one.
        let Some(next) = self.last.checked_add(1) else { return (0, false) };
        self.put(next, nas);
        (next, true)
    }

    /// Puts a name as stored.
    pub fn put(&mut self, number: u16, nas: Nas) {
        self.last = self.last.max(number);
        self.by_name.insert(nas.clone(), number);
        self.by_number.insert(number, nas);
    }

    /// The gateway of a number; none for 0.
    pub fn get(&self, number: u16) -> Option<&Nas> {
        self.by_number.get(&number)
    }

    /// The name of a number; none for 0.
    pub fn name(&self, number: u16) -> Option<&SmolStr> {
        self.get(number).map(|nas| &nas.name).filter(|name| !name.is_empty())
    }

    /// All numbers of a gateway, whoever speaks of it.
    pub fn numbers(&self, name: &str) -> Vec<u16> {
        let mut numbers: Vec<u16> =
            self.by_number.iter().filter(|(_, nas)| nas.name == name).map(|(n, _)| *n).collect();
        numbers.sort_unstable();
        numbers
    }

    /// All of them, with their numbers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Nas)> {
        self.by_number.iter().map(|(number, nas)| (*number, nas))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nas(source: &str, name: &str) -> Nas {
        Nas { name: name.into(), source: source.into() }
    }

    #[test]
    fn each_name_has_one_number_and_each_number_its_name() {
        let mut nases = Nases::default();
        nases.put(7, nas("radius", "bng-7"));
        let mut note = |name: &str| nases.note(&"radius".into(), &name.into());
        assert_eq!((note("bng-1"), note("bng-1"), note("bng-7")), ((8, true), (8, false), (7, false)));
        assert_eq!(nases.name(0), None);
        assert_eq!(
            (nases.name(7).map(SmolStr::as_str), nases.name(8).map(SmolStr::as_str)),
            (Some("bng-7"), Some("bng-1"))
        );
    }

    #[test]
    fn a_gateway_has_a_number_for_each_source_and_the_first_one_takes_over_what_was_known() {
        let mut nases = Nases::default();
        nases.put(3, nas("", "bng-1"));
        let mut note = |source: &str, name: &str| nases.note(&source.into(), &name.into());
        assert_eq!((note("radius", "bng-1"), note("sessions", "bng-1")), ((3, true), (4, true)));
        assert_eq!(
            (note("sessions", "bng-1"), note("radius", "bng-1"), note("radius", "")),
            ((4, false), (3, false), (5, true))
        );
        assert_eq!((nases.numbers("bng-1"), nases.numbers("bng-2")), (vec![3, 4], vec![]));
        assert_eq!((nases.get(3), nases.name(5)), (Some(&nas("radius", "bng-1")), None));
    }

    #[test]
    fn beyond_the_last_number_a_name_goes_without_one() {
        let mut nases = Nases::default();
        nases.put(u16::MAX, nas("radius", "last"));
        assert_eq!(nases.note(&"radius".into(), &"one more".into()), (0, false));
        assert_eq!(nases.note(&"radius".into(), &"last".into()), (u16::MAX, false));
    }
}
