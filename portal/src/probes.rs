//! What operating systems ask to find out whether they are online, and the answer that says "yes".
//!
//! For residents these requests are redirected to the portal like any other, which makes it pop up. Right after a
//! release, while the forged DNS answers die out, the same requests still come here: then the line is free, and saying so
//! closes the little captive browser instead of keeping it open.
//!
//! The names are those of [`CAPTIVE_PROBE_NAMES`](pratique_core::playbook::CAPTIVE_PROBE_NAMES), which the resolver answers
//! and no allow-list may open; a test keeps the two equal. Windows then opens `www.msftconnecttest.com/redirect` in the
//! browser: that is a person's page and no probe.

/// A probe's answer on a free line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Online {
    /// HTTP status.
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static str,
    /// NetworkManager takes this header for an answer, whatever the content.
    pub(crate) network_manager: bool,
}

const NO_CONTENT: Online = Online { status: 204, content_type: "text/plain", body: "", network_manager: false };
const APPLE: Online = html("<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>");
const CONNECT_TEST: Online = text("Microsoft Connect Test");
const NCSI: Online = text("Microsoft NCSI");
const NETWORK_MANAGER: Online = Online { network_manager: true, ..text("NetworkManager is online\n") };
const OK: Online = text("OK\n");
/// What Firefox compares with `captivedetect.canonicalContent`.
const FIREFOX: Online =
    html(r#"<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>"#);

/// Host, path, answer.
const PROBES: [(&str, &str, Online); 29] = [
    // Android and ChromeOS; NetworkMonitor's fallbacks.
    ("connectivitycheck.gstatic.com", "/generate_204", NO_CONTENT),
    ("connectivitycheck.android.com", "/generate_204", NO_CONTENT),
    ("clients3.google.com", "/generate_204", NO_CONTENT),
    ("www.gstatic.com", "/generate_204", NO_CONTENT),
    ("www.google.com", "/gen_204", NO_CONTENT),
    ("www.google.com", "/generate_204", NO_CONTENT),
    ("play.googleapis.com", "/generate_204", NO_CONTENT),
    // Android as Samsung, Huawei, Xiaomi, vivo and OPPO sell it in China; Amazon's.
    ("connectivity.samsung.com.cn", "/generate_204", NO_CONTENT),
    ("connectivitycheck.platform.hicloud.com", "/generate_204", NO_CONTENT),
    ("connect.rom.miui.com", "/generate_204", NO_CONTENT),
    ("wifi.vivo.com.cn", "/generate_204", NO_CONTENT),
    ("conn1.oppomobile.com", "/generate_204", NO_CONTENT),
    ("fireoscaptiveportal.com", "/generate_204", NO_CONTENT),
    // iOS and macOS.
    ("captive.apple.com", "/", APPLE),
    ("captive.apple.com", "/hotspot-detect.html", APPLE),
    ("www.apple.com", "/library/test/success.html", APPLE),
    // Windows 10 and later, before.
    ("www.msftconnecttest.com", "/connecttest.txt", CONNECT_TEST),
    ("ipv6.msftconnecttest.com", "/connecttest.txt", CONNECT_TEST),
    ("www.msftncsi.com", "/ncsi.txt", NCSI),
    ("ipv6.msftncsi.com", "/ncsi.txt", NCSI),
    // Firefox.
    ("detectportal.firefox.com", "/canonical.html", FIREFOX),
    ("detectportal.firefox.com", "/success.txt", text("success\n")),
    // NetworkManager at GNOME, Debian, Ubuntu, Arch, openSUSE and Fedora, and that of KDE.
    ("nmcheck.gnome.org", "/check_network_status.txt", NETWORK_MANAGER),
    ("network-test.debian.org", "/nm", NETWORK_MANAGER),
    ("connectivity-check.ubuntu.com", "/", Online { network_manager: true, ..NO_CONTENT }),
    ("ping.archlinux.org", "/nm-check.txt", NETWORK_MANAGER),
    ("conncheck.opensuse.org", "/", NETWORK_MANAGER),
    ("fedoraproject.org", "/static/hotspot.txt", OK),
    ("networkcheck.kde.org", "/", OK),
];

/// Apple's probes bear this name, whatever address they go to; it has changed with every few versions.
const APPLE_AGENT: &str = "CaptiveNetworkSupport";

const fn text(body: &'static str) -> Online {
    Online { status: 200, content_type: "text/plain", body, network_manager: false }
}

const fn html(body: &'static str) -> Online {
    Online { status: 200, content_type: "text/html", body, network_manager: false }
}

/// What this request wants to hear on a free line, if it is such a probe.
pub(crate) fn online(host: &str, path: &str, agent: &str) -> Option<Online> {
    let host = host.strip_suffix(":80").unwrap_or(host);
    // Ubuntu asks its own with the dot of the root.
    let host = host.strip_suffix('.').unwrap_or(host);
    let known =
        PROBES.iter().find(|(h, p, _)| h.eq_ignore_ascii_case(host) && *p == path).map(|(_, _, answer)| *answer);
    known.or_else(|| agent.starts_with(APPLE_AGENT).then_some(APPLE))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pratique_core::playbook::CAPTIVE_PROBE_NAMES;

    use super::*;

    #[test]
    fn a_probe_is_known_by_host_and_path_together() {
        assert_eq!(online("connectivitycheck.gstatic.com", "/generate_204", ""), Some(NO_CONTENT));
        assert_eq!(online("Captive.Apple.com:80", "/hotspot-detect.html", ""), Some(APPLE));
        assert_eq!(online("connectivity-check.ubuntu.com.", "/", "").unwrap().status, 204);
        assert_eq!(online("evil.example", "/generate_204", ""), None);
        assert_eq!(online("captive.apple.com", "/other", ""), None);
        assert_eq!(online("www.msftconnecttest.com", "/redirect", ""), None);
        assert_eq!(online("", "", ""), None);
        assert_eq!(online("www.airport.us", "/a/b.html", "CaptiveNetworkSupport-407 wispr"), Some(APPLE));
        assert_eq!(online("www.airport.us", "/a/b.html", "Mozilla/5.0 CaptiveNetworkSupport"), None);
    }

    #[test]
    fn the_names_are_those_that_the_resolver_answers_and_no_allow_list_opens() {
        // Windows looks this one up and asks it nothing.
        let dns_only = "dns.msftncsi.com";
        let here: BTreeSet<_> = PROBES.iter().map(|(host, _, _)| *host).chain([dns_only]).collect();
        assert_eq!(here, CAPTIVE_PROBE_NAMES.into_iter().collect());
        assert_eq!(CAPTIVE_PROBE_NAMES.len(), here.len(), "each name stands once");
    }
}
