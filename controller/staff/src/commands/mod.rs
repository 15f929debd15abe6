//! What staff may look at and do, each with the role it takes and the part of the network it is about. API and console go through
//! these alone, so that the same rules hold for both.
//!
//! * [`cases`]: one case; [`bulk`]: many; [`filter`]: which
//! * [`retractions`], [`deliveries`], [`coverage`]: sightings that were wrong, what came in, what a source has not said
//! * [`lines`]: one line; [`paper`], [`whole`]: quarantines on paper; everybody
//! * [`text`]: reasons and notes

pub mod bulk;
pub mod cases;
pub mod coverage;
pub mod deliveries;
pub mod filter;
pub mod lines;
pub mod paper;
pub mod retractions;
pub mod text;
pub mod whole;
