//! What the provider configures about the portal. Unknown keys are refused; [`Settings::check`] is what serde cannot see.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use pratique_core::places::{HOME_PREFIX, HOME_PREFIXES};
use pratique_core::time::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::captive::{ApiUrl, VenueUrl};
use crate::check::settings::SelfCheck;
use crate::forward;
use crate::look::Look;
use crate::own_words::OwnWords;
use crate::promises::{KeptBy, host_of};

/// Section `portal` of the node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The one address of the portal, `http://name/`: every redirect leads there and nowhere else. The captive resolver
    /// must answer the name for residents.
    pub portal_url: PortalUrl,
    /// The same portal under a name, or at an address, that is reached over IPv4 alone, `http://name/`. Who comes over IPv6
    /// from an address that nobody is known to hold is shown the way there: a line of which only IPv4 is known is recognised
    /// there. Without it the page names the telephone alone.
    #[serde(default)]
    pub ipv4_url: Option<PortalUrl>,
    /// The captive-portal API as DHCP and router advertisements announce it (RFC 8910), such as
    /// `https://help.example.net/captive-portal/api`; answered on the listeners with TLS. Everybody on the access network
    /// must be able to resolve the name, residents or not.
    #[serde(default)]
    pub api_url: Option<ApiUrl>,
    /// A page of the provider about itself that devices show as a link in their network settings; https. Residents reach
    /// it only if the garden opens it.
    #[serde(default)]
    pub venue_info_url: Option<VenueUrl>,
    /// Who speaks on the page.
    pub provider: Provider,
    /// IANA time zone of the times on the page, such as `Europe/Amsterdam`. UTC if not set: right everywhere, handy
    /// nowhere.
    #[serde(default = "utc")]
    pub time_zone: SmolStr,
    /// Language where the browser asks for none that we have: the name of a text file without `.ftl`.
    #[serde(default = "english")]
    pub language: SmolStr,
    /// What works all through a quarantine, in this order: each entry `x` shows the text `works-x`. Built in are
    /// `emergency`, `phone`, `television`, `banking` (banks whose names the policy's garden holds), `steps` (sites needed
    /// for the steps), `wifi-calling` (calls of mobile phones over Wi-Fi). Each is held against what is open
    /// ([`crate::promises`]), and a line's page shows it only where something keeps it for that line. Empty by default,
    /// because only the provider knows: a promise about emergency calls that does not hold is dangerous.
    #[serde(default)]
    pub still_works: Vec<SmolStr>,
    /// What exactly keeps a promise of `still_works`: networks, names of the garden, or `elsewhere` for what does not pass
    /// this wall. By default the usual suspects, as [`crate::promises`] lists them.
    #[serde(default)]
    pub kept_by: KeptBy,
    /// Colours, logo, terms.
    #[serde(default)]
    pub look: Look,
    /// The page tells people that a check takes up to this long. Probes end within a minute; two leave room for a queue.
    #[serde(default = "two_minutes")]
    pub check_takes: Span,
    /// The self-check page; none switches it off.
    #[serde(default)]
    pub self_check: Option<SelfCheck>,
    /// Bounds of what clients can occupy.
    #[serde(default)]
    pub limits: Limits,
    /// Bounds of plain HTTP to allow-listed names, which the portal passes on.
    #[serde(default)]
    pub forward: forward::Limits,
}

/// Who speaks on the page, and how to find out that it is really them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Name as customers know it; as the next three, one text or one for each language (`{en: …, nl: …}`).
    pub name: OwnWords,
    /// Help desk, as people dial it.
    pub phone: SmolStr,
    /// When it is open, in words, such as `every day, 8:00 to 22:00`.
    #[serde(default)]
    pub phone_hours: Option<OwnWords>,
    /// Page on the provider's own well-known site that confirms this portal, without `http`: `example.net/quarantine`.
    pub site: OwnWords,
    /// Where customers find the telephone number without trusting this page, such as `your last bill`.
    #[serde(default)]
    pub contract_hint: Option<OwnWords>,
    /// Emergency number shown by `still_works: [emergency]`.
    #[serde(default = "emergency_number")]
    pub emergency: SmolStr,
}

/// Bounds of what clients can occupy. Background storms of one household must not shut out the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at the same time, with and without TLS; more are closed at once. Each costs at most some 50 KB, with
    /// TLS twice that.
    pub connections: usize,
    /// Connections of one line, whatever addresses it sends from; where nobody is known to hold an address, of that IPv4
    /// address or of the IPv6 prefix of `home_prefix`. Browsers open six; a household has several devices. While few places
    /// are left, less.
    pub connections_per_client: u32,
    /// Length of the IPv6 prefix that counts as one home where nobody is known to hold an address, 32 to 64: what you
    /// delegate to a line. A /48 of such addresses may have eight times what one home may.
    pub home_prefix: u8,
    /// Bytes of a request's head. Browsers send the cookies of the site they meant to reach, hence not less.
    /// hyper's floor is 8,192.
    pub head_bytes: usize,
    /// Bytes of a form. Ours have about 100.
    pub body_bytes: usize,
    /// Time to send a request's head; an idle connection is closed after it, too.
    pub head_timeout: Span,
    /// Time to send a form.
    pub body_timeout: Span,
    /// A connection is ended after this, busy or not: bounds readers that never read.
    pub connection_age: Span,
    /// Presses of buttons and ticks of one line per minute. Who goes through all steps ticks some dozens.
    pub presses_per_minute: u32,
    /// Time for the engine to take a button's command.
    pub desk_timeout: Span,
    /// Commands under way at the same time; of one line at most eight.
    pub desk_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8_192,
            connections_per_client: 32,
            home_prefix: HOME_PREFIX,
            head_bytes: 16_384,
            body_bytes: 4_096,
            head_timeout: Span::from_secs(10),
            body_timeout: Span::from_secs(10),
            connection_age: Span::from_secs(120),
            presses_per_minute: 60,
            desk_timeout: Span::from_secs(5),
            desk_in_flight: 64,
        }
    }
}

/// What is wrong with the settings, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("portal.{field}: {problem}")]
pub struct SettingsError {
    /// Which key.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub problem: String,
}

impl SettingsError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

impl Settings {
    /// The portal over TLS, where there is one: what the API names as the page for people (RFC 8908 section 5 demands TLS).
    pub(crate) fn secure_url(&self) -> Option<&PortalUrl> {
        if self.portal_url.is_https() { Some(&self.portal_url) } else { self.api_url.as_ref().map(ApiUrl::origin) }
    }

    /// Names of the provider's own sites, as the settings say them.
    pub(crate) fn own_hosts(&self) -> Vec<String> {
        let host = host_of;
        let api = self.api_url.as_ref().map(|url| host(url.as_str()));
        let venue = self.venue_info_url.as_ref().map(|url| host(url.as_str()));
        let terms = self.look.terms.as_deref().map(host);
        let sites = self.provider.site.all().map(|site| Some(host(site)));
        let own = [Some(host(self.portal_url.as_str())), api, venue, terms].into_iter().chain(sites);
        own.flatten().filter(|host| !host.is_empty()).collect()
    }

    /// Checks everything that does not need the texts, and gives the time zone.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<TimeZone, SettingsError> {
        let provider = &self.provider;
        let hours = provider.phone_hours.as_ref().is_some_and(OwnWords::is_blank);
        let hint = provider.contract_hint.as_ref().is_some_and(OwnWords::is_blank);
        for (field, blank) in [
            ("provider.name", provider.name.is_blank()),
            ("provider.phone", provider.phone.trim().is_empty()),
            ("provider.site", provider.site.is_blank()),
            ("provider.emergency", provider.emergency.trim().is_empty()),
        ] {
            if blank {
                return Err(SettingsError::new(field, "is empty; people need it to trust the page"));
            }
        }
        for (field, blank) in [("provider.phone_hours", hours), ("provider.contract_hint", hint)] {
            if blank {
                return Err(SettingsError::new(field, "is empty in some language; write it, or leave the key out"));
            }
        }
        let limits = &self.limits;
        let none = [limits.connections_per_client, limits.presses_per_minute].contains(&0);
        if none || limits.connections == 0 || limits.desk_in_flight == 0 {
            return Err(SettingsError::new("limits", "a limit of 0 would shut the portal; use at least 1"));
        }
        if !HOME_PREFIXES.contains(&limits.home_prefix) {
            return Err(SettingsError::new(
                "limits.home_prefix",
                "must be 32 to 64, the length of what a line is delegated",
            ));
        }
        if limits.head_bytes < 8_192 {
            return Err(SettingsError::new("limits.head_bytes", "must be at least 8192"));
        }
        if limits.body_bytes < 256 {
            return Err(SettingsError::new("limits.body_bytes", "must be at least 256, or the buttons stop working"));
        }
        let times = [limits.head_timeout, limits.body_timeout, limits.connection_age, limits.desk_timeout];
        if times.iter().any(|t| t.to_std() < Duration::from_millis(100)) {
            return Err(SettingsError::new(
                "limits",
                "a time below 100ms would shut people out; write for example 10s",
            ));
        }
        if let Some(work) = self.kept_by.keys().find(|work| !self.still_works.contains(work)) {
            let problem = format!("`{work}` is promised nowhere; add it to still_works, or remove what keeps it");
            return Err(SettingsError::new("kept_by", problem));
        }
        self.forward.check()?;
        self.look.dress()?;
        self.self_check.as_ref().map_or(Ok(()), SelfCheck::check)?;
        TimeZone::get(&self.time_zone).map_err(|_| {
            SettingsError::new(
                "time_zone",
                format!("`{}` is no IANA time zone; write for example Europe/Amsterdam", self.time_zone),
            )
        })
    }
}

/// `http://name/` or `http://name:port/`, with nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalUrl {
    url: String,
    /// Host and port as browsers send them in `Host`: lower case, no default port.
    authority: String,
}

impl PortalUrl {
    /// The address as redirects carry it.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The name people see in the address bar.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// Whether a `Host` or the authority of an `Origin` means the portal.
    pub fn is_host(&self, host: &str) -> bool {
        let default_port = if self.is_https() { ":443" } else { ":80" };
        let host = host.strip_suffix(default_port).unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        host.eq_ignore_ascii_case(&self.authority)
    }
}

impl FromStr for PortalUrl {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let wrong = || {
            SettingsError::new(
                "portal_url",
                format!(
                    "`{text}` is no portal address; write scheme and host alone, for example http://help.example.net/"
                ),
            )
        };
        let uri: http::Uri = text.trim().parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong()),
        };
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') || authority.host().is_empty()
        {
            return Err(wrong());
        }
        let mut host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        if let Some(port) = authority.port_u16().filter(|p| *p != default_port) {
            host = format!("{host}:{port}");
        }
        Ok(Self { url: format!("{scheme}://{host}/"), authority: host })
    }
}

impl fmt::Display for PortalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Serialize for PortalUrl {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.url)
    }
}

impl<'de> Deserialize<'de> for PortalUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(d)?;
        text.parse().map_err(|e: SettingsError| serde::de::Error::custom(e.problem))
    }
}

fn utc() -> SmolStr {
    SmolStr::new_static("UTC")
}
fn english() -> SmolStr {
    SmolStr::new_static("en")
}
fn two_minutes() -> Span {
    Span::from_mins(2)
}
fn emergency_number() -> SmolStr {
    SmolStr::new_static("112")
}

impl Settings {
    /// A provider for tests and for trying the portal out.
    pub fn example(portal_url: PortalUrl) -> Self {
        Self {
            ipv4_url: None,
            portal_url,
            api_url: None,
            venue_info_url: None,
            provider: Provider {
                name: "Example Net".into(),
                phone: "0800 0100".into(),
                phone_hours: Some("every day, 8:00 to 22:00".into()),
                site: "example.net/quarantine".into(),
                contract_hint: Some("your last bill".into()),
                emergency: emergency_number(),
            },
            time_zone: "Europe/Amsterdam".into(),
            language: english(),
            still_works: ["emergency", "phone", "television", "steps"].map(SmolStr::new_static).to_vec(),
            kept_by: KeptBy::new(),
            look: Look::default(),
            check_takes: two_minutes(),
            self_check: None,
            limits: Limits::default(),
            forward: forward::Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<PortalUrl, SettingsError> {
        text.parse()
    }

    #[test]
    fn the_portal_is_known_by_its_host_with_or_without_the_usual_port() {
        let portal = url("http://Help.Example.net").unwrap();
        assert_eq!(portal.as_str(), "http://help.example.net/");
        for ours in ["help.example.net", "HELP.example.NET", "help.example.net:80", "help.example.net."] {
            assert!(portal.is_host(ours), "{ours}");
        }
        for other in ["example.net", "help.example.net:8080", "xhelp.example.net", "help.example.net.evil.example", ""]
        {
            assert!(!portal.is_host(other), "{other}");
        }
        assert!(url("http://[2001:db8::1]:8080/").unwrap().is_host("[2001:db8::1]:8080"));
    }

    #[test]
    fn an_address_with_path_query_user_or_another_scheme_is_refused() {
        for bad in ["help.example.net", "ftp://x/", "http://x/path", "http://x/?q", "http://u@x/", "javascript:1", ""] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_short_section_is_enough_and_an_unknown_key_is_refused() {
        let short = "portal_url: http://help.example.net/\nprovider: {name: N, phone: '1', site: n.example/q}\n";
        let settings: Settings = serde_yaml::from_str(short).unwrap();
        assert!(settings.check().is_ok());
        assert!(settings.still_works.is_empty(), "nothing is promised that nobody configured");
        for wrong in ["portal_ur: x\n", "limits: {conections: 5}\n"] {
            let error = serde_yaml::from_str::<Settings>(&format!("{short}{wrong}")).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
        let error = serde_yaml::from_str::<Settings>(&short.replace("http:", "gopher:")).unwrap_err().to_string();
        assert!(error.contains("write scheme and host alone"), "{error}");
    }

    #[test]
    fn a_wrong_time_zone_says_what_to_write() {
        let mut settings = Settings::example(url("http://x.example/").unwrap());
        assert!(settings.check().is_ok());
        settings.time_zone = "Amsterdam".into();
        let error = settings.check().unwrap_err().to_string();
        assert_eq!(error, "portal.time_zone: `Amsterdam` is no IANA time zone; write for example Europe/Amsterdam");
    }
}
