//! E-mail.

use mail_parser::MessageParser;
use pratique_notices::channel::Trouble;
use pratique_notices::mail::{Mailer, Settings};
use serde_json::{Value, json};

use super::servers::Server;
use super::{Place, letter, noon, stamp};

/// Settings for a server, with `more` in YAML.
fn settings(place: &Place, port: u16, more: &str) -> Settings {
    let yaml = format!("{{host: localhost, port: {port}, from: help@isp.example, roots: roots.pem{more}}}");
    let mut settings: Settings = serde_yaml::from_str(&yaml).unwrap();
    settings.at(place.folder.path());
    assert_eq!(settings.problems(), Vec::<String>::new());
    settings
}

async fn send(place: &Place, port: u16, more: &str, to: &str) -> Result<(), Trouble> {
    let mailer = Mailer::new(&settings(place, port, more), "Example Net").unwrap();
    mailer.send(to, &letter(), &stamp(), noon()).await
}

fn later(done: Result<(), Trouble>) -> String {
    match done {
        Err(Trouble::Later(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_mail_that_arrives_is_the_one_that_was_written() {
    let place = Place::new();
    let server = Server::start("smtpd.py", &place.tls(json!({})));
    let more = ", bounces: bounces@isp.example, helo: pratique.isp.example";
    send(&place, server.port, more, "jo@mail.example").await.unwrap();
    let mail = server.got();
    assert_eq!(mail["from"], format!("bounces+{}@isp.example", stamp().text()));
    assert_eq!((&mail["to"], &mail["tls"]), (&json!(["jo@mail.example"]), &json!(true)));
    assert_eq!(mail["helo"], "pratique.isp.example");
    let raw = mail["raw"].as_str().unwrap();
    assert!(raw.is_ascii(), "every server can pass it on");
    assert!(raw.lines().all(|line| line.len() <= 998), "RFC 5322, section 2.1.1");
    let message = MessageParser::default().parse(raw).unwrap();
    assert_eq!(message.subject(), Some(letter().subject.as_str()));
    assert_eq!(message.message_id(), Some(format!("pratique-{}@isp.example", stamp().text()).as_str()));
    let from = message.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Example Net"), Some("help@isp.example")));
    assert_eq!(message.header_raw("Content-Language").map(str::trim), Some("ja"));
    assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(message.date().unwrap().to_timestamp(), 1_771_156_800);
    assert_eq!(
        message.body_text(0).unwrap().replace("\r\n", "\n"),
        letter().text,
        "lines with dots alone, and long ones"
    );
    assert_eq!(message.body_html(0).unwrap().trim_end(), letter().html);
    assert_eq!(message.attachment_count(), 0);
}

#[tokio::test]
async fn what_is_said_of_the_recipient_is_about_the_mail_and_can_be_for_good() {
    let place = Place::new();
    let answers = json!({"answers": {
        "no@mail.example": ["550 5.1.1 no such user no@mail.example"],
        "later@mail.example": ["450 4.2.0 come again, later@mail.example", "451 4.3.0 not yet"],
        "gone@mail.example": ["hang up"],
    }});
    let server = Server::start("smtpd.py", &place.tls(answers));
    let done = send(&place, server.port, "", "no@mail.example").await;
    assert!(matches!(done, Err(Trouble::Refused { code: 550, .. })), "{done:?}");
    for code in ["450", "451"] {
        let said = later(send(&place, server.port, "", "later@mail.example").await);
        assert!(said.contains(code) && !said.contains("mail.example"), "no address of a subscriber: {said}");
    }
    send(&place, server.port, "", "later@mail.example").await.unwrap();
    let said = later(send(&place, server.port, "", "gone@mail.example").await);
    assert!(!said.contains("mail.example"), "{said}");
    assert_eq!(server.got()["to"], json!(["later@mail.example"]));
    assert_eq!(server.more(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_content_that_is_refused_is_refused_for_good_and_a_full_disk_is_not() {
    let place = Place::new();
    let spam = Server::start("smtpd.py", &place.tls(json!({"after_data": "554 5.7.1 looks like spam"})));
    let done = send(&place, spam.port, "", "jo@mail.example").await;
    assert!(matches!(done, Err(Trouble::Refused { code: 554, .. })), "{done:?}");
    let full = Server::start("smtpd.py", &place.tls(json!({"after_data": "452 4.3.1 disk full"})));
    assert!(later(send(&place, full.port, "", "jo@mail.example").await).contains("452"));
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_or_to_somebody_else() {
    let place = Place::new();
    let plain = Server::start("smtpd.py", &json!({}));
    let said = later(send(&place, plain.port, "", "jo@mail.example").await);
    assert!(said.contains("does not offer STARTTLS; nothing is sent in the clear"), "{said}");
    send(&place, plain.port, ", tls: none", "jo@mail.example").await.unwrap();
    assert_eq!(plain.got()["tls"], false, "only to this machine, and only when told so");

    let (ours, stranger) = (Place::new(), Place::new());
    for how in [json!({}), json!({"at_once": true})] {
        let more = if how["at_once"] == true { ", tls: tls" } else { "" };
        let server = Server::start("smtpd.py", &stranger.tls(how));
        let said = later(send(&ours, server.port, more, "jo@mail.example").await);
        assert!(said.contains("certificate") || said.contains("UnknownIssuer"), "{said}");
        assert_eq!(server.more(), Vec::<Value>::new());
    }
    assert_eq!(plain.more(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_server_may_want_tls_at_once_and_a_log_in() {
    let place = Place::new();
    place.file("right", "open sesame\n");
    place.file("wrong", "open barley\n");
    for at_once in [false, true] {
        let how = json!({"at_once": at_once, "login": ["pratique", "open sesame"]});
        let server = Server::start("smtpd.py", &place.tls(how));
        let tls = if at_once { ", tls: tls" } else { "" };
        let with = |file: &str| format!("{tls}, user: pratique, password_file: {file}");
        send(&place, server.port, &with("right"), "jo@mail.example").await.unwrap();
        let mail = server.got();
        assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(true), &json!(true)));
        // Our own fault is no reason to give a notice up.
        let said = later(send(&place, server.port, &with("wrong"), "jo@mail.example").await);
        assert!(said.contains("does not let us log in") && said.contains("535"), "{said}");
        assert!(!said.contains("barley"), "{said}");
        let said = later(send(&place, server.port, tls, "jo@mail.example").await);
        assert!(said.contains("530"), "{said}");
        assert_eq!(server.more(), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_ends_is_asked_again_later() {
    let place = Place::new();
    let server = Server::start("smtpd.py", &place.tls(json!({})));
    let port = server.port;
    send(&place, port, "", "jo@mail.example").await.unwrap();
    drop(server);
    let said = later(send(&place, port, "", "jo@mail.example").await);
    assert!(said.starts_with(&format!("mail server localhost:{port}: cannot be reached")), "{said}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_remedy() {
    let place = Place::new();
    let mut without = settings(&place, 25, "");
    without.roots = place.path("nowhere.pem");
    let said = Mailer::new(&without, "x").err().unwrap();
    assert!(said.starts_with("notices.mail.roots: ") && said.contains("nowhere.pem: cannot be read"), "{said}");
    without.roots = place.file("empty.pem", "");
    let said = Mailer::new(&without, "x").err().unwrap();
    assert!(said.contains("empty.pem") && said.contains("no certificate"), "{said}");
}
