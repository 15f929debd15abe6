//! One allow-listed question to its end: the upstream, the wall, and only then the reply. After `handler`, which decided
//! that it is one.
//!
//! The upstream's answer goes on as it is: the chain of aliases, the order, the signatures for who asked for them. Over UDP
//! it must fit; a client that wants no signatures then gets the addresses alone, under the name it asked, and any other,
//! or if even that is too long, the advice to ask over TCP.

use std::net::IpAddr;
use std::sync::Arc;

use pratique_core::playbook::PortSpec;
use pratique_core::time::Span;
use pratique_core::view::Resident;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::captive::{self, Decision, Why};
use crate::handler::{Allowed, Later, Resolver};
use crate::passed;
use crate::upstream::{Answer, Asking, Found, Origin, Wants};
use crate::wire::{Body, Code, Ede, Reply};

/// Info code 3 of RFC 8914: Stale Answer.
const STALE_ANSWER: Ede = Ede { code: 3, text: SmolStr::new_static("") };

impl Resolver {
    /// The upstream, the wall, and only then the reply.
    pub(crate) async fn resolved(&self, later: &Later, allowed: &Allowed) -> Option<Vec<u8>> {
        let reply = self.resolve(later, allowed).await;
        self.0.metrics.resolve_seconds.observe(later.arrived.elapsed().as_secs_f64());
        reply
    }

    async fn resolve(&self, later: &Later, allowed: &Allowed) -> Option<Vec<u8>> {
        let metrics = &self.0.metrics;
        let own = |reply: Reply| later.request.reply(&reply, later.transport);
        let deadline = later.arrived + self.0.settings.budget.to_std();
        let asking = Asking {
            name: allowed.name.clone(),
            family: allowed.family,
            wants: Wants { dnssec: later.request.wants_dnssec(), unchecked: later.request.checks_itself() },
        };
        let lookup = self.0.upstream.find(&asking, deadline).await;
        metrics.lookups.with_label_values(&[lookup.from.label()]).inc();
        metrics.stripped.inc_by(lookup.stripped);
        // Meanwhile the line may have been freed, or the address given to another.
        let resident = self.0.view.resident(later.client).filter(|r| r.case == allowed.resident.case);
        let (ports, resident) =
            match (captive::decide(&later.request.question, resident.as_deref(), &self.0.portals), &resident) {
                (Decision::Resolve { ports, .. }, Some(resident)) => (ports, resident),
                (changed, _) => return own(self.local(changed)),
            };
        match lookup.found {
            Err(failure) => {
                metrics.upstream_failures.with_label_values(&[failure.label()]).inc();
                own(self.failed())
            }
            Ok(Found::Stripped) => {
                self.count("resolved-stripped");
                own(self.negative(Some(Why::Allowed)))
            }
            Ok(Found::Nothing(answer)) => {
                let missing = answer.passed.code() != 0;
                self.count(if missing { "resolved-nxdomain" } else { "resolved-nodata" });
                let code = if missing { Code::NxDomain } else { Code::NoError };
                let short = Reply { code, ..self.negative(None) };
                // Without a start of authority it would be asked again at once.
                if answer.passed.is_bare() { own(short) } else { pass(later, &answer, None, short) }
            }
            Ok(Found::Addresses(answer)) => {
                let told = answer.longest_told(Instant::now());
                let lasts = self.open_for(told, resident, &allowed.name);
                if !self.open(later.client, resident, &answer.addresses, ports, lasts, deadline).await {
                    metrics.wall_failures.inc();
                    return own(self.failed());
                }
                self.count("resolved");
                let body = Body::Addresses(answer.addresses.to_vec(), answer.shortest_told(Instant::now()));
                let ede = (lookup.from == Origin::Stale).then_some(STALE_ANSWER);
                pass(later, &answer, ede.clone(), Reply { body, ede, ..Reply::default() })
            }
        }
    }

    async fn open(
        &self,
        client: IpAddr,
        resident: &Arc<Resident>,
        addresses: &[IpAddr],
        ports: &[PortSpec],
        lasts: Span,
        deadline: Instant,
    ) -> bool {
        // The metric and the wall's own driver are loud; a line here per question would be a way to fill a disk.
        let opening = self.0.wall.open(client, resident, addresses, ports, lasts);
        match tokio::time::timeout_at(deadline, opening).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, case = %resident.case, "an allow-listed address was not opened");
                false
            }
            Err(_) => {
                tracing::debug!(case = %resident.case, "the wall did not open an allow-listed address in time");
                false
            }
        }
    }

    /// How long the wall is open for an answer that may be remembered for `ttl` seconds; longer where the garden says so of
    /// this name.
    pub(crate) fn open_for(&self, ttl: u32, resident: &Resident, name: &str) -> Span {
        let settings = &self.0.settings;
        let told = i64::from(ttl).saturating_mul(1_000).max(settings.ttl_min.as_millis());
        let by_answer = Span::from_millis(settings.open_margin.as_millis().saturating_add(told));
        by_answer.max(resident.garden.allow.open_for(name))
    }
}

/// The answer as it is, if it fits; else `short`, for who wants no signatures.
fn pass(later: &Later, answer: &Answer, ede: Option<Ede>, short: Reply) -> Option<Vec<u8>> {
    let (request, now) = (&later.request, Instant::now());
    let limit = request.limit(later.transport);
    if let Some(whole) =
        answer.passed.reply(request, &Reply { ede, ..Reply::default() }, |ttl| answer.told(ttl, now), limit)
    {
        return Some(whole);
    }
    if request.wants_dnssec() { passed::cut(request) } else { request.reply(&short, later.transport) }
}
