//! The result by mail: to the address of the record, when it was asked for, through a real mail server.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use pratique_core::rescan::Probe;
use pratique_core::time::Span;
use pratique_portal::{Scans, SelfCheck};
use serde_json::Value;

use crate::house::{Answers, House, device};

/// Ends with its test.
pub struct Server {
    process: Child,
    pub port: u16,
    mails: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}

impl Server {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mails = tempfile::tempdir().unwrap();
        let mut command = Command::new("/usr/bin/python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/smtpd.py"));
        let mut process = command.arg(mails.path()).arg(port.to_string()).spawn().unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "the mail server ended: is python3-aiosmtpd there?");
            assert!(began.elapsed() < Duration::from_secs(30), "the mail server listens (Debian: python3-aiosmtpd)");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port, mails }
    }

    fn mails(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.mails.path()).unwrap().map(|e| e.unwrap().path());
        let files = files.filter(|file| file.extension().is_some_and(|e| e == "json"));
        files.map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
    }

    pub async fn first(&self) -> Value {
        let began = Instant::now();
        loop {
            if let Some(mail) = self.mails().pop() {
                return mail;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "a mail comes");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

pub async fn house() -> House {
    let scan = Scans { probes: vec![Probe::Telnet(2323)], ..Scans::default() };
    House::open_with(SelfCheck { scan: Some(scan), ..SelfCheck::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_goes_to_the_address_of_the_record_in_its_language_and_to_no_other() {
    let (home, server, house) = (Ipv4Addr::new(127, 0, 9, 1), Server::start(), house().await);
    let since = house.now().minus(Span::from_days(30));
    house.reach("jo", home, since, "truus@mail.example", "nl").await;
    let _notices = house.send_notices(server.port).await;
    device(home, 2323, Answers::Login).await;
    let page = house.look(home).await;
    assert!(page.contains("t***@mail.example") && !page.contains("truus"), "{page}");
    house.press_with(home, &page, "&mail=yes&address=victim%40other.example&email=victim%40other.example").await;
    house.result(home).await;
    let mail = server.first().await;
    assert_eq!(mail["to"], serde_json::json!(["truus@mail.example"]));
    let message = mail_parser::MessageParser::default().parse(mail["raw"].as_str().unwrap()).unwrap();
    assert_eq!(message.subject(), Some("Example Net: onze controle vond een open deur"));
    let text = message.body_text(0).unwrap();
    for said in ["deur open voor iedereen", "Staat open:", "proberen in te loggen", "1. ", "/notice/0-"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("zaak 0") && !text.contains("zaaknummer"), "there is no case: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_or_has_no_address_gets_none() {
    let (home, server, house) = (Ipv4Addr::new(127, 0, 9, 2), Server::start(), house().await);
    let other = Ipv4Addr::new(127, 0, 9, 3);
    let since = house.now().minus(Span::from_days(30));
    house.reach("jo", home, since, "jo@mail.example", "en").await;
    house.hold("ed", other, since, None).await;
    let _notices = house.send_notices(server.port).await;
    let page = house.look(home).await;
    house.press(home, &page).await;
    house.result(home).await;
    let page = house.look(other).await;
    assert!(!page.contains("name=\"mail\""), "{page}");
    house.press_with(other, &page, "&mail=yes").await;
    house.result(other).await;
    // What is asked for after them shows that they were looked at.
    house.later(Span::from_mins(1));
    let page = house.look(home).await;
    house.press_with(home, &page, "&mail=yes").await;
    server.first().await;
    assert_eq!(server.mails().len(), 1);
}
