//! The lab: its network, the town in it, and the whole story as a visitor runs it.

mod net;
mod story;
mod town;
