//! The open figures as a page: charts that are tables, too.

use askama::Template;
use fluent_bundle::FluentValue;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use pratique_core::time::Timestamp;

use super::frame::{Frame, rendered};
use super::{Pages, Wish};
use crate::answer::{self, Answer};
use crate::check::figures::{Count, Figures, JSON_PATH, PATH};
use crate::check::{self};
use crate::texts::Voice;
use crate::texts::keys::{self, Key};
use crate::visit;

/// Kinds on the page; the data have all.
const MOST_KINDS: usize = 12;

/// The chart of weeks, in units of its own: the highest bar, and the room of one bar.
const HIGH: u64 = 160;
const ROOM: usize = 50;

#[derive(Template)]
#[template(path = "figures.html")]
struct FiguresPage<'a> {
    v: Voice<'a>,
    frame: Frame<'a>,
    check_path: String,
    json_path: &'static str,
    /// None before they were counted for the first time.
    told: Option<Told>,
}

/// The figures in words.
struct Told {
    at: Option<String>,
    kinds_heading: String,
    kinds: Vec<Row>,
    weeks: Vec<Row>,
    width: usize,
    cases: Vec<String>,
    checks_heading: String,
    checks: Vec<String>,
}

/// A line of a table, with its bar.
struct Row {
    name: String,
    /// For below a bar, and for on top of it.
    short: String,
    mark: String,
    count: String,
    /// Of [`HIGH`], and of 100.
    bar: u64,
    percent: u64,
    x: usize,
    y: u64,
}

impl Pages {
    /// The page.
    pub(crate) fn figures(&self, figures: Option<&Figures>, wish: &Wish<'_>) -> Answer {
        let v = self.voice(wish);
        let page = FiguresPage {
            v,
            frame: self.frame(v, self.switches(v, PATH, None)),
            check_path: visit::address(check::PATH, [visit::language(wish.chosen)]),
            json_path: JSON_PATH,
            told: figures.map(|figures| self.told(v, figures)),
        };
        let mut answer = answer::page(rendered(&page), v.language().tag(), &self.csp);
        if figures.is_none() {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return answer;
        }
        may_be_kept(answer)
    }

    fn told(&self, v: Voice<'_>, figures: &Figures) -> Told {
        let most = |counts: &mut dyn Iterator<Item = Count>| counts.filter_map(Count::told).max().unwrap_or(0).max(1);
        let widest = most(&mut figures.kinds.lines.iter().map(|kind| kind.lines));
        let highest = most(&mut figures.weeks.iter().map(|week| week.lines));
        let kinds = figures.kinds.lines.iter().take(MOST_KINDS).map(|kind| {
            let text = |cause: &str, part: &str| v.named(&format!("{}{cause}-{part}", keys::CAUSE.prefix), &[]);
            let title = |cause: &str| text(cause, "counted").or_else(|| text(cause, "title"));
            let name = title(kind.cause.as_str()).or_else(|| title("generic")).unwrap_or_default();
            let bar = kind.lines.told().map_or(1, |n| n * 100 / widest);
            Row {
                short: String::new(),
                mark: String::new(),
                count: said(v, kind.lines),
                name,
                bar,
                percent: bar,
                x: 0,
                y: 0,
            }
        });
        let weeks = figures.weeks.iter().enumerate().map(|(i, week)| {
            // What is small but not nothing has a bar that can be seen.
            let bar = week.lines.told().map_or(3, |n| if n == 0 { 0 } else { (n * HIGH / highest).max(3) });
            Row {
                percent: bar * 100 / HIGH,
                name: self.day(v, week.from.0).unwrap_or_default(),
                short: self.short(v, week.from.0),
                mark: week.lines.told().map_or_else(|| v.say(keys::FIGURES_FEW_SHORT), |n| n.to_string()),
                count: said(v, week.lines),
                bar,
                x: i * ROOM,
                y: HIGH.saturating_sub(bar) + 20,
            }
        });
        let count = |key: Key, count: Count| v.say1(key, "count", said(v, count));
        let days = |key: Key, days: u32| v.say1(key, "days", days);
        let cases = &figures.cases;
        let until_clean = cases.until_clean.map(|tenths| {
            // Whole days, so that it stays true: decimals are written otherwise in each language.
            v.say1(keys::FIGURES_UNTIL_CLEAN, "days", tenths.div_ceil(10))
        });
        let checks = &figures.self_checks;
        let share = checks.clean_percent().map(|percent| v.say1(keys::FIGURES_CHECKS_SHARE, "percent", percent));
        Told {
            at: self.time(v, figures.generated_at.0),
            kinds_heading: days(keys::FIGURES_KINDS_HEADING, figures.kinds.days),
            kinds: kinds.collect(),
            width: figures.weeks.len().max(1) * ROOM,
            weeks: weeks.collect(),
            cases: [
                Some(count(keys::FIGURES_OPENED, cases.opened)),
                Some(count(keys::FIGURES_RELEASED, cases.released)),
                until_clean,
            ]
            .into_iter()
            .flatten()
            .collect(),
            checks_heading: days(keys::FIGURES_CHECKS_HEADING, checks.days),
            checks: [
                Some(count(keys::FIGURES_CHECKS_CLEAN, checks.clean)),
                Some(count(keys::FIGURES_CHECKS_OPEN, checks.vulnerable)),
                Some(count(keys::FIGURES_CHECKS_UNSURE, checks.inconclusive)),
                share,
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    /// Day and month, for below a bar. Weeks are those of UTC, so a Monday is not the Sunday before it elsewhere.
    fn short(&self, v: Voice<'_>, t: Timestamp) -> String {
        let Ok(t) = jiff::Timestamp::from_millisecond(t.as_millis()) else { return String::new() };
        let z = jiff::tz::TimeZone::UTC.to_datetime(t);
        v.with(keys::FIGURES_WEEK, &[("day", FluentValue::from(z.day())), ("month", FluentValue::from(z.month()))])
    }
}

/// For programs.
pub(crate) fn data(figures: Option<&Figures>) -> Answer {
    let body = figures.and_then(|figures| serde_json::to_vec(figures).ok());
    match body {
        Some(body) => may_be_kept(answer::plain(StatusCode::OK, "application/json", body.into())),
        None => answer::empty(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// The same for everybody, for some minutes.
fn may_be_kept(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}

fn said(v: Voice<'_>, count: Count) -> String {
    match count {
        Count::Exactly(number) => number.to_string(),
        Count::Few => v.say(keys::FIGURES_FEW),
    }
}
