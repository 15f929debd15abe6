//! Reports, lists and held files on their way into a running daemon: by hand and by the drop directory.

use std::sync::LazyLock;

use pratique_core::time::{Span, Timestamp};
use serde_json::Value;

use super::{Node, ago, now, said, until};

/// The same rows whenever it is called: a second may pass between two files of a test.
fn telnet(rows: usize) -> String {
    static LAST: LazyLock<Timestamp> = LazyLock::new(|| Timestamp::from_secs(now() - 7_200));
    let at = |i: usize| LAST.minus(Span::from_secs(i64::try_from(i).unwrap()));
    let rows = (0..rows).map(|i| format!("{},198.51.100.{},23,tcp\n", at(i), i % 9 + 1));
    std::iter::once("timestamp,ip,port,protocol\n".to_owned()).chain(rows).collect()
}

fn name(tag: &str) -> String {
    format!("{}-scan_telnet-{tag}.csv", &ago(Span::ZERO)[..10])
}

#[test]
fn a_folder_is_taken_in_and_a_refused_file_is_named_with_its_line() {
    let node = Node::start();
    node.file(&format!("reports/{}", name("a")), &telnet(20));
    node.file(&format!("reports/{}", name("b")), "timestamp,ip,ip\n2026-02-16 10:00:00,198.51.100.7,x\n");
    node.file("reports/.hidden", "x");
    let folder = node.path("reports");
    let done = node.cli(&["import", folder.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    let text = said(&done);
    assert!(text.contains("20 taken in"), "{text}");
    let wrong = format!("pratique: {}:1: the columns 2 and 3 are both called `ip`", folder.join(name("b")).display());
    assert!(text.contains(&wrong) && text.contains("1 of 2 files refused"), "{text}");

    let done = node.cli(&["import", "--json", folder.to_str().unwrap()]);
    let lines: Vec<Value> =
        String::from_utf8(done.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["report"]["repeated"].as_u64()), (2, Some(20)), "{lines:?}");
    assert!(lines[1]["error"]["message"].as_str().unwrap().contains(":1: "));
    let states: Vec<Value> = node.get("/deliveries").as_array().unwrap().iter().map(|d| d["state"].clone()).collect();
    // The oldest one is the session list that the node started with.
    assert_eq!(states, ["refused", "accepted", "refused", "accepted", "accepted"]);
}

#[test]
fn a_held_file_says_how_to_accept_it_and_accepting_takes_its_rows_in() {
    let node = Node::start();
    let usual = node.file(&name("usual"), &telnet(20));
    node.ok(&["import", &usual]);
    let before = node.get("/cases")["total"].clone();
    let large = node.file(&name("large"), &telnet(1_100));
    let told = node.ok(&["import", &large]);
    assert!(told.contains("held") && told.contains("pratique delivery accept 3"), "{told}");
    assert_eq!(node.get("/status")["held_deliveries"], 1);
    assert_eq!(node.get("/cases")["total"], before, "nothing of it counts yet");
    assert!(node.ok(&["delivery", "list"]).contains("held"));

    let told = node.ok(&["delivery", "accept", "3"]);
    assert!(told.starts_with("1,080 sightings taken in"), "{told}");
    let deliveries = node.get("/deliveries");
    assert_eq!((&deliveries[0]["number"], &deliveries[0]["state"]), (&3.into(), &"accepted".into()), "{deliveries}");
    assert_eq!(deliveries.as_array().unwrap().len(), 3, "the same delivery, not a second one");
    assert_eq!(node.get("/status")["held_deliveries"], 0);
    assert_eq!(node.cli(&["delivery", "accept", "3"]).status.code(), Some(1), "only once");
    assert_eq!(std::fs::read_dir(node.path("data/held")).unwrap().count(), 0, "its rows are not kept twice");
}

#[test]
fn of_two_held_deliveries_with_the_same_content_each_is_decided_by_itself() {
    let node = Node::start();
    node.ok(&["import", &node.file(&name("usual"), &telnet(20))]);
    let large = telnet(1_100);
    for tag in ["one", "two", "three"] {
        node.ok(&["import", &node.file(&name(tag), &large)]);
    }
    let waiting = || std::fs::read_dir(node.path("data/held")).unwrap().count();
    assert_eq!((waiting(), &node.get("/status")["held_deliveries"]), (3, &3.into()));
    assert_eq!(node.ok(&["delivery", "refuse", "3"]), "delivery 3 is refused; nothing of it was taken in\n");
    assert_eq!(node.cli(&["delivery", "refuse", "3"]).status.code(), Some(1), "only once");
    assert_eq!(node.cli(&["delivery", "accept", "3"]).status.code(), Some(1), "refused is refused");
    assert!(node.ok(&["delivery", "accept", "4"]).contains("taken in"));
    assert_eq!(node.post(&node.anna, "/deliveries/5/refuse", &serde_json::json!({})).0, 200);
    assert_eq!(waiting(), 0);
    let states: Vec<Value> = node.get("/deliveries").as_array().unwrap().iter().map(|d| d["state"].clone()).collect();
    // The oldest one is the session list that the node started with.
    assert_eq!(states, ["refused", "accepted", "refused", "accepted", "accepted"]);
}

#[test]
fn a_held_delivery_is_refused_when_nobody_takes_it_in_for_as_long_as_it_is_kept() {
    let mut node = Node::start();
    node.ok(&["import", &node.file(&name("usual"), &telnet(20))]);
    node.ok(&["import", &node.file(&name("large"), &telnet(1_100))]);
    node.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.edit("policies/policy.yaml", "  held: 14d", "  held: 1ms");
    node.run();
    until("it is refused", || node.get("/status")["held_deliveries"] == 0);
    let last = &node.get("/deliveries")[0];
    assert_eq!(last["state"], "refused");
    assert_eq!(last["because"], "nobody took it in within retention.held", "{last}");
    until("its rows are gone", || std::fs::read_dir(node.path("data/held")).unwrap().count() == 0);
}

#[test]
fn one_bad_row_costs_one_row_and_is_kept_with_its_reason() {
    let node = Node::start();
    // Delivery 1 is the session list that the node started with.
    let text = telnet(20) + &format!("{},198.51.100.7\n{},=cmd(),23,tcp\n", ago(Span::ZERO), ago(Span::ZERO));
    let told = node.ok(&["import", &node.file(&name("bad"), &text)]);
    assert!(told.contains("20 taken in") && told.contains("1 row refused: columns"), "{told}");
    let rows = node.ok(&["delivery", "refused", "2"]);
    assert!(rows.starts_with("line,reason,what,row\r\n22,columns,2 columns where the header has 4"), "{rows}");
    let rows = node.get("/deliveries/2/refused?format=json");
    assert_eq!((&rows[1]["line"], &rows[1]["reason"]), (&23.into(), &"address".into()), "{rows}");
}

#[test]
fn an_unknown_type_is_held_and_can_be_taken_as_information() {
    let node = Node::start();
    let file = node.file(&name("x").replace("scan_telnet", "scan_teapot"), &telnet(2));
    let told = node.ok(&["import", &file]);
    assert!(told.contains("held: `scan_teapot` is no known report type"), "{told}");
    let shown = node.ok(&["delivery", "show", "2"]);
    assert!(shown.contains("sound rows that wait: 2") && shown.contains("--as-information"), "{shown}");
    assert_eq!(node.cli(&["delivery", "accept", "2"]).status.code(), Some(1));
    assert!(node.ok(&["delivery", "accept", "2", "--as-information"]).contains("2 sightings taken in"));
    assert_eq!(node.get("/cases")["total"], 0);
}

#[test]
fn a_plain_list_opens_cases_for_its_cause() {
    let node = Node::start();
    let cases = node.infect(&[1, 2]);
    for case in cases {
        assert_eq!(node.case(case)["state"], "proposed");
    }
    let list = node.file("list.txt", "198.51.100.3\n");
    let done = node.cli(&["import", "--type", "list:open-telnt", &list]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("did you mean `open-telnet`?"), "{}", said(&done));
}

#[test]
fn dropped_files_end_as_done_held_or_refused_with_the_reason_beside() {
    let node = Node::start();
    let there = |place: &str, tag: &str| node.path(&format!("drop/{place}/{}", name(tag))).is_file();
    node.file(&format!("drop/{}", name("usual")), &telnet(20));
    until("the first file is done", || there("done", "usual"));
    node.file(&format!("drop/{}", name("large")), &telnet(1_100));
    node.file(&format!("drop/{}", name("page")), "<html>please log in</html>\n");
    node.file(&format!("drop/{}", name("cut")), telnet(3).trim_end());
    until("the others lie where they belong", || {
        there("held", "large") && there("refused", "page") && there("done", "cut")
    });
    let reason = |place: &str, tag: &str| {
        std::fs::read_to_string(node.path(&format!("drop/{place}/{}.reason.txt", name(tag)))).unwrap()
    };
    assert!(reason("held", "large").contains("pratique delivery show "));
    assert!(reason("refused", "page").contains("web page"));
    let deliveries = node.get("/deliveries");
    let cut = deliveries.as_array().unwrap().iter().find(|d| d["name"] == name("cut")).unwrap();
    assert_eq!(cut["refused"], serde_json::json!([["cut-off", 1]]), "{cut}");
    assert!(node.ok(&["delivery", "refused", &cut["number"].to_string()]).contains("4,cut-off,"));
    assert_eq!(node.get("/status")["held_deliveries"], 1);
}

#[test]
fn a_report_that_is_too_large_is_on_record_and_no_silence_until_a_person_confirms_the_day() {
    let mut node = Node::start();
    node.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.edit("pratique.yaml", "api: {", "api: {upload_limit_mib: 1, ");
    node.run();
    let day = ago(Span::from_days(1))[..10].to_owned();
    let large = node.file(&format!("{day}-compromised_iot-x.csv"), &"x".repeat(3 << 20));
    let done = node.cli(&["import", &large]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("larger than 1048576 bytes"), "{}", said(&done));
    let listed = node.ok(&["coverage", "list"]);
    let missing = format!("missing: compromised_iot from {day} 00:00 UTC until");
    assert!(listed.contains(&missing) && listed.contains("its file was refused (delivery 2)"), "{listed}");
    assert!(node.ok(&["status"]).contains("came and could not be taken in: that is no silence"));

    let confirm = |until: &str, reason: &str| {
        node.cli(&["coverage", "confirm", "shadowserver", "--from", &day, "--until", until, "--reason", reason])
    };
    let tomorrow = ago(Span::from_days(-1))[..10].to_owned();
    let ahead = confirm(&tomorrow, "looked at it");
    assert_eq!(ahead.status.code(), Some(1));
    assert!(said(&ahead).contains("only what has passed can be confirmed"), "{}", said(&ahead));
    let today = ago(Span::ZERO)[..10].to_owned();
    assert_eq!(confirm(&today, "looked at the archive").status.code(), Some(0));
    assert!(!node.ok(&["coverage", "list"]).contains("missing:"));
    let done = node.cli(&["coverage", "confirm", "shadowsrver", "--from", &day, "--until", &today, "--reason", "typo"]);
    assert!(said(&done).contains("there is no source `shadowsrver`; known are"), "{}", said(&done));
}
