//! What the NOC sees of notices: counters and gauges, and the section of the health page. No address in any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use pratique_core::notice::{Channel, NotSent, NoticeKind, NoticeOutcome};
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_store::outbox::Waiting;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A notice that has waited longer than this is told as trouble: greylisting is over by then.
const LONG: Span = Span::from_hours(1);

/// How notices are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// So many wait.
    pub waiting: u64,
    /// The oldest of them was asked for then.
    pub oldest: Option<Moment>,
    /// Since the start, by channel and result.
    pub counts: Vec<(SmolStr, SmolStr, u64)>,
    /// Channels that have taken nothing since then.
    pub failing: Vec<(SmolStr, Moment)>,
    /// What else is wrong, in words.
    pub problems: Vec<String>,
}

/// Counters, gauges, and what they are made of.
#[derive(Debug)]
pub(super) struct Meters {
    notices: IntCounterVec,
    bounces: IntCounterVec,
    waiting: IntGauge,
    oldest: IntGauge,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    waiting: Waiting,
    counts: BTreeMap<(Channel, &'static str), u64>,
    failing: BTreeMap<Channel, Timestamp>,
    /// What fails, by the part of the loop that met it.
    outbox: BTreeMap<&'static str, String>,
}

impl Meters {
    /// Registered.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Tries to send notices, by what came of them";
        let labels = ["channel", "kind", "result"];
        let notices = IntCounterVec::new(Opts::new("pratique_notices_total", help), &labels)?;
        let help = "Delivery reports that came in, by what they were";
        let bounces = IntCounterVec::new(Opts::new("pratique_notice_bounces_total", help), &["result"])?;
        let waiting = IntGauge::new("pratique_notices_waiting", "Notices that have not left yet")?;
        let oldest =
            IntGauge::new("pratique_notices_oldest_seconds", "Age of the oldest notice that has not left yet")?;
        registry.register(Box::new(notices.clone()))?;
        registry.register(Box::new(bounces.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        registry.register(Box::new(oldest.clone()))?;
        for result in ["noted", "temporary", "repeated", "refused"] {
            bounces.with_label_values(&[result]).inc_by(0);
        }
        Ok(Self { notices, bounces, waiting, oldest, now: Mutex::default() })
    }

    /// A try ended so.
    pub(super) fn ended(&self, channel: Channel, kind: NoticeKind, outcome: &NoticeOutcome) {
        let result = match outcome {
            NoticeOutcome::Sent => "sent",
            NoticeOutcome::Bounced { .. } => "bounced",
            NoticeOutcome::Failed { why } => match why {
                NotSent::NoAddress => "no-address",
                NotSent::Refused { .. } => "refused",
                NotSent::GaveUp => "gave-up",
                NotSent::Overtaken => "overtaken",
                NotSent::Limited => "limited",
                NotSent::Unwritable => "unwritable",
                NotSent::OptedOut => "opted-out",
                NotSent::DryRun => "dry-run",
            },
        };
        self.count(channel, kind, result);
    }

    /// A try is made again later.
    pub(super) fn later(&self, channel: Channel, kind: NoticeKind) {
        self.count(channel, kind, "later");
    }

    fn count(&self, channel: Channel, kind: NoticeKind, result: &'static str) {
        self.notices.with_label_values(&[channel.as_str(), kind.as_str(), result]).inc();
        *self.lock().counts.entry((channel, result)).or_default() += 1;
    }

    /// A report came in.
    pub(super) fn bounce(&self, result: &'static str) {
        self.bounces.with_label_values(&[result]).inc();
    }

    /// The channel took something, or did not at this time. True if that is news.
    pub(super) fn works(&self, channel: Channel, failed_at: Option<Timestamp>) -> bool {
        let failing = &mut self.lock().failing;
        match failed_at {
            None => failing.remove(&channel).is_some(),
            Some(at) => {
                let news = !failing.contains_key(&channel);
                failing.entry(channel).or_insert(at);
                news
            }
        }
    }

    /// How the outbox is to a part of the loop. True if that is news: the first that fails, or the last that works again.
    pub(super) fn outbox(&self, part: &'static str, state: Result<Waiting, String>, now: Timestamp) -> bool {
        let mut known = self.lock();
        match state {
            Ok(waiting) => {
                known.waiting = waiting;
                let age = waiting.oldest.map_or(0, |oldest| now.since(oldest).as_millis() / 1_000);
                self.waiting.set(i64::try_from(waiting.notices).unwrap_or(i64::MAX));
                self.oldest.set(age.max(0));
                known.outbox.remove(part).is_some() && known.outbox.is_empty()
            }
            Err(why) => {
                let news = known.outbox.is_empty();
                known.outbox.insert(part, why);
                news
            }
        }
    }

    /// The section of the health page.
    pub(super) fn health(&self, now: Timestamp) -> Health {
        let known = self.lock();
        let Waiting { notices, oldest } = known.waiting;
        let whys: BTreeSet<&String> = known.outbox.values().collect();
        let mut problems: Vec<String> = whys.into_iter().map(|why| format!("the outbox fails: {why}")).collect();
        if let Some(oldest) = oldest.filter(|oldest| now.since(*oldest) > LONG) {
            problems.push(format!("{notices} wait, the oldest since {oldest}"));
        }
        let failing = |(channel, since): (&Channel, &Timestamp)| (channel.as_str().into(), Moment(*since));
        let count = |((channel, result), n): (&(Channel, &'static str), &u64)| {
            (channel.as_str().into(), SmolStr::new_static(result), *n)
        };
        Health {
            waiting: notices,
            oldest: oldest.map(Moment),
            counts: known.counts.iter().map(count).collect(),
            failing: known.failing.iter().map(failing).collect(),
            problems,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_exported_by_channel_and_kind_and_trouble_is_told_once() {
        let registry = Registry::new();
        let meters = Meters::new(&registry).unwrap();
        let at = Timestamp::from_secs(1_771_156_800);
        meters.ended(Channel::Mail, NoticeKind::Quarantined, &NoticeOutcome::Sent);
        meters.later(Channel::Mail, NoticeKind::Quarantined);
        assert!(meters.works(Channel::Mail, Some(at)) && !meters.works(Channel::Mail, Some(at)));
        meters.outbox("log", Ok(Waiting { notices: 3, oldest: Some(at) }), at.plus(Span::from_hours(2)));
        let mut text = String::new();
        prometheus::TextEncoder::new().encode_utf8(&registry.gather(), &mut text).unwrap();
        for line in [
            "pratique_notices_total{channel=\"mail\",kind=\"quarantined\",result=\"sent\"} 1",
            "pratique_notices_waiting 3",
            "pratique_notices_oldest_seconds 7200",
            "pratique_notice_bounces_total{result=\"noted\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let health = meters.health(at.plus(Span::from_hours(2)));
        assert_eq!(health.failing, [("mail".into(), Moment(at))]);
        assert_eq!(health.problems, ["3 wait, the oldest since 2026-02-15T12:00:00Z"]);
        assert!(meters.works(Channel::Mail, None) && meters.health(at).failing.is_empty());
        // Each part of the loop meets a full disk, and each has to work again.
        let full = || Err("the disk is full".to_owned());
        assert!(meters.outbox("mail", full(), at) && !meters.outbox("log", full(), at));
        assert_eq!(meters.health(at).problems, ["the outbox fails: the disk is full"]);
        let well = || Ok(Waiting::default());
        assert!(!meters.outbox("webhook", well(), at) && !meters.outbox("mail", well(), at));
        assert!(meters.outbox("log", well(), at) && meters.health(at).problems.is_empty());
    }
}
