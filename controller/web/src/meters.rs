//! What the office counts about itself.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of API and console.
#[derive(Clone, Debug)]
pub struct Meters {
    /// Answers by surface (`api`, `console`, `open`) and status class (`2xx`, …).
    pub answers: IntCounterVec,
    /// Wrong tokens presented.
    pub wrong_tokens: IntCounter,
    /// Wrong tokens beyond what one client may try, answered with 429.
    pub slowed: IntCounter,
    /// Requests under a foreign host name.
    pub wrong_host: IntCounter,
    /// Forms without the session's CSRF token, or from a foreign page.
    pub csrf: IntCounter,
    /// Connections refused because too many were open.
    pub crowded: IntCounter,
    /// Connections without proof that gave way to a newer one.
    pub gave_way: IntCounter,
    /// Requests whose body came too slowly.
    pub slow_bodies: IntCounter,
    /// Files refused because too many were on their way, by the limit (`token`, `client`, `all`).
    pub uploads_refused: IntCounterVec,
    /// Connections open now.
    pub connections: IntGauge,
}

impl Meters {
    /// Registers them.
    ///
    /// # Errors
    /// When one of the names is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let meter = IntCounter::new(name, help)?;
            registry.register(Box::new(meter.clone()))?;
            Ok(meter)
        };
        let answers = IntCounterVec::new(
            Opts::new("pratique_office_answers_total", "Answers of API and console by surface and status class"),
            &["surface", "class"],
        )?;
        registry.register(Box::new(answers.clone()))?;
        let uploads_refused = IntCounterVec::new(
            Opts::new(
                "pratique_office_uploads_refused_total",
                "Files refused because too many were on their way, by limit",
            ),
            &["limit"],
        )?;
        registry.register(Box::new(uploads_refused.clone()))?;
        let connections = IntGauge::new("pratique_office_connections", "Connections to API and console open now")?;
        registry.register(Box::new(connections.clone()))?;
        Ok(Self {
            answers,
            wrong_tokens: counter("pratique_office_wrong_tokens_total", "Wrong tokens presented")?,
            slowed: counter("pratique_office_slowed_total", "Wrong tokens beyond what one client may try")?,
            wrong_host: counter("pratique_office_wrong_host_total", "Requests under a foreign host name")?,
            csrf: counter("pratique_office_csrf_total", "Forms refused because they came from elsewhere")?,
            crowded: counter("pratique_office_crowded_total", "Connections refused because too many were open")?,
            gave_way: counter(
                "pratique_office_gave_way_total",
                "Connections closed for a newer one while all places were taken",
            )?,
            slow_bodies: counter("pratique_office_slow_bodies_total", "Requests whose body came too slowly")?,
            uploads_refused,
            connections,
        })
    }
}
