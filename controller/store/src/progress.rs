//! How far a store is that is being read at start, for those who ask meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};

/// Shared between who reads and who is asked.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    to_read: AtomicU64,
    put: AtomicU64,
    to_put: AtomicU64,
}

impl Progress {
    /// So many rows more are to be read.
    pub fn expect(&self, rows: u64) {
        self.to_read.fetch_add(rows, Ordering::Relaxed);
    }

    /// One row more was read.
    pub fn read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// So many things that were read are to be put in their places.
    pub fn expect_put(&self, things: u64) {
        self.to_put.fetch_add(things, Ordering::Relaxed);
    }

    /// One more is in its place.
    pub fn put(&self) {
        self.put.fetch_add(1, Ordering::Relaxed);
    }

    /// In words, with a share of what is known to be done.
    pub fn said(&self) -> String {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let (read, to_read, put, to_put) = (get(&self.read), get(&self.to_read), get(&self.put), get(&self.to_put));
        if to_put > 0 {
            return format!("putting cases and sessions in their places, {}", share(put, to_put));
        }
        if to_read > 0 {
            return format!("reading log and sessions, {}", share(read, to_read));
        }
        "opening the store".to_owned()
    }
}

fn share(done: u64, all: u64) -> String {
    let percent = done.min(all).saturating_mul(100).checked_div(all).unwrap_or(100);
    format!("{done} of {all} ({percent} %)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_done_of_what_is_known_to_be_done() {
        let progress = Progress::default();
        assert_eq!(progress.said(), "opening the store");
        progress.expect(3);
        progress.expect(5);
        (0..4).for_each(|_| progress.read());
        assert_eq!(progress.said(), "reading log and sessions, 4 of 8 (50 %)");
        progress.expect_put(2);
        progress.put();
        assert_eq!(progress.said(), "putting cases and sessions in their places, 1 of 2 (50 %)");
    }
}
