//! Enforcers make the dataplane what the plan says, and keep it so: the wall of this machine first, others after it.
//!
//! The wall is driven from one thread ([`driver`]). It keeps its own copy of what the dataplane acknowledged; it never reads a
//! failed read as "empty"; it stops without taking anything away (fail static). What every enforcer by addresses can do is the
//! trait [`Enforcer`]; what only a wall that packets pass can do is [`LocalWall`].
//!
//! Enforcers elsewhere are told line by line ([`remote`]), each at its own pace and with results of its own for each line.
//!
//! * [`config`]: what the wall must know of its surroundings; [`access`]: the interfaces that subscribers are behind
//! * [`ruleset`]: the wall as rules, pure; [`netlink`]: nftables' wire format
//! * [`nft`]: the wall in this kernel; [`dry_run`]: the same on paper
//! * [`machine`]: what else on this machine moves packets
//! * [`driver`]: the thread that follows the plan, retries and repairs; [`metrics`]: what it shows
//! * [`remote`]: enforcers elsewhere, what they were told, and their driver; [`http`]: a provisioning system

pub mod access;
pub mod config;
pub mod driver;
pub mod dry_run;
pub mod http;
pub mod machine;
pub mod metrics;
pub mod netlink;
pub mod nft;
pub mod remote;
pub mod ruleset;

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use pratique_core::plan::{Diff, Element};
use pratique_core::playbook::PortSpec;
use pratique_core::reach::Family;
use pratique_core::time::Span;
use pratique_core::wall::{Reading, ScanPass};
use smol_str::SmolStr;

/// An address a resident may reach for a while, because an allow-listed name resolved to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The resident's side: its IPv4 address, or its /64.
    pub resident: Element,
    /// The other side.
    pub to: IpAddr,
    /// Ports opened on it.
    pub ports: Vec<PortSpec>,
    /// Nothing new begins after this; longer than the TTL the resident was told. What was established goes on while it is
    /// used.
    pub lasts: Span,
    /// The entry of the allow-list that opened it. When it is no longer allowed, all of it ends.
    pub entry: SmolStr,
}

/// Whether an entry of the allow-list still opens a port to the resident with this address.
pub type StillAllowed = dyn Fn(IpAddr, &str, PortSpec) -> bool + Send + Sync;

/// What became of openings since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Flows that stand open for what begins.
    pub open: usize,
    /// Flows whose opening has ended and that are in use.
    pub in_use: usize,
    /// Ended because nobody used them any more.
    pub quiet: usize,
    /// Ended because the allow-list no longer has them.
    pub withdrawn: usize,
    /// Ended because the line is free.
    pub released: usize,
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

/// What live sessions hold, walled or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holdings {
    /// Exactly this.
    All(Vec<Element>),
    /// Held from now on, or no longer, in order.
    Changes(Vec<(Element, bool)>),
}

impl Holdings {
    /// Both, the later after this.
    pub fn then(&mut self, later: Self) {
        match (self, later) {
            (Self::Changes(changes), Self::Changes(more)) => changes.extend(more),
            (Self::All(all), Self::Changes(changes)) => {
                let mut held: rustc_hash::FxHashSet<Element> = all.drain(..).collect();
                for (element, is) in changes {
                    if is {
                        held.insert(element)
                    } else {
                        held.remove(&element)
                    };
                }
                all.extend(held);
            }
            (before, all @ Self::All(_)) => *before = all,
        }
    }
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

/// Something that is made to hold what the plan says, by address and prefix.
pub trait Enforcer: Send {
    /// For logs and metrics.
    fn name(&self) -> &'static str;

    /// What stands behind the wall now, read from the dataplane. None: our table is not there.
    ///
    /// # Errors
    /// When it cannot be read; that is never "empty".
    fn observe(&mut self) -> Result<Option<Vec<Element>>, EnforceError>;

    /// Takes over what stands, if it was built by the same rules; then [`Self::apply`] goes on from there. None: it must be
    /// rebuilt.
    ///
    /// # Errors
    /// When it cannot be read.
    fn adopt(&mut self) -> Result<Option<Vec<Element>>, EnforceError>;

    /// Builds everything new with exactly these elements, in one step where the kernel takes it in one. Without elements it
    /// holds nobody any more.
    ///
    /// # Errors
    /// When it was not done; what stood before stands.
    fn rebuild(&mut self, elements: &mut dyn Iterator<Item = Element>) -> Result<(), EnforceError>;

    /// One step. A diff that comes twice changes nothing.
    ///
    /// # Errors
    /// When it was not done.
    fn apply(&mut self, diff: &Diff) -> Result<(), EnforceError>;

    /// A cheap look whether it still stands as it was built; does not read the lines.
    ///
    /// # Errors
    /// When it cannot be told.
    fn audit(&mut self) -> Result<bool, EnforceError>;
}

/// What only a wall on this machine can do: every packet of a resident passes it.
pub trait LocalWall: Enforcer {
    /// Takes in what live sessions hold; nothing is written before [`Self::hold`]. Walls that do not ask for the sources of
    /// packets need not know.
    fn holdings(&mut self, holdings: Holdings) {
        drop(holdings);
    }

    /// Writes what of the holdings is not written yet.
    ///
    /// # Errors
    /// When it was not done; then all of them are written the next time.
    fn hold(&mut self) -> Result<(), EnforceError> {
        Ok(())
    }

    /// Versions of IP of which no source is dropped as unknown, though the policy asks for that: no live session of them is known
    /// at all, and nobody would be online.
    fn unchecked(&self) -> Vec<Family> {
        Vec::new()
    }

    /// Opens addresses for residents. Returns when the wall holds them.
    ///
    /// # Errors
    /// When it was not done; then the answer must not leave.
    fn open(&mut self, openings: &[Opening]) -> Result<(), EnforceError>;

    /// Whether one line may have this much more open.
    ///
    /// # Errors
    /// When it has too much open already.
    fn has_room(&mut self, openings: &[Opening]) -> Result<(), EnforceError>;

    /// Looks after some of the openings: ends those without a reason, forgets those that nobody uses. Called again and again.
    ///
    /// # Errors
    /// When it was not done.
    fn tend(&mut self, still_allowed: &StillAllowed) -> Result<Tended, EnforceError>;

    /// Blocked attack traffic so far.
    ///
    /// # Errors
    /// When it cannot be read; that is never "none".
    fn attempts(&mut self) -> Result<Reading, EnforceError>;

    /// Lets scans in. Returns when the wall holds it.
    ///
    /// # Errors
    /// When it was not done; then nothing must be asked.
    fn let_scan(&mut self, passes: &[ScanPass]) -> Result<(), EnforceError>;

    /// What the wall's counters say.
    ///
    /// # Errors
    /// When they cannot be read.
    fn counters(&mut self) -> Result<Vec<Counter>, EnforceError>;

    /// Readable when somebody may have changed what we keep; none if that can only be asked for.
    fn alarm(&self) -> Option<BorrowedFd<'_>>;

    /// Whether somebody else changed what we keep since the last call. Never blocks. After a drift only
    /// [`Enforcer::rebuild`] makes it whole.
    ///
    /// # Errors
    /// When it cannot be told.
    fn drift(&mut self) -> Result<Option<Drift>, EnforceError>;
}
