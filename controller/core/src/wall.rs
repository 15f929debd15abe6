//! What the wall reports to the case machine, and which scans it has to let in.

use std::net::IpAddr;

use crate::plan::Element;
use crate::playbook::PortSpec;
use crate::time::Span;

/// What the wall remembers of blocked attack traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// All of it.
    pub attempts: Vec<Attempt>,
    /// The most of its room that is taken, per cent; of the fuller one of the two versions of IP.
    pub filled: u32,
}

impl Reading {
    /// From this filling on, per cent, what is blocked may go unrecorded before the next reading. A reading comes every two
    /// seconds; a tenth of the room is left for what they bring.
    pub const NEARLY_FULL: u32 = 90;

    /// What is missing here proves nothing: there was no room to record it.
    pub fn is_crowded(&self) -> bool {
        self.filled >= Self::NEARLY_FULL
    }
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

/// A scan is about to ask a resident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPass {
    /// At this address.
    pub target: IpAddr,
    /// At these doors; and by echo.
    pub ports: Vec<PortSpec>,
    /// For no longer than this.
    pub lasts: Span,
}
