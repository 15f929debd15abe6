//! Each kind of notice as it arrives: somebody on the line presses the buttons of the daemon's own pages, its scanner asks a
//! real device, and a real mail server gets what comes of it. In a network of its own (`unshare` of util-linux, `ip` of
//! iproute2), where the lines' addresses are this machine's, so that no packet leaves it. A home whose device has to answer a
//! check while it is walled is in a namespace of its own behind the wall: only there is its answer one that the wall lets pass.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::sys::signal::Signal;
use pratique_core::time::Span;
use pratique_lab::net::Namespace;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::free_port;
use super::home::{self, Answers};
use super::post::{Mails, Post, parsed};
use super::{Node, ago, until};

/// A node whose scanner has a positive control, and the mail server.
fn town(prepare: impl FnOnce(&Node)) -> (Post, Mails) {
    let post = place(prepare);
    let mails = post.server(true);
    (post, mails)
}

/// The node alone.
fn place(prepare: impl FnOnce(&Node)) -> Post {
    Post::start("", |node| {
        let (telnet, adb) = (free_port(), free_port());
        let control = format!("{{telnet: ['127.0.0.1:{telnet}'], adb: ['127.0.0.1:{adb}']}}");
        let scan = format!(
            "scan: {{source4: 192.0.2.81, life_echo: false, per_probe: 1s, control: {control}}}\ncontrol: {{listen: {control}, answer: \
             ['127.0.0.0/8', '192.0.2.81/32']}}"
        );
        node.edit("pratique.yaml", "scan: {source4: 192.0.2.81, life_echo: false}", &scan);
        node.edit(
            "pratique.yaml",
            "site: example.net/help}",
            "site: example.net/help}, self_check: {scan: {probes: [telnet]}}",
        );
        node.edit("policies/policy.yaml", "clock_error: 5m", "clock_error: 1s");
        node.edit("policies/policy.yaml", "check_pause: 2m", "check_pause: 1s");
        prepare(node);
    })
}

/// The home of a line behind a cable, as at a provider: whatever it sends or gets passes the wall.
fn away(line: u8) -> Namespace {
    let [here, home] = [Namespace::current("provider"), Namespace::new("home")].map(Result::unwrap);
    let [address, portal] = [Ipv4Addr::new(198, 51, 100, line), Ipv4Addr::new(192, 0, 2, 80)].map(IpAddr::V4);
    here.wire(|wire| {
        wire.remove_address("lo", address.into())?;
        wire.veth("home", &home, "wan")?;
        wire.route(address.into(), None, "home")
    })
    .unwrap();
    home.wire(|wire| {
        wire.address("wan", address.into())?;
        wire.route(portal.into(), None, "wan")?;
        wire.route("0.0.0.0/0".parse().unwrap(), Some(portal), "wan")
    })
    .unwrap();
    home
}

/// A subscriber with a case, and what has come so far.
struct Subscriber<'a> {
    post: &'a Post,
    mails: &'a Mails,
    home: Namespace,
    line: u8,
    email: &'static str,
    case: u64,
    seen: usize,
}

impl<'a> Subscriber<'a> {
    fn new((post, mails): &'a (Post, Mails), line: u8, email: &'static str, language: &str) -> Self {
        post.contacts(&[(line, email, language)]);
        Self { post, mails, home: Namespace::current("here").unwrap(), line, email, case: 0, seen: 0 }
    }

    /// The line is reported for a cause, at a time before now.
    fn reported(&mut self, cause: &str, before: Span) {
        let node = &self.post.node;
        let list = node.file("seen.txt", &format!("198.51.100.{}:23/tcp, {}\n", self.line, ago(before)));
        let done = node.ok(&["import", "--json", "--type", &format!("list:{cause}"), &list]);
        let done: Value = serde_json::from_str(&done).unwrap();
        if let Some(case) = done["report"]["opened"][0].as_u64() {
            self.case = case;
        }
    }

    /// Reported as seen now, until that was surely after what happened last.
    fn reported_until(&mut self, cause: &str, state: &str) {
        until(state, || {
            self.reported(cause, Span::ZERO);
            self.state() == state
        });
    }

    fn state(&self) -> String {
        self.post.node.case(self.case)["state"].as_str().unwrap().to_owned()
    }

    fn approved(&self) {
        assert_eq!(self.post.node.approve(&self.post.node.anna, self.case).0, 200);
    }

    /// The next mail, which is the only new one: it says this in its subject and that in both of its forms, and the case says
    /// that it went out.
    fn hears(&mut self, kind: &str, subject: &str, says: &[&str]) -> String {
        self.seen += 1;
        until(&format!("{kind} to {}", self.email), || self.mails.all_to(self.email).len() >= self.seen);
        let all = self.mails.all_to(self.email);
        assert_eq!(all.len(), self.seen, "{kind}: {all:?}");
        let raw = all[self.seen - 1]["raw"].as_str().unwrap().to_owned();
        let message = parsed(&raw);
        assert!(message.subject().unwrap().contains(subject), "{kind}: {:?}", message.subject());
        let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
        for form in [&text, &html] {
            for part in says {
                assert!(form.contains(part), "{kind} lacks {part}: {form}");
            }
        }
        if self.case > 0 {
            let line = format!("Notice {kind} sent by e-mail");
            until(&line, || self.post.node.case(self.case)["story"].to_string().contains(&line));
        }
        text.into_owned()
    }

    fn page(&self, path: &str, with: &str) -> String {
        let (from, portal) = (self.address(), self.portal());
        let mut page = String::new();
        until(&format!("a page with {with}"), || {
            page = self.at_home(|| runtime().block_on(home::look(from, portal, path)));
            page.contains(with)
        });
        page
    }

    /// Presses a button of the page of the case, as soon as it is there and can be pressed.
    fn presses(&self, button: &str) {
        let form = format!("action=\"{button}");
        let mut page = String::new();
        until(&format!("{button} can be pressed"), || {
            page = self.page("/", &form);
            let form = page.split(&form).nth(1).and_then(|rest| rest.split("</form>").next());
            form.is_some_and(|form| !form.contains(" disabled"))
        });
        let pressed = home::press(self.address(), self.portal(), button, &page, &["case", "round", "token"], "");
        let answer = self.at_home(|| runtime().block_on(pressed));
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    }

    /// Has the line checked from outside, without a case, with the result by mail.
    fn asks_for_a_check(&self) {
        let page = self.page("/check", "action=\"/check/scan");
        let fields = ["line", "round", "made", "token", "consent"];
        let pressed = home::press(self.address(), self.portal(), "/check/scan", &page, &fields, "&mail=yes");
        self.at_home(|| runtime().block_on(pressed));
    }

    /// A device at home; it is switched off when the answer is dropped.
    fn device(&self, answers: Answers) -> Runtime {
        let address = self.address();
        self.at_home(|| {
            let device = runtime();
            device.block_on(home::device(address, 23, answers));
            device
        })
    }

    fn at_home<R: Send>(&self, does: impl FnOnce() -> R + Send) -> R {
        self.home.run(does).unwrap()
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 51, 100, self.line)
    }

    fn portal(&self) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 80], self.post.portal))
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn check_trust_relapse_and_the_second_quarantine_are_told_one_by_one() {
    if !super::in_a_network_of_its_own("letters::check_trust_relapse_and_the_second_quarantine_are_told_one_by_one") {
        return;
    }
    let mut town = town(|node| node.edit("policies/playbooks/mirai.yaml", "wall_silence: 1h", "wall_silence: 0s"));
    let mut jo = Subscriber::new(&town, 1, "jo@mail.example", "en");
    jo.home = away(1);
    let camera = jo.device(Answers::Login);
    jo.reported("mirai", Span::from_hours(1));
    jo.approved();
    let first =
        jo.hears("quarantined", "your internet is on hold", &["The pause ends by itself on", "Your own page shows"]);
    assert!(!first.contains("seen again since"), "{first}");
    jo.presses("/fixed");
    jo.hears("check-vulnerable", "the problem is still there", &["log in here", "go through the steps again"]);
    drop(camera);
    jo.presses("/fixed");
    let clean = jo.hears("check-clean", "our check found nothing open", &["we wait some days"]);
    assert!(!clean.contains("works again"), "it does not yet: {clean}");
    jo.presses("/leave");
    jo.hears(
        "released-trust",
        "you are back online",
        &["You told us that all steps are done", "keep the new passwords"],
    );
    assert_eq!(jo.state(), "watching");
    jo.reported_until("mirai", "proposed");
    let relapse =
        jo.hears("relapse", "there is a problem on your line again", &["We may have to pause", "second device"]);
    assert!(!relapse.contains("Your own page"), "a free line has none: {relapse}");
    jo.approved();
    jo.hears("quarantined", "your internet is on hold", &["A problem was seen again since", "second device"]);
    // What follows a restart shows that all before it was sent once.
    let (seen, case, home) = (jo.seen, jo.case, jo.home);
    let node = &mut town.0.node;
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.run();
    let mut jo = Subscriber { post: &town.0, mails: &town.1, home, line: 1, email: "jo@mail.example", case, seen };
    let wanted = json!({"version": jo.post.node.case(case)["version"], "reason": "fixed by phone"});
    assert_eq!(jo.post.node.post(&jo.post.node.anna, &format!("/cases/{case}/release"), &wanted).0, 200);
    jo.hears("released-staff", "you are back online", &["We have put you back online"]);
    let story = jo.post.node.case(case)["story"].to_string();
    assert_eq!(story.matches("notice-sent").count(), 7, "{story}");
}

#[test]
fn a_check_that_a_later_one_overtook_is_not_told() {
    if !super::in_a_network_of_its_own("letters::a_check_that_a_later_one_overtook_is_not_told") {
        return;
    }
    let post = place(|_| {});
    // Without TLS nothing leaves.
    let deaf = post.server(false);
    let town = (post, deaf);
    let mut jo = Subscriber::new(&town, 1, "jo@mail.example", "en");
    jo.home = away(1);
    let camera = jo.device(Answers::Login);
    jo.reported("mirai", Span::from_hours(1));
    jo.approved();
    let checked = |jo: &Subscriber<'_>, verdict: &str| {
        jo.presses("/fixed");
        let ended = format!("Check ended {verdict}");
        until(&ended, || jo.post.node.case(jo.case)["story"].to_string().contains(&ended));
    };
    checked(&jo, "vulnerable");
    drop(camera);
    checked(&jo, "clean");
    let case = jo.case;
    let (post, deaf) = town;
    drop(deaf);
    let mails = post.server(true);
    let overtaken = post.told(case, "notice-failed");
    assert_eq!(
        overtaken,
        "Notice check-vulnerable by e-mail did not leave: the case had moved on before it could leave"
    );
    until("quarantine and the last check", || mails.mails().len() == 2);
    let raw = mails.mails().into_iter().map(|mail| mail["raw"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let subject = |title: &str| raw.iter().any(|raw| parsed(raw).subject().unwrap().contains(title));
    assert!(subject("your internet is on hold") && subject("our check found nothing open"), "{raw:?}");
}

#[test]
fn a_warning_and_the_proof_of_a_fix_are_told() {
    if !super::in_a_network_of_its_own("letters::a_warning_and_the_proof_of_a_fix_are_told") {
        return;
    }
    let town = town(|node| {
        node.edit("policies/playbooks/open-telnet.yaml", "warn_for: 3d", "warn_for: 1s");
        node.edit("policies/playbooks/open-telnet.yaml", "threshold: 2", "threshold: 1");
    });
    let mut truus = Subscriber::new(&town, 2, "truus@mail.example", "nl-NL");
    truus.home = away(2);
    truus.reported("open-telnet", Span::from_hours(1));
    let says = ["Uw internet werkt nog gewoon", "Doe de stappen vóór", "Telnet", "zaak"];
    let warning = truus.hears("warning", "een apparaat op uw aansluiting heeft uw hulp nodig", &says);
    assert!(!warning.contains("eigen pagina"), "it has all steps itself: {warning}");
    truus.reported_until("open-telnet", "proposed");
    truus.approved();
    truus.hears("quarantined", "uw internet is tijdelijk stilgezet", &["vanzelf weer aan"]);
    truus.presses("/fixed");
    let says = ["Het probleem op uw aansluiting is opgelost", "Uw internet werkt weer"];
    truus.hears("released-proven", "u bent weer online", &says);
    let overtaken = truus.post.told(truus.case, "notice-failed");
    assert_eq!(overtaken, "Notice check-clean by e-mail did not leave: the case had moved on before it could leave");
    assert_eq!(town.1.mails().len(), 3);
}

#[test]
fn a_check_that_saw_too_little_and_the_end_of_the_longest_time_are_told() {
    if !super::in_a_network_of_its_own("letters::a_check_that_saw_too_little_and_the_end_of_the_longest_time_are_told")
    {
        return;
    }
    let short = "action: quarantine\nmax_quarantine: 4s";
    let town = town(|node| node.edit("policies/playbooks/infected-router.yaml", "action: quarantine", short));
    let mut hanako = Subscriber::new(&town, 3, "hanako@mail.example", "ja");
    hanako.home = away(3);
    let _silent = hanako.device(Answers::Never);
    hanako.reported("mirai", Span::from_hours(1));
    hanako.approved();
    hanako.hears("quarantined", "インターネットを一時的に止めています", &["自動で終わります"]);
    hanako.presses("/fixed");
    let says = ["様子が十分に分かりませんでした", "お客様専用のページにあります"];
    hanako.hears("check-inconclusive", "回線の様子が十分に分かりませんでした", &says);

    let mut ed = Subscriber::new(&town, 4, "ed@mail.example", "en");
    ed.reported("infected-router", Span::from_hours(1));
    ed.approved();
    ed.hears("quarantined", "your internet is on hold", &[]);
    let says = ["The longest time for a pause is over", "Your internet works again", "Is the router from Example Net?"];
    let expired = ed.hears("released-expired", "you are back online", &says);
    assert!(!expired.contains("Your own page"), "a free line has none: {expired}");
    assert_eq!(town.1.mails().len(), 4);
}

#[test]
fn results_of_a_check_without_a_case_are_told() {
    if !super::in_a_network_of_its_own("letters::results_of_a_check_without_a_case_are_told") {
        return;
    }
    let town = town(|_| {});
    let mut jo = Subscriber::new(&town, 5, "jo@mail.example", "en");
    let mut truus = Subscriber::new(&town, 6, "truus@mail.example", "nl");
    let mut hanako = Subscriber::new(&town, 7, "hanako@mail.example", "ja");
    let (_open, _silent) = (jo.device(Answers::Login), hanako.device(Answers::Never));
    for somebody in [&jo, &truus, &hanako] {
        somebody.asks_for_a_check();
    }
    jo.hears(
        "self-check-vulnerable",
        "our check found an open door",
        &["Your internet still works", "log in here", "Switch off “Telnet”"],
    );
    truus.hears("self-check-clean", "onze controle vond niets dat open staat", &["Maar het bewijst niet"]);
    hanako.hears("self-check-inconclusive", "回線の様子が十分に分かりませんでした", &["もう一度確認してください"]);
    assert_eq!(town.1.mails().len(), 3);
}
