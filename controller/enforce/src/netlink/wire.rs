//! Netlink messages and attributes as bytes: writing for requests, walking for answers. Knows nothing of nftables beyond
//! the four bytes of `nfgenmsg` that follow each header (linux/netlink.h, linux/netfilter/nfnetlink.h).

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of each nftables message type.
pub const NFTABLES: u16 = 10 << 8;
/// `NFPROTO_INET`: the family of our table, both IPv4 and IPv6.
pub const INET: u8 = 1;
/// Size of `nlmsghdr`, bytes.
pub const HEADER: usize = 16;
/// Size of `nfgenmsg`, bytes.
const GENERIC: usize = 4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// The longest attribute, its four-byte head included: the length field has 16 bits.
pub const MAX_ATTRIBUTE: usize = 65_535;

/// Flags of a message (linux/netlink.h).
pub mod flag {
    /// It asks for something.
    pub const REQUEST: u16 = 1;
    /// Answer also when it worked.
    pub const ACK: u16 = 4;
    /// The dump was disturbed by a change; ask again.
    pub const DUMP_INTR: u16 = 0x10;
    /// All of them.
    pub const DUMP: u16 = 0x300;
    /// Make it if it is not there.
    pub const CREATE: u16 = 0x400;
    /// At the end.
    pub const APPEND: u16 = 0x800;
}

/// Builds messages into one buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    /// Where the current message begins.
    message: usize,
}

/// An attribute that others are written into; closed with [`Writer::end`].
#[derive(Debug)]
#[must_use]
pub struct Nest(usize);

impl Writer {
    /// Begins a message; the one before is complete.
    pub fn message(&mut self, kind: u16, flags: u16, seq: u32, family: u8, resource: u16) {
        self.message = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&seq.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        self.close();
    }

    /// Sets flags on the message begun last.
    pub fn add_flags(&mut self, flags: u16) {
        if let Some(field) = self.bytes.get_mut(self.message + 6..self.message + 8) {
            let old = u16::from_ne_bytes([field[0], field[1]]);
            field.copy_from_slice(&(old | flags).to_ne_bytes());
        }
    }

    /// An attribute with these bytes. Longer than [`MAX_ATTRIBUTE`] is a mistake of the caller.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        let length = value.len() + 4;
        debug_assert!(length <= MAX_ATTRIBUTE, "an attribute of {length} bytes does not fit its 16-bit length");
        self.bytes.extend_from_slice(&(length as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.close();
    }

    /// A text, ended with a zero byte as nftables wants its names.
    pub fn text(&mut self, kind: u16, value: &str) {
        let mut value = value.as_bytes().to_vec();
        value.push(0);
        self.bytes(kind, &value);
    }

    /// A number in network order, as nftables wants all of its own.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A number in network order.
    pub fn u64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Opens an attribute that holds others.
    pub fn begin(&mut self, kind: u16) -> Nest {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        Nest(at)
    }

    /// Closes it.
    pub fn end(&mut self, nest: Nest) {
        let length = self.bytes.len() - nest.0;
        debug_assert!(length <= MAX_ATTRIBUTE, "a nest of {length} bytes does not fit its 16-bit length");
        if let Some(field) = self.bytes.get_mut(nest.0..nest.0 + 2) {
            field.copy_from_slice(&(length as u16).to_ne_bytes());
        }
        self.close();
    }

    /// Bytes since this nest was opened, its head included.
    pub fn nest_len(&self, nest: &Nest) -> usize {
        self.bytes.len() - nest.0
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Brings the length in the header of the current message up to date.
    fn close(&mut self) {
        let length = (self.bytes.len() - self.message) as u32;
        if let Some(field) = self.bytes.get_mut(self.message..self.message + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub seq: u32,
    /// `nlmsg_pid`: in a notification, whose change it was.
    pub port: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes after `nfgenmsg`.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes(self.payload.get(GENERIC..).unwrap_or_default())
    }

    /// The family in `nfgenmsg` (`NFPROTO_…`).
    pub fn family(&self) -> u8 {
        self.payload.first().copied().unwrap_or_default()
    }
}

/// The messages of a datagram, in order. Ends at the first that is cut.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32_ne(self.0, 0)? as usize;
        if length < HEADER || length > self.0.len() {
            return None;
        }
        let message = Message {
            kind: u16_ne(self.0, 4)?,
            flags: u16_ne(self.0, 6)?,
            seq: u32_ne(self.0, 8)?,
            port: u32_ne(self.0, 12)?,
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// Attributes, in order, as (kind without flags, value). Ends at the first that is cut.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first of this kind.
    pub fn get(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// A number in network order.
    pub fn u32(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// A number in network order.
    pub fn u64(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// A text up to its zero byte.
    pub fn text(self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        std::str::from_utf8(value.split(|b| *b == 0).next()?).ok()
    }

    /// What lies inside.
    pub fn nested(self, kind: u16) -> Option<Attributes<'a>> {
        self.get(kind).map(Attributes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_ne(self.0, 0)?);
        let kind = u16_ne(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn u16_ne(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_ne(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The error number of an `NLMSG_ERROR` payload: 0 for an acknowledgement, otherwise positive.
pub fn error_number(payload: &[u8]) -> Option<i32> {
    let raw = i32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
    raw.checked_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut w = Writer::default();
        w.message(NFTABLES | 3, flag::REQUEST, 7, INET, 0);
        w.text(1, "pratique");
        let nest = w.begin(4);
        w.u32(1, 0x0102_0304);
        w.bytes(2, &[9]);
        w.end(nest);
        w.message(NFTABLES | 4, flag::REQUEST, 8, INET, 10);
        w.add_flags(flag::ACK);

        let messages: Vec<_> = Messages(w.as_slice()).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].kind, messages[0].seq), (NFTABLES | 3, 7));
        let attributes = messages[0].attributes();
        assert_eq!(attributes.text(1), Some("pratique"));
        let inner = attributes.nested(4).unwrap();
        assert_eq!(inner.u32(1), Some(0x0102_0304));
        assert_eq!(inner.get(2), Some(&[9][..]));
        assert_eq!(messages[1].flags, flag::REQUEST | flag::ACK);
        // nfgenmsg carries the resource in network order.
        assert_eq!(messages[1].payload, [INET, 0, 0, 10]);
    }

    #[test]
    fn numbers_are_padded_and_in_network_order_on_the_wire() {
        let mut w = Writer::default();
        w.message(NFTABLES, 0, 1, INET, 0);
        w.bytes(3, &[0xaa]);
        w.u32(5, 1);
        let tail = w.as_slice()[20..].to_vec();
        let mut wanted = Vec::new();
        wanted.extend(5u16.to_ne_bytes());
        wanted.extend(3u16.to_ne_bytes());
        wanted.extend([0xaa, 0, 0, 0]);
        wanted.extend(8u16.to_ne_bytes());
        wanted.extend(5u16.to_ne_bytes());
        wanted.extend([0, 0, 0, 1]);
        assert_eq!(tail, wanted);
    }

    #[test]
    fn cut_or_lying_lengths_end_the_walk() {
        let mut w = Writer::default();
        w.message(NFTABLES, 0, 1, INET, 0);
        w.u32(1, 1);
        let whole = w.as_slice().to_vec();
        for cut in 0..whole.len() {
            assert_eq!(Messages(&whole[..cut]).count(), 0, "{cut}");
        }
        assert_eq!(Attributes(&[3, 0, 1, 0, 9, 9, 9, 9]).count(), 0);
        assert_eq!(Attributes(&[0, 0, 0, 0]).count(), 0);
        assert_eq!(Attributes(&[12, 0, 1, 0, 9]).count(), 0);
    }
}
