//! Android Debug Bridge: one CNXN message, as a debugger would begin (AOSP `system/core/adb/protocol.txt`). No shell is
//! opened and no key offered; CNXN, AUTH or STLS in return means that the port debugs for strangers.

use super::Saw;

const CNXN: u32 = u32::from_le_bytes(*b"CNXN");
const AUTH: u32 = u32::from_le_bytes(*b"AUTH");
const STLS: u32 = u32::from_le_bytes(*b"STLS");
/// Protocol version that every device speaks.
const VERSION: u32 = 0x0100_0000;
/// Longest message we would take, the protocol's original 4 KiB.
const MAX_DATA: u32 = 4096;
/// Who we are: a host without features.
const BANNER: &[u8] = b"host::\0";

/// The question.
pub fn question() -> Vec<u8> {
    message(CNXN, VERSION, MAX_DATA, BANNER)
}

/// What an open device answers; for the positive control.
pub fn answer() -> Vec<u8> {
    message(CNXN, VERSION, MAX_DATA, b"device::\0")
}

/// Judges what the port said so far: a whole header with its checksum word.
pub fn judge(bytes: &[u8]) -> Option<Saw> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let (command, magic) = (word(0)?, word(20)?);
    if command ^ magic != u32::MAX {
        return None;
    }
    match command {
        CNXN => Some(Saw::open("adb-open")),
        AUTH | STLS => Some(Saw::open("adb-asks-for-key")),
        _ => None,
    }
}

fn message(command: u32, arg0: u32, arg1: u32, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(0);
    let sum = data.iter().map(|b| u32::from(*b)).sum();
    let header = [command, arg0, arg1, length, sum, command ^ u32::MAX];
    header.into_iter().flat_map(u32::to_le_bytes).chain(data.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_reads_like_this() {
        insta::assert_snapshot!(question().escape_ascii(), @r"CNXN\x00\x00\x00\x01\x00\x10\x00\x00\x07\x00\x00\x002\x02\x00\x00\xbc\xb1\xa7\xb1host::\x00");
    }

    #[test]
    fn a_device_that_connects_or_asks_for_a_key_is_an_open_door() {
        assert_eq!(judge(&answer()), Some(Saw::open("adb-open")));
        assert_eq!(judge(&message(AUTH, 1, 0, &[0; 20])), Some(Saw::open("adb-asks-for-key")));
        assert_eq!(judge(&answer()[..20]), None, "more is needed");
        assert_eq!(judge(&[b'C'; 40]), None);
    }
}
