//! The section `portal`: the pages, and their listeners with and without TLS. What the parts demand of each other.

use std::net::SocketAddr;

use pratique_enforce::config::WallConfig;
use serde::{Deserialize, Serialize};

/// The subscribers' pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    /// Addresses it answers on.
    pub listen: Vec<SocketAddr>,
    /// Addresses it answers on over TLS, for the captive-portal API at `pages.api_url`; none by default.
    #[serde(default)]
    pub listen_tls: Vec<SocketAddr>,
    /// The certificate there, for the name in `pages.api_url`.
    #[serde(default)]
    pub tls: Option<pratique_portal::PairFiles>,
    /// What the pages say of the provider, and their limits.
    pub pages: pratique_portal::Settings,
}

impl Portal {
    /// What is wrong with the section, each with its key and the remedy.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found: Vec<String> = self.pages.check().err().map(|e| e.to_string()).into_iter().collect();
        if self.listen.is_empty() {
            found.push("portal.listen is empty: name addresses, or remove the whole section".into());
        }
        found.extend(self.tls.iter().flat_map(pratique_portal::PairFiles::problems).map(|p| format!("portal.{p}")));
        match (self.listen_tls.is_empty(), &self.tls, &self.pages.api_url) {
            (true, None, None) => {}
            (false, None, _) => found.push("portal.tls is missing: portal.listen_tls needs a certificate and its key".into()),
            (true, Some(_), _) => {
                found.push("portal.listen_tls is empty: name addresses with port 443, or remove portal.tls".into());
            }
            (_, _, None) => found.push(
                "portal.pages.api_url is missing: name the https address that portal.listen_tls answers at, for example \
                 https://help.example.net/captive-portal/api"
                    .into(),
            ),
            (true, None, Some(url)) => found.push(format!(
                "portal.pages.api_url is {url}, but nobody answers there: name addresses in portal.listen_tls and a \
                 certificate in portal.tls"
            )),
            (false, Some(_), Some(_)) => {}
        }
        for (at, address) in self.listen_tls.iter().enumerate() {
            let before = self.listen_tls.iter().take(at).chain(&self.listen);
            if address.port() != 0 && before.into_iter().any(|other| other == address) {
                found.push(format!(
                    "portal.listen_tls has {address}, which is listened on already: choose another port"
                ));
            }
        }
        found
    }

    /// A port of the portal over TLS that this node's wall keeps shut, or leads elsewhere.
    pub(super) fn walled_off(&self, wall: &WallConfig) -> Option<String> {
        let at_wall = |a: &&SocketAddr| wall.all_portals().any(|portal| portal == a.ip());
        let shut = self.listen_tls.iter().filter(at_wall).find(|a| a.port() != wall.https_port)?;
        Some(format!(
            "wall.https_port is {}, but portal.listen_tls listens on {} at {}: residents could not reach it; set the same port",
            wall.https_port,
            shut.port(),
            shut.ip()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pratique_policy::file::parse_yaml;

    use crate::config::Config;

    #[test]
    fn a_portal_over_tls_needs_addresses_a_certificate_and_a_name_to_announce() {
        let api = "api_url: 'https://help.isp.example/captive-portal/api', ";
        let said = |tls: &str, api: &str, wall: &str| {
            let text = format!(
                "enforcer: nft\nwall: {{portal4: 192.0.2.80, access_interfaces: []{wall}}}\nportal: {{listen: \
                 ['192.0.2.80:80'], {tls}pages: {{portal_url: 'http://help.isp.example/', {api}provider: {{name: N, phone: '1', site: isp.example/q}}}}}}\n"
            );
            parse_yaml::<Config>(Path::new("pratique.yaml"), &text).unwrap().problems().join("\n")
        };
        let listen = "listen_tls: ['192.0.2.80:443'], ";
        let tls = "tls: {certificate: c.pem, key: k.pem}, ";
        let both = format!("{listen}{tls}");
        assert_eq!((said("", "", ""), said(&both, api, "")), (String::new(), String::new()));
        assert!(said(listen, api, "").starts_with("portal.tls is missing"));
        assert!(said(tls, api, "").starts_with("portal.listen_tls is empty"));
        assert!(said(&both, "", "").starts_with("portal.pages.api_url is missing"));
        assert!(said("", api, "").starts_with("portal.pages.api_url is https://help.isp.example"));
        assert!(said(&both, api, ", https_port: 8443").starts_with("wall.https_port is 8443, but portal.listen_tls"));
        let further = listen.replace(".80:443'", ".80:443', '192.0.2.81:8443'") + tls;
        assert_eq!(said(&further, api, ""), "", "not an address of this wall");
        let shut = said(&further, api, ", portals: [192.0.2.81]");
        assert!(
            shut.starts_with("wall.https_port is 443, but portal.listen_tls listens on 8443 at 192.0.2.81"),
            "{shut}"
        );
        let twice = both.replace(":443", ":80");
        assert!(said(&twice, api, ", https_port: 80").contains("192.0.2.80:80, which is listened on already"));
        assert!(said(&both.replace("k.pem", "''"), api, "").starts_with("portal.tls.key is empty"));
    }
}
