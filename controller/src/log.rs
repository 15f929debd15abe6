//! The log on standard error: its form, its levels, and who may not speak in it.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// Starts the log on standard error. `PRATIQUE_LOG_FORMAT` (`text` or `json`) overrules the configuration, `PRATIQUE_LOG`
/// sets levels, for example `info,pratique_engine=debug`. A second call in one process changes nothing.
///
/// # Errors
/// When one of the two variables says something unknown.
pub fn start(configured: LogFormat) -> anyhow::Result<()> {
    use std::io::IsTerminal as _;
    let format = match std::env::var("PRATIQUE_LOG_FORMAT").as_deref() {
        Err(_) | Ok("") => configured,
        Ok("text") => LogFormat::Text,
        Ok("json") => LogFormat::Json,
        Ok(other) => anyhow::bail!("PRATIQUE_LOG_FORMAT is `{other}`: write `text` or `json`"),
    };
    let levels = std::env::var("PRATIQUE_LOG").ok().filter(|l| !l.is_empty()).unwrap_or_else(|| "info".into());
    let filter = log_filter(&levels)
        .map_err(|e| anyhow::anyhow!("PRATIQUE_LOG is `{levels}`: {e}; write for example `info,pratique=debug`"))?;
    // The builder's own level lets everything through, for the filter decides.
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
    // A log that nobody reads any more must not end a task of the daemon: reporting that would panic.
    let log = log.log_internal_errors(false);
    // An error here only says that a log runs already, which is what was asked for.
    let _ = match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).finish().with(filter).try_init(),
        LogFormat::Json => log.json().flatten_event(true).finish().with(filter).try_init(),
    };
    Ok(())
}

/// These say what names residents ask for, at some levels: the resolver's HTTP/2 and its upstreams. Whatever levels are asked
/// for, there is no browsing log.
const SILENT: [&str; 4] = ["h2", "hickory_net", "hickory_proto", "hickory_resolver"];

fn log_filter(levels: &str) -> anyhow::Result<Targets> {
    let asked: Targets = levels.parse()?;
    let rest = asked.default_level().unwrap_or(LevelFilter::OFF);
    let spoken = asked.into_iter().filter(|(target, _)| !SILENT.iter().any(|silent| target.starts_with(silent)));
    Ok(Targets::new().with_default(rest).with_targets(spoken).with_targets(SILENT.map(|s| (s, LevelFilter::OFF))))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_set_by_target_and_who_says_names_is_silent_whatever_is_asked_for() {
        let filter = log_filter("warn,pratique=debug,h2=trace,hickory_proto::rr=trace").unwrap();
        assert!(
            filter.would_enable("pratique_engine", &Level::DEBUG) && !filter.would_enable("pratique", &Level::TRACE)
        );
        assert!(filter.would_enable("sqlx::query", &Level::WARN) && !filter.would_enable("sqlx::query", &Level::INFO));
        for target in ["h2::codec", "hickory_proto::rr::domain", "hickory_resolver", "hickory_net"] {
            assert!(!filter.would_enable(target, &Level::ERROR), "{target}");
        }
        assert!(
            !log_filter("pratique=debug").unwrap().would_enable("sqlx::query", &Level::ERROR),
            "nothing else was asked for"
        );
        assert!(log_filter("pratique=loud").is_err());
    }

    #[test]
    fn no_level_makes_a_browsing_log() {
        let filter = log_filter("trace,h2=trace,hickory_proto=debug").unwrap().to_string();
        for target in SILENT {
            let said: Vec<_> = filter.split(',').filter(|d| d.starts_with(target)).collect();
            assert_eq!(said, [format!("{target}=off")], "{filter}");
        }
    }
}
