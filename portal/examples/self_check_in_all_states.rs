//! The self-check page in each of its states, and the open figures, to look at in a browser or to try texts out:
//!
//! `cargo run -p pratique-portal --example self_check_in_all_states -- 8080 [texts directory]`, then open
//! `http://127.0.0.1:8080/check` and the ports after it, and `/figures` at any. A scan ends after 20 s.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::rescan::Verdict;
use pratique_core::time::Moment;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CauseCard, CheckCard, GardenView};
use pratique_portal::figures::{Cases, Count, Figures, Kind, Kinds, SelfChecks, Week};
use pratique_portal::{
    Agreed, CheckError, Checker, Found, Known, LineCard, NoDesk, Offer, Portal, SeenCard, SelfCheck, Settings, Visitor,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// 14 February 2026, 15:19 in Amsterdam.
const SEEN: Timestamp = Timestamp::from_secs(1_771_078_749);

/// The same for every visitor.
struct State(Arc<Mutex<Known>>);

#[async_trait]
impl Checker for State {
    async fn look_up(&self, _: Visitor) -> Result<Known, CheckError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn scan(&self, _: Visitor, _: Agreed) -> Result<(), CheckError> {
        let put = |state: &Mutex<Known>, offer, found: Option<Found>| {
            if let Known::Line(card) = &mut *state.lock().unwrap_or_else(PoisonError::into_inner) {
                card.offer = offer;
                card.found = found;
            }
        };
        put(&self.0, Offer::UnderWay, None);
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            put(&state, Offer::Now { round: 2 }, Some(found(Verdict::Clean)));
        });
        Ok(())
    }

    fn figures(&self) -> Option<Arc<Figures>> {
        let kind = |(cause, lines): (&str, u64)| Kind { cause: cause.into(), lines: Count::of(lines) };
        let kinds = [("mirai", 412), ("open-dns-resolver", 230), ("open-telnet", 77), ("infected-nas", 3)];
        let week = |(i, lines): (i64, u64)| Week {
            from: Moment(Timestamp::from_secs(1_770_595_200).minus(Span::from_days(7 * (11 - i)))),
            lines: Count::of(lines),
        };
        let weeks = (0..).zip([410, 380, 395, 300, 310, 250, 260, 190, 0, 3, 150, 40]);
        let (clean, vulnerable, inconclusive) = (Count::of(1_204), Count::of(96), Count::of(310));
        Some(Arc::new(Figures {
            generated_at: Moment(SEEN),
            kinds: Kinds { days: 30, lines: kinds.into_iter().map(kind).collect() },
            weeks: weeks.map(week).collect(),
            cases: Cases { opened: Count::of(2_110), released: Count::of(1_890), until_clean: Some(27) },
            self_checks: SelfChecks { days: 30, clean, vulnerable, inconclusive },
        }))
    }
}

fn found(verdict: Verdict) -> Found {
    let found = [
        ("telnet:23", verdict, if verdict == Verdict::Vulnerable { "login-prompt" } else { "refused" }),
        ("open-dns:53", Verdict::Clean, "refused"),
        ("ssdp:1900", Verdict::Clean, "silent"),
    ];
    let found = found.map(|(probe, verdict, key)| (probe.into(), verdict, key.into())).to_vec();
    let open = verdict == Verdict::Vulnerable;
    Found {
        check: CheckCard { at: SEEN, verdict, found },
        causes: open.then(|| "open-telnet".into()).into_iter().collect(),
    }
}

fn seen(cause: &str, recent: bool) -> SeenCard {
    let last_seen = if recent { SEEN } else { SEEN.minus(Span::from_days(9)) };
    let first_seen = last_seen.minus(Span::from_hours(5));
    let device = Some("Hikvision DS-2CD2042WD, IP camera".into());
    SeenCard { cause: CauseCard { cause: cause.into(), first_seen, last_seen, count: 14, device }, recent }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().unwrap_or_else(|| "8080".into()).parse()?;
    let texts = args.next().map(PathBuf::from);
    let clean = LineCard {
        line: LineNo(1),
        seen: Vec::new(),
        held: false,
        case: None,
        language: None,
        offer: Offer::Now { round: 1 },
        mail: Some("j***@isp.example".into()),
        found: None,
    };
    let line = |card: LineCard| Known::Line(Box::new(card));
    let all = [
        ("nothing seen", line(clean.clone())),
        (
            "seen lately and before",
            line(LineCard { seen: vec![seen("mirai", true), seen("open-snmp", false)], ..clean.clone() }),
        ),
        ("seen before", line(LineCard { seen: vec![seen("mirai", false)], case: Some(CaseId(17)), ..clean.clone() })),
        ("in quarantine", line(LineCard { held: true, offer: Offer::No, ..clean.clone() })),
        ("being checked", line(LineCard { offer: Offer::UnderWay, ..clean.clone() })),
        ("found clean", line(LineCard { found: Some(found(Verdict::Clean)), ..clean.clone() })),
        (
            "found open",
            line(LineCard {
                found: Some(found(Verdict::Vulnerable)),
                offer: Offer::Later { at: SEEN },
                ..clean.clone()
            }),
        ),
        ("behind CGNAT", line(LineCard { offer: Offer::NoAddress, ..clean })),
        ("shared", Known::Shared),
        ("unknown", Known::Nobody),
    ];
    let mut portals = JoinSet::new();
    for (number, (name, known)) in (0..).zip(all) {
        println!("http://{}:{}/check {name}", Ipv4Addr::LOCALHOST, port + number);
        let mut settings = Settings::example(format!("http://127.0.0.1:{}/", port + number).parse()?);
        settings.self_check = Some(SelfCheck { figures: true, looks_per_minute: 10_000, ..SelfCheck::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port + number)).await?;
        let (view, desk) = (Arc::new(GardenView::default()), Arc::new(NoDesk));
        let portal = Portal::new(settings, texts.as_deref(), view, desk, &prometheus::Registry::new())?;
        portal.check_lines(Arc::new(State(Arc::new(Mutex::new(known)))));
        portals.spawn(async move { portal.serve(vec![listener], std::future::pending()).await });
    }
    portals.join_next().await;
    Ok(())
}
