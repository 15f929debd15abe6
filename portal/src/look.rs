//! The provider's own look: colours, logo and terms. Checked when loaded, so that no choice makes a page that cannot be read.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::settings::SettingsError;

/// The page's own style.
const CSS: &str = include_str!("../templates/portal.css");

/// Contrast of text that WCAG 2.2 asks for at level AA (1.4.3).
const CONTRAST: f64 = 4.5;

/// What text in the provider's colour may stand on: page and cards, light and dark. The same as in the style.
const LIGHT: [Colour; 2] = [Colour([0xf3, 0xf6, 0xf9]), Colour([0xff; 3])];
const DARK: [Colour; 2] = [Colour([0x10, 0x18, 0x1f]), Colour([0x1a, 0x25, 0x2e])];

/// Text on buttons of that colour, whichever can be read.
const ON: [Colour; 2] = [Colour([0xff; 3]), Colour([0x06, 0x20, 0x2f])];

/// Bytes of a logo: it is in every page, and the whole page has at most 30 KB.
const MAX_LOGO: u64 = 6_144;

/// Part `look` of section `portal`. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Look {
    /// Colour of links and buttons on light ground, `#rrggbb`.
    pub colour: Option<Colour>,
    /// The same on dark ground; needed with `colour`, because one colour is seldom readable on both.
    pub colour_dark: Option<Colour>,
    /// A file: SVG or PNG, at most 6 KB, as it is in every page. Shown 40 pixels high beside the name.
    pub logo: Option<PathBuf>,
    /// Address of the terms that hold the quarantine clause. `https://` and whatever follows; residents can open it only if
    /// its name is allow-listed.
    pub terms: Option<SmolStr>,
}

/// A colour of the screen, `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// What the pages take from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dress {
    /// The whole style.
    pub(crate) css: String,
    /// A `data:` address.
    pub(crate) logo: Option<String>,
    pub(crate) terms: Option<SmolStr>,
}

impl Look {
    /// Checks it and reads the logo. Relative paths start at the working directory; the controller has made them absolute.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn dress(&self) -> Result<Dress, SettingsError> {
        let mut css = CSS.to_owned();
        match (self.colour, self.colour_dark) {
            (None, None) => {}
            (Some(light), Some(dark)) => {
                let on_light = readable("look.colour", light, LIGHT)?;
                let on_dark = readable("look.colour_dark", dark, DARK)?;
                css.push_str(&format!(":root{{--main:{light};--on-main:{on_light}}}"));
                css.push_str(&format!(
                    "@media(prefers-color-scheme:dark){{:root{{--main:{dark};--on-main:{on_dark}}}}}"
                ));
            }
            (None, Some(_)) => return Err(SettingsError::new("look.colour", "is missing beside look.colour_dark")),
            (Some(_), None) => {
                let problem = "is missing beside look.colour: name a lighter one for people whose screen is dark";
                return Err(SettingsError::new("look.colour_dark", problem));
            }
        }
        if let Some(terms) = self.terms.as_deref().filter(|t| !is_web_address(t)) {
            let problem = format!("`{terms}` is no address; write for example https://example.net/terms");
            return Err(SettingsError::new("look.terms", problem));
        }
        let logo = self.logo.as_deref().map(logo).transpose()?;
        Ok(Dress { css, logo, terms: self.terms.clone() })
    }
}

/// The colour for text on buttons, if both can be read.
fn readable(field: &'static str, colour: Colour, grounds: [Colour; 2]) -> Result<Colour, SettingsError> {
    for ground in grounds {
        let contrast = colour.contrast(ground);
        if contrast < CONTRAST {
            let problem = format!(
                "`{colour}` on {ground} has a contrast of {contrast:.1}; people need at least {CONTRAST} to read it: take \
                 a {} one",
                if ground.luminance() > 0.5 { "darker" } else { "lighter" }
            );
            return Err(SettingsError::new(field, problem));
        }
    }
    let best = ON.into_iter().max_by(|a, b| colour.contrast(*a).total_cmp(&colour.contrast(*b)));
    Ok(best.unwrap_or(ON[0]))
}

fn logo(path: &Path) -> Result<String, SettingsError> {
    let failed = |problem: String| SettingsError::new("look.logo", format!("{}: {problem}", path.display()));
    let bytes = match std::fs::metadata(path).map(|data| data.len()) {
        Err(error) => return Err(failed(format!("cannot be read: {error}"))),
        Ok(size) if size > MAX_LOGO => {
            return Err(failed(format!(
                "has {size} bytes; at most {MAX_LOGO}, as it is in every page: make it simpler"
            )));
        }
        Ok(_) => std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?,
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_start_matches('\u{feff}').trim_start();
    let kind = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        "image/png"
    } else if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) {
        // In an `img` element no script of it runs and nothing is loaded (SVG integration, "secure static mode").
        "image/svg+xml"
    } else {
        return Err(failed("is neither SVG nor PNG".into()));
    };
    Ok(format!("data:{kind};base64,{}", base64(&bytes)))
}

fn is_web_address(text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok();
    let scheme = uri.as_ref().and_then(http::Uri::scheme_str);
    matches!(scheme, Some("http" | "https")) && !text.contains(['"', '<', '>'])
}

impl Colour {
    /// Relative luminance (WCAG 2.2), 0 to 1.
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast ratio (WCAG 2.2), 1 to 21.
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits =
            text.strip_prefix('#').filter(|d| matches!(d.len(), 3 | 6) && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = |digits: &str| u8::from_str_radix(digits, 16).unwrap_or(0);
        match digits {
            Some(d) if d.len() == 6 => Ok(Self([0, 2, 4].map(|at| number(&d[at..at + 2])))),
            Some(d) => Ok(Self([0, 1, 2].map(|at| number(&d[at..=at]) * 17))),
            None => Err(format!("`{text}` is no colour; write it as #rrggbb, in quotes")),
        }
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        SmolStr::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// RFC 4648 section 4, for the hashes in the policy header and the logo.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            [18, 12, 6, 0].into_iter().enumerate().map(move |(i, shift)| {
                if i > chunk.len() { '=' } else { char::from(DIGITS[(bits >> shift & 63) as usize]) }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Option<Colour> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn text_stands_out_from_its_ground_by_wcag_aa_in_light_and_dark() {
        let schemes: Vec<_> = CSS.split(":root{").skip(1).map(|s| s.split('}').next().unwrap()).collect();
        assert_eq!(schemes.len(), 2);
        for (scheme, grounds) in schemes.into_iter().zip([LIGHT, DARK]) {
            let colour = |name: &str| -> Colour {
                let declared =
                    scheme.split(';').find_map(|d| d.strip_prefix("--")?.strip_prefix(name)?.strip_prefix(':'));
                declared.expect(name).parse().unwrap()
            };
            assert_eq!([colour("bg"), colour("card")], grounds);
            for (text, grounds) in [
                ("ink", &["bg", "card", "good-bg", "bad-bg", "unsure-bg", "note-bg"][..]),
                ("soft", &["bg", "card", "good-bg", "bad-bg", "unsure-bg"]),
                ("main", &["bg", "card"]),
                ("on-main", &["main"]),
                ("good", &["good-bg", "bad-bg", "unsure-bg", "card"]),
                ("bad", &["bad-bg"]),
                ("unsure", &["unsure-bg", "bad-bg"]),
            ] {
                for ground in grounds {
                    let contrast = colour(text).contrast(colour(ground));
                    assert!(contrast >= CONTRAST, "{text} on {ground}: {contrast:.2}");
                }
            }
        }
    }

    #[test]
    fn a_colour_that_cannot_be_read_is_refused_with_what_to_take() {
        let refused = |light: &str, dark: &str| {
            let look = Look { colour: colour(light), colour_dark: colour(dark), ..Look::default() };
            look.dress().unwrap_err().to_string()
        };
        let pale = refused("#ffcc00", "#ffcc00");
        assert!(pale.starts_with("portal.look.colour: `#ffcc00` on #f3f6f9 has a contrast of 1."), "{pale}");
        assert!(pale.ends_with("take a darker one"), "{pale}");
        let deep = refused("#004488", "#004488");
        assert!(deep.starts_with("portal.look.colour_dark: `#004488` on #10181f"), "{deep}");
        assert!(deep.ends_with("take a lighter one"), "{deep}");
        let alone = Look { colour: colour("#048"), ..Look::default() }.dress().unwrap_err().to_string();
        assert!(alone.starts_with("portal.look.colour_dark: is missing"), "{alone}");
    }

    #[test]
    fn buttons_of_any_readable_colour_have_readable_words() {
        let look = Look { colour: colour("#a00"), colour_dark: colour("#ffd27f"), ..Look::default() };
        let css = look.dress().unwrap().css;
        assert!(css.ends_with(
            ":root{--main:#aa0000;--on-main:#ffffff}@media(prefers-color-scheme:dark){:root{--main:#ffd27f;\
             --on-main:#06202f}}"
        ));
    }

    #[test]
    fn only_small_pictures_become_logos_and_only_web_addresses_terms() {
        let dir = tempfile::tempdir().unwrap();
        let with = |name: &str, bytes: &[u8]| {
            let logo = dir.path().join(name);
            std::fs::write(&logo, bytes).unwrap();
            Look { logo: Some(logo), ..Look::default() }.dress().map(|dress| dress.logo.unwrap())
        };
        assert_eq!(with("a.svg", b"<svg/>").unwrap(), "data:image/svg+xml;base64,PHN2Zy8+");
        assert!(with("a.png", b"\x89PNG\r\n\x1a\n").unwrap().starts_with("data:image/png;base64,"));
        assert!(with("a.html", b"<html>").unwrap_err().to_string().ends_with("is neither SVG nor PNG"));
        assert!(with("big.svg", &[b' '; 7_000]).unwrap_err().to_string().contains("has 7000 bytes; at most 6144"));
        let missing = Look { logo: Some(dir.path().join("none")), ..Look::default() }.dress().unwrap_err();
        assert!(missing.to_string().contains("none: cannot be read"));
        for (terms, fine) in
            [("https://isp.example/terms?v=3", true), ("isp.example/terms", false), ("javascript:1", false)]
        {
            assert_eq!(Look { terms: Some(terms.into()), ..Look::default() }.dress().is_ok(), fine, "{terms}");
        }
    }
}
