//! The consent to a scan, as the page's form sends it: sealed for the line it was shown to, by whom, in which round and until
//! when, so that it fits nobody else and counts once.

use std::net::IpAddr;

use pratique_core::ids::LineNo;
use pratique_core::time::{Span, Timestamp};

use super::Agreed;
use crate::token::Seal;

/// A form is good for so long. Rounds are remembered as long, so that no old form is taken for a new one.
pub(crate) const GOOD_FOR: Span = Span::from_hours(1);

/// What stands in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consent {
    pub(crate) line: u32,
    pub(crate) round: u64,
    /// When it was made, in milliseconds.
    pub(crate) made: i64,
    pub(crate) token: String,
}

/// What the page says of a form that had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nobody has ticked the box.
    NoConsent,
    /// The form does not fit; press once more.
    PressAgain,
    /// It was used before.
    Again,
    /// Not now.
    Busy,
}

impl Said {
    const ALL: [(Self, &'static str); 4] = [
        (Self::NoConsent, "no-consent"),
        (Self::PressAgain, "press-again"),
        (Self::Again, "again"),
        (Self::Busy, "busy"),
    ];

    /// As written behind `?s=`, and in the metrics.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(said, _)| *said == self).map_or("", |(_, name)| name)
    }

    /// The one of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(said, _)| *said)
    }
}

impl Consent {
    /// For who is on the line now.
    pub(crate) fn new(seal: &Seal, line: LineNo, round: u64, peer: IpAddr, now: Timestamp) -> Self {
        let made = now.as_millis();
        Self { line: line.0, round, made, token: seal.consent(line, round, made, peer) }
    }

    /// What was agreed to.
    ///
    /// # Errors
    /// What the page says instead.
    pub(crate) fn read(seal: &Seal, body: &[u8], peer: IpAddr, now: Timestamp) -> Result<Agreed, Said> {
        let sent = Sent::parse(body).ok_or(Said::PressAgain)?;
        let made = Timestamp::from_millis(sent.made);
        let fresh = made <= now && now < made.plus(GOOD_FOR);
        if !fresh || !seal.fits_consent(sent.token, sent.line, sent.round, sent.made, peer) {
            return Err(Said::PressAgain);
        }
        if !sent.consent {
            return Err(Said::NoConsent);
        }
        Ok(Agreed { line: sent.line, round: sent.round, mail: sent.mail })
    }
}

/// The form as sent. Its values are digits and letters alone, so nothing has to be decoded.
struct Sent<'a> {
    line: LineNo,
    round: u64,
    made: i64,
    token: &'a str,
    consent: bool,
    mail: bool,
}

impl<'a> Sent<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut line, mut round, mut made, mut token) = (None, None, None, None);
        let (mut consent, mut mail) = (None, None);
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let first_time = match name {
                "line" => line.replace(value.parse().ok()?).is_none(),
                "round" => round.replace(value.parse().ok()?).is_none(),
                "made" => made.replace(value.parse().ok()?).is_none(),
                "token" => token.replace(value).is_none(),
                "consent" => consent.replace(value == "yes").is_none(),
                "mail" => mail.replace(value == "yes").is_none(),
                _ => true,
            };
            if !first_time {
                return None;
            }
        }
        let (consent, mail) = (consent.unwrap_or(false), mail.unwrap_or(false));
        Some(Self { line: LineNo(line?), round: round?, made: made?, token: token?, consent, mail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    fn body(consent: &Consent, tail: &str) -> Vec<u8> {
        let Consent { line, round, made, token } = consent;
        format!("line={line}&round={round}&made={made}&token={token}{tail}").into_bytes()
    }

    #[test]
    fn a_consent_fits_its_line_its_client_its_round_and_its_hour_alone() {
        let seal = Seal::random().unwrap();
        let (home, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let agreed = Agreed { line: LineNo(7), round: 3, mail: false };
        let form = Consent::new(&seal, LineNo(7), 3, home, at(0));
        let read = |form: &Consent, peer, now| Consent::read(&seal, &body(form, "&consent=yes"), peer, now);
        assert_eq!(read(&form, home, at(3_599)), Ok(agreed));
        assert_eq!(read(&form, home, at(3_600)), Err(Said::PressAgain), "an hour later");
        assert_eq!(read(&form, home, at(-1)), Err(Said::PressAgain), "from the future");
        assert_eq!(read(&form, other, at(5)), Err(Said::PressAgain));
        for altered in [
            Consent { line: 8, ..form.clone() },
            Consent { round: 4, ..form.clone() },
            Consent { made: form.made + 1, ..form.clone() },
            Consent { token: form.token.replace(|c: char| c.is_ascii_digit(), "x"), ..form.clone() },
        ] {
            assert_eq!(read(&altered, home, at(5)), Err(Said::PressAgain), "{altered:?}");
        }
        assert_eq!(
            Consent::read(&Seal::random().unwrap(), &body(&form, "&consent=yes"), home, at(5)),
            Err(Said::PressAgain)
        );
    }

    #[test]
    fn without_a_tick_there_is_no_consent_and_no_field_counts_twice() {
        let seal = Seal::random().unwrap();
        let home: IpAddr = "192.0.2.1".parse().unwrap();
        let form = Consent::new(&seal, LineNo(7), 3, home, at(0));
        let mail = Consent::read(&seal, &body(&form, "&mail=yes&consent=yes"), home, at(5));
        assert_eq!(mail, Ok(Agreed { line: LineNo(7), round: 3, mail: true }));
        for (tail, said) in [
            ("", Said::NoConsent),
            ("&consent=", Said::NoConsent),
            ("&consent=no", Said::NoConsent),
            ("&consent=no&consent=yes", Said::PressAgain),
            ("&consent=yes&line=8", Said::PressAgain),
        ] {
            assert_eq!(Consent::read(&seal, &body(&form, tail), home, at(5)), Err(said), "{tail}");
        }
        for odd in [&b""[..], b"\xff", b"line=x&round=1&made=1&token=a", b"line=1&round=-1&made=1&token=a&consent=yes"]
        {
            assert_eq!(Consent::read(&seal, odd, home, at(5)), Err(Said::PressAgain));
        }
    }

    #[test]
    fn what_is_said_is_a_closed_set() {
        for (said, name) in Said::ALL {
            assert_eq!((Said::of_name(name), said.name()), (Some(said), name));
        }
        assert_eq!(Said::of_name("<script>"), None);
    }
}
