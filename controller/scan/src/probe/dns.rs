//! Open DNS resolver: one recursive question for a name that the device has no business knowing (RFC 1035 section 4).
//!
//! | answer | verdict | key |
//! | --- | --- | --- |
//! | REFUSED | clean: the service says no to strangers | `dns-refused` |
//! | recursion available | vulnerable, also when the recursion failed: the quarantine itself may be why | `recursion` |
//! | not authoritative, with an answer | vulnerable: somebody recursed, whatever the flag says | `recursion` |
//! | anything else with our question | inconclusive: a DNS server answers strangers, without recursion | `dns-other-answer` |
//!
//! Identifier, question and the random case of its letters must come back; what does not match is no answer.

use super::Saw;

/// Recursion desired, nothing else.
const FLAGS: u16 = 0x0100;
const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const RA: u16 = 0x0080;
const RCODE: u16 = 0x000f;
/// RFC 1035 section 4.1.1.
const REFUSED: u16 = 5;
/// Bytes before the question.
const HEADER: usize = 12;

/// The question: type A, class IN, with the letters' case chosen by the nonce.
pub fn question(name: &str, nonce: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + name.len() + 6);
    for word in [id(nonce), FLAGS, 1, 0, 0, 0] {
        out.extend(word.to_be_bytes());
    }
    // The identifier took the lowest 16 bits; the letters take the others, again and again.
    let mut bits = (nonce >> 16) | (1 << 48);
    for label in name.split('.').filter(|l| !l.is_empty()) {
        let label = label.as_bytes().get(..63).unwrap_or(label.as_bytes());
        out.push(u8::try_from(label.len()).unwrap_or(0));
        for byte in label {
            if bits == 1 {
                bits = (nonce >> 16) | (1 << 48);
            }
            out.push(if bits & 1 == 1 { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() });
            bits >>= 1;
        }
    }
    out.extend([0, 0, 1, 0, 1]);
    out
}

/// Judges a datagram; none if it is not an answer to this question.
pub fn judge(name: &str, nonce: u64, bytes: &[u8]) -> Option<Saw> {
    let asked = question(name, nonce);
    let word = |at: usize| bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    let flags = word(2)?;
    if word(0)? != id(nonce) || flags & QR == 0 {
        return None;
    }
    let refused = flags & RCODE == REFUSED;
    let questions = word(4)?;
    let same = questions == 1 && bytes.get(HEADER..asked.len()) == asked.get(HEADER..);
    // Small servers refuse with the header alone.
    if !(same || refused && questions == 0) {
        return None;
    }
    Some(if refused {
        Saw::shut("dns-refused")
    } else if flags & RA != 0 || (flags & AA == 0 && word(6)? > 0) {
        Saw::open("recursion")
    } else {
        Saw::unclear("dns-other-answer")
    })
}

/// The identifier cut from the nonce.
const fn id(nonce: u64) -> u16 {
    (nonce & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: u64 = 0b0000_1010_1010_0000_1111_0001_0010_0011_0100;

    fn answer(flags: u16, answers: u16) -> Vec<u8> {
        let mut out = question("example.com", NONCE);
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out[6..8].copy_from_slice(&answers.to_be_bytes());
        out
    }

    #[test]
    fn the_question_reads_like_this() {
        insta::assert_snapshot!(question("example.com", NONCE).escape_ascii(), @r"\x124\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07EXAMple\x03coM\x00\x00\x01\x00\x01");
    }

    #[test]
    fn recursion_is_open_and_refused_is_shut() {
        let said = |flags, answers| judge("example.com", NONCE, &answer(flags, answers));
        assert_eq!(said(0x8180, 1), Some(Saw::open("recursion")));
        assert_eq!(said(0x8183, 0), Some(Saw::open("recursion")), "NXDOMAIN with recursion");
        assert_eq!(said(0x8182, 0), Some(Saw::open("recursion")), "SERVFAIL with recursion: its way out is walled");
        assert_eq!(said(0x8100, 1), Some(Saw::open("recursion")), "evident without the flag");
        assert_eq!(said(0x8105, 0), Some(Saw::shut("dns-refused")));
        assert_eq!(said(0x8185, 0), Some(Saw::shut("dns-refused")));
        assert_eq!(said(0x8500, 1), Some(Saw::unclear("dns-other-answer")), "authoritative");
        assert_eq!(said(0x8100, 0), Some(Saw::unclear("dns-other-answer")));
        assert_eq!(said(0x8104, 0), Some(Saw::unclear("dns-other-answer")), "NOTIMP");
    }

    #[test]
    fn what_does_not_match_the_question_is_no_answer() {
        let good = answer(0x8180, 1);
        let mut id = good.clone();
        id[1] ^= 1;
        let mut case = good.clone();
        case[13] ^= 0x20;
        for bad in [id, case, good[..20].to_vec(), answer(0x0180, 1), Vec::new()] {
            assert_eq!(judge("example.com", NONCE, &bad), None);
        }
        assert_eq!(judge("example.com", NONCE, b"\x124\x81\x05\0\0\0\0\0\0\0\0"), Some(Saw::shut("dns-refused")));
    }
}
