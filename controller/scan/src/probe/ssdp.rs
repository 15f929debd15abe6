//! SSDP: one M-SEARCH from outside (UPnP Device Architecture 2.0 section 1.3.2). It asks for root devices only and for an
//! answer within a second: `ssdp:all` would make the device send dozens of datagrams.

use super::Saw;

/// The question.
pub fn question() -> Vec<u8> {
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n".to_vec()
}

/// Judges a datagram: a search answer or an announcement is the open door.
pub fn judge(bytes: &[u8]) -> Option<Saw> {
    let answers = bytes.len() >= 8 && (bytes.starts_with(b"HTTP/1.") || bytes.starts_with(b"NOTIFY *"));
    answers.then_some(Saw::open("ssdp-answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_answer_is_an_open_door_and_garbage_is_not() {
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n\r\n"), Some(Saw::open("ssdp-answer")));
        assert_eq!(judge(b"hello"), None);
        assert_eq!(judge(&question()), None);
        assert!(question().ends_with(b"\r\n\r\n"));
    }
}
