//! Questions of clients that are no residents, answered through the upstreams as if this resolver were not there; only in
//! networks that the settings name. After `handler`, which found that one is meant.
//!
//! Any type, whatever comes, byte for byte; nothing is remembered and nothing opened. A line that is released has the true
//! answers with its next question. EDNS options stay between neighbours and do not pass (RFC 6891 section 6.2.1).

use std::net::IpAddr;

use tokio::time::Instant;

use crate::handler::{Later, Resolver, Step, Work};
use crate::passed;
use crate::question::Kind;
use crate::upstream::Wants;
use crate::wire::{Code, Reply, Request, Transport};

impl Resolver {
    /// A question to forward, if there is a place for it. Places are apart from the residents': neither waits for the other.
    pub(crate) fn forward(
        &self,
        request: Box<Request>,
        client: IpAddr,
        transport: Transport,
        arrived: Instant,
    ) -> Step {
        if !request.question.internet || matches!(request.question.kind, Kind::Meta(_)) {
            self.count("refused");
            let reply = Reply { code: Code::Refused, ..Reply::default() };
            return request.reply(&reply, transport).map_or(Step::Silence, Step::Reply);
        }
        let places = &self.0.forward_places;
        let Some(own) = self.0.rates.begin_forward(client, places.available_permits()) else {
            return self.overloaded(&request, transport, "forward-client-in-flight");
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            return self.overloaded(&request, transport, "forward-in-flight");
        };
        Step::Later(Later { request, client, transport, arrived, work: Work::Forward { _places: (place, own) } })
    }

    /// What the upstreams say to it.
    pub(crate) async fn forwarded(&self, later: &Later) -> Option<Vec<u8>> {
        let request = &later.request;
        let deadline = later.arrived + self.0.settings.budget.to_std();
        let wants = Wants { dnssec: request.wants_dnssec(), unchecked: request.checks_itself() };
        let answer = self.0.upstream.forward(request.query(), wants, deadline).await;
        // Meanwhile the line may have been walled: then not even the true address of anything, and it asks again.
        if self.is_resident(later.client) {
            return request.reply(&self.failed(), later.transport);
        }
        match answer {
            Ok(answer) => {
                self.count("forwarded");
                let limit = request.takes(later.transport);
                let whole = answer.reply(request, &Reply::default(), |ttl| ttl, limit);
                whole.or_else(|| passed::cut(request))
            }
            Err(failure) => {
                self.0.metrics.upstream_failures.with_label_values(&[failure.label()]).inc();
                request.reply(&self.failed(), later.transport)
            }
        }
    }
}
