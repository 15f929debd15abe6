//! Which store this node has: the one place that knows the implementations by name. Everything else asks [`Factory`].

use pratique_sqlite::SqliteFactory;
use pratique_store::factory::Factory;

use crate::config::Config;

/// What the configuration names: a data directory, which is SQLite.
pub fn of(config: &Config) -> Box<dyn Factory> {
    Box::new(SqliteFactory::new(config.data_dir.clone(), config.position_copy.clone()))
}
