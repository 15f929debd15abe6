//! Points and spans of time, in milliseconds. The core never reads a clock: `now` is always a parameter.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A length of time in milliseconds. Written `500ms`, `30s`, `15m`, `36h`, `14d` in configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// A text that is not a time or span we accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not `YYYY-MM-DD hh:mm:ss` (UTC) and not RFC 3339 with a zone.
    #[error("`{0}` is not a time; write UTC as 2026-02-15 14:19:09 or RFC 3339 as 2026-02-15T14:19:09Z")]
    NotATime(String),
    /// Not a number followed by ms, s, m, h or d.
    #[error("`{0}` is not a length of time; write a whole number and a unit: 500ms, 30s, 15m, 36h or 14d")]
    NotASpan(String),
}

impl Timestamp {
    /// The earliest representable time; also "since ever" for open intervals.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest representable time; also "until further notice" for open intervals.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// From seconds since the epoch.
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time plus a span, held at the ends of the range.
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This time minus a span, held at the ends of the range.
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span from `earlier` to this time; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Reads `YYYY-MM-DD hh:mm:ss` as UTC, or RFC 3339 with its zone.
    ///
    /// # Errors
    /// [`TimeError::NotATime`] for anything else, also for a local time without a zone in RFC 3339 form.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        if let Some(plain) = plain(text.as_bytes()) {
            return Ok(plain);
        }
        let wrong = || TimeError::NotATime(text.chars().take(40).collect());
        let zoned = text.ends_with(['Z', 'z']) || text.get(10..).is_some_and(|t| t.contains(['+', '-']));
        if zoned {
            let t: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
            return Ok(Self(t.as_millisecond()));
        }
        if text.as_bytes().get(10) != Some(&b' ') {
            return Err(wrong());
        }
        let t: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
        let t = TimeZone::UTC.to_timestamp(t).map_err(|_| wrong())?;
        Ok(Self(t.as_millisecond()))
    }
}

/// `YYYY-MM-DD hh:mm:ss`, as reports have it in every row: without the general parser, which takes four times as long. None
/// for everything else, and for what may be no time.
fn plain(text: &[u8]) -> Option<Timestamp> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b' ', h0, h1, b':', n0, n1, b':', s0, s1] = *text else {
        return None;
    };
    let two = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    // The 29th and later depend on the month, the 60th second on the parser: rare enough for the long way.
    let sure = year >= 1970 && (1..=12).contains(&month) && (1..=28).contains(&day);
    if !sure || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970 of the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some(Timestamp::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) if self.0 % 1000 == 0 => write!(f, "{}", t.strftime("%Y-%m-%dT%H:%M:%SZ")),
            Ok(t) => write!(f, "{}", t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
            Err(_) if self.0 > 0 => f.write_str("further notice"),
            Err(_) => f.write_str("ever"),
        }
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }
    /// From seconds.
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000))
    }
    /// From minutes.
    pub const fn from_mins(m: i64) -> Self {
        Self(m.saturating_mul(60_000))
    }
    /// From hours.
    pub const fn from_hours(h: i64) -> Self {
        Self(h.saturating_mul(3_600_000))
    }
    /// From days of 24 hours.
    pub const fn from_days(d: i64) -> Self {
        Self(d.saturating_mul(86_400_000))
    }
    /// Milliseconds; negative for a span backwards.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// As the standard library's duration; a negative span is zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl FromStr for Span {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::NotASpan(text.chars().take(40).collect());
        let t = text.trim();
        let digits = t.len() - t.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = t.split_at(digits);
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let unit_ms = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(unit_ms).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        for (size, name) in units {
            if self.0 != 0 && self.0 % size == 0 {
                return write!(f, "{}{name}", self.0 / size);
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { write!(f, "{}ms", self.0) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A time that is written and read as RFC 3339, for people and their programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl From<Timestamp> for Moment {
    fn from(t: Timestamp) -> Self {
        Self(t)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = smol_str::SmolStr::deserialize(d)?;
        match text.as_str() {
            "further notice" => Ok(Self(Timestamp::MAX)),
            "ever" => Ok(Self(Timestamp::MIN)),
            text => Timestamp::parse(text).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadowserver_times_are_utc_and_rfc3339_keeps_its_zone() {
        let utc = Timestamp::parse("2026-02-15 14:19:09").unwrap();
        assert_eq!(utc, Timestamp::parse("2026-02-15T15:19:09+01:00").unwrap());
        assert_eq!(utc.to_string(), "2026-02-15T14:19:09Z");
        assert_eq!(Timestamp::parse(&utc.to_string()).unwrap(), utc);
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_agrees_with_the_parser(
            (year, month, day) in (1900i64..2200, 0u8..14, 0u8..33), (hour, minute, second) in (0u8..26, 0u8..62, 0u8..62)
        ) {
            let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            let parsed = text.parse::<jiff::civil::DateTime>().ok();
            let long = parsed.and_then(|t| TimeZone::UTC.to_timestamp(t).ok()).map(|t| t.as_millisecond());
            proptest::prop_assert_eq!(Timestamp::parse(&text).ok().map(Timestamp::as_millis), long, "{}", text);
        }
    }

    #[test]
    fn a_local_time_without_zone_is_refused() {
        for bad in ["2026-02-15T14:19:09", "15/02/2026 14:19", "", "now", "2026-02-15", "2026-13-15 14:19:09"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_are_written_as_they_are_read() {
        for text in ["500ms", "30s", "15m", "36h", "14d", "0s"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        for bad in ["", "d", "5", "-3d", "1w", "99999999999999999d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
