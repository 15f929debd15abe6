//! The store in memory holds what every store has to hold.

use pratique_store::Memory;

fn place() -> (Memory, ()) {
    (Memory::default(), ())
}

pratique_store_suite::suite!(place);
