//! Erasing personal data by age, a piece at a time, and of one line. The log is never touched.

use std::collections::BTreeMap;

use pratique_core::ids::{CaseId, LineNo, SightingNo};
use pratique_core::session::Session;
use pratique_core::time::Timestamp;

use super::super::refused::{self, SESSIONS, SUBSCRIBERS};
use super::super::{Expired, Expiry, Mark, StoreError};
use super::tables::Tables;

/// So many rows are erased in one piece.
const PIECE: usize = 500;

/// In the order of [`STEPS`]: lines come last, since one goes when nothing else names it any more.
type Step = fn(&mut Tables, &Expiry, &mut Expired);

const STEPS: [(&str, Step); 5] =
    [("sightings", sightings), ("sessions", sessions), ("texts", texts), ("refused", refused_rows), ("lines", lines)];

/// Erases a piece of what is older than these points. A step is over when it finds nothing more to erase, so its name is all that
/// a mark has to say.
pub(super) fn expire(tables: &mut Tables, before: &Expiry, from: &Mark) -> Result<Expired, StoreError> {
    let strange = || StoreError::Other(format!("`{}` is no place of this store to go on erasing from", from.as_str()));
    let at = match *from == Mark::default() {
        true => 0,
        false => STEPS.iter().position(|(name, _)| *name == from.as_str()).ok_or_else(strange)?,
    };
    let mut expired = Expired::default();
    if let Some((_, step)) = STEPS.get(at) {
        step(tables, before, &mut expired);
    }
    let next = if expired.rows > 0 { at } else { at + 1 };
    expired.next = STEPS.get(next).map(|(name, _)| Mark::new(*name));
    Ok(expired)
}

/// An open case may rest on a sighting of any age.
fn sightings(tables: &mut Tables, before: &Expiry, expired: &mut Expired) {
    let Tables { sightings, cases, .. } = tables;
    let rests = |case: CaseId| cases.get(&case).is_some_and(|case| case.closed_at.is_none());
    let old = sightings.values().filter(|s| s.received_at < before.sightings && !s.case.is_some_and(rests));
    let old: Vec<SightingNo> = old.map(|s| s.number).take(PIECE).collect();
    old.iter().for_each(|number| drop(sightings.remove(number)));
    expired.rows = old.len() as u64;
}

/// Of a line that has none left it is noted when the last one ended.
fn sessions(tables: &mut Tables, before: &Expiry, expired: &mut Expired) {
    let ended = tables.sessions.values().map(|known| known.session);
    let mut ended: Vec<Session> = ended.filter(|s| !s.is_live() && s.to < before.sessions).collect();
    ended.sort_by_key(|session| session.to);
    ended.truncate(PIECE);
    let mut last: BTreeMap<LineNo, Timestamp> = BTreeMap::new();
    for session in &ended {
        tables.forget_session(session);
        let known = last.entry(session.line).or_insert(session.to);
        *known = session.to.max(*known);
    }
    for (number, ended) in last {
        let idle = !has_session(tables, number);
        if let Some(line) = tables.lines.get_mut(&number).filter(|_| idle) {
            line.idle_since = Some(line.idle_since.map_or(ended, |known| known.max(ended)));
        }
    }
    expired.rows = ended.len() as u64;
    expired.sessions = ended;
}

fn texts(tables: &mut Tables, before: &Expiry, expired: &mut Expired) {
    let Tables { texts, cases, .. } = tables;
    let over = |case: &CaseId| cases.get(case).and_then(|c| c.closed_at).is_some_and(|at| at < before.texts);
    let old: Vec<_> = texts.keys().filter(|(_, case)| over(case)).take(PIECE).copied().collect();
    old.iter().for_each(|key| drop(texts.remove(key)));
    expired.rows = old.len() as u64;
}

/// Refused rows hold what strangers wrote, addresses among it.
fn refused_rows(tables: &mut Tables, before: &Expiry, expired: &mut Expired) {
    let old = tables.refused.iter().filter(|(_, kept)| kept.row.received_at < before.refused);
    let old: Vec<_> = old.map(|(key, _)| *key).take(PIECE).collect();
    old.iter().for_each(|key| drop(tables.refused.remove(key)));
    expired.rows = old.len() as u64;
}

fn lines(tables: &mut Tables, before: &Expiry, expired: &mut Expired) {
    let idle = tables.lines.iter().filter(|(_, line)| line.idle_since.is_some_and(|at| at < before.lines));
    let gone = idle.map(|(number, _)| *number).filter(|number| !is_named(tables, *number, before.lines));
    let mut gone: Vec<LineNo> = gone.collect();
    gone.sort_by_key(|number| (tables.lines.get(number).and_then(|line| line.idle_since), *number));
    gone.truncate(PIECE);
    gone.iter().for_each(|number| forget(tables, *number));
    expired.rows = gone.len() as u64;
    expired.lines = gone;
}

/// Something that stands here names the line: a session, a sighting, a case that is open or ended not long ago, or a text.
fn is_named(tables: &Tables, line: LineNo, before: Timestamp) -> bool {
    let mut cases = tables.cases.iter().filter(|(_, case)| case.line == line);
    has_session(tables, line)
        || tables.sightings.values().any(|s| s.line == Some(line))
        || cases.any(|(case, kept)| {
            kept.closed_at.is_none_or(|at| at >= before) || tables.texts.keys().any(|(_, of)| of == case)
        })
}

fn has_session(tables: &Tables, line: LineNo) -> bool {
    tables.sessions.keys().any(|(of, ..)| *of == line)
}

fn forget(tables: &mut Tables, line: LineNo) {
    tables.lines.remove(&line);
    tables.contacts.remove(&line);
}

/// Erases what is known of one line; returns the rows erased.
pub(super) fn purge(tables: &mut Tables, line: LineNo) -> u64 {
    let held: Vec<_> =
        tables.sessions.keys().filter(|(of, ..)| *of == line).map(|(_, holding, _)| refused::span(*holding)).collect();
    let subscriber = tables.lines.get(&line).map(|line| line.record.subscriber.clone());
    let subscriber = subscriber.filter(|id| !id.as_str().is_empty());
    let is_known = tables.lines.contains_key(&line);
    let Tables { lines, sessions, sightings, texts, refused, cases, deliveries, bearers, .. } = tables;
    let rows = |sizes: [usize; 6]| sizes.iter().sum::<usize>();
    let before = rows([lines.len(), sessions.len(), sightings.len(), texts.len(), refused.len(), bearers.len()]);
    refused.retain(|(delivery, _), kept| {
        let by_address = kept.addresses.iter().any(|a| held.iter().any(|(first, last)| first <= a && a <= last));
        let list = deliveries.get(delivery).is_some_and(|d| d.report == SESSIONS || d.report == SUBSCRIBERS);
        let by_id = subscriber.as_ref().is_some_and(|id| list && refused::names(&kept.row.raw, id.as_str()));
        !by_address && !by_id
    });
    texts.retain(|(_, case), _| cases.get(case).is_none_or(|case| case.line != line));
    sightings.retain(|_, seen| seen.line != Some(line));
    sessions.retain(|(of, ..), _| *of != line);
    bearers.retain(|bearer| bearer.line != line);
    lines.remove(&line);
    let after = rows([lines.len(), sessions.len(), sightings.len(), texts.len(), refused.len(), bearers.len()]);
    // A contact goes with its line, and is no row of its own.
    if is_known {
        tables.contacts.remove(&line);
    }
    before.saturating_sub(after) as u64
}
