//! The portal with a line in each state of a case, to look at in a browser or to try texts out:
//!
//! `cargo run -p pratique-portal --example portal_in_all_states -- 8080 [texts directory]`, then open
//! `http://127.0.0.1:8080/` and the ports after it: each is another state. The buttons work; a check ends after 20 s.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pratique_core::allow::AllowList;
use pratique_core::command::Missing;
use pratique_core::ids::{CaseId, LineNo};
use pratique_core::plan::Element;
use pratique_core::playbook::{AllowName, PortSpec};
use pratique_core::rescan::Verdict;
use pratique_core::sighting::Transport;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{
    CaseCard, CauseCard, CheckCard, CheckState, Freed, Garden, GardenView, Proof, Resident, Round, Site, Trust,
};
use pratique_portal::{Desk, DeskError, FreeLine, Grace, Portal, Seen, Settings, StepId, Ticked, Visitor, Warning};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// 14 February 2026, 15:19 in Amsterdam.
const SEEN: Timestamp = Timestamp::from_secs(1_771_078_749);

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;

struct Card {
    view: Arc<GardenView>,
    lock: Mutex<()>,
    ticked: Mutex<Ticked>,
    /// Where nobody is in the view.
    warned: Option<Warning>,
}

fn put(view: &GardenView, card: CaseCard) {
    let resident = Resident { case: card.case, line: LineNo(1), garden: Arc::new(garden()), card };
    view.put(Element::V4(HOME), Arc::new(resident));
}

/// A voice service, the vendors' sites and a bank.
fn garden() -> Garden {
    let site = |name: &str, for_steps| Site { name: name.into(), https: true, for_steps };
    let web = |name: &str| AllowName::new(name, vec![PortSpec { port: 443, transport: Transport::Tcp }]);
    let (vendors, banks) = ([web("www.hikvision.com"), web("www.tp-link.com")], [web("www.bank.example")]);
    Garden {
        networks: "192.0.2.16/28".parse().into_iter().collect(),
        everybody: AllowList::merge([&banks[..]]),
        sites: [site("www.hikvision.com", true), site("www.tp-link.com", true), site("www.bank.example", false)].into(),
        ..Garden::new(["mirai".into()], AllowList::merge([&vendors[..], &banks[..]]))
    }
}

fn change(view: &GardenView, change: impl FnOnce(&mut CaseCard)) -> Result<(), DeskError> {
    let mut card = view.resident(HOME.into()).ok_or(DeskError::AlreadyDone)?.card.clone();
    card.version += 1;
    change(&mut card);
    put(view, card);
    Ok(())
}

impl Card {
    fn is(&self, round: Round) -> Result<(), DeskError> {
        let resident = self.view.resident(HOME.into()).ok_or(DeskError::AlreadyDone)?;
        if resident.card.round() == round { Ok(()) } else { Err(DeskError::AlreadyDone) }
    }
}

#[async_trait]
impl Desk for Card {
    async fn report_fixed(&self, _: CaseId, round: Round) -> Result<(), DeskError> {
        let _one_at_a_time = self.lock.lock().map_err(|_| DeskError::Unavailable)?;
        self.is(round)?;
        change(&self.view, |card| card.checking_since = Some(card.since))?;
        let view = self.view.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            change(&view, |card| {
                card.checking_since = None;
                card.check_again = Some(now().plus(Span::from_mins(2)));
                *card = checked(card.clone(), Verdict::Clean, Missing::Silence, &[]);
            })
        });
        Ok(())
    }

    async fn self_release(&self, _: CaseId, round: Round) -> Result<(), DeskError> {
        let _one_at_a_time = self.lock.lock().map_err(|_| DeskError::Unavailable)?;
        self.is(round)?;
        self.view.remove(Element::V4(HOME));
        Ok(())
    }

    async fn check_warned(&self, _: Visitor, _: CaseId, _: Round) -> Result<(), DeskError> {
        Err(DeskError::Unavailable)
    }

    fn ticked(&self, _: CaseId, _: Timestamp) -> Ticked {
        self.ticked.lock().map(|ticked| ticked.clone()).unwrap_or_default()
    }

    fn tick(&self, _: CaseId, _: Timestamp, step: StepId, done: bool) -> Result<(), DeskError> {
        let mut ticked = self.ticked.lock().map_err(|_| DeskError::Unavailable)?;
        if done {
            ticked.insert(step)
        } else {
            ticked.remove(&step)
        };
        Ok(())
    }

    async fn line_of(&self, _: Visitor) -> Result<Seen, DeskError> {
        Ok(Seen::Free(FreeLine { language: None, warned: self.warned.clone() }))
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs() as i64)
}

fn card(number: u8, causes: &[(&str, u32, Option<&str>)]) -> CaseCard {
    let cause = |(cause, count, device): &(&str, u32, Option<&str>)| CauseCard {
        cause: (*cause).into(),
        first_seen: SEEN,
        last_seen: SEEN.plus(Span::from_hours(i64::from(*count) - 1)),
        count: *count,
        device: device.map(Into::into),
    };
    let since = SEEN.plus(Span::from_hours(20));
    CaseCard {
        case: CaseId(40_700 + u64::from(number)),
        version: 3,
        since,
        until: since.plus(Span::from_days(30)),
        causes: causes.iter().map(cause).collect(),
        fix_reported_at: None,
        checking_since: None,
        last_check: None,
        missing: Some(Missing::Rescan),
        freed: Freed { earliest: Some(now().plus(Span::from_hours(30))), awaits_report: false },
        check_again: None,
        proof: Proof { checks: true, silence: Span::from_days(2), wall_silence: Span::from_hours(1) },
        alive_at: None,
        self_release: false,
        trust: Some(Trust {
            used: 1,
            times: 2,
            within: Span::from_days(30),
            oldest_until: Some(now().plus(Span::from_days(12))),
        }),
        relapses: 0,
        language: None,
        number_tail: Some("482".into()),
    }
}

fn checked(mut card: CaseCard, verdict: Verdict, missing: Missing, found: &[(&str, Verdict, &str)]) -> CaseCard {
    let found = found.iter().map(|(probe, verdict, key)| ((*probe).into(), *verdict, (*key).into())).collect();
    card.last_check = Some(CheckCard { at: SEEN.plus(Span::from_hours(22)), verdict, found });
    card.missing = Some(missing);
    card
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().unwrap_or_else(|| "8080".into()).parse()?;
    let texts = args.next().map(PathBuf::from);
    let (open, shut, unsure) = (Verdict::Vulnerable, Verdict::Clean, Verdict::Inconclusive);
    let mirai = || card(2, &[("mirai", 14, Some("Hikvision DS-2CD2042WD, IP camera"))]);
    let checking = CaseCard { case: CaseId(40_704), checking_since: Some(SEEN), ..mirai() };
    let trust = CaseCard { case: CaseId(40_705), self_release: true, ..mirai() };
    // No check can see this one: it was told, and is waited for.
    let told = card(7, &[("infected-host", 3, None)]);
    let told = CaseCard {
        fix_reported_at: Some(told.since),
        missing: Some(Missing::WallSilence),
        proof: Proof { checks: false, silence: Span::from_days(3), wall_silence: Span::from_hours(2) },
        ..told
    };
    let all = [
        mirai(),
        checked(
            card(3, &[("open-telnet", 2, None), ("open-dns-resolver", 1, None)]),
            open,
            Missing::StillVulnerable,
            &[
                ("telnet:23", open, "login-prompt"),
                ("open-dns:53", shut, "refused"),
                ("telnet:2323", unsure, "timeout"),
            ],
        ),
        checking,
        checked(trust, shut, Missing::Silence, &[("telnet:23", shut, "refused")]),
        checked(card(6, &[("infected-nas", 1, Some("QNAP TS-231P"))]), unsure, Missing::Inconclusive, &[]),
        told,
        card(8, &[("a-cause-nobody-knows", 1, Some("\u{202e}<script>alert(1)</script> {{7*7}} $(reboot)"))]),
    ];
    let warned = card(9, &[("open-dns-resolver", 4, None), ("open-snmp", 1, Some("Brother printer"))]);
    let mut portals = JoinSet::new();
    for (number, card) in (0..).zip(all.into_iter().map(Ok).chain([Err(warned)])) {
        let view = Arc::new(GardenView::default());
        let said = |card: &CaseCard| {
            println!("http://{HOME}:{}/ {:?}", port + number, card.causes.first().map(|c| c.cause.as_str()));
        };
        let warned = match card {
            Ok(held) => {
                said(&held);
                put(&view, held);
                None
            }
            Err(warned) => {
                said(&warned);
                let CaseCard { case, until, causes, number_tail, .. } = warned;
                let check = CheckState { round: Round(0), checking_since: None, last_check: None, check_again: None };
                Some(Warning { case, grace: Some(Grace::Until(until)), causes, number_tail, check: Some(check) })
            }
        };
        let settings = Settings::example(format!("http://{HOME}:{}/", port + number).parse()?);
        let listener = TcpListener::bind((HOME, port + number)).await?;
        let desk = Arc::new(Card { view: view.clone(), lock: Mutex::default(), ticked: Mutex::default(), warned });
        let portal = Portal::new(settings, texts.as_deref(), view, desk, &prometheus::Registry::new())?;
        portals.spawn(async move { portal.serve(vec![listener], std::future::pending()).await });
    }
    portals.join_next().await;
    Ok(())
}
