//! A provider's own words in `pratique.yaml`: the same in every language, or one text for each, as `{en: …, nl: …}`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Words of the provider's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OwnWords {
    /// In every language.
    Same(SmolStr),
    /// By language, as a BCP 47 tag.
    Each(BTreeMap<SmolStr, SmolStr>),
}

impl OwnWords {
    /// In this language, or the wider one (`nl` for `nl-BE`); else in English, else in whichever there is.
    pub fn in_language(&self, tag: &str) -> &str {
        match self {
            Self::Same(text) => text,
            Self::Each(texts) => {
                let wider = tag.split_once('-').map(|(wider, _)| wider);
                let known = [Some(tag), wider, Some("en")].into_iter().flatten().find_map(|tag| texts.get(tag));
                known.or_else(|| texts.values().next()).map_or("", SmolStr::as_str)
            }
        }
    }

    /// Every text.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let (one, each) = match self {
            Self::Same(text) => (Some(text), None),
            Self::Each(texts) => (None, Some(texts.values())),
        };
        one.into_iter().chain(each.into_iter().flatten()).map(SmolStr::as_str)
    }

    /// Nothing is said in some language.
    pub fn is_blank(&self) -> bool {
        self.all().next().is_none() || self.all().any(|text| text.trim().is_empty())
    }
}

impl From<&str> for OwnWords {
    fn from(text: &str) -> Self {
        Self::Same(text.into())
    }
}

impl From<SmolStr> for OwnWords {
    fn from(text: SmolStr) -> Self {
        Self::Same(text)
    }
}

/// For who speaks no language in particular.
impl fmt::Display for OwnWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.in_language("en"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_gets_its_own_words_and_every_other_one_something() {
        let each: OwnWords = serde_yaml::from_str("{en: every day, nl: elke dag}").unwrap();
        for (tag, text) in [("en", "every day"), ("nl", "elke dag"), ("nl-BE", "elke dag"), ("ja", "every day")] {
            assert_eq!(each.in_language(tag), text, "{tag}");
        }
        let same: OwnWords = serde_yaml::from_str("every day").unwrap();
        assert_eq!((same.in_language("ja"), same.is_blank()), ("every day", false));
        for blank in ["''", "{}", "{en: x, nl: ' '}"] {
            assert!(serde_yaml::from_str::<OwnWords>(blank).unwrap().is_blank(), "{blank}");
        }
        assert_eq!(serde_yaml::from_str::<OwnWords>(&serde_yaml::to_string(&each).unwrap()).unwrap(), each);
    }
}
