//! Telnet: listens only. No user name, no password, not even an answer to the negotiation is ever sent.

use super::{End, Saw, lower};

/// IAC, the byte that begins a telnet command (RFC 854).
const IAC: u8 = 255;
/// SB, WILL, WONT, DO and DONT: the commands of a negotiation (RFC 854).
const NEGOTIATION: std::ops::RangeInclusive<u8> = 250..=254;
/// What log-in prompts say, in lower case.
const PROMPTS: [&str; 8] =
    ["login:", "username:", "user name:", "password:", "account:", "login as:", "user:", "busybox"];
/// How a shell without any log-in waits: the most open door of all.
const SHELLS: [&str; 4] = ["# ", "$ ", "#", "> "];

/// Judges what a telnet port said so far.
pub fn judge(bytes: &[u8], end: Option<End>) -> Option<Saw> {
    if bytes.windows(2).any(|w| matches!(w, [IAC, command] if NEGOTIATION.contains(command))) {
        return Some(Saw::open("telnet-negotiation"));
    }
    let text = lower(bytes);
    if PROMPTS.iter().any(|p| text.contains(p)) {
        return Some(Saw::open("login-prompt"));
    }
    // Only at the end: a `#` in the middle of a banner is no prompt.
    let waits = end == Some(End::TimedOut);
    (waits && SHELLS.iter().any(|p| text.ends_with(p))).then_some(Saw::open("shell-prompt"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Kind, judge_stream};

    #[test]
    fn negotiation_prompts_and_shells_are_open_doors() {
        assert_eq!(judge(b"\xff\xfd\x18\xff\xfd\x20", None), Some(Saw::open("telnet-negotiation")));
        assert_eq!(judge(b"\r\nDVR Login: ", None), Some(Saw::open("login-prompt")));
        assert_eq!(judge(b"BusyBox v1.12.1 built-in shell (ash)", None), Some(Saw::open("login-prompt")));
        assert_eq!(judge(b"\r\n# ", Some(End::TimedOut)), Some(Saw::open("shell-prompt")));
    }

    #[test]
    fn other_services_and_silence_are_neither_open_telnet_nor_a_shut_door() {
        let said = |bytes: &[u8], end| judge_stream(Kind::Telnet, bytes, Some(end)).map(|s| s.found);
        assert_eq!(judge(b"\r\n# ", None), None, "more may come");
        assert_eq!(said(b"SSH-2.0-dropbear\r\n", End::TimedOut), Some("other-service"));
        assert_eq!(said(b"", End::TimedOut), Some("open-but-silent"));
        assert_eq!(said(b"", End::Closed), Some("closed-without-answer"));
        assert_eq!(said(&[b'A'; 4096], End::Full), Some("endless-answer"));
        assert_eq!(said(b"\xff\xff\xff", End::Closed), Some("other-service"), "IAC IAC is a data byte");
    }
}
