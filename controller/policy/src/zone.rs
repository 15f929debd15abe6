//! Time zones as people name them, in policies and beside lists.

use std::fmt;

use jiff::tz::TimeZone;
use pratique_core::text::printable;
use smol_str::SmolStr;

use crate::nearest;

/// The zone of times that are written without one.
#[derive(Clone, Debug)]
pub struct Zone {
    name: SmolStr,
    tz: TimeZone,
}

impl Zone {
    /// A zone by its name in the time zone database (`Europe/Amsterdam`), `UTC`, or an offset such as `+01:00`.
    ///
    /// # Errors
    /// In words, with what was probably meant.
    pub fn named(name: &str) -> Result<Self, String> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
            return Ok(Self { name: "UTC".into(), tz: TimeZone::UTC });
        }
        if let Some(seconds) = offset(name) {
            let offset = i32::try_from(seconds).ok().and_then(|s| jiff::tz::Offset::from_seconds(s).ok());
            return match offset {
                Some(offset) => Ok(Self { name: name.into(), tz: TimeZone::fixed(offset) }),
                None => Err(format!("`{name}` is further from UTC than any place on earth")),
            };
        }
        match TimeZone::get(name) {
            Ok(tz) => Ok(Self { name: name.into(), tz }),
            Err(_) => {
                let shown = printable(name.as_bytes(), 40);
                let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
                let meant = nearest(name, known.iter().map(String::as_str));
                let hint = meant.map_or_else(String::new, |m| format!("did you mean `{m}`? "));
                Err(format!("`{shown}` is no time zone: {hint}Write one as Europe/Amsterdam, UTC or +01:00"))
            }
        }
    }
}

impl Zone {
    /// Its rules.
    pub fn tz(&self) -> &TimeZone {
        &self.tz
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Seconds east of UTC: `Z`, `UTC`, `GMT`, `+01`, `+01:00`, `+0100`, `+01:00:00`.
pub fn offset(text: &str) -> Option<i64> {
    if ["z", "utc", "gmt"].iter().any(|utc| text.eq_ignore_ascii_case(utc)) {
        return Some(0);
    }
    let text = ["UTC", "GMT"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = match rest.len() {
        1 | 2 => format!("{rest:0>2}00"),
        4 => rest.to_owned(),
        5 if rest.as_bytes().get(2) == Some(&b':') => rest.replace(':', ""),
        _ => return None,
    };
    let number: i64 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    let (hours, minutes) = (number / 100, number % 100);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}
