//! An upstream's answer as it goes on to clients: its records as the bytes they came in, with all that belongs to one
//! asker left out. Between `upstream`, which decides what may pass, and the sockets.
//!
//! Records are not taken apart and written anew: signatures cover exact bytes, and types that nobody here knows pass as
//! well as those of today. What changes is what must: identifier and flags, the question in its asker's own spelling, the
//! OPT record, and the times to live, which are counted down in place.
//!
//! ```text
//! reply to one asker, empty:   header'  question'                        OPT'
//! what is kept of an answer:                      answers  authorities
//! ```
//!
//! Compression pointers lead to the same offsets in both, because a question has one length however it is spelt.

use crate::wire::{HEADER, OPT_TYPE, Reply, Request, Transport};

/// Bits of the fourth byte of a header.
const AUTHENTIC_DATA: u8 = 0x20;
const CODE: u8 = 0x0f;
/// Bit of the third one.
const TRUNCATED: u8 = 0x02;
/// Type, class, time to live, length of the data.
const FIXED: usize = 10;
/// Where the time to live stands in it.
const TTL: usize = 4;

/// A message without what belongs to one asker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Header, question, records.
    bytes: Box<[u8]>,
    /// Where the records begin.
    records: usize,
    /// Where the times to live stand.
    ttls: Box<[u16]>,
    /// The upstream says that it validated, and it can be believed.
    pub(crate) authentic: bool,
}

/// How far the additional section passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Not at all: the sections before it answer the question.
    Sections,
    /// All but the OPT record, which is between neighbours (RFC 6891 section 6.2.1).
    Everything,
}

impl Passed {
    /// Of a response with one question. None when it is malformed, or when something stands behind its OPT record, which
    /// could not be cut out without moving what others point to.
    pub(crate) fn new(message: &[u8], extent: Extent) -> Option<Self> {
        let header = message.first_chunk::<HEADER>()?;
        let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        if count(4) != 1 {
            return None;
        }
        let records = skip_question(message)?;
        let (mut at, mut ttls) = (records, Vec::new());
        let (sections, mut additional) = (count(6) + count(8), count(10));
        for _ in 0..sections {
            let record = Place::at(message, at)?;
            ttls.push(record.ttl);
            at = record.end;
        }
        let behind = additional;
        additional = 0;
        if extent == Extent::Everything {
            for left in (0..behind).rev() {
                let record = Place::at(message, at)?;
                if record.kind == OPT_TYPE {
                    if left > 0 {
                        return None;
                    }
                    break;
                }
                ttls.push(record.ttl);
                (at, additional) = (record.end, additional + 1);
            }
        }
        let mut bytes: Box<[u8]> = message.get(..at)?.into();
        bytes.get_mut(10..HEADER)?.copy_from_slice(&u16::try_from(additional).ok()?.to_be_bytes());
        Some(Self { bytes, records, ttls: ttls.into(), authentic: false })
    }

    /// Its bytes: a message of its own.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The response code.
    pub(crate) fn code(&self) -> u8 {
        self.bytes.get(3).map_or(0, |flags| flags & CODE)
    }

    /// Nothing but a header and a question.
    pub(crate) fn is_bare(&self) -> bool {
        self.ttls.is_empty()
    }

    /// The times to live, as they came.
    pub(crate) fn ttls(&self) -> impl Iterator<Item = u32> {
        self.ttls.iter().filter_map(|at| {
            let at = usize::from(*at);
            self.bytes.get(at..at + 4)?.first_chunk().map(|ttl| u32::from_be_bytes(*ttl))
        })
    }

    /// The reply to `request`: `with` gives its flags and OPT record and must have no body; `ttl` what is told of each
    /// time to live. None when it has more than `limit` bytes, even without the extended error.
    pub(crate) fn reply(
        &self,
        request: &Request,
        with: &Reply,
        ttl: impl Fn(u32) -> u32,
        limit: usize,
    ) -> Option<Vec<u8>> {
        [with, &Reply::default()].into_iter().find_map(|with| {
            let empty = request.reply(with, Transport::Tcp)?;
            let reply = self.spliced(&empty, request.cares_for_authenticity(), &ttl)?;
            (reply.len() <= limit).then_some(reply)
        })
    }

    fn spliced(&self, empty: &[u8], cares: bool, ttl: &impl Fn(u32) -> u32) -> Option<Vec<u8>> {
        if skip_question(empty)? != self.records {
            return None;
        }
        let (front, opt) = empty.split_at_checked(self.records)?;
        let mut reply = [front, self.bytes.get(self.records..)?, opt].concat();
        for count in [6, 8, 10] {
            let of = |message: &[u8]| Some(u16::from_be_bytes(*message.get(count..)?.first_chunk()?));
            let sum = of(&self.bytes)?.checked_add(of(empty)?)?;
            reply.get_mut(count..count + 2)?.copy_from_slice(&sum.to_be_bytes());
        }
        for at in self.ttls.iter().map(|at| usize::from(*at)) {
            let place = reply.get_mut(at..at + 4)?;
            let told = ttl(u32::from_be_bytes(*place.first_chunk()?));
            place.copy_from_slice(&told.to_be_bytes());
        }
        let flags = reply.get_mut(3)?;
        *flags = *flags & !CODE | self.code() | if self.authentic && cares { AUTHENTIC_DATA } else { 0 };
        Some(reply)
    }
}

/// "Ask again over TCP", for an answer that did not fit.
pub(crate) fn cut(request: &Request) -> Option<Vec<u8>> {
    let mut bytes = request.reply(&Reply::default(), Transport::Udp)?;
    *bytes.get_mut(2)? |= TRUNCATED;
    Some(bytes)
}

/// Where the parts of a record stand.
struct Place {
    kind: [u8; 2],
    ttl: u16,
    end: usize,
}

impl Place {
    fn at(message: &[u8], at: usize) -> Option<Self> {
        let fixed = skip_name(message, at)?;
        let [k1, k2, .., l1, l2] = *message.get(fixed..)?.first_chunk::<FIXED>()?;
        let end = fixed + FIXED + usize::from(u16::from_be_bytes([l1, l2]));
        let ttl = u16::try_from(fixed + TTL).ok()?;
        (end <= message.len()).then_some(Self { kind: [k1, k2], ttl, end })
    }
}

fn skip_question(message: &[u8]) -> Option<usize> {
    let end = skip_name(message, HEADER)? + 4;
    (end <= message.len()).then_some(end)
}

/// Where the name at `at` ends; pointers end it and are not followed.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length {
            0 => return Some(at + 1),
            1..64 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;

    use super::*;
    use crate::wire::{Incoming, read};

    /// `Www.vendor.example`, A, with EDNS and DO.
    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03Www\x06vendor\x07example\0\0\x01\0\x01\
        \0\0\x29\x04\xd0\0\0\x80\0\0\0";
    /// Its address and a signature, 600 s, with an OPT record; spelt `wWW.VENDOR.example`, AD set.
    const ANSWER: &[u8] = b"\xab\xcd\x81\xa0\0\x01\0\x02\0\0\0\x01\x03wWW\x06VENDOR\x07example\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\x02\x58\0\x04\xc6\x33\x64\x07\
        \xc0\x0c\0\x2e\0\x01\0\0\x02\x58\0\x16\0\x01\x08\x03\0\0\x02\x58\x70\0\0\0\x60\0\0\0\x12\x34\0\xde\xad\xbe\
        \0\0\x29\x04\xd0\0\0\x80\0\0\0";

    fn request() -> Box<Request> {
        let Incoming::Ask(request) = read(QUERY) else { panic!("a question") };
        request
    }

    #[test]
    fn records_pass_byte_for_byte_and_the_rest_is_the_askers_own() {
        let passed = Passed::new(ANSWER, Extent::Sections).unwrap();
        let reply = passed.reply(&request(), &Reply::default(), |ttl| ttl.min(300) - 7, 512).unwrap();
        assert_eq!(reply[..12], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 1], "no AD from who cannot be believed");
        assert_eq!(reply[12..36], QUERY[12..36], "the asker's spelling");
        let mut records = ANSWER[36..86].to_vec();
        for ttl in [6, 22] {
            records[ttl..ttl + 4].copy_from_slice(&293_u32.to_be_bytes());
        }
        assert_eq!(reply[36..86], records, "the time signed, in the data, stays");
        let read = Message::from_vec(&reply).unwrap();
        assert!(read.answers[0].name.eq_case(read.queries[0].name()) && read.edns.is_some());
    }

    #[test]
    fn what_was_validated_is_told_to_who_cares() {
        let passed = Passed { authentic: true, ..Passed::new(ANSWER, Extent::Sections).unwrap() };
        let told = |query: &[u8]| {
            let Incoming::Ask(request) = read(query) else { panic!("a question") };
            passed.reply(&request, &Reply::default(), |ttl| ttl, 512).unwrap()[3] & AUTHENTIC_DATA != 0
        };
        let mut plain = QUERY[..36].to_vec();
        plain[11] = 0;
        let mut asks = plain.clone();
        asks[3] |= AUTHENTIC_DATA;
        assert!(told(QUERY) && told(&asks) && !told(&plain));
    }

    #[test]
    fn a_reply_over_the_limit_is_none() {
        let passed = Passed::new(ANSWER, Extent::Sections).unwrap();
        let whole = passed.reply(&request(), &Reply::default(), |ttl| ttl, 97).unwrap();
        assert_eq!(whole.len(), 97);
        assert!(passed.reply(&request(), &Reply::default(), |ttl| ttl, 96).is_none());
    }

    #[test]
    fn the_additional_section_passes_without_its_opt_or_not_at_all() {
        let with = |extra: &[u8], count: u8| {
            let mut bytes = ANSWER[..86].to_vec();
            bytes.extend_from_slice(extra);
            bytes[11] = count;
            bytes
        };
        let (opt, glue) = (&ANSWER[86..], &ANSWER[36..52]);
        let before = with(&[glue, opt].concat(), 2);
        let all = Passed::new(&before, Extent::Everything).unwrap();
        assert_eq!((all.as_bytes().len(), all.ttls().count()), (102, 3));
        assert_eq!(Message::from_vec(all.as_bytes()).unwrap().additionals.len(), 1);
        let some = Passed::new(&before, Extent::Sections).unwrap();
        assert_eq!(Message::from_vec(some.as_bytes()).unwrap().additionals.len(), 0);
        assert!(Passed::new(&with(&[opt, glue].concat(), 2), Extent::Everything).is_none());
    }

    #[test]
    fn malformed_messages_are_not_kept() {
        for size in 0..86 {
            assert!(Passed::new(&ANSWER[..size], Extent::Sections).is_none(), "{size}");
        }
        let mut two = ANSWER.to_vec();
        two[5] = 2;
        assert!(Passed::new(&two, Extent::Sections).is_none());
    }
}
