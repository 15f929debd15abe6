//! A question as the decision sees it: plain values, no wire format. Made by `wire`, judged by [`crate::captive`].

use std::net::IpAddr;

use smol_str::SmolStr;

/// Longest name as text without its trailing dot (RFC 1035 section 2.3.4 gives 255 octets on the wire).
const MAX_TEXT: usize = 253;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which name.
    pub name: Asked,
    /// Which type.
    pub kind: Kind,
    /// Class IN; everything else is refused.
    pub internet: bool,
}

/// A name as asked, compared by whole labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Letters, digits, hyphens and underscores: in lower case, labels joined by dots, no trailing dot.
    Plain(SmolStr),
    /// The root of all names.
    Root,
    /// Anything else. Never on a list: a label may hold a dot as a byte, and joined as text `a.vendor` + `example` would pass
    /// for a name below `vendor.example`.
    Odd {
        /// What is above its last odd label, as text; empty where that is the root.
        below: SmolStr,
    },
}

impl Asked {
    /// From the labels of a name, first label first.
    pub fn from_labels<'l>(labels: impl Iterator<Item = &'l [u8]>) -> Self {
        let (mut text, mut odd, mut any) = (String::with_capacity(64), false, false);
        for label in labels {
            any = true;
            let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if !text.is_empty() {
                text.push('.');
            }
            if label.is_empty() || !label.iter().all(plain) || text.len() + label.len() > MAX_TEXT {
                odd = true;
                text.clear();
            } else {
                text.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
            }
        }
        match (any, odd) {
            (false, _) => Self::Root,
            (true, true) => Self::Odd { below: text.into() },
            (true, false) => Self::Plain(text.into()),
        }
    }

    /// The text of a plain name.
    pub fn plain(&self) -> Option<&SmolStr> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Root | Self::Odd { .. } => None,
        }
    }
}

/// The types that make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Addresses of one family.
    Address(Family),
    /// ANY, type 255.
    Any,
    /// Not a type of data: OPT, transfers, TSIG and the rest of 128–254 (RFC 6895 section 3.1), and 0.
    Meta(u16),
    /// DS and DNSKEY: with them a resolver at home proves that a zone is signed, or that it is not (RFC 4035).
    Proof(u16),
    /// All other types, HTTPS and SVCB among them.
    Other(u16),
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// The type of its records.
    pub fn code(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }

    /// Whether an address is of this family.
    pub fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

impl From<u16> for Kind {
    fn from(code: u16) -> Self {
        match code {
            1 => Self::Address(Family::V4),
            28 => Self::Address(Family::V6),
            255 => Self::Any,
            43 | 48 => Self::Proof(code),
            0 | 41 | 128..=254 => Self::Meta(code),
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(labels: &[&[u8]]) -> Asked {
        Asked::from_labels(labels.iter().copied())
    }

    #[test]
    fn case_is_folded_and_labels_are_joined() {
        assert_eq!(asked(&[b"WwW", b"Example", b"COM"]), Asked::Plain("www.example.com".into()));
        assert_eq!(asked(&[b"xn--bcher-kva", b"example"]), Asked::Plain("xn--bcher-kva.example".into()));
    }

    #[test]
    fn a_label_with_a_dot_or_other_bytes_in_it_is_never_plain() {
        let odd: [(&[&[u8]], &str); 6] = [
            (&[b"a.vendor", b"example"], "example"),
            (&[b"b\xc3\xbccher", b"de"], "de"),
            (&[b"a b"], ""),
            (&[b"nul\0", b"x"], "x"),
            (&[b"My Printer", b"_ipp", b"_TCP", b"local"], "_ipp._tcp.local"),
            (&[b"x", b"a b", b"y", b"\0", b"z"], "z"),
        ];
        for (labels, below) in odd {
            assert_eq!(asked(labels), Asked::Odd { below: below.into() }, "{labels:?}");
        }
        assert_eq!(asked(&[]), Asked::Root);
    }

    #[test]
    fn the_longest_name_is_253_characters_of_text() {
        let label = [b'a'; 63];
        let full = [&label[..], &label, &label, &label[..61]];
        assert_eq!(asked(&full).plain().map(SmolStr::len), Some(253));
        let over = [&label[..], &label, &label, &label[..62]];
        assert!(matches!(asked(&over), Asked::Odd { .. }));
    }
}
