//! Steps that a subscriber ticked. Kept on the server, so that the page shows them again after the device that showed it was
//! restarted, and to everybody else at home.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use pratique_core::ids::CauseKey;

/// No cause has more steps than anybody would follow.
pub const MAX_STEPS: u8 = 20;

/// One step: of which cause, and which of its steps, from 1. Written `mirai-3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    /// Of which cause.
    pub cause: CauseKey,
    /// Which.
    pub number: u8,
}

/// The ticked steps of a case.
pub type Ticked = BTreeSet<StepId>;

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.cause, self.number)
    }
}

/// A text that is no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a step is a cause and its number, such as mirai-3")]
pub struct NoStep;

impl FromStr for StepId {
    type Err = NoStep;

    fn from_str(text: &str) -> Result<Self, NoStep> {
        let (cause, number) = text.rsplit_once('-').ok_or(NoStep)?;
        let plain =
            !cause.is_empty() && cause.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let number = number.parse().ok().filter(|n| (1..=MAX_STEPS).contains(n)).ok_or(NoStep)?;
        if plain { Ok(Self { cause: cause.into(), number }) } else { Err(NoStep) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_as_it_is_written_and_nothing_else_is() {
        for text in ["mirai-1", "open-dns-resolver-20"] {
            assert_eq!(text.parse::<StepId>().unwrap().to_string(), text);
        }
        for odd in
            ["", "mirai", "-1", "mirai-0", "mirai-21", "mirai-x", "Mirai-1", "mi rai-1", "<b>-1", "mirai--", "a%0d-1"]
        {
            assert!(odd.parse::<StepId>().is_err(), "{odd}");
        }
    }
}
