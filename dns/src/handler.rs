//! One query from bytes to bytes: caps, the pure decision, and its reply. Called by the sockets in `serve` for TCP and for
//! what `hot` leaves; hands allow-listed names on to `allowed`, and who is to be forwarded to `forward`.
//!
//! In two steps, because of what they cost. [`Resolver::first`] never waits: it answers everything local, which is nearly
//! everything, without a task or an allocation that outlives it. Only what needs the upstreams comes out of it as a [`Later`],
//! which already holds its places in flight, so that whoever spawns it spawns a bounded number.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use pratique_core::time::Timestamp;
use pratique_core::view::{GardenView, Resident};
use smol_str::SmolStr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::captive::{self, Decision, Why};
use crate::cookie::Baker;
use crate::hot::Listed;
use crate::limits::{Connections, InFlight, Lines};
use crate::metrics::Metrics;
use crate::portals::Portals;
use crate::question::{Asked, Family};
use crate::rates::Rates;
use crate::settings::Settings;
use crate::strangers::Forwarded;
use crate::threats::{ThreatQueries, Threats};
use crate::tls::{Tls, TlsError};
use crate::upstream::{RootsError, Upstream};
use crate::wall::WallOpener;
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
    /// A question of somebody else, to be forwarded.
    Forward { _place: OwnedSemaphorePermit },
}

/// An allow-listed question.
pub(crate) struct Allowed {
    pub(crate) resident: Arc<Resident>,
    pub(crate) name: SmolStr,
    pub(crate) family: Family,
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

    /// Which cases have asked for names on threat lists since this was last called.
    pub fn take_threat_queries(&self) -> Vec<ThreatQueries> {
        self.0.threats.take(Instant::now())
    }

    /// Whether somebody in quarantine is behind this address.
    pub(crate) fn is_resident(&self, client: IpAddr) -> bool {
        self.0.view.resident(client).is_some()
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
            Incoming::Ask(request) => request,
        };
        request.cookie = request.client_cookie().map(|cookie| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // Serial arithmetic: it may wrap (RFC 9018 section 4.3).
            self.0.baker.bake(cookie, client, (since.as_secs() & u64::from(u32::MAX)) as u32)
        });
        if resident.is_none() && self.0.rates.forwards(client) {
            return self.forward(request, client, transport, arrived);
        }
        let decision = captive::decide(&request.question, resident.as_deref(), &self.0.portals);
        if let (Why::Captive, Some(resident), Some(name)) = (decision.why(), &resident, request.question.name.plain())
            && !self.0.threats.note(resident.case, name, arrived)
        {
            self.capped("threats");
        }
        let (Decision::Resolve { name, family, exact, .. }, Some(resident)) = (decision, &resident) else {
            let reply = request.reply(&self.local(decision), transport);
            self.0.metrics.local_seconds.observe(arrived.elapsed().as_secs_f64());
            return reply.map_or(Step::Silence, Step::Reply);
        };
        let lines = &self.0.lines;
        let may = exact || (lines.is_shapely(name) && lines.may_name(resident.line, name, arrived));
        if !may {
            self.capped("names");
            self.count("refused");
            let reply = Reply { code: Code::Refused, ede: self.ede(Why::Allowed), ..Reply::default() };
            return request.reply(&reply, transport).map_or(Step::Silence, Step::Reply);
        }
        let Some(line_place) = self.0.lines.begin(resident.line, arrived) else {
            return self.overloaded(&request, transport, "line-in-flight");
        };
        let Ok(place) = self.0.in_flight.clone().try_acquire_owned() else {
            return self.overloaded(&request, transport, "in-flight");
        };
        let (resident, name) = (resident.clone(), name.clone());
        let work = Work::Allowed(Allowed { resident, name, family, _places: (place, line_place) });
        Step::Later(Later { request, client, transport, arrived, work })
    }

    /// The reply to a question that takes time. The caller keeps `later` until it is sent, so that a place in flight covers
    /// the sending too.
    pub(crate) async fn finish(&self, later: &Later) -> Option<Vec<u8>> {
        match &later.work {
            Work::Allowed(allowed) => self.resolved(later, allowed).await,
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
            Decision::Resolve { .. } => self.failed(),
        }
    }

    pub(crate) fn negative(&self, why: Option<Why>) -> Reply {
        Reply { body: Body::Negative(self.captive_ttl()), ede: why.and_then(|why| self.ede(why)), ..Reply::default() }
    }

    pub(crate) fn ede(&self, why: Why) -> Option<Ede> {
        Some(Ede { code: why.ede()?, text: self.0.settings.contact.clone() })
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

/// A name typed by a person, as a question has it: IDN is not translated, as clients send `xn--`.
pub(crate) fn asked(name: &str) -> Asked {
    let name = name.strip_suffix('.').unwrap_or(name);
    Asked::from_labels(name.split('.').map(str::as_bytes))
}
