//! What operating systems ask to find out whether they are online, and the answer that says "yes".
//!
//! For residents these requests are redirected to the portal like any other, which makes it pop up. Right after a
//! release, while the forged DNS answers die out, the same requests still come here: then the line is free, and saying so
//! closes the little captive browser instead of keeping it open.

/// A probe's answer on a free line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Online {
    /// HTTP status.
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static str,
}

const NO_CONTENT: Online = Online { status: 204, content_type: "text/plain", body: "" };
const APPLE: Online = Online {
    status: 200,
    content_type: "text/html",
    body: "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
};

/// Host, path, answer. Android and ChromeOS; Apple; Windows 10 and later, before; Firefox; GNOME, Debian.
const PROBES: [(&str, &str, Online); 12] = [
    ("connectivitycheck.gstatic.com", "/generate_204", NO_CONTENT),
    ("connectivitycheck.android.com", "/generate_204", NO_CONTENT),
    ("clients3.google.com", "/generate_204", NO_CONTENT),
    ("www.google.com", "/gen_204", NO_CONTENT),
    ("captive.apple.com", "/", APPLE),
    ("captive.apple.com", "/hotspot-detect.html", APPLE),
    ("www.apple.com", "/library/test/success.html", APPLE),
    ("www.msftconnecttest.com", "/connecttest.txt", text("Microsoft Connect Test")),
    ("www.msftncsi.com", "/ncsi.txt", text("Microsoft NCSI")),
    ("detectportal.firefox.com", "/success.txt", text("success\n")),
    ("nmcheck.gnome.org", "/check_network_status.txt", text("NetworkManager is online\n")),
    ("network-test.debian.org", "/nm", text("NetworkManager is online\n")),
];

const fn text(body: &'static str) -> Online {
    Online { status: 200, content_type: "text/plain", body }
}

/// What this request wants to hear on a free line, if it is such a probe.
pub(crate) fn online(host: &str, path: &str) -> Option<Online> {
    let host = host.strip_suffix(":80").unwrap_or(host);
    PROBES.iter().find(|(h, p, _)| h.eq_ignore_ascii_case(host) && *p == path).map(|(_, _, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_host_and_path_together() {
        assert_eq!(online("connectivitycheck.gstatic.com", "/generate_204"), Some(NO_CONTENT));
        assert_eq!(online("Captive.Apple.com:80", "/hotspot-detect.html"), Some(APPLE));
        assert_eq!(online("evil.example", "/generate_204"), None);
        assert_eq!(online("captive.apple.com", "/other"), None);
        assert_eq!(online("", ""), None);
    }
}
