//! One allow-listed question to its end: the upstream, the wall, and only then the reply. After `handler`, which decided
//! that it is one.
//!
//! The upstream's answer goes on as it is: the chain of aliases, the order, the signatures for who asked for them. Over UDP
//! it must fit; a client that wants no signatures then gets the addresses alone, under the name it asked, and any other,
//! or if even that is too long, the advice to ask over TCP.

use std::borrow::Cow;
use std::sync::Arc;

use pratique_core::allow::by_way_of_portal;
use pratique_core::playbook::PortSpec;
use pratique_core::sighting::Transport;
use pratique_core::time::Span;
use pratique_core::view::Resident;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::captive::{self, Decision, Why};
use crate::handler::{Allowed, Later, Resolver};
use crate::passed;
use crate::settings::PlainHttp;
use crate::upstream::{Answer, Asking, Failure, Found, Listed, Lookup, Origin, Sought, Wants};
use crate::wall::OpenError;
use crate::wire::{Body, Code, Ede, Reply};

/// Info code 3 of RFC 8914: Stale Answer.
pub(crate) const STALE_ANSWER: Ede = Ede { code: 3, text: SmolStr::new_static("") };

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
            sought: Sought::Addresses(allowed.family),
            wants: Wants { dnssec: later.request.wants_dnssec(), unchecked: later.request.checks_itself() },
        };
        let may_ask = || self.0.wildcards.may_ask(allowed.resident.line, later.arrived);
        let listed = if allowed.exact { Listed::Exact } else { Listed::Below(&may_ask) };
        let lookup = self.0.upstream.find(&asking, listed, deadline).await;
        self.note_inward(allowed, &lookup);
        metrics.looked_up(lookup.from);
        metrics.stripped.inc_by(lookup.stripped);
        // Meanwhile the line may have been freed, or the address given to another.
        let resident = match self.still(later, allowed) {
            Ok(resident) => resident,
            Err(changed) => return own(changed),
        };
        match lookup.found {
            Err(Failure::Spent) => own(self.spent()),
            Err(failure) => {
                metrics.upstream_failures.with_label_values(&[failure.label()]).inc();
                own(self.failed())
            }
            Ok(Found::Stripped(_)) => {
                self.count("resolved-stripped");
                own(self.negative(Some(Why::Allowed)))
            }
            Ok(Found::Nothing(answer) | Found::Proof(answer)) => {
                let missing = answer.passed.code() != 0;
                self.count(if missing { "resolved-nxdomain" } else { "resolved-nodata" });
                let code = if missing { Code::NxDomain } else { Code::NoError };
                let short = Reply { code, ..self.negative(None) };
                // Without a start of authority it would be asked again at once.
                if answer.passed.is_bare() { own(short) } else { pass(later, &answer, None, short) }
            }
            Ok(Found::Addresses(answer)) => {
                let told = answer.longest_told(Instant::now());
                // At the end of an alias the list has the name that leads here.
                let listed = allowed.listed();
                let Some(opens) = resident.garden.allow.opens(listed) else { return own(self.failed()) };
                let lasts = self.open_for(told, opens.open_for);
                let ports = self.opened(&opens.ports);
                let opening = self.0.wall.open(later.client, &resident, &answer.addresses, &ports, lasts, listed);
                if !ports.is_empty() && !opened(opening, &resident, deadline).await {
                    metrics.wall_failures.inc();
                    return own(self.failed());
                }
                metrics.resolved.inc();
                let body = Body::Addresses(answer.addresses.to_vec(), answer.shortest_told(Instant::now()));
                let ede = (lookup.from == Origin::Stale).then_some(STALE_ANSWER);
                pass(later, &answer, ede.clone(), Reply { body, ede, ..Reply::default() })
            }
        }
    }

    /// Tells the NOC which entry points inwards, and that one does not any more.
    fn note_inward(&self, allowed: &Allowed, lookup: &Lookup) {
        if lookup.from != Origin::Upstream {
            return;
        }
        let inward = match &lookup.found {
            Ok(Found::Addresses(answer) | Found::Nothing(answer)) => &*answer.inward,
            Ok(Found::Stripped(inward)) => inward,
            Ok(Found::Proof(_)) | Err(_) => return,
        };
        let Some((entry, _)) = allowed.resident.garden.allow.entry_for(allowed.listed()) else { return };
        match inward.first() {
            Some((address, why)) => self.0.inward.note(entry.to_string(), *address, *why),
            // Of a wildcard only some names may; the other family says nothing of this one.
            None if allowed.exact && matches!(lookup.found, Ok(Found::Addresses(_))) => {
                self.0.inward.settle(&entry.to_string());
            }
            None => {}
        }
    }

    /// The resident, where what was decided still holds; else what is to be said now.
    fn still(&self, later: &Later, allowed: &Allowed) -> Result<Arc<Resident>, Reply> {
        match self.0.view.resident(later.client) {
            // Untouched: nothing can have changed.
            Some(resident) if Arc::ptr_eq(&resident, &allowed.resident) => Ok(resident),
            other => {
                let resident = other.filter(|r| r.case == allowed.resident.case);
                let decision = captive::decide(&later.request.question, resident.as_deref(), &self.0.portals);
                let holds = match decision {
                    Decision::Resolve { .. } => true,
                    other => other.why() == Why::Captive && allowed.via.is_some(),
                };
                match &resident {
                    Some(same) if holds && same.garden.allow.opens(allowed.listed()).is_some() => Ok(Arc::clone(same)),
                    _ => Err(self.local(decision)),
                }
            }
        }
    }

    /// The ports that the wall opens of those that the list has: not the one that goes by way of the portal.
    pub(crate) fn opened<'p>(&self, ports: &'p [PortSpec]) -> Cow<'p, [PortSpec]> {
        if self.0.settings.plain_http == PlainHttp::Open || !by_way_of_portal(ports) {
            return ports.into();
        }
        let http = PortSpec { port: 80, transport: Transport::Tcp };
        ports.iter().copied().filter(|port| *port != http).collect()
    }

    /// How long the wall is open for an answer that may be remembered for `ttl` seconds, where the garden says `at_least` of its name.
    pub(crate) fn open_for(&self, ttl: u32, at_least: Span) -> Span {
        let settings = &self.0.settings;
        let told = i64::from(ttl).saturating_mul(1_000).max(settings.ttl_min.as_millis());
        let by_answer = Span::from_millis(settings.open_margin.as_millis().saturating_add(told));
        by_answer.max(at_least)
    }
}

/// Whether the wall opened what was asked of it in time.
async fn opened(opening: impl Future<Output = Result<(), OpenError>>, resident: &Resident, deadline: Instant) -> bool {
    // The metric and the wall's own driver are loud; a line here per question would be a way to fill a disk.
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

/// The answer as it is, if it fits; else `short`, for who wants no signatures.
pub(crate) fn pass(later: &Later, answer: &Answer, ede: Option<Ede>, short: Reply) -> Option<Vec<u8>> {
    let (request, now) = (&later.request, Instant::now());
    let limit = request.limit(later.transport);
    if let Some(whole) =
        answer.passed.reply(request, &Reply { ede, ..Reply::default() }, |ttl| answer.told(ttl, now), limit)
    {
        return Some(whole);
    }
    if request.wants_dnssec() { passed::cut(request) } else { request.reply(&short, later.transport) }
}
