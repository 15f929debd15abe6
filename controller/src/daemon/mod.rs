//! Everything started and stopped together.

mod follow;
mod pages;
mod wall;
