//! A token as it is kept and named: by its hash.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;

/// SHA-256 of a token; its first eight digits name the token in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of a token as presented.
    pub fn of(token: &str) -> Self {
        Self(sha2::Sha256::digest(token.as_bytes()).into())
    }

    /// The same token, compared in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The name of the token in lists.
    pub fn id(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = pratique_core::ids::TextRef::deserialize(d).map_err(|_| {
            serde::de::Error::custom("sha256 must be 64 hexadecimal digits, as `pratique token` writes it")
        })?;
        Ok(Self(text.0))
    }
}
