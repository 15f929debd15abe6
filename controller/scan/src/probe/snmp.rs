//! SNMPv2c GET of sysDescr.0 with community `public` (RFC 3416, RFC 1157; BER written by hand, it is forty bytes). This is
//! the one community asked, once: it is the published default, not a guess at a secret.

use super::Saw;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const GET: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;
/// 1.3.6.1.2.1.1.1.0
const SYS_DESCR: [u8; 8] = [0x2b, 6, 1, 2, 1, 1, 1, 0];
/// SNMPv2c.
const VERSION: u8 = 1;

/// The question.
pub fn question(nonce: u64) -> Vec<u8> {
    message(GET, &request_id(nonce), &tlv(NULL, &[]))
}

/// Judges a datagram; none if it is not a response to this request. A response with an error status is one as well: the
/// community was accepted.
pub fn judge(nonce: u64, bytes: &[u8]) -> Option<Saw> {
    (pdu_id(bytes, RESPONSE)? == request_id(nonce)).then_some(Saw::open("snmp-answer"))
}

/// What a device with an open community answers; none if the datagram is no such request. For the positive control.
pub fn answer(question: &[u8], description: &[u8]) -> Option<Vec<u8>> {
    let id = pdu_id(question, GET)?;
    Some(message(RESPONSE, id, &tlv(OCTETS, description.get(..64).unwrap_or(description))))
}

fn message(pdu: u8, id: &[u8], value: &[u8]) -> Vec<u8> {
    let variable = tlv(SEQUENCE, &[tlv(OID, &SYS_DESCR), value.to_vec()].concat());
    let zero = tlv(INTEGER, &[0]);
    let pdu = tlv(pdu, &[tlv(INTEGER, id), zero.clone(), zero, tlv(SEQUENCE, &variable)].concat());
    tlv(SEQUENCE, &[tlv(INTEGER, &[VERSION]), tlv(OCTETS, b"public"), pdu].concat())
}

/// The request id inside a PDU of this type.
fn pdu_id(bytes: &[u8], pdu: u8) -> Option<&[u8]> {
    let (message, _) = take(bytes, SEQUENCE)?;
    let (version, rest) = take(message, INTEGER)?;
    let (_community, rest) = take(rest, OCTETS)?;
    let (body, _) = take(rest, pdu)?;
    let (id, _) = take(body, INTEGER)?;
    (version == [VERSION] && (1..=5).contains(&id.len())).then_some(id)
}

/// One value with its tag and length. Everything built here is shorter than 256 bytes.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    let mut out = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    out.extend_from_slice(value.get(..usize::from(length)).unwrap_or(value));
    out
}

/// Takes one value with this tag off the front.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Two length bytes are more than any datagram needs.
        let count = usize::from(first & 0x7f);
        let bytes = rest.get(..count).filter(|_| (1..=2).contains(&count))?;
        (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest.get(count..)?)
    };
    (found == tag).then_some(())?;
    rest.split_at_checked(length)
}

/// Four bytes, positive, and in the shortest form BER allows: the second-highest bit is always set.
fn request_id(nonce: u64) -> [u8; 4] {
    ((nonce & 0x3fff_ffff) as u32 | 0x4000_0000).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_these_forty_bytes() {
        let bytes: String = question(0x0102_0304).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            bytes,
            "302902010104067075626c6963a01c0204410203040201000201003 00e300c06082b060102010101000500".replace(' ', "")
        );
    }

    #[test]
    fn a_response_with_our_request_id_is_an_open_door() {
        let answered = answer(&question(7), b"Linux camera").unwrap();
        assert_eq!(judge(7, &answered), Some(Saw::open("snmp-answer")));
        assert_eq!(judge(8, &answered), None);
        let long = answer(&question(7), &[b'x'; 64]).unwrap();
        assert_eq!(judge(7, &long), Some(Saw::open("snmp-answer")), "long form lengths");
    }

    #[test]
    fn cut_and_overlong_answers_are_no_answers() {
        let answered = answer(&question(7), b"x").unwrap();
        for cut in 0..answered.len() {
            assert_eq!(judge(7, &answered[..cut]), None, "{cut}");
        }
        assert_eq!(judge(7, &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1]), None);
        assert_eq!(judge(7, &[0x30, 0x80, 2, 1, 1]), None);
    }
}
