//! The own copy of what live sessions hold, and what of it the kernel has not heard yet.

use pratique_core::reach::Family;

use crate::Holdings;
use crate::netlink::batch::Batch;
use crate::ruleset::held::{Held, HeldStep, flush};

/// Keeps it for one table.
#[derive(Debug)]
pub(super) struct Holder {
    /// The rules ask for it.
    asked: bool,
    held: Held,
    waiting: Waiting,
}

/// What is not written.
#[derive(Debug)]
enum Waiting {
    /// What the kernel has is not known.
    Everything,
    /// These, in order; none of them is empty.
    Steps(Vec<HeldStep>),
}

impl Holder {
    pub(super) fn new(asked: bool) -> Self {
        Self { asked, held: Held::default(), waiting: Waiting::Everything }
    }

    pub(super) fn take(&mut self, holdings: Holdings) {
        if !self.asked {
            return;
        }
        match holdings {
            Holdings::All(all) => {
                self.held = Held::default();
                self.held.follow(all.into_iter().map(|element| (element, true)));
                self.waiting = Waiting::Everything;
            }
            Holdings::Changes(changes) => {
                let step = self.held.follow(changes);
                if let Waiting::Steps(steps) = &mut self.waiting
                    && !step.is_empty()
                {
                    steps.push(step);
                }
            }
        }
    }

    /// As additions to empty sets.
    pub(super) fn encode_whole(&self, table: &str, batch: &mut Batch) {
        if self.asked {
            self.held.whole().encode(table, batch);
        }
    }

    /// What has to be written; none if nothing.
    pub(super) fn outstanding(&self, table: &str) -> Option<Batch> {
        let mut batch = Batch::default();
        match &self.waiting {
            _ if !self.asked => return None,
            Waiting::Everything => {
                flush(table, &mut batch);
                self.held.whole().encode(table, &mut batch);
            }
            Waiting::Steps(steps) => steps.iter().for_each(|step| step.encode(table, &mut batch)),
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Versions of IP that the rules let pass, since nothing of them is held.
    pub(super) fn unchecked(&self) -> Vec<Family> {
        let missing = [(Family::Ipv4, self.held.any4()), (Family::Ipv6, self.held.any6())];
        missing.into_iter().filter(|(_, any)| self.asked && !any).map(|(family, _)| family).collect()
    }

    pub(super) fn written(&mut self) {
        self.waiting = Waiting::Steps(Vec::new());
    }

    pub(super) fn lost(&mut self) {
        self.waiting = Waiting::Everything;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_ip_of_which_nothing_is_held_is_named_where_the_rules_ask() {
        let held = |lines: &[&str]| Holdings::All(lines.iter().map(|line| line.parse().unwrap()).collect());
        let mut holder = Holder::new(true);
        assert_eq!(holder.unchecked(), [Family::Ipv4, Family::Ipv6]);
        holder.take(held(&["192.0.2.1"]));
        assert_eq!(holder.unchecked(), [Family::Ipv6]);
        holder.take(Holdings::Changes(vec![("2001:db8:0:1::/64".parse().unwrap(), true)]));
        assert_eq!(holder.unchecked(), []);
        let mut holder = Holder::new(false);
        holder.take(held(&[]));
        assert_eq!(holder.unchecked(), [], "nobody asks");
    }
}
