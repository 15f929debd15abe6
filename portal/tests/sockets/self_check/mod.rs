//! The self-check, as people on lines of their own and strangers get it: what was seen, scans, and what is open to all.

mod open;
mod page;
mod scans;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pratique_core::ids::LineNo;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::CauseCard;
use pratique_portal::figures::Figures;
use pratique_portal::{Agreed, CheckError, Checker, Known, LineCard, Offer, SeenCard, SelfCheck, Visitor};

use crate::support::Running;

/// 14 February 2026, 14:19:09 UTC: 15:19 in Amsterdam.
pub const SEEN: Timestamp = Timestamp::from_secs(1_771_078_749);

/// Lines by address; all else is unknown.
#[derive(Default)]
pub struct Lines {
    pub known: Mutex<HashMap<IpAddr, Known>>,
    pub asked: Mutex<Vec<Visitor>>,
    pub busy: Mutex<bool>,
    pub agreed: Mutex<Vec<Agreed>>,
    pub refuse: Mutex<Option<CheckError>>,
    pub figures: Mutex<Option<Arc<Figures>>>,
}

#[async_trait]
impl Checker for Lines {
    async fn look_up(&self, visitor: Visitor) -> Result<Known, CheckError> {
        self.asked.lock().unwrap().push(visitor);
        if *self.busy.lock().unwrap() {
            return Err(CheckError::Busy);
        }
        Ok(self.known.lock().unwrap().get(&visitor.address).cloned().unwrap_or(Known::Nobody))
    }

    /// As the real one: a form counts once.
    async fn scan(&self, visitor: Visitor, agreed: Agreed) -> Result<(), CheckError> {
        if let Some(error) = *self.refuse.lock().unwrap() {
            return Err(error);
        }
        let mut known = self.known.lock().unwrap();
        let Some(Known::Line(card)) = known.get_mut(&visitor.address) else { return Err(CheckError::NotOffered) };
        match card.offer {
            _ if card.line != agreed.line => Err(CheckError::Moved),
            Offer::Now { round } if round == agreed.round => {
                card.offer = Offer::UnderWay;
                self.agreed.lock().unwrap().push(agreed);
                Ok(())
            }
            Offer::No | Offer::NoAddress => Err(CheckError::NotOffered),
            _ => Err(CheckError::Again),
        }
    }

    fn figures(&self) -> Option<Arc<Figures>> {
        self.figures.lock().unwrap().clone()
    }
}

pub fn line(number: u32) -> LineCard {
    LineCard {
        line: LineNo(number),
        seen: Vec::new(),
        held: false,
        case: None,
        language: None,
        offer: Offer::Now { round: 5 },
        mail: None,
        found: None,
    }
}

pub fn seen(cause: &str, recent: bool) -> SeenCard {
    let last_seen = if recent { SEEN } else { SEEN.minus(Span::from_days(9)) };
    let cause = CauseCard {
        cause: cause.into(),
        first_seen: last_seen.minus(Span::from_hours(3)),
        last_seen,
        count: 3,
        device: Some("Acme ip-camera".into()),
    };
    SeenCard { cause, recent }
}

pub async fn checking() -> (Running, Arc<Lines>) {
    checking_with(|_| ()).await
}

pub async fn checking_with(change: fn(&mut SelfCheck)) -> (Running, Arc<Lines>) {
    let mut checks = SelfCheck::default();
    change(&mut checks);
    let portal = crate::support::start_changed(|settings| settings.self_check = Some(checks), false).await;
    let lines = Arc::new(Lines::default());
    portal.portal.check_lines(lines.clone());
    (portal, lines)
}

impl Lines {
    pub fn put(&self, address: Ipv4Addr, known: Known) {
        self.known.lock().unwrap().insert(address.into(), known);
    }
}
