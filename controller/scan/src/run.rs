//! A whole rescan: control first, then the line's addresses, then proof of life where a verdict hangs on it, then one
//! verdict per probe.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pratique_core::playbook::PortSpec;
use pratique_core::rescan::{Probe, ProbeResult, Rescan, RescanTrigger, Verdict};
use pratique_core::sighting::Transport;
use pratique_core::time::{Span, Timestamp};
use pratique_core::wall::ScanPass;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};
use smol_str::SmolStr;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::echo;
use super::exchange::{self, Gate, Limits};
use super::outcome::{Context, Observed, conclude, over_addresses};
use super::probe::{Asking, Kind};
use super::settings::Settings;

/// One rescan of one line.
#[derive(Clone, Debug)]
pub struct Job {
    /// Who asked for it.
    pub trigger: RescanTrigger,
    /// The line's present addresses: its IPv4 address and those IPv6 addresses that are known. Prefixes cannot be swept.
    pub targets: Vec<IpAddr>,
    /// What to ask at each of them.
    pub probes: Vec<Probe>,
}

/// Lets a scan into the wall that a line is behind: for the scanner alone, for the doors it asks at, while it asks.
#[async_trait::async_trait]
pub trait Passage: Send + Sync {
    /// Returns when the wall lets them in.
    ///
    /// # Errors
    /// When it does not, in words; then nothing must be asked.
    async fn open(&self, passes: Vec<ScanPass>) -> Result<(), String>;
}

/// Sends probes. One per node; share it.
pub struct Scanner {
    settings: Settings,
    passage: Option<Arc<dyn Passage>>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    places: Semaphore,
    metrics: Metrics,
}

/// What was observed at one address.
struct Address {
    ip: IpAddr,
    alive: bool,
    /// One per probe, in the job's order.
    observed: Vec<Observed>,
}

impl Scanner {
    /// A scanner with checked settings (see [`Settings::problems`]). `now` stamps the rescans.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn new(
        settings: Settings,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let places = Semaphore::new(usize::try_from(settings.max_concurrent).unwrap_or(1).clamp(1, 1024));
        Ok(Self { settings, passage: None, now: Arc::new(now), places, metrics: Metrics::new(registry)? })
    }

    /// The same, through a wall on the way.
    #[must_use]
    pub fn through(self, passage: Arc<dyn Passage>) -> Self {
        Self { passage: Some(passage), ..self }
    }

    /// Asks every probe at every address and says what it means. `still_held` is asked immediately before each packet, and
    /// again before an answer counts: whether the address is, now, still that of the line. It must be quick.
    ///
    /// Ends within the settings' `queue` + `total`, whatever the devices do. Dropping the future stops it.
    pub async fn rescan(&self, job: Job, still_held: impl Fn(IpAddr) -> bool + Send + Sync) -> Rescan {
        let probes = in_order(job.probes);
        let all = |found: &'static str| probes.iter().map(|_| (Verdict::Inconclusive, found)).collect();
        let asked_at = (self.now)();
        let Ok(Ok(_place)) = timeout(self.settings.queue.to_std(), self.places.acquire()).await else {
            return self.finish(asked_at, job.trigger, &probes, all("busy"));
        };
        let started_at = (self.now)();
        let timer = self.metrics.seconds.start_timer();
        let targets = in_order(job.targets);
        let verdicts =
            if targets.is_empty() { all("no-address") } else { self.ask(&targets, &probes, &still_held).await };
        timer.observe_duration();
        self.finish(started_at, job.trigger, &probes, verdicts)
    }

    async fn ask(
        &self,
        targets: &[IpAddr],
        probes: &[Probe],
        still_held: &(dyn Fn(IpAddr) -> bool + Send + Sync),
    ) -> Vec<(Verdict, &'static str)> {
        let run_ends = Instant::now() + self.settings.total.to_std();
        let most = usize::try_from(self.settings.addresses).unwrap_or(1);
        let (asked, left_out) = targets.split_at(targets.len().min(most));
        if let Some(passage) = &self.passage
            && let Err(error) = passage.open(self.passes(asked, probes)).await
        {
            tracing::warn!(%error, "the wall did not let the scanner in: a rescan is inconclusive");
            return probes.iter().map(|_| (Verdict::Inconclusive, "blocked-here")).collect();
        }

        let wanted: BTreeSet<_> =
            asked.iter().flat_map(|t| probes.iter().map(|p| (Kind::from(*p), t.is_ipv6()))).collect();
        let controls: BTreeSet<_> = join_all(
            wanted
                .into_iter()
                .map(async |(kind, v6)| self.control_answers(kind, v6, run_ends).await.then_some((kind, v6))),
        )
        .await
        .into_iter()
        .flatten()
        .collect();

        let addresses = join_all(asked.iter().map(|ip| self.address(*ip, probes, still_held, run_ends))).await;
        let unseen_may_go = self.settings.ignore_unseen_ipv6 && addresses.iter().any(|a| a.alive);
        probes
            .iter()
            .enumerate()
            .map(|(index, probe)| {
                let kind = Kind::from(*probe);
                let mut verdicts = Vec::with_capacity(addresses.len());
                for address in addresses.iter().filter(|a| a.alive || !a.ip.is_ipv6() || !unseen_may_go) {
                    let observed = address.observed.get(index).copied().unwrap_or(Observed::NotAsked("no-address"));
                    let context = Context {
                        alive: address.alive,
                        control: controls.contains(&(kind, address.ip.is_ipv6())),
                        silence_counts: self.silence_counts(kind),
                    };
                    verdicts.push(conclude(observed, context));
                }
                if !left_out.is_empty() {
                    verdicts.push((Verdict::Inconclusive, "too-many-addresses"));
                }
                over_addresses(&verdicts)
            })
            .collect()
    }

    /// What the wall must let in: all that is asked of these addresses, and of controls behind the same wall.
    fn passes(&self, asked: &[IpAddr], probes: &[Probe]) -> Vec<ScanPass> {
        let lasts = Span::from_millis(self.settings.total.as_millis().saturating_add(PASSES_LINGER.as_millis()));
        let door = |kind: Kind, port| PortSpec {
            port,
            transport: if kind.is_udp() { Transport::Udp } else { Transport::Tcp },
        };
        let life =
            [Transport::Tcp, Transport::Udp].map(|transport| PortSpec { port: self.settings.life_port, transport });
        let ports: Vec<_> = probes.iter().map(|p| door(Kind::from(*p), p.port())).chain(life).collect();
        let lines = asked.iter().map(|target| ScanPass { target: *target, ports: ports.clone(), lasts });
        let kinds: BTreeSet<_> = probes.iter().map(|p| Kind::from(*p)).collect();
        let controls = kinds.iter().flat_map(|kind| {
            let known = self.settings.control.get(kind).map(Vec::as_slice).unwrap_or_default();
            known.iter().map(|at| ScanPass { target: at.ip(), ports: vec![door(*kind, at.port())], lasts })
        });
        lines.chain(controls).collect()
    }

    /// All probes at one address.
    async fn address(
        &self,
        ip: IpAddr,
        probes: &[Probe],
        still_held: &(dyn Fn(IpAddr) -> bool + Send + Sync),
        run_ends: Instant,
    ) -> Address {
        if !is_a_host(ip) {
            return Address { ip, alive: false, observed: vec![Observed::NotAsked("not-a-host"); probes.len()] };
        }
        let gate = Gate::new(ip, still_held, self.settings.packets_per_address);
        let at_once = Semaphore::new(usize::try_from(self.settings.at_once_per_address).unwrap_or(1).max(1));
        let limits = self.limits(ip, run_ends);
        let observed = join_all(probes.iter().map(async |probe| {
            let Ok(_turn) = at_once.acquire().await else { return Observed::NotAsked("no-socket") };
            let Some(asking) = self.asking(ip) else { return Observed::NotAsked("no-randomness") };
            let target = SocketAddr::new(ip, probe.port());
            let observed = exchange::ask(Kind::from(*probe), target, &asking, &gate, limits).await;
            if observed == Observed::Moved {
                self.metrics.moved.inc();
            }
            tracing::debug!(%target, %probe, ?observed, "probe");
            observed
        }))
        .await;
        let mut alive = observed.iter().any(|o| o.proves_life());
        let hangs_on_life =
            probes.iter().zip(&observed).any(|(p, o)| *o == Observed::Silent && self.silence_counts(Kind::from(*p)));
        if !alive && hangs_on_life {
            alive = self.shows_life(ip, &gate, limits).await;
        }
        Address { ip, alive, observed }
    }

    async fn shows_life(&self, ip: IpAddr, gate: &Gate<'_>, limits: Limits) -> bool {
        let nonce = if self.settings.life_echo { getrandom::u64().ok() } else { None };
        let echo = async {
            match nonce {
                Some(nonce) => echo::answers(ip, nonce, gate, limits).await,
                None => false,
            }
        };
        let (knocked, echoed) =
            tokio::join!(exchange::knock(SocketAddr::new(ip, self.settings.life_port), gate, limits), echo);
        knocked || echoed
    }

    /// Whether any positive control of this kind and family answers as an open device would.
    async fn control_answers(&self, kind: Kind, v6: bool, run_ends: Instant) -> bool {
        let known = self.settings.control.get(&kind).map(Vec::as_slice).unwrap_or_default();
        // Two are asked at most: a dead one must not eat the time of the run.
        let some = known.iter().filter(|a| a.is_ipv6() == v6).take(2);
        let answered = join_all(some.map(async |control| {
            let Some(asking) = self.asking(control.ip()) else { return false };
            let gate = Gate::new(control.ip(), &|_| true, self.settings.packets_per_address);
            let observed = exchange::ask(kind, *control, &asking, &gate, self.limits(control.ip(), run_ends)).await;
            matches!(observed, Observed::Said(saw) if saw.verdict == Verdict::Vulnerable)
        }))
        .await
        .contains(&true);
        if !answered {
            self.metrics.control_failures.with_label_values(&[kind.name()]).inc();
            tracing::warn!(
                probe = kind.name(),
                ipv6 = v6,
                "the positive control does not answer: no verdict of this probe can be clean"
            );
        }
        answered
    }

    fn silence_counts(&self, kind: Kind) -> bool {
        kind.is_udp() || self.settings.dropped_tcp_is_shut
    }

    fn limits(&self, target: IpAddr, run_ends: Instant) -> Limits {
        let source = match target {
            IpAddr::V4(_) => self.settings.source4.map(IpAddr::V4),
            IpAddr::V6(_) => self.settings.source6.map(IpAddr::V6),
        };
        Limits { source, per_probe: self.settings.per_probe.to_std().max(SHORTEST), run_ends }
    }

    fn asking(&self, host: IpAddr) -> Option<Asking> {
        Some(Asking { host, dns_name: self.settings.dns_name.clone(), nonce: getrandom::u64().ok()? })
    }

    fn finish(
        &self,
        started_at: Timestamp,
        trigger: RescanTrigger,
        probes: &[Probe],
        verdicts: Vec<(Verdict, &'static str)>,
    ) -> Rescan {
        let results = probes.iter().zip(verdicts).map(|(probe, (verdict, found))| {
            self.metrics.results.with_label_values(&[probe.name(), word(verdict)]).inc();
            ProbeResult { probe: *probe, verdict, found: SmolStr::new_static(found) }
        });
        Rescan { started_at, results: results.collect(), finished_at: (self.now)(), trigger }
    }
}

/// A last answer may be under way when the time of a rescan is over.
const PASSES_LINGER: Span = Span::from_secs(2);

/// A wait below this would call a healthy device silent.
const SHORTEST: Duration = Duration::from_millis(50);

/// Each once, in the order given.
fn in_order<T: Copy + Ord>(items: Vec<T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(*item)).collect()
}

/// Whether an address can be that of one device at all.
fn is_a_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(a) => !(a.is_unspecified() || a.is_multicast() || a.is_broadcast()),
        // A mapped address would leave as IPv4 past the checks of that family; link-local needs an interface.
        IpAddr::V6(a) => {
            !(a.is_unspecified() || a.is_multicast() || a.is_unicast_link_local() || a.to_ipv4_mapped().is_some())
        }
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::Vulnerable => "vulnerable",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// Counters of one scanner.
struct Metrics {
    results: IntCounterVec,
    control_failures: IntCounterVec,
    moved: IntCounter,
    seconds: Histogram,
}

impl Metrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            results: IntCounterVec::new(
                Opts::new("pratique_rescan_results_total", "Results of probes, by probe and verdict"),
                &["probe", "verdict"],
            )?,
            control_failures: IntCounterVec::new(
                Opts::new("pratique_rescan_control_failures_total", "Rescans without a positive control, by probe"),
                &["probe"],
            )?,
            moved: IntCounter::new(
                "pratique_rescan_address_changed_total",
                "Probes not sent, or not counted, because the address was no longer the line's",
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new("pratique_rescan_seconds", "Duration of rescans, without waiting for a place")
                    .buckets(vec![0.1, 0.3, 1.0, 3.0, 5.0, 7.5, 10.0]),
            )?,
        };
        registry.register(Box::new(metrics.results.clone()))?;
        registry.register(Box::new(metrics.control_failures.clone()))?;
        registry.register(Box::new(metrics.moved.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        Ok(metrics)
    }
}
