//! `pratique garden …`: what residents get, told before one of them calls. Reads the node's configuration and policies as
//! they stand in the files, so a list or a portal can be tried before the daemon reads it; needs no daemon, except to learn
//! the causes of a case. Opens nothing.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use clap::{Args, Subcommand};
use pratique_core::allow::AllowList;
use pratique_core::ids::{CaseId, CauseKey, LineNo};
use pratique_core::playbook::PortSpec;
use pratique_core::policy::Policy;
use pratique_core::state::StateName;
use pratique_core::time::Span;
use pratique_core::view::{self, CaseCard, Freed, GardenView, Proof, Resident};
use pratique_dns::explain::Gets;
use pratique_dns::portals::Portals;
use pratique_dns::{Explanation, OpenError, Resolver, WallOpener};
use pratique_policy::nearest;
use pratique_staff::models::dossier::CaseDossier;
use serde::Serialize;

use super::client::Client;
use super::print::say;
use super::token::now;
use super::{Failure, Remote, show};

/// What to learn of the garden.
#[derive(Debug, Subcommand)]
pub enum Garden {
    /// Show what a quarantined line gets for a name, why, and what the wall would open for it.
    Test(Test),
}

/// `garden test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The name, as a browser asks for it; international names as xn--.
    name: String,
    /// Type to ask for: A, AAAA, HTTPS, TXT, … [default: A and AAAA].
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// For a line with this cause; may be given several times [default: what every line gets].
    #[arg(long, value_name = "CAUSE", conflicts_with = "case")]
    cause: Vec<String>,
    /// For the line of this case; asks the daemon for its causes.
    #[arg(long, value_name = "CASE")]
    case: Option<u64>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    /// The resident's.
    causes: Vec<CauseKey>,
    /// The cause whose portal in `dns.gardens` the resident is told; none where it is that of the node.
    portal_of: Option<CauseKey>,
    /// The causes of all playbooks whose garden has the name, with the entry; what stands in `policy.yaml` is everybody's.
    listed_for: Vec<Listed>,
    answers: Vec<Answer>,
    /// What to know before relying on it.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    cause: CauseKey,
    entry: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(rename = "type")]
    kind: String,
    /// In words.
    said: String,
    /// `portal`, `addresses`, `fixed`, `pointer`, `truth`, `no-data`, `no-such-name`, `any`, `refused` or `servfail`.
    gets: &'static str,
    /// A resolver at home that validates takes this answer for a forgery.
    forged_for_validators: bool,
    /// The entry of the list that was decisive or would have been.
    entry: Option<String>,
    /// The name and its aliases, as far as the one that has addresses.
    chain: Vec<String>,
    /// The portal's address, those the wall would open, or those that are the same on every network.
    addresses: Vec<IpAddr>,
    /// The wall would open these.
    ports: Vec<String>,
    /// For so many seconds from the answer on.
    seconds: Option<i64>,
    /// Some of its addresses are left out, or all, as they point inwards.
    inward: bool,
}

impl Garden {
    /// Does it.
    ///
    /// # Errors
    /// As each of them says.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run(),
        }
    }
}

impl Test {
    fn run(self) -> Result<(), Failure> {
        let config = self.remote.node.load()?;
        let Some(settings) = config.dns.clone() else {
            return Err(Failure::Usage(format!(
                "{} has no section `dns`, so no resident asks this node for names; name the configuration of the node \
                 that they ask with --config",
                self.remote.node.path().display()
            )));
        };
        let policy = pratique_policy::load_set(&config.policies)
            .map_err(|errors| {
                let problems: Vec<_> = errors.0.iter().map(ToString::to_string).collect();
                Failure::Usage(format!("{}\n`pratique check-config` shows all of it.", problems.join("\n")))
            })?
            .policy;
        let misfits: Vec<_> = config.misfits(&policy).iter().map(ToString::to_string).collect();
        if !misfits.is_empty() {
            return Err(Failure::Usage(misfits.join("\n")));
        }
        let (causes, mut notes) = self.causes(&policy)?;
        if settings.upstreams.is_empty() {
            notes.push("dns.upstreams is empty: every allow-listed name gets SERVFAIL".into());
        }
        let name = self.name.trim_end_matches('.').to_ascii_lowercase();
        let listed_for = policy.playbooks.keys().filter_map(|cause| {
            let list = AllowList::merge([policy.playbooks.get(cause)?.garden.as_slice()]);
            list.entry_for(&name).map(|(entry, _)| Listed { cause: cause.clone(), entry: entry.to_string() })
        });
        let listed_for = listed_for.collect();
        let portal_of = Portals::new(&settings).decisive(&causes).cloned();
        let resident = resident(view::Garden::new(causes.iter().cloned(), policy.allow_list(&causes)));
        let resolver = Resolver::new(settings, Arc::new(GardenView::default()), Arc::new(NoWall), &Default::default())
            .map_err(|e| Failure::Refused(e.to_string()))?;
        resolver.know_networks(config.known_networks(&policy));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kinds = self.kind.map_or_else(|| vec!["A".to_owned(), "AAAA".into()], |kind| vec![kind.to_uppercase()]);
        let mut answers = Vec::new();
        for kind in kinds {
            let explained = runtime.block_on(resolver.explain(&resident, &name, &kind));
            answers.push(Answer::of(kind, &explained.map_err(|e| Failure::Usage(e.to_string()))?));
        }
        if answers.iter().any(|answer: &Answer| answer.inward) {
            notes.push(
                "addresses that point inwards are never opened through a name; if one is a server of yours that residents need, \
                 name it in dns.excepted_networks"
                    .into(),
            );
        }
        let told = Told { name, causes, portal_of, listed_for, answers, notes };
        if self.json {
            return show::json(&told);
        }
        say!("{told}");
        Ok(())
    }

    /// The resident's causes, with what to know of them.
    fn causes(&self, policy: &Policy) -> Result<(Vec<CauseKey>, Vec<String>), Failure> {
        let mut notes = Vec::new();
        let causes = match self.case {
            Some(case) => {
                let found: CaseDossier = Client::new(&self.remote)?.get(&format!("/cases/{case}"))?;
                if found.row.state != StateName::Quarantined {
                    notes.push(format!(
                        "the case is {}: this is what its line would get in quarantine",
                        found.row.state
                    ));
                }
                found.row.causes
            }
            None => self.cause.iter().map(CauseKey::new).collect(),
        };
        for cause in &causes {
            if !policy.playbooks.contains_key(cause) {
                let meant = nearest(cause.as_str(), policy.playbooks.keys().map(CauseKey::as_str));
                let meant = meant.map(|m| format!("; did you mean `{m}`?")).unwrap_or_default();
                notes.push(format!("`{cause}` has no playbook of its own, so that of `generic` holds{meant}"));
            }
        }
        Ok((causes, notes))
    }
}

impl Answer {
    fn of(kind: String, explained: &Explanation) -> Self {
        let (gets, addresses) = match &explained.gets {
            Gets::Portal(address) => ("portal", vec![*address]),
            Gets::Real(opening) => ("addresses", opening.addresses.clone()),
            Gets::Fixed(addresses) => ("fixed", addresses.clone()),
            Gets::Pointer(_) => ("pointer", Vec::new()),
            Gets::Truth => ("truth", Vec::new()),
            Gets::NoData | Gets::Stripped(_) => ("no-data", Vec::new()),
            Gets::NxDomain => ("no-such-name", Vec::new()),
            Gets::AnyHint => ("any", Vec::new()),
            Gets::TooLong | Gets::Refused => ("refused", Vec::new()),
            Gets::Failed(_) => ("servfail", Vec::new()),
        };
        let opening = match &explained.gets {
            Gets::Real(opening) => Some(opening),
            _ => None,
        };
        Self {
            kind,
            said: explained.to_string(),
            gets,
            forged_for_validators: explained.contradicted,
            entry: explained.entry.clone(),
            chain: opening.map(|o| o.chain.clone()).unwrap_or_default(),
            addresses,
            ports: opening.iter().flat_map(|o| &o.ports).map(ToString::to_string).collect(),
            seconds: opening.map(|o| o.lasts.as_millis() / 1_000),
            inward: match &explained.gets {
                Gets::Real(opening) => !opening.inward.is_empty(),
                gets => matches!(gets, Gets::Stripped(_)),
            },
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes: Vec<_> = self.causes.iter().map(CauseKey::as_str).collect();
        let whose =
            if causes.is_empty() { "any resident".into() } else { format!("a resident with {}", causes.join(", ")) };
        write!(f, "{}, asked by {whose}:", self.name)?;
        for answer in &self.answers {
            write!(f, "\n  {:<5} {}", answer.kind, answer.said)?;
            if answer.chain.len() > 1 {
                write!(f, "\n        by way of {}", answer.chain.join(" → "))?;
            }
        }
        let at_portal = self.answers.iter().any(|answer| answer.gets == "portal");
        if let Some(cause) = self.portal_of.as_ref().filter(|_| at_portal) {
            write!(f, "\nThe portal is that of dns.gardens for {cause}.")?;
        }
        for Listed { cause, entry } in &self.listed_for {
            if !self.causes.contains(cause) {
                write!(f, "\nThe playbook of {cause} would allow it, as {entry}.")?;
            }
        }
        for note in &self.notes {
            write!(f, "\nNote: {note}.")?;
        }
        Ok(())
    }
}

/// Somebody in this garden, for whom nothing else matters.
fn resident(garden: view::Garden) -> Resident {
    let now = now();
    let card = CaseCard {
        case: CaseId(0),
        version: 0,
        since: now,
        until: now,
        causes: Vec::new(),
        fix_reported_at: None,
        checking_since: None,
        last_check: None,
        missing: None,
        freed: Freed::default(),
        check_again: None,
        proof: Proof::default(),
        alive_at: None,
        self_release: false,
        trust: None,
        relapses: 0,
        language: None,
        number_tail: None,
    };
    Resident { case: card.case, line: LineNo(0), garden: Arc::new(garden), card }
}

/// Nothing is opened for an explanation.
struct NoWall;

#[async_trait::async_trait]
impl WallOpener for NoWall {
    async fn open(
        &self,
        _: IpAddr,
        _: &Arc<Resident>,
        _: &[IpAddr],
        _: &[PortSpec],
        _: Span,
        _: &str,
    ) -> Result<(), OpenError> {
        Err(OpenError::Stopped)
    }
}
