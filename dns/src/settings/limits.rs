//! How much is too much: the `limits:` of the settings, with the reason of each default.

use pratique_core::places::{HOME_PREFIX, HOME_PREFIXES};
use pratique_core::time::Span;
use serde::{Deserialize, Serialize};

/// Caps. Every one is above what a household does and below what hurts others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Allow-listed questions being resolved at the same moment, all lines together. Default 2048, about 8 MB. Captive
    /// answers are given at once and never wait.
    pub in_flight: u32,
    /// The same for one line. Default 32: a browser start asks for about a dozen names.
    pub in_flight_per_line: u32,
    /// Questions per second one line may ask over a longer time; more is dropped silently. Default 50.
    pub queries_per_second: u32,
    /// Questions one line may ask at once before that rate holds. Default 200.
    pub burst: u32,
    /// Forwarded questions being answered at the same moment, all clients together; never at the cost of residents, whose
    /// places are `in_flight`. Default 2048, about 8 MB.
    pub forward_in_flight: u32,
    /// The same for one of them. Default 128: a household that asks 100 a second, behind an upstream that takes a second.
    pub forward_in_flight_per_client: u32,
    /// Questions per second that one forwarded client (IPv4 address or IPv6 prefix of `home_prefix`) may ask over a longer time; more is dropped
    /// silently. Default 100: a household behind one address.
    pub forward_queries_per_second: u32,
    /// Questions it may ask at once before that rate holds. Default 400.
    pub forward_burst: u32,
    /// Forwarded questions per second, all clients together. Default 20000: about a hundred thousand households, and a tenth
    /// of what one core hands on, so that the residents' questions never wait behind them.
    pub forward_total_per_second: u32,
    /// REFUSED answers per second to everybody who is neither resident nor forwarded, together; more is dropped silently, so that
    /// spoofed queries make no storm. Default 100.
    pub stranger_answers_per_second: u32,
    /// TCP connections, DoT and DoH among them, all clients together; further ones are closed at once. Default 1024;
    /// with TLS and HTTP/2 each holds some tens of kilobytes. One in eight may belong to clients that are not residents.
    pub tcp_connections: u32,
    /// TCP connections of one line, whatever addresses it asks from; of who is not a resident, those of one IPv4 address or
    /// IPv6 prefix of `home_prefix`. Default 8. While few places are left, less.
    pub tcp_per_client: u32,
    /// Length of the IPv6 prefix that counts as one home where no resident is behind an address, 32 to 64: what you delegate to
    /// a line. Default 56. A /48 of such addresses may have eight times what one home may.
    pub home_prefix: u8,
    /// A connection closes when no complete question has come for this long. Default 10s (RFC 7766 section 6.2.3 asks
    /// for seconds).
    pub tcp_idle: Span,
    /// Different names below allow-listed wildcards one line may have resolved within an hour. Default 200: a site with
    /// many hosts fits, a tunnel that hides data in names does not.
    pub wildcard_names_per_hour: u32,
    /// Questions below allow-listed wildcards that one line may have the upstreams asked within an hour, for new names and
    /// known ones, A and AAAA counted each. Default 1000: the order in which known names are asked is a channel, too. What the
    /// cache answers does not count, and an answer below a wildcard is given again for `ttl_min` whatever its time to live.
    pub wildcard_questions_per_hour: u32,
    /// Longest name below an allow-listed wildcard that is resolved, in bytes of text, 1 to 253. Default 100: hosts have
    /// shorter ones, tunnels fill them up. With the number above that is 20 kB an hour.
    pub wildcard_name_bytes: u8,
    /// Longest label of such a name, 1 to 63. Default 40, a hash in hexadecimal.
    pub wildcard_label_bytes: u8,
    /// Allow-listed answers remembered, all lines together. Default 20000, about 10 MB and never more than 90: an answer
    /// over 4096 bytes is passed on and not remembered.
    pub cache_entries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 2048,
            in_flight_per_line: 32,
            queries_per_second: 50,
            burst: 200,
            forward_in_flight: 2048,
            forward_in_flight_per_client: 128,
            forward_queries_per_second: 100,
            forward_burst: 400,
            forward_total_per_second: 20_000,
            stranger_answers_per_second: 100,
            tcp_connections: 1024,
            tcp_per_client: 8,
            home_prefix: HOME_PREFIX,
            tcp_idle: Span::from_secs(10),
            wildcard_names_per_hour: 200,
            wildcard_questions_per_hour: 1000,
            wildcard_name_bytes: 100,
            wildcard_label_bytes: 40,
            cache_entries: 20_000,
        }
    }
}

impl Limits {
    /// What is wrong with the values, each with its key and the remedy.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let (idle, low, high) = (self.tcp_idle, Span::from_millis(100), Span::from_mins(5));
        if idle < low || idle > high {
            found.push(format!("limits.tcp_idle is {idle}: choose {low} to {high}"));
        }
        if !HOME_PREFIXES.contains(&self.home_prefix) {
            let said = self.home_prefix;
            found
                .push(format!("limits.home_prefix is {said}: choose 32 to 64, the length of what a line is delegated"));
        }
        for (key, value, high) in [
            ("in_flight", self.in_flight, 65_536),
            ("in_flight_per_line", self.in_flight_per_line, 65_536),
            ("queries_per_second", self.queries_per_second, 1_000_000),
            ("burst", self.burst, 1_000_000),
            ("forward_in_flight", self.forward_in_flight, 65_536),
            ("forward_in_flight_per_client", self.forward_in_flight_per_client, 65_536),
            ("forward_queries_per_second", self.forward_queries_per_second, 1_000_000),
            ("forward_burst", self.forward_burst, 1_000_000),
            ("forward_total_per_second", self.forward_total_per_second, 1_000_000),
            ("tcp_connections", self.tcp_connections, 65_536),
            ("tcp_per_client", self.tcp_per_client, 65_536),
            ("wildcard_names_per_hour", self.wildcard_names_per_hour, 10_000),
            ("wildcard_questions_per_hour", self.wildcard_questions_per_hour, 100_000),
            ("wildcard_name_bytes", self.wildcard_name_bytes.into(), 253),
            ("wildcard_label_bytes", self.wildcard_label_bytes.into(), 63),
            ("cache_entries", self.cache_entries, 10_000_000),
        ] {
            if value == 0 || value > high {
                found.push(format!("limits.{key} is {value}: choose 1 to {high}"));
            }
        }
        found
    }
}
