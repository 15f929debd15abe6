//! What the page says still works, and what has to be open for it. One rule, asked by the page for each line, and by the
//! controller for a configuration: a promise that nothing keeps is made to nobody.
//!
//! ```text
//! emergency, phone   an always open network (the voice service), or a name with a port of SIP
//! television         an always open network
//! banking            a web name that is open to everybody and not the provider's own
//! steps              a web name that a playbook of the line's causes opens
//! wifi-calling       *.pub.3gppnetwork.org with 500/udp and 4500/udp
//! anything else      what `kept_by` names
//! ```
//!
//! `kept_by` says it exactly, for each of them: these networks and names, all of them; or `elsewhere`, for what does not pass
//! this wall, such as a voice service on a network of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use pratique_core::allow::{AllowList, by_way_of_portal};
use pratique_core::playbook::PortSpec;
use pratique_core::sighting::Transport;
use pratique_core::view::Garden;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::settings::Settings;

/// A name as it is asked for by phones that call over Wi-Fi (3GPP TS 23.003, section 19.4.2.9); every provider's has this form.
const EPDG: &str = "epdg.epc.mnc001.mcc001.pub.3gppnetwork.org";

/// The ports of that: IKE, and IPsec through NAT (RFC 7296, RFC 3948).
const IKE: [PortSpec; 2] =
    [PortSpec { port: 500, transport: Transport::Udp }, PortSpec { port: 4_500, transport: Transport::Udp }];

/// Ports of telephony (SIP, RFC 3261).
const SIP: [u16; 2] = [5_060, 5_061];

/// By promise, what keeps it.
pub type KeptBy = BTreeMap<SmolStr, Keepers>;

/// Everything that one promise rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepers(Vec<Keeper>);

/// One thing that has to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keeper {
    /// It does not pass this wall, so nothing here can shut it.
    Elsewhere,
    /// This network.
    Network(IpNet),
    /// This name, or all below it.
    Name(SmolStr),
}

/// What is open to a line.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// What the policy opens to it.
    pub garden: &'a Garden,
    /// What this node's wall opens to everybody beside that (`wall.garden_networks`).
    pub networks: &'a [IpNet],
    /// Names are opened at all: a resolver on this node opens them in the wall.
    pub names: bool,
    /// Names that have plain HTTP alone are reached: the portal passes it on, or the wall opens it.
    pub http: bool,
    /// Names that were looked up and lead inwards alone, so that nobody opens them.
    pub shut: &'a [String],
}

/// What a node opens beside the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOpens {
    /// Networks its wall opens to everybody (`wall.garden_networks`).
    pub networks: Vec<IpNet>,
    /// Its resolver opens names in the wall.
    pub names: bool,
    /// Names that have plain HTTP alone are reached.
    pub http: bool,
}

/// Why a promise is not kept, as the end of a sentence, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is missing.
    pub missing: String,
    /// What to do.
    pub remedy: String,
}

/// Whether something keeps this promise of the settings for a line to which this is open.
///
/// # Errors
/// [`Broken`] when nothing does.
pub fn kept(settings: &Settings, work: &str, open: Open<'_>) -> Result<(), Broken> {
    if let Some(keepers) = settings.kept_by.get(work) {
        let shut = keepers.0.iter().find(|keeper| !open.has(keeper));
        return shut.map_or(Ok(()), |keeper| {
            let missing = match keeper {
                Keeper::Name(name) if !open.names => {
                    format!("{name}, which keeps it, is opened by nobody: this node has no section dns")
                }
                keeper => format!("{keeper}, which keeps it, is not open"),
            };
            Err(Broken { missing, remedy: format!("open it under garden in policy.yaml, correct kept_by.{work}") })
        });
    }
    let elsewhere = format!("write `kept_by: {{{work}: elsewhere}}` if it does not pass this wall");
    let broken =
        |missing: &str, open: &str| Err(Broken { missing: missing.into(), remedy: format!("{open}, {elsewhere}") });
    match work {
        "emergency" | "phone" if open.has_networks() || open.has_telephony() => Ok(()),
        "emergency" | "phone" => broken(
            "no network is always open (garden.networks of policy.yaml, wall.garden_networks), and no name with port 5060 or 5061",
            "name the networks of your voice service under garden.networks",
        ),
        "television" if open.has_networks() => Ok(()),
        "television" => broken(
            "no network is always open (garden.networks of policy.yaml, wall.garden_networks)",
            "name the networks of your television service under garden.networks",
        ),
        "banking" if open.has_foreign_web(settings) => Ok(()),
        "banking" => broken(
            "garden.names of policy.yaml has no bank: no name with 443/tcp beside your own",
            "add the banks of your customers to garden.names, with what their pages load",
        ),
        "steps" if open.has_repair() => Ok(()),
        "steps" => broken(
            "no playbook opens a site for its steps",
            "add the sites that the steps need to the playbooks' garden",
        ),
        "wifi-calling" if open.has_wifi_calling() => Ok(()),
        "wifi-calling" => broken(
            "garden.names of policy.yaml does not open `*.pub.3gppnetwork.org` with 500/udp and 4500/udp",
            "add that entry",
        ),
        _ => broken(
            "nothing says what keeps it",
            &format!("name its networks or names, as `kept_by: {{{work}: [192.0.2.0/28]}}`"),
        ),
    }
    .map_err(|broken| match open.names {
        false if matches!(work, "banking" | "steps" | "wifi-calling") => {
            let missing = "this node has no section dns, so nobody opens names".into();
            Broken { missing, remedy: format!("give it the section, {elsewhere}") }
        }
        _ => broken,
    })
}

/// Names on which a promise of these settings may rest and that may lead inwards: where the voice service is, and what `kept_by`
/// names. Whether they do is only known when somebody has looked.
pub fn doubtful_names(settings: &Settings, garden: &Garden) -> Vec<SmolStr> {
    let telephony = garden.everybody.names().filter(|(_, ports)| ports.iter().any(|port| SIP.contains(&port.port)));
    let named = settings.kept_by.values().flat_map(|keepers| &keepers.0).filter_map(|keeper| match keeper {
        Keeper::Name(name) => Some(name.clone()),
        Keeper::Elsewhere | Keeper::Network(_) => None,
    });
    let mut names: Vec<SmolStr> = telephony.map(|(name, _)| name.into()).chain(named).collect();
    // Names below a wildcard are without number.
    names.retain(|name| garden.allow.has_exact(name));
    names.sort_unstable();
    names.dedup();
    names
}

/// Links of the settings that residents cannot open: their keys, and the names that are shut.
pub fn shut_links(settings: &Settings, open: Open<'_>) -> Vec<(&'static str, String)> {
    let terms = settings.look.terms.as_deref().map(|url| ("look.terms", url));
    let venue = settings.venue_info_url.as_ref().map(|url| ("venue_info_url", url.as_str()));
    let shut = terms.into_iter().chain(venue).filter(|(_, url)| !open.opens_address(url));
    shut.map(|(key, url)| (key, host_of(url))).collect()
}

/// The name in an address, without port.
pub(crate) fn host_of(url: &str) -> String {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    bare.split(['/', ':', '?', '#']).next().unwrap_or_default().to_ascii_lowercase()
}

impl Open<'_> {
    /// Whether a resident's browser gets to this address.
    pub(crate) fn opens_address(&self, url: &str) -> bool {
        let port = if url.starts_with("http://") { 80 } else { 443 };
        let ports = self.garden.allow.ports_for(&host_of(url)).unwrap_or_default();
        self.reaches(ports) && ports.contains(&PortSpec { port, transport: Transport::Tcp })
    }

    fn has(&self, keeper: &Keeper) -> bool {
        match keeper {
            Keeper::Elsewhere => true,
            Keeper::Network(net) => self.all_networks().any(|open| open.contains(net)),
            Keeper::Name(name) => self.allows(name),
        }
    }

    fn allows(&self, name: &str) -> bool {
        // Of `*.bank.example` any name below is as good as another.
        let asked = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |suffix| format!("x.{suffix}"));
        let entry = self.garden.allow.entry_for(&asked);
        entry.is_some_and(|(entry, ports)| self.reaches(ports) && !self.shut.contains(&entry.to_string()))
    }

    /// The names of a list that are not known to lead inwards.
    fn names_of<'l>(&'l self, list: &'l AllowList) -> impl Iterator<Item = (String, &'l [PortSpec])> {
        list.names().filter(|(name, _)| !self.shut.contains(name))
    }

    /// A name with these ports is opened, all of it.
    fn reaches(&self, ports: &[PortSpec]) -> bool {
        self.names && (self.http || !by_way_of_portal(ports))
    }

    fn all_networks(&self) -> impl Iterator<Item = &IpNet> {
        self.networks.iter().chain(&self.garden.networks)
    }

    fn has_networks(&self) -> bool {
        self.all_networks().next().is_some()
    }

    fn has_telephony(&self) -> bool {
        let mut names = self.names_of(&self.garden.everybody);
        self.names && names.any(|(_, ports)| ports.iter().any(|p| SIP.contains(&p.port)))
    }

    fn has_foreign_web(&self, settings: &Settings) -> bool {
        let own = settings.own_hosts();
        let foreign = |name: &str| {
            let bare = name.strip_prefix("*.").unwrap_or(name);
            !own.iter().any(|own| own == bare || own.strip_suffix(bare).is_some_and(|rest| rest.ends_with('.')))
        };
        self.names && self.names_of(&self.garden.everybody).any(|(name, ports)| is_https(ports) && foreign(&name))
    }

    fn has_repair(&self) -> bool {
        let repair = |(name, ports): (String, &[PortSpec])| {
            let web = ports.iter().any(|p| p.transport == Transport::Tcp && matches!(p.port, 80 | 443));
            web && self.reaches(ports) && !self.garden.everybody.names().any(|(open, _)| open == name)
        };
        self.names_of(&self.garden.allow).any(repair)
    }

    fn has_wifi_calling(&self) -> bool {
        let ports = self.garden.allow.ports_for(EPDG).unwrap_or_default();
        self.names && IKE.iter().all(|port| ports.contains(port))
    }
}

fn is_https(ports: &[PortSpec]) -> bool {
    ports.contains(&PortSpec { port: 443, transport: Transport::Tcp })
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => f.write_str("elsewhere"),
            Self::Network(net) => write!(f, "{net}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for Keeper {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "elsewhere" {
            return Ok(Self::Elsewhere);
        }
        if text.contains(['/', ':']) {
            let net = text.parse::<IpNet>();
            return net.map(Self::Network).map_err(|_| format!("`{text}` is no network; write 192.0.2.0/28"));
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let bare = text.strip_prefix("*.").unwrap_or(text);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if bare.contains('.') && bare.chars().all(plain) {
            Ok(Self::Name(text.into()))
        } else {
            Err(format!("`{text}` keeps no promise; write a network, a name of the garden, or `elsewhere`"))
        }
    }
}

/// One, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(SmolStr),
    All(Vec<SmolStr>),
}

impl<'de> Deserialize<'de> for Keepers {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let all = match Written::deserialize(d)? {
            Written::One(one) => vec![one],
            Written::All(all) => all,
        };
        if all.is_empty() {
            return Err(D::Error::custom("an empty list keeps no promise; write what does, or `elsewhere`"));
        }
        let keepers = all.iter().map(|text| text.parse()).collect::<Result<_, String>>();
        keepers.map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Keepers {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use pratique_core::playbook::AllowName;

    use super::*;

    fn names(text: &str) -> Vec<AllowName> {
        serde_yaml::from_str(text).unwrap()
    }

    /// Whether it is kept with these names for everybody, these of the playbook, and these networks.
    fn is_kept(work: &str, everybody: &str, own: &str, networks: &[&str], kept_by: &str) -> bool {
        let mut settings = Settings::example("http://help.isp.example/".parse().unwrap());
        settings.provider.site = "www.isp.example/quarantine".into();
        settings.kept_by = serde_yaml::from_str(kept_by).unwrap();
        let (everybody, own) = (names(everybody), names(own));
        let garden = Garden {
            everybody: AllowList::merge([&everybody[..]]),
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            ..Garden::new(["mirai".into()], AllowList::merge([&everybody[..], &own[..]]))
        };
        let with = |names| {
            kept(&settings, work, Open { garden: &garden, networks: &[], names, http: true, shut: &[] }).is_ok()
        };
        // What only names keep is kept by nobody without a resolver here.
        let bare = Open { garden: &garden, networks: &garden.networks, names: false, http: true, shut: &[] };
        assert!(with(true) || !with(false), "{work}");
        assert!(
            kept(&settings, work, bare).is_ok() == with(false),
            "{work}: a node's own networks count as the policy's do"
        );
        with(true)
    }

    #[test]
    fn each_promise_rests_on_what_is_open_and_on_nothing_else() {
        const NOTHING: &str = "[]";
        const BASICS: &str = "[{name: pool.ntp.org, ports: [123/udp]}, {name: ocsp.ca.example, ports: [80/tcp]}, \
            {name: help.isp.example, ports: [443/tcp]}, {name: '*.isp.example', ports: [443/tcp]}]";
        let voice = ["192.0.2.16/28"];
        for work in ["emergency", "phone", "television", "banking", "steps", "wifi-calling", "coffee"] {
            assert!(!is_kept(work, BASICS, NOTHING, &[], "{}"), "{work}: by nothing");
            assert!(is_kept(work, NOTHING, NOTHING, &[], &format!("{{{work}: elsewhere}}")), "{work}");
            assert!(is_kept(work, NOTHING, NOTHING, &voice, &format!("{{{work}: 192.0.2.16/29}}")), "{work}");
            assert!(!is_kept(work, NOTHING, NOTHING, &voice, &format!("{{{work}: [192.0.2.16/29, 192.0.2.0/29]}}")));
        }
        for (work, kept) in [("emergency", true), ("phone", true), ("television", true), ("banking", false)] {
            assert_eq!(is_kept(work, BASICS, NOTHING, &voice, "{}"), kept, "{work}");
        }
        let sip = "[{name: sip.isp.example, ports: [5061/tcp]}]";
        assert!(is_kept("phone", sip, NOTHING, &[], "{}") && !is_kept("phone", NOTHING, sip, &[], "{}"));
        let bank = "[{name: '*.bank.example', ports: [443/tcp]}]";
        assert!(is_kept("banking", bank, NOTHING, &[], "{}"));
        assert!(!is_kept("banking", NOTHING, bank, &[], "{}"), "a playbook's site is no bank");
        assert!(is_kept("banking", bank, NOTHING, &[], "{banking: '*.bank.example'}"));
        assert!(!is_kept("banking", bank, NOTHING, &[], "{banking: ['*.bank.example', www.other.example]}"));
        assert!(is_kept("steps", BASICS, bank, &[], "{}") && !is_kept("steps", bank, bank, &[], "{}"));
        let calls = |ports: &str| format!("[{{name: '*.pub.3gppnetwork.org', ports: [{ports}]}}]");
        assert!(is_kept("wifi-calling", &calls("500/udp, 4500/udp"), NOTHING, &[], "{}"));
        assert!(!is_kept("wifi-calling", &calls("4500/udp"), NOTHING, &[], "{}"));
        assert!(!is_kept("wifi-calling", &calls("500/tcp, 4500/tcp"), NOTHING, &[], "{}"));
    }

    #[test]
    fn a_name_with_plain_http_alone_keeps_a_promise_where_somebody_passes_it_on() {
        let settings = Settings::example("http://help.isp.example/".parse().unwrap());
        let own = names("[{name: repair.example, ports: [80/tcp]}]");
        let garden = Garden::new(["mirai".into()], AllowList::merge([&own[..]]));
        for http in [true, false] {
            let open = Open { garden: &garden, networks: &[], names: true, http, shut: &[] };
            assert_eq!(kept(&settings, "steps", open).is_ok(), http);
            assert_eq!(open.opens_address("http://repair.example/x"), http);
        }
        let both = names("[{name: repair.example, ports: [80/tcp, 443/tcp]}]");
        let garden = Garden::new(["mirai".into()], AllowList::merge([&both[..]]));
        assert!(
            kept(&settings, "steps", Open { garden: &garden, networks: &[], names: true, http: false, shut: &[] })
                .is_ok()
        );
    }

    #[test]
    fn a_voice_service_whose_name_leads_inwards_keeps_no_promise() {
        let mut settings = Settings::example("http://help.isp.example/".parse().unwrap());
        let everybody =
            names("[{name: sip.isp.example, ports: [5060/udp]}, {name: '*.sip.isp.example', ports: [5061/tcp]}]");
        let all = AllowList::merge([&everybody[..]]);
        let garden = Garden { everybody: all.clone(), ..Garden::new(["mirai".into()], all) };
        assert_eq!(doubtful_names(&settings, &garden), ["sip.isp.example"]);
        let shut = ["sip.isp.example".to_owned(), "*.sip.isp.example".to_owned()];
        let open = |shut| Open { garden: &garden, networks: &[], names: true, http: true, shut };
        for work in ["emergency", "phone"] {
            assert!(kept(&settings, work, open(&[])).is_ok() && kept(&settings, work, open(&shut[..1])).is_ok());
            assert!(kept(&settings, work, open(&shut)).is_err(), "{work}");
        }
        settings.kept_by = serde_yaml::from_str("{phone: sip.isp.example}").unwrap();
        assert!(kept(&settings, "phone", open(&[])).is_ok() && kept(&settings, "phone", open(&shut[..1])).is_err());
    }

    #[test]
    fn what_keeps_no_promise_is_refused_with_what_to_write() {
        for odd in ["{phone: []}", "{phone: 192.0.2.0/33}", "{phone: 'sip'}", "{phone: [elsewhere, 'Bank.example']}"] {
            let error = serde_yaml::from_str::<KeptBy>(odd).unwrap_err().to_string();
            assert!(error.contains("write"), "{odd}: {error}");
        }
        let kept: KeptBy = serde_yaml::from_str("{phone: [192.0.2.9, '2001:db8::/64', sip.isp.example]}").unwrap();
        let written = serde_yaml::to_string(&kept).unwrap();
        assert_eq!(serde_yaml::from_str::<KeptBy>(&written).unwrap(), kept);
    }
}
