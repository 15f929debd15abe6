//! The console as a browser sees it.

use pratique_core::state::StateName;
use pratique_staff::roles::Role;
use serde_json::{Value, json};

use crate::{Answer, House};

/// A browser that is logged in: one cookie, and the CSRF token its pages showed.
pub struct Browser<'a> {
    house: &'a House,
    cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    pub fn log_in(house: &'a House, token: &str) -> Self {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = house.send("POST", "/login", &headers, &format!("token={token}"));
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let mut browser = Self { house, cookie, csrf: String::new() };
        let page = browser.get("/queue").text;
        let after = page.split_once("name=\"csrf\" value=\"").unwrap().1;
        browser.csrf = after.split_once('"').unwrap().0.to_owned();
        browser
    }

    pub fn csrf(&self) -> String {
        self.csrf.clone()
    }

    pub fn cookie_header(&self) -> String {
        self.cookie.clone()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.house.send("GET", path, &[("cookie", &self.cookie)], "")
    }

    pub fn post(&self, path: &str, form: &str) -> Answer {
        self.post_raw(path, &format!("{form}&csrf={}", self.csrf), &[("sec-fetch-site", "same-origin")])
    }

    pub fn post_raw(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.house.send("POST", path, &all, form)
    }
}

#[test]
fn the_queue_shows_evidence_consequence_and_marks_protected_lines() {
    let house = House::open(2);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    let queue = anna.get("/queue").text;
    assert!(queue.contains("5 cases wait for a decision"));
    for shown in ["C-00001", "192.0.2.1", "Would wall", "Hikvision IP camera", "high", "0 of 2"] {
        assert!(queue.contains(shown), "{shown} is missing");
    }
    assert_eq!(queue.matches("PROTECTED LINE").count(), 1);
    assert!(!queue.contains("value=\"3:2\""), "a protected line cannot be ticked");
    let case = anna.get("/cases/3").text;
    assert!(case.contains("hospital, emergency room"));
    assert!(case.contains("name=\"protected_confirmed\" value=\"yes\" required"));
    assert!(case.contains("2 different people"));
    assert!(case.contains("198.51.100.201:1024-2047 is a share of an address (CGNAT)"), "{case}");
}

#[test]
fn strangers_text_neither_runs_nor_hides() {
    let house = House::open(1);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Viewer));
    for path in ["/cases/1", "/unattributed", "/cases?cause=%22%3E%3Cscript%3E", "/queue", "/%3Cscript%3E"] {
        let page = anna.get(path).text;
        assert!(!page.contains("<script"), "{path}");
        assert!(!page.contains(['\u{1b}', '\u{202e}']), "{path}");
    }
    assert!(anna.get("/cases/1").text.contains("&#60;script&#62;alert(1)"));
    let answer = anna.get("/cases/1");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert!(!answer.text.contains("http://") && !answer.text.contains("https://"), "nothing comes from elsewhere");
}

#[test]
fn two_people_approve_and_the_page_says_who_is_still_needed() {
    let house = House::open(0);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    let ben = Browser::log_in(&house, &house.token("ben", Role::Operator));
    assert_eq!(anna.post("/cases/2/approve", "version=2&reason=seen+by+three").status, 303);
    let page = anna.get("/cases/2").text;
    assert!(page.contains("You have approved. Somebody else"), "{page}");
    assert!(page.contains("seen by three"));
    assert!(ben.get("/cases/2").text.contains("<b>One more person</b> has to approve; approved already by anna"));
    assert_eq!(ben.post("/cases/2/approve", "version=4").status, 303);
    assert!(anna.get("/cases/2").text.contains("Release the line now"));
    assert_eq!(anna.post("/cases/2/release", "reason=").status, 422);
    assert_eq!(anna.post("/cases/2/release", "reason=camera+unplugged").status, 303);
    assert!(anna.get("/cases/2").text.contains("camera unplugged"));
}

#[test]
fn a_viewer_sees_no_buttons_and_his_forms_are_refused() {
    let house = House::open(1);
    let vera = Browser::log_in(&house, &house.token("vera", Role::Viewer));
    for path in ["/queue", "/cases/1", "/cases/4", "/lines/C-00001", "/deliveries", "/health"] {
        let page = vera.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(
            page.text.matches("method=\"post\"").count(),
            1 + usize::from(path == "/queue"),
            "{path}: only log-out"
        );
    }
    for (path, form) in [
        ("/cases/1/approve", "version=2"),
        ("/queue/approve", "pick=1:2"),
        ("/deliveries/7/accept", ""),
        ("/deliveries/7/refuse", ""),
        ("/halt", "reason=x"),
        ("/resume", ""),
    ] {
        assert_eq!(vera.post(path, form).status, 403, "{path}");
    }
    assert_eq!(house.state(1), StateName::Proposed);
}

#[test]
fn several_cases_are_approved_after_a_preview() {
    let house = House::open(3);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    let preview = anna.post("/queue/approve", "pick=1:2&pick=2:2").text;
    assert!(preview.contains("Approve 2 and wall 2"), "{preview}");
    assert_eq!(house.state(1), StateName::Proposed);
    assert_eq!(anna.post("/queue/approve", "pick=1:2&pick=2:2&confirm=3").status, 422);
    assert_eq!(anna.post("/queue/approve", "pick=1:2&pick=2:2&confirm=2").status, 303);
    assert_eq!(house.state(2), StateName::Quarantined);
    assert!(anna.get("/queue").text.contains("2 cases are approved; the wall follows."));
    let stale = anna.post("/queue/approve", "pick=3:1").text;
    assert!(stale.contains("1 changed since they were looked at (3)"), "{stale}");
}

#[test]
fn everything_else_has_its_page() {
    let house = House::open(1);
    let susi = Browser::log_in(&house, &house.token("susi", Role::Supervisor));
    let page = |path: &str| {
        let answer = susi.get(path);
        assert_eq!(answer.status, 200, "{path}");
        answer.text
    };
    assert!(page("/residents").contains("1 line in the garden"));
    let case = page("/cases/4");
    assert!(case.contains("<li>nftables: quarantine done</li>"), "{case}");
    assert!(case.contains("provisioning: quarantine wanted since"), "{case}");
    assert!(case.contains("answers 422 to PUT: &#60;b&#62;no such line&#60;/b&#62;, tries: 1, next"), "{case}");
    let residents = page("/residents");
    assert!(residents.contains("no check since the last evidence"), "{residents}");
    assert!(page("/cases?network=192.0.2.1").contains("<b>1</b> found"));
    assert!(page("/deliveries").contains("usually 3,912"));
    assert!(page("/unattributed").contains("the report names no port"));
    let health = page("/health");
    for shown in [
        "Case 4 is quarantined, but not with all it holds: 198.51.100.241",
        "4 more quarantined lines hold something that the wall does not",
        "Feed honeynet has stalled",
        "1 of 2 report types has stalled: scan_telnet",
        "drops no IPv6 packet: no live session with IPv6 is known",
        "nft (pid 4711) flushed the ruleset",
        "Enforcer provisioning has not taken what is wanted of 1 line: `pratique plan` names them",
        "failed 1; 1 line in quarantine by the plan; the oldest since",
        "67.1 MB",
        "1,204,331 portal, 804 nodata",
        "<dt>Portal for infected-nas</dt><dd>192.0.2.81 and 2001:db8::81</dd>",
        "<dt>Portal for everybody else</dt><dd>192.0.2.80</dd>",
        "Captive DNS, threat list c2: /lists/c2 is a web page.",
        "Captive DNS, certificate /etc/dns.pem ends in 9 days: renew it.",
        "Portal, certificate /etc/portal.pem holds no certificate; none is in force.",
        "41,200 names in force",
        "in step",
    ] {
        assert!(health.contains(shown), "{shown} is missing");
    }
    assert_eq!(susi.get("/cases?network=10.0.0.1/8").status, 400);
    assert_eq!(susi.get("/nowhere").status, 404);
    assert!(page("/deliveries").contains("action=\"/deliveries/7/refuse\""));
    assert_eq!(susi.post("/deliveries/7/accept", "").status, 303);
    assert_eq!(susi.post("/deliveries/7/refuse", "").status, 404, "it is decided");
    assert_eq!(susi.post("/halt", "reason=feed+looks+poisoned").status, 303);
    assert!(page("/queue").contains("Enforcement is halted:"));
    assert!(page("/queue").contains("Cannot be approved now: enforcement is halted (feed looks poisoned)"));
    let preview = susi.post("/queue/approve", "pick=1:2").text;
    assert!(preview.contains("1 cannot be approved now: enforcement is halted (feed looks poisoned)"), "{preview}");
    assert_eq!(susi.post("/resume", "").status, 303);
    assert!(!page("/queue").contains("Enforcement is halted:"));
    assert_eq!(house.send("GET", "/queue", &[], "").header("location"), "/login");
    assert_eq!(house.send("GET", "/style.css", &[], "").header("content-type"), "text/css; charset=utf-8");
}

#[test]
fn a_line_is_found_without_its_case_and_shows_its_self_checks() {
    let house = House::open(2);
    let vera = Browser::log_in(&house, &house.token("vera", Role::Viewer));
    let case = vera.get("/cases/1").text;
    let mail = "sent, and came back: status 5.1.1";
    for shown in ["Self-checks of the line", mail, "asks everybody to log in", "no result: it was broken off"] {
        assert!(case.contains(shown), "{shown}: {case}");
    }
    assert!(case.contains("<a href=\"/lines/C-00001\">C-00001</a>"), "{case}");
    assert!(!vera.get("/cases/2").text.contains("Self-checks of the line"), "it has none");
    assert!(vera.get("/cases").text.contains("<form method=\"get\" action=\"/lines\""));
    assert_eq!(vera.get("/lines?subscriber=+C-00001%20").header("location"), "/lines/C-00001");
    assert_eq!(vera.get("/lines?subscriber=a%2Fb%3F%C3%A9").header("location"), "/lines/a%2Fb%3F%C3%A9");
    assert_eq!(vera.get("/lines?subscriber=").header("location"), "/cases");
    let line = vera.get("/lines/C-00001");
    assert_eq!(line.status, 200);
    for shown in ["Line C-00001", mail, "2026-02-14 18:00 UTC", "href=\"/cases/1\"", "192.0.2.1", "2025-01"] {
        assert!(line.text.contains(shown), "{shown}: {}", line.text);
    }
    assert!(vera.get("/lines/C-00002").text.contains("Nobody on this line has asked for one."));
    assert_eq!(vera.get("/lines/a%2Fb%3F%C3%A9").status, 404);
}

#[test]
fn the_page_of_a_line_is_there_for_those_who_may_see_it() {
    let house = House::open(1);
    let rita = Browser::log_in(&house, &house.token_for("rita", Role::Operator, &["192.0.2.0/24"]));
    assert_eq!(rita.get("/lines/C-00001").status, 200);
    let (other, unknown) = (rita.get("/lines/C-00005"), rita.get("/lines/C-99999"));
    assert_eq!((other.status, unknown.status), (404, 404));
    let said =
        |answer: &Answer| answer.text.contains("no such subscriber is known") && !answer.text.contains("C-00005");
    assert!(said(&other) && said(&unknown), "the same words for both: {}", other.text);
    // A case is seen by its old evidence, too; the line as it is now is not.
    let case = |browser: &Browser| browser.get("/cases/1").text;
    assert!(case(&rita).contains("All that is known of the line"));
    house.moves("C-00001", [192, 0, 2, 1], None);
    assert_eq!(rita.get("/lines/C-00001").status, 404);
    let (hers, anna) = (case(&rita), Browser::log_in(&house, &house.token("anna", Role::Viewer)));
    assert!(hers.contains("C-00001") && !hers.contains("All that is known of the line"), "{hers}");
    assert!(case(&anna).contains("All that is known of the line"));
    for path in ["/lines/C-00001", "/lines?subscriber=C-00001"] {
        assert_eq!(house.send("GET", path, &[], "").header("location"), "/login");
    }
}

#[test]
fn the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_of_plain_http_behind_tls() {
    for (tls, name) in [(false, "pratique="), (true, "__Host-pratique=")] {
        let house = House::open_at(0, "127.0.0.1:0", tls);
        let token = house.token("anna", Role::Viewer);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = house.send("POST", "/login", &headers, &format!("token={token}"));
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with(name) && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        assert_eq!(cookie.contains("Secure"), tls, "{cookie}");
        assert!(!cookie.contains(&token));
        let foreign = [headers[0], ("origin", "https://evil.example")];
        assert_eq!(house.send("POST", "/login", &foreign, &format!("token={token}")).status, 403);
        let form = json!({"token": token}).to_string();
        assert_ne!(house.send("POST", "/login", &[("content-type", "application/json")], &form).status, 303);
    }
}

#[test]
fn the_subscribers_pages_are_tried_before_they_are_configured() {
    let house = House::open(0);
    let token = house.token("vera", Role::Viewer);
    let browser = Browser::log_in(&house, &token);
    let page = browser.get("/portal");
    assert_eq!(page.status, 200);
    assert!(page.text.contains("aria-current=\"page\">Portal</a>"));
    assert!(page.text.contains("<option selected>mirai</option>") && page.text.contains("value=\"Example Net\""));
    assert!(page.header("content-security-policy").contains("frame-src 'self'"));
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(browser.get("/portal.js").status, 200);
    // What the frame asks for at first.
    let first = page.text.split_once("src=\"/portal/preview").unwrap().1.split_once('"').unwrap().0;
    let first = browser.get(&format!("/portal/preview{}", first.replace("&#38;", "&")));
    assert!(
        first.status == 200 && first.text.contains("Your internet is on hold") && first.text.contains("Example Net")
    );

    let trial = "scene=clean&cause=open-telnet&language=nl&name=Fjord%20%26%20Net&phone=0800&site=fjord.example/q\
                 &colour=%237a1f5c&colour_dark=%23f0a8d8";
    let shown = browser.get(&format!("/portal/preview?{trial}"));
    assert_eq!((shown.status, shown.header("x-frame-options")), (200, "SAMEORIGIN"));
    let policy = shown.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'self'") && policy.contains("form-action 'none'"), "{policy}");
    assert!(
        shown.text.contains("lang=\"nl\"") && shown.text.contains("Fjord &#38; Net") && shown.text.contains("#7a1f5c")
    );

    let yaml = browser.get(&format!("/portal/yaml?{trial}")).text;
    for line in ["portal:", "  pages:", "    provider:", "      name: Fjord &#38; Net", "    look:", "#7a1f5c"] {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    let pale = browser.get(&format!("/portal/preview?{}", trial.replace("%237a1f5c", "%23ffff00"))).text;
    assert!(pale.contains("portal.look.colour") && pale.contains("take a darker one"), "{pale}");
    assert_eq!(browser.get("/portal/preview?scene=nonsense").status, 400);
}

#[test]
fn a_stranger_sees_no_preview() {
    let house = House::open(0);
    for path in ["/portal", "/portal/preview?name=x&phone=1&site=a", "/portal/yaml?name=x&phone=1&site=a"] {
        let answer = house.send("GET", path, &[], "");
        assert!(answer.status == 303 && !answer.text.contains("Example Net"), "{path}: {answer:?}");
    }
}

#[test]
fn a_dry_run_is_said_on_every_page_and_what_it_approved_is_begun_or_dropped_with_its_number() {
    let house = House::dry_run(2);
    let susi = Browser::log_in(&house, &house.token("susi", Role::Supervisor));
    let case = 5;
    for path in ["/queue", "/residents", "/cases", "/deliveries", "/unattributed", "/health", "/enforce"] {
        let page = susi.get(path).text;
        assert!(page.contains("Dry run: nothing is walled; 1 line would be."), "{path}: {page}");
    }
    let page = susi.get(&format!("/cases/{case}")).text;
    assert!(page.contains("In quarantine on paper") && page.contains("ON PAPER") && page.contains("The line is free"));
    let page = susi.get("/enforce").text;
    assert!(
        page.contains("1 quarantine is on paper only") && !page.contains("/enforce/begin"),
        "nothing can begin: {page}"
    );
    house.enforce();
    let page = susi.get("/enforce").text;
    assert!(page.contains("/enforce/begin") && page.contains("/enforce/drop") && !page.contains("Dry run"), "{page}");
    assert!(susi.get("/health").text.contains("1 line was approved in a dry run and not walled"));
    let refused = susi.post("/enforce/begin", "count=2&reason=go");
    assert!(refused.status == 422 && refused.text.contains("that would be 1, not 2"), "{}", refused.text);
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    assert!(!anna.get("/enforce").text.contains("/enforce/begin"));
    assert_eq!(anna.post("/enforce/begin", "count=1&reason=go").status, 403);
    assert_eq!(susi.post("/enforce/begin", "count=1&reason=go").status, 303);
    assert!(susi.get("/enforce").text.contains("No quarantine is on paper"));
}

#[test]
fn an_approval_that_walls_nothing_has_to_be_meant() {
    let house = House::open(2);
    let why = "100.64.3.4 lies outside policy.yaml&#39;s networks";
    house.moves("C-00001", [192, 0, 2, 1], Some([100, 64, 3, 4]));
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    let page = anna.get("/queue").text;
    assert!(page.contains("not walled at all") && page.contains(why), "{page}");
    let page = anna.get("/cases/1").text;
    assert!(
        page.contains("name=\"unwalled_confirmed\" value=\"yes\" required") && page.contains("and wall nothing"),
        "{page}"
    );
    let preview = anna.post("/queue/approve", "pick=1:2");
    assert!(preview.text.contains("0 of 1") && preview.text.contains("to be approved one by one"), "{}", preview.text);
    let refused = anna.post("/cases/1/approve", "version=2");
    assert!(refused.status == 422 && refused.text.contains("nothing of this line would be walled"), "{}", refused.text);
    assert_eq!(anna.post("/cases/1/approve", "version=2&unwalled_confirmed=yes").status, 303);
}

#[test]
fn an_approval_of_a_line_that_nobody_has_spoken_of_for_long_has_to_be_meant() {
    let house = House::open(2);
    house.doubts_what_is_silent();
    let anna = Browser::log_in(&house, &house.token("anna", Role::Operator));
    let page = anna.get("/cases/1").text;
    assert!(
        page.contains("name=\"doubtful_confirmed\" value=\"yes\" required")
            && page.contains("nothing was heard of 192.0.2.1 since 2026-02-12T00:00:00Z, nor of its gateway bras1"),
        "{page}"
    );
    let preview = anna.post("/queue/approve", "pick=1:2");
    assert!(preview.text.contains("whose addresses somebody else may hold by now"), "{}", preview.text);
    let refused = anna.post("/cases/1/approve", "version=2");
    assert!(refused.status == 422 && refused.text.contains("somebody else may hold it by now"), "{}", refused.text);
    let token = house.token("ben", Role::Operator);
    let decide = |body: Value| house.post("/api/v1/cases/2/approve", &token, &body);
    let refused = decide(json!({"version": 2}));
    assert_eq!((refused.status, refused.json()["type"].as_str().unwrap().ends_with("#doubtful")), (422, true));
    assert_eq!(decide(json!({"version": 2, "doubtful_confirmed": true})).status, 200);
    assert_eq!(anna.post("/cases/1/approve", "version=2&doubtful_confirmed=yes").status, 303);
}
