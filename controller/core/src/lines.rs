//! Subscribers' lines: our number, the provider's id, what the contract says. Personal data; never in the log.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::by_line::ByLine;
use crate::ids::{LineNo, SubscriberId};

/// All known lines.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    by_number: ByLine<Line>,
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
    /// knows: the page proves itself with it.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// E-mail address.
    pub email: Told,
    /// Telephone number, as people write it.
    pub phone: Told,
}

/// What a list says of a subscriber's record. Each field is told for itself: what a list does not speak of stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTold {
    /// Version of the terms that hold the quarantine clause.
    pub clause: Told,
    /// Whether the subscriber opted out. Gone means no.
    pub opted_out: Told<bool>,
    /// Language of pages and notices.
    pub language: Told,
    /// The end of the customer number.
    pub number_tail: Told,
    /// Where notices go.
    pub contact: Contact,
}

/// A field of a subscriber's record: the closed set that results, metrics and the log name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordField {
    /// [`RecordTold::clause`].
    Clause,
    /// [`RecordTold::opted_out`].
    OptedOut,
    /// [`RecordTold::language`].
    Language,
    /// [`RecordTold::number_tail`].
    NumberTail,
    /// [`Contact::email`].
    Email,
    /// [`Contact::phone`].
    Phone,
}

impl RecordField {
    /// All of them, in the order of a list's columns.
    pub const ALL: [Self; 6] =
        [Self::Clause, Self::OptedOut, Self::Language, Self::NumberTail, Self::Email, Self::Phone];

    /// The name of its column in a session list.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Clause => "clause",
            Self::OptedOut => "opted_out",
            Self::Language => "language",
            Self::NumberTail => "number_tail",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// What noting a subscriber changed. Contacts are not in it: only the store knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordChange {
    /// The line was not known before; then its fields are no changes.
    pub is_new: bool,
    /// Fields of a known line that are different now.
    pub fields: Vec<RecordField>,
}

impl RecordChange {
    /// The record has to be stored.
    pub fn is_some(&self) -> bool {
        self.is_new || !self.fields.is_empty()
    }
}

/// What a list says about one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told<T = SmolStr> {
    /// Nothing: what is known stays.
    #[default]
    Nothing,
    /// That there is none any more.
    Gone,
    /// This.
    This(T),
}

impl<T: Clone + PartialEq> Told<T> {
    /// Brings what is known up to it; true if that is news.
    pub fn onto(&self, known: &mut Option<T>) -> bool {
        let new = match self {
            Self::Nothing => return false,
            Self::Gone => None,
            Self::This(new) => Some(new),
        };
        let news = known.as_ref() != new;
        if news {
            *known = new.cloned();
        }
        news
    }
}

impl RecordTold {
    /// It says nothing at all.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// Brings a line's record up to it and names the fields that changed.
    fn onto(&self, line: &mut Line) -> Vec<RecordField> {
        let Line { contract, number_tail, .. } = line;
        let mut opted_out = Some(contract.opted_out);
        self.opted_out.onto(&mut opted_out);
        let opted_out = opted_out.unwrap_or_default();
        let changed = [
            (RecordField::Clause, self.clause.onto(&mut contract.clause)),
            (RecordField::OptedOut, contract.opted_out != opted_out),
            (RecordField::Language, self.language.onto(&mut contract.language)),
            (RecordField::NumberTail, self.number_tail.onto(number_tail)),
        ];
        contract.opted_out = opted_out;
        changed.into_iter().filter(|(_, news)| *news).map(|(field, _)| field).collect()
    }
}

impl Lines {
    /// The number of a subscriber, a new one if it is not known, and what of its record is new with what is told.
    pub fn note(&mut self, subscriber: &SubscriberId, told: Option<&RecordTold>) -> (LineNo, RecordChange) {
        if let Some(number) = self.by_id.get(subscriber).copied() {
            let line = told.and_then(|told| Some((told, self.by_number.get_mut(number)?)));
            let fields = line.map(|(told, line)| told.onto(line)).unwrap_or_default();
            return (number, RecordChange { is_new: false, fields });
        }
        let number = LineNo(self.last.saturating_add(1));
        let mut line = Line { subscriber: Some(subscriber.clone()), contract: Contract::default(), number_tail: None };
        if let Some(told) = told {
            told.onto(&mut line);
        }
        self.put(number, line);
        (number, RecordChange { is_new: true, fields: Vec::new() })
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
        self.by_number.get(number)
    }

    /// The provider's id of a line.
    pub fn id(&self, number: LineNo) -> Option<&SubscriberId> {
        self.by_number.get(number).and_then(|l| l.subscriber.as_ref())
    }

    /// The line of a subscriber.
    pub fn line(&self, subscriber: &SubscriberId) -> Option<LineNo> {
        self.by_id.get(subscriber).copied()
    }

    /// Forgets who a line is.
    pub fn purge(&mut self, number: LineNo) {
        if let Some(line) = self.by_number.get_mut(number) {
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
        self.by_number.remove(number);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told() -> RecordTold {
        RecordTold {
            clause: Told::This("2025-03".into()),
            opted_out: Told::This(true),
            language: Told::This("nl".into()),
            number_tail: Told::This("482".into()),
            contact: Contact::default(),
        }
    }

    #[test]
    fn silence_keeps_each_field_and_a_dash_clears_it() {
        let mut lines = Lines::default();
        let id = SubscriberId::new("A");
        let (number, new) = lines.note(&id, Some(&told()));
        assert_eq!(new, RecordChange { is_new: true, fields: Vec::new() });
        let known = lines.get(number).cloned();
        assert_eq!(lines.note(&id, Some(&RecordTold::default())).1, RecordChange::default());
        assert_eq!(lines.note(&id, Some(&told())).1, RecordChange::default());
        assert_eq!(lines.get(number).cloned(), known, "the second row of a line erases nothing");
        let gone = RecordTold {
            clause: Told::Gone,
            opted_out: Told::Gone,
            language: Told::Gone,
            number_tail: Told::Gone,
            contact: Contact::default(),
        };
        assert_eq!(lines.note(&id, Some(&gone)).1.fields, RecordField::ALL[..4]);
        let line = lines.get(number).unwrap();
        assert_eq!((&line.contract, &line.number_tail), (&Contract::default(), &None));
    }

    proptest! {
        #[test]
        fn what_changed_is_named_and_nothing_else_changes(
            rows in proptest::collection::vec((0u8..3, 0u8..3, 0u8..3, 0u8..3), 1..8),
        ) {
            let text = |n: u8| match n { 0 => Told::Nothing, 1 => Told::Gone, _ => Told::This(SmolStr::new("x")) };
            let mut lines = Lines::default();
            let id = SubscriberId::new("A");
            let (number, _) = lines.note(&id, None);
            for (clause, opted_out, language, tail) in rows {
                let before = lines.get(number).cloned().unwrap();
                let opted_out = match opted_out { 0 => Told::Nothing, 1 => Told::Gone, _ => Told::This(true) };
                let row = RecordTold {
                    clause: text(clause), opted_out, language: text(language), number_tail: text(tail),
                    contact: Contact::default(),
                };
                let (_, change) = lines.note(&id, Some(&row));
                let after = lines.get(number).unwrap();
                let differs = [
                    before.contract.clause != after.contract.clause,
                    before.contract.opted_out != after.contract.opted_out,
                    before.contract.language != after.contract.language,
                    before.number_tail != after.number_tail,
                ];
                let named: Vec<RecordField> =
                    RecordField::ALL.into_iter().zip(differs).filter(|(_, d)| *d).map(|(f, _)| f).collect();
                prop_assert_eq!(change.fields, named);
                if clause == 0 {
                    prop_assert_eq!(&before.contract.clause, &after.contract.clause);
                }
            }
        }
    }
}
