//! Attacks on API and console, by their numbers in the list of attacks: 39 to 42, 44, 45, 57, and DNS rebinding.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use pratique_core::state::StateName;
use pratique_staff::roles::Role;
use serde_json::json;

use crate::House;
use crate::console::Browser;

fn state(house: &House, case: u64) -> StateName {
    house.state(case)
}

#[test]
fn a39_a_form_from_elsewhere_approves_nothing() {
    let house = House::open(1);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    for (csrf, headers) in [
        (None, vec![]),
        (Some("0".repeat(64)), vec![]),
        (Some(anna.csrf()), vec![("origin", "https://evil.example")]),
        (Some(anna.csrf()), vec![("sec-fetch-site", "cross-site")]),
        (Some(anna.csrf()), vec![("origin", "null")]),
    ] {
        let form = match &csrf {
            Some(csrf) => format!("version=2&csrf={csrf}"),
            None => "version=2".into(),
        };
        let answer = anna.post_raw("/cases/1/approve", &form, &headers);
        assert_eq!(answer.status, 403, "{csrf:?} {headers:?}");
    }
    // The browser's cookie means nothing to the API.
    let cookie = anna.cookie_header();
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    assert_eq!(house.send("POST", "/api/v1/cases/1/approve", &headers, "{\"version\":2}").status, 401);
    assert_eq!(state(&house, 1), StateName::Proposed);
    assert_eq!(house.metric("pratique_office_csrf_total"), 5);
    assert_eq!(anna.post("/cases/1/approve", "version=2").status, 303);
    assert_eq!(state(&house, 1), StateName::Quarantined);
}

#[test]
fn a40_one_person_is_one_person_by_any_token_and_any_door() {
    let house = House::open(0);
    let two = 2;
    let anna = house.token("anna", Role::Operator);
    let anna_again = house.token("anna", Role::Supervisor);
    let approve = |token: &str, version: u32| {
        house.post(&format!("/api/v1/cases/{two}/approve"), token, &json!({"version": version}))
    };
    assert_eq!(approve(&anna, 2).status, 200);
    let again = approve(&anna_again, 3);
    assert_eq!((again.status, again.json()["code"].as_str()), (403, Some("same-person")));
    let console = Browser::log_in(&house, &anna_again);
    assert_eq!(console.post(&format!("/cases/{two}/approve"), "version=3").status, 403);
    assert_eq!(state(&house, two), StateName::Proposed);
    assert_eq!(approve(&house.token("ben", Role::Operator), 3).status, 200);
    assert_eq!(state(&house, two), StateName::Quarantined);
}

#[test]
fn a41_a_case_that_changed_since_it_was_looked_at_is_a_conflict() {
    let house = House::open(1);
    let anna = house.token("anna", Role::Operator);
    assert_eq!(house.post("/api/v1/cases/1/note", &anna, &json!({"text": "look"})).status, 200);
    let stale = house.post("/api/v1/cases/1/approve", &anna, &json!({"version": 2}));
    assert_eq!((stale.status, stale.json()["code"].as_str()), (409, Some("stale")));
    assert_eq!(stale.json()["version"], 3);
    let console = Browser::log_in(&house, &anna);
    let page = console.post("/cases/1/approve", "version=2");
    assert_eq!(page.status, 409);
    assert!(page.text.contains("changed since you looked at it"), "{}", page.text);
    assert_eq!(state(&house, 1), StateName::Proposed);
}

#[test]
fn a42_a_session_dies_with_log_out_revocation_or_another_role() {
    let house = House::open(1);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    assert_eq!(anna.get("/queue").status, 200);
    assert_eq!(anna.post("/logout", "").status, 303);
    assert_eq!(anna.get("/queue").header("location"), "/login");
    assert_eq!(anna.post("/cases/1/approve", "version=2").header("location"), "/login");
    let ben = Browser::log_in(&house, &house.token("ben", Role::Operator));
    house.revoke("ben");
    assert_eq!(ben.post("/cases/1/approve", "version=2").header("location"), "/login");
    let token = house.token("cleo", Role::Supervisor);
    let cleo = Browser::log_in(&house, &token);
    let list = std::fs::read_to_string(house.tokens_path()).unwrap();
    std::fs::write(house.tokens_path(), list.replace("role: supervisor", "role: viewer")).unwrap();
    assert_eq!(cleo.get("/queue").header("location"), "/login", "a changed role ends the session");
    assert_eq!(house.get("/api/v1/status", &token).status, 200);
    assert_eq!(house.post("/api/v1/resume", &token, &json!({})).status, 403);
    house.revoke("cleo");
    assert_eq!(house.get("/api/v1/status", &token).status, 401);
    assert_eq!(state(&house, 1), StateName::Proposed);
}

#[test]
fn a44_a_case_of_another_region_does_not_exist_for_restricted_staff() {
    let house = House::open(1);
    let token = house.token_for("rita", Role::Operator, &["192.0.2.0/24"]);
    let rita = Browser::log_in(&house, &token);
    assert_eq!(house.get("/api/v1/cases", &token).json()["total"], 1);
    assert_eq!(house.get("/api/v1/cases/1", &token).status, 200);
    let body = |answer: crate::Answer, number: u32| {
        assert_eq!(answer.status, 404);
        answer.text.replace(&format!("case {number}"), "case N")
    };
    let missing = body(house.get("/api/v1/cases/99", &token), 99);
    assert_eq!(body(house.get("/api/v1/cases/5", &token), 5), missing, "hidden and missing look the same");
    assert_eq!(body(house.get("/api/v1/cases/5/story", &token), 5), missing);
    assert_eq!(body(house.post("/api/v1/cases/5/approve", &token, &json!({"version": 2})), 5), missing);
    assert_eq!(body(house.post("/api/v1/cases/4/release", &token, &json!({"reason": "x"})), 4), missing);
    assert_eq!(house.get("/api/v1/lines/C-00005", &token).status, 404);
    let many = house.post("/api/v1/cases/approve", &token, &json!({"cases": [{"id": 5, "version": 2}], "confirm": 1}));
    assert_eq!(many.json()["preview"]["unknown"], json!([5]));
    assert_eq!(rita.get("/cases/5").status, 404);
    assert_eq!(rita.post("/cases/5/approve", "version=2").status, 404);
    assert_eq!(state(&house, 5), StateName::Proposed);
}

#[test]
fn a45_guessing_is_counted_and_slowed_and_locks_nobody_out() {
    let house = House::open(1);
    let good = house.token("anna", Role::Viewer);
    let tries: Vec<_> = (0..7).map(|n| house.get("/api/v1/status", &format!("prtq_{n:064}"))).collect();
    let statuses: Vec<_> = tries.iter().map(|a| a.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    assert!(tries[6].header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(house.metric("pratique_office_wrong_tokens_total"), 7);
    assert_eq!(house.metric("pratique_office_slowed_total"), 2);
    let page = house.send("POST", "/login", &[("content-type", "application/x-www-form-urlencoded")], "token=x");
    assert_eq!(page.status, 429, "both doors share the allowance");
    assert_eq!(house.get("/api/v1/status", &good).status, 200);
}

#[test]
fn a57_a_network_typed_too_wide_shows_its_count_and_is_refused() {
    let house = House::open(120);
    let anna = house.token("anna", Role::Operator);
    let pick = |network: &str| {
        let page = house.get(&format!("/api/v1/cases?state=proposed&limit=1000&network={network}"), &anna).json();
        let rows = page["rows"].as_array().unwrap().clone();
        let picks: Vec<_> = rows.iter().map(|r| json!({"id": r["case"], "version": r["version"]})).collect();
        (page["total"].as_u64().unwrap(), picks)
    };
    let (total, wide) = pick("0.0.0.0/0");
    assert_eq!(total, 123, "the count shows before anything happens");
    let refused = house.post("/api/v1/cases/approve", &anna, &json!({"cases": wide, "confirm": 123}));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (422, Some("bulk-capped")));
    // Below the size of a request, but above the policy's caps.
    let (_, some) = pick("192.0.2.0/26");
    let preview = house.post("/api/v1/cases/approve", &anna, &json!({"cases": some, "dry_run": true})).json();
    assert_eq!(preview["preview"]["count"], 63);
    assert_eq!(preview["preview"]["lines_after"], 64);
    assert!(preview["preview"]["over"].as_str().unwrap().contains("20 are allowed (caps.per_hour)"));
    let refused = house.post("/api/v1/cases/approve", &anna, &json!({"cases": some, "confirm": 63}));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (422, Some("bulk-refused")));
    assert!((1..=120).all(|n| state(&house, n) == StateName::Proposed));
    let (_, meant) = pick("192.0.2.0/28");
    assert_eq!(meant.len(), 15);
    let unconfirmed = house.post("/api/v1/cases/approve", &anna, &json!({"cases": meant}));
    assert_eq!(unconfirmed.json()["code"], "unconfirmed");
    let done = house.post("/api/v1/cases/approve", &anna, &json!({"cases": meant, "confirm": 15})).json();
    assert_eq!(done["approved"].as_array().unwrap().len(), 15, "{done}");
}

#[test]
fn a58_a_protected_line_is_never_part_of_a_bulk_approval_and_takes_two_who_confirm() {
    let house = House::open(1);
    let (anna, ben) = (house.token("anna", Role::Operator), house.token("ben", Role::Operator));
    let cases = json!([{"id": 1, "version": 2}, {"id": 2, "version": 2}]);
    let bulk = house.post("/api/v1/cases/approve", &anna, &json!({"cases": cases, "confirm": 2}));
    assert_eq!(bulk.status, 422);
    assert_eq!(bulk.json()["preview"]["protected"][0][1], "hospital, emergency room");
    let alone = |token: &str, body| house.post("/api/v1/cases/2/approve", token, &body);
    assert_eq!(alone(&anna, json!({"version": 2})).json()["code"], "protected");
    assert_eq!(alone(&anna, json!({"version": 2, "protected_confirmed": true})).status, 200);
    assert_eq!(state(&house, 2), StateName::Proposed);
    assert_eq!(alone(&ben, json!({"version": 3, "protected_confirmed": true})).status, 200);
    assert_eq!(state(&house, 2), StateName::Quarantined);
}

#[test]
fn a_page_that_points_its_own_name_at_us_gets_nothing() {
    let house = House::open(1);
    let token = house.token("anna", Role::Viewer);
    for host in ["evil.example", "evil.example:8053", "localhost.evil.example", ""] {
        let said = house.raw(
            format!("GET /api/v1/cases HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        assert!(said.starts_with("HTTP/1.1 421"), "{host}: {said}");
    }
    assert!(house.raw(b"GET /login HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 421"), "no host at all");
    let own = format!(
        "GET /api/v1/cases HTTP/1.1\r\nHost: NOC.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    assert!(house.raw(own.as_bytes()).starts_with("HTTP/1.1 200"));
}

#[test]
fn endless_headers_and_oversized_bodies_are_bounded() {
    let house = House::open(1);
    let token = house.token("anna", Role::Operator);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(house.raw(long.as_bytes()).starts_with("HTTP/1.1 431"));
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    assert!(
        house.raw(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).starts_with("HTTP/1.1 431")
    );
    let large = house.post("/api/v1/cases/1/note", &token, &json!({"text": "x".repeat(300_000)}));
    assert_eq!(large.status, 413);
    let deep = format!("{{\"text\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let headers = [("authorization", format!("Bearer {token}")), ("content-type", "application/json".into())];
    let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
    assert_eq!(house.send("POST", "/api/v1/cases/1/note", &headers, &deep).status, 422);
}

/// A request whose body begins and does not go on.
fn begun(house: &House, path: &str, token: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(house.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n{token}Content-Length: 1000\r\n\r\nsub");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// A file of which the first bytes are being received: it has its place.
fn received(house: &House, path: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(house.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let asks = "Content-Length: 1000\r\nExpect: 100-continue";
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{asks}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut begun = [0; 25];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(begun, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"sub").unwrap();
    stream
}

fn answer_to(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer is an end, too.
    let _end = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a75_slow_bodies_and_silence_without_a_token_lock_no_staff_out() {
    let house = House::open(1);
    let anna = house.token("anna", Role::Operator);
    // More than one client may have, from the address that staff come from, too.
    let mut held: Vec<TcpStream> = Vec::new();
    for n in 0..300 {
        held.push(match n % 2 {
            0 => begun(&house, "/login", None),
            _ => TcpStream::connect(house.address).unwrap(),
        });
        if n % 50 == 49 {
            assert_eq!(house.get("/api/v1/status", &anna).status, 200, "after {n}");
            assert_eq!(Browser::log_in(&house, &anna).get("/queue").status, 200);
        }
    }
    let released = house.post("/api/v1/cases/4/release", &anna, &json!({"reason": "fixed"}));
    assert_ne!(released.status, 503, "{}", released.text);
    assert!(house.metric("pratique_office_gave_way_total") > 0);
    assert_eq!(house.metric("pratique_office_crowded_total"), 0);
    // Who sends a file without a token hears so before it is read.
    assert!(answer_to(begun(&house, "/api/v1/reports", None)).starts_with("HTTP/1.1 401"));
}

#[test]
fn a75_a_body_that_does_not_arrive_is_given_up_whatever_it_is_for() {
    let house = House::impatient();
    let anna = house.token("anna", Role::Operator);
    let paths = ["/api/v1/reports", "/api/v1/sessions", "/api/v1/retractions/file?reason=x", "/api/v1/bounces"];
    let mut slow = vec![begun(&house, "/login", None)];
    slow.extend(paths.map(|path| begun(&house, path, Some(&anna))));
    for stream in slow {
        let answer = answer_to(stream);
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("arrived too slowly"), "{answer}");
    }
    assert_eq!(house.metric("pratique_office_slow_bodies_total"), 5);
}

#[test]
fn a75_files_that_trickle_in_keep_no_session_list_and_no_retraction_waiting() {
    let house = House::open(1);
    let [ben, cleo, anna] = ["ben", "cleo", "anna"].map(|name| house.token(name, Role::Operator));
    let mut held: Vec<TcpStream> = Vec::new();
    for path in ["/api/v1/reports?name=a.csv", "/api/v1/sessions"] {
        held.extend(
            [&ben, &cleo].into_iter().flat_map(|token| [received(&house, path, token), received(&house, path, token)]),
        );
    }
    let fifth = answer_to(begun(&house, "/api/v1/reports?name=b.csv", Some(&ben)));
    assert!(fifth.starts_with("HTTP/1.1 429"), "one token has four: {fifth}");
    let headers = [("authorization", format!("Bearer {anna}")), ("content-type", "text/csv".into())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let list = house.send("POST", "/api/v1/sessions", &headers, "line-77,192.0.2.77");
    assert_eq!(list.status, 200, "{}", list.text);
    let back = house.send("POST", "/api/v1/retractions/file?name=r.csv&reason=wrong", &headers, "");
    assert_ne!(back.status, 503, "{}", back.text);
    assert_eq!(house.metric("pratique_office_uploads_refused_total{limit=\"token\"}"), 1);
    drop(held);
    let later = house.send("POST", "/api/v1/reports?name=c.csv", &headers, "x");
    assert!(![429, 503].contains(&later.status), "others go on: {}", later.text);
}
