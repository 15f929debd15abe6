//! Subscribers' lines: our number, the provider's id, what the contract says. Personal data; never in the log.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{LineNo, SubscriberId};

/// All known lines.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    by_number: FxHashMap<LineNo, Line>,
    by_id: FxHashMap<SubscriberId, LineNo>,
    last: u32,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The provider's id; none once it was purged.
    pub subscriber: Option<SubscriberId>,
    /// What the contract says.
    pub contract: Contract,
    /// The end of the customer number as it stands on bills, or another short detail that nobody but provider and subscriber
    /// knows: the page proves itself with it. Not in [`Contract`], which a list tells whole: this is told for itself.
    pub number_tail: Option<SmolStr>,
}

/// Contract facts of a subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Version of the terms that hold the quarantine clause.
    pub clause: Option<SmolStr>,
    /// The subscriber opted out.
    pub opted_out: bool,
    /// Language of pages and notices, as a BCP 47 tag.
    pub language: Option<SmolStr>,
}

/// Where a subscriber is reached beside the page. Personal data that the engine does not need, so it is not kept in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// E-mail address.
    pub email: Told,
    /// Telephone number, as people write it.
    pub phone: Told,
}

/// What a list says about one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing: what is known stays.
    #[default]
    Nothing,
    /// That there is none any more.
    Gone,
    /// This.
    This(SmolStr),
}

impl Lines {
    /// The number of a subscriber; a new one if it is not known. The flag says that the record is new or changed.
    pub fn note(&mut self, subscriber: &SubscriberId, contract: Option<&Contract>) -> (LineNo, bool) {
        if let Some(number) = self.by_id.get(subscriber).copied() {
            let changed = match (self.by_number.get_mut(&number), contract) {
                (Some(line), Some(new)) if line.contract != *new => {
                    line.contract = new.clone();
                    true
                }
                _ => false,
            };
            return (number, changed);
        }
        let number = LineNo(self.last.saturating_add(1));
        let contract = contract.cloned().unwrap_or_default();
        self.put(number, Line { subscriber: Some(subscriber.clone()), contract, number_tail: None });
        (number, true)
    }

    /// Notes what is told of a line's number tail; true if that is news.
    pub fn note_number_tail(&mut self, number: LineNo, told: &Told) -> bool {
        let new = match told {
            Told::Nothing => return false,
            Told::Gone => None,
            Told::This(tail) => Some(tail),
        };
        match self.by_number.get_mut(&number) {
            Some(line) if line.number_tail.as_ref() != new => {
                line.number_tail = new.cloned();
                true
            }
            _ => false,
        }
    }

    /// Puts a line as stored.
    pub fn put(&mut self, number: LineNo, line: Line) {
        self.last = self.last.max(number.0);
        if let Some(id) = &line.subscriber {
            self.by_id.insert(id.clone(), number);
        }
        self.by_number.insert(number, line);
    }

    /// Gives no number up to here again, also if its line is forgotten: the log goes on naming it.
    pub fn reserve(&mut self, last: LineNo) {
        self.last = self.last.max(last.0);
    }

    /// A line by number.
    pub fn get(&self, number: LineNo) -> Option<&Line> {
        self.by_number.get(&number)
    }

    /// The provider's id of a line.
    pub fn id(&self, number: LineNo) -> Option<&SubscriberId> {
        self.by_number.get(&number).and_then(|l| l.subscriber.as_ref())
    }

    /// The line of a subscriber.
    pub fn line(&self, subscriber: &SubscriberId) -> Option<LineNo> {
        self.by_id.get(subscriber).copied()
    }

    /// Forgets who a line is.
    pub fn purge(&mut self, number: LineNo) {
        if let Some(line) = self.by_number.get_mut(&number) {
            if let Some(id) = line.subscriber.take() {
                self.by_id.remove(&id);
            }
            line.contract = Contract::default();
            line.number_tail = None;
        }
    }

    /// Forgets a line wholly: its record has left the store.
    pub fn forget(&mut self, number: LineNo) {
        self.purge(number);
        self.by_number.remove(&number);
    }

    /// How many lines are known.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// No line is known.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
