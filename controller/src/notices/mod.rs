//! The second channel: notices by e-mail, and by a webhook for SMS and letters, beside the page that half of the people see
//! first. In the order a notice takes:
//!
//! * [`channel`]: what channels have in common

pub mod channel;
