//! The same decision as words, for `garden test NAME` and for staff: what a resident would get for a name, and why. Asks
//! the upstreams for allow-listed names, opens nothing, counts nothing against the resident.

use std::fmt;
use std::net::IpAddr;

use pratique_core::playbook::PortSpec;
use pratique_core::time::Span;
use pratique_core::view::Resident;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::captive::{Decision, Why, decide};
use crate::handler::{Resolver, asked};
use crate::networks::Inward;
use crate::proofs::says;
use crate::question::{Family, Kind, Question};
use crate::upstream::{Asking, Failure, Found, Listed, Sought, Wants};

/// What a resident would get, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What.
    pub gets: Gets,
    /// Why.
    pub why: Why,
    /// The entry of the resident's list that names it, as it stands there.
    pub entry: Option<String>,
    /// It is the portal's own name, and the public DNS signs another answer: who validates takes ours for a forgery.
    pub contradicted: bool,
}

/// What a resident would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gets {
    /// The portal's address for this resident.
    Portal(IpAddr),
    /// These addresses, the same on every network.
    Fixed(Vec<IpAddr>),
    /// A pointer to this name, likewise.
    Pointer(&'static str),
    /// What the upstreams say, as it is; nothing is opened.
    Truth,
    /// An empty answer.
    NoData,
    /// "No such name".
    NxDomain,
    /// The minimal answer to ANY.
    AnyHint,
    /// The real addresses, once the wall is open.
    Real(Opening),
    /// An empty answer: the real addresses all point inwards, each with where it lies.
    Stripped(Vec<(IpAddr, Inward)>),
    /// SERVFAIL: the upstreams did not say.
    Failed(Failure),
    /// REFUSED: below a wildcard, and too long for a host.
    TooLong,
    /// REFUSED.
    Refused,
}

/// What the wall would open, and how the upstreams came there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The name asked and its aliases, as far as the one that has addresses.
    pub chain: Vec<String>,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// On these ports.
    pub ports: Vec<PortSpec>,
    /// Its plain HTTP goes by way of the portal instead, which checks each request.
    pub by_way_of_portal: bool,
    /// For so long from the answer on.
    pub lasts: Span,
    /// Addresses that are left out as they point inwards, with where they lie.
    pub inward: Vec<(IpAddr, Inward)>,
}

/// Why nothing can be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Not a name that is ever asked like this.
    #[error("`{0}` is no host name; write it as clients ask it, international names as xn--")]
    Name(String),
    /// Not a type.
    #[error("`{0}` is no DNS type; write A, AAAA, HTTPS, ANY, … or TYPE and a number")]
    Type(String),
}

impl Resolver {
    /// What `resident` would get for `name` and `qtype` (`A`, `AAAA`, `HTTPS`, `TYPE65`, …) now. Takes up to the budget
    /// of a question.
    ///
    /// # Errors
    /// When name or type cannot be read.
    pub async fn explain(&self, resident: &Resident, name: &str, qtype: &str) -> Result<Explanation, ExplainError> {
        let short = |text: &str| text.chars().take(60).collect::<String>();
        let question = Question {
            name: asked(name),
            kind: kind(qtype).ok_or_else(|| ExplainError::Type(short(qtype)))?,
            internet: true,
        };
        if question.name.plain().is_none() {
            return Err(ExplainError::Name(short(name)));
        }
        let decision = decide(&question, Some(resident), &self.0.portals);
        let contradicted = self.is_contradicted(&question, decision).await;
        let (gets, why) = match decision {
            Decision::Portal(address, why) => (Gets::Portal(address), why),
            Decision::Addresses(all, family, why) => {
                (Gets::Fixed(all.iter().copied().filter(|address| family.has(*address)).collect()), why)
            }
            Decision::Pointer(to, why) => (Gets::Pointer(to), why),
            Decision::Prove { .. } => (Gets::Truth, Why::Proof),
            Decision::NoData(why) => (Gets::NoData, why),
            Decision::NxDomain(why) => (Gets::NxDomain, why),
            Decision::AnyHint(why) => (Gets::AnyHint, why),
            Decision::Refuse(why) => (Gets::Refused, why),
            Decision::Resolve { name, exact, .. } if !exact && !self.0.wildcards.is_shapely(name) => {
                (Gets::TooLong, Why::Allowed)
            }
            Decision::Resolve { name, family, ports, .. } => {
                (self.opening(resident, name, family, ports).await, Why::Allowed)
            }
        };
        let entry = question.name.plain().and_then(|name| resident.garden.allow.entry_for(name));
        Ok(Explanation { gets, why, entry: entry.map(|(entry, _)| entry.to_string()), contradicted })
    }

    /// Whether the public DNS proves that what is said of the portal's name is not so.
    async fn is_contradicted(&self, question: &Question, decision: Decision<'_>) -> bool {
        let (Why::PortalName, Kind::Address(family), Some(name)) =
            (decision.why(), question.kind, question.name.plain())
        else {
            return false;
        };
        let deadline = Instant::now() + self.0.settings.budget.to_std();
        let wants = Wants { dnssec: true, unchecked: false };
        let asking = Asking { name: name.clone(), sought: Sought::Proof(family.code()), wants };
        match self.0.upstream.find(&asking, Listed::Exact, deadline).await.found {
            Ok(Found::Proof(answer)) => answer.is_signed() && !says(&answer, decision),
            Ok(_) | Err(_) => false,
        }
    }

    async fn opening(&self, resident: &Resident, name: &SmolStr, family: Family, ports: &[PortSpec]) -> Gets {
        let at_least = resident.garden.allow.opens(name).map_or(Span::ZERO, |opens| opens.open_for);
        let deadline = Instant::now() + self.0.settings.budget.to_std();
        let wants = Wants { dnssec: false, unchecked: false };
        let asking = Asking { name: name.clone(), sought: Sought::Addresses(family), wants };
        // Staff's own question; nothing is counted against the line.
        match self.0.upstream.find(&asking, Listed::Exact, deadline).await.found {
            Ok(Found::Addresses(answer)) => Gets::Real(Opening {
                chain: answer.chain(),
                addresses: answer.addresses.to_vec(),
                ports: self.opened(ports).into_owned(),
                by_way_of_portal: self.opened(ports).len() < ports.len(),
                lasts: self.open_for(answer.longest_told(Instant::now()), at_least),
                inward: answer.inward.to_vec(),
            }),
            Ok(Found::Nothing(answer)) if answer.passed.code() != 0 => Gets::NxDomain,
            Ok(Found::Nothing(_) | Found::Proof(_)) => Gets::NoData,
            Ok(Found::Stripped(inward)) => Gets::Stripped(inward.to_vec()),
            Err(failure) => Gets::Failed(failure),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |list: &[String]| list.join(", ");
        match &self.gets {
            Gets::Portal(address) => write!(f, "the portal, {address}")?,
            Gets::Fixed(addresses) => {
                f.write_str(&joined(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>()))?;
            }
            Gets::Pointer(to) => write!(f, "a pointer to {to}")?,
            Gets::Truth => f.write_str("the true answer, with its signatures")?,
            Gets::NoData => f.write_str("an empty answer")?,
            Gets::NxDomain => f.write_str("\"no such name\"")?,
            Gets::AnyHint => f.write_str("the minimal answer to ANY")?,
            Gets::Real(opening) => {
                let addresses: Vec<_> = opening.addresses.iter().map(ToString::to_string).collect();
                let ports: Vec<_> = opening.ports.iter().map(ToString::to_string).collect();
                write!(f, "{}", joined(&addresses))?;
                if !ports.is_empty() {
                    write!(f, ", opened on {} for {}", joined(&ports), opening.lasts)?;
                }
                if opening.by_way_of_portal {
                    f.write_str(", plain HTTP by way of the portal")?;
                }
                if !opening.inward.is_empty() {
                    write!(f, ", without {}, which point inwards", lying(&opening.inward))?;
                }
            }
            Gets::Stripped(inward) => {
                write!(f, "an empty answer, as all its addresses point inwards: {}", lying(inward))?;
            }
            Gets::Failed(failure) => write!(f, "SERVFAIL, as {failure}")?,
            Gets::TooLong => f.write_str("REFUSED, as it is too long for a host below a wildcard")?,
            Gets::Refused => f.write_str("REFUSED")?,
        }
        if self.contradicted {
            f.write_str(
                "; but its zone is signed and says otherwise, so resolvers at home that validate take it for a forgery: publish \
                 the portal's addresses under this name, or choose a name in a zone that is not signed",
            )?;
        }
        match &self.entry {
            Some(entry) if self.why == Why::Allowed => write!(f, " ({}, as {entry})", self.why.text()),
            Some(entry) => write!(f, " ({}, although {entry} is on the list)", self.why.text()),
            None => write!(f, " ({})", self.why.text()),
        }
    }
}

/// Addresses with where they lie, as a list.
fn lying(inward: &[(IpAddr, Inward)]) -> String {
    let each: Vec<_> = inward.iter().map(|(address, why)| format!("{address} ({why})")).collect();
    each.join(", ")
}

fn kind(text: &str) -> Option<Kind> {
    let text = text.to_ascii_uppercase();
    let known: hickory_proto::rr::RecordType = match text.strip_prefix("TYPE") {
        Some(number) => number.parse::<u16>().ok()?.into(),
        None => text.parse().ok()?,
    };
    Some(u16::from(known).into())
}
