//! The self-check behind the portal's page: whose line an address is at this moment, and what was seen of that line while it
//! held what it was seen on.
//!
//! ```text
//! visitor ─▶ [who] holds the address now (asked of the engine, every time) ─▶ the line's [sightings] (read beside it)
//! all lines ─▶ [figures], every few minutes
//! consent ─▶ [scans]: may one begin? ─▶ [scan]: consent into the log, packets, result into the log ─▶ kept for an hour
//! ```
//!
//! Nothing is remembered by address, so that the next holder of one never meets what was seen of the former. What was seen of
//! a line is remembered for some seconds by its number: a household that reloads costs the store one look.

pub mod figures;
mod meters;
mod scan;
mod scans;
mod sightings;
mod who;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use pratique_core::time::Timestamp;
use pratique_engine::clock::Clock;
use pratique_engine::handle::EngineHandle;
use pratique_portal::figures::Figures;
use pratique_portal::{Agreed, CheckError, Checker, Known, LineCard, Offer, Portal, SelfCheck, Visitor};
use pratique_scan::Scanner;
use pratique_store::Reader;
use prometheus::Registry;
use tracing::warn;

use self::figures::Counter;
use self::meters::Meters;
use self::scans::Scans;
use self::sightings::Kept;
use self::who::{Holder, Who};
use crate::config::Config;
use crate::rescans::Running;

/// Answers the portal. Cheap to clone.
#[derive(Clone)]
pub struct Checks {
    engine: EngineHandle,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    kept: Arc<Kept>,
    scanner: Arc<Scanner>,
    running: Running,
    /// None where no scan is offered.
    scans: Option<Arc<Scans>>,
    /// Results go by mail, too.
    mail: bool,
    figures: Arc<ArcSwapOption<Figures>>,
    meters: Meters,
}

/// Where the parts come from.
pub struct Parts {
    /// Knows who holds what, and takes what becomes of scans.
    pub engine: EngineHandle,
    /// Knows what was seen.
    pub reader: Arc<dyn Reader>,
    /// The engine's time.
    pub clock: Arc<dyn Clock>,
    /// Sends probes; the same one that checks fixes.
    pub scanner: Arc<Scanner>,
    /// Scans under way, held against every change of the directory.
    pub running: Running,
}

/// Answers the portal of a node, where its configuration wants that; with who counts the figures, where they are open.
///
/// # Errors
/// When its metrics are registered already.
pub fn open(
    config: &Config,
    portal: &Portal,
    parts: Parts,
    registry: &Registry,
) -> Result<Option<Counter>, prometheus::Error> {
    let Some(settings) = config.portal.as_ref().and_then(|portal| portal.pages.self_check.as_ref()) else {
        return Ok(None);
    };
    let mail = config.notices.as_ref().is_some_and(pratique_notices::Settings::tells_self_checks);
    let checks = Checks::new(settings, mail, parts, registry)?;
    let counter = settings.figures.then(|| checks.counter());
    portal.check_lines(Arc::new(checks));
    Ok(counter)
}

impl Checks {
    /// Ready to answer. `mail`: results can go by mail, too.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn new(settings: &SelfCheck, mail: bool, parts: Parts, registry: &Registry) -> Result<Self, prometheus::Error> {
        let Parts { engine, reader, clock, scanner, running } = parts;
        let scans = settings.scan.clone().map(Scans::new);
        let (kept, meters) = (Arc::default(), Meters::new(registry)?);
        Ok(Self { engine, reader, clock, kept, scanner, running, scans, mail, meters, figures: Arc::default() })
    }

    /// Who counts the open figures that this one tells.
    pub fn counter(&self) -> Counter {
        let (engine, reader, clock) = (self.engine.clone(), Arc::clone(&self.reader), Arc::clone(&self.clock));
        Counter::new(engine, reader, clock, Arc::clone(&self.figures))
    }

    fn offer(&self, holder: &Holder, visitor: Visitor, now: Timestamp) -> Offer {
        match &self.scans {
            Some(scans) if !holder.held => match scan::targets(&holder.live, visitor.address).is_empty() {
                true => Offer::NoAddress,
                false => scans.offer(holder.line, now),
            },
            _ => Offer::No,
        }
    }
}

#[async_trait]
impl Checker for Checks {
    async fn look_up(&self, visitor: Visitor) -> Result<Known, CheckError> {
        let who = self.engine.read(move |world, _| Who::is(world, visitor)).await.map_err(|_| CheckError::Busy)?;
        let holder = match who {
            Who::Nobody => return Ok(Known::Nobody),
            Who::Shared => return Ok(Known::Shared),
            Who::Holder(holder) => holder,
        };
        let now = self.clock.now();
        let read = self.kept.read(holder.line, now, &*self.reader).await.map_err(|error| {
            warn!(%error, "sightings of a line could not be read for the self-check");
            CheckError::Busy
        })?;
        Ok(Known::Line(Box::new(LineCard {
            line: holder.line,
            offer: self.offer(&holder, visitor, now),
            found: self.scans.as_ref().and_then(|scans| scans.found(holder.line, now)),
            mail: read.mail.clone().filter(|_| self.mail && holder.may_be_told),
            seen: sightings::by_cause(&read.seen, now),
            held: holder.held,
            case: holder.case,
            language: holder.language,
        })))
    }

    async fn scan(&self, visitor: Visitor, agreed: Agreed) -> Result<(), CheckError> {
        self.begin(visitor, agreed).await
    }

    fn figures(&self) -> Option<Arc<Figures>> {
        self.figures.load_full()
    }
}
