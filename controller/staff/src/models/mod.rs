//! What staff get to see: one set of shapes for API, console and command line. Times are RFC 3339 in UTC.
//!
//! * [`cases`]: in a list; [`dossier`]: one as a whole; [`story`]: what happened to it
//! * [`sightings`], [`deliveries`], [`intake`]: what was reported, in what, and what became of it
//! * [`lines`]: who holds what, and the checks that somebody there asked for
//! * [`bulk`], [`paper`]: many cases at once: what an approval would do; quarantines on paper
//! * [`status`], [`feeds`], [`plan`]: how everything is, what the sources have spoken of, desired against actual

pub mod bulk;
pub mod cases;
pub mod deliveries;
pub mod dossier;
pub mod feeds;
pub mod intake;
pub mod lines;
pub mod paper;
pub mod plan;
pub mod sightings;
pub mod status;
pub mod story;
