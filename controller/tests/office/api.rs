//! The API: every path with every role, and what an operator does with it.

use pratique_staff::roles::Role;
use serde_json::{Value, json};

use crate::House;

#[test]
fn every_path_asks_for_its_role() {
    let house = House::open(3);
    let staff = [("vera", Role::Viewer), ("otto", Role::Operator), ("susi", Role::Supervisor)]
        .map(|(name, role)| house.token(name, role));
    let region = house.token_for("rita", Role::Operator, &["192.0.2.0/24"]);
    // The lowest role that may; whether it concerns the whole network, so that restricted staff may not.
    let paths: [(&str, &str, usize, bool); 28] = [
        ("GET", "/cases", 0, false),
        ("GET", "/cases/1", 0, false),
        ("GET", "/cases/1/story", 0, false),
        ("GET", "/status", 0, false),
        ("GET", "/lines/C-00001", 0, false),
        ("GET", "/plan", 0, true),
        ("GET", "/deliveries", 0, true),
        ("GET", "/unattributed", 0, true),
        ("POST", "/cases/1/approve", 1, false),
        ("POST", "/cases/1/dismiss", 1, false),
        ("POST", "/cases/1/release", 1, false),
        ("POST", "/cases/1/renew", 1, false),
        ("POST", "/cases/1/rescan", 1, false),
        ("POST", "/cases/1/note", 1, false),
        ("POST", "/cases/approve", 1, false),
        ("POST", "/retract", 1, true),
        ("POST", "/reports", 1, true),
        ("POST", "/sessions", 1, true),
        ("POST", "/sessions/events", 1, true),
        ("POST", "/subscribers", 1, true),
        ("POST", "/deliveries/7/accept", 1, true),
        ("POST", "/deliveries/7/refuse", 1, true),
        ("POST", "/lines/C-00001/purge", 2, false),
        ("POST", "/halt", 2, false),
        ("POST", "/resume", 2, false),
        ("POST", "/release-all", 2, false),
        ("GET", "/nothing", 0, false),
        ("POST", "/cases/1/nothing", 1, false),
    ];
    for (method, path, lowest, whole) in paths {
        let body = match path.rsplit('/').next().unwrap() {
            "approve" if path == "/cases/approve" => json!({"cases": [], "dry_run": true}),
            "approve" => json!({"version": 2}),
            "dismiss" => json!({"version": 2, "reason": "x"}),
            "release" | "halt" => json!({"reason": "x"}),
            "renew" => json!({"version": 2, "for": "7d", "reason": "x"}),
            "note" => json!({"text": "x"}),
            "retract" => json!({"sightings": [1], "reason": "x"}),
            _ => json!({}),
        };
        let path_full = format!("/api/v1{path}");
        let ask = |token: &str| match method {
            "GET" => house.get(&path_full, token).status,
            _ => house.post(&path_full, token, &body).status,
        };
        if path != "/nothing" {
            assert_eq!(
                house.send(method, &path_full, &[], &body.to_string()).status,
                401,
                "{method} {path} without token"
            );
        }
        for (role, token) in staff.iter().enumerate() {
            let status = ask(token);
            if path.ends_with("/nothing") {
                assert_eq!(status, 404, "{path}");
            } else if role < lowest {
                assert_eq!(status, 403, "{method} {path} as role {role}");
            } else {
                assert!(!matches!(status, 401 | 403 | 405 | 500..), "{method} {path} as role {role}: {status}");
            }
        }
        let restricted = ask(&region);
        assert_eq!(restricted == 403, whole || lowest == 2, "{method} {path} for restricted staff: {restricted}");
    }
}

#[test]
fn a_line_shows_the_checks_that_somebody_on_it_asked_for() {
    let house = House::open(2);
    let vera = house.token("vera", Role::Viewer);
    let line = house.get("/api/v1/lines/C-00001", &vera).json();
    let (lost, done) = (&line["self_checks"][0], &line["self_checks"][1]);
    assert_eq!((&lost["state"], &lost["verdict"], &lost["mail"]), (&json!("lost"), &Value::Null, &Value::Null));
    assert_eq!((&done["state"], &done["verdict"]), (&json!("done"), &json!("vulnerable")));
    let open = json!([{"probe": "telnet:23", "found": "login-prompt", "words": "asks everybody to log in"}]);
    assert_eq!(done["open"], open);
    assert_eq!(done["mail"]["key"], "bounced");
    assert!(done["agreed_at"].as_str().unwrap().ends_with('Z'), "times are RFC 3339");
    assert_eq!(house.get("/api/v1/lines/C-00002", &vera).json()["self_checks"], json!([]));
}

#[test]
fn a_case_is_approved_released_and_its_story_says_by_whom() {
    let house = House::open(2);
    let anna = house.token("anna", Role::Operator);
    let row = house.get("/api/v1/cases?state=proposed&network=192.0.2.1", &anna).json();
    assert_eq!(row["total"], 1);
    let (id, version) = (&row["rows"][0]["case"], &row["rows"][0]["version"]);
    let approve = json!({"version": version, "reason": "three honeypots agree"});
    let done = house.post(&format!("/api/v1/cases/{id}/approve"), &anna, &approve);
    assert_eq!(done.status, 200, "{done:?}");
    let case = house.get(&format!("/api/v1/cases/{id}"), &anna).json();
    assert_eq!(case["state"], "quarantined");
    assert_eq!(case["missing"][0]["key"], "rescan");
    let release = json!({"reason": "camera is gone"});
    assert_eq!(house.post(&format!("/api/v1/cases/{id}/release"), &anna, &release).status, 200);
    let story = house.get(&format!("/api/v1/cases/{id}/story"), &anna).json();
    let told: Vec<_> = story
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["who"].as_str().unwrap(), l["kind"].as_str().unwrap(), &l["text"]))
        .collect();
    assert!(told.contains(&("anna", "approved", &Value::Null)), "{told:?}");
    assert!(told.contains(&("anna", "noted", &json!("three honeypots agree"))));
    assert!(told.contains(&("anna", "released", &json!("camera is gone"))));
    assert!(story[0]["at"].as_str().unwrap().ends_with('Z'), "times are RFC 3339");
}

#[test]
fn refusals_are_problems_with_a_code_and_the_machine_s_own_words() {
    let house = House::open(1);
    let anna = house.token("anna", Role::Operator);
    let wrong = house.post("/api/v1/cases/1/release", &anna, &json!({"reason": "x"}));
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.header("content-type"), "application/problem+json");
    assert_eq!(wrong.json()["code"], "wrong-state");
    // What a problem points at is there, also for who has no token yet.
    let kind = wrong.json()["type"].as_str().unwrap().to_owned();
    let (path, section) = kind.split_once('#').unwrap();
    let reference = house.send("GET", path, &[], "");
    assert_eq!((reference.status, reference.header("content-type")), (200, "text/markdown; charset=utf-8"));
    assert!(reference.text.lines().any(|line| line == format!("### {section}")), "{kind}");
    let nothing = house.get("/api/v1/nothing", &anna).json();
    assert_eq!(nothing["detail"], "there is nothing at this path; GET /api/v1 lists the paths");
    assert_eq!(wrong.json()["detail"], "case 1 is proposed: it cannot be released");
    for (path, body, status, code) in [
        ("/cases/99/rescan", json!({}), 404, "no-such-case"),
        ("/cases/1/dismiss", json!({"version": 2}), 422, "text-missing"),
        ("/cases/1/dismiss", json!({"version": 2, "reason": "x".repeat(2_001)}), 422, "text-too-long"),
        ("/cases/1/dismiss", json!({"version": 2, "reason": "\u{1b}[2J"}), 422, "text-unreadable"),
        ("/cases/1/dismiss", json!({"reason": "x"}), 400, "bad-request"),
        ("/cases/1/dismiss", json!({"version": 2, "reason": "x", "until": "2026-01-01T00:00:00Z"}), 400, "bad-request"),
        ("/cases/1/approve", json!({"versoin": 2}), 422, "bad-request"),
        ("/cases/4/renew", json!({"version": 4, "for": "900d", "reason": "x"}), 422, "renew-too-long"),
        ("/cases/1/burn", json!({}), 404, "not-found"),
        ("/cases/one/rescan", json!({}), 404, "not-found"),
        ("/retract", json!({"sightings": [999], "reason": "x"}), 404, "no-such-sighting"),
    ] {
        let answer = house.post(&format!("/api/v1{path}"), &anna, &body);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{path} {body}: {}",
            answer.text
        );
    }
    for query in ["state=open", "network=10.0.0.1/8", "network=x", "limit=0", "limit=5000", "colour=red"] {
        let answer = house.get(&format!("/api/v1/cases?{query}"), &anna);
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
    }
}

#[test]
fn pages_of_cases_follow_each_other_without_gap_or_repetition() {
    let house = House::open(20);
    let token = house.token("vera", Role::Viewer);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("/api/v1/cases?limit=7{after}"), &token).json();
        assert_eq!(page["total"], 24);
        let rows = page["rows"].as_array().unwrap();
        let Some(last) = rows.last() else { break };
        after = format!("&after={}", last["case"]);
        seen.extend(rows.iter().map(|r| r["case"].as_u64().unwrap()));
    }
    assert_eq!(seen, (1..=24).rev().collect::<Vec<_>>());
}

#[test]
fn a_report_is_taken_with_its_type_from_query_or_header_and_an_empty_or_foreign_file_is_refused() {
    let house = House::open(0);
    let anna = house.token("anna", Role::Operator);
    let bearer = format!("Bearer {anna}");
    let send = |query: &str, headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "text/csv")];
        all.extend_from_slice(headers);
        house.send("POST", &format!("/api/v1/reports{query}"), &all, body)
    };
    let taken = send("?type=scan_telnet&name=a.csv", &[], "timestamp,ip\n1,2\n");
    assert_eq!(taken.json()["delivery"]["report"], "scan_telnet", "{taken:?}");
    assert_eq!(taken.json()["delivery"]["rows"], 2);
    let taken = send("", &[("x-report-type", "scan_ssdp"), ("x-report-source", "honeynet")], "a\n");
    assert_eq!(taken.json()["delivery"]["report"], "scan_ssdp");
    assert_eq!(taken.json()["delivery"]["source"], "honeynet");
    assert_eq!(send("", &[], "").json()["code"], "empty");
    let page = send("?name=x.csv", &[], "<html>");
    assert_eq!((page.status, page.json()["detail"].as_str()), (422, Some("x.csv:1: this is a web page, not a report")));
    let large = send("", &[], &"x".repeat((1 << 20) + 1));
    assert_eq!((large.status, large.json()["code"].as_str()), (413, Some("too-large")));
    let chunked = house.raw(
        format!("POST /api/v1/reports HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x20_0000)).as_bytes(),
    );
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    let known = house.get("/api/v1/deliveries", &anna).json();
    let states: Vec<_> = known.as_array().unwrap().iter().take(6).map(|d| d["state"].as_str().unwrap()).collect();
    assert_eq!(
        states,
        ["refused", "refused", "refused", "refused", "accepted", "accepted"],
        "refused ones are on record, those that are too large as well"
    );
    let sessions =
        house.send("POST", "/api/v1/sessions", &[("authorization", &bearer)], "C-1,192.0.2.1\nC-2,192.0.2.2\n");
    assert_eq!(sessions.json()["started"], 2);
    let wrong = house.send("POST", "/api/v1/sessions?name=s.csv", &[("authorization", &bearer)], "C-1,192.0.2.1\nx\n");
    assert_eq!(wrong.json()["detail"], "s.csv:2: not `subscriber,address`");
}

#[test]
fn a_held_delivery_is_accepted_once() {
    let house = House::open(0);
    let anna = house.token("anna", Role::Operator);
    assert_eq!(house.get("/api/v1/deliveries", &anna).json()[0]["state"], "held");
    assert_eq!(house.post("/api/v1/deliveries/7/accept", &anna, &json!({})).status, 200);
    assert_eq!(house.post("/api/v1/deliveries/7/accept", &anna, &json!({})).status, 404);
}

#[test]
fn a_held_delivery_is_refused_once_and_not_accepted_then() {
    let house = House::open(0);
    let anna = house.token("anna", Role::Operator);
    assert_eq!(house.post("/api/v1/deliveries/7/refuse", &anna, &json!({})).status, 200);
    for verb in ["refuse", "accept"] {
        assert_eq!(house.post(&format!("/api/v1/deliveries/7/{verb}"), &anna, &json!({})).status, 404);
    }
    assert_eq!(house.get("/api/v1/deliveries", &anna).json()[0]["state"], "refused");
}

#[test]
fn releasing_everything_asks_for_the_number_it_showed() {
    let house = House::open(0);
    let susi = house.token("susi", Role::Supervisor);
    let ask = |body: Value| house.post("/api/v1/release-all", &susi, &body);
    assert_eq!(ask(json!({"dry_run": true})).json()["quarantined"], 1);
    assert_eq!(ask(json!({"reason": "x"})).json()["code"], "unconfirmed");
    assert_eq!(ask(json!({"confirm": 2, "reason": "x"})).status, 422);
    assert_eq!(ask(json!({"confirm": 1, "reason": "the wall misbehaves"})).json()["released"], 1);
    assert_eq!(ask(json!({"dry_run": true})).json()["quarantined"], 0);
}

#[test]
fn while_halted_approvals_are_refused_and_releases_are_not() {
    let house = House::open(1);
    let susi = house.token("susi", Role::Supervisor);
    assert_eq!(house.post("/api/v1/halt", &susi, &json!({"reason": "feed looks poisoned"})).status, 200);
    assert_eq!(house.get("/api/v1/status", &susi).json()["halted"], "feed looks poisoned");
    assert_eq!(house.post("/api/v1/cases/1/approve", &susi, &json!({"version": 2})).json()["code"], "halted");
    assert_eq!(house.post("/api/v1/cases/4/release", &susi, &json!({"reason": "x"})).status, 200);
    assert_eq!(house.post("/api/v1/resume", &susi, &json!({})).status, 200);
    assert_eq!(house.post("/api/v1/cases/1/approve", &susi, &json!({"version": 2})).status, 200);
}

#[test]
fn probes_need_no_token_and_readiness_says_what_is_lacking() {
    use std::sync::atomic::Ordering;
    let house = House::open(0);
    assert_eq!(house.send("GET", "/healthz", &[], "").status, 200);
    let ready = house.send("GET", "/readyz", &[], "");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.text.lines().count(), 4, "a line for each thing: {}", ready.text);
    assert!(
        ready.text.starts_with("not ready:\n- ") && ready.text.contains("- policy: NOT READY, no policy is loaded"),
        "{}",
        ready.text
    );
    let flags = &house.metrics.ready;
    for flag in [&flags.store_writable, &flags.enforcers_in_step, &flags.policy_loaded] {
        flag.store(true, Ordering::Release);
    }
    assert_eq!(house.send("GET", "/readyz", &[], "").status, 200);
    let metrics = house.send("GET", "/metrics", &[], "");
    assert!(metrics.text.contains("pratique_cases{state=\"quarantined\"} 0"), "{}", metrics.text);
    assert!(metrics.text.contains("pratique_office_answers_total{class=\"2xx\",surface=\"open\"}"));
}
