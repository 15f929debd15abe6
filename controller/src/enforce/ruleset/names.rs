//! Names inside our table.

/// The chain whose comment carries the version. A chain, because the kernel never changes the comment of a table that
/// exists.
pub const VERSIONED: &str = "wall";

/// Names of the counters.
pub mod counter {
    /// Packets from residents, refused.
    pub const OUT: &str = "out_blocked";
    /// Packets to residents, dropped.
    pub const IN: &str = "in_blocked";
    /// Connections led to the portal or the captive resolver.
    pub const STEERED: &str = "steered";
    /// Packets under an address that is not the sender's.
    pub const SPOOFED: &str = "spoofed";
    /// All.
    pub const ALL: [&str; 4] = [OUT, IN, STEERED, SPOOFED];
}

/// Names of sets.
pub mod set {
    /// Residents' IPv4 addresses.
    pub const JAILED4: &str = "jailed4";
    /// /48s with a resident in them.
    pub const NEAR6: &str = "near6";
    /// Residents' /64s.
    pub const JAILED6_64: &str = "jailed6_64";
    /// Residents' /60s.
    pub const JAILED6_60: &str = "jailed6_60";
    /// Residents' /56s.
    pub const JAILED6_56: &str = "jailed6_56";
    /// Residents' /48s.
    pub const JAILED6_48: &str = "jailed6_48";
    /// Residents' prefixes of other lengths, as ranges.
    pub const JAILED6_ODD: &str = "jailed6_odd";
    /// Opened flows.
    pub const ALLOW4: &str = "allow4";
    /// Opened flows.
    pub const ALLOW6: &str = "allow6";
    /// Evidence.
    pub const ATTEMPTS4: &str = "attempts4";
    /// Evidence.
    pub const ATTEMPTS6: &str = "attempts6";
    /// Where the scanner probes from.
    pub const SCANNER4: &str = "scanner4";
    /// Where the scanner probes from.
    pub const SCANNER6: &str = "scanner6";
    /// Portals beside the first.
    pub const PORTALS4: &str = "portals4";
    /// Portals beside the first.
    pub const PORTALS6: &str = "portals6";
    /// Voice and emergency.
    pub const GARDEN4: &str = "garden4";
    /// Voice and emergency.
    pub const GARDEN6: &str = "garden6";
    /// Interfaces subscribers are behind.
    pub const ACCESS: &str = "access";
    /// Ports whose blocked traffic is evidence.
    pub const EVIDENCE: &str = "evidence";
    /// Those whose elements follow from the configuration alone.
    pub const FIXED: [&str; 8] = [SCANNER4, SCANNER6, PORTALS4, PORTALS6, GARDEN4, GARDEN6, ACCESS, EVIDENCE];
}

/// Prefix lengths with a hash set of their own, with that set.
pub const HASHED: [(u8, &str); 4] =
    [(64, set::JAILED6_64), (60, set::JAILED6_60), (56, set::JAILED6_56), (48, set::JAILED6_48)];
