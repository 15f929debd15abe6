//! Where the rows of deliveries wait that somebody has to decide on: whole pieces, by the number of their delivery. Apart from the
//! tables, since they are large, are read once and then go. Personal data.

use std::time::Duration;

use super::StoreError;

/// The one who keeps them. Texts of errors name the place.
#[async_trait::async_trait]
pub trait Shelf: Send + Sync {
    /// Puts a piece down, whole or not at all, durable when it returns; it takes the place of one with the same number.
    async fn put(&self, number: u64, piece: Vec<u8>) -> Result<(), StoreError>;

    /// The piece with a number; none if there is none.
    async fn get(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether there is one. One that cannot be looked at is there.
    async fn has(&self, number: u64) -> bool;

    /// Takes a piece away; none with this number is no error.
    async fn take_away(&self, number: u64) -> Result<(), StoreError>;

    /// The numbers of pieces that were put down longer ago than this, in no order.
    async fn older_than(&self, age: Duration) -> Result<Vec<u64>, StoreError>;
}
