//! NTP as a reflector: `monlist` (mode 7, the private protocol of ntpd) and `readvar` (mode 6, RFC 9327). One datagram
//! each; any answer to either means that strangers can make the device send.

use super::Saw;

/// Version 2, mode 7 (private).
const MODE7: u8 = 0x17;
/// Version 2, mode 6 (control).
const MODE6: u8 = 0x16;
/// Implementation XNTPD.
const XNTPD: u8 = 3;
/// Request MON_GETLIST_1.
const MONLIST: u8 = 42;
/// Operation "read variables".
const READVAR: u8 = 2;
/// The answer bit: in byte 0 of mode 7, in byte 1 of mode 6.
const ANSWER: u8 = 0x80;

/// Both questions.
pub fn questions(nonce: u64) -> Vec<Vec<u8>> {
    let [a, b] = sequence(nonce);
    vec![vec![MODE7, 0, XNTPD, MONLIST, 0, 0, 0, 0], vec![MODE6, READVAR, a, b, 0, 0, 0, 0, 0, 0, 0, 0]]
}

/// Judges a datagram; none if it is not an answer to either.
pub fn judge(nonce: u64, bytes: &[u8]) -> Option<Saw> {
    let (&[first, second, third, fourth], _) = bytes.split_first_chunk::<4>()?;
    match first & 7 {
        7 if first & ANSWER != 0 && fourth == MONLIST && bytes.len() >= 8 => Some(Saw::open("monlist")),
        6 if second & ANSWER != 0 && [third, fourth] == sequence(nonce) && bytes.len() >= 12 => {
            Some(Saw::open("readvar"))
        }
        _ => None,
    }
}

/// The sequence number of the control message.
const fn sequence(nonce: u64) -> [u8; 2] {
    ((nonce & 0xffff) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_read_like_this() {
        let [monlist, readvar] = questions(0xabcd).try_into().unwrap();
        assert_eq!(monlist, [0x17, 0, 3, 0x2a, 0, 0, 0, 0]);
        assert_eq!(readvar, [0x16, 2, 0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn any_answer_to_either_is_an_open_door() {
        assert_eq!(judge(1, &[0xd7, 0, 3, 0x2a, 0, 6, 0, 0x48, 1, 2]), Some(Saw::open("monlist")));
        assert_eq!(judge(1, &[0x97, 0, 3, 0x2a, 0x40, 0, 0, 0]), Some(Saw::open("monlist")), "also an error");
        assert_eq!(judge(1, &[0x16, 0x82, 0, 1, 6, 0x15, 0, 0, 0, 0, 0, 0]), Some(Saw::open("readvar")));
    }

    #[test]
    fn time_answers_and_foreign_sequence_numbers_are_no_answers() {
        assert_eq!(judge(1, &[0x24; 48]), None, "mode 4");
        assert_eq!(judge(1, &[0x16, 0x82, 0, 2, 6, 0x15, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(judge(1, &[0x97, 0, 3]), None);
    }
}
