//! Links to the self-check that people and campaigns share: the picture that is shown where one is posted, and the campaigns
//! that are counted. Of a campaign only those named in the configuration, so that nobody fills the metrics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use smol_str::SmolStr;

use super::settings::SelfCheck;
use crate::settings::SettingsError;

/// `/share-<language>.png`.
const BEFORE: &str = "/share-";
const AFTER: &str = ".png";

/// What posts show without cutting (Open Graph, and Twitter's large card).
pub(crate) const SIZE: (u32, u32) = (1200, 630);

/// Bytes of a picture: some messengers load no larger one.
const MOST_BYTES: u64 = 300_000;

/// Campaigns that can be named; each is a series in the metrics.
const MOST_CAMPAIGNS: usize = 20;

/// Bytes of a campaign's name.
const LONGEST: usize = 32;

/// Made by `assets/share/render.sh`.
const BUILT_IN: [(&str, &[u8]); 3] = [
    ("en", include_bytes!("../../assets/share/en.png")),
    ("nl", include_bytes!("../../assets/share/nl.png")),
    ("ja", include_bytes!("../../assets/share/ja.png")),
];

/// Pictures by language.
pub(crate) struct Pictures(BTreeMap<SmolStr, Bytes>);

impl Pictures {
    /// What is built in, then the provider's own.
    pub(crate) fn load(own: &BTreeMap<SmolStr, PathBuf>) -> Result<Self, SettingsError> {
        let built_in = BUILT_IN.map(|(tag, bytes)| (SmolStr::new_static(tag), Bytes::from_static(bytes)));
        let mut all = BTreeMap::from(built_in);
        for (tag, path) in own {
            all.insert(tag.clone(), picture(path)?);
        }
        Ok(Self(all))
    }

    /// The picture at this path; a language without one has the English.
    pub(crate) fn at(&self, path: &str) -> Option<Bytes> {
        let tag = path.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
        self.0.get(tag).cloned()
    }

    /// Where the picture of a language is.
    pub(crate) fn path(&self, tag: &str) -> String {
        let tag = if self.0.contains_key(tag) { tag } else { BUILT_IN[0].0 };
        format!("{BEFORE}{tag}{AFTER}")
    }
}

/// Whether a path may be that of a picture.
pub(crate) fn is_picture(path: &str) -> bool {
    path.starts_with(BEFORE) && path.ends_with(AFTER)
}

fn picture(path: &Path) -> Result<Bytes, SettingsError> {
    let failed = |problem: String| SettingsError::new("self_check.pictures", format!("{}: {problem}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(format!("cannot be read: {error}")))?.len();
    if size > MOST_BYTES {
        return Err(failed(format!("has {size} bytes; at most {MOST_BYTES}, or messengers do not show it")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let (width, height) = SIZE;
    // The first chunk of a PNG says how large it is (PNG, third edition, section 11.2.1).
    let said = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") || (said(16), said(20)) != (Some(width), Some(height)) {
        return Err(failed(format!("is no PNG of {width}x{height} pixels")));
    }
    Ok(bytes.into())
}

impl SelfCheck {
    /// What is wrong with the part about sharing.
    pub(super) fn check_sharing(&self) -> Result<(), SettingsError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for name in &self.campaigns {
            if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) {
                let problem =
                    format!("`{name}`: use 1 to {LONGEST} lower-case letters, digits and hyphens, such as letter-2026");
                return Err(SettingsError::new("self_check.campaigns", problem));
            }
        }
        if self.campaigns.len() > MOST_CAMPAIGNS {
            let problem = format!("has {} names; at most {MOST_CAMPAIGNS}: remove old ones", self.campaigns.len());
            return Err(SettingsError::new("self_check.campaigns", problem));
        }
        Pictures::load(&self.pictures).map(|_| ())
    }

    /// The campaign of this name, if it is one of ours.
    pub(crate) fn campaign(&self, name: &str) -> Option<&str> {
        self.campaigns.iter().find(|campaign| *campaign == name).map(SmolStr::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_language_has_a_picture_of_the_right_size_and_others_the_english() {
        let pictures = Pictures::load(&BTreeMap::new()).unwrap();
        let texts = crate::texts::Texts::load(None).unwrap();
        for tag in texts.languages().map(crate::texts::Language::tag) {
            assert_eq!(pictures.path(tag), format!("/share-{tag}.png"));
            assert!(pictures.at(&pictures.path(tag)).is_some(), "{tag}");
        }
        assert_eq!(pictures.path("de"), "/share-en.png");
        for (tag, bytes) in BUILT_IN {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(tag), bytes).unwrap();
            assert!(picture(&dir.path().join(tag)).is_ok(), "{tag}");
        }
        for odd in ["/share-.png", "/share-../x.png", "/share-EN.png", "/share-en", "/share-en.png.png", "/"] {
            assert!(pictures.at(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_picture_that_posts_would_not_show_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let with = |bytes: &[u8]| {
            let path = dir.path().join("own.png");
            std::fs::write(&path, bytes).unwrap();
            let own = BTreeMap::from([(SmolStr::new_static("de"), path)]);
            Pictures::load(&own).err().map(|error| error.to_string())
        };
        assert_eq!(with(BUILT_IN[0].1), None);
        assert!(with(b"GIF89a").unwrap().ends_with("is no PNG of 1200x630 pixels"));
        let mut small = BUILT_IN[0].1.to_vec();
        small[18] = 0;
        assert!(with(&small).unwrap().contains("1200x630"));
        assert!(with(&vec![0; 300_001]).unwrap().contains("has 300001 bytes"));
        let missing = BTreeMap::from([(SmolStr::new_static("de"), dir.path().join("none"))]);
        assert!(Pictures::load(&missing).err().unwrap().to_string().contains("none: cannot be read"));
    }

    #[test]
    fn campaigns_are_few_and_plain() {
        let with = |campaigns: Vec<SmolStr>| SelfCheck { campaigns, ..SelfCheck::default() };
        let fine = with(vec!["letter-2026".into()]);
        assert!(fine.check_sharing().is_ok());
        assert_eq!((fine.campaign("letter-2026"), fine.campaign("letter")), (Some("letter-2026"), None));
        for wrong in ["", "Letter", "a b", "a\"b", &"x".repeat(33)] {
            assert!(with(vec![wrong.into()]).check_sharing().is_err(), "{wrong}");
        }
        assert!(with((0..21).map(|i| smol_str::format_smolstr!("c{i}")).collect()).check_sharing().is_err());
    }
}
