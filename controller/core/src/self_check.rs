//! Checks that a subscriber asked for on the self-check page, with or without a case. They are in the log, so that anybody can
//! see later that every packet had a consent before it; they change no case and no plan.

use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::notice::NoticeOutcome;
use crate::rescan::{ProbeResult, Rescan, Verdict};

/// One step of such a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum SelfCheckStep {
    /// Who is on the line agreed to it. In the log before the first packet.
    Agreed,
    /// It is over.
    Done {
        /// What it says.
        verdict: Verdict,
        /// What was found open; the rest is of no use later.
        open: Vec<ProbeResult>,
        /// It was asked for by mail.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        mail: bool,
    },
    /// What became of that mail; never where to.
    Mail {
        /// The log entry that asked for it: a `Done`.
        of: Seq,
        /// What became of it.
        #[serde(flatten)]
        outcome: NoticeOutcome,
    },
}

impl SelfCheckStep {
    /// What a finished check says.
    pub fn of(rescan: &Rescan, mail: bool) -> Self {
        let open = rescan.results.iter().filter(|r| r.verdict == Verdict::Vulnerable).cloned();
        Self::Done { verdict: rescan.verdict(), open: open.collect(), mail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::NotSent;

    #[test]
    fn what_became_of_a_mail_is_flat_in_the_log_and_names_nobody() {
        let outcome = NoticeOutcome::Failed { why: NotSent::OptedOut };
        let step = SelfCheckStep::Mail { of: Seq(7), outcome };
        let text = serde_json::to_string(&step).unwrap();
        assert_eq!(text, r#"{"type":"mail","of":7,"outcome":"failed","why":{"why":"opted-out"}}"#);
        assert_eq!(serde_json::from_str::<SelfCheckStep>(&text).unwrap(), step);
    }
}
