//! What is configured: where the portal is, whom to ask for allow-listed names, how much is too much. Unknown keys are
//! refused; [`Settings::problems`] finds what serde cannot see. First room of the crate: nothing starts before it is sound.

mod gardens;
mod limits;
mod networks;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv6Net};
use pratique_core::detection::is_detection_name;
use pratique_core::special_use::special_use;
use pratique_core::time::Span;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::gardens::GardenPortal;
pub use self::limits::Limits;
use crate::endpoint::Endpoint;
use crate::threats::ListSettings;
use crate::tls::TlsSettings;

/// The longest time a resident may remember the portal's address: it must see the real one soon after release.
const MAX_CAPTIVE_TTL: Span = Span::from_secs(10);
/// An A answer to a short name with this text is still below three times its question.
const MAX_CONTACT: usize = 32;
/// RFC 8767 section 5: "between 1 and 3 days".
const MAX_STALE: Span = Span::from_hours(72);
/// Stub resolvers give up or repeat after 2 to 5 seconds; a later answer is for nobody.
const MAX_BUDGET: Span = Span::from_secs(2);

/// One worker answers some hundred thousand questions a second; the other cores are for the rest of the machine.
const MAX_DEFAULT_WORKERS: u32 = 8;

/// The captive resolver's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen, UDP and TCP, one socket per address so that replies leave from the address that was asked.
    /// Never an unspecified address. Empty when the caller binds the sockets.
    #[serde(default)]
    pub listen: Vec<SocketAddr>,
    /// Threads that receive and answer UDP, each with a socket of its own per address; 1 to 64. Default: the machine's
    /// cores, at most 8, which is more than any access network sends.
    #[serde(default = "workers")]
    pub workers: u32,
    /// The portal's own host name, lower case, no trailing dot. Answered even if every upstream is dead.
    pub portal_host: SmolStr,
    /// The portal's IPv4 address; without it A questions get "no data". One family at least is needed.
    #[serde(default)]
    pub portal4: Option<Ipv4Addr>,
    /// The portal's IPv6 address; without it AAAA questions get "no data".
    #[serde(default)]
    pub portal6: Option<Ipv6Addr>,
    /// Portal addresses of their own for residents with certain causes, for example where another team helps them. Default
    /// none: everybody gets the two above. Only causes with a playbook can be named.
    #[serde(default)]
    pub gardens: Vec<GardenPortal>,
    /// How long a client may remember a captive answer, 1s to 10s. Default 10s: short, so that a released line sees the
    /// real Internet at once; not shorter, because devices in quarantine ask all the time.
    #[serde(default = "captive_ttl")]
    pub captive_ttl: Span,
    /// What a client that understands extended errors (RFC 8914) shows beside a captive answer, for example a telephone
    /// number. At most 32 bytes, as an answer is at most three times its question; where even that does not fit, it is
    /// left out. Default `line in quarantine`.
    #[serde(default = "contact")]
    pub contact: SmolStr,
    /// Resolvers that answer allow-listed names: `address:port`, asked over UDP and TCP, or `tls://address:port#name`,
    /// asked over TLS alone and only if it has a certificate for that name. At most 8. Where both kinds stand here, who can
    /// block TLS can make the clear ones answer. Without any, allow-listed names get SERVFAIL.
    #[serde(default)]
    pub upstreams: Vec<Endpoint>,
    /// PEM file with the authorities that may sign the certificates of `tls://` upstreams; read only if there is one.
    /// Default `/etc/ssl/certs/ca-certificates.crt`, which Debian keeps current; a file with your own authority alone
    /// trusts fewer.
    #[serde(default = "upstream_roots")]
    pub upstream_roots: PathBuf,
    /// Time for one allow-listed question from arrival to answer, the wall included; then SERVFAIL. 100ms to 2s; default
    /// 1900ms, so that the answer is with the client within 2 s.
    #[serde(default = "budget")]
    pub budget: Span,
    /// An address stays open as if its TTL were at least this. Default 60s: names with a TTL of seconds would churn the
    /// wall. What clients are told is never raised, as signatures forbid that.
    #[serde(default = "ttl_min")]
    pub ttl_min: Span,
    /// Longest TTL told for allow-listed names, and longest time they are remembered here. Default 300s: a name re-pointed
    /// to somebody else stays open no longer.
    #[serde(default = "ttl_max")]
    pub ttl_max: Span,
    /// When the upstreams fail, an answer whose time is over is given for so long (RFC 8767), as long as its addresses may be
    /// opened. 0s to 3 days, the longest that RFC recommends; default 1 day: who is in quarantine needs the sites that help,
    /// and an outage is over by then. 0s: SERVFAIL at once.
    #[serde(default = "stale_for")]
    pub stale_for: Span,
    /// How much longer than the told TTL an address stays open. At least 60s, the default: clients connect a little
    /// after the TTL they hold.
    #[serde(default = "open_margin")]
    pub open_margin: Span,
    /// What clients get that are not residents. `refuse`, the default: REFUSED; this resolver is for who is steered to it, and
    /// one that answers everybody is a weapon. `forward`: clients in `forward_networks` have every question answered by the
    /// upstreams, unaltered; for providers that steer everybody's DNS here.
    #[serde(default)]
    pub strangers: Strangers,
    /// Whose questions are forwarded: your own subscribers' networks, from which nobody outside can send. Over UDP they get
    /// whole answers of up to 1232 bytes, not three times the question as everybody else.
    #[serde(default)]
    pub forward_networks: Vec<IpNet>,
    /// Networks that are never opened through a name, beside those that never are: all special space (loopback, private,
    /// link-local, multicast, tunnels, …), and what the daemon knows as the provider's own, see
    /// [`Resolver::know_networks`](crate::Resolver::know_networks).
    #[serde(default)]
    pub denied_networks: Vec<IpNet>,
    /// Exceptions that win over all denials: your own servers that an allow-listed name points at, such as a help page.
    /// Networks that are open to every resident anyway need none. Default none.
    #[serde(default)]
    pub excepted_networks: Vec<IpNet>,
    /// Prefixes of your own NAT64 (RFC 6052), if it is not the well-known 64:ff9b::/96: what lies in them is judged as the IPv4
    /// address in it. Default none.
    #[serde(default)]
    pub nat64_prefixes: Vec<Ipv6Net>,
    /// How residents reach names with 80/tcp and without 443/tcp, such as those of certificate status. `forward`, the default:
    /// by way of the portal, which checks every request; the wall opens no port 80 for them. `open`: the wall opens it, to
    /// whatever host there is behind the address; for nodes that have no portal.
    #[serde(default)]
    pub plain_http: PlainHttp,
    /// Files of names that only infected devices ask for. A resident that does shows that its infection lives; the
    /// policy's `threat_queries` says whether that counts. Read again within half a minute of a change. Default none.
    #[serde(default)]
    pub threat_lists: Vec<ListSettings>,
    /// Encrypted DNS (DoT, DoH), for clients that were told to ask this resolver no other way. Default none: it needs a
    /// certificate.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    /// How much is too much.
    #[serde(default)]
    pub limits: Limits,
}

/// What clients get that are not residents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strangers {
    /// REFUSED.
    #[default]
    Refuse,
    /// The upstreams' answers, in named networks.
    Forward,
}

/// How residents reach names that have plain HTTP alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlainHttp {
    /// By way of the portal.
    #[default]
    Forward,
    /// Through the wall.
    Open,
}

impl Settings {
    /// The defaults around the two things that have none: the portal's name, and its addresses.
    pub fn new(portal_host: impl AsRef<str>, portal4: Option<Ipv4Addr>, portal6: Option<Ipv6Addr>) -> Self {
        Self {
            listen: Vec::new(),
            workers: workers(),
            portal_host: SmolStr::new(portal_host),
            portal4,
            portal6,
            gardens: Vec::new(),
            captive_ttl: captive_ttl(),
            contact: contact(),
            upstreams: Vec::new(),
            upstream_roots: upstream_roots(),
            budget: budget(),
            ttl_min: ttl_min(),
            ttl_max: ttl_max(),
            stale_for: stale_for(),
            open_margin: open_margin(),
            strangers: Strangers::default(),
            forward_networks: Vec::new(),
            denied_networks: Vec::new(),
            excepted_networks: Vec::new(),
            nat64_prefixes: Vec::new(),
            plain_http: PlainHttp::default(),
            threat_lists: Vec::new(),
            tls: None,
            limits: Limits::default(),
        }
    }

    /// [`Self::captive_ttl`] in whole seconds, as a record says it.
    pub(crate) fn captive_ttl_secs(&self) -> u32 {
        u32::try_from(self.captive_ttl.as_millis() / 1_000).unwrap_or(1)
    }

    /// What is wrong with the values, each with its key and the remedy; empty when they are sound.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let label_ok = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && l.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let host = self.portal_host.as_str();
        if host.len() > 253 || !host.split('.').all(label_ok) || !host.contains('.') {
            found.push(format!(
                "portal_host is `{host}`: write the portal's full host name in lower case without a trailing dot"
            ));
        }
        if is_detection_name(host) {
            found.push(format!("portal_host is `{host}`, a name devices ask to find the portal: use one of your own"));
        }
        if special_use(host).is_some() {
            found.push(format!(
                "portal_host is `{host}`, a special-use name, which resolvers at home answer by themselves: use one of your \
                 own domain"
            ));
        }
        if self.portal4.is_none() && self.portal6.is_none() {
            found.push("portal4 and portal6 are both missing: set the portal's address in one family at least".into());
        }
        found.extend(self.portal_problems());
        let contact = self.contact.as_str();
        if contact.is_empty() || contact.len() > MAX_CONTACT || contact.chars().any(char::is_control) {
            found.push(format!(
                "contact is `{}`: write 1 to {MAX_CONTACT} bytes without control characters",
                contact.escape_debug()
            ));
        }
        if !(1..=64).contains(&self.workers) {
            found.push(format!("workers is {}: choose 1 to 64, the cores that may answer DNS", self.workers));
        }
        for address in &self.listen {
            if address.ip().is_unspecified() {
                found.push(format!(
                    "listen has {address}: name each address, so that replies leave from the address that was asked"
                ));
            }
        }
        found.extend(crate::threats::problems(&self.threat_lists));
        found.extend(self.tls.iter().flat_map(|tls| tls.problems(&self.listen)));
        if self.upstreams.len() > 8 {
            found.push(format!("upstreams has {} entries: at most 8 can be asked in time", self.upstreams.len()));
        }
        for upstream in &self.upstreams {
            let address = upstream.address();
            if address.ip().is_unspecified() || address.port() == 0 || self.listen.contains(&address) {
                found.push(format!("upstreams has {upstream}: name the address and port of another resolver"));
            }
        }
        found.extend(self.forwarding_problems());
        found.extend(self.network_problems());
        let mut between = |key: &str, value: Span, low: Span, high: Span| {
            if value < low || value > high {
                found.push(format!("{key} is {value}: choose {low} to {high}"));
            }
        };
        between("captive_ttl", self.captive_ttl, Span::from_secs(1), MAX_CAPTIVE_TTL);
        between("budget", self.budget, Span::from_millis(100), MAX_BUDGET);
        between("ttl_min", self.ttl_min, Span::from_secs(1), Span::from_mins(60));
        between("ttl_max", self.ttl_max, self.ttl_min, Span::from_mins(60));
        between("stale_for", self.stale_for, Span::ZERO, MAX_STALE);
        between("open_margin", self.open_margin, Span::from_secs(60), Span::from_mins(60));
        found.extend(self.limits.problems());
        found
    }
}

fn contact() -> SmolStr {
    SmolStr::new_static("line in quarantine")
}
impl Settings {
    fn forwarding_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        match (self.strangers, self.forward_networks.is_empty()) {
            (Strangers::Forward, true) => found.push(
                "forward_networks is empty, and strangers is `forward`: name your subscribers' networks, the only clients \
                 that are forwarded"
                    .into(),
            ),
            (Strangers::Refuse, false) => found.push(
                "forward_networks names networks, and strangers is `refuse`: set it to `forward`, or remove them".into(),
            ),
            _ => {}
        }
        if self.strangers == Strangers::Forward && self.upstreams.is_empty() {
            found.push("upstreams is empty, and strangers is `forward`: name the resolvers that answer them".into());
        }
        for net in &self.forward_networks {
            let shortest = if net.addr().is_ipv4() { 8 } else { 16 };
            if net.prefix_len() < shortest {
                found.push(format!(
                    "forward_networks has {net}: no provider is that large, and a resolver for everybody is a weapon; name \
                     your subscribers' networks"
                ));
            }
        }
        found
    }
}

fn workers() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(MAX_DEFAULT_WORKERS).min(MAX_DEFAULT_WORKERS)
}
fn captive_ttl() -> Span {
    MAX_CAPTIVE_TTL
}
fn upstream_roots() -> PathBuf {
    "/etc/ssl/certs/ca-certificates.crt".into()
}
fn budget() -> Span {
    Span::from_millis(1_900)
}
fn ttl_min() -> Span {
    Span::from_secs(60)
}
fn ttl_max() -> Span {
    Span::from_secs(300)
}
fn stale_for() -> Span {
    Span::from_hours(24)
}
fn open_margin() -> Span {
    Span::from_secs(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_the_smallest_text_is_enough() {
        let text = r#"{"portal_host":"portal.isp.example","portal4":"192.0.2.80"}"#;
        let read: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(read, Settings::new("portal.isp.example", "192.0.2.80".parse().ok(), None));
        assert_eq!(read.problems(), Vec::<String>::new());
        let again: Settings = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }

    #[test]
    fn unknown_keys_are_refused_at_every_level() {
        for text in [
            r#"{"portal_host":"p.example","portal4":"192.0.2.80","upstream":[]}"#,
            r#"{"portal_host":"p.example","portal4":"192.0.2.80","limits":{"burts":3}}"#,
        ] {
            assert!(serde_json::from_str::<Settings>(text).unwrap_err().to_string().contains("unknown field"));
        }
    }

    #[test]
    fn forwarding_needs_networks_of_its_own_and_never_everybody() {
        let sound = Settings {
            strangers: Strangers::Forward,
            forward_networks: vec!["198.51.100.0/22".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            upstreams: vec!["192.0.2.54:53".parse().unwrap()],
            ..Settings::new("p.example", "192.0.2.80".parse().ok(), None)
        };
        assert_eq!(sound.problems(), Vec::<String>::new());
        let nets = |text: &str| vec![text.parse().unwrap()];
        for (wrong, key) in [
            (Settings { forward_networks: Vec::new(), ..sound.clone() }, "forward_networks is empty"),
            (Settings { forward_networks: nets("0.0.0.0/0"), ..sound.clone() }, "forward_networks has 0.0.0.0/0"),
            (Settings { forward_networks: nets("::/0"), ..sound.clone() }, "forward_networks has ::/0"),
            (Settings { forward_networks: nets("128.0.0.0/1"), ..sound.clone() }, "forward_networks has 128.0.0.0/1"),
            (Settings { strangers: Strangers::Refuse, ..sound.clone() }, "strangers is `refuse`"),
            (Settings { upstreams: Vec::new(), ..sound }, "upstreams is empty"),
        ] {
            let found = wrong.problems();
            assert!(found.len() == 1 && found[0].contains(key), "{key}: {found:?}");
        }
    }

    #[test]
    fn every_wrong_value_is_named_with_its_remedy() {
        let mut wrong = Settings::new("Portal.", None, None);
        wrong.captive_ttl = Span::from_secs(60);
        wrong.budget = Span::from_secs(5);
        wrong.ttl_max = Span::from_secs(5);
        wrong.stale_for = Span::from_hours(73);
        wrong.open_margin = Span::ZERO;
        wrong.listen = vec!["0.0.0.0:53".parse().unwrap()];
        wrong.upstreams = vec!["9.9.9.9:0".parse().unwrap()];
        wrong.limits.burst = 0;
        wrong.workers = 0;
        wrong.contact = "line\nfeed".into();
        let found = wrong.problems().join("\n");
        for key in [
            "portal_host",
            "portal4",
            "captive_ttl",
            "budget",
            "ttl_max",
            "stale_for",
            "open_margin",
            "listen",
            "upstreams",
            "burst",
            "workers",
            "contact",
        ] {
            assert!(found.contains(key), "{key} is not in:\n{found}");
        }
    }
}
