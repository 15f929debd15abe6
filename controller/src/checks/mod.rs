//! The self-check behind the portal's page: whose line an address is at this moment, and what was seen of that line while it
//! held what it was seen on.
//!
//! ```text
//! visitor ─▶ [who] holds the address now (asked of the engine, every time) ─▶ the line's [sightings] (read beside it)
//! ```
//!
//! Nothing is remembered by address, so that the next holder of one never meets what was seen of the former. What was seen of
//! a line is remembered for some seconds by its number: a household that reloads costs the store one look.

mod sightings;
mod who;

use std::sync::Arc;

use async_trait::async_trait;
use pratique_portal::{CheckError, Checker, Known, LineCard, Visitor};
use tracing::warn;

use self::sightings::Kept;
use self::who::Who;
use crate::clock::Clock;
use crate::engine::handle::EngineHandle;
use crate::store::Reader;

/// Answers the portal.
pub struct Checks {
    engine: EngineHandle,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    kept: Kept,
}

impl Checks {
    /// Ready to answer.
    pub fn new(engine: EngineHandle, reader: Arc<dyn Reader>, clock: Arc<dyn Clock>) -> Self {
        Self { engine, reader, clock, kept: Kept::default() }
    }
}

#[async_trait]
impl Checker for Checks {
    async fn look_up(&self, visitor: Visitor) -> Result<Known, CheckError> {
        let who = self.engine.read(move |world, _| Who::is(world, visitor)).await.map_err(|_| CheckError::Busy)?;
        let holder = match who {
            Who::Nobody => return Ok(Known::Nobody),
            Who::Shared => return Ok(Known::Shared),
            Who::Holder(holder) => holder,
        };
        let now = self.clock.now();
        let seen = self.kept.seen(holder.line, now, &*self.reader).await.map_err(|error| {
            warn!(%error, "sightings of a line could not be read for the self-check");
            CheckError::Busy
        })?;
        Ok(Known::Line(Box::new(LineCard {
            line: holder.line,
            seen: sightings::by_cause(&seen, now),
            held: holder.held,
            case: holder.case,
            language: holder.language,
        })))
    }
}
