//! The wall's counters as evidence: blocked attack traffic of a resident says that the infection lives.

use pratique_core::command::Command;
use pratique_core::ids::CaseId;
use pratique_core::plan::Element;
use pratique_core::playbook::PortSpec;
use pratique_core::time::{Span, Timestamp};
use pratique_core::world::World;
use rustc_hash::FxHashMap;

use crate::enforce::Attempt;

/// What the counters said when they last became an event.
#[derive(Debug, Default)]
pub(super) struct Counters {
    told: FxHashMap<(Element, PortSpec), u64>,
}

impl Counters {
    /// Compares a reading with what was told before; names the cases with new attack traffic. A case is told at most four
    /// times per wall silence: what came between is told with the next, later, so that silence is never overstated.
    pub(super) fn read(&mut self, world: &World, attempts: &[Attempt], read_at: Timestamp) -> Vec<Command> {
        let mut fresh: FxHashMap<CaseId, (u64, Vec<(Element, PortSpec, u64)>)> = FxHashMap::default();
        for attempt in attempts {
            let Some(case) = case_behind(world, attempt.resident) else { continue };
            let Some(told_every) = attacks(world, case, attempt.port) else { continue };
            let last = world.cases().get(case).and_then(|c| c.wall_traffic).map(|(at, _)| at);
            if last.is_some_and(|at| at.plus(told_every) > read_at) {
                continue;
            }
            let told = self.told.get(&(attempt.resident, attempt.port)).copied().unwrap_or(0);
            // A smaller number than before: the wall was built anew and counts from nothing.
            let new = if attempt.packets < told { attempt.packets } else { attempt.packets - told };
            if new > 0 {
                let (packets, parts) = fresh.entry(case).or_default();
                *packets = packets.saturating_add(new);
                parts.push((attempt.resident, attempt.port, attempt.packets));
            }
        }
        let mut commands = Vec::new();
        for (case, (packets, parts)) in fresh {
            self.told.extend(parts.into_iter().map(|(element, port, n)| ((element, port), n)));
            commands.push(Command::WallTraffic { case, packets });
        }
        self.told.retain(|(element, _), _| case_behind(world, *element).is_some());
        commands
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
    let silence = counting.map(|p| p.release.wall_silence.as_millis()).max()?;
    Some(Span::from_millis((silence / 4).clamp(1_000, 300_000)))
}
