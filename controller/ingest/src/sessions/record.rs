//! What a list says of subscribers' records. An empty cell says nothing, and what is known stays; `-` says that there is none
//! any more. A line may have many rows; each may speak of its record or be silent.
//!
//! Where two rows of one list contradict each other about a line, neither is believed and what is known stays, with one
//! exception: if one of them says that the subscriber opted out, that counts. An opt-out is never lost to a list that is
//! not sure of itself.

use std::sync::Arc;

use pratique_core::ids::SubscriberId;
use pratique_core::lines::{Contact, RecordField, RecordTold, Told};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::columns::{Cells, Column};
use super::refused::Reason;
use crate::contact;
use pratique_core::text::printable;

/// Longest number tail, in characters: a detail, not a number that opens an account.
const MAX_TAIL: usize = 16;
/// So many contradictions are named.
const NAMED: usize = 20;

/// Reads what a row says of its line's record; none if it says nothing.
pub(super) fn read(cells: &Cells<'_>) -> Result<Option<RecordTold>, (Reason, String)> {
    let told = RecordTold {
        clause: match cells.get(Column::Clause)? {
            "" => Told::Nothing,
            "-" => Told::Gone,
            _ => Told::This(cells.name(Column::Clause)?),
        },
        opted_out: match cells.get(Column::OptedOut)? {
            "" => Told::Nothing,
            "-" => Told::Gone,
            text => Told::This(yes_or_no(text)?),
        },
        language: said(cells, Column::Language, language)?,
        number_tail: said(cells, Column::NumberTail, number_tail)?,
        contact: Contact {
            email: said(cells, Column::Email, contact::email)?,
            phone: said(cells, Column::Phone, contact::phone)?,
        },
    };
    Ok((!told.is_silent()).then_some(told))
}

/// The cell itself is not repeated in an error: errors end up in logs.
fn said(
    cells: &Cells<'_>,
    column: Column,
    check: impl Fn(&str) -> Result<SmolStr, &'static str>,
) -> Result<Told, (Reason, String)> {
    match cells.get(column)? {
        "" => Ok(Told::Nothing),
        "-" => Ok(Told::Gone),
        text => check(text).map(Told::This).map_err(|why| (Reason::Record, format!("{} {why}", column.name()))),
    }
}

fn yes_or_no(text: &str) -> Result<bool, (Reason, String)> {
    match text.to_ascii_lowercase().as_str() {
        "no" | "false" | "0" | "n" | "f" => Ok(false),
        "yes" | "true" | "1" | "y" | "t" => Ok(true),
        _ => {
            let shown = printable(text.as_bytes(), 20);
            Err((
                Reason::Record,
                format!("opted_out `{shown}`: write yes or no, nothing to keep what is known, or - for no"),
            ))
        }
    }
}

fn language(text: &str) -> Result<SmolStr, &'static str> {
    let tag = text.len() <= 35 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if tag { Ok(SmolStr::new(text)) } else { Err("is no tag of a language: write one such as de, en or pt-BR") }
}

/// The end of a customer number. It must come back from the store as it was.
fn number_tail(text: &str) -> Result<SmolStr, &'static str> {
    let clean = printable(text.as_bytes(), MAX_TAIL);
    if clean == text {
        Ok(clean)
    } else {
        Err(
            "is longer than 16 characters or holds invisible ones: write only the end of the customer number as it stands on \
             bills, such as 482, or - for none",
        )
    }
}

/// What the rows of a list say of each line, to find rows that contradict each other.
#[derive(Debug, Default)]
pub(super) struct Records {
    by_line: FxHashMap<SmolStr, Said>,
    /// What the row before said: most lists say the same of line after line.
    last: Option<Arc<RecordTold>>,
    contradictions: usize,
    warnings: Vec<String>,
}

#[derive(Debug)]
struct Said {
    told: Arc<RecordTold>,
    /// Where it was said first.
    line: u64,
    /// Fields that are settled: nothing further counts.
    contradicted: Vec<RecordField>,
}

impl Records {
    /// Takes what a row says.
    pub(super) fn take(&mut self, subscriber: &SmolStr, line: u64, told: RecordTold) -> Arc<RecordTold> {
        let told = match &self.last {
            Some(last) if **last == told => Arc::clone(last),
            _ => Arc::clone(self.last.insert(Arc::new(told))),
        };
        match self.by_line.get_mut(subscriber) {
            None => {
                self.by_line
                    .insert(subscriber.clone(), Said { told: Arc::clone(&told), line, contradicted: Vec::new() });
            }
            Some(said) if Arc::ptr_eq(&said.told, &told) || said.told == told => {}
            Some(said) => {
                let mut merged = (*said.told).clone();
                let known = said.contradicted.len();
                merge(&mut merged, &told, &mut said.contradicted);
                said.told = Arc::new(merged);
                for field in said.contradicted.iter().skip(known) {
                    self.contradictions += 1;
                    if self.warnings.len() < NAMED {
                        let kept = match *field {
                            RecordField::OptedOut => "`yes` counts",
                            _ => "what is known stays",
                        };
                        let what =
                            format!("lines {} and {line} contradict each other in {}: {kept}", said.line, field.key());
                        self.warnings.push(what);
                    }
                }
            }
        }
        told
    }

    /// Takes contradictions out of what the rows say, and names them.
    pub(super) fn settle<'c>(
        mut self,
        told: impl Iterator<Item = (&'c SubscriberId, &'c mut Arc<RecordTold>)>,
    ) -> Vec<String> {
        if self.contradictions > self.warnings.len() {
            self.warnings.push(format!("… and {} more contradictions", self.contradictions - self.warnings.len()));
        }
        if self.contradictions > 0 {
            for (subscriber, told) in told {
                let said = self.by_line.get(subscriber.as_str()).filter(|said| !said.contradicted.is_empty());
                if let Some(said) = said {
                    *told = Arc::clone(&said.told);
                }
            }
        }
        self.warnings
    }
}

/// Adds what another row says, and to `contradicted` the fields about which both say something else.
fn merge(told: &mut RecordTold, other: &RecordTold, contradicted: &mut Vec<RecordField>) {
    let mut both = |field, one: &mut Told, other: &Told| match (&*one, other) {
        _ if contradicted.contains(&field) => {}
        (_, Told::Nothing) => {}
        (Told::Nothing, _) => *one = other.clone(),
        (a, b) if a == b => {}
        _ => {
            *one = Told::Nothing;
            contradicted.push(field);
        }
    };
    both(RecordField::Clause, &mut told.clause, &other.clause);
    both(RecordField::Language, &mut told.language, &other.language);
    both(RecordField::NumberTail, &mut told.number_tail, &other.number_tail);
    both(RecordField::Email, &mut told.contact.email, &other.contact.email);
    both(RecordField::Phone, &mut told.contact.phone, &other.contact.phone);
    let says = |told: &Told<bool>| match told {
        Told::Nothing => None,
        Told::Gone => Some(false),
        Told::This(yes) => Some(*yes),
    };
    match (says(&told.opted_out), says(&other.opted_out)) {
        (None, _) => told.opted_out = other.opted_out.clone(),
        (Some(a), Some(b)) if a != b => {
            told.opted_out = Told::This(true);
            if !contradicted.contains(&RecordField::OptedOut) {
                contradicted.push(RecordField::OptedOut);
            }
        }
        _ => {}
    }
}
