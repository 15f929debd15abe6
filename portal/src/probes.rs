//! What operating systems ask to find out whether they are online, and the answer that says "yes".
//!
//! For residents these requests are redirected to the portal like any other, which makes it pop up. Right after a
//! release, while the forged DNS answers die out, the same requests still come here: then the line is free, and saying so
//! closes the little captive browser instead of keeping it open.
//!
//! The names, their paths and the words for their answers are those of [`pratique_core::detection`], which the resolver leads
//! here and no allow-list may open. Windows then opens `www.msftconnecttest.com/redirect` in the browser: that is a person's page
//! and no probe.

use pratique_core::detection;

/// A probe's answer on a free line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Online {
    /// HTTP status.
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static str,
    /// A header that its client looks for, in lower case.
    pub(crate) header: Option<(&'static str, &'static str)>,
}

const NO_CONTENT: Online = Online { status: 204, content_type: "text/plain", body: "", header: None };
const APPLE: Online = html("<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>");
/// NetworkManager takes this header for an answer, whatever the content.
const NETWORK_MANAGER: Option<(&str, &str)> = Some(("x-networkmanager-status", "online"));
const NINTENDO: Option<(&str, &str)> = Some(("x-organization", "Nintendo"));

/// Words of the list, and what they stand for.
const ANSWERS: [(&str, Online); 12] = [
    ("no-content", NO_CONTENT),
    ("apple", APPLE),
    ("connect-test", text("Microsoft Connect Test")),
    ("ncsi", text("Microsoft NCSI")),
    // What Firefox compares with `captivedetect.canonicalContent`.
    ("firefox", html(r#"<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>"#)),
    ("firefox-success", text("success\n")),
    ("network-manager", Online { header: NETWORK_MANAGER, ..text("NetworkManager is online\n") }),
    ("ubuntu", Online { header: NETWORK_MANAGER, ..NO_CONTENT }),
    ("ok", text("OK\n")),
    // The client looks for this number in the page.
    (
        "kindle",
        html("<html><head><title>Kindle</title></head><body>81ce4465-7167-4dcb-835b-dcc9e44c112a</body></html>"),
    ),
    ("nintendo", Online { header: NINTENDO, ..text("ok") }),
    (
        "nintendo-page",
        Online {
            header: NINTENDO,
            ..html(
                r##"<html><head><title>HTML Page</title></head><body bgcolor="#FFFFFF">This is test.html page</body></html>"##,
            )
        },
    ),
];

/// Apple's probes bear this name, whatever address they go to; it has changed with every few versions.
const APPLE_AGENT: &str = "CaptiveNetworkSupport";

const fn text(body: &'static str) -> Online {
    Online { status: 200, content_type: "text/plain", body, header: None }
}

const fn html(body: &'static str) -> Online {
    Online { status: 200, content_type: "text/html", body, header: None }
}

/// What this request wants to hear on a free line, if it is such a probe.
pub(crate) fn online(host: &str, path: &str, agent: &str) -> Option<Online> {
    let host = host.strip_suffix(":80").unwrap_or(host);
    // Ubuntu asks its own with the dot of the root.
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut asked = detection::checks().iter().filter(|check| check.name.eq_ignore_ascii_case(host));
    let known = asked.find_map(|check| check.request.filter(|(p, _)| *p == path)).and_then(|(_, word)| answer(word));
    known.or_else(|| agent.starts_with(APPLE_AGENT).then_some(APPLE))
}

fn answer(word: &str) -> Option<Online> {
    ANSWERS.iter().find(|(known, _)| *known == word).map(|(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
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
    fn every_check_of_the_list_hears_that_it_is_online() {
        let mut words: Vec<_> = ANSWERS.iter().map(|(word, _)| *word).collect();
        for check in detection::checks() {
            let Some((path, word)) = check.request else {
                assert_eq!(online(check.name, "/", ""), None, "{}", check.name);
                continue;
            };
            assert!(online(check.name, path, "").is_some(), "{}{path}: `{word}` has no answer", check.name);
            assert_eq!(online(&format!("{}.:80", check.name), path, ""), answer(word));
            words.retain(|known| *known != word);
        }
        assert_eq!(words, [""; 0], "an answer that nobody asks for");
        // Paths that are asked at one name alone.
        assert_eq!(online("connectivitycheck.grapheneos.network", "/hotspot-detect.html", ""), None);
    }
}
