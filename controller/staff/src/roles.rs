//! Who asks, in which role, and for which part of the network.

use std::fmt;

use ipnet::IpNet;
use pratique_core::event::Actor;
use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

use crate::error::StaffError;
use crate::plain;
use crate::token_hash::TokenHash;

/// What somebody may do. Each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Decide about cases, bring reports and sessions in.
    Operator,
    /// Halt, resume, release everything, erase personal data.
    Supervisor,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
        })
    }
}

/// A member of staff. One spelling per person (lower-case ASCII), because two names count as two people where two have
/// to approve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Person(SmolStr);

impl Person {
    /// The name.
    pub fn name(&self) -> &SmolStr {
        &self.0
    }
}

impl std::str::FromStr for Person {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '@');
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if first && text.len() <= 64 && text.chars().all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(format!(
                "`{}` is no person's name here: use 1 to 64 lower-case letters, digits, `.`, `-`, `_` or `@`, for example \
                 anna or anna@noc.example",
                plain::short(text, 64)
            ))
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Person {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        SmolStr::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A member of staff, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// Who.
    pub person: Person,
    /// In which role.
    pub role: Role,
    /// Sees only lines in these networks; empty sees all.
    pub scope: Vec<IpNet>,
    /// By which token.
    pub token: TokenHash,
}

impl Staff {
    /// As the log names them.
    pub fn actor(&self) -> Actor {
        Actor::Person(self.person.name().clone())
    }

    /// This role or a higher one.
    ///
    /// # Errors
    /// Forbidden otherwise.
    pub fn needs(&self, role: Role) -> Result<(), StaffError> {
        if self.role >= role {
            return Ok(());
        }
        Err(StaffError::forbidden(format!("this needs the role {role}; {} is {}", self.person, self.role)))
    }

    /// For what concerns the whole network: this role, and not restricted to a part.
    ///
    /// # Errors
    /// Forbidden otherwise.
    pub fn needs_everything(&self, role: Role) -> Result<(), StaffError> {
        self.needs(role)?;
        if self.scope.is_empty() {
            return Ok(());
        }
        Err(StaffError::forbidden(format!(
            "this concerns the whole network; {} is restricted to a part of it",
            self.person
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_spelling() {
        for bad in ["Anna", "anna ", "аnna", "", "-x", "a\u{200b}b", &"a".repeat(65)] {
            assert!(bad.parse::<Person>().is_err(), "{bad}");
        }
        assert!("anna@noc.example".parse::<Person>().is_ok());
    }
}
