//! What gateways did to their sessions, and how long ago they were heard of.
//!
//! A restart of a gateway and a list of all it has ("snapshot") are the same to its sessions: a *cut*, at which it had nothing,
//! or nothing but what the list names. Who is in the list was heard of at that moment; the cut ends what was not heard of then
//! or later. So neither needs to know what came before it, and a late fact finds the cut that ends it.
//!
//! ```text
//! heard of      ├──x────x────x                 restart        a session without a stop: ended by the cut
//!               ├──x────x────x────────────────x───│──x──      heard of after it: it lasted on
//!                                                cut
//! stale_after   ├──x────x····················                 its gateway spoke on, of others: it ended where it was heard of last
//!               ├──x────x                                     its gateway is silent, too: doubtful, and nothing is attributed to it
//! ```
//!
//! A gateway here is a gateway as one source speaks of it ([`crate::nas`]).

use std::collections::BTreeSet;

use super::tenure::{Bounds, Silence, Taking, Tenure};
use super::{Directory, Ended, Key};
use crate::ids::LineNo;
use crate::session::{Ending, Holding};
use crate::time::{Span, Timestamp};

/// A cut is remembered this long before the newest one, for facts that come late.
const CUTS_KEPT: Span = Span::from_days(3);

/// Beyond twice as many lines as there were at the last look, and so many more, those that left are looked for.
const SLACK: usize = 1_024;

/// One gateway, as one source speaks of it.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    /// The newest moment of which anything was told.
    heard: Timestamp,
    /// What it is cut at, ascending.
    cuts: Vec<Timestamp>,
    /// Its sessions that last.
    live: usize,
    /// Lines that had a session of it, some of them twice, and some that have none any more.
    lines: Vec<LineNo>,
    /// How many of them there were when those without a session were last taken out.
    looked_at: usize,
    /// What was not heard of for longer is over, or doubtful.
    stale_after: Option<Span>,
    /// No session whose end may become known by silence was last heard of before this.
    oldest: Timestamp,
    /// A look through the lines that is under way.
    sweep: Option<Sweep>,
}

#[derive(Clone, Copy, Debug)]
struct Sweep {
    next: usize,
    oldest: Timestamp,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            heard: Timestamp::MIN,
            cuts: Vec::new(),
            live: 0,
            lines: Vec::new(),
            looked_at: 0,
            stale_after: None,
            oldest: Timestamp::MIN,
            sweep: None,
        }
    }
}

/// How a gateway is, for people and gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayState {
    /// The newest moment of which anything was told; none if nothing was since the start.
    pub heard: Option<Timestamp>,
    /// Its sessions that last.
    pub live: usize,
    /// Nothing was heard of it for longer than its source's `stale_after`: its sessions are doubtful.
    pub silent: bool,
}

/// Why a session that lasts, as far as is known, is doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// When it was last heard of.
    pub heard: Timestamp,
    /// Its gateway's number.
    pub nas: u16,
}

impl Gateway {
    /// What it did after a session was last heard of.
    fn cut_after(&self, heard: Timestamp) -> Option<Timestamp> {
        match self.cuts.last() {
            Some(last) if *last > heard => self.cuts.iter().find(|cut| **cut > heard).copied(),
            _ => None,
        }
    }

    fn silence(&self, heard: Timestamp) -> Option<Silence> {
        let limit = heard.plus(self.stale_after?);
        Some(Silence { limit, broken: self.heard >= limit })
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        self.stale_after.is_some_and(|span| now > self.heard.plus(span))
    }
}

/// What the gateway of a session says against it.
pub(super) fn bounds(gateways: &[Gateway], tenure: &Tenure) -> Bounds {
    let Some(gateway) = gateways.get(usize::from(tenure.nas)) else { return Bounds::default() };
    Bounds { over: None, cut: gateway.cut_after(tenure.heard), stale: gateway.silence(tenure.heard) }
}

impl Directory {
    /// How long a session may go without being heard of, by the source that speaks of this gateway.
    pub fn set_stale_after(&mut self, nas: u16, stale_after: Option<Span>) {
        if self.gateways.get(usize::from(nas)).is_some_and(|g| g.stale_after == stale_after) {
            return;
        }
        let gateway = self.gateway(nas);
        gateway.stale_after = stale_after;
        gateway.oldest = Timestamp::MIN;
    }

    /// Something was told of a gateway that was true at this moment; true if nothing newer was.
    pub fn heard_of(&mut self, nas: u16, at: Timestamp) -> bool {
        let gateway = self.gateway(nas);
        let newer = at > gateway.heard;
        gateway.heard = gateway.heard.max(at);
        newer
    }

    /// A gateway restarted, or listed all it has: what was not heard of at this moment or later ended then. To be told for each
    /// of its numbers.
    pub fn cut(&mut self, nas: u16, at: Timestamp) -> Ended {
        let gateway = self.gateway(nas);
        if let Err(place) = gateway.cuts.binary_search(&at) {
            gateway.cuts.insert(place, at);
            let newest = gateway.cuts.last().copied().unwrap_or(at);
            gateway.cuts.retain(|cut| cut.plus(CUTS_KEPT) > newest);
        }
        let lines = std::mem::take(&mut gateway.lines);
        let mut ended = Ended::default();
        let mut left = Vec::with_capacity(lines.len());
        for line in lines.into_iter().collect::<BTreeSet<_>>() {
            let may_end = |t: &Tenure| t.heard < at && (t.to > at || t.ending == Ending::Stale);
            let has_any = self.each_of(line, nas, may_end, &mut ended);
            // One that was heard of after it lasted on, and after a restart that has to be known: the store may know less.
            self.each_tenure(line, |holding, t| {
                if t.nas == nas && t.may_be_stored_before(at) {
                    ended.put.push(t.known(holding));
                }
            });
            if has_any {
                left.push(line);
            }
        }
        let gateway = self.gateway(nas);
        gateway.looked_at = left.len();
        gateway.lines = left;
        // Places in the list have changed.
        gateway.sweep = None;
        ended
    }

    /// The cuts of a gateway that are remembered.
    pub fn cuts(&self, nas: u16) -> &[Timestamp] {
        self.gateways.get(usize::from(nas)).map_or(&[], |g| &g.cuts)
    }

    /// Ends sessions that were not heard of for too long while their gateway was. Looks at some of the lines; true if there are
    /// more to be looked at.
    pub fn sweep(&mut self, at_most: usize) -> (Ended, bool) {
        let mut ended = Ended::default();
        let mut left = at_most;
        for nas in 0..self.gateways.len() {
            let Ok(nas) = u16::try_from(nas) else { break };
            let gateway = self.gateway(nas);
            let Some(span) = gateway.stale_after else { continue };
            if gateway.heard < gateway.oldest.plus(span) {
                continue;
            }
            let sweep = gateway.sweep.unwrap_or(Sweep { next: 0, oldest: Timestamp::MAX });
            let (until, heard) = (sweep.next.saturating_add(left).min(gateway.lines.len()), gateway.heard);
            let lines: Vec<LineNo> = gateway.lines.get(sweep.next..until).unwrap_or_default().to_vec();
            left -= lines.len().min(left);
            let mut oldest = sweep.oldest;
            for line in lines {
                let stale = |t: &Tenure| t.is_open_after(span) && heard >= t.heard.plus(span);
                self.each_of(line, nas, stale, &mut ended);
                self.each_tenure(line, |_, t| {
                    if t.nas == nas && t.is_open_after(span) {
                        oldest = oldest.min(t.heard);
                    }
                });
            }
            let gateway = self.gateway(nas);
            if until < gateway.lines.len() {
                gateway.sweep = Some(Sweep { next: until, oldest });
                return (ended, true);
            }
            gateway.sweep = None;
            gateway.oldest = oldest;
        }
        (ended, false)
    }

    /// How a gateway is; none if nothing was ever told of it.
    pub fn gateway_state(&self, nas: u16, now: Timestamp) -> Option<GatewayState> {
        let gateway = self.gateways.get(usize::from(nas))?;
        let heard = (gateway.heard > Timestamp::MIN).then_some(gateway.heard);
        Some(GatewayState { heard, live: gateway.live, silent: gateway.live > 0 && gateway.is_silent(now) })
    }

    /// Sessions that last and are doubtful, since their gateways are silent.
    pub fn doubtful(&self, now: Timestamp) -> usize {
        self.gateways.iter().filter(|g| g.is_silent(now)).map(|g| g.live).sum()
    }

    /// Whether a session that lasts was heard of too long ago to say anything of this moment.
    pub(super) fn is_doubtful(&self, tenure: &Tenure, at: Timestamp) -> bool {
        let gateway = self.gateways.get(usize::from(tenure.nas));
        let span = gateway.and_then(|gateway| gateway.stale_after).filter(|_| tenure.is_live());
        span.is_some_and(|span| at > tenure.heard.plus(span))
    }

    /// Whether a line holds something by a session that is doubtful now.
    pub fn doubt(&self, line: LineNo, holding: Holding, now: Timestamp) -> Option<Doubt> {
        let ports = super::ports(holding);
        let own = self.at(Key::of(holding)).iter().find(|t| t.line == line && t.ports == ports && t.is_live())?;
        self.is_doubtful(own, now).then_some(Doubt { heard: own.heard, nas: own.nas })
    }

    /// Keeps how many live sessions a gateway has.
    pub(super) fn count_live(&mut self, before: Option<u16>, after: Option<u16>) {
        if before == after {
            return;
        }
        if let Some(nas) = before {
            let gateway = self.gateway(nas);
            gateway.live = gateway.live.saturating_sub(1);
        }
        if let Some(nas) = after {
            self.gateway(nas).live += 1;
        }
    }

    /// A session of a gateway was last heard of at this moment, or later.
    pub(super) fn may_become_stale(&mut self, nas: u16, heard: Timestamp) {
        if let Some(gateway) = self.gateways.get_mut(usize::from(nas)) {
            gateway.oldest = gateway.oldest.min(heard);
        }
    }

    /// Notes that a line has a session of a gateway that it had none of, as far as is seen.
    pub(super) fn note_line(&mut self, nas: u16, line: LineNo) {
        if nas == 0 {
            return;
        }
        let gateway = self.gateway(nas);
        if gateway.lines.len() > gateway.looked_at.saturating_mul(2).saturating_add(SLACK) && gateway.sweep.is_none() {
            let mut lines = std::mem::take(&mut gateway.lines);
            lines.sort_unstable();
            lines.dedup();
            lines.retain(|line| {
                let mut any = false;
                self.each_tenure(*line, |_, t| any |= t.nas == nas);
                any
            });
            lines.shrink_to_fit();
            let gateway = self.gateway(nas);
            (gateway.looked_at, gateway.lines) = (lines.len(), lines);
        }
        self.gateway(nas).lines.push(line);
    }

    /// Takes those sessions of a line again that a gateway has and that may be ended by what it did; whether it has any.
    fn each_of(&mut self, line: LineNo, nas: u16, may_end: impl Fn(&Tenure) -> bool, ended: &mut Ended) -> bool {
        let (mut any, mut again) = (false, Vec::new());
        self.each_tenure(line, |holding, t| {
            any |= t.nas == nas;
            if t.nas == nas && may_end(t) {
                again.push((holding, *t));
            }
        });
        for (holding, tenure) in again {
            let recorded = self.take_in(holding, tenure, Taking::Alone);
            ended.add(recorded);
        }
        any
    }

    pub(super) fn gateway(&mut self, nas: u16) -> &mut Gateway {
        let place = usize::from(nas);
        if self.gateways.len() <= place {
            self.gateways.resize_with(place + 1, Gateway::default);
        }
        &mut self.gateways[place]
    }
}
