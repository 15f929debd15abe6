//! What a client gets for its question. PURE: a question, who asks, where the portal is; no clock, no socket, no hickory.
//!
//! ```text
//! question ─▶ stranger? ─▶ class, type ─▶ proof? ─▶ canary? ─▶ special use? ─▶ portal's name? ─▶ probe? ─▶ allow-listed? ─▶ else
//!             Refuse       Refuse         Prove     NxDomain    as its RFC      Portal           Portal     Resolve         Portal
//!                                                   NoData      says                                        NoData          NoData
//! ```
//!
//! A proof is DS or DNSKEY of a zone in which one of the names is that residents reach, or of one above: a resolver at home that
//! validates needs them to believe an answer, signed or not. The zones are the settings' and the policy's, so nobody can send a
//! message in such a question.
//!
//! `hot` decides the most frequent case, everything else's A and AAAA and "no data", without calling [`decide`], and must
//! agree with it.

use std::net::IpAddr;

use pratique_core::detection::{self, is_detection_name};
use pratique_core::playbook::PortSpec;
use pratique_core::special_use::{SpecialUse, special_use, special_zones};
use pratique_core::view::Resident;
use smol_str::SmolStr;

use crate::portals::Portals;
use crate::question::{Asked, Family, Kind, Question};

/// Names that browsers and phones ask to learn whether they may bring their own resolver or relay. "No such name" says
/// no: Firefox' default DoH, Apple's Private Relay. Names below them do not exist either (RFC 8020).
const CANARIES_NXDOMAIN: [&str; 3] = ["use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"];

/// All names at or below which every resident is told the same, whatever its list says.
pub(crate) fn special_names() -> impl Iterator<Item = &'static str> {
    CANARIES_NXDOMAIN.into_iter().chain(special_zones())
}

/// PTR.
const POINTER: u16 = 12;

/// What to do with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The portal's address for who asks.
    Portal(IpAddr, Why),
    /// The name exists, this type does not (RFC 2308 section 2.2).
    NoData(Why),
    /// No such name.
    NxDomain(Why),
    /// The minimal answer to ANY (RFC 8482 section 4.2).
    AnyHint(Why),
    /// Truly resolve it, and open these ports on what comes.
    Resolve {
        /// The name.
        name: &'a SmolStr,
        /// Which addresses.
        family: Family,
        /// Ports to open.
        ports: &'a [PortSpec],
        /// The name itself is on the list; not only a suffix of it.
        exact: bool,
    },
    /// Those of these addresses that are of the family, which have nothing to do with the garden.
    Addresses(&'static [IpAddr], Family, Why),
    /// A pointer to this name.
    Pointer(&'static str, Why),
    /// Ask the upstreams and pass on what they say, to whoever validates at home.
    Prove {
        /// Lower case, no trailing dot; the root is `.`.
        name: &'a str,
        /// DS or DNSKEY.
        kind: u16,
        /// The name is at or above one that stands in a list; not only below a suffix of one.
        exact: bool,
    },
    /// Not answered.
    Refuse(Why),
}

impl Decision<'_> {
    /// Why; [`Why::Allowed`] for a name that is truly resolved.
    pub fn why(self) -> Why {
        match self {
            Self::Portal(_, why)
            | Self::Addresses(_, _, why)
            | Self::Pointer(_, why)
            | Self::NoData(why)
            | Self::NxDomain(why)
            | Self::AnyHint(why)
            | Self::Refuse(why) => why,
            Self::Resolve { .. } => Why::Allowed,
            Self::Prove { .. } => Why::Proof,
        }
    }
}

/// The reason of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Not a resident.
    Stranger,
    /// Not class IN.
    Class,
    /// A type that asks for no data.
    MetaType,
    /// A canary: own resolvers and relays are to stay off.
    Canary,
    /// A special-use name: the same on every network.
    SpecialUse,
    /// What a validating resolver needs to believe another answer.
    Proof,
    /// The portal's own name.
    PortalName,
    /// A name that devices ask to find out whether they are captive.
    Probe,
    /// Allow-listed.
    Allowed,
    /// Not allow-listed.
    Captive,
}

impl Why {
    /// The extended error that an EDNS client is told (info code of RFC 8914); none where nothing was changed.
    pub fn ede(self) -> Option<u16> {
        match self {
            // 4: Forged Answer.
            Self::Probe | Self::Captive => Some(4),
            // 15: Blocked.
            Self::Canary | Self::Allowed => Some(15),
            Self::Stranger | Self::Class | Self::MetaType | Self::SpecialUse | Self::Proof | Self::PortalName => None,
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Stranger => "the client is not a resident",
            Self::Class => "only class IN is served",
            Self::MetaType => "this type asks for no data",
            Self::Canary => "a canary: own resolvers and relays must stay off in the garden",
            Self::SpecialUse => "a special-use name: the same on every network",
            Self::Proof => "a resolver at home that validates needs it to believe what it is told",
            Self::PortalName => "the portal's own name",
            Self::Probe => "devices ask this name to find the portal",
            Self::Allowed => "on the resident's allow-list",
            Self::Captive => "not on the resident's allow-list",
        }
    }
}

/// Decides. `resident` is who asks, none for everybody else.
pub fn decide<'a>(question: &'a Question, resident: Option<&'a Resident>, portals: &Portals) -> Decision<'a> {
    let Some(resident) = resident else {
        return Decision::Refuse(Why::Stranger);
    };
    if !question.internet {
        return Decision::Refuse(Why::Class);
    }
    if let Kind::Meta(_) = question.kind {
        return Decision::Refuse(Why::MetaType);
    }
    if let Kind::Proof(kind) = question.kind
        && let Some((name, exact)) = proof(question, resident, portals)
    {
        return Decision::Prove { name, kind, exact };
    }
    let name = match &question.name {
        Asked::Plain(name) => name,
        Asked::Root => return at_portal(question.kind, resident, portals, Why::Captive),
        // Below a zone of special-use names there are odd ones, too: `My Printer._ipp._tcp.local`.
        Asked::Odd { below } => {
            let like = format!("odd.{below}");
            let told = told_to_everybody(&like, question.kind);
            return told.unwrap_or_else(|| at_portal(question.kind, resident, portals, Why::Captive));
        }
    };
    if let Some(told) = told_to_everybody(name, question.kind) {
        return told;
    }
    if *name == portals.host {
        return at_portal(question.kind, resident, portals, Why::PortalName);
    }
    // Before the allow-list: a probe that got through would hide the portal from the device.
    if is_detection_name(name) {
        return at_portal(question.kind, resident, portals, Why::Probe);
    }
    match (resident.garden.allow.ports_for(name), question.kind) {
        (Some(ports), Kind::Address(family)) => {
            Decision::Resolve { name, family, ports, exact: resident.garden.allow.has_exact(name) }
        }
        (Some(_), Kind::Any) => Decision::AnyHint(Why::Allowed),
        // HTTPS and SVCB carry addresses and keys past the wall, TXT and NULL carry tunnels: addresses are enough to
        // reach a site.
        (Some(_), Kind::Other(_) | Kind::Proof(_) | Kind::Meta(_)) => Decision::NoData(Why::Allowed),
        (None, kind) => at_portal(kind, resident, portals, Why::Captive),
    }
}

/// What every resident is told of a canary or a special-use name; none for other names.
fn told_to_everybody(name: &str, kind: Kind) -> Option<Decision<'static>> {
    if CANARIES_NXDOMAIN.iter().any(|canary| is_at_or_below(name, canary)) {
        return Some(Decision::NxDomain(Why::Canary));
    }
    let why = Why::SpecialUse;
    Some(match (special_use(name)?, kind) {
        (SpecialUse::Nonexistent, _) => Decision::NxDomain(why),
        (SpecialUse::Addresses(_) | SpecialUse::Pointer(_), Kind::Any) => Decision::AnyHint(why),
        (SpecialUse::Addresses(all), Kind::Address(family)) if all.iter().any(|a| family.has(*a)) => {
            Decision::Addresses(all, family, why)
        }
        (SpecialUse::Pointer(to), Kind::Other(POINTER)) => Decision::Pointer(to, why),
        (SpecialUse::Addresses(_) | SpecialUse::Pointer(_) | SpecialUse::Empty, _) => Decision::NoData(why),
    })
}

/// The zone whose DS or DNSKEY may be passed on, and whether it is at or above a name that stands in a list.
fn proof<'a>(question: &'a Question, resident: &Resident, portals: &Portals) -> Option<(&'a str, bool)> {
    let name = match &question.name {
        Asked::Root => return Some((".", true)),
        Asked::Plain(name) => name,
        Asked::Odd { .. } => return None,
    };
    let allow = &resident.garden.allow;
    // Special-use names outside `arpa` have no zone anywhere, and are not to be asked for (RFC 7686 section 2).
    let special = special_zones().filter(|zone| zone.ends_with(".arpa"));
    let known = detection::names().iter().copied().chain(CANARIES_NXDOMAIN).chain(special);
    let listed = allow.reaches_below(name)
        || is_at_or_below(&portals.host, name)
        || known.into_iter().any(|known| is_at_or_below(known, name));
    (listed || allow.ports_for(name).is_some()).then_some((name, listed))
}

fn at_portal<'a>(kind: Kind, resident: &Resident, portals: &Portals, why: Why) -> Decision<'a> {
    let address = match kind {
        Kind::Address(family) => portals.told(&resident.garden).of(family),
        Kind::Any => return Decision::AnyHint(why),
        Kind::Meta(_) | Kind::Proof(_) | Kind::Other(_) => None,
    };
    address.map_or(Decision::NoData(why), |a| Decision::Portal(a, why))
}

fn is_at_or_below(name: &str, apex: &str) -> bool {
    name.strip_suffix(apex).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pratique_core::allow::AllowList;
    use pratique_core::playbook::AllowName;
    use pratique_core::reach::Families;
    use pratique_core::sighting::Transport;
    use pratique_core::view::Garden;

    use super::*;
    use crate::portals::Addresses;
    use crate::question::Asked;

    fn portals() -> Portals {
        let of = |v4: &str, v6: &str| Addresses { portal4: v4.parse().ok(), portal6: v6.parse().ok() };
        Portals {
            host: "portal.isp.example".into(),
            node: of("192.0.2.80", "2001:db8::80"),
            gardens: vec![(vec!["nas-ransomware".into()], of("192.0.2.81", ""))],
        }
    }

    fn resident() -> Arc<Resident> {
        let https = vec![PortSpec { port: 443, transport: Transport::Tcp }];
        let names = ["time.isp.example", "*.vendor.example"].map(|n| AllowName::new(n, https.clone()));
        Resident::for_test(7, "mirai", AllowList::merge([&names[..]]))
    }

    fn question(name: &str, code: u16) -> Question {
        Question {
            name: Asked::from_labels(name.split('.').filter(|l| !l.is_empty()).map(str::as_bytes)),
            kind: code.into(),
            internet: true,
        }
    }

    #[test]
    fn decisions_by_name_and_type() {
        let (portals, resident) = (portals(), resident());
        let mut table = String::new();
        let names = [
            "www.bank.example",
            "time.isp.example",
            "TIME.isp.example.",
            "cdn.vendor.example",
            "vendor.example",
            "evilvendor.example",
            "xtime.isp.example",
            "portal.isp.example",
            "captive.apple.com",
            "use-application-dns.net",
            "a.mask.icloud.com",
            "notmask.icloud.com",
            "_dns.resolver.arpa",
            "",
            "localhost",
            "x.local",
            "wpad.isp.example",
            "ipv4only.arpa",
            "170.0.0.192.in-addr.arpa",
            "168.192.in-addr.arpa",
            "1.1.168.192.in-addr.arpa",
            "example",
            "isp.example",
            "com",
            "arpa",
            "x.cdn.vendor.example",
            "org",
        ];
        for name in names {
            let line: Vec<String> = [1, 28, 12, 43, 255, 252]
                .map(|code| match decide(&question(name, code), Some(&resident), &portals) {
                    Decision::Portal(a, why) => format!("{a} {why:?}"),
                    Decision::Resolve { exact, .. } => format!("Resolve exact={exact}"),
                    Decision::Prove { name, exact, .. } => format!("Prove {name} exact={exact}"),
                    other => format!("{other:?}"),
                })
                .to_vec();
            table.push_str(&format!("{name:24} {}\n", line.join(" | ")));
        }
        insta::assert_snapshot!(table, @r#"
                www.bank.example         192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | NoData(Captive) | AnyHint(Captive) | Refuse(MetaType)
                time.isp.example         Resolve exact=true | Resolve exact=true | NoData(Allowed) | Prove time.isp.example exact=true | AnyHint(Allowed) | Refuse(MetaType)
                TIME.isp.example.        Resolve exact=true | Resolve exact=true | NoData(Allowed) | Prove time.isp.example exact=true | AnyHint(Allowed) | Refuse(MetaType)
                cdn.vendor.example       Resolve exact=false | Resolve exact=false | NoData(Allowed) | Prove cdn.vendor.example exact=false | AnyHint(Allowed) | Refuse(MetaType)
                vendor.example           192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove vendor.example exact=true | AnyHint(Captive) | Refuse(MetaType)
                evilvendor.example       192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | NoData(Captive) | AnyHint(Captive) | Refuse(MetaType)
                xtime.isp.example        192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | NoData(Captive) | AnyHint(Captive) | Refuse(MetaType)
                portal.isp.example       192.0.2.80 PortalName | 2001:db8::80 PortalName | NoData(PortalName) | Prove portal.isp.example exact=true | AnyHint(PortalName) | Refuse(MetaType)
                captive.apple.com        192.0.2.80 Probe | 2001:db8::80 Probe | NoData(Probe) | Prove captive.apple.com exact=true | AnyHint(Probe) | Refuse(MetaType)
                use-application-dns.net  NxDomain(Canary) | NxDomain(Canary) | NxDomain(Canary) | Prove use-application-dns.net exact=true | NxDomain(Canary) | Refuse(MetaType)
                a.mask.icloud.com        NxDomain(Canary) | NxDomain(Canary) | NxDomain(Canary) | NxDomain(Canary) | NxDomain(Canary) | Refuse(MetaType)
                notmask.icloud.com       192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | NoData(Captive) | AnyHint(Captive) | Refuse(MetaType)
                _dns.resolver.arpa       NoData(SpecialUse) | NoData(SpecialUse) | NoData(SpecialUse) | NoData(SpecialUse) | NoData(SpecialUse) | Refuse(MetaType)
                                         192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove . exact=true | AnyHint(Captive) | Refuse(MetaType)
                localhost                Addresses([127.0.0.1, ::1], V4, SpecialUse) | Addresses([127.0.0.1, ::1], V6, SpecialUse) | NoData(SpecialUse) | NoData(SpecialUse) | AnyHint(SpecialUse) | Refuse(MetaType)
                x.local                  NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | Refuse(MetaType)
                wpad.isp.example         NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | Refuse(MetaType)
                ipv4only.arpa            Addresses([192.0.0.170, 192.0.0.171], V4, SpecialUse) | NoData(SpecialUse) | NoData(SpecialUse) | Prove ipv4only.arpa exact=true | AnyHint(SpecialUse) | Refuse(MetaType)
                170.0.0.192.in-addr.arpa NoData(SpecialUse) | NoData(SpecialUse) | Pointer("ipv4only.arpa", SpecialUse) | Prove 170.0.0.192.in-addr.arpa exact=true | AnyHint(SpecialUse) | Refuse(MetaType)
                168.192.in-addr.arpa     NoData(SpecialUse) | NoData(SpecialUse) | NoData(SpecialUse) | Prove 168.192.in-addr.arpa exact=true | NoData(SpecialUse) | Refuse(MetaType)
                1.1.168.192.in-addr.arpa NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | NxDomain(SpecialUse) | Refuse(MetaType)
                example                  192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove example exact=true | AnyHint(Captive) | Refuse(MetaType)
                isp.example              192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove isp.example exact=true | AnyHint(Captive) | Refuse(MetaType)
                com                      192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove com exact=true | AnyHint(Captive) | Refuse(MetaType)
                arpa                     192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove arpa exact=true | AnyHint(Captive) | Refuse(MetaType)
                x.cdn.vendor.example     Resolve exact=false | Resolve exact=false | NoData(Allowed) | Prove x.cdn.vendor.example exact=false | AnyHint(Allowed) | Refuse(MetaType)
                org                      192.0.2.80 Captive | 2001:db8::80 Captive | NoData(Captive) | Prove org exact=true | AnyHint(Captive) | Refuse(MetaType)
                "#);
    }

    #[test]
    fn strangers_and_other_classes_are_refused() {
        let (portals, resident) = (portals(), resident());
        let ask = question("portal.isp.example", 1);
        assert_eq!(decide(&ask, None, &portals), Decision::Refuse(Why::Stranger));
        let chaos = Question { internet: false, ..question("version.bind", 16) };
        assert_eq!(decide(&chaos, Some(&resident), &portals), Decision::Refuse(Why::Class));
    }

    #[test]
    fn a_family_the_portal_lacks_is_no_data() {
        let ask = question("www.bank.example", 28);
        let mut only4 = portals();
        only4.node.portal6 = None;
        assert_eq!(decide(&ask, Some(&resident()), &only4), Decision::NoData(Why::Captive));
    }

    #[test]
    fn the_portal_has_no_address_in_a_family_over_which_it_does_not_know_the_line() {
        let families = [(true, true), (true, false), (false, true), (false, false)];
        for (v4, v6) in families {
            let of = Resident::for_test(8, "mirai", AllowList::default());
            let garden = Garden::new(["mirai".into()], AllowList::default()).known_over(Families { v4, v6 });
            let resident = Resident { case: of.case, line: of.line, garden: Arc::new(garden), card: of.card.clone() };
            // Known over neither as a whole: then anything is better than no page.
            let wanted = if v4 || v6 { (v4, v6) } else { (true, true) };
            for name in ["www.bank.example", "portal.isp.example", "captive.apple.com"] {
                let told = [1, 28].map(|code| {
                    matches!(decide(&question(name, code), Some(&resident), &portals()), Decision::Portal(..))
                });
                assert_eq!(told, [wanted.0, wanted.1], "{name} {v4} {v6}");
            }
            // A portal that has only the other family is still better than none.
            let mut only4 = portals();
            only4.node.portal6 = None;
            let ask = question("portal.isp.example", 1);
            let a = decide(&ask, Some(&resident), &only4);
            assert_eq!(a, Decision::Portal("192.0.2.80".parse().unwrap(), Why::PortalName));
        }
    }

    #[test]
    fn every_answer_that_names_the_portal_names_that_of_the_residents_causes() {
        let portals = portals();
        let resident = Resident::for_test(8, "nas-ransomware", AllowList::default());
        for (name, why) in [
            ("www.bank.example", Why::Captive),
            ("portal.isp.example", Why::PortalName),
            ("captive.apple.com", Why::Probe),
            ("", Why::Captive),
        ] {
            let got = [1, 28, 12].map(|code| format!("{:?}", decide(&question(name, code), Some(&resident), &portals)));
            let none = format!("{:?}", Decision::NoData(why));
            let portal = format!("{:?}", Decision::Portal("192.0.2.81".parse().unwrap(), why));
            assert_eq!(got, [portal, none.clone(), none], "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn only_listed_names_are_ever_resolved(
            labels in proptest::collection::vec("(time|isp|vendor|example|evilvendor|x)", 0..5),
            code in proptest::sample::select(vec![0u16, 1, 5, 16, 28, 41, 64, 65, 252, 255, 300]),
        ) {
            let name = labels.join(".");
            let (ask, resident) = (question(&name, code), resident());
            let portals = portals();
            let decision = decide(&ask, Some(&resident), &portals);
            let listed = name == "time.isp.example" || name.ends_with(".vendor.example");
            let resolved = matches!(decision, Decision::Resolve { .. });
            proptest::prop_assert_eq!(resolved, listed && (code == 1 || code == 28));
        }
    }
}
