//! A batch of nftables changes: the kernel takes all of it or nothing.
//!
//! Messages are kept one after the other with a note of what each is, so that a refusal can say which object the kernel
//! refused, and so that a batch can be cut between two messages where the send buffer cannot be made large enough.

use std::fmt;

use super::wire::{INET, NFTABLES, Writer, flag};

/// `NFNL_MSG_BATCH_BEGIN`.
const BATCH_BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`.
const BATCH_END: u16 = 0x11;
/// `NFNL_SUBSYS_NFTABLES` again, as the resource of batch begin and end.
const RESOURCE: u16 = 10;
/// `NFNL_BATCH_GENID`.
const GENID: u16 = 1;

/// What a message is about, for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The batch itself: refused because the generation moved on.
    Begin,
    /// The table.
    Table,
    /// A counter.
    Counter(&'static str),
    /// A set.
    Set(&'static str),
    /// A chain.
    Chain(String),
    /// A rule as nft would print it.
    Rule(&'static str, String),
    /// Elements put into a set.
    Adding(&'static str),
    /// Elements taken from a set.
    Removing(&'static str),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin => f.write_str("the batch as a whole"),
            Self::Table => f.write_str("the table"),
            Self::Counter(name) => write!(f, "counter `{name}`"),
            Self::Set(name) => write!(f, "set `{name}`"),
            Self::Chain(name) => write!(f, "chain `{name}`"),
            Self::Rule(chain, rule) => write!(f, "rule `{rule}` in chain `{chain}`"),
            Self::Adding(set) => write!(f, "elements added to set `{set}`"),
            Self::Removing(set) => write!(f, "elements removed from set `{set}`"),
        }
    }
}

/// Changes in order.
#[derive(Debug, Default)]
pub struct Batch {
    writer: Writer,
    /// Where each message begins, and what it is.
    notes: Vec<(usize, Subject)>,
}

impl Batch {
    /// Begins a message of the nftables kind `kind` (`NFT_MSG_…`) about `subject`; attributes go to the returned writer.
    pub fn message(&mut self, kind: u16, flags: u16, subject: Subject) -> &mut Writer {
        self.notes.push((self.writer.len(), subject));
        // Sequence numbers are given when the batch is framed.
        self.writer.message(NFTABLES | kind, flag::REQUEST | flags, 0, INET, 0);
        &mut self.writer
    }

    /// The writer of the message begun last.
    pub fn current(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Bytes of its messages; framing adds less than 64.
    pub fn bytes(&self) -> usize {
        self.writer.len()
    }

    /// What the message with this number (in order, from 0) is about.
    pub fn subject(&self, index: usize) -> Option<&Subject> {
        self.notes.get(index).map(|(_, subject)| subject)
    }

    /// Ranges of messages such that each, framed, is at most `limit` bytes. A single message longer than that gets a range
    /// of its own; the kernel will refuse it.
    pub fn chunks(&self, limit: usize) -> Vec<std::ops::Range<usize>> {
        let limit = limit.saturating_sub(FRAMING);
        let mut chunks = Vec::new();
        let mut from = 0;
        for index in 1..=self.len() {
            if index == self.len() || self.offset(index + 1) - self.offset(from) > limit {
                chunks.push(from..index);
                from = index;
            }
        }
        chunks
    }

    /// The bytes to send for these messages: begin, the messages with sequence numbers from `seq + 1` on, end. Only the
    /// last message asks for an acknowledgement: kernels before 6.10 never acknowledge the end of a batch.
    pub fn framed(&self, range: std::ops::Range<usize>, seq: u32, generation: Option<u32>) -> Vec<u8> {
        let body = self.writer.as_slice().get(self.offset(range.start)..self.offset(range.end)).unwrap_or_default();
        let mut begin = Writer::default();
        begin.message(BATCH_BEGIN, flag::REQUEST, seq, 0, RESOURCE);
        if let Some(generation) = generation {
            begin.u32(GENID, generation);
        }
        let mut bytes = Vec::with_capacity(body.len() + FRAMING);
        bytes.extend_from_slice(begin.as_slice());
        let base = bytes.len();
        bytes.extend_from_slice(body);
        for (number, index) in range.clone().enumerate() {
            let at = base + self.offset(index) - self.offset(range.start);
            let own = seq.wrapping_add(1).wrapping_add(number as u32);
            if let Some(field) = bytes.get_mut(at + 8..at + 12) {
                field.copy_from_slice(&own.to_ne_bytes());
            }
            if index + 1 == range.end
                && let Some(field) = bytes.get_mut(at + 6..at + 8)
            {
                let flags = u16::from_ne_bytes([field[0], field[1]]) | flag::ACK;
                field.copy_from_slice(&flags.to_ne_bytes());
            }
        }
        let mut end = Writer::default();
        end.message(BATCH_END, flag::REQUEST, seq.wrapping_add(1).wrapping_add(range.len() as u32), 0, RESOURCE);
        bytes.extend_from_slice(end.as_slice());
        bytes
    }

    fn offset(&self, index: usize) -> usize {
        self.notes.get(index).map_or(self.writer.len(), |(at, _)| *at)
    }
}

/// Begin with generation (28 bytes), end (20 bytes), and room to be safe.
const FRAMING: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::wire::Messages;
    use super::*;

    fn batch(messages: usize) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..messages {
            batch.message(12, flag::CREATE, Subject::Adding("jailed4")).bytes(3, &[0; 96]);
        }
        batch
    }

    #[test]
    fn a_framed_batch_begins_ends_and_asks_for_one_answer_on_its_last_message() {
        let bytes = batch(3).framed(0..3, 40, Some(9));
        let messages: Vec<_> = Messages(&bytes).collect();
        let kinds: Vec<_> = messages.iter().map(|m| m.kind).collect();
        assert_eq!(kinds, [BATCH_BEGIN, NFTABLES | 12, NFTABLES | 12, NFTABLES | 12, BATCH_END]);
        let seqs: Vec<_> = messages.iter().map(|m| m.seq).collect();
        assert_eq!(seqs, [40, 41, 42, 43, 44]);
        let acks: Vec<_> = messages.iter().map(|m| m.flags & flag::ACK != 0).collect();
        assert_eq!(acks, [false, false, false, true, false]);
        assert_eq!(messages[0].attributes().u32(GENID), Some(9));
        assert_eq!(messages[0].payload.get(2..4), Some(&[0, 10][..]));
    }

    #[test]
    fn chunks_cover_every_message_once_and_stay_below_the_limit() {
        let batch = batch(100);
        let chunks = batch.chunks(1000);
        assert!(chunks.len() > 1);
        assert_eq!(chunks.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        for chunk in &chunks {
            assert!(batch.framed(chunk.clone(), 0, Some(1)).len() <= 1000);
        }
        assert_eq!(batch.chunks(1 << 20).len(), 1);
        assert!(Batch::default().chunks(1000).is_empty());
    }
}
