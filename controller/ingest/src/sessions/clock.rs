//! Times in session lists. A list that tells local times as UTC moves every tenure by hours, and a row of a report then
//! names the line that held the address before or after: so a zone is declared, for the list or for its source, and what
//! cannot be right is said.
//!
//! Of the hour that the clock goes through twice in autumn only what is certain is claimed: a start counts from its second
//! pass, an end from its first. A session that lies wholly within it is known to have been, and nothing is attributed to it.

use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use pratique_core::text::printable;
use pratique_core::time::{Span, Timestamp};
use pratique_policy::zone::{Zone, offset};

/// A session may begin so far ahead of our clock: NASes run NTP. One that begins later is nobody's yet, and would wall the
/// wrong line.
pub(super) const CLOCKS_APART: Span = Span::from_mins(5);

/// The zone furthest east is 14 hours ahead of UTC: what lies further ahead is no local time.
const FURTHEST_EAST: Span = Span::from_hours(14);
/// And 12 hours behind.
const FURTHEST_WEST: Span = Span::from_hours(12);

/// Offsets of zones are whole numbers of these (and some of quarters, which are left out: half as many false alarms).
const STEP: Span = Span::from_mins(30);
/// So long before the list its newest session may have begun, and lie by a zone's offset behind it.
const FRESH: Span = Span::from_mins(6);
/// Of fewer sessions that last none may have begun for a while.
const MANY: u64 = 50;

/// When something was, as a cell says it: one moment, or one of two in the hour that the clock goes through twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) earlier: Timestamp,
    pub(super) later: Timestamp,
}

/// Why a cell is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoTime(pub(super) String);

/// Reads the times of one list, and notes what is odd about all of them.
#[derive(Debug)]
pub(super) struct Clock {
    zone: Option<Zone>,
    pub(super) now: Timestamp,
    /// Times with a zone of their own.
    zoned: u64,
    /// Times without.
    bare: u64,
    /// Times in the hour that comes twice.
    twice: u64,
    /// Rows that begin ahead of our clock, by no more than a zone can be.
    ahead: u64,
    /// The end furthest ahead of our clock.
    furthest_end: Option<Timestamp>,
    /// Sessions that last.
    live: u64,
    /// The newest start or end.
    newest: Timestamp,
}

impl Clock {
    pub(super) const fn new(zone: Option<Zone>, now: Timestamp) -> Self {
        Self { zone, now, zoned: 0, bare: 0, twice: 0, ahead: 0, furthest_end: None, live: 0, newest: Timestamp::MIN }
    }

    /// A cell's time.
    pub(super) fn read(&mut self, text: &str) -> Result<Moment, NoTime> {
        let one = |at| Moment { earlier: at, later: at };
        if let Some(at) = epoch(text) {
            self.zoned += 1;
            return Ok(one(at));
        }
        let Some((wall, rest)) = Wall::read(text) else { return Err(wrong(text)) };
        let zone = rest.trim_start();
        if !zone.is_empty() {
            let Some(seconds) = offset(zone) else { return Err(named_zone(text, zone)) };
            self.zoned += 1;
            return Ok(one(wall.utc().minus(Span::from_secs(seconds))));
        }
        self.bare += 1;
        match &self.zone {
            None if wall.iso => Err(NoTime(format!(
                "`{}` has no zone: write Z or +01:00 behind it, or say --time-zone",
                printable(text.as_bytes(), 40)
            ))),
            None => Ok(one(wall.utc())),
            Some(zone) => {
                let moment = wall.within(zone)?;
                self.twice += u64::from(moment.earlier != moment.later);
                Ok(moment)
            }
        }
    }

    /// From and to of a session: what is certain of them. None for the end while it lasts.
    pub(super) fn session(
        &mut self,
        from: Moment,
        to: Option<Moment>,
    ) -> Result<(Timestamp, Option<Timestamp>), Impossible> {
        let latest = self.now.plus(CLOCKS_APART);
        // The pass that has not been yet is not meant.
        let from = Moment { later: if from.later > latest { from.earlier } else { from.later }, ..from };
        if from.earlier > latest {
            self.ahead += u64::from(from.earlier <= latest.plus(FURTHEST_EAST));
            return Err(Impossible::Future(from.earlier));
        }
        self.newest = self.newest.max(from.later);
        let Some(to) = to else {
            self.live += 1;
            return Ok((from.later, None));
        };
        if to.later > self.now.plus(CLOCKS_APART) {
            self.furthest_end = self.furthest_end.max(Some(to.later));
        } else {
            self.newest = self.newest.max(to.later);
        }
        let passes =
            [(from.earlier, to.earlier), (from.earlier, to.later), (from.later, to.earlier), (from.later, to.later)];
        let possible = || passes.iter().filter(|(from, to)| from < to);
        let (Some(start), Some(end)) = (possible().map(|p| p.0).max(), possible().map(|p| p.1).min()) else {
            return Err(Impossible::Order);
        };
        // Ended it has in any case.
        Ok((start, Some(if end > start { end } else { start.plus(Span::from_millis(1)) })))
    }

    /// What is odd about the times of the list as a whole, each in words with what to do.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut said = Vec::new();
        let declared = match &self.zone {
            None => {
                "are these local times? Say --time-zone, or declare the zone of this source in policy.yaml".to_owned()
            }
            Some(zone) => format!("is {zone} the right zone?"),
        };
        if self.bare > 0 && self.zone.is_none() {
            let mixed = if self.zoned > 0 { " (others have one)" } else { "" };
            said.push(format!(
                "{} no zone{mixed}, taken as UTC. Local times would name the wrong lines: say --time-zone, as Europe/Amsterdam \
                 or UTC, or declare it for this source in policy.yaml",
                counted(self.bare, "time has", "times have")
            ));
        }
        if self.bare == 0 {
            return said;
        }
        if self.ahead > 0 {
            let begin = counted(self.ahead, "row begins", "rows begin");
            said.push(format!("{begin} in the future, by no more than a zone's offset: {declared}"));
        }
        if let Some(end) = self.furthest_end.filter(|end| *end <= self.now.plus(FURTHEST_EAST)) {
            let ahead = hours(end.since(self.now));
            said.push(format!(
                "the latest end lies {ahead} in the future: right if these are leases; otherwise {declared}"
            ));
        }
        if let Some(behind) = self.behind() {
            said.push(format!(
                "{} sessions last, but the newest start or end lies {} before this list, which is about the offset of a zone west of \
                 UTC: {declared}",
                self.live,
                hours(behind)
            ));
        }
        if self.twice > 0 {
            said.push(format!(
                "{} in the hour that the clock goes through twice: only what is certain is attributed",
                counted(self.twice, "time lies", "times lie")
            ));
        }
        said
    }

    /// How far the newest start or end lies behind the list, if that looks like the offset of a zone.
    fn behind(&self) -> Option<Span> {
        let behind = self.now.since(self.newest);
        let (step, fresh) = (STEP.as_millis(), FRESH.as_millis());
        let is_offset = behind >= STEP
            && behind <= Span::from_millis(FURTHEST_WEST.as_millis() + fresh)
            && behind.as_millis() % step <= fresh;
        (self.live >= MANY && is_offset).then_some(behind)
    }
}

/// Why a session cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Impossible {
    /// It begins ahead of our clock.
    Future(Timestamp),
    /// It ends before it begins.
    Order,
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `5 h 02 min`.
fn hours(span: Span) -> String {
    let minutes = span.as_millis() / 60_000;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// Date and time of day as they are written.
#[derive(Clone, Copy, Debug)]
struct Wall {
    /// Days since 1970-01-01.
    date: (i16, i8, i8),
    /// Milliseconds of the day.
    day_ms: i64,
    /// With a `T`, as ISO 8601 has it.
    iso: bool,
}

impl Wall {
    /// Reads `YYYY-MM-DD hh:mm[:ss[.fraction]]`, with a space or a `T` between; and what is left.
    fn read(text: &str) -> Option<(Self, &str)> {
        let bytes = text.as_bytes();
        let number = |at: usize, digits: usize| {
            let cell = bytes.get(at..at + digits)?;
            cell.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
        };
        let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute) = (number(11, 2)?, number(14, 2)?);
        let iso = is(10, b'T') || is(10, b't');
        if !(is(4, b'-') && is(7, b'-') && is(13, b':') && (iso || is(10, b' '))) {
            return None;
        }
        let (mut second, mut ms, mut end) = (0, 0, 16);
        if is(16, b':') {
            (second, end) = (number(17, 2)?, 19);
            if is(19, b'.') || is(19, b',') {
                let digits = bytes.get(20..)?.iter().take_while(|b| b.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                let first = digits.min(3);
                ms = number(20, first)? * [1_000, 100, 10, 1].get(first).copied().unwrap_or(1);
                end = 20 + digits;
            }
        }
        let date = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let month_days = [
            31,
            if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 29 } else { 28 },
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        let days = usize::try_from(month).ok().and_then(|m| month_days.get(m.wrapping_sub(1)))?;
        if !(1..=*days).contains(&day) || hour > 23 || minute > 59 || second > 59 || year < 1970 {
            return None;
        }
        let wall = Self { date, day_ms: ((hour * 60 + minute) * 60 + second) * 1_000 + ms, iso };
        Some((wall, text.get(end..)?))
    }

    /// Taken as UTC.
    fn utc(self) -> Timestamp {
        let (year, month, day) = (i64::from(self.date.0), i64::from(self.date.1), i64::from(self.date.2));
        // Days from the civil calendar (Howard Hinnant), with years that begin in March.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * month + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        Timestamp::from_millis(days * 86_400_000 + self.day_ms)
    }

    /// By the clocks of a zone.
    fn within(self, zone: &Zone) -> Result<Moment, NoTime> {
        let by = |offset: jiff::tz::Offset| self.utc().minus(Span::from_secs(offset.seconds().into()));
        let (year, month, day) = self.date;
        let of_day = self.day_ms / 1_000;
        let part = |n: i64| i8::try_from(n).unwrap_or(0);
        let wall = DateTime::new(year, month, day, part(of_day / 3_600), part(of_day / 60 % 60), part(of_day % 60), 0);
        let wall = wall.map_err(|e| NoTime(e.to_string()))?;
        match zone.tz().to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => Ok(Moment { earlier: by(offset), later: by(offset) }),
            AmbiguousOffset::Fold { before, after } => {
                let (a, b) = (by(before), by(after));
                Ok(Moment { earlier: a.min(b), later: a.max(b) })
            }
            AmbiguousOffset::Gap { .. } => Err(NoTime(format!(
                "`{}` never was in {zone}: the clock went past this hour; is the zone right?",
                wall.strftime("%F %T")
            ))),
        }
    }
}

/// Seconds since 1970, with a fraction or without, as `1771142400`; or milliseconds, as `1771142400000`.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let ms: String = fraction.chars().chain("000".chars()).take(3).collect();
    match whole.len() {
        9 | 10 => Some(Timestamp::from_millis(whole.parse::<i64>().ok()? * 1_000 + ms.parse::<i64>().ok()?)),
        13 if fraction.is_empty() => whole.parse().ok().map(Timestamp::from_millis),
        _ => None,
    }
}

fn wrong(text: &str) -> NoTime {
    NoTime(format!(
        "`{}` is not a time; write it as 2026-02-15 14:19:09, with the zone behind it if it is not UTC, as +01:00",
        printable(text.as_bytes(), 40)
    ))
}

fn named_zone(text: &str, zone: &str) -> NoTime {
    let is_name = zone.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[' || c == '(');
    if !is_name {
        return wrong(text);
    }
    let zone = printable(zone.trim_matches(['[', ']', '(', ')']).as_bytes(), 40);
    NoTime(format!(
        "`{zone}` is the name of a zone, and names are not read in a cell: say --time-zone with the zone of the list and leave it \
         out here, or write the offset, as +01:00"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn clock(zone: Option<&str>, now: &str) -> Clock {
        Clock::new(zone.map(|z| Zone::named(z).unwrap()), at(now))
    }

    fn read(zone: Option<&str>, text: &str) -> Result<String, String> {
        let moment = clock(zone, "2026-11-28 12:00:00").read(text).map_err(|e| e.0)?;
        Ok(if moment.earlier == moment.later {
            moment.earlier.to_string()
        } else {
            format!("{} or {}", moment.earlier, moment.later)
        })
    }

    #[test]
    fn zones_are_read_as_databases_print_them() {
        for text in [
            "2026-11-28 09:30:10+01",
            "2026-11-28 09:30:10+01:00",
            "2026-11-28 09:30:10+0100",
            "2026-11-28 09:30:10 +0100",
            "2026-11-28T09:30:10+01:00",
            "2026-11-28T09:30:10.000+01:00",
            "2026-11-28 08:30:10",
            "2026-11-28 08:30:10Z",
            "2026-11-28 08:30:10 UTC",
            "2026-11-28 14:00:10+05:30",
            "2026-11-28 03:30:10-05",
            "1795854610",
            "1795854610000",
        ] {
            assert_eq!(read(None, text).as_deref(), Ok("2026-11-28T08:30:10Z"), "{text}");
        }
        assert_eq!(read(None, "2026-11-28 08:30:10.123456+00").as_deref(), Ok("2026-11-28T08:30:10.123Z"));
        assert_eq!(read(None, "1795854610.5").as_deref(), Ok("2026-11-28T08:30:10.500Z"));
        assert_eq!(read(None, "2026-11-28 08:30").as_deref(), Ok("2026-11-28T08:30:00Z"));
    }

    #[test]
    fn a_declared_zone_is_for_times_without_one_and_knows_its_summers() {
        let read = |text| read(Some("Europe/Amsterdam"), text);
        assert_eq!(read("2026-11-28 09:30:10").as_deref(), Ok("2026-11-28T08:30:10Z"));
        assert_eq!(read("2026-07-28T09:30:10").as_deref(), Ok("2026-07-28T07:30:10Z"));
        assert_eq!(read("2026-07-28 09:30:10+05").as_deref(), Ok("2026-07-28T04:30:10Z"));
        assert_eq!(read("2026-10-25 02:30:00").as_deref(), Ok("2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z"));
        let gap = read("2026-03-29 02:30:00").unwrap_err();
        assert!(gap.contains("never was in Europe/Amsterdam"), "{gap}");
    }

    #[test]
    fn names_of_zones_and_what_is_no_time_are_refused_with_what_to_do() {
        for (text, part) in [
            ("2026-11-28 09:30:10 CET", "`CET` is the name of a zone"),
            ("2026-11-28 09:30:10 Europe/Amsterdam", "say --time-zone"),
            ("2026-11-28T09:30:10[Europe/Amsterdam]", "`Europe/Amsterdam` is the name of a zone"),
            ("2026-11-28T09:30:10", "has no zone: write Z or +01:00 behind it, or say --time-zone"),
            ("28/11/2026 09:30", "is not a time"),
            ("2026-11-28", "is not a time"),
            ("2026-02-30 08:00:00", "is not a time"),
            ("0000-00-00 00:00:00", "is not a time"),
            ("2026-11-28 24:00:00", "is not a time"),
            ("2026-11-28 09:30:10+1:00", "is not a time"),
            ("12345", "is not a time"),
        ] {
            let said = read(None, text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        for (name, part) in [("Europe/Amsterdm", "did you mean `Europe/Amsterdam`?"), ("+25:00", "no time zone")] {
            let said = Zone::named(name).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
        for name in ["CET", "UTC", "utc", "+01:00", "-0330", "America/St_Johns", "Asia/Tokyo"] {
            assert!(Zone::named(name).is_ok(), "{name}");
        }
    }

    fn session(from: &str, to: Option<&str>, now: &str) -> Result<(String, Option<String>), Impossible> {
        let mut clock = clock(Some("Europe/Amsterdam"), now);
        let (from, to) = (clock.read(from).unwrap(), to.map(|to| clock.read(to).unwrap()));
        clock.session(from, to).map(|(from, to)| (from.to_string(), to.map(|t| t.to_string())))
    }

    #[test]
    fn in_the_hour_that_comes_twice_only_what_is_certain_is_claimed() {
        let day = |t: &str| format!("2026-10-25T{t}Z");
        let told = |from: &str, to: Option<&str>| {
            let on = |t: &str| format!("2026-10-25 {t}");
            session(&on(from), to.map(on).as_deref(), "2026-10-26 12:00:00")
        };
        assert_eq!(
            told("01:00:00", Some("02:30:00")),
            Ok((day("00:00:00").replace("25T00", "24T23"), Some(day("00:30:00"))))
        );
        assert_eq!(told("02:30:00", Some("04:00:00")), Ok((day("01:30:00"), Some(day("03:00:00")))));
        assert_eq!(told("02:30:00", None), Ok((day("01:30:00"), None)));
        assert_eq!(told("02:10:00", Some("02:40:00")), Ok((day("01:10:00"), Some("2026-10-25T01:10:00.001Z".into()))));
        assert_eq!(told("02:40:00", Some("02:10:00")), Ok((day("00:40:00"), Some(day("01:10:00")))));
        // The second pass has not been yet.
        assert_eq!(session("2026-10-25 02:30:00", None, "2026-10-25 00:35:00"), Ok((day("00:30:00"), None)));
        assert_eq!(told("03:30:00", Some("03:10:00")), Err(Impossible::Order));
    }

    fn said(zone: Option<&str>, rows: &[(i64, Option<i64>)], times: u64) -> Vec<String> {
        let now = at("2026-11-28 12:00:00");
        let mut clock = Clock::new(zone.map(|z| Zone::named(z).unwrap()), now);
        for (from, to) in rows.iter().cycle().take(usize::try_from(times).unwrap()) {
            let moment = |min: i64| {
                let at = now.plus(Span::from_mins(min));
                Moment { earlier: at, later: at }
            };
            clock.bare += 1;
            let _refused = clock.session(moment(*from), to.map(moment)).is_err();
        }
        clock.warnings()
    }

    #[test]
    fn times_that_cannot_be_right_in_either_direction_are_said() {
        let has = |said: &[String], part: &str| said.iter().any(|s| s.contains(part));
        let plain = said(None, &[(-1, None)], 100);
        assert!(plain.len() == 1 && has(&plain, "100 times have no zone, taken as UTC"), "{plain:?}");
        assert!(said(Some("UTC"), &[(-1, None)], 100).is_empty());
        let east = said(None, &[(50, None), (-1, None)], 100);
        assert!(has(&east, "50 rows begin in the future") && has(&east, "are these local times?"), "{east:?}");
        let ends = said(Some("Europe/Amsterdam"), &[(-100, Some(50))], 1);
        assert!(
            has(&ends, "0 h 50 min in the future") && has(&ends, "is Europe/Amsterdam the right zone?"),
            "{ends:?}"
        );
        let west = said(None, &[(-302, None), (-900, None)], 100);
        assert!(has(&west, "lies 5 h 02 min before this list"), "{west:?}");
        assert!(!has(&said(None, &[(-302, None)], 10), "before this list"), "too few to say");
        assert!(!has(&said(None, &[(-317, None)], 100), "before this list"), "no zone is 5 h 17 min off");
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_jiff_reads(ms in 0i64..4_000_000_000_000) {
            let moment = Timestamp::from_millis(ms);
            let text = jiff::Timestamp::from_millisecond(ms).unwrap().strftime("%F %T%.3f").to_string();
            prop_assert_eq!(clock(None, "2026-11-28 12:00:00").read(&text).unwrap().earlier, moment);
        }

        /// Whatever was really meant by two local times, what is claimed was held then.
        #[test]
        fn nothing_is_claimed_that_may_not_have_been(from in 0i64..300, length in 1i64..300) {
            let midnight = at("2026-10-25 00:00:00").minus(Span::from_hours(1));
            let (from, to) = (midnight.plus(Span::from_mins(from)), midnight.plus(Span::from_mins(from + length)));
            let zone = TimeZone::get("Europe/Amsterdam").unwrap();
            let local = |at: Timestamp| {
                let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap();
                zone.to_datetime(at).strftime("%F %T").to_string()
            };
            let mut clock = clock(Some("Europe/Amsterdam"), "2026-11-28 12:00:00");
            let (a, b) = (clock.read(&local(from)).unwrap(), clock.read(&local(to)).unwrap());
            // A session of exactly an hour over the change has no length by the clock on the wall: it is refused.
            if let Ok((start, Some(end))) = clock.session(a, Some(b)) {
                let empty = end == start.plus(Span::from_millis(1));
                prop_assert!(empty || (start >= from && end <= to), "{start} {end} of {from} {to}");
            }
        }
    }
}
