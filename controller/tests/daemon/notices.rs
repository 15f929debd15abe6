//! Notices as they run: a real mail server with STARTTLS and a certificate by an authority of our own receives them. Each kind
//! with its words: `letters`.

use mail_parser::MimeHeaders as _;
use nix::sys::signal::Signal;
use pratique_core::time::Span;
use serde_json::{Value, json};

use super::post::{Post, parsed};
use super::servers::Server;
use super::{Node, ago, pratique, said, until};

#[test]
fn a_real_mail_server_receives_a_notice_in_each_language_and_the_case_shows_it() {
    if !super::in_a_network_of_its_own(
        "notices::a_real_mail_server_receives_a_notice_in_each_language_and_the_case_shows_it",
    ) {
        return;
    }
    let post = Post::start("", |_| {});
    let server = post.server(true);
    let lines = [(1, "jo@mail.example", "en"), (2, "truus@mail.example", "nl-NL"), (3, "hanako@mail.example", "ja")];
    post.contacts(&lines);
    let words = [
        ("your internet is on hold", "Pull its power plug", "At home, type "),
        ("uw internet is tijdelijk stilgezet", "stekker", "Typ thuis "),
        ("インターネットを一時的に止めています", "電源", "ご自宅"),
    ];
    for ((line, to, language), (subject, step, says)) in lines.iter().zip(words) {
        let case = post.quarantine(*line);
        assert_eq!(post.told(case, "notice-sent"), "Notice quarantined sent by e-mail", "{language}");
        let mail = server.mail_to(to);
        assert_eq!(mail["tls"], true, "never in the clear");
        let sender = mail["from"].as_str().unwrap();
        assert!(sender.starts_with(&format!("bounces+{case}-")) && sender.ends_with("@isp.example"), "{sender}");
        let message = parsed(mail["raw"].as_str().unwrap());
        let title = message.subject().unwrap();
        assert!(
            title.contains("Example Net") && title.contains(subject) && title.contains(&case.to_string()),
            "{title}"
        );
        assert_eq!(message.header_raw("Auto-Submitted").unwrap().trim(), "auto-generated");
        assert!(message.date().is_some() && message.message_id().unwrap().starts_with(&format!("pratique-{case}-")));
        assert!(message.content_type().unwrap().subtype() == Some("alternative") && message.attachment_count() == 0);
        let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
        for (form, mark) in [(&text, "http://192.0.2.80:"), (&html, "<ol>")] {
            for part in [mark, step, says, "example.net/help", &case.to_string()] {
                assert!(form.contains(part), "{language} lacks {part}: {form}");
            }
        }
        // The link is confirmed by this node's portal, also to a stranger.
        let link = text.lines().find(|l| l.contains("/notice/")).unwrap().trim();
        let page = super::agent().get(link).header("accept", "text/html").call().unwrap().into_body();
        let page = page.into_with_config().read_to_string().unwrap();
        assert!(page.contains(&case.to_string()) && !page.to_lowercase().contains("mirai"), "{page}");
    }
    let log = std::fs::read_to_string(post.node.path("log")).unwrap();
    assert!(!log.contains("mail.example"), "no address in a log: {log}");
    let told = post.node.ok(&["case", "show", "1"]);
    assert!(told.contains("Notice quarantined sent by e-mail"), "{told}");
}

#[test]
fn who_is_refused_who_comes_again_and_who_has_no_address_shows_on_the_case() {
    if !super::in_a_network_of_its_own(
        "notices::who_is_refused_who_comes_again_and_who_has_no_address_shows_on_the_case",
    ) {
        return;
    }
    let post = Post::start("", |_| {});
    let server = post.server(true);
    post.contacts(&[(1, "no@mail.example", "en"), (2, "later@mail.example", "en")]);
    let (refused, later, nobody) = (post.quarantine(1), post.quarantine(2), post.quarantine(3));
    let said = post.told(refused, "notice-failed");
    assert_eq!(said, "Notice quarantined by e-mail did not leave: refused for good with code 550");
    assert_eq!(post.told(later, "notice-sent"), "Notice quarantined sent by e-mail");
    let said = post.told(nobody, "notice-failed");
    assert_eq!(said, "Notice quarantined by e-mail did not leave: no address is known");
    until("the one mail", || server.mails().len() == 1);
}

#[test]
fn a_notice_waits_for_the_server_across_a_crash_and_is_sent_once() {
    if !super::in_a_network_of_its_own("notices::a_notice_waits_for_the_server_across_a_crash_and_is_sent_once") {
        return;
    }
    let mut post = Post::start("", |_| {});
    post.contacts(&[(1, "jo@mail.example", "en")]);
    let case = post.quarantine(1);
    let failing = |post: &Post| post.node.get("/status")["notices"]["failing"].clone();
    until("the trouble shows", || failing(&post) != json!([]));
    assert_eq!(post.node.case(case)["state"], "quarantined", "nothing waits for a notice");
    post.node.signal(Signal::SIGKILL);
    post.node.ended();
    post.node.run();
    let server = post.server(true);
    assert_eq!(post.told(case, "notice-sent"), "Notice quarantined sent by e-mail");
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        post.node.signal(signal);
        post.node.ended();
        post.node.run();
    }
    // What follows shows that all before has been looked at.
    let (version, path) = (post.node.case(case)["version"].clone(), format!("/cases/{case}/release"));
    let (status, answer) = post.node.post(&post.node.anna, &path, &json!({"version": version, "reason": "fixed"}));
    assert_eq!(status, 200, "{answer}");
    until("two mails", || server.mails().len() == 2);
    let told = || post.node.case(case)["story"].to_string().matches("notice-sent").count();
    until("both on the case", || told() >= 2);
    assert_eq!(told(), 2);
    assert!(parsed(server.mails()[1]["raw"].as_str().unwrap()).subject().unwrap().contains("you are back online"));
}

#[test]
fn without_tls_nothing_is_sent_and_the_reason_shows() {
    if !super::in_a_network_of_its_own("notices::without_tls_nothing_is_sent_and_the_reason_shows") {
        return;
    }
    let post = Post::start("", |_| {});
    let server = post.server(false);
    post.contacts(&[(1, "jo@mail.example", "en")]);
    post.quarantine(1);
    until("the trouble shows", || {
        let status = post.node.ok(&["status"]);
        status.contains("Notices by mail have not been taken since")
    });
    assert_eq!(server.mails(), Vec::<Value>::new());
    let log = std::fs::read_to_string(post.node.path("log")).unwrap();
    assert!(log.to_lowercase().contains("starttls"), "the log says why: {log}");
}

/// As a mail server reports that a mail cannot be delivered.
fn report(to: &str, status: &str) -> String {
    format!(
        "From: MAILER-DAEMON@isp.example\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: \
         multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; isp.example\r\n\r\nFinal-Recipient: rfc822; \
         x@y.example\r\nAction: failed\r\nStatus: {status}\r\n\r\n--b--\r\n"
    )
}

#[test]
fn a_mail_that_came_back_is_noted_once_and_forged_reports_are_refused() {
    if !super::in_a_network_of_its_own("notices::a_mail_that_came_back_is_noted_once_and_forged_reports_are_refused") {
        return;
    }
    let post = Post::start("", |_| {});
    let server = post.server(true);
    post.contacts(&[(1, "jo@mail.example", "en"), (2, "ed@mail.example", "en")]);
    let (first, second) = (post.quarantine(1), post.quarantine(2));
    post.told(first, "notice-sent");
    post.told(second, "notice-sent");
    let bounced = |to: &str| server.mail_to(to)["from"].as_str().unwrap().to_owned();
    let send = |raw: &str| {
        let request =
            super::agent().post(post.node.url("/bounces")).header("authorization", post.node.bearer(&post.node.anna));
        let mut answer = request.send(raw).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str::<Value>(&text).unwrap())
    };
    let raw = report(&bounced("jo@mail.example"), "5.1.1");
    assert_eq!(send(&raw), (200, json!({"case": first, "repeated": false})));
    assert_eq!(send(&raw), (200, json!({"case": null, "repeated": true})));
    assert_eq!(post.told(first, "notice-bounced"), "Notice quarantined by e-mail came back: status 5.1.1");
    let forged = raw.replace(&format!("bounces+{first}-"), &format!("bounces+{second}-"));
    assert_eq!(send(&forged).0, 422);
    let (status, said) = send("I am on holiday.");
    assert_eq!((status, said["code"].as_str()), (422, Some("no-bounce")), "{said}");
    // The same by the directory.
    std::fs::write(post.node.path("bounces/1.mail"), report(&bounced("ed@mail.example"), "4.4.7")).unwrap();
    assert_eq!(post.told(second, "notice-bounced"), "Notice quarantined by e-mail came back: status 4.4.7");
    until("the file lies in done", || post.node.path("bounces/done/1.mail").exists());
    let story = post.node.case(first)["story"].to_string();
    assert_eq!(story.matches("notice-bounced").count(), 1, "{story}");
}

#[test]
fn who_opted_out_or_is_erased_hears_nothing_and_the_case_says_why() {
    if !super::in_a_network_of_its_own("notices::who_opted_out_or_is_erased_hears_nothing_and_the_case_says_why") {
        return;
    }
    let post = Post::start("", |_| {});
    let server = post.server(true);
    post.contacts(&[(1, "jo@mail.example", "en"), (2, "ed@mail.example", "en")]);
    let line = post.node.get("/lines/C-1");
    assert_eq!((line["email"].as_str(), line["phone"].as_str()), (Some("jo@mail.example"), Some("+31 20 555 0101")));
    let erased = post.node.cli(&["line", "purge", "C-1"]);
    assert!(erased.status.success(), "{}", said(&erased));
    let at = ago(Span::from_days(1));
    let list = post.node.file(
        "again.csv",
        &format!("subscriber,address,from,opted_out\nC-1,198.51.100.1,{at},no\nC-2,198.51.100.2,{at},yes\n"),
    );
    post.node.ok(&["sessions", "import", &list]);
    let case = post.node.infect(&[1])[0];
    assert_eq!(post.node.approve(&post.node.anna, case).0, 200);
    assert!(post.told(case, "notice-failed").ends_with("no address is known"), "the address went with the line");
    let warned = post.node.infect(&[2])[0];
    let said = post.told(warned, "notice-failed");
    assert_eq!(said, "Notice warning by e-mail did not leave: the subscriber has opted out");
    // What comes after it has come: so nothing of it will.
    post.contacts(&[(3, "al@mail.example", "en")]);
    post.quarantine(3);
    server.mail_to("al@mail.example");
    assert_eq!(server.mails().iter().map(|mail| mail["to"].clone()).collect::<Vec<_>>(), [json!(["al@mail.example"])]);
}

#[test]
fn a_line_has_its_most_for_a_day() {
    if !super::in_a_network_of_its_own("notices::a_line_has_its_most_for_a_day") {
        return;
    }
    let post = Post::start("  rates: {per_line: 2}\n", |_| {});
    let server = post.server(true);
    post.contacts(&[(1, "jo@mail.example", "en")]);
    let case = post.quarantine(1);
    post.told(case, "notice-sent");
    let sighting = post.node.case(case)["troubles"][0]["evidence"][0]["number"].clone();
    let wanted = json!({"sightings": [sighting], "reason": "a honeypot of our own"});
    assert_eq!(post.node.post(&post.node.anna, "/retract", &wanted).0, 200);
    until("two mails", || server.mails().len() == 2);
    assert!(parsed(server.mails()[1]["raw"].as_str().unwrap()).body_text(0).unwrap().contains("by mistake"));
    // A third on this day, of another case.
    let list = post.node.file("again.txt", &format!("198.51.100.1:23/tcp, {}\n", ago(Span::from_mins(30))));
    let done = post.node.ok(&["import", "--json", "--type", "list:mirai", &list]);
    let done: Value = serde_json::from_str(&done).unwrap();
    let next = done["report"]["opened"][0].as_u64().unwrap();
    assert_eq!(post.node.approve(&post.node.anna, next).0, 200);
    let said = post.told(next, "notice-failed");
    assert_eq!(said, "Notice quarantined by e-mail did not leave: the line has had its most for a day");
    assert_eq!(server.mails().len(), 2);
}

fn secret(node: &Node) {
    let file = node.file("secret", "open sesame\n");
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_mail_server_that_never_answers_holds_up_no_webhook() {
    if !super::in_a_network_of_its_own("notices::a_mail_server_that_never_answers_holds_up_no_webhook") {
        return;
    }
    let hook = Server::start("httpd.py", &json!({}));
    let section = format!(
        "  kinds: {{mail: [quarantined], webhook: [released-staff]}}\n  webhook: {{url: 'http://127.0.0.1:{}/', \
         secret_file: secret}}\n",
        hook.port
    );
    let post = Post::start(&section, secret);
    let relay = post.silent_server();
    let lines: Vec<u8> = (1..9).collect();
    post.contacts(&lines.iter().map(|line| (*line, "jo@mail.example", "en")).collect::<Vec<_>>());
    let cases: Vec<u64> = lines.iter().map(|line| post.quarantine(*line)).collect();
    // One hangs, and the others wait behind it or hang, too, for the minutes that tries may take.
    let _held = relay.recv_timeout(super::PATIENCE).unwrap();
    // A try is noted before it begins: what a full disk does not note must not be sent again every few seconds.
    assert!(tries_begun(&post) > 0);
    let (version, path) = (post.node.case(cases[0])["version"].clone(), format!("/cases/{}/release", cases[0]));
    let (status, answer) = post.node.post(&post.node.anna, &path, &json!({"version": version, "reason": "fixed"}));
    assert_eq!(status, 200, "{answer}");
    let body: Value = serde_json::from_str(hook.got()["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["case"], &body["kind"]), (&json!(cases[0]), &json!("released-staff")));
    assert_eq!(post.told(cases[0], "notice-sent"), "Notice released-staff sent by the webhook");
}

/// Notices that wait and were tried, by the file of the daemon that runs.
fn tries_begun(post: &Post) -> i64 {
    use sqlx::Connection as _;
    let how = sqlx::sqlite::SqliteConnectOptions::new().filename(post.node.path("data/notices.db")).read_only(true);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut outbox = sqlx::SqliteConnection::connect_with(&how).await.unwrap();
        let begun = "SELECT count(*) FROM notice WHERE tries > 0 AND outcome IS NULL";
        sqlx::query_scalar(begun).fetch_one(&mut outbox).await.unwrap()
    })
}

#[test]
fn what_waited_for_its_time_is_given_up_and_the_case_says_so() {
    if !super::in_a_network_of_its_own("notices::what_waited_for_its_time_is_given_up_and_the_case_says_so") {
        return;
    }
    let post = Post::start("", |node| node.edit("pratique.yaml", "give_up_after: 1h", "give_up_after: 1s"));
    post.contacts(&[(1, "jo@mail.example", "en")]);
    let case = post.quarantine(1);
    let said = post.told(case, "notice-failed");
    assert_eq!(said, "Notice quarantined by e-mail did not leave: tried until its time was over");
}

#[test]
fn the_webhook_gets_what_it_is_configured_for_and_the_same_key_until_it_takes_it() {
    if !super::in_a_network_of_its_own(
        "notices::the_webhook_gets_what_it_is_configured_for_and_the_same_key_until_it_takes_it",
    ) {
        return;
    }
    let mut post = Post::start("", |_| {});
    let (certificate, key) = (post.node.path("mail.pem"), post.node.path("mail-key.pem"));
    let hook = Server::start("httpd.py", &json!({"certificate": certificate, "key": key, "answers": [500, 204]}));
    let port = hook.port;
    post.node.signal(Signal::SIGTERM);
    post.node.ended();
    secret(&post.node);
    let section = format!(
        "  kinds: {{mail: [], webhook: [quarantined, released-staff]}}\n  webhook: {{url: 'https://localhost:{port}/', \
         secret_file: secret, roots: roots.pem}}\n  bounce_dir:"
    );
    post.node.edit("pratique.yaml", "  bounce_dir:", &section);
    post.node.run();
    post.contacts(&[(1, "jo@mail.example", "nl")]);
    let case = post.quarantine(1);
    assert_eq!(post.told(case, "notice-sent"), "Notice quarantined sent by the webhook");
    let got = [hook.got(), hook.got()];
    assert_eq!(hook.more(), Vec::<Value>::new(), "500, then 204");
    assert_eq!(got[0]["headers"]["idempotency-key"], got[1]["headers"]["idempotency-key"]);
    let body: Value = serde_json::from_str(got[1]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["case"], &body["kind"], &body["language"]), (&json!(case), &json!("quarantined"), &json!("nl")));
    assert_eq!((&body["subscriber"], &body["phone"]), (&json!("C-1"), &json!("+31 20 555 0101")));
    assert!(body["short"].as_str().unwrap().contains("stilgezet"), "{body}");
    assert!(!post.node.case(case)["story"].to_string().contains("by e-mail"), "no mail was asked for");
}

#[test]
fn a_test_notice_tells_whether_mail_server_and_files_are_sound() {
    let post = Post::start("", |_| {});
    let config = post.node.path("pratique.yaml").display().to_string();
    let test = |more: &[&str]| {
        let done = pratique(&[&["notices", "test", "--config", &config], more].concat());
        (done.status.code(), said(&done))
    };
    let (code, told) = test(&["--to", "jo@mail.example"]);
    assert!(code == Some(1) && told.contains("cannot be reached"), "{told}");
    let server = post.server(true);
    let (code, told) = test(&["--to", "jo@mail.example", "--language", "nl"]);
    assert!(code == Some(0) && told.contains("has taken a test notice to jo@mail.example"), "{told}");
    let mail = server.mail_to("jo@mail.example");
    assert!(parsed(mail["raw"].as_str().unwrap()).subject().unwrap().contains("dit is een test"), "{mail}");
    for (wrong, why) in [
        (&["--to", "jo"][..], "is no address"),
        (&["--to", "jo@mail.example", "--language", "tlh"], "there are no texts for `tlh`"),
        (&["--phone", "0800 123"], "notices.webhook is not configured"),
        (&[], "--to"),
    ] {
        let (code, told) = test(wrong);
        assert!(code == Some(2) && told.contains(why), "{wrong:?}: {told}");
    }
    let check = || said(&pratique(&["check-config", "--config", &config]));
    assert!(check().contains("networks"), "{}", check());
    post.node.edit("pratique.yaml", "roots: roots.pem", "roots: nowhere.pem");
    assert!(check().contains("notices.mail.roots: ") && check().contains("nowhere.pem: cannot be read"), "{}", check());
    post.node.edit("pratique.yaml", "roots: nowhere.pem", "rots: roots.pem");
    assert!(check().contains("did you mean `roots`?"), "{}", check());
}

#[test]
fn in_a_dry_run_nobody_at_home_hears_of_a_quarantine_or_its_end_and_the_case_says_why() {
    let post = Post::start("", |_| {});
    let server = post.server(true);
    post.contacts(&[(1, "jo@mail.example", "en")]);
    let case = post.quarantine(1);
    let failed = || post.node.case(case)["story"].to_string().matches("dry run: the line was not walled").count();
    until("the case says why", || failed() == 1);
    let done =
        post.node.post(&post.node.anna, &format!("/cases/{case}/release"), &json!({"reason": "practice is over"}));
    assert_eq!(done.0, 200, "{}", done.1);
    until("nor of the release", || failed() == 2);
    assert_eq!(server.mails(), Vec::<Value>::new());
    let page = super::agent().get(format!("http://127.0.0.1:{}/", post.portal)).header("accept", "text/html").call();
    let page = page.unwrap().into_body().into_with_config().read_to_string().unwrap();
    assert!(page.contains("We cannot tell which line this is"), "127.0.0.1 is nobody's: {page}");
}
