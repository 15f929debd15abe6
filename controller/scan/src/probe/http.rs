//! HTTP administration pages: one `GET /`, with a name that says who asks. Redirects are never followed: they may point
//! anywhere, also into our own network.
//!
//! | answer | verdict | key |
//! | --- | --- | --- |
//! | 401 | vulnerable: it asks a stranger to log in | `http-auth` |
//! | page with a password field, or that sends the browser to a log-in page | vulnerable | `login-form` |
//! | redirect to an address that names a log-in or administration page | vulnerable | `redirect-to-login` |
//! | title, server or page naming a known administration software | vulnerable | `admin-page` |
//! | any other redirect | inconclusive: what stands behind it was not looked at | `http-redirect` |
//! | any other HTTP answer, also 403 and 404 | inconclusive: a server still answers strangers, and whether it administers the device cannot be seen from `/` | `http-other-page` |
//! | something that is not HTTP | inconclusive | `other-service` |
//!
//! Nothing here is clean: only a refused connection shows that the door is shut.

use std::net::IpAddr;

use super::{End, Saw, lower};

/// Says who asks and why, for the owner who reads the device's log.
pub const USER_AGENT: &str = "pratique (security check by your Internet provider)";

/// Product and firmware names that appear on administration pages of home routers, cameras, recorders and storage; lower
/// case. Words that a private web page would use as well ("router", "camera", "admin") are left out on purpose.
const ADMIN_WORDS: [&str; 27] = [
    "routeros",
    "webfig",
    "/cgi-bin/luci",
    "openwrt",
    "dd-wrt",
    "fritz!box",
    "hikvision",
    "dnvrs-webs",
    "dahua",
    "netsurveillance",
    "goahead",
    "boa/0.9",
    "mini_httpd",
    "rompager",
    "micro_httpd",
    "tp-link",
    "d-link",
    "netgear",
    "zyxel",
    "draytek",
    "huawei home gateway",
    "zxhn",
    "synology",
    "qnap",
    "router login",
    "router configuration",
    "network camera",
];
/// Parts of addresses that lead to log-in and administration pages.
const LOGIN_PATHS: [&str; 8] =
    ["login", "logon", "signin", "/admin", "cgi-bin", "webpages/index", "setup.cgi", "webfig"];

/// The request; HTTP/1.0 so that the answer is neither chunked nor kept open.
pub fn question(host: IpAddr) -> Vec<u8> {
    let host = match host {
        IpAddr::V4(a) => a.to_string(),
        IpAddr::V6(a) => format!("[{a}]"),
    };
    format!(
        "GET / HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nAccept: text/html, */*;q=0.1\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Judges what a web server said so far.
pub fn judge(bytes: &[u8], end: Option<End>) -> Option<Saw> {
    let text = lower(bytes);
    let (head, body) = match text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")) {
        Some(parts) => parts,
        // Headers cut short are judged as far as they came, when nothing more comes.
        None if end.is_some() => (text.as_str(), ""),
        None => return None,
    };
    let mut lines = head.lines();
    let status = status(lines.next().unwrap_or_default())?;
    let field = |name: &str| {
        lines.clone().find_map(|l| l.split_once(':').filter(|(n, _)| n.trim() == name).map(|(_, v)| v.trim()))
    };
    let server = field("server").unwrap_or_default();
    match status {
        401 => return Some(Saw::open("http-auth")),
        300..=399 => {
            let to = field("location").unwrap_or_default();
            let login = LOGIN_PATHS.iter().any(|p| to.contains(p));
            return Some(if login { Saw::open("redirect-to-login") } else { Saw::unclear("http-redirect") });
        }
        _ => {}
    }
    if has_login_form(body) {
        return Some(Saw::open("login-form"));
    }
    if ADMIN_WORDS.iter().any(|w| server.contains(w) || body.contains(w)) {
        return Some(Saw::open("admin-page"));
    }
    end.map(|_| Saw::unclear("http-other-page"))
}

/// The status code of an answer's first line; none if it is not HTTP.
fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("http/1.")?;
    rest.split_ascii_whitespace().nth(1)?.get(..3)?.parse().ok()
}

/// A password field, or a page that only sends the browser on to the log-in page.
fn has_login_form(body: &str) -> bool {
    let bare: String = body.chars().filter(|c| !matches!(c, '"' | '\'' | ' ' | '\t' | '\r' | '\n')).collect();
    if bare.contains("type=password") {
        return true;
    }
    let goes = ["http-equiv=refresh", "location.href=", "location.replace(", "window.location=", "document.location="];
    goes.iter().any(|go| {
        bare.split(go).skip(1).any(|after| {
            let near: String = after.chars().take(NEAR).collect();
            LOGIN_PATHS.iter().any(|p| near.contains(p))
        })
    })
}

/// Characters after a client-side redirect in which its address stands.
const NEAR: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<&'static str> {
        crate::probe::judge_stream(super::super::Kind::HttpAdmin, text.as_bytes(), Some(End::Closed)).map(|s| s.found)
    }

    #[test]
    fn the_request_names_pratique_and_reads_like_this() {
        let text = String::from_utf8(question("192.0.2.7".parse().unwrap())).unwrap();
        assert_eq!(
            text,
            "GET / HTTP/1.0\r\nHost: 192.0.2.7\r\nUser-Agent: pratique (security check by your Internet provider)\r\n\
             Accept: text/html, */*;q=0.1\r\nConnection: close\r\n\r\n"
        );
        assert!(
            String::from_utf8(question("2001:db8::1".parse().unwrap())).unwrap().contains("Host: [2001:db8::1]\r\n")
        );
    }

    #[test]
    fn pages_that_ask_a_stranger_to_log_in_are_open_doors() {
        let rows = [
            ("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"DVR\"\r\n\r\n", "http-auth"),
            ("HTTP/1.0 200 OK\r\n\r\n<input name=p TYPE = 'password'>", "login-form"),
            ("HTTP/1.0 200 OK\n\n<script>window.location = \"/doc/page/login.asp\"</script>", "login-form"),
            ("HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/login.htm\r\n\r\n", "redirect-to-login"),
            ("HTTP/1.1 200 OK\r\nServer: RomPager/4.07\r\n\r\nhello", "admin-page"),
            ("HTTP/1.1 200 OK\r\n\r\n<title>RouterOS router configuration page</title>", "admin-page"),
        ];
        for (answer, found) in rows {
            assert_eq!(said(answer), Some(found), "{answer}");
        }
    }

    #[test]
    fn any_other_answer_is_neither_open_nor_shut() {
        let rows = [
            ("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\n\r\n", "http-redirect"),
            ("HTTP/1.1 200 OK\r\n\r\n<h1>My rabbits</h1>", "http-other-page"),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "http-other-page"),
            ("HTTP/1.1 404 Not Found\r\nServer: nginx", "http-other-page"),
            ("HTTP/1.1 999", "http-other-page"),
            ("HTTP/1.1 \r\n\r\n", "other-service"),
            ("220 ftp ready\r\n", "other-service"),
            ("", "closed-without-answer"),
        ];
        for (answer, found) in rows {
            assert_eq!(said(answer), Some(found), "{answer}");
        }
    }

    #[test]
    fn a_page_is_read_on_until_it_shows_something() {
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\n\r\n<html>", None), None);
        assert_eq!(judge(b"HTTP/1.1 401 Unauth", None), None, "the headers are not complete");
    }
}
