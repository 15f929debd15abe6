//! The pure half of every probe: what is asked, and what the bytes that come back mean. No sockets here; the next room is
//! [`super::exchange`].
//!
//! Three answers are possible. *Vulnerable*: the open door itself was seen. *Clean*: the service said no to a stranger
//! (only DNS can do that). *Inconclusive*: something is there, but not what was asked about; a door that is not shut is
//! never called shut. A verdict from silence or refusal is not made here but in [`super::outcome`].

pub mod adb;
pub mod dns;
pub mod http;
pub mod ntp;
pub mod snmp;
pub mod ssdp;
pub mod telnet;

use std::net::IpAddr;

use pratique_core::rescan::{Probe, Verdict};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A probe without its port: what the positive control is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// See [`telnet`].
    Telnet,
    /// An accepted connection is the finding; nothing is sent and nothing read.
    TcpBanner,
    /// See [`http`].
    HttpAdmin,
    /// See [`dns`].
    OpenDns,
    /// See [`ssdp`].
    Ssdp,
    /// See [`ntp`].
    NtpMonlist,
    /// See [`snmp`].
    SnmpPublic,
    /// See [`adb`].
    Adb,
}

impl Kind {
    /// Where a responder of this kind usually listens: the probe's own port, or 7 (echo) for one that has none.
    pub const fn control_port(self) -> u16 {
        match self {
            Self::Telnet => 23,
            Self::TcpBanner => 7,
            Self::HttpAdmin => 80,
            Self::OpenDns => 53,
            Self::Ssdp => 1900,
            Self::NtpMonlist => 123,
            Self::SnmpPublic => 161,
            Self::Adb => 5555,
        }
    }

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Telnet,
        Self::TcpBanner,
        Self::HttpAdmin,
        Self::OpenDns,
        Self::Ssdp,
        Self::NtpMonlist,
        Self::SnmpPublic,
        Self::Adb,
    ];

    /// The probe of this kind at a port.
    pub const fn at(self, port: u16) -> Probe {
        match self {
            Self::Telnet => Probe::Telnet(port),
            Self::TcpBanner => Probe::TcpBanner(port),
            Self::HttpAdmin => Probe::HttpAdmin(port),
            Self::OpenDns => Probe::OpenDns(port),
            Self::Ssdp => Probe::Ssdp(port),
            Self::NtpMonlist => Probe::NtpMonlist(port),
            Self::SnmpPublic => Probe::SnmpPublic(port),
            Self::Adb => Probe::Adb(port),
        }
    }

    /// As written in playbooks and settings.
    pub const fn name(self) -> &'static str {
        self.at(0).name()
    }

    /// Asked over UDP; the others over TCP.
    pub const fn is_udp(self) -> bool {
        matches!(self, Self::OpenDns | Self::Ssdp | Self::NtpMonlist | Self::SnmpPublic)
    }

    /// Answers come from a port of the device's choosing: UPnP Device Architecture 2.0 section 1.3.3 fixes only where an
    /// answer goes to.
    pub const fn answers_from_any_port(self) -> bool {
        matches!(self, Self::Ssdp)
    }
}

impl From<Probe> for Kind {
    fn from(probe: Probe) -> Self {
        match probe {
            Probe::Telnet(_) => Self::Telnet,
            Probe::TcpBanner(_) => Self::TcpBanner,
            Probe::HttpAdmin(_) => Self::HttpAdmin,
            Probe::OpenDns(_) => Self::OpenDns,
            Probe::Ssdp(_) => Self::Ssdp,
            Probe::NtpMonlist(_) => Self::NtpMonlist,
            Probe::SnmpPublic(_) => Self::SnmpPublic,
            Probe::Adb(_) => Self::Adb,
        }
    }
}

/// What makes one question different from the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The address asked, for HTTP's Host field.
    pub host: IpAddr,
    /// The name asked of resolvers; see [`super::Settings::dns_name`].
    pub dns_name: SmolStr,
    /// Random; identifiers and the case of the DNS name are cut from it.
    pub nonce: u64,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saw {
    /// Vulnerable, clean (the service refused) or inconclusive (something else answered).
    pub verdict: Verdict,
    /// Stable key of it.
    pub found: &'static str,
}

impl Saw {
    /// The open door.
    pub const fn open(found: &'static str) -> Self {
        Self { verdict: Verdict::Vulnerable, found }
    }
    /// The service said no.
    pub const fn shut(found: &'static str) -> Self {
        Self { verdict: Verdict::Clean, found }
    }
    /// Something else.
    pub const fn unclear(found: &'static str) -> Self {
        Self { verdict: Verdict::Inconclusive, found }
    }
}

/// Why a stream gives no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The device closed or reset it.
    Closed,
    /// The time of the probe is over.
    TimedOut,
    /// As many bytes came as a probe reads.
    Full,
}

/// The datagrams of a UDP probe, or what a TCP probe sends after connecting (at most one piece; none for those that only
/// listen).
pub fn questions(kind: Kind, asking: &Asking) -> Vec<Vec<u8>> {
    match kind {
        Kind::Telnet | Kind::TcpBanner => Vec::new(),
        Kind::HttpAdmin => vec![http::question(asking.host)],
        Kind::OpenDns => vec![dns::question(&asking.dns_name, asking.nonce)],
        Kind::Ssdp => vec![ssdp::question()],
        Kind::NtpMonlist => ntp::questions(asking.nonce),
        Kind::SnmpPublic => vec![snmp::question(asking.nonce)],
        Kind::Adb => vec![adb::question()],
    }
}

/// Judges one datagram from the address asked. None: not an answer to this question; the caller goes on listening, and
/// remembers that something spoke.
pub fn judge_datagram(kind: Kind, asking: &Asking, bytes: &[u8]) -> Option<Saw> {
    match kind {
        Kind::OpenDns => dns::judge(&asking.dns_name, asking.nonce, bytes),
        Kind::Ssdp => ssdp::judge(bytes),
        Kind::NtpMonlist => ntp::judge(asking.nonce, bytes),
        Kind::SnmpPublic => snmp::judge(asking.nonce, bytes),
        Kind::Telnet | Kind::TcpBanner | Kind::HttpAdmin | Kind::Adb => None,
    }
}

/// Judges what a connection has said so far. None: more is needed; never none when `end` is given.
pub fn judge_stream(kind: Kind, bytes: &[u8], end: Option<End>) -> Option<Saw> {
    let judged = match kind {
        Kind::Telnet => telnet::judge(bytes, end),
        Kind::TcpBanner => Some(Saw::open("accepted")),
        Kind::HttpAdmin => http::judge(bytes, end),
        Kind::Adb => adb::judge(bytes),
        Kind::OpenDns | Kind::Ssdp | Kind::NtpMonlist | Kind::SnmpPublic => None,
    };
    judged.or_else(|| {
        end.map(|end| match (bytes.is_empty(), end) {
            (true, End::Closed) => Saw::unclear("closed-without-answer"),
            (true, _) => Saw::unclear("open-but-silent"),
            (false, End::Full) => Saw::unclear("endless-answer"),
            (false, _) => Saw::unclear("other-service"),
        })
    })
}

/// Lower case, with bytes beyond ASCII replaced: enough to look for words in.
fn lower(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if b.is_ascii() { char::from(b.to_ascii_lowercase()) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKING: Asking = Asking {
        host: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        dns_name: SmolStr::new_static("example.com"),
        nonce: 0x1234_5678_9abc_def0,
    };

    #[test]
    fn names_are_those_of_playbooks() {
        for kind in Kind::ALL {
            let written = serde_json::to_string(&kind).unwrap();
            assert_eq!(written.trim_matches('"'), kind.name());
            assert_eq!(Kind::from(kind.at(7)), kind);
        }
    }

    #[test]
    fn an_ended_stream_is_always_judged_and_never_clean() {
        let ends = [End::Closed, End::TimedOut, End::Full];
        for kind in Kind::ALL.into_iter().filter(|k| !k.is_udp()) {
            for end in ends {
                for bytes in [&b""[..], b"\x00\xff\xfe", b"SSH-2.0-OpenSSH_9.2\r\n"] {
                    let saw = judge_stream(kind, bytes, Some(end)).unwrap();
                    assert_ne!(saw.verdict, Verdict::Clean, "{kind:?} {end:?} {bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_question_is_no_answer_to_itself() {
        for kind in Kind::ALL.into_iter().filter(|k| k.is_udp()) {
            for question in questions(kind, &ASKING) {
                assert_eq!(judge_datagram(kind, &ASKING, &question), None, "{kind:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_can_stop_a_judge(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..200) {
            for kind in Kind::ALL {
                let _ = judge_datagram(kind, &ASKING, &bytes);
                let _ = judge_stream(kind, &bytes, None);
                prop_assert!(kind.is_udp() || judge_stream(kind, &bytes, Some(End::Full)).is_some());
                for question in questions(kind, &ASKING) {
                    let cut = &question[..cut.min(question.len())];
                    let _ = judge_datagram(kind, &ASKING, cut);
                }
            }
        }
    }
}
