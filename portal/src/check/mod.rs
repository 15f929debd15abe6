//! The self-check: what was seen of the visitor's own line, in quarantine or not. In the order a request takes:
//!
//! ```text
//! peer of the socket ─▶ [pace](crate::pace) ─▶ [`Checker`]: whose line, what was seen ─▶ [page](crate::page) in words
//! consent, sealed    ─▶ [form] ─▶ [`Checker`]: a scan of that line       ─▶ the same page, when it is over
//! ```
//!
//! Who is on the line is known by the address and port of the connection alone, and looked up anew for every page: nothing a
//! client says, and nothing remembered of an address, shows anybody what was seen of somebody else.
//!
//! * [`settings`]: part `self_check` of section `portal.pages`; off where it is not there
//! * [`share`]: pictures and campaigns of links that people share
//! * [`figures`]: what is published of all lines together
//! * [`desk`]: its answers to requests; [`form`]: the consent to a scan

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use pratique_core::ids::{CaseId, CauseKey, LineNo};
use pratique_core::time::Timestamp;
use pratique_core::view::{CauseCard, CheckCard};
use smol_str::SmolStr;

use figures::Figures;

pub(crate) mod desk;
pub mod figures;
pub(crate) mod form;
pub mod settings;
pub(crate) mod share;

/// The page, beneath the portal's own host.
pub(crate) const PATH: &str = "/check";

/// Where its form leads.
pub(crate) const SCAN_PATH: &str = "/check/scan";

/// What the page asks: the controller's knowledge of lines and sightings.
#[async_trait]
pub trait Checker: Send + Sync + 'static {
    /// What is known of the line behind a visitor's address at this moment.
    ///
    /// # Errors
    /// [`CheckError::Busy`] when it cannot be looked up now.
    async fn look_up(&self, visitor: Visitor) -> Result<Known, CheckError>;

    /// Begins to scan the visitor's line, as somebody on it agreed to. Returns when the consent is recorded and the scan is on
    /// its way; what it finds is looked up.
    ///
    /// # Errors
    /// [`CheckError`]; not one packet has left then.
    async fn scan(&self, visitor: Visitor, agreed: Agreed) -> Result<(), CheckError>;

    /// The open figures as last counted; none before the first time.
    fn figures(&self) -> Option<Arc<Figures>>;
}

/// What somebody agreed to: the line and the round that the form was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Whose line the form was shown to.
    pub line: LineNo,
    /// [`Offer::Now`]'s.
    pub round: u64,
    /// The result is wanted by mail, too: to the address of the subscriber's record, never to one that a visitor names.
    pub mail: bool,
}

/// Who asks, as the socket knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Visitor {
    /// The other side's address.
    pub address: IpAddr,
    /// Its port: behind CGNAT it decides whose line it is.
    pub port: u16,
}

impl From<SocketAddr> for Visitor {
    fn from(peer: SocketAddr) -> Self {
        Self { address: peer.ip().to_canonical(), port: peer.port() }
    }
}

/// What is known of the line behind an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nobody is known to hold the address, or more than one claims it.
    Nobody,
    /// Several lines share the address, and the port does not tell which it is.
    Shared,
    /// This line.
    Line(Box<LineCard>),
}

/// What the page may say of a line to who is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineCard {
    /// Which line; ties forms to it.
    pub line: LineNo,
    /// What was seen while this line held what it was seen on.
    pub seen: Vec<SeenCard>,
    /// The line is in quarantine: its own page says more.
    pub held: bool,
    /// The number to give on the phone, where the subscriber was told of a case.
    pub case: Option<CaseId>,
    /// Language of the subscriber's record, as a BCP 47 tag.
    pub language: Option<SmolStr>,
    /// Whether a scan can be had.
    pub offer: Offer,
    /// Where its result can go by mail, so that only who knows the address knows it again: [`masked`].
    pub mail: Option<SmolStr>,
    /// What the last one found, for an hour.
    pub found: Option<Found>,
}

/// An address so that only who knows it knows it again: `j***@isp.example`. None if it is none.
pub fn masked(address: &str) -> Option<SmolStr> {
    let (local, domain) = address.rsplit_once('@')?;
    let first = local.chars().next().filter(|_| !domain.is_empty())?;
    // Of a single letter even that would be all.
    let shown = if local.chars().nth(1).is_some() { first.to_string() } else { String::new() };
    Some(smol_str::format_smolstr!("{shown}***@{domain}"))
}

/// Whether a scan can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Not here: switched off, or the line's own page has it.
    No,
    /// Not of this line: it has no address of its own.
    NoAddress,
    /// Now. The round changes with every scan, so that a form counts once.
    Now {
        /// Which.
        round: u64,
    },
    /// One is under way.
    UnderWay,
    /// Not before this: the line has had its most for an hour.
    Later {
        /// When.
        at: Timestamp,
    },
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When, and by probe.
    pub check: CheckCard,
    /// Causes whose steps shut what stands open.
    pub causes: Vec<CauseKey>,
}

/// One cause, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCard {
    /// First and last time, count and device.
    pub cause: CauseCard,
    /// Seen within the last 24 hours.
    pub recent: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It cannot be looked up or begun now.
    #[error("too much is asked at once, or the engine does not answer")]
    Busy,
    /// A double click or a replay: one is under way, or was since the form was shown.
    #[error("the form was used before")]
    Again,
    /// The line is another than the form was shown to.
    #[error("the address has another holder than when the form was shown")]
    Moved,
    /// There is no scan of this line.
    #[error("no scan is offered for this line")]
    NotOffered,
    /// The line has had its most for an hour.
    #[error("not before {0}")]
    Later(Timestamp),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_shows_one_letter_at_most() {
        for (address, shown) in [
            ("jo@isp.example", Some("j***@isp.example")),
            ("j@isp.example", Some("***@isp.example")),
            ("\"a@b\"@isp.example", Some("\"***@isp.example")),
            ("\u{e9}milie@isp.example", Some("\u{e9}***@isp.example")),
            ("@isp.example", None),
            ("jo@", None),
            ("jo", None),
            ("", None),
        ] {
            assert_eq!(masked(address).as_deref(), shown, "{address}");
        }
    }
}
