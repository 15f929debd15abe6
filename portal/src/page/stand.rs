//! Where things stand: what the last check found, what is still missing, and when the line is free again. For a line that is
//! held, and for one that was warned.

use pratique_core::command::Missing;
use pratique_core::rescan::Verdict;
use pratique_core::time::Timestamp;
use pratique_core::view::{CaseCard, CheckCard, CheckState};

use super::Pages;
use super::case::is_waiting;
use super::words::{Finding, class_of};
use crate::texts::Voice;
use crate::texts::keys::{self, Key};

/// Where things stand, in words.
pub(super) struct Stand {
    pub(super) class: &'static str,
    pub(super) lead: String,
    pub(super) missing: Option<String>,
    /// When the line is free again.
    pub(super) freed: Option<String>,
    pub(super) findings: Vec<Finding>,
    /// What else can be done where the check saw too little.
    pub(super) choices: Vec<String>,
    pub(super) checked_at: Option<String>,
    /// Something was done already, so this is what people come for.
    pub(super) first: bool,
}

impl Pages {
    /// Of a line that is held.
    pub(super) fn stand(&self, v: Voice<'_>, card: &CaseCard, now: Timestamp) -> Stand {
        let missing = Some(self.missing(v, card));
        // Who has still something to do reads further below what follows it; and what opens at once needs no time.
        let waits = is_waiting(card)
            || (card.alive_at.is_some() && matches!(card.missing, Some(Missing::WallSilence | Missing::WallGap)));
        // Of what nobody reports no time will ever be known: the page says whom to call instead.
        let has_time = !matches!(card.missing, None | Some(Missing::NoFeed));
        let freed = (waits && has_time).then(|| self.freed(v, card, now));
        if let Some(check) = &card.last_check {
            let class = if card.alive_at.is_some() { Verdict::Inconclusive } else { check.verdict };
            let choices = match card.missing {
                Some(Missing::Inconclusive) => self.choices(v),
                _ => Vec::new(),
            };
            return Stand { missing, freed, choices, class: class_of(class), ..self.checked(v, check) };
        }
        let told = card.fix_reported_at.is_some();
        let lead = match (told, card.proof.checks) {
            // What was asked for and has not begun is asked for again.
            (true, true) | (false, true) => keys::STATUS_UNCHECKED,
            (true, false) => keys::STATUS_TOLD,
            (false, false) => keys::STATUS_UNTOLD,
        };
        let first = told && !card.proof.checks;
        Stand { missing: missing.filter(|_| first), freed: freed.filter(|_| first), first, ..plain(v, lead) }
    }

    /// Of a line that was warned.
    pub(super) fn warned_stand(&self, v: Voice<'_>, state: &CheckState) -> Stand {
        let Some(check) = &state.last_check else { return plain(v, keys::WARNED_UNCHECKED) };
        let missing = match check.verdict {
            Verdict::Clean => keys::WARNED_CLEAN,
            Verdict::Vulnerable => keys::MISSING_STILL_VULNERABLE,
            Verdict::Inconclusive => keys::MISSING_INCONCLUSIVE,
        };
        // Nobody checks a warned line by itself, so waiting is no choice.
        let choices = if check.verdict == Verdict::Inconclusive {
            [keys::CHOICE_AGAIN, keys::CHOICE_CALL].map(|key| v.say(key)).into()
        } else {
            Vec::new()
        };
        Stand { missing: Some(v.say(missing)), choices, ..self.checked(v, check) }
    }

    /// What the last check found.
    fn checked(&self, v: Voice<'_>, check: &CheckCard) -> Stand {
        let lead = match check.verdict {
            Verdict::Clean => keys::STATUS_CLEAN,
            Verdict::Vulnerable => keys::STATUS_VULNERABLE,
            Verdict::Inconclusive => keys::STATUS_INCONCLUSIVE,
        };
        Stand {
            class: class_of(check.verdict),
            findings: self.findings(v, check, keys::FINDING_MARK_VULNERABLE),
            checked_at: self.time(v, check.at),
            first: true,
            ..plain(v, lead)
        }
    }

    /// What else there is to do where the last check saw too little.
    fn choices(&self, v: Voice<'_>) -> Vec<String> {
        [keys::CHOICE_AGAIN, keys::CHOICE_WAIT, keys::CHOICE_CALL].map(|key| v.say(key)).into()
    }

    /// What is still missing after the subscriber did something.
    fn missing(&self, v: Voice<'_>, card: &CaseCard) -> String {
        let found = card.last_check.as_ref().map(|check| check.verdict);
        // Ours say no length of time: it would contradict the time of release. A provider's own text may.
        let lasting = |key, span| v.say1(key, "time", self.lasts(v, span));
        v.say(match card.missing {
            // What was found says more than that it was also reported.
            Some(Missing::Rescan) if found == Some(Verdict::Vulnerable) => keys::MISSING_STILL_VULNERABLE,
            Some(Missing::Rescan) => keys::MISSING_RESCAN,
            Some(Missing::StillVulnerable) => keys::MISSING_STILL_VULNERABLE,
            Some(Missing::Inconclusive) => keys::MISSING_INCONCLUSIVE,
            Some(Missing::Silence) => return lasting(keys::MISSING_SILENCE, card.proof.silence),
            Some(Missing::FeedStalled) => keys::MISSING_FEED_STALLED,
            Some(Missing::FeedGap) => keys::MISSING_FEED_GAP,
            Some(Missing::NoFeed) => keys::MISSING_NO_FEED,
            // To who lives there it is the same: a while without attacks is waited for.
            Some(Missing::WallSilence | Missing::WallGap) => {
                if let Some(at) = card.alive_at.and_then(|at| self.time(v, at)) {
                    return v.say1(keys::MISSING_ALIVE, "time", at);
                }
                return lasting(keys::MISSING_WALL_SILENCE, card.proof.wall_silence);
            }
            None => keys::MISSING_NOTHING,
        })
    }
}

fn plain(v: Voice<'_>, lead: Key) -> Stand {
    Stand {
        class: "",
        lead: v.say(lead),
        missing: None,
        freed: None,
        findings: Vec::new(),
        choices: Vec::new(),
        checked_at: None,
        first: false,
    }
}
