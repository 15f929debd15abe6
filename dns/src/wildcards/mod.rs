//! What one line may have asked below allow-listed wildcards within an hour. Whoever serves such names reads what is asked, so
//! names are a channel: new ones by what they spell, known ones by their order. Consulted by the handler before a name below a
//! wildcard is resolved, and by the upstreams before a question leaves; what the cache answers costs nothing.
//!
//! A restart gives nobody a new hour: [`ledger`] keeps the sums, never the names, in a file.

mod ledger;

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use pratique_core::ids::LineNo;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use self::ledger::{Entry, Ledger};
use crate::settings::Limits;

const SHARDS: usize = 64;
/// Seconds of the window, and how long a silent line is remembered.
const HOUR: u64 = 3_600;
/// A shard looks for lines whose hour is over when it has grown to this and then each time it has doubled.
const FIRST_SWEEP: usize = 256;
/// The ledger is ahead of what was spent by up to this part of a cap, so that not every question is a write. After a restart
/// the line has lost that part.
const AHEAD: u32 = 20;
/// Whose record stands for every line: a start that could not know what was spent. No line ever has this number.
const EVERYBODY: LineNo = LineNo(u32::MAX);

/// The caps and what was spent of them.
#[derive(Debug)]
pub(crate) struct Wildcards {
    shards: [Mutex<Shard>; SHARDS],
    names: u32,
    questions: u32,
    longest_name: usize,
    longest_label: usize,
    hasher: RandomState,
    /// Seconds since 1970 at `begun`. From then on the monotonic clock counts, so that nobody gains by a clock that is set.
    epoch: u64,
    begun: Instant,
    ledger: OnceLock<Ledger>,
    /// What each line is taken to have spent in the hour after a start whose ledger could not be used.
    everybody: OnceLock<Entry>,
    /// Why the ledger could not be used, and what that leads to.
    problem: OnceLock<String>,
}

#[derive(Debug)]
struct Shard {
    lines: FxHashMap<LineNo, Line>,
    sweep_at: usize,
}

/// The hour of one line.
#[derive(Debug)]
struct Line {
    /// When it began, in seconds since 1970.
    from: u64,
    /// Hashes of the names of this hour.
    names: HashSet<u64>,
    /// Names that were spent before a restart, whatever they were.
    before: u32,
    questions: u32,
    /// What the ledger says.
    written: Entry,
}

impl Wildcards {
    /// With the configured caps; nothing is spent.
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard { lines: FxHashMap::default(), sweep_at: FIRST_SWEEP })),
            names: limits.wildcard_names_per_hour,
            questions: limits.wildcard_questions_per_hour,
            longest_name: usize::from(limits.wildcard_name_bytes),
            longest_label: usize::from(limits.wildcard_label_bytes),
            hasher: RandomState::new(),
            epoch: since.as_secs(),
            begun: now,
            ledger: OnceLock::new(),
            everybody: OnceLock::new(),
            problem: OnceLock::new(),
        }
    }

    /// From now on what is spent is kept in this file, and what it says was spent counts. Said once, before serving; a second
    /// file is not taken.
    ///
    /// A file that cannot be used stops nothing. Then nobody knows what was spent, so each line begins with nearly all of its hour
    /// spent. Returns why, and what that leads to.
    pub(crate) fn keep_in(&self, file: &Path, now: Instant) -> Option<String> {
        let now = self.seconds(now);
        let ledger::Read { entries, problem } = ledger::Read::of(file);
        let mut said = Vec::new();
        if let Some(problem) = problem {
            said.push(match ledger::set_aside(file) {
                Ok(aside) => format!("{problem} and was set aside as {}", aside.display()),
                Err(error) => format!("{problem} and cannot be set aside ({error})"),
            });
        }
        let mut entries: Vec<Entry> = entries.into_iter().filter(|e| now.saturating_sub(e.from) < HOUR).collect();
        let mut everybody = entries.extract_if(.., |entry| entry.line == EVERYBODY).next();
        let all = |everybody: &Option<Entry>, entries: &[Entry]| [entries, everybody.as_slice()].concat();
        let mut begun = None;
        if said.is_empty() {
            match Ledger::begin(file, now, &all(&everybody, &entries)) {
                Ok(ledger) => begun = Some(ledger),
                Err(error) => said.push(format!("cannot be written ({error})")),
            }
        }
        if !said.is_empty() {
            let worst = self.nearly_spent(now);
            entries.iter_mut().for_each(|entry| *entry = entry.at_least(&worst));
            everybody = Some(worst);
            begun = begun.or_else(|| Ledger::begin(file, now, &all(&everybody, &entries)).ok());
            if begun.is_none() {
                said.push("what lines ask is not kept for the next start".into());
            }
        }
        for entry in entries {
            let mut shard = self.shard(entry.line);
            // A clock that was set back must not make the hour longer.
            shard.lines.insert(entry.line, Line::of(entry.line, &entry, entry.from.min(now)));
        }
        // The first stays.
        if let Some(everybody) = everybody {
            let _set_once = self.everybody.set(everybody).is_ok();
        }
        if let Some(ledger) = begun {
            let _set_once = self.ledger.set(ledger).is_ok();
        }
        let problem = (!said.is_empty()).then(|| {
            format!(
                "{} {}: what lines have asked below wildcards is not known, so each of them has nearly none left until an hour \
                 after the start",
                file.display(),
                said.join("; ")
            )
        })?;
        Some(self.problem.get_or_init(|| problem).clone())
    }

    /// Why the ledger could not be used at the start.
    pub(crate) fn problem(&self) -> Option<&String> {
        self.problem.get()
    }

    /// All but a small part of both caps. With nothing at all a resident could not even begin to mend its device.
    fn nearly_spent(&self, now: u64) -> Entry {
        let of = |cap: u32| cap - cap / AHEAD;
        Entry { line: EVERYBODY, from: now, names: of(self.names), questions: of(self.questions) }
    }

    /// A name below a wildcard has a shape that hosts have; a tunnel fills its names with data.
    pub(crate) fn is_shapely(&self, name: &str) -> bool {
        name.len() <= self.longest_name && name.split('.').all(|label| label.len() <= self.longest_label)
    }

    /// Counts a name below a wildcard; false when it is new and the hour's names are used up.
    pub(crate) fn may_name(&self, line: LineNo, name: &str, now: Instant) -> bool {
        let hash = self.hasher.hash_one(name);
        self.with(line, now, |state| {
            if state.names.contains(&hash) {
                return true;
            }
            let may = state.spent_names() < self.names;
            if may {
                state.names.insert(hash);
            }
            may
        })
    }

    /// Counts a question that is about to leave for the upstreams; false when the hour's questions are used up.
    pub(crate) fn may_ask(&self, line: LineNo, now: Instant) -> bool {
        self.with(line, now, |state| {
            let may = state.questions < self.questions;
            state.questions += u32::from(may);
            may
        })
    }

    /// Writes the ledger anew, without the hours that are over, when it is long or an hour old. On a thread that may wait.
    pub(crate) fn tidy(&self, now: Instant) {
        let now = self.seconds(now);
        let Some(ledger) = self.ledger.get().filter(|ledger| ledger.is_due(now, HOUR)) else { return };
        ledger.rewrite(now, || {
            let mut entries = Vec::new();
            for shard in &self.shards {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                entries.extend(shard.lines.values().filter(|l| !l.is_over(now)).map(|line| line.written));
            }
            entries.extend(self.for_everybody(now));
            entries
        });
    }

    /// Writes that have failed: what they said is lost with the next restart.
    pub(crate) fn failed_writes(&self) -> u64 {
        self.ledger.get().map_or(0, Ledger::failed)
    }

    /// What a line that was not heard of in this hour is taken to have spent.
    fn for_everybody(&self, now: u64) -> Option<Entry> {
        self.everybody.get().filter(|entry| now.saturating_sub(entry.from) < HOUR).copied()
    }

    fn fresh(&self, line: LineNo, now: u64) -> Line {
        let nothing = Entry { line, from: now, names: 0, questions: 0 };
        let spent = self.for_everybody(now).unwrap_or(nothing);
        Line::of(line, &spent, spent.from.min(now))
    }

    fn with(&self, line: LineNo, now: Instant, spend: impl FnOnce(&mut Line) -> bool) -> bool {
        let (spent, entry) = self.spend(line, self.seconds(now), spend);
        // Without the line's lock, which the ledger takes when it is written anew; so the order of records says nothing.
        if let (Some(entry), Some(ledger)) = (entry, self.ledger.get()) {
            ledger.write(entry);
        }
        spent
    }

    /// Whether it was spent, and what the ledger has to say from now on, if that is something new.
    fn spend(&self, line: LineNo, now: u64, spend: impl FnOnce(&mut Line) -> bool) -> (bool, Option<Entry>) {
        let mut shard = self.shard(line);
        if shard.lines.len() >= shard.sweep_at && !shard.lines.contains_key(&line) {
            shard.lines.retain(|_, l| !l.is_over(now));
            shard.sweep_at = FIRST_SWEEP.max(shard.lines.len() * 2);
        }
        let state = shard.lines.entry(line).or_insert_with(|| self.fresh(line, now));
        if state.is_over(now) {
            *state = self.fresh(line, now);
        }
        if !spend(state) {
            return (false, None);
        }
        let (names, written) = (state.spent_names(), &mut state.written);
        if names <= written.names && state.questions <= written.questions {
            return (true, None);
        }
        // Of what was not spent at all nothing is taken ahead.
        let ahead = |spent: u32, cap: u32| if spent == 0 { 0 } else { cap.min(spent.saturating_add(cap / AHEAD)) };
        (written.names, written.questions) = (ahead(names, self.names), ahead(state.questions, self.questions));
        (true, Some(*written))
    }

    fn seconds(&self, now: Instant) -> u64 {
        self.epoch + now.saturating_duration_since(self.begun).as_secs()
    }

    fn shard(&self, line: LineNo) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(line.0).unwrap_or(0) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// With this much spent since then.
    fn of(line: LineNo, spent: &Entry, from: u64) -> Self {
        let written = Entry { line, ..*spent };
        Self { from, names: HashSet::new(), before: spent.names, questions: spent.questions, written }
    }

    fn spent_names(&self) -> u32 {
        self.before.saturating_add(u32::try_from(self.names.len()).unwrap_or(u32::MAX))
    }

    fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.from) >= HOUR
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(HOUR);

    fn small() -> Limits {
        Limits { wildcard_names_per_hour: 2, wildcard_questions_per_hour: 3, ..Limits::default() }
    }

    #[test]
    fn new_names_end_with_the_cap_and_known_ones_go_on_until_the_hour_is_over() {
        let now = Instant::now();
        let wildcards = Wildcards::new(&small(), now);
        let may = |line, name, at| wildcards.may_name(LineNo(line), name, at);
        assert!(may(1, "a", now) && may(1, "b", now));
        assert!(!may(1, "c", now) && may(1, "a", now));
        assert!(may(2, "c", now));
        assert!(may(1, "c", now + WINDOW));
    }

    #[test]
    fn questions_end_with_their_own_cap_and_come_back_with_the_next_hour() {
        let now = Instant::now();
        let wildcards = Wildcards::new(&small(), now);
        assert_eq!((0..9).filter(|_| wildcards.may_ask(LineNo(1), now)).count(), 3);
        assert!(wildcards.may_ask(LineNo(2), now) && wildcards.may_name(LineNo(1), "a", now));
        assert!(wildcards.may_ask(LineNo(1), now + WINDOW));
    }

    #[test]
    fn lines_whose_hour_is_over_are_forgotten() {
        let now = Instant::now();
        let wildcards = Wildcards::new(&small(), now);
        let of_one_shard = |n: usize| LineNo(u32::try_from(n * SHARDS).unwrap());
        (0..FIRST_SWEEP).for_each(|n| assert!(wildcards.may_name(of_one_shard(n), "a", now)));
        assert!(wildcards.may_name(of_one_shard(FIRST_SWEEP), "a", now + WINDOW));
        assert_eq!(wildcards.shard(LineNo(0)).lines.len(), 1);
    }

    #[test]
    fn a_restart_at_any_moment_gives_no_line_more_than_an_hour_has() {
        let folder = tempfile::tempdir().unwrap();
        let (file, limits, now) = (folder.path().join("ledger"), Limits::default(), Instant::now());
        let (mut names, mut questions) = (0, 0);
        for restart in 0..40 {
            let wildcards = Wildcards::new(&limits, now);
            assert_eq!(wildcards.keep_in(&file, now), None);
            // As a daemon that is killed: nothing is said at the end.
            names += (0..31).filter(|n| wildcards.may_name(LineNo(7), &format!("{restart}-{n}"), now)).count();
            questions += (0..97).filter(|_| wildcards.may_ask(LineNo(7), now)).count();
            assert_eq!(wildcards.failed_writes(), 0);
        }
        assert!((150..=200).contains(&names) && (750..=1_000).contains(&questions), "{names} {questions}");
        let other = Wildcards::new(&limits, now);
        assert_eq!(other.keep_in(&file, now), None);
        assert!(other.may_name(LineNo(8), "a", now) && !other.may_name(LineNo(7), "a", now));
        assert!(other.may_name(LineNo(7), "a", now + WINDOW + Duration::from_secs(2)));
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() < 4_096, "{} bytes", bytes.len());
    }

    #[test]
    fn a_ledger_that_grows_is_written_anew_and_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (file, now) = (folder.path().join("ledger"), Instant::now());
        let limits = Limits { wildcard_questions_per_hour: 20, ..Limits::default() };
        let wildcards = Wildcards::new(&limits, now);
        assert_eq!(wildcards.keep_in(&file, now), None);
        let lines = 8_000;
        (0..lines).for_each(|n| (0..15).for_each(|_| assert!(wildcards.may_ask(LineNo(n), now))));
        let long = std::fs::metadata(&file).unwrap().len();
        wildcards.tidy(now);
        let tidy = std::fs::metadata(&file).unwrap().len();
        assert!(tidy < long / 4, "{tidy} of {long}");
        assert!((0..2).all(|_| wildcards.may_ask(LineNo(1), now)) && wildcards.failed_writes() == 0);
        let again = Wildcards::new(&limits, now);
        assert_eq!(again.keep_in(&file, now), None);
        assert_eq!((0..20).filter(|_| again.may_ask(LineNo(2), now)).count(), 4, "ahead by one");
        assert_eq!((0..20).filter(|_| again.may_ask(LineNo(1), now)).count(), 2, "it goes on in the new file");
        again.tidy(now + WINDOW);
        assert_eq!(std::fs::metadata(&file).unwrap().len(), 0, "nothing is kept of an hour that is over");
    }

    #[test]
    fn a_ledger_that_cannot_be_used_stops_nothing_and_gives_nobody_a_new_hour() {
        let folder = tempfile::tempdir().unwrap();
        let (file, now) = (folder.path().join("ledger"), Instant::now());
        let limits = Limits { wildcard_names_per_hour: 100, wildcard_questions_per_hour: 200, ..Limits::default() };
        let start = || {
            let wildcards = Wildcards::new(&limits, now);
            let problem = wildcards.keep_in(&file, now);
            assert_eq!(wildcards.problem().cloned(), problem);
            (wildcards, problem)
        };
        let names = |wildcards: &Wildcards, line, at| {
            (0..500).filter(|n| wildcards.may_name(LineNo(line), &format!("{n}"), at)).count()
        };
        let asks = |wildcards: &Wildcards, line, at| (0..500).filter(|_| wildcards.may_ask(LineNo(line), at)).count();
        let (before, problem) = start();
        assert_eq!((names(&before, 1, now), problem), (100, None));
        assert!(asks(&before, 2, now) == 200 && before.may_name(LineNo(2), "a", now));

        // One record of many is enough: it may have been anybody's.
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let (wildcards, problem) = start();
        let problem = problem.unwrap();
        assert!(problem.contains("ledger is damaged (1 of ") && problem.contains("set aside as "), "{problem}");
        assert_eq!(std::fs::read(folder.path().join("ledger.damaged")).unwrap(), bytes);
        assert_eq!((names(&wildcards, 1, now), asks(&wildcards, 2, now)), (0, 0), "what is known stays spent");
        assert_eq!((names(&wildcards, 3, now), asks(&wildcards, 3, now)), (5, 10), "nearly nothing is left");
        // Whatever comes: another start gives nobody more, and the next hour is whole.
        let (again, problem) = start();
        assert_eq!((names(&again, 3, now), asks(&again, 3, now), names(&again, 4, now), problem), (0, 0, 5, None));
        assert_eq!(names(&again, 5, now), 5);
        assert_eq!(names(&again, 5, now + WINDOW + Duration::from_secs(2)), 100);

        // No file at all, and none that can be made.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        std::fs::write(file.join("x"), "x").unwrap();
        std::fs::create_dir(file.with_extension("new")).unwrap();
        let (wildcards, problem) = start();
        let problem = problem.unwrap();
        assert!(problem.contains("cannot be read") && problem.contains("is not kept for the next start"), "{problem}");
        assert_eq!((names(&wildcards, 6, now), asks(&wildcards, 6, now)), (5, 10));
    }

    proptest! {
        /// Whatever the pattern of lines, names and restarts: never more than the caps in one hour.
        #[test]
        fn no_pattern_of_names_and_restarts_gets_more(
            steps in proptest::collection::vec((0_u32..3, 0_u32..12, any::<bool>(), 0_u8..16), 1..120),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (file, now) = (folder.path().join("ledger"), Instant::now());
            let limits = Limits { wildcard_names_per_hour: 6, wildcard_questions_per_hour: 9, ..Limits::default() };
            let open = || {
                let wildcards = Wildcards::new(&limits, now);
                assert_eq!(wildcards.keep_in(&file, now), None);
                wildcards
            };
            let (mut wildcards, mut new, mut asked) = (open(), [0; 3], [0; 3]);
            let mut known = HashSet::new();
            for (line, name, asks, dies) in steps {
                if dies == 0 {
                    (wildcards, known) = (open(), HashSet::new());
                }
                let at = line as usize;
                if asks {
                    asked[at] += u32::from(wildcards.may_ask(LineNo(line), now));
                } else if wildcards.may_name(LineNo(line), &name.to_string(), now) {
                    new[at] += u32::from(known.insert((line, name)));
                }
            }
            prop_assert!(new.iter().all(|n| *n <= 6) && asked.iter().all(|n| *n <= 9), "{new:?} {asked:?}");
        }
    }
}
