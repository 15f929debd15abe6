//! Until when a certificate holds: the one field of it that rustls does not tell its owner. Read by `certificate`.
//!
//! A walk over DER (X.690) to `notAfter` (RFC 5280 section 4.1.2.5), rather than a parser of certificates as a dependency:
//! what is read are the provider's own files.

use pratique_core::time::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The explicit tag of the version, left out in version 1.
const VERSION: u8 = 0xa0;

/// The `notAfter` of a DER certificate; none when it is no certificate. [`Timestamp::MAX`] when it says it has no end.
pub(crate) fn ends(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = expect(SEQUENCE, certificate)?;
    let (mut fields, _) = expect(SEQUENCE, certificate)?;
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        fields = expect(tag, fields)?.1;
    }
    let (validity, _) = expect(SEQUENCE, fields)?;
    let (_, _, not_after) = element(validity)?;
    let (tag, text, _) = element(not_after)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

fn moment(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        // Two digits stand for 1950 to 2049.
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    if year == "9999" {
        return Some(Timestamp::MAX);
    }
    let two = |at: usize| rest.get(at..at + 2);
    let text = format!("{year}-{}-{} {}:{}:{}", two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    Timestamp::parse(&text).ok()
}

/// The content of the element at the start, if it has this tag, and what follows it.
fn expect(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else { return None };
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        // Lengths of up to three bytes: 16 MiB, far above any certificate.
        long @ 0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (length.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(["resolver.isp.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        for (year, text) in
            [(2026, "2026-02-03 00:00:00"), (2049, "2049-02-03 00:00:00"), (2050, "2050-02-03 00:00:00")]
        {
            assert_eq!(ends(&certificate(year)), Timestamp::parse(text).ok());
        }
        assert_eq!(ends(&certificate(9999)), Some(Timestamp::MAX));
        assert_eq!(moment(UTC_TIME, "991231235959Z"), Timestamp::parse("1999-12-31 23:59:59").ok());
        assert_eq!(moment(UTC_TIME, "261331235959Z"), None);
    }

    #[test]
    fn what_is_cut_off_or_changed_is_no_certificate_and_harms_nobody() {
        let whole = certificate(2026);
        for length in 0..whole.len() {
            assert_eq!(ends(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _no_panic = ends(&changed);
            }
        }
    }
}
