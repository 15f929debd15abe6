//! Where an upstream is and how it is asked, as it stands in the settings: `192.0.2.54:53` in the clear, or
//! `tls://9.9.9.9:853#dns.quad9.net` over TLS, to whoever has a certificate for that name.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// Over UDP, and over TCP what does not fit.
    Clear(SocketAddr),
    /// Over TLS alone (RFC 7858, strict profile of RFC 8310).
    Tls {
        /// Where.
        address: SocketAddr,
        /// Name or address in its certificate.
        name: SmolStr,
    },
}

/// Why a text is no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no upstream: write an address with its port, as 192.0.2.54:53 or [2001:db8::54]:53, or for DNS over TLS with \
     the name in its certificate, as tls://9.9.9.9:853#dns.quad9.net"
)]
pub struct EndpointError(String);

impl Endpoint {
    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Clear(address) | Self::Tls { address, .. } => *address,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.chars().take(80).collect());
        let Some(rest) = text.strip_prefix("tls://") else {
            return text.parse().map(Self::Clear).map_err(|_| wrong());
        };
        let (address, name) = rest.split_once('#').ok_or_else(wrong)?;
        let address = address.parse().map_err(|_| wrong())?;
        ServerName::try_from(name).map_err(|_| wrong())?;
        Ok(Self::Tls { address, name: name.into() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear(address) => write!(f, "{address}"),
            Self::Tls { address, name } => write!(f, "tls://{address}#{name}"),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Clear(address)
    }
}

impl<A: Into<IpAddr>> From<(A, u16)> for Endpoint {
    fn from(address: (A, u16)) -> Self {
        Self::Clear(address.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_written_as_it_is_read() {
        for text in [
            "192.0.2.54:53",
            "[2001:db8::54]:5353",
            "tls://9.9.9.9:853#dns.quad9.net",
            "tls://[2620:fe::fe]:853#dns.quad9.net",
            "tls://9.9.9.9:853#9.9.9.9",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_upstream_is_answered_with_how_to_write_one() {
        for text in [
            "9.9.9.9",
            "dns.quad9.net:53",
            "tls://9.9.9.9:853",
            "tls://9.9.9.9#x.example",
            "tls://9.9.9.9:853#",
            "https://9.9.9.9/dns-query",
        ] {
            let said = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(said.contains(text) && said.contains("tls://9.9.9.9:853#dns.quad9.net"), "{said}");
        }
    }
}
