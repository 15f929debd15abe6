//! The open figures: counted beside everything else, every few minutes, from the log and from the table of sightings. The
//! log is followed from where it still matters; sightings are read in pieces, so that no read lasts long.

mod tally;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pratique_core::ids::{Seq, SightingNo};
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_engine::clock::Clock;
use pratique_engine::handle::{EngineError, EngineHandle};
use pratique_portal::figures::Figures;
use pratique_store::{Reader, StoreError};
use tracing::{debug, warn};

use self::tally::{Lines, Reach, Story};

/// Nobody needs them newer than this …
const EVERY: Duration = Duration::from_secs(300);

/// … and counting takes at most one part in so many of the time, however much there is to count.
const SHARE: u32 = 20;

/// Entries and rows read in one go: some 20 ms.
const PIECE: u32 = 5_000;

/// Cases that were opened before the figures begin may be released within them: quarantines end after this at the latest.
const LONGEST: Span = Span::from_days(90);

/// Counts, until the daemon stops.
pub struct Counter {
    engine: EngineHandle,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    told: Arc<ArcSwapOption<Figures>>,
    story: Story,
    /// How far the log was followed.
    heard: Option<Seq>,
}

#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Counter {
    /// What is counted appears in `told`.
    pub(super) fn new(
        engine: EngineHandle,
        reader: Arc<dyn Reader>,
        clock: Arc<dyn Clock>,
        told: Arc<ArcSwapOption<Figures>>,
    ) -> Self {
        Self { engine, reader, clock, told, story: Story::default(), heard: None }
    }

    /// Counts now and then until `stop` is ready.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        loop {
            let began = Instant::now();
            tokio::select! {
                () = &mut stop => return,
                counted = self.count() => match counted {
                    Ok(()) => debug!(took = ?began.elapsed(), "the open figures were counted"),
                    // The former ones stay; their time is told with them.
                    Err(error) => warn!(%error, "the open figures could not be counted; tried again in some minutes"),
                },
            }
            let pause = EVERY.max(began.elapsed().saturating_mul(SHARE));
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn count(&mut self) -> Result<(), Stuck> {
        let look =
            |world: &pratique_core::world::World, _| (world.policy().global.retention.sightings, world.generation());
        let (kept, end) = self.engine.read(look).await?;
        let now = self.clock.now();
        let reach = Reach::new(now, kept);
        self.hear(reach, end).await?;
        self.story.forget(reach);
        let mut lines = Lines::new(reach);
        let mut after = SightingNo(0);
        loop {
            let piece = self.reader.lines_seen(after, PIECE).await?;
            let Some(last) = piece.last() else { break };
            after = last.number;
            piece.iter().for_each(|seen| lines.count(seen, &self.story));
        }
        self.told.store(Some(Arc::new(Figures {
            generated_at: Moment(now),
            kinds: lines.kinds(),
            weeks: lines.weeks(),
            cases: self.story.cases(reach),
            self_checks: self.story.self_checks(reach),
        })));
        Ok(())
    }

    /// Takes in what the log has to say up to here.
    async fn hear(&mut self, reach: Reach, end: Seq) -> Result<(), Stuck> {
        let mut at = match self.heard {
            Some(heard) if heard <= end => heard,
            // The beginning, or a log that went back.
            _ => {
                self.story = Story::default();
                self.begin(reach.since().minus(LONGEST), end).await?
            }
        };
        loop {
            let piece = self.reader.events_after(at, PIECE).await?;
            let Some(last) = piece.last() else { break };
            at = last.seq;
            piece.iter().for_each(|record| self.story.hear(&record.event));
            self.heard = Some(at);
        }
        Ok(())
    }

    /// The last entry before a time: the log is in its order.
    async fn begin(&self, since: Timestamp, end: Seq) -> Result<Seq, Stuck> {
        let (mut before, mut after) = (0, end.0);
        while before < after {
            let middle = before + (after - before) / 2;
            match self.reader.events_after(Seq(middle), 1).await?.first() {
                Some(record) if record.event.at < since => before = middle + 1,
                _ => after = middle,
            }
        }
        Ok(Seq(before))
    }
}
