//! What encrypted transports need of a reply that is finished already: its padding, and how long it may be kept. Works on
//! bytes, so that the reply stays what it is over every other transport. Used by `streams` and `doh`.

use crate::wire::{HEADER, OPT_TYPE};

/// Replies are filled up to multiples of this (RFC 8467 section 4.1).
const BLOCK: usize = 468;
/// RFC 7830.
const PADDING: [u8; 2] = [0, 12];
/// Root name, type, class, TTL and length of an OPT record.
const OPT_FIXED: usize = 11;

/// One record of a message, after its question.
struct Record<'a> {
    /// Where its name starts.
    at: usize,
    kind: [u8; 2],
    ttl: u32,
    data: &'a [u8],
}

/// Pads the reply to whole blocks if the query carries the padding option: its size then tells little of its content.
pub(crate) fn pad(query: &[u8], reply: &mut Vec<u8>) {
    let asked = records(query).any(|record| record.kind == OPT_TYPE && has_padding(record.data));
    let Some(opt) = records(reply).find(|r| r.kind == OPT_TYPE).map(|r| (r.at, r.data.len())) else { return };
    let (at, length) = opt;
    let padded = (reply.len() + 4).next_multiple_of(BLOCK);
    // The option is added to the last record, which OPT is in all replies of ours.
    if !asked || at + OPT_FIXED + length != reply.len() || padded > usize::from(u16::MAX) {
        return;
    }
    let zeros = padded - reply.len() - 4;
    let (Ok(zeros), Ok(length)) = (u16::try_from(zeros), u16::try_from(padded - at - OPT_FIXED)) else { return };
    if let Some(place) = reply.get_mut(at + OPT_FIXED - 2..at + OPT_FIXED) {
        place.copy_from_slice(&length.to_be_bytes());
        reply.extend_from_slice(&PADDING);
        reply.extend_from_slice(&zeros.to_be_bytes());
        reply.resize(padded, 0);
    }
}

/// Seconds the reply may be kept: its smallest TTL (RFC 8484 section 5.1); of a negative one that of its SOA, which is the
/// record's TTL as well as its minimum in replies of ours. Zero where nothing says so.
pub(crate) fn keeps(reply: &[u8]) -> u32 {
    records(reply).filter(|record| record.kind != OPT_TYPE).map(|record| record.ttl).min().unwrap_or(0)
}

fn has_padding(mut options: &[u8]) -> bool {
    while let Some((&[c1, c2, l1, l2], rest)) = options.split_first_chunk::<4>() {
        if [c1, c2] == PADDING {
            return true;
        }
        options = rest.get(usize::from(u16::from_be_bytes([l1, l2]))..).unwrap_or_default();
    }
    false
}

/// The records of a message with one question; as many as can be read.
fn records(message: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let question = message.get(4..6) == Some(&[0, 1][..]);
    // Type and class follow the name.
    let mut next = question.then(|| after_name(message, HEADER)).flatten().map(|at| at + 4);
    std::iter::from_fn(move || {
        let at = next.take()?;
        let fixed = after_name(message, at)?;
        let &[k1, k2, _, _, t1, t2, t3, t4, l1, l2] = message.get(fixed..)?.first_chunk::<10>()?;
        let end = fixed + 10 + usize::from(u16::from_be_bytes([l1, l2]));
        let data = message.get(fixed + 10..end)?;
        next = Some(end);
        Some(Record { at, kind: [k1, k2], ttl: u32::from_be_bytes([t1, t2, t3, t4]), data })
    })
}

/// Where the name at `at` is over: behind its last label, or behind the pointer it ends with.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*message.get(at)?) {
            0 => return Some(at + 1),
            length @ 1..=63 => at += length + 1,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, OpCode, Query};
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, RData, RecordType};

    use super::*;

    fn name() -> Name {
        Name::from_ascii("www.bank.example.").unwrap()
    }

    fn query(padding: Option<usize>) -> Vec<u8> {
        let mut message = Message::query();
        message.add_query(Query::query(name(), RecordType::A));
        let mut edns = Edns::new();
        if let Some(zeros) = padding {
            edns.options_mut().insert(EdnsOption::Unknown(10, vec![1; 8]));
            edns.options_mut().insert(EdnsOption::Unknown(12, vec![0; zeros]));
        }
        message.set_edns(edns);
        message.to_vec().unwrap()
    }

    fn reply(ttls: &[u32], ede: bool) -> Vec<u8> {
        let mut message = Message::response(7, OpCode::Query);
        message.add_query(Query::query(name(), RecordType::A));
        let record =
            |ttl: &u32| hickory_proto::rr::Record::from_rdata(name(), *ttl, RData::A(A([192, 0, 2, 1].into())));
        message.answers = ttls.iter().map(record).collect();
        let mut edns = Edns::new();
        if ede {
            edns.options_mut().insert(EdnsOption::Unknown(15, vec![0, 4, b'x']));
        }
        message.set_edns(edns);
        message.to_vec().unwrap()
    }

    /// By the length of its error's text.
    fn of_size(size: usize) -> Vec<u8> {
        let mut reply = reply(&[], true);
        let (at, text) = (reply.len() - 5, size - reply.len());
        for (at, length) in [(at, 3 + text), (at - 4, 7 + text)] {
            reply[at..at + 2].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        reply.resize(size, b'x');
        reply
    }

    #[test]
    fn a_reply_is_padded_to_whole_blocks_when_its_query_carried_padding_and_stays_what_it_was() {
        for (records, ede) in [(0, false), (1, true), (24, true), (100, false)] {
            let plain = reply(&vec![60; records], ede);
            let mut untouched = plain.clone();
            pad(&query(None), &mut untouched);
            assert_eq!(untouched, plain);
            let mut padded = plain.clone();
            pad(&query(Some(3)), &mut padded);
            assert!(padded.len().is_multiple_of(BLOCK) && padded.len() - plain.len() < BLOCK + 4, "{}", padded.len());
            let (padded, plain) = (Message::from_vec(&padded).unwrap(), Message::from_vec(&plain).unwrap());
            assert_eq!(padded.answers, plain.answers);
            let edns = padded.edns.unwrap();
            assert!(edns.option(EdnsCode::Padding).is_some());
            assert_eq!(edns.option(EdnsCode::from(15)).is_some(), ede);
        }
    }

    #[test]
    fn a_reply_that_fills_a_block_but_for_the_option_gets_an_empty_one() {
        for size in [BLOCK - 5, BLOCK - 4, BLOCK - 3] {
            let mut padded = of_size(size);
            pad(&query(Some(0)), &mut padded);
            assert_eq!(padded.len(), if size == BLOCK - 3 { 2 * BLOCK } else { BLOCK });
            assert!(Message::from_vec(&padded).unwrap().edns.unwrap().option(EdnsCode::Padding).is_some());
        }
    }

    #[test]
    fn without_an_opt_in_the_reply_and_near_the_largest_message_nothing_is_padded() {
        let mut bare = reply(&[1], false);
        bare.truncate(bare.len() - OPT_FIXED);
        let mut large = of_size(65_517);
        for reply in [&mut bare, &mut large, &mut vec![0; HEADER], &mut Vec::new()] {
            let before = reply.clone();
            pad(&query(Some(0)), reply);
            assert_eq!(*reply, before);
        }
    }

    #[test]
    fn a_reply_is_kept_for_its_smallest_ttl_and_one_without_records_not_at_all() {
        assert_eq!(keeps(&reply(&[300, 60, 120], true)), 60);
        assert_eq!(keeps(&reply(&[], true)), 0);
        let mut negative = Message::response(7, OpCode::Query);
        negative.add_query(Query::query(name(), RecordType::A));
        let soa = RData::SOA(SOA::new(name(), Name::root(), 1, 10, 10, 10, 10));
        negative.add_authority(hickory_proto::rr::Record::from_rdata(name(), 10, soa));
        assert_eq!(keeps(&negative.to_vec().unwrap()), 10);
    }

    #[test]
    fn broken_bytes_harm_nobody() {
        let whole = reply(&[60, 60], true);
        for length in 0..whole.len() {
            let (mut cut, mut changed) = (whole[..length].to_vec(), whole.clone());
            changed[length] = 0xff;
            pad(&changed.clone(), &mut changed);
            pad(&query(Some(0)), &mut changed);
            pad(&query(Some(0)), &mut cut);
            keeps(&cut);
        }
    }
}
