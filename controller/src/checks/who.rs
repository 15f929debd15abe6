//! Whose line a visitor is on, at this moment. Pure.

use pratique_core::ids::{CaseId, LineNo};
use pratique_core::session::{Ambiguity, Attribution, Holding};
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use pratique_portal::Visitor;
use smol_str::SmolStr;

/// The directory's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Nobody, or more than one.
    Nobody,
    /// Several lines share the address, and the port is none of theirs.
    Shared,
    /// This line.
    Holder(Holder),
}

/// A line, and what the page may say of its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) line: LineNo,
    pub(super) held: bool,
    pub(super) case: Option<CaseId>,
    pub(super) language: Option<SmolStr>,
    /// The subscriber did not opt out of what we do.
    pub(super) may_be_told: bool,
    /// What the line holds now.
    pub(super) live: Vec<Holding>,
}

impl Who {
    pub(super) fn is(world: &World, visitor: Visitor) -> Self {
        let Visitor { address, port } = visitor;
        let directory = world.directory();
        let Some(line) = directory.holder(address, Some(port)) else {
            // The time does not matter for sharing: any shared session of the address makes it so.
            let without_port =
                directory.attribute(address, None, Timestamp::MAX.minus(Span::from_millis(1)), Span::ZERO);
            let shared = matches!(without_port, Attribution::Ambiguous(Ambiguity::NoPort));
            return if shared { Self::Shared } else { Self::Nobody };
        };
        let case = world.cases().open_of(line);
        Self::Holder(Holder {
            line,
            held: case.is_some_and(pratique_core::state::Case::is_enforced),
            case: case.filter(|case| case.is_told()).map(|case| case.id),
            may_be_told: world.lines.get(line).is_some_and(|line| !line.contract.opted_out),
            live: directory.live(line).collect(),
            language: world.lines.get(line).and_then(|line| line.contract.language.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use pratique_core::ids::{SightingNo, TextRef};
    use pratique_core::machine::Cases;
    use pratique_core::session::Session;
    use pratique_core::sighting::{Severity, Sighting, Transport};
    use proptest::prelude::*;

    use super::*;

    const SHARED: [u8; 4] = [192, 0, 2, 9];

    fn world() -> World {
        let built_in = pratique_policy::built_in().unwrap().policy;
        World::new(Arc::new(pratique_core::policy::Policy { digest: TextRef([0; 32]), ..built_in }), Cases::default())
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + minutes * 60)
    }

    fn hold(world: &mut World, subscriber: &str, holding: Holding, from: i64, to: Option<i64>) -> LineNo {
        let (line, _) = world.lines.note(&subscriber.into(), None);
        let to = to.map_or(Timestamp::MAX, at);
        world.record_session(&Session { line, holding, nas: 0, from: at(from), to }, at(1_000));
        line
    }

    fn visitor(address: [u8; 4], port: u16) -> Visitor {
        Visitor { address: address.into(), port }
    }

    fn line_of(who: &Who) -> Option<LineNo> {
        if let Who::Holder(holder) = who { Some(holder.line) } else { None }
    }

    #[test]
    fn behind_cgnat_the_port_decides_and_without_a_fitting_one_nobody_is_shown() {
        let mut world = world();
        let a = hold(&mut world, "a", Holding::V4Ports(SHARED.into(), 1024, 2047), 0, None);
        let b = hold(&mut world, "b", Holding::V4Ports(SHARED.into(), 2048, 4095), 0, None);
        assert_eq!(line_of(&Who::is(&world, visitor(SHARED, 1024))), Some(a));
        assert_eq!(line_of(&Who::is(&world, visitor(SHARED, 4095))), Some(b));
        assert_eq!(Who::is(&world, visitor(SHARED, 80)), Who::Shared);
        assert_eq!(Who::is(&world, visitor([192, 0, 2, 1], 1024)), Who::Nobody);
    }

    #[test]
    fn an_address_that_two_lines_claim_is_nobodys_and_one_that_was_left_too() {
        let mut world = world();
        let address = [192, 0, 2, 1];
        hold(&mut world, "a", Holding::V4(address.into()), 0, None);
        hold(&mut world, "b", Holding::V4(address.into()), 10, None);
        assert_eq!(Who::is(&world, visitor(address, 5)), Who::Nobody);
        hold(&mut world, "a", Holding::V4(address.into()), 0, Some(10));
        hold(&mut world, "b", Holding::V4(address.into()), 10, Some(20));
        assert_eq!(Who::is(&world, visitor(address, 5)), Who::Nobody);
    }

    proptest! {
        /// Three lines pass two addresses on; sightings fall anywhere. Whoever visits sees only what was seen while this very
        /// line held the address over the whole clock error.
        #[test]
        fn what_was_seen_of_a_former_holder_is_never_shown(
            tenures in prop::collection::vec((0_usize..3, 0_u8..2, 0_i64..300, prop::option::of(1_i64..300)), 1..12),
            sightings in prop::collection::vec((0_u8..2, 0_i64..600, 0_i64..20), 1..12),
        ) {
            let mut world = world();
            for (who, address, from, lasts) in tenures {
                let holding = Holding::V4([192, 0, 2, address].into());
                hold(&mut world, ["a", "b", "c"][who], holding, from, lasts.map(|l| from + l));
            }
            let seen: Vec<(Option<LineNo>, Sighting)> = (1..).zip(sightings).map(|(number, (address, minute, error))| {
                let sighting = Sighting {
                    source: "s".into(), report: "r".into(), cause: "mirai".into(),
                    address: [192, 0, 2, address].into(), port: Some(23), transport: Some(Transport::Tcp),
                    observed_at: at(minute), clock_error: Span::from_mins(error), severity: Severity::High,
                    device: None, detail: Vec::new(),
                };
                (world.sight(&sighting, SightingNo(number), at(700)).line, sighting)
            }).collect();
            for address in 0..2 {
                let who = Who::is(&world, visitor([192, 0, 2, address], 40_000));
                let Some(line) = line_of(&who) else { continue };
                for (_, sighting) in seen.iter().filter(|(whose, _)| *whose == Some(line)) {
                    let (first, last) = (
                        sighting.observed_at.minus(sighting.clock_error), sighting.observed_at.plus(sighting.clock_error),
                    );
                    for moment in [first, sighting.observed_at, last] {
                        let held = world.directory().sessions_of(line).iter().any(|s| {
                            s.holding.covers(sighting.address, None) && s.from <= moment && moment < s.to
                        });
                        prop_assert!(held, "{sighting:?} was not of {line:?}");
                        let others = world.directory().tenants(IpAddr::from([192, 0, 2, match sighting.address {
                            IpAddr::V4(a) => a.octets()[3],
                            IpAddr::V6(_) => 0,
                        }]));
                        let rival = others.iter().any(|s| s.line != line && s.from <= moment && moment < s.to);
                        prop_assert!(!rival, "{sighting:?} may have been another's");
                    }
                }
            }
        }
    }
}
