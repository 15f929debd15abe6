//! The scanner gets in to residents, and residents may answer it: only while a scan asks, only at the doors it asks at. A packet
//! under the scanner's name at any other time opens nothing.

use super::model::{Fixed, Ip, KeyType, Rule, Set, Side, Term};
use super::wall::{Builder, names};

/// ICMP types: echo and its reply (RFC 792, RFC 4443).
fn echo(ip: Ip) -> (u8, u8) {
    match ip {
        Ip::V4 => (8, 0),
        Ip::V6 => (128, 129),
    }
}

impl Builder<'_> {
    /// The sets of this part.
    pub(super) fn scan_sets(&self, ip: Ip) -> Vec<Set> {
        if self.scanner(ip).is_empty() {
            return Vec::new();
        }
        let n = names(ip);
        let set = |name, key| Set { name, key, interval: false, timeout: true, dynamic: None, fixed: Fixed::None };
        vec![set(n.scans, KeyType::Attempt(ip)), set(n.echoes, KeyType::Address(ip))]
    }

    /// To a resident.
    pub(super) fn scans_in(&self, ip: Ip) -> Vec<Rule> {
        if self.scanner(ip).is_empty() {
            return Vec::new();
        }
        let n = names(ip);
        let from = || Term::InSet(ip, Side::Source, None, n.scanner);
        let echoes = Term::InSet(ip, Side::Destination, None, n.echoes);
        vec![
            vec![from(), Term::Endpoint(ip, Side::Destination, n.scans), Term::Accept],
            vec![from(), Term::Icmp(ip, echo(ip).0), echoes, Term::Accept],
        ]
    }

    /// From a resident.
    pub(super) fn answers_to_scanner(&self, ip: Ip) -> Vec<Rule> {
        if self.scanner(ip).is_empty() {
            return Vec::new();
        }
        let n = names(ip);
        let to = || [Term::InSet(ip, Side::Destination, None, n.scanner), Term::Answer];
        let echoes = Term::InSet(ip, Side::Source, None, n.echoes);
        vec![
            [&to()[..], &[Term::Endpoint(ip, Side::Source, n.scans), Term::Accept]].concat(),
            [&to()[..], &[Term::Icmp(ip, echo(ip).1), echoes, Term::Accept]].concat(),
        ]
    }
}
