//! The wall's counters as evidence: blocked attack traffic of a resident says that the infection lives.

use pratique_core::command::Command;
use pratique_core::ids::CaseId;
use pratique_core::plan::Element;
use pratique_core::playbook::PortSpec;
use pratique_core::time::{Span, Timestamp};
use pratique_core::wall::Attempt;
use pratique_core::world::World;
use rustc_hash::FxHashMap;

use super::threats::told_every;

/// What the counters said, and when they grew.
#[derive(Debug, Default)]
pub(super) struct Counters {
    known: FxHashMap<(Element, PortSpec), Known>,
    begun: bool,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Packets at the last reading.
    packets: u64,
    /// Of them, not yet told.
    untold: u64,
    /// The reading at which they last grew.
    grew_at: Timestamp,
}

impl Counters {
    /// Compares a reading with the one before; names the cases with new attack traffic. A case is told at most four times
    /// per wall silence, but always of the moment its traffic was last seen: what waits to be told is younger than a
    /// quarter of the silence, so silence is never overstated.
    pub(super) fn read(&mut self, world: &World, attempts: &[Attempt], read_at: Timestamp) -> Vec<Command> {
        let mut fresh: FxHashMap<CaseId, (u64, Timestamp)> = FxHashMap::default();
        // The wall outlives the daemon: what it counted and the log already knows is not news after a restart.
        let mut told_before: FxHashMap<CaseId, u64> = FxHashMap::default();
        for attempt in attempts {
            let Some(case) = case_behind(world, attempt.resident) else { continue };
            let Some(told_every) = attacks(world, case, attempt.port) else { continue };
            let key = (attempt.resident, attempt.port);
            let begun = self.begun;
            let known = self.known.entry(key).or_insert_with(|| {
                let recorded = world.cases().get(case).and_then(|c| c.wall_traffic).map_or(0, |(_, packets)| packets);
                let left = told_before.entry(case).or_insert(if begun { 0 } else { recorded });
                let packets = attempt.packets.min(*left);
                *left -= packets;
                Known { packets, untold: 0, grew_at: read_at }
            });
            // A smaller number than before: the wall was rebuilt and counts from nothing.
            let grown = if attempt.packets < known.packets { attempt.packets } else { attempt.packets - known.packets };
            known.packets = attempt.packets;
            if grown > 0 {
                known.untold = known.untold.saturating_add(grown);
                known.grew_at = read_at;
            }
            let last = world.cases().get(case).and_then(|c| c.wall_traffic).map(|(at, _)| at);
            if known.untold > 0 && last.is_none_or(|at| at.plus(told_every) <= read_at) {
                let (packets, last_seen) = fresh.entry(case).or_insert((0, known.grew_at));
                *packets = packets.saturating_add(known.untold);
                *last_seen = (*last_seen).max(known.grew_at);
                known.untold = 0;
            }
        }
        self.begun = true;
        self.known.retain(|(element, _), _| case_behind(world, *element).is_some());
        let told = |(case, (packets, last_seen))| Command::WallTraffic { case, packets, last_seen };
        fresh.into_iter().map(told).collect()
    }
}

/// The case whose element contains this resident's address or /64.
fn case_behind(world: &World, resident: Element) -> Option<CaseId> {
    if let Some(owner) = world.plan().elements.get(&resident) {
        return Some(owner.case);
    }
    let Element::V6(net) = resident else { return None };
    (48..net.prefix_len()).rev().find_map(|len| {
        let wider = ipnet::Ipv6Net::new(net.network(), len).ok()?.trunc();
        world.plan().elements.get(&Element::V6(wider)).map(|owner| owner.case)
    })
}

/// How often a case is told of traffic to this port; none if its playbooks do not count the port as an attack.
fn attacks(world: &World, case: CaseId, port: PortSpec) -> Option<Span> {
    let case = world.cases().get(case)?;
    let playbooks = case.troubles.iter().filter_map(|t| world.policy().playbook(&t.cause));
    let counting = playbooks.filter(|p| p.wall_ports.contains(&port));
    counting.map(|p| p.release.wall_silence).max().map(told_every)
}
