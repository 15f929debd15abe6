//! The self-check's answers to requests.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use tokio::sync::Semaphore;

use super::pace::Pace;
use super::settings::SelfCheck;
use super::{CheckError, Checker, Known, Visitor};
use crate::answer::{self, Answer};
use crate::front::{Front, now};
use crate::page::{CheckView, Wish};

/// Who is busy now is not busy for long.
const BUSY_SECONDS: i64 = 5;

/// What the self-check has beside its settings.
pub(crate) struct Desk {
    pub(crate) checker: Arc<dyn Checker>,
    pace: Pace,
    looks: Semaphore,
}

impl Desk {
    pub(crate) fn new(settings: &SelfCheck, checker: Arc<dyn Checker>) -> Self {
        Self {
            checker,
            pace: Pace::new(settings.looks_per_minute),
            looks: Semaphore::new(settings.looks_at_once.min(Semaphore::MAX_PERMITS)),
        }
    }
}

impl Front {
    /// The page. `asks`: somebody reads it; who only fetches what a link looks like is not looked up.
    pub(crate) async fn check(&self, desk: &Desk, peer: SocketAddr, asks: bool, mut wish: Wish<'_>) -> Answer {
        if !asks {
            self.metrics.check("preview");
            return self.pages.self_check(&CheckView::Nobody, &wish);
        }
        let now = now();
        if let Err(until) = desk.pace.look(peer.ip(), now) {
            self.metrics.check("limited");
            let page = self.pages.self_check(&CheckView::Limited(until), &wish);
            let wait = until.since(now).as_millis().max(0) / 1_000 + 1;
            return answer::refused(page, StatusCode::TOO_MANY_REQUESTS, wait);
        }
        let known = self.known(desk, peer.into()).await;
        if let Ok(Known::Line(card)) = &known {
            wish.record = card.language.as_deref();
        }
        match &known {
            Err(CheckError::Busy) => {
                self.metrics.check("busy");
                let page = self.pages.self_check(&CheckView::Busy, &wish);
                answer::refused(page, StatusCode::SERVICE_UNAVAILABLE, BUSY_SECONDS)
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
                self.pages.self_check(&CheckView::Line(card), &wish)
            }
        }
    }

    async fn known(&self, desk: &Desk, visitor: Visitor) -> Result<Known, CheckError> {
        let _seat = desk.looks.try_acquire().map_err(|_| CheckError::Busy)?;
        let patience = self.pages.settings().limits.desk_timeout.to_std();
        tokio::time::timeout(patience, desk.checker.look_up(visitor)).await.unwrap_or(Err(CheckError::Busy))
    }
}
