//! What staff see of all this: when somebody on a line agreed, what was found, and what became of the mail. Through the office
//! of API, console and command line, after real scans and a real mail server.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pratique_core::command::Command;
use pratique_core::event::Actor;
use pratique_core::ids::SubscriberId;
use pratique_core::plan::Element;
use pratique_core::rescan::Verdict;
use pratique_core::self_check::SelfCheckStep;
use pratique_core::time::Span;
use pratique_metrics::Metrics;
use pratique_notices::{Noted, Notices};
use pratique_staff::models::lines::{SelfCheckRow, SelfCheckState};
use pratique_staff::models::status::EnforcerStatus;
use pratique_staff::office::Office as _;
use pratique_staff::queries::{EngineOffice, Wall};
use pratique_store::factory::Factory as _;
use serde_json::json;

use crate::house::{Answers, House, device};
use crate::mails::{house, server};
use crate::servers::Server;

/// Nothing is walled here.
struct NoWall;

#[async_trait]
impl Wall for NoWall {
    fn status(&self) -> EnforcerStatus {
        EnforcerStatus::default()
    }
    async fn observe(&self) -> Result<Option<Vec<Element>>, String> {
        Ok(None)
    }
    async fn outstanding(&self, _: Vec<Element>) -> Option<Vec<Element>> {
        None
    }
}

fn office(house: &House, notices: Arc<Notices>) -> EngineOffice {
    EngineOffice {
        engine: house.engine.clone(),
        reader: house.reader.clone(),
        wall: Arc::new(NoWall),
        elsewhere: Vec::new(),
        dns: None,
        notices: OnceLock::from(notices),
        portal: None,
        metrics: Arc::new(Metrics::new().unwrap()),
        held: house.memory.shelf(),
        data_dir: house.folder.path().into(),
        deciding: tokio::sync::Mutex::default(),
        runs: Default::default(),
        started_at: house.now(),
        settings_problem: None,
        log_problem: OnceLock::new(),
        policy_problem: Arc::default(),
        warnings: Arc::default(),
    }
}

/// The newest check of a line, as soon as its mail stands so.
async fn mailed(office: &EngineOffice, subscriber: &SubscriberId, key: &str) -> SelfCheckRow {
    let began = Instant::now();
    loop {
        let line = office.line(subscriber).await.unwrap().unwrap();
        let newest = line.self_checks.into_iter().next();
        match newest {
            Some(check) if check.mail.as_ref().is_some_and(|mail| mail.key == key) => return check,
            newest => assert!(began.elapsed() < Duration::from_secs(20), "{key}: {newest:?}"),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_consent_result_and_what_became_of_the_mail_and_nothing_of_an_erased_line() {
    let (home, server, house) = (Ipv4Addr::new(127, 0, 11, 1), server(), house().await);
    let (since, jo) = (house.now().minus(Span::from_days(30)), SubscriberId::new("jo"));
    house.reach("jo", home, since, "jo@mail.example", "en").await;
    let (notices, _running) = house.notices(server.port).await;
    let office = office(&house, notices);
    device(home, 2323, Answers::Login).await;
    let page = house.look(home).await;
    house.press_with(home, &page, "&mail=yes").await;
    house.result(home).await;

    let check = mailed(&office, &jo, "sent").await;
    assert_eq!((check.state, check.verdict), (SelfCheckState::Done, Some(Verdict::Vulnerable)));
    let open: Vec<_> = check.open.iter().map(|open| (open.probe.as_str(), open.words.as_str())).collect();
    assert_eq!(open, [("telnet:2323", "asks everybody to log in")]);
    assert!(check.agreed_at <= check.ended_at.unwrap(), "{check:?}");

    let to = server.got()["from"].as_str().unwrap().to_owned();
    assert!(to.starts_with("bounces+0-"), "{to}");
    let report = format!(
        "From: MAILER-DAEMON@isp.example\r\nTo: {to}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
         report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; isp.example\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: failed\r\nStatus: \
         5.1.1\r\n\r\n--b--\r\n"
    );
    assert_eq!(office.bounce(report.clone().into_bytes()).await.unwrap(), Noted::Bounced(None), "of no case");
    let check = mailed(&office, &jo, "bounced").await;
    assert_eq!(check.mail.unwrap().words, "sent, and came back: status 5.1.1");
    assert_eq!(office.bounce(report.clone().into_bytes()).await.unwrap(), Noted::Repeated);
    let log =
        serde_json::to_string(&house.reader.events_after(pratique_core::ids::Seq(0), 1_000).await.unwrap()).unwrap();
    assert!(!log.contains("jo") && !log.contains("mail.example") && !log.contains("127.0.11.1"), "{log}");

    house.hold("jo", home, since, Some(house.now())).await;
    office.purge(&jo, Actor::Person("anna".into())).await.unwrap().unwrap();
    assert_eq!(office.line(&jo).await.unwrap(), None);
    let began = Instant::now();
    // The outbox forgets its row, too: the same report is about nothing any more.
    while office.bounce(report.clone().into_bytes()).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "what was to be sent is forgotten");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    house.hold("jo", home, since, None).await;
    assert_eq!(office.line(&jo).await.unwrap().unwrap().self_checks, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_refused_or_had_nowhere_to_go_says_why_and_a_scan_without_an_end_says_so() {
    let [home, other, third] = [2, 3, 4].map(|n| Ipv4Addr::new(127, 0, 11, n));
    let refusing = json!({ "answers": { "no@mail.example": ["550 no such mailbox"] } });
    let (server, house) = (Server::start("smtpd.py", &refusing), house().await);
    let since = house.now().minus(Span::from_days(30));
    house.reach("no", home, since, "no@mail.example", "en").await;
    house.hold("ed", other, since, None).await;
    house.reach("al", third, since, "al@mail.example", "en").await;
    let (notices, _running) = house.notices(server.port).await;
    let mut office = office(&house, notices);
    for (address, subscriber, words) in [
        (home, "no", "not sent: refused for good with code 550"),
        (other, "ed", "not sent: no address is known"),
        (third, "al", "not sent: the subscriber has opted out"),
    ] {
        let page = house.look(address).await;
        if subscriber == "al" {
            house.opt_out(subscriber, address, since).await;
        }
        house.press_with(address, &page, "&mail=yes").await;
        house.result(address).await;
        let check = mailed(&office, &subscriber.into(), "failed").await;
        assert_eq!(check.mail.unwrap().words, words);
        assert_ne!(check.verdict, Some(Verdict::Vulnerable));
        assert_eq!(check.open, []);
    }
    // As a daemon leaves it that ends between consent and result.
    let ed = office.line(&"ed".into()).await.unwrap().unwrap();
    let consent = Command::RecordSelfCheck { line: ed.line, step: SelfCheckStep::Agreed };
    house.engine.command(consent).await.unwrap();
    let states = async |office: &EngineOffice| {
        let checks = office.self_checks(ed.line).await.unwrap();
        checks.iter().map(|check| check.state).collect::<Vec<_>>()
    };
    assert_eq!(states(&office).await, [SelfCheckState::UnderWay, SelfCheckState::Done]);
    house.later(Span::from_secs(5));
    office.started_at = house.now();
    assert_eq!(states(&office).await, [SelfCheckState::Lost, SelfCheckState::Done]);
}
