//! Staff, by program and by browser: the API under `/api/v1`, the console, and the listener that they share. What staff may see and
//! do is `pratique_staff`; here it becomes HTTP and pages. In the order a request passes:
//!
//! * [`serve`]: the listener, with limits on headers and time; [`seats`]: on connections; [`arrival`]: on slow bodies
//! * [`guard`]: Host check against DNS rebinding, headers every answer carries; [`meters`]: what is counted of it
//! * [`auth`], [`sessions`]: who asks: a token, or a log-in of the console
//! * [`desk`]: what a handler may use; [`extract`]: what it takes from a request; [`uploads`]: places for files on their way in
//! * [`api`], [`console`]: the handlers. Neither knows the other
//! * [`problem`], [`kinds`]: every refusal, as `application/problem+json`; [`download`]: rows as a file

// `println!` panics where its reader is gone.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod api;
pub mod arrival;
pub mod auth;
pub mod console;
pub mod desk;
pub mod download;
pub mod extract;
pub mod guard;
pub mod kinds;
pub mod meters;
pub mod problem;
pub mod seats;
pub mod serve;
pub mod sessions;
pub mod uploads;

use axum::Router;

use self::desk::Desk;

/// Everything behind the listener, guarded.
pub fn router(desk: Desk) -> Router {
    let inside = api::routes().merge(console::routes());
    guard::guarded(inside, api::operations::open_routes(), desk)
}
