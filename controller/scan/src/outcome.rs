//! The table: what was observed at an address, and which verdict that is. Pure; [`super::run`] feeds it.

use pratique_core::rescan::Verdict;

use super::probe::Saw;

/// What one probe saw at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Bytes came back, or the connection was accepted; judged already.
    Said(Saw),
    /// The device itself refused: a TCP reset, or ICMP port unreachable sent by the address asked.
    Refused,
    /// Somebody on the way refused: ICMP administratively prohibited, or port unreachable from another address.
    Filtered,
    /// ICMP or our own host says that there is no way there.
    Unreachable,
    /// Nothing at all, for the whole time of the probe.
    Silent,
    /// The address was no longer the line's when a packet was about to leave, or when the verdict was due.
    Moved,
    /// It could not be asked or waited for, for a reason on our side.
    NotAsked(&'static str),
}

impl Observed {
    /// Proves that the line is there and that our packets reach it.
    pub const fn proves_life(self) -> bool {
        matches!(self, Self::Said(_) | Self::Refused)
    }
}

/// What else is known when one observation is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Something else at the same address proved life in this run.
    pub alive: bool,
    /// The positive control of this kind answered, in this address family and in this run.
    pub control: bool,
    /// Silence may count: UDP always; TCP when the settings say so.
    pub silence_counts: bool,
}

/// The verdict on one observation, and its key.
pub fn conclude(observed: Observed, context: Context) -> (Verdict, &'static str) {
    let clean = |found| if context.control { (Verdict::Clean, found) } else { (Verdict::Inconclusive, "no-control") };
    match observed {
        Observed::Said(Saw { verdict: Verdict::Clean, found }) => clean(found),
        Observed::Said(Saw { verdict, found }) => (verdict, found),
        Observed::Refused => clean("refused"),
        Observed::Silent if context.silence_counts && context.alive => clean("silent"),
        Observed::Silent => (Verdict::Inconclusive, "timeout"),
        Observed::Filtered => (Verdict::Inconclusive, "filtered"),
        Observed::Unreachable => (Verdict::Inconclusive, "unreachable"),
        Observed::Moved => (Verdict::Inconclusive, "address-changed"),
        Observed::NotAsked(why) => (Verdict::Inconclusive, why),
    }
}

/// One verdict over all addresses of a line: vulnerable if any is; clean only if every one is; else the first reason
/// against it. No addresses: inconclusive.
pub fn over_addresses(verdicts: &[(Verdict, &'static str)]) -> (Verdict, &'static str) {
    let first = |wanted| verdicts.iter().find(|(v, _)| *v == wanted).copied();
    first(Verdict::Vulnerable)
        .or_else(|| first(Verdict::Inconclusive))
        .or_else(|| first(Verdict::Clean))
        .unwrap_or((Verdict::Inconclusive, "no-address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Clean, Inconclusive, Vulnerable};

    const BEST: Context = Context { alive: true, control: true, silence_counts: true };

    #[test]
    fn every_row_of_the_table_holds() {
        let dead = Context { alive: false, ..BEST };
        let no_control = Context { control: false, ..BEST };
        let tcp = Context { silence_counts: false, ..BEST };
        let rows = [
            (Observed::Said(Saw::open("login-prompt")), BEST, (Vulnerable, "login-prompt")),
            (Observed::Said(Saw::open("login-prompt")), no_control, (Vulnerable, "login-prompt")),
            (Observed::Said(Saw::shut("dns-refused")), BEST, (Clean, "dns-refused")),
            (Observed::Said(Saw::shut("dns-refused")), no_control, (Inconclusive, "no-control")),
            (Observed::Said(Saw::unclear("garbage")), BEST, (Inconclusive, "garbage")),
            (Observed::Refused, tcp, (Clean, "refused")),
            (Observed::Refused, dead, (Clean, "refused")),
            (Observed::Refused, no_control, (Inconclusive, "no-control")),
            (Observed::Silent, BEST, (Clean, "silent")),
            (Observed::Silent, dead, (Inconclusive, "timeout")),
            (Observed::Silent, no_control, (Inconclusive, "no-control")),
            (Observed::Silent, tcp, (Inconclusive, "timeout")),
            (Observed::Filtered, BEST, (Inconclusive, "filtered")),
            (Observed::Unreachable, BEST, (Inconclusive, "unreachable")),
            (Observed::Moved, BEST, (Inconclusive, "address-changed")),
            (Observed::NotAsked("packet-limit"), BEST, (Inconclusive, "packet-limit")),
        ];
        for (observed, context, expected) in rows {
            assert_eq!(conclude(observed, context), expected, "{observed:?} {context:?}");
        }
    }

    #[test]
    fn without_a_control_nothing_is_clean() {
        let all = [
            Observed::Said(Saw::open("x")),
            Observed::Said(Saw::shut("x")),
            Observed::Said(Saw::unclear("x")),
            Observed::Refused,
            Observed::Filtered,
            Observed::Unreachable,
            Observed::Silent,
            Observed::Moved,
            Observed::NotAsked("x"),
        ];
        for observed in all {
            for bits in 0..4 {
                let context = Context { alive: bits & 1 != 0, silence_counts: bits & 2 != 0, control: false };
                assert_ne!(conclude(observed, context).0, Clean, "{observed:?}");
            }
        }
    }

    #[test]
    fn one_open_address_makes_the_line_vulnerable_and_one_unseen_keeps_it_from_clean() {
        let (clean, open, unseen) = ((Clean, "refused"), (Vulnerable, "recursion"), (Inconclusive, "timeout"));
        assert_eq!(over_addresses(&[clean, unseen, open]), open);
        assert_eq!(over_addresses(&[clean, unseen]), unseen);
        assert_eq!(over_addresses(&[clean, clean]), clean);
        assert_eq!(over_addresses(&[]).0, Inconclusive);
    }
}
