//! What was found on a machine, in words: what holds, and what to do where it does not.

use super::{Flowtable, Machine, Meddles, NatChain, Tracking};
use crate::EnforceError;
use crate::access::Access;
use crate::config::WallConfig;
use crate::ruleset::STEERED_AT;

/// Which kind of remark; a closed set, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Address translation on this machine.
    Nat,
    /// Destinations are translated before the wall leads them to portal and resolver.
    EarlyNat,
    /// Packets are taken out of connection tracking.
    Untracked,
    /// Somebody else sets conntrack zones.
    ForeignZone,
    /// iptables' own raw table, which may do either.
    RawTable,
    /// A flow table.
    Flowtable,
    /// Sources are checked nowhere.
    NoAccessCheck,
    /// An entry of `access_interfaces` that no interface has.
    UnknownInterface,
    /// An entry that packets do not come in by, since its interface is part of another.
    PartOfAnother,
    /// A bridge, whose ports reach each other without being routed.
    Bridge,
    /// An XDP program.
    Xdp,
    /// It could not be looked at.
    Unread,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Nat,
        Self::EarlyNat,
        Self::Untracked,
        Self::ForeignZone,
        Self::RawTable,
        Self::Flowtable,
        Self::NoAccessCheck,
        Self::UnknownInterface,
        Self::PartOfAnother,
        Self::Bridge,
        Self::Xdp,
        Self::Unread,
    ];

    /// Somebody should change something. Translation is only good to know: the wall works beside it. A table that may do no harm is no
    /// reason to change it.
    pub const fn is_trouble(self) -> bool {
        !matches!(self, Self::Nat | Self::RawTable)
    }

    /// As label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::EarlyNat => "early-nat",
            Self::Untracked => "notrack",
            Self::ForeignZone => "ct-zone",
            Self::RawTable => "raw-table",
            Self::Flowtable => "flowtable",
            Self::NoAccessCheck => "no-access-check",
            Self::UnknownInterface => "unknown-interface",
            Self::PartOfAnother => "part-of-another",
            Self::Bridge => "bridge",
            Self::Xdp => "xdp",
            Self::Unread => "unread",
        }
    }
}

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Which kind.
    pub kind: Kind,
    /// What, what holds, and what to do. Where a setting is concerned, it begins with its name.
    pub what: String,
}

/// `NF_INET_PRE_ROUTING`.
const PREROUTING: u32 = 0;

/// What there is to say about this wall on this machine.
pub fn remarks(config: &WallConfig, found: Result<&Machine, &EnforceError>) -> Vec<Remark> {
    let mut said = Vec::new();
    let mut say = |kind, what| said.push(Remark { kind, what });
    let access = config.access();
    if access.is_empty() {
        say(
            Kind::NoAccessCheck,
            "wall.access_interfaces is empty: nobody's source address is checked, so a home behind the wall gets out under \
             another's address. Name the interfaces that subscribers are behind, as [home0] or [ppp*]"
                .into(),
        );
    }
    let machine = match found {
        Ok(machine) => machine,
        Err(error) => {
            let what = format!(
                "this machine was not looked at for address translation, connection tracking, flow tables and the interfaces of \
                 wall.access_interfaces: {error}"
            );
            say(Kind::Unread, what);
            return said;
        }
    };
    if !machine.nat.is_empty() {
        say(Kind::Nat, translated(&machine.nat));
    }
    for chain in machine.nat.iter().filter(|c| c.hook == Some(PREROUTING) && c.priority <= STEERED_AT) {
        let what = format!(
            "the chain {} translates destinations at priority {}, before the wall leads residents' DNS and HTTP to resolver and \
             portal: what it translates is led elsewhere, and refused. Give it a priority above {}",
            chain.name, chain.priority, STEERED_AT
        );
        say(Kind::EarlyNat, what);
    }
    for chain in &machine.tracking {
        let (kind, what) = tracked(chain);
        say(kind, what);
    }
    for table in &machine.flowtables {
        say(Kind::Flowtable, offloaded(table));
    }
    for entry in &access {
        let here: Vec<_> = machine.links.iter().filter(|link| entry.matches(&link.name)).collect();
        if here.is_empty() {
            say(Kind::UnknownInterface, unknown(entry, machine));
        }
        for link in here {
            let master = link.master.and_then(|index| machine.links.iter().find(|l| l.index == index));
            let unnamed = master.filter(|master| !access.iter().any(|entry| entry.matches(&master.name)));
            let kind = link.part_of.as_deref().filter(|kind| ["bridge", "bond", "team"].contains(kind));
            if let (Some(kind), Some(master)) = (kind, unnamed) {
                let (part, whole) = (&link.name, &master.name);
                let what = format!(
                    "wall.access_interfaces names {part}, which is part of the {kind} {whole}: packets come in by {whole}, \
                         and their sources are not checked. Name {whole}"
                );
                say(Kind::PartOfAnother, what);
            }
            if link.kind.as_deref() == Some("bridge") {
                let what = format!(
                    "{} of wall.access_interfaces is a bridge: homes on its ports reach each other without passing this \
                     machine's rules, behind the wall or not. Isolate the ports (`bridge link set dev PORT isolated on`)",
                    link.name
                );
                say(Kind::Bridge, what);
            }
            if link.xdp {
                let what = format!(
                    "an XDP program is attached to {} of wall.access_interfaces: packets that it forwards itself pass no rule, \
                     the wall's neither",
                    link.name
                );
                say(Kind::Xdp, what);
            }
        }
    }
    said
}

fn translated(chains: &[NatChain]) -> String {
    let names: Vec<_> = chains.iter().map(|chain| chain.name.as_str()).collect();
    format!(
        "addresses are translated on this machine ({}): what residents may reach works through it in both directions. The wall \
         knows a line by its address before translation: session lists and `networks` of policy.yaml have to name that one",
        names.join(", ")
    )
}

fn tracked(chain: &Tracking) -> (Kind, String) {
    let name = &chain.name;
    match chain.how {
        Meddles::Untracked => (
            Kind::Untracked,
            format!(
                "the chain {name} takes packets out of connection tracking (notrack). Of residents' packets among them, answers of what \
                 is open to them do not come in, nobody counts their connections, and their DNS and HTTP are refused instead of led to \
                 resolver and portal. Leave packets from and to subscribers out of it"
            ),
        ),
        Meddles::Zoned => (
            Kind::ForeignZone,
            format!(
                "the chain {name} sets conntrack zones, and the first zone that a packet gets is the one that counts: where that is \
                 not the wall's, a connection from before a quarantine is not led to resolver and portal, and answers of what is \
                 open may not be found. Leave packets from and to subscribers out of it"
            ),
        ),
        Meddles::Unknown => (
            Kind::RawTable,
            format!(
                "{name} is loaded, and what its rules do cannot be seen from here: they must not take subscribers' packets out of \
                 connection tracking or give them a zone (`iptables-legacy -t raw -S` and `ip6tables-legacy -t raw -S` show them)"
            ),
        ),
    }
}

fn offloaded(table: &Flowtable) -> String {
    let devices = if table.devices.is_empty() { "no interface".to_owned() } else { table.devices.join(", ") };
    let how = if table.hardware { ", in the network card" } else { "" };
    format!(
        "the flow table {} ({devices}{how}) forwards flows past all rules, the wall's too: a flow that it took over before a \
         quarantine goes on through it. Take residents' interfaces out of it, or do not add their flows",
        table.name
    )
}

fn unknown(entry: &Access, machine: &Machine) -> String {
    let mut names: Vec<_> = machine.links.iter().map(|l| l.name.as_str()).filter(|name| *name != "lo").collect();
    names.sort_unstable();
    /// Enough to recognise the right one.
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    names.truncate(SHOWN);
    let here = if names.is_empty() { "none but lo".to_owned() } else { format!("{}{more}", names.join(", ")) };
    format!(
        "wall.access_interfaces names {entry}, and no interface here is called so: until there is one, no source is checked by it \
         (here are: {here})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::link::Link;

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.into(), ..Link::default() }
    }

    fn said(access: &[&str], machine: &Machine) -> Vec<(Kind, String)> {
        let access_interfaces = Some(access.iter().map(|name| (*name).to_owned()).collect());
        let config = WallConfig { access_interfaces, ..WallConfig::default() };
        remarks(&config, Ok(machine)).into_iter().map(|remark| (remark.kind, remark.what)).collect()
    }

    #[test]
    fn a_plain_router_with_its_interfaces_named_has_nothing_to_say() {
        let machine = Machine { links: vec![link(1, "lo"), link(2, "home0"), link(3, "ppp7")], ..Machine::default() };
        assert_eq!(said(&["home0", "ppp*"], &machine), []);
    }

    #[test]
    fn whatever_moves_packets_past_the_wall_is_named_with_what_holds() {
        let chain = |name: &str, hook, priority| NatChain { name: name.into(), hook: Some(hook), priority };
        let mut port = link(2, "home0");
        (port.master, port.part_of, port.xdp) = (Some(4), Some("bridge".into()), true);
        let mut bridge = link(4, "br0");
        bridge.kind = Some("bridge".into());
        let machine = Machine {
            nat: vec![chain("ip nat post", 4, 100), chain("ip nat pre", 0, -150), chain("ip late pre", 0, -100)],
            tracking: [Meddles::Untracked, Meddles::Zoned, Meddles::Unknown]
                .map(|how| Tracking { name: format!("ip raw {how:?}"), how })
                .into(),
            flowtables: vec![Flowtable { name: "inet x f".into(), devices: vec!["home0".into()], hardware: true }],
            links: vec![link(1, "lo"), port, bridge],
        };
        let found = said(&["home0", "ppp*"], &machine);
        let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
        let tracking = [Kind::Untracked, Kind::ForeignZone, Kind::RawTable];
        let rest = [Kind::Flowtable, Kind::PartOfAnother, Kind::Xdp, Kind::UnknownInterface];
        let wanted = [&[Kind::Nat, Kind::EarlyNat][..], &tracking, &rest].concat();
        assert_eq!(kinds, wanted, "{found:?}");
        assert!(found[0].1.contains("ip nat post, ip nat pre") && found[1].1.contains("priority -150"));
        assert!(found[2].1.contains("ip raw Untracked") && found[3].1.contains("ip raw Zoned"), "{found:?}");
        assert!(found[4].1.contains("cannot be seen from here") && !Kind::RawTable.is_trouble(), "{found:?}");
        assert!(found[5].1.contains("inet x f (home0, in the network card)"));
        assert!(
            found[6].1.ends_with("packets come in by br0, and their sources are not checked. Name br0"),
            "{found:?}"
        );
        assert!(found[8].1.contains("names ppp*") && found[8].1.contains("here are: br0, home0"), "{found:?}");
        assert_eq!(said(&["br0"], &machine).last().unwrap().0, Kind::Bridge);
    }

    #[test]
    fn what_was_not_looked_at_is_said_and_no_check_at_all_is_said_first() {
        let config = WallConfig { access_interfaces: Some(Vec::new()), ..WallConfig::default() };
        let found = remarks(&config, Err(&EnforceError::Forbidden));
        let kinds: Vec<_> = found.iter().map(|remark| remark.kind).collect();
        assert_eq!(kinds, [Kind::NoAccessCheck, Kind::Unread]);
        assert!(found[0].what.contains("[ppp*]") && found[1].what.contains("CAP_NET_ADMIN"), "{found:?}");
    }

    #[test]
    fn every_kind_has_a_label_of_its_own() {
        let mut labels: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Kind::ALL.len());
    }
}
