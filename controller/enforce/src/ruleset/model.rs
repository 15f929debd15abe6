//! What a ruleset is made of. Only what the wall uses; each term can be shown as nft text and sent as kernel expressions.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pratique_core::sighting::Transport;

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which address or port of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// What the keys of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// An address.
    Address(Ip),
    /// An interface name.
    Interface,
    /// Protocol and port.
    ProtoPort,
    /// Address, protocol and port: who tried what.
    Attempt(Ip),
    /// Resident, other side, protocol, port.
    Flow(Ip),
}

/// A set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub key: KeyType,
    /// It holds ranges.
    pub interval: bool,
    /// Its elements may have timeouts.
    pub timeout: bool,
    /// Rules put elements in; so many at most, each for so long (milliseconds; 0 for as long as it has connections).
    pub dynamic: Option<(u32, u64)>,
    /// Elements that follow from the configuration.
    pub fixed: Fixed,
}

/// Elements that follow from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fixed {
    /// Elements come and go with lines, openings and attempts.
    #[default]
    None,
    /// Single addresses.
    Addresses(Vec<IpAddr>),
    /// Networks that do not overlap.
    Networks(Vec<IpNet>),
    /// Interface names.
    Interfaces(Vec<String>),
    /// Ports.
    Ports(Vec<(Transport, u16)>),
}

/// Where a base chain sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// Name and number (`NF_INET_…`).
    pub hook: (&'static str, u32),
    /// Order among the chains of that hook; lower is earlier.
    pub priority: i32,
}

/// What connection tracking knows of a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing: it would begin one.
    New,
    /// Both sides have sent.
    Established,
    /// It is an ICMP error about a packet of a known connection.
    Related,
    /// Either of the latter two.
    Known,
    /// A packet of it passed before, answered or not.
    Begun,
}

/// A limit that each key of a set has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Packets per second, after a burst.
    Rate(u64, u32),
    /// Connections at once.
    Connections(u32),
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where it sits; none for a chain that others jump to. The policy is always accept.
    pub hook: Option<Hook>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// A rule: terms from left to right; the first that does not match ends it.
pub type Rule = Vec<Term>;

/// Part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// An address of the packet, cut to so many bits, stands in a set.
    InSet(Ip, Side, Option<u8>, &'static str),
    /// An address of the packet lies in a network.
    InNet(Side, IpNet),
    /// The packet's protocol, after all extension headers.
    Protocol(u8),
    /// A port.
    Port(Transport, Side, u16),
    /// First packet of a TCP connection: of SYN, ACK, RST and FIN only SYN.
    Syn,
    /// The type of an ICMP or ICMPv6 message.
    Icmp(Ip, u8),
    /// Protocol and destination port stand in a set.
    PortInSet(&'static str),
    /// The packet goes from a resident to an address in a set of flows (`Source`: the resident is the source), or comes back.
    Flow(Ip, Side, &'static str),
    /// Address, protocol and port of one side of the packet stand in a set.
    Endpoint(Ip, Side, &'static str),
    /// What connection tracking knows of the packet's connection.
    State(State),
    /// Who sent the packet also began the connection.
    Began,
    /// An ICMP error that a resident sends quotes a packet of a flow in a set: one that came from the other side.
    QuotedFlow(Ip, &'static str),
    /// The quoted IPv4 header has no options, so that ports are where [`Term::QuotedFlow`] looks for them.
    QuotedPlain,
    /// It came in by an interface of this set.
    From(&'static str),
    /// It came in by an interface whose name begins so.
    FromLike(String),
    /// The IPv4 header has an option of this type (RFC 791 section 3.1; with its copied flag).
    Option(u8),
    /// The packet has an IPv6 routing header.
    RoutingHeader,
    /// The source address is not routed to the interface that the packet came in by.
    NoWayBack,
    /// An answer in a connection that the other side began, or an ICMP error about it.
    Answer,
    /// Longer than so many bytes: for IPv4 with its header, for IPv6 without.
    Longer(Ip, u16),
    /// Within the pace that a set holds for the resident's address, cut to so many bits. Else, or where the set is full, the
    /// rule ends here.
    Paced {
        /// Which version of IP.
        ip: Ip,
        /// Which side of the packet the resident is.
        side: Side,
        /// What of its address is the line.
        bits: Option<u8>,
        /// The set.
        set: &'static str,
        /// Packets per minute …
        per_minute: u64,
        /// … after so many at once.
        burst: u32,
    },
    /// Above so many packets per second, after a burst.
    Above(u64, u32),
    /// Looks the packet up in this conntrack zone; a flow that begins with it has only its original direction there.
    Zone(u16),
    /// Changes the destination.
    Redirect(SocketAddr),
    /// Remembers resident, protocol and destination port in a set, with a counter. The resident's address is cut to so many
    /// bits.
    Remember(Ip, Option<u8>, &'static str),
    /// Keeps the packet's flow in a set for another while; the resident is the source.
    Touch(Ip, &'static str),
    /// An address of the packet, cut to so many bits, is over a limit that each key of a set has for itself.
    Over(Ip, Side, Option<u8>, &'static str, Limit),
    /// Counts.
    Count(&'static str),
    /// Answers with a TCP reset.
    Reset,
    /// Answers with ICMP or ICMPv6 "administratively prohibited".
    Prohibit,
    /// Passes this table.
    Accept,
    /// Goes nowhere.
    Drop,
    /// Back to the calling chain.
    Return,
    /// To a chain and back.
    Jump(&'static str),
    /// To a chain for good.
    Goto(&'static str),
}

impl Ip {
    /// The version of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of an address.
    pub fn width(self) -> u32 {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

/// IP protocol numbers (IANA) that rules name.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;
}

/// Options of an IPv4 header (IANA) that rules name.
pub mod option {
    /// Loose source and record route.
    pub const LOOSE_ROUTE: u8 = 131;
    /// Strict source and record route.
    pub const STRICT_ROUTE: u8 = 137;
}

/// The protocol number of a transport.
pub fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => protocol::TCP,
        Transport::Udp => protocol::UDP,
    }
}
