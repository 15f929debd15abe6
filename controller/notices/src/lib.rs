//! The second channel: notices by e-mail, and by a webhook for SMS and letters, beside the page that half of the people see
//! first. In the order a notice takes:
//!
//! ```text
//! log ─▶ [service]: which event asks for which notice ─▶ [outbox] ─▶ at its [pace], in the portal's words
//!          ▲                                                └─▶ [mail] | [webhook] ─▶ the subscriber
//!          └── what became of it, without an address ◀──────────────┘        [bounce] ◀─ came back
//! ```
//!
//! * [`settings`]: section `notices` of the configuration; [`files`]: what it names, opened; [`key`]: a file that
//!   nobody else may read
//! * [`service`]: the loops, one with the log and one per channel, so that none waits for another; [`addressee`]: to whom,
//!   and what is said; [`pratique_store::outbox`]: what waits and what ended; [`pace`]: how quickly, and when again
//! * [`channel`]: what channels have in common; [`mail`], [`webhook`]: the channels; [`bounce`]: mails that came back, from a
//!   [`drop`] directory or the API
//! * [`meters`]: what the NOC sees

mod addressee;
pub mod bounce;
pub mod channel;
pub mod drop;
mod files;
pub mod key;
pub mod mail;
pub mod meters;
pub mod pace;
pub mod service;
pub mod settings;
pub mod webhook;

pub use files::Files;
pub use meters::Health;
pub use service::{NotNoted, Noted, Notices, Parts};
pub use settings::Settings;
