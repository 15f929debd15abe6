//! What anybody holds now, for a wall that asks for the sources of packets: everything once, then what changed. An address that
//! homes share by ports counts as held.

use rustc_hash::FxHashSet;

use super::tenure::Tenure;
use super::{Directory, Key};
use crate::plan::Element;

impl Directory {
    /// Everything that is held now, in no order.
    pub fn held_now(&self) -> Vec<Element> {
        let v4 = self.v4.iter().filter(|(_, tenures)| held(tenures)).map(|(address, _)| Key::V4(*address));
        let v6 = self.v6.iter().filter(|(_, tenures)| held(tenures)).map(|((n, length), _)| Key::V6(*n, *length));
        v4.chain(v6).filter_map(element).collect()
    }

    /// From now on changes are noted for [`Directory::take_stirred`].
    pub fn begin_stirring(&mut self) {
        self.stirred = Some(FxHashSet::default());
    }

    /// Nobody asks any more.
    pub fn end_stirring(&mut self) {
        self.stirred = None;
    }

    /// Changes are noted.
    pub const fn is_stirring(&self) -> bool {
        self.stirred.is_some()
    }

    /// What may have changed since the last time: held now, or not.
    pub fn take_stirred(&mut self) -> Vec<(Element, bool)> {
        let stirred = self.stirred.as_mut().map(std::mem::take).unwrap_or_default();
        stirred.into_iter().filter_map(|key| Some((element(key)?, held(self.at(key))))).collect()
    }

    pub(super) fn stir(&mut self, key: Key) {
        if let Some(stirred) = &mut self.stirred {
            stirred.insert(key);
        }
    }
}

fn held(tenures: &[Tenure]) -> bool {
    tenures.iter().any(Tenure::is_live)
}

fn element(key: Key) -> Option<Element> {
    match key {
        Key::V4(address) => Some(Element::V4(address)),
        Key::V6(network, length) => ipnet::Ipv6Net::new(network.into(), length).ok().map(Element::V6),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::LineNo;
    use crate::session::{Holding, Session};
    use crate::time::{Span, Timestamp};

    fn session() -> impl Strategy<Value = (Session, bool)> {
        let holding = prop_oneof![
            (0u8..3).prop_map(|n| Holding::V4([192, 0, 2, n].into())),
            (0u16..2).prop_map(|n| Holding::V4Ports([192, 0, 2, 1].into(), n * 100, n * 100 + 99)),
            (56u8..58)
                .prop_map(|length| Holding::V6(ipnet::Ipv6Net::new_assert("2001:db8::".parse().unwrap(), length))),
        ];
        let at = |n: i64| Timestamp::from_millis(1_700_000_000_000).plus(Span::from_mins(n));
        (1u32..4, holding, 0i64..3, prop_oneof![Just(None), (3i64..6).prop_map(Some)], any::<bool>()).prop_map(
            move |(line, holding, from, to, forget)| {
                let to = to.map_or(Timestamp::MAX, at);
                (Session { line: LineNo(line), holding, nas: 0, from: at(from), to }, forget)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_told_in_steps_is_what_is_held(told in prop::collection::vec(session(), 0..24), cut in 0usize..24) {
            let mut directory = Directory::default();
            let mut told = told.into_iter();
            let apply = |directory: &mut Directory, (session, forget): (Session, bool)| {
                if forget {
                    directory.forget(&session);
                } else {
                    directory.record(&session);
                }
            };
            told.by_ref().take(cut).for_each(|one| apply(&mut directory, one));
            directory.begin_stirring();
            let mut known: BTreeSet<Element> = directory.held_now().into_iter().collect();
            for one in told {
                apply(&mut directory, one);
                for (element, held) in directory.take_stirred() {
                    if held { known.insert(element) } else { known.remove(&element) };
                }
            }
            prop_assert!(directory.take_stirred().is_empty());
            prop_assert_eq!(known, directory.held_now().into_iter().collect::<BTreeSet<_>>());
        }
    }
}
