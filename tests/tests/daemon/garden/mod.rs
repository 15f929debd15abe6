//! What residents reach beside their portal, and what they do not.

mod dns;
mod holes;
mod portals;
mod rebind;
