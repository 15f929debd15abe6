//! Times as people read them: on their own clock, with UTC beside it, because reports, logs and other providers speak UTC.
//! JSON is for programs and has UTC alone.
//!
//! A process has one zone: the command line that of its terminal, the daemon that of the provider's pages.

use std::sync::OnceLock;

use jiff::tz::TimeZone;
use pratique_core::time::Timestamp;

static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Has this process show times in a zone; the first one that is set stays.
pub fn show_in(zone: TimeZone) {
    let _the_first_stays = ZONE.set(zone);
}

/// A time in the zone of this process: `2026-02-16 01:00 CET (00:00 UTC)`.
pub fn shown(t: Timestamp) -> String {
    in_zone(t, ZONE.get().unwrap_or(&TimeZone::UTC))
}

/// A sentence of ours in which times are written as in JSON (`2026-02-16T00:00:00Z`), with each of them as [`shown`].
pub fn sentence(text: &str) -> String {
    sentence_in(text, ZONE.get().unwrap_or(&TimeZone::UTC))
}

fn in_zone(t: Timestamp, zone: &TimeZone) -> String {
    // "ever" and "further notice".
    let Ok(moment) = jiff::Timestamp::from_millisecond(t.as_millis()) else { return t.to_string() };
    if [Timestamp::MIN, Timestamp::MAX].contains(&t) {
        return t.to_string();
    }
    let utc = moment.to_zoned_datetime(TimeZone::UTC);
    let local = moment.to_zoned_datetime(zone.clone());
    if local.offset() == utc.offset() {
        return utc.strftime("%Y-%m-%d %H:%M UTC").to_string();
    }
    let beside = if local.date() == utc.date() { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" };
    format!("{} ({})", local.strftime("%Y-%m-%d %H:%M %Z"), utc.strftime(beside))
}

fn sentence_in(text: &str, zone: &TimeZone) -> String {
    let mut said = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, time, after)) = next_time(rest) {
        said.push_str(before);
        said.push_str(&in_zone(time, zone));
        rest = after;
    }
    said.push_str(rest);
    said
}

/// `2026-02-16T00:00:00`, then `Z` or a fraction and `Z`.
const DIGITS: &[u8] = b"dddd-dd-ddTdd:dd:dd";

fn next_time(text: &str) -> Option<(&str, Timestamp, &str)> {
    let bytes = text.as_bytes();
    let fits = |part: &[u8]| {
        part.iter().zip(DIGITS).all(|(b, form)| if *form == b'd' { b.is_ascii_digit() } else { b == form })
    };
    (0..bytes.len().saturating_sub(DIGITS.len())).find_map(|start| {
        let form = bytes.get(start..start + DIGITS.len())?;
        let tail = text.get(start + DIGITS.len()..)?;
        let fraction = tail.bytes().take_while(|b| *b == b'.' || b.is_ascii_digit()).count();
        let end = start + DIGITS.len() + fraction;
        if !fits(form) || bytes.get(end) != Some(&b'Z') {
            return None;
        }
        let time = Timestamp::parse(text.get(start..=end)?).ok()?;
        Some((text.get(..start)?, time, text.get(end + 1..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn a_time_is_local_with_utc_beside_it_and_the_date_where_it_differs() {
        let t = Timestamp::parse("2026-02-16T23:30:00Z").unwrap();
        assert_eq!(in_zone(t, &TimeZone::UTC), "2026-02-16 23:30 UTC");
        assert_eq!(in_zone(t, &zone("Europe/Amsterdam")), "2026-02-17 00:30 CET (2026-02-16 23:30 UTC)");
        assert_eq!(in_zone(t, &zone("America/New_York")), "2026-02-16 18:30 EST (23:30 UTC)");
        let summer = Timestamp::parse("2026-07-16T12:00:00Z").unwrap();
        assert_eq!(in_zone(summer, &zone("Europe/Amsterdam")), "2026-07-16 14:00 CEST (12:00 UTC)");
        assert_eq!(in_zone(Timestamp::MAX, &zone("Asia/Tokyo")), "further notice");
    }

    #[test]
    fn times_in_a_sentence_are_local_and_everything_else_stays() {
        let said = |text: &str| sentence_in(text, &zone("Asia/Tokyo"));
        assert_eq!(
            said("quarantined until 2026-03-18T00:00:00Z at the latest, seen 2026-02-16T01:02:03.250Z"),
            "quarantined until 2026-03-18 09:00 JST (00:00 UTC) at the latest, seen 2026-02-16 10:02 JST (01:02 UTC)"
        );
        for text in ["", "2026-02-16", "2026-13-45T00:00:00Z is none", "名 2026-02-16T00:00:00", "until further notice"]
        {
            assert_eq!(said(text), text);
        }
    }
}
