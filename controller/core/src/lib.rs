//! The pure core of pratique, in the order data flows through it:
//!
//! * [`sighting`]: what was seen from outside, normalised
//! * [`observation`]: which rows are one observation
//! * [`lines`], [`session_fact`], [`session`], [`nas`], [`directory`]: who held the address at that moment
//! * [`coverage`]: what the sources have spoken of, and where the gaps are: only there silence counts
//! * [`playbook`], [`policy`]: what evidence starts what, what proves the fix, which limits hold
//! * [`command`], [`machine`], [`event`], [`state`]: the case machine; commands become events or refusals, events become
//!   state, nothing else changes a case
//! * [`world`]: directory, cases and policy together, as the engine drives them
//! * [`reach`]: what of a line the wall can hold; [`plan`]: the desired enforcement that follows from state; [`wall`]: what
//!   it tells of blocked attacks, and what it lets in
//! * [`allow`], [`view`]: what dns and portal may read; [`places`]: how many places one line may take there; [`detection`]: the
//!   names devices ask to find a portal; [`special_use`]: the names that every resolver answers by itself
//! * [`rescan`]: what probes ask and say
//! * [`self_check`]: checks that a subscriber asked for, case or not
//! * [`notice`]: what is told beside the page, and what became of it
//! * [`chain`]: the hash chain of the log
//! * [`ids`], [`time`]: names, numbers, points and spans of time; [`case_number`]: a case as people write and say it; [`text`]:
//!   free text from outside, made harmless to look at
//!
//! No sockets, no files, no clock, no randomness: `now` is a parameter everywhere.

pub mod allow;
mod by_line;
pub mod case_number;
pub mod chain;
pub mod command;
pub mod coverage;
pub mod detection;
pub mod directory;
pub mod event;
pub mod ids;
pub mod lines;
pub mod machine;
pub mod nas;
pub mod notice;
pub mod observation;
pub mod places;
pub mod plan;
pub mod playbook;
pub mod policy;
pub mod reach;
pub mod rescan;
pub mod self_check;
pub mod session;
pub mod session_fact;
pub mod sighting;
pub mod special_use;
pub mod state;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod view;
pub mod wall;
pub mod world;
