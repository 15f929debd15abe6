//! Enforcers make the dataplane what the plan says, and keep it so.
//!
//! An enforcer is driven from one thread. It keeps its own copy of what the dataplane acknowledged; it never reads a
//! failed read as "empty"; it stops without taking anything away (fail static).
//!
//! * [`config`]: what the wall must know of its surroundings
//! * [`ruleset`]: the wall as rules, pure; [`netlink`]: nftables' wire format
//! * [`nft`]: the wall in this kernel; [`dry_run`]: the same on paper
//! * [`driver`]: the thread that follows the plan, retries and repairs; [`metrics`]: what it shows

pub mod config;
pub mod driver;
pub mod dry_run;
pub mod metrics;
pub mod netlink;
pub mod nft;
pub mod ruleset;

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

/// What a counter of the wall says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Which; see [`ruleset::names::counter`].
    pub name: &'static str,
    /// Packets since the wall was built.
    pub packets: u64,
    /// Bytes since the wall was built.
    pub bytes: u64,
}

/// Somebody else changed what the enforcer keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Process id and program name, where they are known.
    pub culprit: Option<(u32, String)>,
    /// What was noticed.
    pub what: String,
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

    /// Takes over what stands, if it was built by the same rules; then [`Self::apply`] goes on from there. None: it must be
    /// rebuilt.
    ///
    /// # Errors
    /// When it cannot be read.
    fn adopt(&mut self) -> Result<Option<Vec<Element>>, EnforceError>;

    /// What the wall's counters say.
    ///
    /// # Errors
    /// When they cannot be read.
    fn counters(&mut self) -> Result<Vec<Counter>, EnforceError>;

    /// Whether somebody else changed what we keep since the last call. Never blocks. After a drift only
    /// [`Self::rebuild`] makes it whole.
    ///
    /// # Errors
    /// When it cannot be told.
    fn drift(&mut self) -> Result<Option<Drift>, EnforceError>;

    /// A cheap look whether the wall still stands as it was built; does not read the lines.
    ///
    /// # Errors
    /// When it cannot be told.
    fn audit(&mut self) -> Result<bool, EnforceError>;
}
