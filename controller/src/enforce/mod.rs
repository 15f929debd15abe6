//! Enforcers make the dataplane what the plan says, and keep it so.
//!
//! An enforcer is driven from one thread. It keeps its own copy of what the dataplane acknowledged; it never reads a
//! failed read as "empty"; it stops without taking anything away (fail static).

use std::net::IpAddr;

use pratique_core::plan::{Diff, Element};
use pratique_core::playbook::PortSpec;
use pratique_core::time::Span;

/// An address a resident may reach for a while, because an allow-listed name resolved to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The resident's side: its IPv4 address, or its /64.
    pub resident: Element,
    /// The other side.
    pub to: IpAddr,
    /// Ports opened on it.
    pub ports: Vec<PortSpec>,
    /// Closes by itself after this; longer than the TTL the resident was told.
    pub lasts: Span,
}

/// Attack traffic the wall has blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// From whom.
    pub resident: Element,
    /// To which port.
    pub port: PortSpec,
    /// Packets since the wall was built.
    pub packets: u64,
}

/// Why the dataplane was not changed or not read.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// No rights.
    #[error("no right to change nftables: run as root or with CAP_NET_ADMIN, or set `enforcer: dry-run`")]
    Forbidden,
    /// The kernel lacks something.
    #[error("this kernel cannot hold the wall: {0}")]
    Unsupported(String),
    /// Somebody changed the rules between reading and writing; try again.
    #[error("nftables changed underneath: {0}")]
    Changed(String),
    /// Anything else; retried.
    #[error("nftables: {0}")]
    Failed(String),
}

/// One dataplane.
pub trait Enforcer: Send {
    /// For logs and metrics.
    fn name(&self) -> &'static str;

    /// What stands behind the wall now, read from the dataplane. None: our table is not there.
    ///
    /// # Errors
    /// When it cannot be read; that is never "empty".
    fn observe(&mut self) -> Result<Option<Vec<Element>>, EnforceError>;

    /// Builds everything new with exactly these elements, in one step where the kernel takes it in one.
    ///
    /// # Errors
    /// When it was not done; what stood before stands.
    fn rebuild(&mut self, elements: &mut dyn Iterator<Item = Element>) -> Result<(), EnforceError>;

    /// One step. A diff that comes twice changes nothing.
    ///
    /// # Errors
    /// When it was not done.
    fn apply(&mut self, diff: &Diff) -> Result<(), EnforceError>;

    /// Opens addresses for residents. Returns when the wall holds them.
    ///
    /// # Errors
    /// When it was not done; then the answer must not leave.
    fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError>;

    /// Blocked attack traffic so far.
    ///
    /// # Errors
    /// When it cannot be read; that is never "none".
    fn attempts(&mut self) -> Result<Vec<Attempt>, EnforceError>;
}
