//! The self-check's answers to requests.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT_LANGUAGE;
use http::{Request, StatusCode};
use hyper::body::Body;
use pratique_core::time::Timestamp;
use tokio::sync::Semaphore;

use super::form::{Consent, Said};
use super::settings::SelfCheck;
use super::{Agreed, CheckError, Checker, Known, Offer, PATH, Visitor};
use crate::answer::{self, Answer};
use crate::front::{Front, header, now};
use crate::pace::{Pace, Wait};
use crate::page::{CheckView, Pages, Wish};
use crate::settings::PortalUrl;
use crate::visit::{self, Visit};

/// Who is busy now is not busy for long.
const BUSY_SECONDS: i64 = 5;

/// What the self-check has beside its settings.
pub(crate) struct Desk {
    pub(crate) checker: Arc<dyn Checker>,
    pub(crate) figures: bool,
    pace: Pace,
    looks: Semaphore,
}

impl Desk {
    pub(crate) fn new(settings: &SelfCheck, home_prefix: u8, checker: Arc<dyn Checker>) -> Self {
        Self {
            checker,
            figures: settings.figures,
            pace: Pace::new(settings.looks_per_minute, home_prefix),
            looks: Semaphore::new(settings.looks_at_once.min(Semaphore::MAX_PERMITS)),
        }
    }
}

/// Why a form begins nothing.
enum Refused {
    /// This is said on the page.
    Said(Said),
    /// Not before this.
    Later(Timestamp),
}

impl Front {
    /// The page. `asks`: somebody reads it; who only fetches what a link looks like is not looked up.
    pub(crate) async fn check(
        &self,
        desk: &Desk,
        peer: SocketAddr,
        asks: bool,
        said: Option<Said>,
        mut wish: Wish<'_>,
    ) -> Answer {
        if !asks {
            self.metrics.check("preview");
            return self.pages.self_check(&CheckView::Nobody, &wish);
        }
        let now = now();
        match desk.pace.take(self.party(peer.ip()), now) {
            Ok(()) => {}
            Err(Wait::Often(until)) => {
                self.metrics.check("limited");
                return self.limited(&CheckView::Limited(until), until, now, &wish);
            }
            Err(Wait::Crowd) => {
                self.metrics.check("busy");
                return self.busy(&wish);
            }
        }
        let known = self.known(desk, peer.into()).await;
        if let Ok(Known::Line(card)) = &known {
            wish.record = card.language.as_deref();
        }
        match &known {
            Err(_) => {
                self.metrics.check("busy");
                self.busy(&wish)
            }
            Ok(Known::Nobody) => {
                self.metrics.check("nobody");
                self.pages.self_check(&CheckView::Nobody, &wish)
            }
            Ok(Known::Shared) => {
                self.metrics.check("shared");
                self.pages.self_check(&CheckView::Shared, &wish)
            }
            Ok(Known::Line(card)) => {
                self.metrics.check(match card.seen.iter().any(|seen| seen.recent) {
                    true => "recent",
                    false if card.seen.is_empty() => "nothing",
                    false => "older",
                });
                let form = match card.offer {
                    Offer::Now { round } => Some(Consent::new(&self.seal, card.line, round, peer.ip(), now)),
                    Offer::No | Offer::NoAddress | Offer::UnderWay | Offer::Later { .. } => None,
                };
                self.pages.self_check(&CheckView::Line { card, form: form.as_ref(), said }, &wish)
            }
        }
    }

    /// The form: begins a scan, and leads back to the page.
    pub(crate) async fn scan<B>(&self, desk: &Desk, request: Request<B>, peer: SocketAddr, portal: &PortalUrl) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let language = self.pages.language(Visit::read(request.uri().query()).language);
        let browser = header(request.headers(), ACCEPT_LANGUAGE.as_str()).map(str::to_owned);
        let now = now();
        let limited = |view: &CheckView<'_>, until| {
            self.metrics.scan("limited");
            let wish = Wish { chosen: language, browser: browser.as_deref(), record: None };
            self.limited(view, until, now, &wish)
        };
        // Forms cost more than looks, so they count as one, too.
        match desk.pace.take(self.party(peer.ip()), now) {
            Ok(()) => {}
            Err(Wait::Often(until)) => return limited(&CheckView::Limited(until), until),
            Err(Wait::Crowd) => {
                self.metrics.scan("busy");
                return self.busy(&Wish { chosen: language, browser: browser.as_deref(), record: None });
            }
        }
        let body = match self.form(request, portal).await {
            Ok(body) => body,
            Err(status) => {
                self.metrics.scan("refused");
                return answer::closing(answer::empty(status));
            }
        };
        let begun = match Consent::read(&self.seal, &body, peer.ip(), now) {
            Ok(agreed) => self.begin(desk, peer.into(), agreed).await,
            Err(said) => Err(Refused::Said(said)),
        };
        let said = match begun {
            Ok(()) => None,
            Err(Refused::Later(at)) => return limited(&CheckView::ScanLimited(at), at),
            Err(Refused::Said(said)) => Some(said),
        };
        self.metrics.scan(said.map_or("begun", Said::name));
        let said = said.map(|said| format!("s={}", said.name()));
        let behind = visit::address(PATH.trim_start_matches('/'), [said, visit::language(language)]);
        answer::redirect(StatusCode::SEE_OTHER, &Pages::location(portal, &(behind + "#scan")))
    }

    async fn begin(&self, desk: &Desk, visitor: Visitor, agreed: Agreed) -> Result<(), Refused> {
        self.in_turn(desk, desk.checker.scan(visitor, agreed)).await.map_err(|error| match error {
            CheckError::Busy => Refused::Said(Said::Busy),
            CheckError::Again => Refused::Said(Said::Again),
            CheckError::Moved | CheckError::NotOffered => Refused::Said(Said::PressAgain),
            CheckError::Later(at) => Refused::Later(at),
        })
    }

    fn busy(&self, wish: &Wish<'_>) -> Answer {
        let page = self.pages.self_check(&CheckView::Busy, wish);
        answer::refused(page, StatusCode::SERVICE_UNAVAILABLE, BUSY_SECONDS)
    }

    fn limited(&self, view: &CheckView<'_>, until: Timestamp, now: Timestamp, wish: &Wish<'_>) -> Answer {
        let wait = until.since(now).as_millis().max(0) / 1_000 + 1;
        answer::refused(self.pages.self_check(view, wish), StatusCode::TOO_MANY_REQUESTS, wait)
    }

    async fn known(&self, desk: &Desk, visitor: Visitor) -> Result<Known, CheckError> {
        self.in_turn(desk, desk.checker.look_up(visitor)).await
    }

    /// Asks when there is a place, within the time that people wait for.
    async fn in_turn<T>(
        &self,
        desk: &Desk,
        asked: impl Future<Output = Result<T, CheckError>>,
    ) -> Result<T, CheckError> {
        let patience = self.pages.settings().limits.desk_timeout.to_std();
        let answered = async {
            let _seat = desk.looks.acquire().await.map_err(|_| CheckError::Busy)?;
            asked.await
        };
        tokio::time::timeout(patience, answered).await.unwrap_or(Err(CheckError::Busy))
    }
}
