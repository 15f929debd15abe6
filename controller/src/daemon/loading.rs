//! The engine, loaded beside everything that answers already.

use std::sync::Arc;

use pratique_core::command::Command;
use pratique_core::event::Enforcement;
use pratique_core::policy::Policy;
use pratique_core::world::World;
use pratique_engine::Engine;
use pratique_engine::clock::Clock;
use pratique_engine::handle::{Inputs, Wish};
use pratique_store::{Store, StoreError};

use super::follow::Followers;
use super::halting::Asked;
use super::marker::Mark;
use super::{emergency, former};
use crate::config::Config;

/// What it leads to: the engine, and how the daemon before this one enforced.
type Loaded = (Engine<Box<dyn Store>, Followers>, Option<Enforcement>);

/// Loads it on a thread of its own: reading a million sessions must not take a thread from pages and captive DNS.
///
/// # Errors
/// When the store cannot be loaded or cannot take the first events.
pub(super) async fn load(
    inputs: Inputs,
    parts: (Box<dyn Store>, Arc<Policy>, Arc<dyn Clock>),
    followers: Followers,
    (config, released, halt): (Config, Option<Mark>, Option<Asked>),
) -> Result<Loaded, StoreError> {
    let runtime = tokio::runtime::Handle::current();
    let load = move || {
        let mut before = None;
        let at_start = |world: &World| {
            before = world.cases().enforcement();
            // First: whatever else is decided is decided under it.
            let note = |mode| Wish { command: Command::NoteEnforcement { mode }, text: None };
            let notes = former::notes(&config, world).into_iter().map(note);
            let releases = released.as_ref().map(|mark| emergency::releases(world, mark));
            notes.chain(releases.into_iter().flatten()).chain(halt.as_ref().map(Asked::wish)).collect()
        };
        let engine = runtime.block_on(Engine::load_behind(inputs, parts, followers, at_start))?;
        Ok((engine, before))
    };
    let loaded = tokio::task::spawn_blocking(load).await;
    loaded.unwrap_or_else(|e| Err(StoreError::Other(format!("loading the store broke off: {e}"))))
}
