//! Foreign rules that decide what connection tracking sees: `notrack`, and `ct zone set`, of nftables and of iptables over it.

use super::{family_name, loaded};
use crate::netlink::msg;
use crate::netlink::socket::{NetlinkError, Socket};
use crate::netlink::wire::{Attributes, INET, Message};

/// A chain of somebody else with such a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tracking {
    /// Family, table and chain as `nft` writes them.
    pub name: String,
    /// What its rules do.
    pub how: Meddles,
}

/// What is done to a packet before connection tracking sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meddles {
    /// It is not looked up at all.
    Untracked,
    /// It is looked up in a zone.
    Zoned,
    /// iptables' own table, of which only its presence is known.
    Unknown,
}

/// The chains of others, each once for each thing that its rules do.
pub(super) fn chains(socket: &mut Socket, own: &str) -> Result<Vec<Tracking>, NetlinkError> {
    let found = std::cell::RefCell::new(Vec::new());
    let each = |message: Message<'_>| found.borrow_mut().extend(read(message, own));
    socket.dump_of(super::EVERY_FAMILY, msg::GETRULE, || found.borrow_mut().clear(), each)?;
    let mut found = found.into_inner();
    let raw = [("ip_tables_names", "iptables raw"), ("ip6_tables_names", "ip6tables raw")];
    let raw = raw.into_iter().filter(|(file, _)| loaded(file, "raw"));
    found.extend(raw.map(|(_, name)| Tracking { name: name.into(), how: Meddles::Unknown }));
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What one rule does.
fn read(message: Message<'_>, own: &str) -> Vec<Tracking> {
    // NFTA_RULE_TABLE, _CHAIN and _EXPRESSIONS.
    let attributes = message.attributes();
    let text = |kind| attributes.text(kind).unwrap_or_default();
    let (family, table) = (message.family(), text(1));
    if family == INET && table == own {
        return Vec::new();
    }
    let expressions = attributes.nested(4).into_iter().flatten().map(|(_, expression)| Attributes(expression));
    let tracking = |how| Tracking { name: format!("{} {table} {}", family_name(family), text(2)), how };
    expressions.filter_map(meddles).map(tracking).collect()
}

/// What one expression does: NFTA_EXPR_NAME and _DATA.
fn meddles(expression: Attributes<'_>) -> Option<Meddles> {
    /// `NFT_CT_ZONE`.
    const ZONE: u32 = 17;
    let data = expression.nested(2);
    match expression.text(1)? {
        "notrack" => Some(Meddles::Untracked),
        // NFTA_CT_KEY, and NFTA_CT_SREG: it is set, not read.
        "ct" => data.filter(|ct| ct.u32(2) == Some(ZONE) && ct.get(4).is_some()).map(|_| Meddles::Zoned),
        // iptables over nftables: NFTA_TARGET_NAME, and NFTA_TARGET_INFO, a `struct xt_ct_target_info`.
        "target" => match data?.text(1)? {
            "NOTRACK" => Some(Meddles::Untracked),
            "CT" => {
                let info = data?.get(3)?;
                let number = |at: usize| Some(u16::from_ne_bytes(info.get(at..at + 2)?.try_into().ok()?));
                match (number(0)? & 1, number(2)?) {
                    // XT_CT_NOTRACK.
                    (1, _) => Some(Meddles::Untracked),
                    (_, 0) => None,
                    _ => Some(Meddles::Zoned),
                }
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::netlink::wire::{Messages, NFTABLES, Writer};
    use super::*;

    /// A rule of a table with one expression, as the kernel dumps it.
    fn rule(family: u8, table: &str, name: &str, data: impl FnOnce(&mut Writer)) -> Vec<Tracking> {
        let mut w = Writer::default();
        w.message(NFTABLES | msg::NEWRULE, 0, 1, family, 0);
        w.text(1, table);
        w.text(2, "pre");
        let list = w.begin(4);
        let element = w.begin(1);
        w.text(1, name);
        let inside = w.begin(2);
        data(&mut w);
        w.end(inside);
        w.end(element);
        w.end(list);
        read(Messages(w.as_slice()).next().unwrap(), "pratique")
    }

    fn target(name: &str, info: [u16; 2]) -> impl FnOnce(&mut Writer) {
        let info: Vec<u8> = info.iter().flat_map(|number| number.to_ne_bytes()).collect();
        move |w| {
            w.text(1, name);
            w.u32(2, 2);
            w.bytes(3, &info);
        }
    }

    #[test]
    fn rules_that_take_packets_out_of_tracking_or_into_a_zone_are_known_and_others_are_not() {
        let named = |name: &str, how| vec![Tracking { name: name.into(), how }];
        let zone = |w: &mut Writer| {
            w.u32(2, 17);
            w.u32(4, 8);
        };
        assert_eq!(rule(2, "raw", "notrack", |_| ()), named("ip raw pre", Meddles::Untracked));
        assert_eq!(rule(INET, "elses", "ct", zone), named("inet elses pre", Meddles::Zoned));
        assert_eq!(rule(INET, "pratique", "ct", zone), [], "our own");
        assert_eq!(rule(10, "pratique", "ct", zone), named("ip6 pratique pre", Meddles::Zoned), "not our family");
        let read_zone = |w: &mut Writer| {
            w.u32(2, 17);
            w.u32(1, 8);
        };
        assert_eq!(rule(INET, "elses", "ct", read_zone), [], "it is only compared");
        assert_eq!(rule(2, "raw", "target", target("CT", [1, 0])), named("ip raw pre", Meddles::Untracked));
        assert_eq!(rule(2, "raw", "target", target("CT", [0, 7])), named("ip raw pre", Meddles::Zoned));
        assert_eq!(rule(2, "raw", "target", target("CT", [0, 0])), [], "a helper");
        assert_eq!(rule(2, "raw", "target", target("LOG", [1, 7])), []);
        assert_eq!(rule(2, "raw", "counter", |_| ()), []);
    }
}
