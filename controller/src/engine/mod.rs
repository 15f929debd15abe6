//! The one loop that owns the cases. Every input becomes a command; events are appended, then applied; the plan, the
//! view and everything outside follow. [`handle`] is how the rest of the program talks to it.

pub mod handle;
