//! Writes the captive answer over the question it answers. The bytes are those that `wire` writes through hickory for the
//! same decision; a test holds both to that.
//!
//! ```text
//!  header │ question, as asked │ A, AAAA or, for "no data", SOA │ OPT with the extended error, if the client speaks EDNS
//! ```

use crate::captive::Why;
use crate::hot::parse::Plain;
use crate::portals::Addresses;
use crate::question::{Family, Kind};
use crate::settings::Settings;
use crate::wire::{EDE_OPTION, HEADER, MAX_UDP_REPLY, OPT_TYPE, udp_limit};

/// The name of the question, which stands behind the header.
const POINTER: [u8; 2] = [0xc0, HEADER as u8];
/// An OPT without options.
const OPT: usize = 11;
/// An option's code and length, and the extended error's code.
const EDE: usize = 6;

/// The portal's addresses in one garden, as records behind their owner: type, class, TTL, length, data.
pub(super) struct Records {
    a: Option<[u8; 14]>,
    aaaa: Option<[u8; 26]>,
}

impl Records {
    /// Of these addresses, for so many seconds.
    pub(super) fn new(portal: Addresses, ttl: u32) -> Self {
        let ttl = ttl.to_be_bytes();
        Self {
            a: portal.portal4.map(|a| record(1, ttl, &a.octets())),
            aaaa: portal.portal6.map(|a| record(28, ttl, &a.octets())),
        }
    }
}

/// What every answer is made of, in all gardens.
pub(super) struct Words {
    ttl: [u8; 4],
    code: [u8; 2],
    text: Box<[u8]>,
}

impl Words {
    pub(super) fn new(settings: &Settings) -> Self {
        let ttl = settings.captive_ttl_secs().to_be_bytes();
        Self {
            ttl,
            code: Why::Captive.ede().unwrap_or_default().to_be_bytes(),
            text: settings.contact.as_bytes().into(),
        }
    }

    /// Writes the answer; its size, and whether it is an address. None if it is not for this half, or does not fit into
    /// what the client takes and three times the query: then the buffer is as it was.
    pub(super) fn answer(
        &self,
        portal: &Records,
        buffer: &mut [u8],
        size: usize,
        plain: &Plain,
    ) -> Option<(usize, bool)> {
        let owner: &[u8] = if plain.is_root() { &[0] } else { &POINTER };
        let record: &[u8] = match plain.kind {
            Kind::Address(Family::V4) => portal.a.as_ref().map_or(&[], |r| r),
            Kind::Address(Family::V6) => portal.aaaa.as_ref().map_or(&[], |r| r),
            Kind::Other(_) => &[],
            Kind::Any | Kind::Proof(_) | Kind::Meta(_) => return None,
        };
        let is_address = !record.is_empty();
        let body = owner.len() + if is_address { record.len() } else { 10 + owner.len() + 21 };
        let limit = udp_limit(plain.edns, size);
        let bare = plain.end + body;
        // First the error's text goes; everything that has less room is for `wire`.
        let text: &[u8] = match plain.edns {
            None if bare <= limit => &[],
            Some(_) if bare + OPT + EDE + self.text.len() <= limit => &self.text,
            Some(_) if bare + OPT + EDE <= limit => &[],
            _ => return None,
        };
        let total = bare + plain.edns.map_or(0, |_| OPT + EDE + text.len());
        let (head, tail) = buffer.get_mut(..total)?.split_at_mut(plain.end);
        let (header, _) = head.split_first_chunk_mut::<HEADER>()?;
        // Response, RD as asked; RA, CD as asked; no error.
        header[2] = 0x80 | header[2] & 1;
        header[3] = 0x80 | header[3] & 0x10;
        let [answers, authorities] = if is_address { [1, 0] } else { [0, 1] };
        header[4..].copy_from_slice(&[0, 1, 0, answers, 0, authorities, 0, u8::from(plain.edns.is_some())]);

        let mut out = Out(tail);
        out.put(owner);
        if is_address {
            out.put(record);
        } else {
            // The zone is the name asked, its mailbox the root; serial 1, and all times are the TTL (RFC 2308).
            let length = u8::try_from(owner.len() + 21).ok()?;
            out.put(&[0, 6, 0, 1]);
            out.put(&self.ttl);
            out.put(&[0, length]);
            out.put(owner);
            out.put(&[0, 0, 0, 0, 1]);
            (0..4).for_each(|_| out.put(&self.ttl));
        }
        if let Some(client) = plain.edns {
            let option = u8::try_from(2 + text.len()).ok()?;
            out.put(&[0]);
            out.put(&OPT_TYPE);
            out.put(&MAX_UDP_REPLY.to_be_bytes());
            out.put(&[0, 0, if client.dnssec_ok { 0x80 } else { 0 }, 0, 0, option + 4]);
            out.put(&EDE_OPTION.to_be_bytes());
            out.put(&[0, option]);
            out.put(&self.code);
            out.put(text);
        }
        Some((total, is_address))
    }
}

fn record<const N: usize>(kind: u8, ttl: [u8; 4], data: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let length = data.len().to_be_bytes();
    let parts = [&[0, kind, 0, 1][..], &ttl, &length[length.len() - 2..], data];
    bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    bytes
}

/// What is still to be written.
struct Out<'b>(&'b mut [u8]);

impl Out<'_> {
    /// Writes as much as fits; the size was counted before.
    fn put(&mut self, bytes: &[u8]) {
        if let Some((now, later)) = std::mem::take(&mut self.0).split_at_mut_checked(bytes.len()) {
            now.copy_from_slice(bytes);
            self.0 = later;
        }
    }
}
