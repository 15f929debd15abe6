//! Each operating system's question, and the answer its vendor documents for "online".

use pratique_core::plan::Element;

use crate::support::{HOME, HTML, card, header, put, start, status};

/// Vendor, host, path, further headers as it sends them; status and content that say "online".
const ASKED: [(&str, &str, &str, &str, u16, &str); 24] = [
    ("Android", "connectivitycheck.gstatic.com", "/generate_204", ANDROID, 204, ""),
    ("Android, fallback", "www.google.com", "/gen_204", ANDROID, 204, ""),
    ("Android, second fallback", "play.googleapis.com", "/generate_204", ANDROID, 204, ""),
    ("ChromeOS", "www.gstatic.com", "/generate_204", "", 204, ""),
    ("Chrome, before", "clients3.google.com", "/generate_204", "", 204, ""),
    ("Samsung in China", "connectivity.samsung.com.cn", "/generate_204", ANDROID, 204, ""),
    ("Huawei", "connectivitycheck.platform.hicloud.com", "/generate_204", ANDROID, 204, ""),
    ("Xiaomi", "connect.rom.miui.com", "/generate_204", ANDROID, 204, ""),
    ("Fire OS", "fireoscaptiveportal.com", "/generate_204", ANDROID, 204, ""),
    ("iOS", "captive.apple.com", "/hotspot-detect.html", APPLE, 200, SUCCESS),
    ("iOS, the little browser", "captive.apple.com", "/hotspot-detect.html", HTML, 200, SUCCESS),
    ("iOS, before", "www.apple.com", "/library/test/success.html", APPLE, 200, SUCCESS),
    ("iOS 7", "www.thinkdifferent.us", "/SiUqBZ2F/yU0.html", APPLE, 200, SUCCESS),
    ("Windows", "www.msftconnecttest.com", "/connecttest.txt", NCSI, 200, "Microsoft Connect Test"),
    ("Windows, IPv6", "ipv6.msftconnecttest.com", "/connecttest.txt", NCSI, 200, "Microsoft Connect Test"),
    ("Windows before 10", "www.msftncsi.com", "/ncsi.txt", NCSI, 200, "Microsoft NCSI"),
    ("Firefox", "detectportal.firefox.com", "/canonical.html", "", 200, CANONICAL),
    ("Firefox, per version of IP", "detectportal.firefox.com", "/success.txt?ipv4", "", 200, "success\n"),
    ("GNOME", "nmcheck.gnome.org", "/check_network_status.txt", "", 200, "NetworkManager is online\n"),
    ("Debian", "network-test.debian.org", "/nm", "", 200, "NetworkManager is online\n"),
    ("Ubuntu", "connectivity-check.ubuntu.com.", "/", "", 204, ""),
    ("Arch", "ping.archlinux.org", "/nm-check.txt", "", 200, "NetworkManager is online\n"),
    ("Fedora", "fedoraproject.org", "/static/hotspot.txt", "", 200, "OK\n"),
    ("KDE", "networkcheck.kde.org", "/", "Accept: */*\r\n", 200, "OK\n"),
];

const ANDROID: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept-Encoding: gzip\r\n";
const APPLE: &str = "User-Agent: CaptiveNetworkSupport-443.40.6 wispr\r\n";
const NCSI: &str = "User-Agent: Microsoft NCSI\r\nAccept: */*\r\n";
const SUCCESS: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
const CANONICAL: &str =
    "<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>";

#[tokio::test]
async fn each_vendors_probe_opens_the_portal_for_a_resident_and_says_online_after_the_release() {
    let portal = start().await;
    let home = format!("http://{}/", portal.address);
    for (vendor, host, path, headers, online, content) in ASKED {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
        put(&portal.view, HOME, card(1, "mirai"));
        let held = portal.ask(HOME, &request).await;
        assert_eq!((status(&held), header(&held, "location")), (302, Some(home.as_str())), "{vendor}");
        assert_eq!(held.split_once("\r\n\r\n").unwrap().1, "", "{vendor}: a redirect needs no content");
        portal.view.remove(Element::V4(HOME));
        let free = portal.ask(HOME, &request).await;
        assert_eq!((status(&free), free.split_once("\r\n\r\n").unwrap().1), (online, content), "{vendor}");
        assert_eq!(header(&free, "cache-control"), Some("no-store"), "{vendor}");
        let manager = ["GNOME", "Debian", "Ubuntu", "Arch"].contains(&vendor);
        assert_eq!(header(&free, "x-networkmanager-status").is_some(), manager, "{vendor}");
    }
}

#[tokio::test]
async fn the_page_that_windows_opens_is_the_portal_and_afterwards_says_that_nothing_is_wrong() {
    let portal = start().await;
    let request = format!("GET /redirect HTTP/1.1\r\nHost: www.msftconnecttest.com\r\n{HTML}Connection: close\r\n\r\n");
    put(&portal.view, HOME, card(1, "mirai"));
    assert_eq!(status(&portal.ask(HOME, &request).await), 302);
    portal.view.remove(Element::V4(HOME));
    assert!(portal.ask(HOME, &request).await.contains("Your line is not on hold"));
}
