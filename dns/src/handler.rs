//! One query from bytes to bytes: caps, the pure decision, and its reply. Called by the sockets in `serve` for TCP and for
//! what `hot` leaves; hands allow-listed names on to `allowed`, and who is to be forwarded to `forward`.
//!
//! In two steps, because of what they cost. [`Resolver::first`] never waits: it answers everything local, which is nearly
//! everything, without a task or an allocation that outlives it. Only what needs the upstreams comes out of it as a [`Later`],
//! which already holds its places in flight, so that whoever spawns it spawns a bounded number.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use pratique_core::ids::LineNo;
use pratique_core::places::Party;
use pratique_core::time::Timestamp;
use pratique_core::view::{GardenView, Resident};
use smol_str::SmolStr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::captive::{self, Decision, Why};
use crate::cookie::Baker;
use crate::cookie_query::{CookieCode, CookieQuery};
use crate::hot::Listed;
use crate::inwards::Inwards;
use crate::limits::{InFlight, Lines};
use crate::metrics::Metrics;
use crate::networks::Known;
use crate::places::Connections;
use crate::portals::Portals;
use crate::question::{Asked, Family, Kind};
use crate::rates::Rates;
use crate::settings::Settings;
use crate::strangers::{ForwardPlace, Forwarded};
use crate::threats::{ThreatQueries, Threats};
use crate::tls::{Tls, TlsError};
use crate::upstream::{RootsError, Sought, Upstream};
use crate::wall::WallOpener;
use crate::wildcards::Wildcards;
use crate::wire::{self, Body, Code, Ede, Incoming, Rejected, Reply, Request, Transport};

/// The captive resolver. A clone is another handle to the same one.
#[derive(Clone)]
pub struct Resolver(pub(crate) Arc<Inner>);

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The settings are not sound.
    #[error("dns settings: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// The metrics are registered already.
    #[error("dns metrics: {0}; make one resolver per registry")]
    Metrics(#[from] prometheus::Error),
    /// The system gives no randomness.
    #[error("dns cookies: {0}")]
    Random(#[from] getrandom::Error),
    /// Upstreams are to be asked over TLS, and nobody can be trusted.
    #[error("dns settings: {0}")]
    Roots(#[from] RootsError),
    /// TLS could not be set up.
    #[error("dns tls: {0}")]
    Tls(String),
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) portals: Portals,
    pub(crate) upstream: Upstream,
    pub(crate) metrics: Metrics,
    pub(crate) connections: Arc<Connections>,
    /// Places in flight, all lines together; whoever holds all of them knows that nothing is under way.
    pub(crate) in_flight: Arc<Semaphore>,
    /// Places in flight of who is forwarded.
    pub(crate) forward_places: Arc<Semaphore>,
    pub(crate) rates: Rates,
    pub(crate) view: Arc<GardenView>,
    pub(crate) threats: Threats,
    /// None: no encrypted DNS.
    pub(crate) tls: Option<Tls>,
    /// The names of all threat lists, for readers at line rate.
    pub(crate) threat_table: Arc<ArcSwap<Listed>>,
    pub(crate) wall: Arc<dyn WallOpener>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) wildcards: Wildcards,
    pub(crate) inward: Inwards,
    baker: Baker,
}

/// What the first step came to.
pub(crate) enum Step {
    /// No reply.
    Silence,
    /// This reply.
    Reply(Vec<u8>),
    /// The reply takes time.
    Later(Later),
}

/// A question that takes time, with its places in flight.
pub(crate) struct Later {
    pub(crate) request: Box<Request>,
    pub(crate) client: IpAddr,
    pub(crate) transport: Transport,
    pub(crate) arrived: Instant,
    pub(crate) work: Work,
}

/// What is to be done for it.
pub(crate) enum Work {
    /// An allow-listed question of a resident.
    Allowed(Allowed),
    /// A question of a resident whose true answer is passed on, as it is.
    Proof(Proof),
    /// A question of somebody else, to be forwarded.
    Forward { _places: (OwnedSemaphorePermit, ForwardPlace) },
}

/// An allow-listed question.
pub(crate) struct Allowed {
    pub(crate) resident: Arc<Resident>,
    pub(crate) name: SmolStr,
    pub(crate) family: Family,
    /// The name itself stands on the list, not only a suffix of it.
    pub(crate) exact: bool,
    /// The name of the list of which this one is an alias's end; none if it stands in the list itself.
    pub(crate) via: Option<SmolStr>,
    _places: (OwnedSemaphorePermit, InFlight),
}

impl Allowed {
    /// The name that stands in the list, or below a suffix of it.
    pub(crate) fn listed(&self) -> &SmolStr {
        self.via.as_ref().unwrap_or(&self.name)
    }
}

/// What is passed on as it is.
pub(crate) struct Proof {
    pub(crate) name: SmolStr,
    pub(crate) kind: u16,
    pub(crate) line: LineNo,
    /// As of an allow-listed question.
    pub(crate) exact: bool,
    /// The portal's own name: if the truth is another, or does not come in time, the answer of this resolver stands.
    pub(crate) is_portal: bool,
    _places: (OwnedSemaphorePermit, InFlight),
}

impl Resolver {
    /// Checks the settings, registers the metrics, connects to nothing yet.
    ///
    /// # Errors
    /// When the settings are not sound, or the registry has these metrics already.
    pub fn new(
        settings: Settings,
        view: Arc<GardenView>,
        wall: Arc<dyn WallOpener>,
        registry: &prometheus::Registry,
    ) -> Result<Self, SetupError> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(SetupError::Settings(problems));
        }
        let limits = &settings.limits;
        let tls = settings.tls.as_ref().map(|tls| Tls::new(tls, registry)).transpose().map_err(|e| match e {
            TlsError::Metrics(error) => SetupError::Metrics(error),
            TlsError::Tls(error) => SetupError::Tls(error.to_string()),
        })?;
        Ok(Self(Arc::new(Inner {
            portals: Portals::new(&settings),
            upstream: Upstream::new(&settings)?,
            metrics: Metrics::new(registry)?,
            connections: Arc::new(Connections::new(limits)),
            in_flight: Arc::new(Semaphore::new(usize::try_from(limits.in_flight).unwrap_or(usize::MAX >> 3))),
            view,
            wall,
            tls,
            threats: Threats::new(&settings.threat_lists),
            threat_table: Arc::new(ArcSwap::from_pointee(Listed::of_names(std::iter::empty()))),
            lines: Arc::new(Lines::new(limits)),
            wildcards: Wildcards::new(limits, Instant::now()),
            inward: Inwards::default(),
            baker: Baker::new()?,
            rates: Rates::new(limits, Instant::now()).forwarding(Forwarded::new(&settings)),
            forward_places: Arc::new(Semaphore::new(
                usize::try_from(limits.forward_in_flight).unwrap_or(usize::MAX >> 3),
            )),
            settings,
        })))
    }

    /// Reads the threat lists whose files have changed. Call it before serving and now and then, on a thread that may wait:
    /// a million names take a second.
    pub fn refresh_threats(&self) {
        if self.0.threats.refresh() {
            self.0.threat_table.store(Arc::new(Listed::of_names(self.0.threats.all().iter().map(SmolStr::as_str))));
        }
    }

    /// Looks at the certificate of encrypted DNS: reads a changed one, `anew` in any case, and sees how long it has left. Call
    /// it before serving and now and then, on a thread that may wait. Open connections stay.
    pub fn refresh_certificate(&self, now: Timestamp, anew: bool) {
        if let Some(tls) = &self.0.tls {
            tls.refresh(now, anew);
        }
    }

    /// The provider's own networks from now on, beside those of the settings: no name opens them. Say it before serving, and
    /// again whenever they change; answers that were judged by other networks are asked for again.
    pub fn know_networks(&self, known: Known) {
        self.0.upstream.reachable().know(known);
    }

    /// Keeps in this file how much each line has asked below wildcards, without any name, so that a restart gives nobody a new
    /// hour. Say it once, before serving. A file that cannot be used stops nothing: each line then has nearly none left, and why
    /// is returned, and shown by [`Self::health`].
    pub fn keep_spent(&self, file: &Path) -> Option<String> {
        self.0.wildcards.keep_in(file, Instant::now())
    }

    /// Looks after that file. Call it now and then, on a thread that may wait.
    pub fn tidy_spent(&self) {
        self.0.wildcards.tidy(Instant::now());
    }

    /// Which cases have asked for names on threat lists since this was last called.
    pub fn take_threat_queries(&self) -> Vec<ThreatQueries> {
        self.0.threats.take(Instant::now())
    }

    /// Whether somebody in quarantine is behind this address.
    pub(crate) fn is_resident(&self, client: IpAddr) -> bool {
        self.0.view.resident(client).is_some()
    }

    /// Whom limits count behind this address.
    pub(crate) fn party(&self, client: IpAddr) -> Party {
        self.0.view.party(client, self.0.settings.limits.home_prefix)
    }

    /// Takes one question from this client's allowance, for work that comes before its question; false when it has none
    /// left.
    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.admit(self.0.view.resident(client).as_deref(), client, Instant::now())
    }

    /// Everything that needs no waiting.
    pub(crate) fn first(&self, bytes: &[u8], client: IpAddr, transport: Transport) -> Step {
        let arrived = Instant::now();
        let client = client.to_canonical();
        let resident = self.0.view.resident(client);
        // Before anything is parsed: a flood costs a lookup and a bucket.
        if !self.admit(resident.as_deref(), client, arrived) {
            return Step::Silence;
        }
        self.judge(bytes, client, resident, transport, arrived)
    }

    /// The same for a question that was admitted already.
    pub(crate) fn admitted(&self, bytes: &[u8], client: IpAddr, transport: Transport) -> Step {
        let client = client.to_canonical();
        self.judge(bytes, client, self.0.view.resident(client), transport, Instant::now())
    }

    fn judge(
        &self,
        bytes: &[u8],
        client: IpAddr,
        resident: Option<Arc<Resident>>,
        transport: Transport,
        arrived: Instant,
    ) -> Step {
        let mut request = match wire::read(bytes) {
            Incoming::Silence => return Step::Silence,
            Incoming::Reject(reply, why) => {
                self.count(match why {
                    Rejected::FormErr => "formerr",
                    Rejected::NotImp => "notimp",
                    Rejected::BadVers => "badvers",
                });
                return Step::Reply(reply);
            }
            Incoming::Cookie(query) => {
                let served = resident.is_some() || self.0.rates.forwards(client);
                return Step::Reply(self.cookie(&query, client, served));
            }
            Incoming::Ask(request) => request,
        };
        request.cookie = request.client_cookie().map(|cookie| self.0.baker.bake(cookie, client, cookie_time()));
        if resident.is_none() && self.0.rates.forwards(client) {
            return self.forward(request, client, transport, arrived);
        }
        let decision = captive::decide(&request.question, resident.as_deref(), &self.0.portals);
        if let (Why::Captive, Some(resident), Some(name)) = (decision.why(), &resident, request.question.name.plain())
            && !self.0.threats.note(resident.case, name, arrived)
        {
            self.capped("threats");
        }
        let via = self.via(&request, decision, resident.as_deref(), arrived);
        let Some((sought, exact)) = self.sought(&request, decision, via.as_ref(), arrived) else {
            let reply = request.reply(&self.local(decision), transport);
            self.0.metrics.local_seconds.observe(arrived.elapsed().as_secs_f64());
            return reply.map_or(Step::Silence, Step::Reply);
        };
        let is_portal = decision.why() == Why::PortalName;
        // Only residents are ever told anything that has to be asked for.
        let Some(resident) = &resident else { return Step::Silence };
        let wildcards = &self.0.wildcards;
        let may = exact || (wildcards.is_shapely(&sought.0) && wildcards.may_name(resident.line, &sought.0, arrived));
        if !may {
            let reply = self.spent();
            return request.reply(&reply, transport).map_or(Step::Silence, Step::Reply);
        }
        let places = match self.0.lines.begin(resident.line, self.0.in_flight.available_permits(), arrived) {
            None => Err("line-in-flight"),
            Some(line_place) => {
                let place = self.0.in_flight.clone().try_acquire_owned();
                place.map(|place| (place, line_place)).map_err(|_| "in-flight")
            }
        };
        let places = match places {
            Ok(places) => places,
            // The portal's name is answered in any case.
            Err(_) if is_portal => {
                return request.reply(&self.local(decision), transport).map_or(Step::Silence, Step::Reply);
            }
            Err(cap) => return self.overloaded(&request, transport, cap),
        };
        let work = match sought {
            (name, Sought::Addresses(family)) => {
                Work::Allowed(Allowed { resident: resident.clone(), name, family, exact, via, _places: places })
            }
            (name, Sought::Proof(kind)) => {
                Work::Proof(Proof { name, kind, line: resident.line, exact, is_portal, _places: places })
            }
        };
        Step::Later(Later { request, client, transport, arrived, work })
    }

    /// The answer to who asks for nothing but a cookie.
    fn cookie(&self, query: &CookieQuery, client: IpAddr, served: bool) -> Vec<u8> {
        let (baker, now) = (&self.0.baker, cookie_time());
        let known = query.returned().is_none_or(|returned| baker.knows(returned, client, now));
        let (code, kind) = match (served, known) {
            (false, _) => (CookieCode::Refused, "refused-stranger"),
            (true, true) => (CookieCode::NoError, "cookie"),
            (true, false) => (CookieCode::BadCookie, "cookie"),
        };
        self.count(kind);
        query.reply(code, &baker.bake(query.client(), client, now))
    }

    /// The allowed name whose alias ends here. A resolver at home that validates asks for the end of an alias by itself; others take
    /// it from the answer.
    fn via(
        &self,
        request: &Request,
        decision: Decision<'_>,
        resident: Option<&Resident>,
        now: Instant,
    ) -> Option<SmolStr> {
        let name =
            request.question.name.plain().filter(|_| request.wants_dnssec() && decision.why() == Why::Captive)?;
        let via = self.0.upstream.led_from(name, now)?;
        resident?.garden.allow.ports_for(&via).is_some().then_some(via)
    }

    /// What has to be asked for before this can be answered, and whether the name stands in a list; none if nothing has to be.
    fn sought(
        &self,
        request: &Request,
        decision: Decision<'_>,
        via: Option<&SmolStr>,
        now: Instant,
    ) -> Option<((SmolStr, Sought), bool)> {
        match (decision, request.question.kind, request.question.name.plain()) {
            (Decision::Resolve { name, family, exact, .. }, _, _) => {
                Some(((name.clone(), Sought::Addresses(family)), exact))
            }
            (Decision::Prove { name, kind, exact }, _, _) => Some(((name.into(), Sought::Proof(kind)), exact)),
            (_, Kind::Address(family), Some(name)) if via.is_some() => {
                Some(((name.clone(), Sought::Addresses(family)), false))
            }
            // An alias of an allowed name led there.
            (Decision::NoData(Why::Captive), Kind::Proof(kind), Some(name)) if self.0.upstream.leads_to(name, now) => {
                Some(((name.clone(), Sought::Proof(kind)), false))
            }
            // Signed, it is believed even where the portal's zone is.
            (
                Decision::Portal(_, Why::PortalName) | Decision::NoData(Why::PortalName),
                Kind::Address(family),
                Some(name),
            ) if request.wants_dnssec() && !self.0.upstream.is_empty() => {
                Some(((name.clone(), Sought::Proof(family.code())), true))
            }
            _ => None,
        }
    }

    /// The reply to a question that takes time. The caller keeps `later` until it is sent, so that a place in flight covers
    /// the sending too.
    pub(crate) async fn finish(&self, later: &Later) -> Option<Vec<u8>> {
        match &later.work {
            Work::Allowed(allowed) => self.resolved(later, allowed).await,
            Work::Proof(proof) => self.proved(later, proof).await,
            Work::Forward { .. } => self.forwarded(later).await,
        }
    }

    /// The reply to a decision that needs nobody else.
    pub(crate) fn local(&self, decision: Decision<'_>) -> Reply {
        let ttl = self.captive_ttl();
        match decision {
            Decision::Portal(address, why) => {
                self.count("portal");
                Reply { body: Body::Addresses(vec![address], ttl), ede: self.ede(why), ..Reply::default() }
            }
            Decision::Addresses(all, family, _) => {
                self.count("special");
                let addresses = all.iter().copied().filter(|address| family.has(*address)).collect();
                Reply { body: Body::Addresses(addresses, ttl), ..Reply::default() }
            }
            Decision::Pointer(to, _) => {
                self.count("special");
                Reply { body: Body::Pointer(to, ttl), ..Reply::default() }
            }
            Decision::NoData(why) => {
                self.count("nodata");
                self.negative(Some(why))
            }
            Decision::NxDomain(why) => {
                self.count("nxdomain");
                Reply { code: Code::NxDomain, ..self.negative(Some(why)) }
            }
            Decision::AnyHint(why) => {
                self.count("any");
                Reply { body: Body::AnyHint(ttl), ede: self.ede(why), ..Reply::default() }
            }
            Decision::Refuse(why) => {
                self.count(if why == Why::Stranger { "refused-stranger" } else { "refused" });
                Reply { code: Code::Refused, ede: self.ede(why), ..Reply::default() }
            }
            // Only reached by a decision that changed twice; the client asks again.
            Decision::Resolve { .. } | Decision::Prove { .. } => self.failed(),
        }
    }

    pub(crate) fn negative(&self, why: Option<Why>) -> Reply {
        Reply { body: Body::Negative(self.captive_ttl()), ede: why.and_then(|why| self.ede(why)), ..Reply::default() }
    }

    pub(crate) fn ede(&self, why: Why) -> Option<Ede> {
        Some(Ede { code: why.ede()?, text: self.0.settings.contact.clone() })
    }

    /// A name below a wildcard that is not asked for, as the line has asked for too many or too often.
    pub(crate) fn spent(&self) -> Reply {
        self.capped("names");
        self.count("refused");
        Reply { code: Code::Refused, ede: self.ede(Why::Allowed), ..Reply::default() }
    }

    pub(crate) fn failed(&self) -> Reply {
        self.count("servfail");
        Reply { code: Code::ServFail, ..Reply::default() }
    }

    pub(crate) fn overloaded(&self, request: &Request, transport: Transport, cap: &'static str) -> Step {
        self.capped(cap);
        request.reply(&self.failed(), transport).map_or(Step::Silence, Step::Reply)
    }

    fn admit(&self, resident: Option<&Resident>, client: IpAddr, now: Instant) -> bool {
        let rates = &self.0.rates;
        let (admitted, cap) = match resident {
            Some(resident) => (rates.admit(resident.line, rates.tick(now)), "line-rate"),
            None => (rates.admit_stranger(client, rates.tick(now)), "stranger-rate"),
        };
        if !admitted {
            self.capped(cap);
        }
        admitted
    }

    fn captive_ttl(&self) -> u32 {
        self.0.settings.captive_ttl_secs()
    }

    pub(crate) fn count(&self, kind: &'static str) {
        self.0.metrics.answers.with_label_values(&[kind]).inc();
    }

    pub(crate) fn capped(&self, cap: &'static str) {
        self.0.metrics.capped.with_label_values(&[cap]).inc();
    }
}

/// Seconds since 1970 in serial arithmetic: they may wrap (RFC 9018 section 4.3).
fn cookie_time() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() & u64::from(u32::MAX)) as u32
}

/// A name typed by a person, as a question has it: IDN is not translated, as clients send `xn--`.
pub(crate) fn asked(name: &str) -> Asked {
    let name = name.strip_suffix('.').unwrap_or(name);
    Asked::from_labels(name.split('.').map(str::as_bytes))
}
