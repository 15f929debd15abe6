//! What is remembered of blocked traffic. It proves that an infection lives, and its absence that it does not, so it must be
//! the line's own, and one line must not take the room of others.

use super::flows::by_line;
use super::model::{Chain, Ip, Rule, Side, Term, protocol};
use super::names::set;
use super::wall::{Builder, names};

impl Builder<'_> {
    /// Attempts among what is blocked. Of TCP only the first packet is one; the rest of a flow from before the quarantine is
    /// not.
    pub(super) fn attempts(&self, ip: Ip) -> [Rule; 2] {
        [Term::Syn, Term::Protocol(protocol::UDP)].map(|first| {
            let mut rule = vec![first];
            if !self.config.evidence_ports.is_empty() {
                rule.push(Term::PortInSet(set::EVIDENCE));
            }
            rule.push(Term::Jump(names(ip).remember));
            rule
        })
    }

    /// Remembers an attempt, if it came from where the line is: what somebody else sends under its address is not its own. A
    /// line counts by its address or by its whole IPv6 prefix: however many addresses and subnets it uses, it takes one place
    /// for each port.
    pub(super) fn remember(&self, ip: Ip) -> [Chain; 2] {
        let n = names(ip);
        let mut own = match ip {
            Ip::V4 => vec![vec![Term::Remember(ip, None, n.attempts)]],
            Ip::V6 => by_line(Side::Source)
                .map(|(which, bits)| vec![which, Term::Remember(ip, Some(bits), n.attempts), Term::Return])
                .collect(),
        };
        let rules = if self.has_access() {
            self.each_access(&[Term::Goto(n.remembered)])
        } else {
            // Where nobody said which interfaces lines are behind, routing says it.
            own.insert(0, vec![Term::NoWayBack, Term::Return]);
            vec![vec![Term::Goto(n.remembered)]]
        };
        [Chain { name: n.remembered, hook: None, rules: own }, Chain { name: n.remember, hook: None, rules }]
    }
}
