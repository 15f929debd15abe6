//! Reads a plain question where it lies. PURE, no allocation.
//!
//! Plain is what nearly all clients send: one question of class IN, its name written out, and at most an OPT of version 0
//! without options behind it. Everything else is none of this file's business and gets `None`: the handler's parser
//! (`wire`, on hickory) judges it. What is plain here is well-formed there and means the same; a test holds both to that.

use crate::question::Kind;
use crate::wire::{ClientEdns, HEADER, MAX_QUERY};

/// Type and class behind a name.
const TYPE_AND_CLASS: usize = 4;
const CLASS_IN: [u8; 2] = [0, 1];
/// Bytes of a name on the wire, the root's among them (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Labels of such a name, the root's not among them.
const MAX_LABELS: usize = 127;

/// A plain question.
pub(super) struct Plain {
    pub(super) kind: Kind,
    pub(super) edns: Option<ClientEdns>,
    /// Where the question ends, type and class included.
    pub(super) end: usize,
    /// Where each label's length stands, counted from the name's start.
    labels: [u8; MAX_LABELS],
    count: usize,
}

impl Plain {
    /// Where the labels' lengths stand, counted from the name's start; the last label first.
    pub(super) fn labels_from_the_top(&self) -> impl Iterator<Item = usize> {
        self.labels.iter().take(self.count).rev().map(|at| usize::from(*at))
    }

    /// The name is the root, which is never written as a pointer.
    pub(super) fn is_root(&self) -> bool {
        self.count == 0
    }
}

/// The question, if it is plain.
pub(super) fn read(bytes: &[u8]) -> Option<Plain> {
    let (header, body) = bytes.split_first_chunk::<HEADER>()?;
    // QR 0 and opcode 0; one question, no records, at most one OPT.
    let extra = match header[4..] {
        [0, 1, 0, 0, 0, 0, 0, extra @ (0 | 1)] if header[2] & 0xf8 == 0 => extra,
        _ => return None,
    };
    if bytes.len() > MAX_QUERY {
        return None;
    }
    let (mut labels, mut count, mut at) = ([0; MAX_LABELS], 0, 0);
    loop {
        match *body.get(at)? {
            0 => break,
            // 64 and more are pointers and kinds of labels that nobody uses.
            size @ 1..=63 => {
                *labels.get_mut(count)? = u8::try_from(at).ok()?;
                count += 1;
                at += 1 + usize::from(size);
            }
            _ => return None,
        }
    }
    let name = at + 1;
    if name > MAX_NAME {
        return None;
    }
    let (fixed, rest) = body.get(name..)?.split_first_chunk::<TYPE_AND_CLASS>()?;
    let [t1, t2, class @ ..] = *fixed;
    if class != CLASS_IN {
        return None;
    }
    let edns = match (extra, rest) {
        (0, []) => None,
        // Root, type 41, payload, extended code, version 0, flags, no options.
        (1, &[0, 0, 41, p1, p2, _, 0, flags, _, 0, 0]) => Some(ClientEdns {
            payload: u16::from_be_bytes([p1, p2]),
            version: 0,
            dnssec_ok: flags & 0x80 != 0,
            cookie: None,
        }),
        _ => return None,
    };
    let kind = u16::from_be_bytes([t1, t2]).into();
    Some(Plain { kind, edns, end: HEADER + name + TYPE_AND_CLASS, labels, count })
}
