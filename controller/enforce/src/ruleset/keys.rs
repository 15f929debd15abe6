//! Keys of sets, to and from messages.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::netlink::batch::{Batch, Subject};
use crate::netlink::msg;
use crate::netlink::wire::{Attributes, MAX_ATTRIBUTE, Writer, flag};

/// The longest key: two IPv6 addresses, protocol and port, each padded to four bytes.
const LONGEST: usize = 40;
/// Bytes of attribute heads, flags, timeout and the head of a note around a key.
const KEY_OVERHEAD: usize = 12 + 8 + 12 + 12;
/// The longest note of an element, bytes: `NFT_USERDATA_MAXLEN` less its head and its zero byte.
pub const LONGEST_NOTE: usize = 250;

/// One key of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: [u8; LONGEST],
    length: u8,
    /// The first key after a range.
    pub(super) end: bool,
    /// Milliseconds until it goes by itself; 0 for never.
    timeout: u64,
}

impl Key {
    /// A key of these bytes; more than 40 are cut.
    pub fn plain(from: impl AsRef<[u8]>) -> Self {
        let from = from.as_ref();
        let length = from.len().min(LONGEST);
        let mut bytes = [0; LONGEST];
        bytes[..length].copy_from_slice(&from[..length]);
        Self { bytes, length: length as u8, end: false, timeout: 0 }
    }

    /// The same key, going by itself after so many milliseconds; 0 for never.
    pub fn lasting(self, timeout: u64) -> Self {
        Self { timeout, ..self }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// First key of a network and first key after it; without the latter for a network that reaches to the end.
pub fn range(net: IpNet) -> Vec<Key> {
    let (first, after) = match net {
        IpNet::V4(n) => {
            let after = u32::from(n.broadcast()).checked_add(1).map(|a| Key::plain(a.to_be_bytes()));
            (Key::plain(n.network().octets()), after)
        }
        IpNet::V6(n) => {
            let after = u128::from(n.broadcast()).checked_add(1).map(|a| Key::plain(a.to_be_bytes()));
            (Key::plain(n.network().octets()), after)
        }
    };
    std::iter::once(first).chain(after.map(|key| Key { end: true, ..key })).collect()
}

/// Adds messages of `kind` (new or delete) for these keys; as many messages as the 16-bit length of attributes asks for.
pub fn put<'a>(
    batch: &mut Batch,
    table: &str,
    set: &'static str,
    kind: u16,
    keys: impl IntoIterator<Item = &'a Key, IntoIter: Iterator>,
) {
    put_each(batch, table, set, kind, keys.into_iter().copied());
}

/// As [`put`], from an iterator of keys.
pub fn put_each(batch: &mut Batch, table: &str, set: &'static str, kind: u16, keys: impl Iterator<Item = Key>) {
    put_noted(batch, table, set, kind, keys.map(|key| (key, "")));
}

/// As [`put_each`], each key with a note that stays with it and can be read back; none if empty or longer than
/// [`LONGEST_NOTE`].
pub fn put_noted<'n>(
    batch: &mut Batch,
    table: &str,
    set: &'static str,
    kind: u16,
    keys: impl Iterator<Item = (Key, &'n str)>,
) {
    let mut keys = keys.peekable();
    while keys.peek().is_some() {
        let (flags, subject) =
            if kind == msg::NEWSETELEM { (flag::CREATE, Subject::Adding(set)) } else { (0, Subject::Removing(set)) };
        let w = batch.message(kind, flags, subject);
        w.text(1, table);
        w.text(2, set);
        let list = w.begin(3);
        let fits = |w: &Writer, note: &str| w.nest_len(&list) + LONGEST + KEY_OVERHEAD + note.len() <= MAX_ATTRIBUTE;
        while let Some((key, note)) = keys.next_if(|(_, note)| fits(w, note)) {
            let element = w.begin(1);
            let value = w.begin(1);
            w.bytes(1, key.bytes());
            w.end(value);
            if key.end {
                // NFT_SET_ELEM_INTERVAL_END.
                w.u32(3, 1);
            }
            if key.timeout > 0 {
                w.u64(4, key.timeout);
            }
            if !note.is_empty() && note.len() <= LONGEST_NOTE {
                // User data of an element, type 0: its comment, a text with its zero byte.
                let mut data = vec![0, note.len() as u8 + 1];
                data.extend(note.bytes());
                data.push(0);
                w.bytes(6, &data);
            }
            w.end(element);
        }
        w.end(list);
    }
}

/// An element as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// The first key after a range.
    pub end: bool,
    /// Milliseconds left, if it goes by itself.
    pub left: Option<u64>,
    /// Packets counted.
    pub packets: u64,
    /// Its note; empty if it has none.
    pub note: &'a str,
}

/// The elements of a dump message, in order.
pub fn read(message: Attributes<'_>) -> impl Iterator<Item = Read<'_>> {
    message.nested(3).into_iter().flatten().filter_map(|(_, element)| {
        let element = Attributes(element);
        let key = element.nested(1)?.get(1)?;
        // One expression stands alone (7), several in a list (11).
        let expression = element.nested(7).or_else(|| element.nested(11)?.nested(1));
        let packets = expression.and_then(|e| e.nested(2)?.u64(2)).unwrap_or(0);
        let note = element.get(6).and_then(|data| std::str::from_utf8(data.get(2..)?.split(|b| *b == 0).next()?).ok());
        let note = note.unwrap_or_default();
        Some(Read { note, key, end: element.u32(3).is_some_and(|f| f & 1 != 0), left: element.u64(5), packets })
    })
}

/// The key of an opened flow.
pub fn flow_key(resident: IpAddr, to: IpAddr, protocol: u8, port: u16) -> Option<Key> {
    let mut bytes = Vec::with_capacity(LONGEST);
    match (resident, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            bytes.extend(from.octets());
            bytes.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            // The resident's part is its /64.
            bytes.extend(&from.octets()[..8]);
            bytes.extend([0; 8]);
            bytes.extend(to.octets());
        }
        _ => return None,
    }
    bytes.extend([protocol, 0, 0, 0]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 0]);
    Some(Key::plain(bytes))
}

/// The key of an address, protocol and port.
pub fn endpoint_key(address: IpAddr, protocol: u8, port: u16) -> Key {
    let mut bytes = octets(address);
    bytes.extend([protocol, 0, 0, 0]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 0]);
    Key::plain(bytes)
}

/// The key of an address.
pub fn address_key(address: IpAddr) -> Key {
    Key::plain(octets(address))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::wire::Messages;
    use crate::ruleset::names::set;

    #[test]
    fn many_elements_are_split_into_messages_that_the_16_bit_length_holds() {
        let keys: Vec<Key> = (0..10_000u32).map(|n| Key::plain(n.to_be_bytes())).collect();
        let mut batch = Batch::default();
        put(&mut batch, "pratique", set::JAILED4, msg::NEWSETELEM, &keys);
        let bytes = batch.framed(0..batch.len(), 0, None);
        let mut found = Vec::new();
        for message in Messages(&bytes).filter(|m| m.kind & 0xff == msg::NEWSETELEM) {
            assert!(message.payload.len() < MAX_ATTRIBUTE + 100);
            found.extend(read(message.attributes()).map(|r| r.key.to_vec()));
        }
        assert_eq!(batch.len(), 3);
        assert_eq!(found, keys.iter().map(|k| k.bytes().to_vec()).collect::<Vec<_>>());
    }
}
