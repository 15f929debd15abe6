//! One question of a resident that validates DNSSEC at home: the true answer, passed on as it is. After `handler`, which decided
//! that it is one.
//!
//! Beside DS and DNSKEY that is the portal's own name. Its true answer, with its signatures, goes out if it says what this
//! resolver says; otherwise this resolver's own does, which a validating client believes only where the name's zone is not signed.

use std::time::Duration;

use crate::allowed::{STALE_ANSWER, pass};
use crate::captive::{self, Decision};
use crate::handler::{Later, Proof, Resolver};
use crate::upstream::{Answer, Asking, Failure, Found, Listed, Origin, Sought, Wants};
use crate::wire::{Code, Reply};

/// The portal's name is answered after this time at the latest. Longer than an answer from the far side of the world takes; short
/// enough that a page opens at once while all upstreams are dead.
const PORTAL_PATIENCE: Duration = Duration::from_millis(500);

impl Resolver {
    /// The reply.
    pub(crate) async fn proved(&self, later: &Later, proof: &Proof) -> Option<Vec<u8>> {
        let metrics = &self.0.metrics;
        let own = |reply: Reply| later.request.reply(&reply, later.transport);
        let budget = self.0.settings.budget.to_std();
        let patience = if proof.is_portal { budget.min(PORTAL_PATIENCE) } else { budget };
        let asking = Asking {
            name: proof.name.clone(),
            sought: Sought::Proof(proof.kind),
            wants: Wants { dnssec: later.request.wants_dnssec(), unchecked: later.request.checks_itself() },
        };
        let may_ask = || self.0.wildcards.may_ask(proof.line, later.arrived);
        let listed = if proof.exact { Listed::Exact } else { Listed::Below(&may_ask) };
        let lookup = self.0.upstream.find(&asking, listed, later.arrived + patience).await;
        metrics.looked_up(lookup.from);
        // Meanwhile the line may have been freed, or the address given to another.
        let resident = self.0.view.resident(later.client);
        let decision = captive::decide(&later.request.question, resident.as_deref(), &self.0.portals);
        let answer = match lookup.found {
            Ok(Found::Proof(answer) | Found::Nothing(answer) | Found::Addresses(answer)) => Ok(answer),
            // Of a proof no address is stripped.
            Ok(Found::Stripped(_)) => return own(self.failed()),
            Err(Failure::Spent) => return own(self.spent()),
            Err(failure) => {
                metrics.upstream_failures.with_label_values(&[failure.label()]).inc();
                Err(failure)
            }
        };
        match (decision, answer) {
            (Decision::Refuse(_), _) => own(self.local(decision)),
            (_, Ok(answer)) if !proof.is_portal || says(&answer, decision) => {
                self.count(if proof.is_portal { "portal-signed" } else { "proof" });
                let ede = (lookup.from == Origin::Stale).then_some(STALE_ANSWER);
                // Who wants no signatures gets what is said of the name, without the proof of it, if the whole is too long.
                let code = if answer.passed.code() == 0 { Code::NoError } else { Code::NxDomain };
                let short = Reply { code, ..self.negative(None) };
                pass(later, &answer, ede, short)
            }
            (_, Ok(_) | Err(_)) if proof.is_portal => own(self.local(decision)),
            (_, Ok(_) | Err(_)) => own(self.failed()),
        }
    }
}

/// Whether the truth about the portal's name is what this resolver says of it.
pub(crate) fn says(answer: &Answer, decision: Decision<'_>) -> bool {
    match decision {
        Decision::Portal(address, _) => *answer.addresses == [address],
        Decision::NoData(_) => answer.addresses.is_empty() && answer.passed.code() == 0 && !answer.passed.is_bare(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use tokio::time::Instant;

    use super::*;
    use crate::captive::Why;
    use crate::passed::{Extent, Passed};

    #[test]
    fn the_truth_about_the_portal_is_passed_on_only_where_it_is_ours() {
        let answer = |addresses: &[&str], code: ResponseCode, soa: bool| {
            let mut message = Message::response(1, OpCode::Query);
            message.metadata.response_code = code;
            message.add_query(Query::query(Name::root(), RecordType::A));
            for address in addresses {
                let data = RData::A(A(address.parse().unwrap()));
                message.add_answer(Record::from_rdata(Name::root(), 60, data));
            }
            if soa {
                let data = RData::SOA(SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 1));
                message.add_authority(Record::from_rdata(Name::root(), 60, data));
            }
            let passed = Passed::new(&message.to_vec().unwrap(), Extent::Sections).unwrap();
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            Answer::proof(passed, addresses.into(), 300, Instant::now())
        };
        let portal = Decision::Portal("192.0.2.80".parse().unwrap(), Why::PortalName);
        let none = Decision::NoData(Why::PortalName);
        let ok = ResponseCode::NoError;
        for (truth, at_portal, empty) in [
            (answer(&["192.0.2.80"], ok, false), true, false),
            (answer(&["192.0.2.81"], ok, false), false, false),
            (answer(&["192.0.2.80", "192.0.2.81"], ok, false), false, false),
            (answer(&[], ok, true), false, true),
            (answer(&[], ok, false), false, false),
            (answer(&[], ResponseCode::NXDomain, true), false, false),
        ] {
            assert_eq!((says(&truth, portal), says(&truth, none)), (at_portal, empty), "{truth:?}");
        }
    }
}
