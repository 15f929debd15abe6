//! What was said of sessions, within a turn: rows of a list, session events, and what follows from both having been heard.

use pratique_core::directory::{Bearer, Effect, Ended, Recorded};
use pratique_core::ids::{LineNo, SourceName, SubscriberId};
use pratique_core::lines::{Contact, RecordTold};
use pratique_core::plan::check_element;
use pratique_core::session::Session;
use pratique_core::session_fact::{Held, SessionEvent, SessionFact};
use pratique_core::time::Timestamp;
use pratique_core::world::World;
use pratique_store::NasRecord;
use smol_str::SmolStr;

use super::handle::{EngineError, ListPiece, Reply, SessionChange, SessionReport, SubscriberRecord};
use super::turn::{Records, Turn, record_of};

/// So many lines are looked at for silent sessions per turn: some milliseconds.
const SWEPT_PER_TURN: usize = 5_000;

/// How a session is said to last.
#[derive(Clone, Copy)]
struct Saying {
    /// The fact was true at this moment.
    heard: Timestamp,
    /// One of all that its gateway has.
    listed: bool,
}

impl Turn {
    /// Rows of one caller's list.
    pub(super) fn sessions(
        &mut self,
        world: &mut World,
        (changes, piece): (&[SessionChange], &ListPiece),
        reply: Reply<SessionReport>,
        now: Timestamp,
    ) {
        let mut report = SessionReport::default();
        let mut records = Records::beginning(self.batch.contacts.len());
        let can_be_stale = world.policy().stale_after(&piece.source).is_some();
        let mut nas = (SmolStr::default(), self.nas(world, &piece.source, &SmolStr::default()));
        for change in changes {
            let line = self.record(world, (&change.subscriber, change.told.as_deref()), &mut records, &mut report);
            // Lists name the same NAS row after row.
            if change.nas != nas.0 {
                nas = (change.nas.clone(), self.nas(world, &piece.source, &change.nas));
            }
            let to = change.to.unwrap_or(Timestamp::MAX);
            let session = Session { line, holding: change.holding, nas: nas.1, from: change.from, to };
            let listed = piece.snapshot_of.as_ref() == Some(&change.nas);
            // A row that says "it lasts" is true when the list was made; only where somebody wants to know is that kept.
            let lasts = to > now && (listed || can_be_stale);
            let heard = if lasts { piece.made_at.max(change.from) } else { change.from };
            self.hear(world, &session, Saying { heard, listed: listed && lasts }, &mut report, now);
        }
        self.finish_sessions(world, records, report, piece.list, reply, now);
    }

    /// All rows of a list were taken in: what it says as a whole.
    pub(super) fn list_ends(
        &mut self,
        world: &mut World,
        piece: &ListPiece,
        nases: &[SmolStr],
        reply: Reply<SessionReport>,
    ) {
        let mut ended = Ended::default();
        for name in nases {
            let number = self.nas(world, &piece.source, name);
            self.heard_of(world, number, piece.made_at);
        }
        if let Some(name) = &piece.snapshot_of {
            self.cut(world, name, piece.made_at, &mut ended);
        }
        let report = SessionReport { ended: ended.ended, started: ended.started, ..SessionReport::default() };
        self.batch.sessions.extend(ended.put);
        self.replies.push(Box::new(move |result| {
            let done = result.map(|_| report).map_err(|e| EngineError::Store(e.to_owned()));
            let _asker_gone = reply.send(done).is_err();
        }));
    }

    /// Subscribers' records of one caller.
    pub(super) fn records(
        &mut self,
        world: &mut World,
        (told, list): (&[SubscriberRecord], Option<u64>),
        reply: Reply<SessionReport>,
        now: Timestamp,
    ) {
        let mut report = SessionReport::default();
        let mut records = Records::beginning(self.batch.contacts.len());
        for SubscriberRecord { subscriber, told } in told {
            let is_new = world.lines.line(subscriber).is_none();
            let line = self.record(world, (subscriber, Some(told)), &mut records, &mut report);
            if is_new {
                // Retention counts from here, unless a session comes.
                self.batch.told.idle.push((line, now));
            }
        }
        self.finish_sessions(world, records, report, list, reply, now);
    }

    /// Session events of one caller.
    pub(super) fn facts(
        &mut self,
        world: &mut World,
        (facts, source): (&[SessionFact], &SourceName),
        reply: Reply<SessionReport>,
        now: Timestamp,
    ) {
        let mut report = SessionReport::default();
        let mut records = Records::beginning(self.batch.contacts.len());
        let mut spoken: Vec<(u16, Timestamp)> = Vec::new();
        let mut ended = Ended::default();
        for fact in facts {
            let nas = self.nas(world, source, &fact.nas);
            match spoken.iter_mut().find(|(known, _)| *known == nas) {
                Some((_, at)) => *at = (*at).max(fact.at),
                None => spoken.push((nas, fact.at)),
            }
            let mut held = |turn: &mut Self, world: &mut World, held: &Held, to: Timestamp, saying: Saying| {
                let (line, changed) = world.lines.note(&held.subscriber, None);
                if changed.is_some() {
                    turn.batch.lines.extend(record_of(&world.lines, line));
                    records.changed(world, line, &changed, &mut report);
                }
                for holding in held.holdings.iter().copied() {
                    let session = Session { line, holding, nas, from: held.from, to };
                    turn.hear(world, &session, saying, &mut report, now);
                    let Some(id) = held.id.as_ref().filter(|_| nas != 0) else { continue };
                    let bearer = Bearer { account: (nas, id.clone()), line, holding, start: held.from };
                    if world.bear(&bearer, &mut ended) {
                        turn.batch.told.bearers.push(bearer);
                    }
                }
            };
            let at = fact.at;
            match &fact.event {
                SessionEvent::Start(it) => {
                    held(self, world, it, Timestamp::MAX, Saying { heard: it.from, listed: false })
                }
                SessionEvent::Update(it) => held(self, world, it, Timestamp::MAX, Saying { heard: at, listed: false }),
                SessionEvent::Stop(it) => held(self, world, it, at, Saying { heard: it.from, listed: false }),
                SessionEvent::StopId(id) => {
                    let account = (nas, id.clone());
                    if nas != 0 && world.stop_session(&account, at, &mut ended) {
                        self.batch.told.stops.push((account, at));
                    }
                }
                SessionEvent::NasRestart => self.cut(world, &fact.nas, at, &mut ended),
                SessionEvent::Snapshot(all) => {
                    for it in all {
                        held(self, world, it, Timestamp::MAX, Saying { heard: at, listed: true });
                    }
                    self.cut(world, &fact.nas, at, &mut ended);
                }
            }
            // In the order in which it happened: what comes next may be of the same session.
            self.batch.sessions.append(&mut ended.put);
        }
        for (nas, at) in spoken {
            self.heard_of(world, nas, at);
        }
        report.ended += ended.ended;
        report.started += ended.started;
        self.finish_sessions(world, records, report, None, reply, now);
    }

    /// Ends sessions that their gateways have not spoken of for too long; true if there are more to be looked at.
    pub(super) fn sweep(&mut self, world: &mut World) -> bool {
        let (ended, more) = world.sweep_sessions(SWEPT_PER_TURN);
        self.batch.sessions.extend(ended.put);
        more
    }

    /// Notes a subscriber, with what is said of the record.
    fn record(
        &mut self,
        world: &mut World,
        (subscriber, told): (&SubscriberId, Option<&RecordTold>),
        records: &mut Records,
        report: &mut SessionReport,
    ) -> LineNo {
        let (line, changed) = world.lines.note(subscriber, told);
        if changed.is_some() {
            self.batch.lines.extend(record_of(&world.lines, line));
            world.record_changed(line);
            records.changed(world, line, &changed, report);
        }
        if let Some(told) = told.filter(|told| told.contact != Contact::default()) {
            self.batch.contacts.push((line, told.contact.clone()));
        }
        line
    }

    fn hear(
        &mut self,
        world: &mut World,
        session: &Session,
        saying: Saying,
        report: &mut SessionReport,
        now: Timestamp,
    ) {
        let recorded = if saying.listed {
            world.hear_listed_session(session, saying.heard, now)
        } else {
            world.hear_session(session, saying.heard, now)
        };
        report.count(&recorded);
        let wallable = |element| check_element(element, &world.policy().global).is_ok();
        report.not_wallable +=
            u64::from(session.to > now && session.holding.element().is_some_and(|element| !wallable(element)));
        let Recorded { put, gone, .. } = recorded;
        self.batch.sessions.extend(put);
        self.batch.sessions_gone.extend(gone);
    }

    fn cut(&mut self, world: &mut World, name: &SmolStr, at: Timestamp, ended: &mut Ended) {
        for number in world.nases.numbers(name) {
            let cut = world.cut(number, at);
            self.batch.told.cuts.push((number, at));
            ended.ended += cut.ended;
            ended.started += cut.started;
            ended.put.extend(cut.put);
        }
    }

    fn nas(&mut self, world: &mut World, source: &SourceName, name: &SmolStr) -> u16 {
        let noted = world.nas(source, name);
        if noted.is_new {
            self.put_nas(world, noted.number);
        }
        self.batch.told.cuts.extend(noted.cuts.into_iter().map(|at| (noted.number, at)));
        noted.number
    }

    fn heard_of(&mut self, world: &mut World, number: u16, at: Timestamp) {
        if number != 0 && world.heard_of(number, at) {
            self.put_nas(world, number);
        }
    }

    fn put_nas(&mut self, world: &World, number: u16) {
        let heard = world.directory().gateway_state(number, at_no_time()).and_then(|state| state.heard);
        self.batch.nases.extend(world.nases.get(number).map(|nas| NasRecord { number, nas: nas.clone(), heard }));
    }

    fn finish_sessions(
        &mut self,
        world: &mut World,
        mut records: Records,
        mut report: SessionReport,
        list: Option<u64>,
        reply: Reply<SessionReport>,
        now: Timestamp,
    ) {
        self.drop_gone(world);
        let contacts = records.first_contact..self.batch.contacts.len();
        let contact_lines: Vec<LineNo> =
            self.batch.contacts.get(contacts.clone()).unwrap_or_default().iter().map(|(line, _)| *line).collect();
        if let Some(body) = records.event(list) {
            self.take(world, vec![pratique_core::event::Event { at: now, body }]);
        }
        self.replies.push(Box::new(move |result| {
            let done = result.map_err(|e| EngineError::Store(e.to_owned())).map(|(_, stored)| {
                records.contacts(&contact_lines, stored.contacts.get(contacts).unwrap_or_default(), &mut report);
                report
            });
            let _asker_gone = reply.send(done).is_err();
        }));
    }

    /// A session that became part of another one may have been put by this very batch: then it is not to be stored.
    fn drop_gone(&mut self, world: &World) {
        let batch = &mut self.batch;
        if batch.sessions_gone.is_empty() {
            return;
        }
        let known = |session: &Session| world.directory().knows(session);
        batch.sessions_gone.retain(|session| !known(session));
        let key = |s: &Session| (s.line, s.holding, s.from);
        let gone: rustc_hash::FxHashSet<_> = batch.sessions_gone.iter().map(key).collect();
        batch.sessions.retain(|stored| !gone.contains(&key(&stored.session)));
        // With a session its ids leave the store; the one that it is part of now bears them.
        for session in &batch.sessions_gone {
            batch.told.bearers.extend(world.directory().bearers_of(session.line));
        }
    }
}

/// What is asked of a gateway here does not depend on the time.
const fn at_no_time() -> Timestamp {
    Timestamp::MIN
}

impl SessionReport {
    fn count(&mut self, recorded: &Recorded) {
        match recorded.effect {
            Effect::Started => self.started += 1,
            Effect::Past => self.past += 1,
            Effect::Ended => self.ended += 1,
            Effect::Changed => self.changed += 1,
            Effect::Unchanged => self.unchanged += 1,
        }
        self.conflicts += u64::from(recorded.conflict);
    }
}
