//! Look at a case and decide about it. [`act`] is the one way in which API and console act, so that role, scope and text rules hold for
//! both.

use pratique_core::command::{Command, Confirmed};
use pratique_core::ids::{CaseId, TextRef};
use pratique_core::rescan::RescanTrigger;
use pratique_core::time::{Moment, Span, Timestamp};
use pratique_engine::handle::{Done, Wish};
use serde::{Deserialize, Serialize};

use crate::commands::text::checked_text;
use crate::error::StaffError;
use crate::models::dossier::CaseDossier;
use crate::models::story::StoryLine;
use crate::office::{CaseQuery, Office};
use crate::roles::{Role, Staff};

/// What a person does to a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wall the line, or give the first of two approvals.
    Approve {
        /// The version looked at.
        version: u32,
        /// What the person knows, and means all the same.
        confirmed: Confirmed,
        /// Kept as a note.
        note: Option<String>,
    },
    /// No quarantine.
    Dismiss {
        /// The version looked at.
        version: u32,
        /// Why.
        reason: String,
    },
    /// Let the line out.
    Release {
        /// The version looked at, if it shall matter.
        version: Option<u32>,
        /// Why.
        reason: String,
    },
    /// A later end.
    Renew {
        /// The version looked at.
        version: u32,
        /// The new end.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Check the line now.
    Rescan,
    /// Write something down.
    Note {
        /// The text.
        text: String,
    },
}

/// Does it, if role, scope and the case machine allow.
///
/// # Errors
/// Whatever refuses; nothing changed then.
pub async fn act(office: &dyn Office, staff: &Staff, case: CaseId, action: Action) -> Result<Done, StaffError> {
    staff.needs(Role::Operator)?;
    if !sees(office, staff, case).await? {
        return Err(StaffError::no_such_case(case));
    }
    let by = staff.actor();
    let (command, text, afterwards) = match action {
        Action::Approve { version, confirmed, note } => {
            let note = note.filter(|n| !n.trim().is_empty()).map(|n| checked_text(&n, "note")).transpose()?;
            let by = by.clone();
            (Command::Approve { case, version, by, confirmed }, None, note)
        }
        Action::Dismiss { version, reason } => {
            let text = checked_text(&reason, "reason")?;
            (Command::Dismiss { case, version, by, reason: Some(TextRef::of(&text)) }, Some(text), None)
        }
        Action::Release { version, reason } => {
            let text = checked_text(&reason, "reason")?;
            let reason = Some(TextRef::of(&text));
            (Command::Release { case, version, by, reason, emergency: false }, Some(text), None)
        }
        Action::Renew { version, until, reason } => {
            let text = checked_text(&reason, "reason")?;
            (Command::Renew { case, version, by, until, reason: Some(TextRef::of(&text)) }, Some(text), None)
        }
        Action::Rescan => (Command::RequestRescan { case, trigger: RescanTrigger::Staff }, None, None),
        Action::Note { text } => {
            let text = checked_text(&text, "text")?;
            (Command::Note { case, by, text: TextRef::of(&text) }, Some(text), None)
        }
    };
    let done = office.wish(Wish { command, text }).await?;
    let Some(note) = afterwards else { return Ok(done) };
    let command = Command::Note { case, by: staff.actor(), text: TextRef::of(&note) };
    office.wish(Wish { command, text: Some(note) }).await.map_err(|e| {
        let error = StaffError::from(e);
        let detail = format!("case {case} was approved, but the note was not kept: {}", error.detail);
        StaffError { detail, ..error }
    })
}

/// Whether there is such a case for this person.
///
/// # Errors
/// When the engine cannot say.
pub async fn sees(office: &dyn Office, staff: &Staff, case: CaseId) -> Result<bool, StaffError> {
    let query = CaseQuery { ids: vec![case], scope: staff.scope.clone(), limit: 1, ..CaseQuery::default() };
    Ok(office.cases(query).await?.total > 0)
}

/// Everything about a case that this person may see.
///
/// # Errors
/// Not found if there is none.
pub async fn dossier(office: &dyn Office, staff: &Staff, case: CaseId) -> Result<CaseDossier, StaffError> {
    if !sees(office, staff, case).await? {
        return Err(StaffError::no_such_case(case));
    }
    office.case(case).await?.ok_or_else(|| StaffError::no_such_case(case))
}

/// What may be said with any action; [`Decision::action`] takes what the named one needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decision {
    /// The version looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// A protected line is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_confirmed: Option<bool>,
    /// It is meant although the wall can hold nothing of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unwalled_confirmed: Option<bool>,
    /// It is meant although somebody else may hold the line's address by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubtful_confirmed: Option<bool>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The text of a note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The new end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// The new end, from now.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
}

impl Decision {
    /// The action of this name.
    ///
    /// # Errors
    /// Not found for an unknown name, invalid when the body lacks what the action needs or says what it does not know.
    pub fn action(self, name: &str, now: Timestamp) -> Result<Action, StaffError> {
        let needs_version = || {
            StaffError::invalid("version is missing: name the version of the case that was looked at (see GET /cases)")
        };
        let foreign = |fields: &[&[(&str, bool)]]| match fields.iter().copied().flatten().find(|(_, given)| *given) {
            Some((field, _)) => Err(StaffError::invalid(format!("{field} means nothing to {name}; leave it out"))),
            None => Ok(()),
        };
        let end = [("until", self.until.is_some()), ("for", self.lasting.is_some())];
        let confirmed = [
            ("protected_confirmed", self.protected_confirmed.is_some()),
            ("unwalled_confirmed", self.unwalled_confirmed.is_some()),
            ("doubtful_confirmed", self.doubtful_confirmed.is_some()),
        ];
        let text = [("text", self.text.is_some())];
        let said = [("reason", self.reason.is_some())];
        let reason = self.reason.clone().unwrap_or_default();
        match name {
            "approve" => {
                foreign(&[&end, &text])?;
                Ok(Action::Approve {
                    version: self.version.ok_or_else(needs_version)?,
                    confirmed: Confirmed {
                        protected: self.protected_confirmed.unwrap_or(false),
                        unwalled: self.unwalled_confirmed.unwrap_or(false),
                        doubtful: self.doubtful_confirmed.unwrap_or(false),
                    },
                    note: self.reason,
                })
            }
            "dismiss" => {
                foreign(&[&end, &text, &confirmed])?;
                Ok(Action::Dismiss { version: self.version.ok_or_else(needs_version)?, reason })
            }
            "release" => {
                foreign(&[&end, &text, &confirmed])?;
                Ok(Action::Release { version: self.version, reason })
            }
            "renew" => {
                foreign(&[&text, &confirmed])?;
                let until = match (self.until, self.lasting) {
                    (Some(until), None) => until.0,
                    (None, Some(span)) => now.plus(span),
                    _ => return Err(StaffError::invalid("say either `until` (a time) or `for` (such as 7d)")),
                };
                Ok(Action::Renew { version: self.version.ok_or_else(needs_version)?, until, reason })
            }
            "rescan" => {
                foreign(&[&end, &text, &confirmed, &said])?;
                Ok(Action::Rescan)
            }
            "note" => {
                foreign(&[&end, &confirmed, &said])?;
                Ok(Action::Note { text: self.text.unwrap_or_default() })
            }
            _ => Err(StaffError::not_found("known actions are approve, dismiss, release, renew, rescan and note")),
        }
    }
}

/// The story of a case that this person may see.
///
/// # Errors
/// Not found if there is none.
pub async fn story(office: &dyn Office, staff: &Staff, case: CaseId) -> Result<Vec<StoryLine>, StaffError> {
    if !sees(office, staff, case).await? {
        return Err(StaffError::no_such_case(case));
    }
    Ok(office.story(case).await?)
}
