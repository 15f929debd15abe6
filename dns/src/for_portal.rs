//! What the rest of the program asks the resolver for, with the same rules as for a resident's question: where the portal passes
//! plain HTTP on to, and where names lead on which promises rest. Nothing is opened for either.

use std::net::IpAddr;

use pratique_core::allow::by_way_of_portal;
use pratique_core::view::Resident;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::captive::{self, Decision};
use crate::handler::{Resolver, asked};
use crate::question::{Family, Kind, Question};
use crate::upstream::{Asking, Failure, Found, Listed, Sought, Wants};

/// Why the portal gets no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// The resident's list does not have it, or not by way of the portal.
    #[error("the name is not reached by way of the portal")]
    NotListed,
    /// The line has asked for too many names below wildcards, or the name is longer than hosts are.
    #[error("the line has asked for too much below wildcards")]
    Spent,
    /// There is none, or none that may be used.
    #[error("the name has no address that may be used")]
    None,
    /// The upstreams did not say.
    #[error("{0}")]
    Failed(Failure),
}

impl Resolver {
    /// The addresses of a name that a resident reaches by way of the portal, for the portal. Nothing is opened; for the line's
    /// caps it is a question as others are.
    ///
    /// # Errors
    /// [`NoAddress`], when there is none to go to.
    pub async fn addresses(&self, resident: &Resident, name: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let now = Instant::now();
        let deadline = now + self.0.settings.budget.to_std();
        let asked = asked(name);
        let mut found = Err(NoAddress::None);
        for family in [Family::V4, Family::V6] {
            let question = Question { name: asked.clone(), kind: Kind::Address(family), internet: true };
            let Decision::Resolve { name, exact, ports, .. } =
                captive::decide(&question, Some(resident), &self.0.portals)
            else {
                return Err(NoAddress::NotListed);
            };
            if !by_way_of_portal(ports) {
                return Err(NoAddress::NotListed);
            }
            let wildcards = &self.0.wildcards;
            let may = exact || (wildcards.is_shapely(name) && wildcards.may_name(resident.line, name, now));
            if !may {
                self.capped("names");
                return Err(NoAddress::Spent);
            }
            let may_ask = || wildcards.may_ask(resident.line, now);
            let listed = if exact { Listed::Exact } else { Listed::Below(&may_ask) };
            let wants = Wants { dnssec: false, unchecked: false };
            let asking = Asking { name: name.clone(), sought: Sought::Addresses(family), wants };
            let lookup = self.0.upstream.find(&asking, listed, deadline).await;
            self.0.metrics.looked_up(lookup.from);
            self.0.metrics.stripped.inc_by(lookup.stripped);
            found = match lookup.found {
                Ok(Found::Addresses(answer)) => return Ok(answer.addresses.to_vec()),
                Ok(Found::Nothing(_) | Found::Stripped(_) | Found::Proof(_)) => Err(NoAddress::None),
                Err(Failure::Spent) => {
                    self.capped("names");
                    Err(NoAddress::Spent)
                }
                Err(failure) => {
                    self.0.metrics.upstream_failures.with_label_values(&[failure.label()]).inc();
                    Err(NoAddress::Failed(failure))
                }
            };
        }
        found
    }

    /// Looks where these names lead, for the NOC and the portal's promises. Takes up to the budget of a question for each, when the
    /// upstreams are silent; nothing is opened.
    pub async fn look(&self, names: &[SmolStr]) {
        for name in names {
            let (mut inward, mut others, mut known) = (None, false, true);
            for family in [Family::V4, Family::V6] {
                let deadline = Instant::now() + self.0.settings.budget.to_std();
                let wants = Wants { dnssec: false, unchecked: false };
                let asking = Asking { name: name.clone(), sought: Sought::Addresses(family), wants };
                match self.0.upstream.find(&asking, Listed::Exact, deadline).await.found {
                    Ok(Found::Addresses(answer)) => {
                        others = true;
                        inward = inward.or_else(|| answer.inward.first().copied());
                    }
                    Ok(Found::Stripped(all)) => inward = inward.or_else(|| all.first().copied()),
                    Ok(Found::Nothing(_) | Found::Proof(_)) => {}
                    Err(_) => known = false,
                }
            }
            match inward {
                Some(seen) if known => self.0.inward.looked(name.to_string(), seen, !others),
                None if known && others => self.0.inward.settle(name),
                // What is not known now is as it was.
                _ => {}
            }
        }
    }
}
