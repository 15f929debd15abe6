//! Part `self_check` of section `portal.pages`. Off where it is not there: the page shows what was seen of a line to
//! everybody in the house, and it is only as right as the sessions are. A provider has to want that.

use serde::{Deserialize, Serialize};

use crate::settings::SettingsError;

/// The self-check page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfCheck {
    /// Pages for one client (an IPv4 address or IPv6 /64) per minute. Behind CGNAT many homes are one client, hence not less.
    pub looks_per_minute: u32,
    /// Look-ups under way at once on this node; what comes beyond is told to come again. Each takes a millisecond.
    pub looks_at_once: usize,
}

impl Default for SelfCheck {
    fn default() -> Self {
        Self { looks_per_minute: 60, looks_at_once: 32 }
    }
}

impl SelfCheck {
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.looks_per_minute == 0 || self.looks_at_once == 0 {
            let problem = "a limit of 0 would shut the page; use at least 1, or remove self_check";
            return Err(SettingsError::new("self_check", problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_part_switches_the_page_on_and_a_limit_of_nothing_is_refused() {
        let empty: SelfCheck = serde_yaml::from_str("{}").unwrap();
        assert_eq!(empty, SelfCheck::default());
        assert!(empty.check().is_ok());
        for wrong in ["looks_per_minute: 0", "looks_at_once: 0"] {
            let error = serde_yaml::from_str::<SelfCheck>(wrong).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with("portal.self_check: a limit of 0"), "{error}");
        }
        assert!(serde_yaml::from_str::<SelfCheck>("looks_per_hour: 5").is_err());
    }
}
