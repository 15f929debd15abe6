//! One query from bytes to bytes: caps, the pure decision, and for allow-listed names the upstream and the wall. Called by
//! the sockets in `serve` for TCP and for what `hot` leaves.
//!
//! In two steps, because of what they cost. [`Resolver::first`] never waits: it answers everything local, which is nearly
//! everything, without a task or an allocation that outlives it. Only allow-listed names come out of it as a [`Later`],
//! which already holds its places in flight, so that whoever spawns it spawns a bounded number.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pratique_core::playbook::PortSpec;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{GardenView, Resident};
use smol_str::SmolStr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::captive::{self, Decision, Garden, Why};
use crate::hot::Listed;
use crate::limits::{Connections, InFlight, Lines};
use crate::metrics::Metrics;
use crate::question::{Asked, Family};
use crate::rates::Rates;
use crate::settings::Settings;
use crate::threats::{ThreatQueries, Threats};
use crate::tls::{Tls, TlsError};
use crate::upstream::{Found, Upstream};
use crate::wall::WallOpener;
use crate::wire::{self, Body, Code, Incoming, Rejected, Reply, Request, Transport};

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
    /// The upstream resolver could not be made.
    #[error("dns upstreams: {0}")]
    Upstream(String),
    /// TLS could not be set up.
    #[error("dns tls: {0}")]
    Tls(String),
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) garden: Garden,
    pub(crate) upstream: Upstream,
    pub(crate) metrics: Metrics,
    pub(crate) connections: Arc<Connections>,
    /// Places in flight, all lines together; whoever holds all of them knows that nothing is under way.
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) rates: Rates,
    pub(crate) view: Arc<GardenView>,
    pub(crate) threats: Threats,
    /// None: no encrypted DNS.
    pub(crate) tls: Option<Tls>,
    /// The names of all threat lists, for readers at line rate.
    pub(crate) threat_table: Arc<ArcSwap<Listed>>,
    wall: Arc<dyn WallOpener>,
    lines: Arc<Lines>,
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

/// An allow-listed question with its places in flight.
pub(crate) struct Later {
    request: Box<Request>,
    client: IpAddr,
    transport: Transport,
    resident: Arc<Resident>,
    name: SmolStr,
    family: Family,
    arrived: Instant,
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
            garden: Garden {
                portal_host: settings.portal_host.clone(),
                portal4: settings.portal4,
                portal6: settings.portal6,
            },
            upstream: Upstream::new(&settings).map_err(|e| SetupError::Upstream(e.to_string()))?,
            metrics: Metrics::new(registry)?,
            connections: Arc::new(Connections::new(limits)),
            in_flight: Arc::new(Semaphore::new(usize::try_from(limits.in_flight).unwrap_or(usize::MAX >> 3))),
            view,
            wall,
            tls,
            threats: Threats::new(&settings.threat_lists),
            threat_table: Arc::new(ArcSwap::from_pointee(Listed::of_names(std::iter::empty()))),
            lines: Arc::new(Lines::new(limits)),
            rates: Rates::new(limits, Instant::now()),
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
        self.admit(self.0.view.resident(client.to_canonical()).as_deref(), Instant::now())
    }

    /// Everything that needs no waiting.
    pub(crate) fn first(&self, bytes: &[u8], client: IpAddr, transport: Transport) -> Step {
        let arrived = Instant::now();
        let client = client.to_canonical();
        let resident = self.0.view.resident(client);
        // Before anything is parsed: a flood costs a lookup and a bucket.
        if !self.admit(resident.as_deref(), arrived) {
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
        let request = match wire::read(bytes) {
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
        let decision = captive::decide(&request.question, resident.as_deref(), &self.0.garden);
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
        if !exact && !self.0.lines.may_name(resident.line, name, arrived) {
            self.capped("names");
            self.count("refused");
            let reply = Reply { code: Code::Refused, ede: Why::Allowed.ede(), ..Reply::default() };
            return request.reply(&reply, transport).map_or(Step::Silence, Step::Reply);
        }
        let Some(line_place) = self.0.lines.begin(resident.line, arrived) else {
            return self.overloaded(&request, transport, "line-in-flight");
        };
        let Ok(place) = self.0.in_flight.clone().try_acquire_owned() else {
            return self.overloaded(&request, transport, "in-flight");
        };
        let (resident, name) = (resident.clone(), name.clone());
        Step::Later(Later { request, client, transport, resident, name, family, arrived, _places: (place, line_place) })
    }

    /// The upstream, the wall, and only then the reply. The caller keeps `later` until the reply is sent, so that a place
    /// in flight covers the sending too.
    pub(crate) async fn finish(&self, later: &Later) -> Option<Vec<u8>> {
        let reply = self.resolve(later).await;
        self.0.metrics.resolve_seconds.observe(later.arrived.elapsed().as_secs_f64());
        later.request.reply(&reply, later.transport)
    }

    async fn resolve(&self, later: &Later) -> Reply {
        let metrics = &self.0.metrics;
        let deadline = later.arrived + self.0.settings.budget.to_std();
        let lookup = self.0.upstream.find(&later.name, later.family, deadline).await;
        metrics.lookups.with_label_values(&[if lookup.cached { "cache" } else { "upstream" }]).inc();
        metrics.stripped.inc_by(lookup.stripped);
        // Meanwhile the line may have been freed, or the address given to another.
        let resident = self.0.view.resident(later.client).filter(|r| r.case == later.resident.case);
        let ports = match captive::decide(&later.request.question, resident.as_deref(), &self.0.garden) {
            Decision::Resolve { ports, .. } => ports,
            changed => return self.local(changed),
        };
        let found = match lookup.found {
            Ok(found) => found,
            Err(failure) => {
                metrics.upstream_failures.with_label_values(&[failure.label()]).inc();
                return self.failed();
            }
        };
        match (found, &resident) {
            (Found::Addresses(addresses, until), Some(resident)) => {
                let left = until.saturating_duration_since(Instant::now()).as_secs().max(1);
                let ttl = u32::try_from(left).unwrap_or(u32::MAX);
                if !self.open(later.client, resident, &addresses, ports, ttl, deadline).await {
                    metrics.wall_failures.inc();
                    return self.failed();
                }
                self.count("resolved");
                Reply { body: Body::Addresses(addresses.to_vec(), ttl), ..Reply::default() }
            }
            (Found::NxDomain, _) => {
                self.count("resolved-nxdomain");
                Reply { code: Code::NxDomain, ..self.negative(None) }
            }
            (Found::Stripped, _) => {
                self.count("resolved-stripped");
                self.negative(Some(Why::Allowed))
            }
            (Found::NoData | Found::Addresses(..), _) => {
                self.count("resolved-nodata");
                self.negative(None)
            }
        }
    }

    async fn open(
        &self,
        client: IpAddr,
        resident: &Arc<Resident>,
        addresses: &[IpAddr],
        ports: &[PortSpec],
        ttl: u32,
        deadline: Instant,
    ) -> bool {
        // The metric and the wall's own driver are loud; a line here per question would be a way to fill a disk.
        let margin = self.0.settings.open_margin.as_millis();
        let lasts = Span::from_millis(margin.saturating_add(i64::from(ttl) * 1_000));
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

    /// The reply to a decision that needs nobody else.
    fn local(&self, decision: Decision<'_>) -> Reply {
        let ttl = self.captive_ttl();
        match decision {
            Decision::Portal(address, why) => {
                self.count("portal");
                Reply { body: Body::Addresses(vec![address], ttl), ede: why.ede(), ..Reply::default() }
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
                Reply { body: Body::AnyHint(ttl), ede: why.ede(), ..Reply::default() }
            }
            Decision::Refuse(why) => {
                self.count(if why == Why::Stranger { "refused-stranger" } else { "refused" });
                Reply { code: Code::Refused, ede: why.ede(), ..Reply::default() }
            }
            // Only reached by a decision that changed twice; the client asks again.
            Decision::Resolve { .. } => self.failed(),
        }
    }

    fn negative(&self, why: Option<Why>) -> Reply {
        Reply { body: Body::Negative(self.captive_ttl()), ede: why.and_then(Why::ede), ..Reply::default() }
    }

    fn failed(&self) -> Reply {
        self.count("servfail");
        Reply { code: Code::ServFail, ..Reply::default() }
    }

    fn overloaded(&self, request: &Request, transport: Transport, cap: &str) -> Step {
        self.capped(cap);
        request.reply(&self.failed(), transport).map_or(Step::Silence, Step::Reply)
    }

    fn admit(&self, resident: Option<&Resident>, now: Instant) -> bool {
        let rates = &self.0.rates;
        let (admitted, cap) = match resident {
            Some(resident) => (rates.admit(resident.line, rates.tick(now)), "line-rate"),
            None => (rates.admit_stranger(rates.tick(now)), "stranger-rate"),
        };
        if !admitted {
            self.capped(cap);
        }
        admitted
    }

    fn captive_ttl(&self) -> u32 {
        self.0.settings.captive_ttl_secs()
    }

    fn count(&self, kind: &str) {
        self.0.metrics.answers.with_label_values(&[kind]).inc();
    }

    pub(crate) fn capped(&self, cap: &str) {
        self.0.metrics.capped.with_label_values(&[cap]).inc();
    }
}

/// A name typed by a person, as a question has it: IDN is not translated, as clients send `xn--`.
pub(crate) fn asked(name: &str) -> Asked {
    let name = name.strip_suffix('.').unwrap_or(name);
    Asked::from_labels(name.split('.').map(str::as_bytes))
}
