//! pratique-portal: what the subscriber of a quarantined line sees, in the order a request flows through it:
//!
//! * [`settings`]: what the provider configures; [`OwnWords`]: in one language or in each
//! * [`server`]: the accept loop and its limits; one connection, one peer address, nothing a client says changes it;
//!   [`seats`]: places for connections, so that nobody shuts out people
//! * [`tls`]: the same over TLS, for the captive-portal API
//! * [`front`]: which answer a request gets: the smallest correct one, or a page
//! * [`forward`]: plain HTTP to allow-listed names, checked and passed on
//! * [`captive`]: the captive-portal API of RFC 8908
//! * [`probes`]: the questions operating systems ask to find out whether they are online
//! * [`page`]: the resident's page, that of a warned line, and the page for everybody else
//! * [`texts`]: every word a person reads, from Fluent files
//! * [`devices`]: which kind of device a report speaks of, so that the steps fit it
//! * [`promises`]: what is said to work still, and what has to be open for it
//! * [`look`]: the provider's own colours and logo
//! * [`actions`], [`steps`], [`token`]: what can be pressed and ticked, and why nobody else can; [`desk`]: where that leads;
//!   [`pace`], [`turns`]: how often, and how much at once
//! * [`live`]: the page's news, as they come
//! * [`check`]: the self-check: what was seen of the visitor's own line, in quarantine or not
//! * [`link`]: links in notices; the notices themselves are written beside the page, with its words
//! * [`preview`]: the pages with other words and colours, for the console
//! * [`visit`]: what the address of a page carries
//! * [`answer`]: headers and bodies
//! * [`metrics`]: what the NOC graphs
//!
//! The portal reads a [`GardenView`] and sends commands through a [`Desk`]. It never sees the controller.

use std::path::Path;
use std::sync::Arc;

use pratique_core::time::Timestamp;
use pratique_core::view::GardenView;
use tokio::net::TcpListener;

mod actions;
mod answer;
mod captive;
pub mod check;
mod desk;
pub mod devices;
pub mod forward;
mod front;
mod link;
mod live;
mod look;
mod metrics;
mod own_words;
mod pace;
mod page;
mod preview;
mod probes;
pub mod promises;
mod seats;
mod server;
pub mod settings;
mod steps;
pub mod texts;
mod tls;
mod token;
mod turns;
mod visit;

pub use captive::{ApiUrl, VenueUrl};
pub use check::figures;
pub use check::settings::{Scans, SelfCheck};
pub use check::{Agreed, CheckError, Checker, Found, Known, LineCard, Offer, SeenCard, Visitor, masked};
pub use desk::{Desk, DeskError, FreeLine, Grace, NoDesk, Seen, Warning};
pub use link::{Link, LinkKey, NoLink};
pub use look::{Colour, Look};
pub use own_words::OwnWords;
pub use page::letter::{About, Facts, Letter, Letters};
pub use pratique_tls::{CertificateHealth, PairFiles};
pub use preview::{Preview, Scene, Shown, Trial};
pub use server::listen;
pub use settings::{Limits, PortalUrl, Provider, Settings};
pub use steps::{MAX_STEPS, NoStep, StepId, Ticked};

/// Why there is no portal.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// The configuration does not make sense.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// A text file does not.
    #[error(transparent)]
    Texts(#[from] texts::TextsError),
    /// A metric is registered twice.
    #[error("the portal's metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// TLS cannot be set up.
    #[error("the portal cannot speak TLS: {0}")]
    Tls(#[from] pratique_tls::TlsError),
    /// No randomness for the key of the forms.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// The portal of one node.
pub struct Portal {
    front: Arc<front::Front>,
    /// Connections with and without TLS share them.
    seats: Arc<seats::Seats>,
    tls: Option<Arc<tls::Tls>>,
}

impl Portal {
    /// Reads the texts (built-in English, then one `<language>.ftl` per language in `texts_dir`), checks the settings
    /// against them and registers the metrics.
    ///
    /// # Errors
    /// [`PortalError`], in words for the person who wrote the settings or texts.
    pub fn new(
        settings: Settings,
        texts_dir: Option<&Path>,
        view: Arc<GardenView>,
        desk: Arc<dyn Desk>,
        registry: &prometheus::Registry,
    ) -> Result<Self, PortalError> {
        let texts = texts::Texts::load(texts_dir)?;
        let pages = page::Pages::new(settings, Arc::new(texts))?;
        let metrics = metrics::Metrics::register(registry)?;
        let seal = token::Seal::random().map_err(PortalError::Random)?;
        let seats = Arc::new(seats::Seats::new(pages.settings().limits));
        Ok(Self { front: Arc::new(front::Front::new(pages, view, desk, seal, metrics)), seats, tls: None })
    }

    /// The same, answering over TLS as well; until [`Self::refresh_certificate`] has found a certificate, handshakes fail.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn with_tls(mut self, files: &PairFiles, registry: &prometheus::Registry) -> Result<Self, PortalError> {
        self.tls = Some(Arc::new(tls::Tls::new(files, registry)?));
        Ok(self)
    }

    /// Answers on these listeners until `shutdown` is ready; then no new connection is taken and those under way get a
    /// few seconds to end.
    pub async fn serve(&self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()> + Send) {
        server::serve(&self.front, &self.seats, listeners, None, shutdown).await;
    }

    /// The same over TLS; takes nobody without [`Self::with_tls`].
    pub async fn serve_tls(&self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()> + Send) {
        let Some(tls) = &self.tls else { return shutdown.await };
        server::serve(&self.front, &self.seats, listeners, Some(tls), shutdown).await;
    }

    /// Looks at the certificate's files; reads them when they have changed, or `anew` in any case. Not for an async thread.
    pub fn refresh_certificate(&self, now: Timestamp, anew: bool) {
        if let Some(tls) = &self.tls {
            tls.server.refresh(now, anew);
        }
    }

    /// How the certificate is; none without TLS.
    pub fn certificate(&self) -> Option<CertificateHealth> {
        self.tls.as_ref().map(|tls| tls.server.health())
    }

    /// Links in notices are made with this key: the portal then confirms them. Said once; a second key is not taken.
    pub fn confirm_links(&self, key: LinkKey) {
        let _the_first_stays = self.front.links.set(key);
    }

    /// Plain HTTP to allow-listed names is passed on from now on, to addresses that are asked for here. Said once; a second one is
    /// not taken. Before, and without, residents who go there are led to the portal's page.
    ///
    /// # Errors
    /// When its metrics are registered already.
    pub fn forward(
        &self,
        origin: Arc<dyn forward::Origin>,
        registry: &prometheus::Registry,
    ) -> Result<(), PortalError> {
        let limits = &self.front.pages.settings().limits;
        let meters = forward::Meters::register(registry)?;
        let forwarder =
            forward::Forwarder::new(origin, self.front.pages.settings().forward, limits.body_timeout, meters);
        let _the_first_stays = self.front.forward.set(forwarder);
        Ok(())
    }

    /// What this node opens to residents beside the policy: the pages promise nothing else. Said once; before that, names
    /// count as open. A second one is not taken.
    pub fn node_opens(&self, opens: promises::NodeOpens) {
        let _the_first_stays = self.front.node_opens.set(opens);
    }

    /// Names on which promises may rest and that may lead inwards, under this policy: somebody should look where they lead, and say
    /// it to [`Self::shut_names`].
    pub fn doubtful_names(&self, policy: &pratique_core::policy::Policy) -> Vec<smol_str::SmolStr> {
        promises::doubtful_names(self.front.pages.settings(), &pratique_core::view::Garden::of([], policy))
    }

    /// Names that lead inwards alone, so that nobody opens them: from now on no page promises anything that rests on them.
    pub fn shut_names(&self, names: Vec<String>) {
        *self.front.shut.write().unwrap_or_else(std::sync::PoisonError::into_inner) = names.into();
    }

    /// The pages with other words and colours, for the console.
    pub fn preview(&self) -> Preview {
        Preview::new(self.front.clone())
    }

    /// The self-check asks here, where the settings switch it on. Said once; a second checker is not taken.
    pub fn check_lines(&self, checker: Arc<dyn Checker>) {
        if let Some(settings) = &self.front.pages.settings().self_check {
            let home_prefix = self.front.pages.settings().limits.home_prefix;
            let _the_first_stays = self.front.checks.set(check::desk::Desk::new(settings, home_prefix, checker));
        }
    }
}
