//! What several pages say in the same words: causes and their steps, what a check found, and times.

use fluent_bundle::FluentValue;
use jiff::civil::DateTime;
use pratique_core::ids::CauseKey;
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CaseCard, CauseCard, CheckCard};
use smol_str::SmolStr;

use super::Pages;
use crate::devices::Device;
use crate::texts::Voice;
use crate::texts::keys::{self, Key};
use crate::{MAX_STEPS, StepId, Ticked};

/// More causes than this are not shown at once: nobody could follow them, and the page stays below 30 KB.
pub(super) const MAX_CAUSES: usize = 8;

/// More findings than this are not shown.
const MAX_FINDINGS: usize = 16;

/// Characters of a device's name, which comes from a report and so from strangers.
pub(super) const MAX_DEVICE: usize = 60;

/// One cause in words.
pub(super) struct Cause {
    pub(super) title: String,
    pub(super) means: String,
    pub(super) seen: String,
    pub(super) steps: Vec<Step>,
    pub(super) note: Option<String>,
}

impl Cause {
    /// The steps where there is no button: the last one of each cause is the button of a case's page.
    pub(super) fn steps_to_do(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.ticks)
    }
}

/// Which device it is, said once for all causes: two boxes that each say "look for this one first" cannot both be right.
pub(super) struct Which {
    /// In front of the names; alone where no report names one.
    pub(super) text: String,
    /// As the reports name them, that of the newest first.
    pub(super) names: Vec<String>,
    /// What kind of device to look for, where all that were named are of one kind.
    pub(super) kind: Option<String>,
    /// That kind, for the steps.
    device: Option<Device>,
}

/// One step: what to do, then how or why.
pub(super) struct Step {
    pub(super) id: String,
    pub(super) lead: String,
    pub(super) rest: String,
    pub(super) done: bool,
    /// The last one of each cause is the button below.
    pub(super) ticks: bool,
}

/// What one probe found.
pub(super) struct Finding {
    pub(super) class: &'static str,
    pub(super) mark: String,
    /// What was looked at, and what it was like.
    pub(super) said: String,
}

impl Pages {
    /// Causes with their steps, those of `ticked` being done, and which device it is.
    pub(super) fn causes(&self, v: Voice<'_>, cards: &[CauseCard], ticked: &Ticked) -> (Vec<Cause>, Which) {
        let which = self.which(v, cards);
        let causes = cards.iter().take(MAX_CAUSES).map(|card| self.cause(v, card, which.device, ticked)).collect();
        (causes, which)
    }

    /// Which device the reports name.
    pub(super) fn which(&self, v: Voice<'_>, cards: &[CauseCard]) -> Which {
        let mut named: Vec<(&CauseCard, String)> = Vec::new();
        let mut newest_first: Vec<&CauseCard> = cards.iter().take(MAX_CAUSES).collect();
        newest_first.sort_by_key(|card| std::cmp::Reverse(card.last_seen));
        for card in newest_first {
            let Some(name) = card.device.as_deref().and_then(clean_name) else { continue };
            match named.iter_mut().find(|(_, known)| is_same_device(known, &name)) {
                // The longer name says more of the same device.
                Some((_, known)) if known.chars().count() < name.chars().count() => *known = name,
                Some(_) => {}
                None => named.push((card, name)),
            }
        }
        let kinds: Vec<_> = named.iter().map(|(_, name)| Device::named_in(name)).collect();
        let device = kinds.first().copied().flatten().filter(|kind| kinds.iter().all(|other| *other == Some(*kind)));
        let kind = device.and_then(|device| v.named(&format!("{}{}-name", keys::DEVICE.prefix, device.name()), &[]));
        Which {
            text: v.say(match named.len() {
                0 => keys::SEEN_DEVICE_UNKNOWN,
                1 if cards.iter().take(MAX_CAUSES).any(|card| card.device.is_none()) => keys::SEEN_DEVICE_SOME,
                1 => keys::SEEN_DEVICE,
                _ => keys::SEEN_DEVICES,
            }),
            kind: kind.map(|name| v.say1(keys::SEEN_KIND, "device", name)),
            names: named.into_iter().map(|(_, name)| name).collect(),
            device,
        }
    }

    /// A cause, with the steps that are ticked; `device` is what kind of device all reports name.
    fn cause(&self, v: Voice<'_>, card: &CauseCard, device: Option<Device>, ticked: &Ticked) -> Cause {
        let text = |cause: &str, part: &str| v.named(&format!("{}{cause}-{part}", keys::CAUSE.prefix), &[]);
        // A provider's own cause without texts still gets advice that is never wrong.
        let cause = Some(card.cause.as_str()).filter(|c| text(c, "title").is_some()).unwrap_or("generic");
        // Where this cause's own report names no device, another's may be about another one.
        let device = device.filter(|_| card.device.as_deref().is_some_and(|name| Device::named_in(name).is_some()));
        let first = self.time(v, card.first_seen).unwrap_or_default();
        let last = self.time(v, card.last_seen).unwrap_or_default();
        let seen = if card.count <= 1 || first == last {
            v.say1(keys::SEEN_ONCE, "first", last)
        } else {
            v.with(
                keys::SEEN_OFTEN,
                &[
                    ("first", FluentValue::from(first)),
                    ("last", FluentValue::from(last)),
                    ("count", FluentValue::from(card.count)),
                ],
            )
        };
        Cause {
            title: text(cause, "title").unwrap_or_default(),
            means: text(cause, "means").unwrap_or_default(),
            note: text(cause, "note"),
            seen,
            steps: steps(v.steps(cause, device), &card.cause, ticked),
        }
    }

    /// What each probe found; `open` stands in front of what is open.
    pub(super) fn findings(&self, v: Voice<'_>, card: &CheckCard, open: Key) -> Vec<Finding> {
        let finding = |(probe, verdict, found): &(SmolStr, Verdict, SmolStr)| {
            let (mark, other) = match verdict {
                Verdict::Clean => (keys::FINDING_MARK_CLEAN, keys::FINDING_CLEAN),
                Verdict::Vulnerable => (open, keys::FINDING_VULNERABLE),
                Verdict::Inconclusive => (keys::FINDING_MARK_INCONCLUSIVE, keys::FINDING_INCONCLUSIVE),
            };
            let (name, port) = probe.split_once(':').unwrap_or((probe, ""));
            let port = [("port", FluentValue::from(port))];
            let probe = v.named(&format!("{}{name}", keys::PROBE.prefix), &port);
            let probe = probe.unwrap_or_else(|| v.with(keys::FINDING_PROBE, &port));
            let found = v.named(&format!("{}{found}", keys::FOUND.prefix), &[]).unwrap_or_else(|| v.say(other));
            let said = v.with(keys::FINDING, &[("probe", probe.into()), ("found", found.into())]);
            Finding { class: class_of(*verdict), mark: v.say(mark), said }
        };
        card.found.iter().take(MAX_FINDINGS).map(finding).collect()
    }

    /// A point in time where the provider is; none beyond the calendar.
    pub(super) fn time(&self, v: Voice<'_>, t: Timestamp) -> Option<String> {
        self.calendar(t).map(|z| {
            let mut args = day_args(z).to_vec();
            args.push(("clock", FluentValue::from(z.strftime("%H:%M").to_string())));
            v.with(keys::TIME, &args)
        })
    }

    /// A day where the provider is; none beyond the calendar.
    pub(super) fn day(&self, v: Voice<'_>, t: Timestamp) -> Option<String> {
        self.calendar(t).map(|z| v.with(keys::DAY, &day_args(z)))
    }

    /// How long something lasts, rounded up.
    pub(super) fn lasts(&self, v: Voice<'_>, span: Span) -> String {
        let minutes = span.as_millis().max(1).unsigned_abs().div_ceil(60_000);
        let (key, count) = match minutes {
            0..60 => (keys::MINUTES, minutes),
            60..2_880 => (keys::HOURS, minutes.div_ceil(60)),
            _ => (keys::DAYS, minutes.div_ceil(1_440)),
        };
        v.say1(key, "count", count)
    }

    /// A time to come, as people speak of it: today, tomorrow, or on a day. Rounded up to [`ROUND_TO`], so that nobody is told
    /// a time that is too early; none beyond the calendar.
    pub(super) fn when(&self, v: Voice<'_>, t: Timestamp, now: Timestamp) -> Option<String> {
        let step = ROUND_TO.as_millis();
        let up = t.as_millis().checked_add(step - 1)?.div_euclid(step).checked_mul(step)?;
        let (z, today) = (self.calendar(Timestamp::from_millis(up))?, self.calendar(now)?);
        let days = today.date().until(z.date()).ok()?.get_days();
        let mut args = day_args(z).to_vec();
        args.push(("in", FluentValue::from(days)));
        args.push(("clock", FluentValue::from(z.strftime("%H:%M").to_string())));
        Some(v.with(keys::WHEN, &args))
    }

    /// When the line is free again, in one sentence: the only one that says it, wherever it stands.
    pub(super) fn freed(&self, v: Voice<'_>, card: &CaseCard, now: Timestamp) -> String {
        let Some(at) = card.freed.earliest else { return v.say(keys::FREED_UNKNOWN) };
        let when = self.when(v, at.max(now), now);
        match when {
            // The time is over, and what is missing has no time.
            _ if card.freed.awaits_report && at <= now => v.say(keys::FREED_WITH_REPORT),
            Some(when) if card.freed.awaits_report => v.say1(keys::FREED_NOT_BEFORE, "when", when),
            Some(when) if at == card.until => v.say1(keys::FREED_END, "when", when),
            Some(when) => v.say1(keys::FREED_AT, "when", when),
            None => v.say(keys::FREED_UNKNOWN),
        }
    }

    /// A time of today where the provider is.
    pub(super) fn clock(&self, t: Timestamp) -> String {
        self.calendar(t).map(|z| z.strftime("%H:%M").to_string()).unwrap_or_default()
    }

    /// From when on the next check can be asked for, in hours and minutes; none for at once. A minute that has begun counts
    /// as the next, so that nobody presses in vain.
    pub(super) fn again_from(&self, again: Option<Timestamp>, now: Timestamp) -> Option<Again> {
        let at = again.filter(|at| *at > now)?;
        let seconds = at.since(now).as_millis().unsigned_abs().div_ceil(1_000) + 1;
        let minute = Timestamp::from_millis(at.as_millis().saturating_add(59_999).div_euclid(60_000) * 60_000);
        Some(Again { clock: self.clock(minute), seconds })
    }

    pub(super) fn calendar(&self, t: Timestamp) -> Option<DateTime> {
        jiff::Timestamp::from_millisecond(t.as_millis()).ok().map(|t| self.zone.to_datetime(t))
    }
}

/// When the next check can be asked for.
pub(super) struct Again {
    /// The time of day.
    pub(super) clock: String,
    /// Seconds until then: the page looks again.
    pub(super) seconds: u64,
}

/// Times of release are given to this: what follows a report or a check is no matter of minutes.
const ROUND_TO: Span = Span::from_mins(5);

/// Two reports' names of one device: the same words, or more of them.
fn is_same_device(one: &str, other: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (one, other) = (words(one), words(other));
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    short.iter().all(|word| long.contains(word))
}

fn day_args(z: DateTime) -> [(&'static str, FluentValue<'static>); 4] {
    [
        ("weekday", FluentValue::from(z.weekday().to_monday_one_offset())),
        ("day", FluentValue::from(z.day())),
        ("month", FluentValue::from(z.month())),
        ("year", FluentValue::from(z.year().to_string())),
    ]
}

/// The first line of a step says what to do.
fn steps(texts: Vec<String>, cause: &CauseKey, ticked: &Ticked) -> Vec<Step> {
    let last = texts.len();
    let step = |(number, text): (u8, String)| {
        let id = StepId { cause: cause.clone(), number };
        let (lead, rest) = text.split_once('\n').unwrap_or((&text, ""));
        Step {
            lead: lead.to_owned(),
            rest: rest.to_owned(),
            done: ticked.contains(&id),
            ticks: usize::from(number) < last,
            id: id.to_string(),
        }
    };
    (1..=MAX_STEPS).zip(texts).map(step).collect()
}

/// How a verdict is coloured.
pub(super) const fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "good",
        Verdict::Vulnerable => "bad",
        Verdict::Inconclusive => "unsure",
    }
}

/// A device's name without control characters and marks that turn the direction of writing, and not too long.
pub(super) fn clean_name(name: &str) -> Option<String> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let clean: String = name.chars().filter(|c| !hidden(*c)).take(MAX_DEVICE).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}
