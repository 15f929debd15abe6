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
    /// Packets of time servers and to them, too long or too many.
    pub const RATED: &str = "rated";
    /// Packets dropped because the line is over a limit of its own: connections, connections begun a second, ICMP errors.
    pub const OVER: &str = "over_limit";
    /// Packets from subscribers' interfaces under an address that nobody holds.
    pub const UNKNOWN_SOURCE: &str = "unknown_source";
    /// IPv4 packets that carry a source route.
    pub const SOURCE_ROUTE: &str = "source_route";
    /// All.
    pub const ALL: [&str; 8] = [OUT, IN, STEERED, SPOOFED, RATED, OVER, UNKNOWN_SOURCE, SOURCE_ROUTE];
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
    /// Opened flows that residents use, each for a while after its last packet.
    pub const LIVE4: &str = "live4";
    /// Opened flows that residents use, each for a while after its last packet.
    pub const LIVE6: &str = "live6";
    /// Connections of each line.
    pub const CONNECTIONS4: &str = "connections4";
    /// Connections of each line.
    pub const CONNECTIONS6: &str = "connections6";
    /// Connections that each line begins, per second.
    pub const BEGUN4: &str = "begun4";
    /// Connections that each line begins, per second.
    pub const BEGUN6: &str = "begun6";
    /// ICMP errors from each line, per second.
    pub const ERRORS_FROM4: &str = "errors_from4";
    /// ICMP errors from each line, per second.
    pub const ERRORS_FROM6: &str = "errors_from6";
    /// ICMP errors to each line, per second.
    pub const ERRORS_TO4: &str = "errors_to4";
    /// ICMP errors to each line, per second.
    pub const ERRORS_TO6: &str = "errors_to6";
    /// Doors that a scan under way asks at.
    pub const SCANS4: &str = "scans4";
    /// Doors that a scan under way asks at.
    pub const SCANS6: &str = "scans6";
    /// Addresses that a scan under way sends echoes to.
    pub const ECHOES4: &str = "echoes4";
    /// Addresses that a scan under way sends echoes to.
    pub const ECHOES6: &str = "echoes6";
    /// Scanner, resolver and portals: what nobody else may call himself.
    pub const PROVIDER4: &str = "provider4";
    /// Scanner, resolver and portals: what nobody else may call himself.
    pub const PROVIDER6: &str = "provider6";
    /// Evidence.
    pub const ATTEMPTS4: &str = "attempts4";
    /// Evidence.
    pub const ATTEMPTS6: &str = "attempts6";
    /// Lines that have asked for the time.
    pub const TIME_ASKED4: &str = "time_asked4";
    /// Lines that have asked for the time.
    pub const TIME_ASKED6: &str = "time_asked6";
    /// Lines that were told the time.
    pub const TIME_TOLD4: &str = "time_told4";
    /// Lines that were told the time.
    pub const TIME_TOLD6: &str = "time_told6";
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
    /// The provider's own networks, where sources that nobody holds are dropped.
    pub const OWN4: &str = "own_networks4";
    /// The same.
    pub const OWN6: &str = "own_networks6";
    /// Interfaces subscribers are behind.
    pub const ACCESS: &str = "access";
    /// Ports whose blocked traffic is evidence.
    pub const EVIDENCE: &str = "evidence";
    /// Those whose elements follow from the configuration alone.
    pub const FIXED: [&str; 12] =
        [SCANNER4, SCANNER6, PORTALS4, PORTALS6, PROVIDER4, PROVIDER6, GARDEN4, GARDEN6, OWN4, OWN6, ACCESS, EVIDENCE];
}

/// Sets of everything that live sessions hold, walled or not; they exist where sources that nobody holds are dropped.
pub mod held {
    /// IPv4 addresses.
    pub const V4: &str = "held4";
    /// IPv6 prefixes of other lengths, as ranges.
    pub const ODD: &str = "held6_odd";
    /// IPv6 prefixes by length.
    pub const HASHED: [(u8, &str); 5] =
        [(64, "held6_64"), (56, "held6_56"), (60, "held6_60"), (48, "held6_48"), (128, "held6_128")];
    /// The unspecified address, if any IPv4 address is held. Without one nothing is known of IPv4, and it is not looked at.
    pub const ANY4: &str = "held_any4";
    /// The unspecified address, if any IPv6 prefix is held.
    pub const ANY6: &str = "held_any6";

    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static str> {
        [V4, ANY4, ANY6, ODD].into_iter().chain(HASHED.map(|(_, set)| set))
    }
}

/// Prefix lengths with a hash set of their own, with that set.
pub const HASHED: [(u8, &str); 4] =
    [(64, set::JAILED6_64), (60, set::JAILED6_60), (56, set::JAILED6_56), (48, set::JAILED6_48)];
