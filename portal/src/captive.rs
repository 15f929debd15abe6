//! The captive-portal API: RFC 8908 over TLS, at the address that DHCP and router advertisements announce (RFC 8910).
//!
//! The whole answer is known beforehand; who asks decides between two of them, by the address it asks from at that moment.
//! A client that holds the announced address to be a page for people, as RFC 7710 had it, asks for HTML and is led to the
//! page (RFC 8910 section 2).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::settings::{PortalUrl, SettingsError};

/// Paths of the API; both answer alike on every host.
pub(crate) const PATHS: [&str; 2] = ["/.well-known/captive-portal", "/captive-portal/api"];

/// Media type of an answer, RFC 8908 section 5.
pub(crate) const MEDIA_TYPE: &str = "application/captive+json";

/// Bytes of an address that fit into the DHCPv4 option; RFC 8910 section 2 wants no longer ones elsewhere.
const LONGEST: usize = 255;

/// `https://name/captive-portal/api`: what DHCP and router advertisements announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrl {
    url: String,
    origin: PortalUrl,
}

impl ApiUrl {
    /// As it is announced, byte by byte.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The portal under the same name, over TLS.
    pub fn origin(&self) -> &PortalUrl {
        &self.origin
    }
}

impl FromStr for ApiUrl {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let wrong = |why: &str| {
            let [_, usual] = PATHS;
            SettingsError::new(
                "api_url",
                format!("`{text}` {why}; write for example https://help.example.net{usual}, in lower case"),
            )
        };
        let uri: http::Uri = text.parse().map_err(|_| wrong("is no address"))?;
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if uri.scheme_str() != Some("https") {
            return Err(wrong("does not begin with https: clients ask over TLS only (RFC 8908 section 4)"));
        }
        if !PATHS.contains(&uri.path()) {
            return Err(wrong("has a path at which the portal does not answer as API"));
        }
        let origin: PortalUrl = format!("https://{authority}/").parse().map_err(|_| wrong("is no address"))?;
        let bare = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if bare.parse::<IpAddr>().is_ok() {
            return Err(wrong("names an address: announce a host name (RFC 8910 section 2)"));
        }
        // Also what the parser drops or folds: query, fragment, upper case, a default port.
        if text != format!("{}{}", origin.as_str().trim_end_matches('/'), uri.path()) {
            return Err(wrong("has more than scheme, host and path, or is spelt unusually"));
        }
        if text.len() > LONGEST {
            return Err(wrong("is longer than the 255 bytes of the DHCPv4 option"));
        }
        Ok(Self { url: text.to_owned(), origin })
    }
}

/// `https://…`: a page on which the provider tells about itself; devices show it as a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueUrl(SmolStr);

impl VenueUrl {
    /// As devices get it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VenueUrl {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let uri = text.parse::<http::Uri>().ok();
        let sound = uri.is_some_and(|uri| {
            let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
            uri.scheme_str() == Some("https") && !authority.is_empty() && !authority.contains('@')
        });
        if !sound || text.len() > LONGEST {
            let problem = format!("`{text}` is no short https address; write for example https://example.net/about");
            return Err(SettingsError::new("venue_info_url", problem));
        }
        Ok(Self(text.into()))
    }
}

/// What the API says.
pub(crate) struct Answers {
    held: Bytes,
    free: Bytes,
}

impl Answers {
    /// `page`: where people can see more.
    pub(crate) fn new(page: &PortalUrl, venue: Option<&VenueUrl>) -> Self {
        let answer = |captive: bool| {
            let mut json = serde_json::json!({ "captive": captive, "user-portal-url": page.as_str() });
            if let Some(venue) = venue {
                json["venue-info-url"] = venue.as_str().into();
            }
            // No seconds-remaining and no can-extend-session: nothing here ends by the clock alone.
            Bytes::from(json.to_string())
        };
        Self { held: answer(true), free: answer(false) }
    }

    pub(crate) fn of(&self, held: bool) -> Bytes {
        if held { self.held.clone() } else { self.free.clone() }
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Serialize for ApiUrl {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.url)
    }
}

impl<'de> Deserialize<'de> for ApiUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parsed(d)
    }
}

impl Serialize for VenueUrl {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VenueUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parsed(d)
    }
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = SettingsError>>(d: D) -> Result<T, D::Error> {
    SmolStr::deserialize(d)?.parse().map_err(|e: SettingsError| serde::de::Error::custom(e.problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_address_is_taken_as_written_or_not_at_all() {
        for good in
            ["https://help.example.net/captive-portal/api", "https://help.example.net:8443/.well-known/captive-portal"]
        {
            assert_eq!(good.parse::<ApiUrl>().unwrap().as_str(), good);
        }
        let api: ApiUrl = "https://help.example.net:8443/captive-portal/api".parse().unwrap();
        assert_eq!(api.origin().as_str(), "https://help.example.net:8443/");
        let long = format!("https://{}.example.net/captive-portal/api", "a".repeat(255));
        for (bad, why) in [
            ("http://help.example.net/captive-portal/api", "over TLS only"),
            ("https://help.example.net/", "does not answer as API"),
            ("https://help.example.net/captive-portal/api?x", "more than scheme"),
            ("https://help.example.net/captive-portal/api#x", "more than scheme"),
            ("https://Help.example.net/captive-portal/api", "unusually"),
            ("https://help.example.net:443/captive-portal/api", "unusually"),
            ("https://u@help.example.net/captive-portal/api", "is no address"),
            ("https://192.0.2.80/captive-portal/api", "announce a host name"),
            ("https://[2001:db8::80]/captive-portal/api", "announce a host name"),
            ("help.example.net", "does not begin with https"),
            ("https://a b/", "is no address"),
            (&long, "255 bytes"),
        ] {
            let said = bad.parse::<ApiUrl>().unwrap_err().to_string();
            assert!(said.starts_with("portal.api_url: ") && said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn the_venue_is_an_https_page() {
        assert!("https://example.net/about".parse::<VenueUrl>().is_ok());
        for bad in ["http://example.net/", "example.net", "https://u@example.net/", "javascript:1", ""] {
            assert!(bad.parse::<VenueUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_holds_what_rfc_8908_section_5_asks_for() {
        let page: PortalUrl = "https://help.example.net/".parse().unwrap();
        let venue: VenueUrl = "https://example.net/about".parse().unwrap();
        let of = |answers: &Answers, held| serde_json::from_slice::<serde_json::Value>(&answers.of(held)).unwrap();
        let bare = Answers::new(&page, None);
        assert_eq!(
            of(&bare, true),
            serde_json::json!({"captive": true, "user-portal-url": "https://help.example.net/"})
        );
        let full = of(&Answers::new(&page, Some(&venue)), false);
        assert_eq!((&full["captive"], &full["venue-info-url"]), (&false.into(), &"https://example.net/about".into()));
    }
}
