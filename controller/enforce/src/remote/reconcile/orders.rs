//! Orders, and how one is known again.

use pratique_core::ids::{Seq, SubscriberId};
use pratique_core::plan::LinePlan;
use sha2::{Digest as _, Sha256};

use super::super::{Order, Wanted};

pub(super) fn quarantine(plan: &LinePlan, subscriber: SubscriberId, revision: u64, position: Seq) -> Order {
    let (line, case, sessions) = (plan.line, plan.case, plan.sessions.clone());
    Order { line, subscriber, case, wanted: Wanted::Quarantined, sessions, revision, position }
}

pub(super) fn release(known: &Order, position: Seq) -> Order {
    let position = position.max(known.position);
    Order { wanted: Wanted::Free, sessions: Vec::new(), position, ..known.clone() }
}

/// What an order says, but for when it was given.
pub(super) fn digest(order: &Order) -> [u8; 16] {
    let Order { line: _, subscriber, case, wanted, sessions, revision: _, position: _ } = order;
    let mut all = Sha256::new();
    let mut field = |text: &str| {
        all.update((text.len() as u64).to_le_bytes());
        all.update(text.as_bytes());
    };
    field(wanted.as_str());
    field(subscriber.as_str());
    field(&case.to_string());
    for session in sessions {
        field(&session.holding.to_string());
        for known in [&session.nas, &session.id] {
            field(if known.is_some() { "+" } else { "-" });
            field(known.as_deref().unwrap_or_default());
        }
    }
    let mut short = [0; 16];
    short.iter_mut().zip(all.finalize()).for_each(|(to, byte)| *to = byte);
    short
}
