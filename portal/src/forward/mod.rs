//! Plain HTTP to allow-listed names, passed on and looked at: certificate status above all. Names that open 80/tcp alone stand on
//! shared addresses, where a port that is simply open leads to any host of the same provider. So the wall leads these
//! connections here, as it leads all HTTP, and what is passed on is written anew.
//!
//! ```text
//! a resident's request ─▶ checked: PURE. Host on its list? GET, HEAD, OCSP? short? ─▶ budget: the line's rates
//!                                                                                      │
//!             its answer ◀─ fetch: bounded in time and size ◀─ origin: addresses that may be used
//! ```
//!
//! Nothing that a client says passes but the path, and of the fields those in [`checked`], each in its form. Nothing is kept.

mod budget;
mod checked;
mod fetch;

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Body;
use pratique_core::time::Span;
use pratique_core::view::Resident;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use serde::{Deserialize, Serialize};

use self::budget::Budget;
pub(crate) use self::checked::leads_here;
use self::checked::{Refused, Wanted};
pub(crate) use self::fetch::{Passing, frame};
use crate::answer::{self, Answer};
use crate::settings::SettingsError;

/// Says where names are.
#[async_trait]
pub trait Origin: Send + Sync + 'static {
    /// The addresses of a name on the resident's list, with the port of HTTP; never one that points inwards.
    ///
    /// # Errors
    /// [`NoOrigin`].
    async fn addresses(&self, resident: &Resident, name: &str) -> Result<Vec<SocketAddr>, NoOrigin>;
}

/// Why there is no address to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOrigin {
    /// The name is not on the resident's list.
    NotListed,
    /// The line has asked for too much.
    Spent,
    /// There is none that may be used, or nobody knows now.
    None,
}

/// Bounds of what is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests of one line per minute. Default 60: a page with certificates of several sites asks some ten times.
    pub requests_per_minute: u32,
    /// MiB of answers for one line per hour. Default 256: revocation lists have up to some ten.
    pub mib_per_hour: u32,
    /// MiB of one answer. Default 64.
    pub answer_mib: u32,
    /// Requests of one line at once. Default 6, as browsers do.
    pub at_once_per_line: u32,
    /// Requests of all lines at once. Default 512.
    pub at_once: u32,
    /// Time to connect, to send the request and to get the head of the answer, together. Default 8s.
    pub patience: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: 60,
            mib_per_hour: 256,
            answer_mib: 64,
            at_once_per_line: 6,
            at_once: 512,
            patience: Span::from_secs(8),
        }
    }
}

impl Limits {
    /// # Errors
    /// The first value that makes no sense.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        for (key, value, most) in [
            ("forward.requests_per_minute", self.requests_per_minute, 100_000),
            ("forward.mib_per_hour", self.mib_per_hour, 1 << 20),
            ("forward.answer_mib", self.answer_mib, 1 << 14),
            ("forward.at_once_per_line", self.at_once_per_line, 1_024),
            ("forward.at_once", self.at_once, 65_536),
        ] {
            if value == 0 || value > most {
                return Err(SettingsError::new(key, format!("is {value}; choose 1 to {most}")));
            }
        }
        let (low, high) = (Span::from_millis(100), Span::from_secs(60));
        if self.patience < low || self.patience > high {
            return Err(SettingsError::new(
                "forward.patience",
                format!("is {}; choose {low} to {high}", self.patience),
            ));
        }
        Ok(())
    }
}

/// What is counted; labels are a closed set, no names and no lines.
#[derive(Clone)]
pub(crate) struct Meters {
    requests: IntCounterVec,
    bytes: IntCounter,
}

impl Meters {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "pratique_portal_forwarded_total",
                "Requests over plain HTTP to allow-listed names, by what became of them",
            ),
            &["outcome"],
        )?;
        let bytes = IntCounter::new("pratique_portal_forwarded_bytes_total", "Bytes of their answers")?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(bytes.clone()))?;
        Ok(Self { requests, bytes })
    }

    fn count(&self, outcome: &'static str) {
        self.requests.with_label_values(&[outcome]).inc();
    }
}

/// Passes requests on.
pub(crate) struct Forwarder {
    origin: Arc<dyn Origin>,
    budget: Arc<Budget>,
    limits: Limits,
    body_timeout: Span,
    meters: Meters,
}

impl Forwarder {
    pub(crate) fn new(origin: Arc<dyn Origin>, limits: Limits, body_timeout: Span, meters: Meters) -> Self {
        Self { origin, budget: Arc::new(Budget::new(&limits)), limits, body_timeout, meters }
    }

    /// The answer to a request that [`leads_here`].
    pub(crate) async fn answer<B>(&self, request: Request<B>, resident: &Resident) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match self.try_answer(request, resident).await {
            Ok(passing) => {
                self.meters.count("passed");
                passing
            }
            Err(refused) => {
                self.meters.count(refused.outcome());
                answer::forwarding_refused(refused.status(), matches!(refused, Refused::Rate | Refused::Busy))
            }
        }
    }

    async fn try_answer<B>(&self, request: Request<B>, resident: &Resident) -> Result<Answer, Refused>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // Before anything is read: a flood costs a look at its bucket.
        let place = self.budget.begin(resident.line, tokio::time::Instant::now())?;
        let wanted = Wanted::read(request, &resident.garden.allow, self.body_timeout.to_std()).await?;
        let patience = self.limits.patience.to_std();
        let got = tokio::time::timeout(patience, async {
            let addresses = self.origin.addresses(resident, &wanted.name).await.map_err(Refused::of)?;
            fetch::ask(&addresses, &wanted).await
        });
        let got = got.await.unwrap_or(Err(Refused::Slow))?;
        let most = u64::from(self.limits.answer_mib) << 20;
        fetch::passed(got, most, place, self.meters.bytes.clone(), patience)
    }
}

impl Refused {
    fn of(none: NoOrigin) -> Self {
        match none {
            NoOrigin::NotListed => Self::NotListed,
            NoOrigin::Spent => Self::Rate,
            NoOrigin::None => Self::Nowhere,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::Body(status) => status,
            Self::NotListed => StatusCode::NETWORK_AUTHENTICATION_REQUIRED,
            Self::Rate | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Nowhere | Self::TooLarge => StatusCode::BAD_GATEWAY,
            Self::Slow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Malformed | Self::Body(_) => "malformed",
            Self::TooLong => "too-long",
            Self::NotListed => "not-listed",
            Self::Rate => "rate",
            Self::Busy => "busy",
            Self::Nowhere => "unreachable",
            Self::TooLarge => "too-large",
            Self::Slow => "timeout",
        }
    }
}
