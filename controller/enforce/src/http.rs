//! The enforcer `http`: tells a provisioning system of the provider's own what each line is to be.
//!
//! ```text
//! PUT <url with the subscriber's id>
//! Content-Type: application/json
//! Idempotency-Key: "17-1771156800000"       line and revision; the same for each try
//! Pratique-Timestamp, Pratique-Signature    as for the webhook of notices; see pratique-hook
//!
//! {"version":1,"state":"quarantined","revision":1771156800000,"position":400,"case":17,"subscriber":"C-1",
//!  "addresses":["198.51.100.1"],"nas":"bng-7","session":null,"sessions":[{"address":"198.51.100.1","nas":"bng-7","session":null}]}
//! ```
//!
//! | answer to PUT | means |
//! | --- | --- |
//! | 2xx; 404 and 410 where the line is to be free | done |
//! | 408, 409, 425, 5xx | this line later |
//! | 401, 429, 503, none in time | nobody now; `Retry-After` is heard |
//! | anything else | refused: a person has to look |
//!
//! `GET` of the same address answers with an object that has `state`, and `revision` if it keeps that; 404 and 410 mean that
//! the line is free.

use std::path::{Path, PathBuf};

use http::Method;
use pratique_core::plan::LineSession;
use pratique_core::text::printable;
use pratique_core::time::{Span, Timestamp};
use pratique_hook::{Answer, Hook, Place};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr as _, format_smolstr};

use crate::remote::{LineEnforcer, Order, Pace, Seen, Trouble, Wanted};

/// In the address, where the subscriber's id goes.
const PLACE: &str = "{subscriber}";

/// Of an answer no more is read, in bytes.
const MOST_READ: u64 = 64 << 10;

/// Of what a refusal says no more is shown, in characters.
const MOST_SHOWN: usize = 120;

/// One entry of the section `enforcers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What it is.
    pub kind: Kind,
    /// What it is called: in states of cases, metrics, and the ledger. Another name is another enforcer.
    pub name: SmolStr,
    /// `https://…/lines/{subscriber}`; `http://` only to this machine.
    pub url: SmolStr,
    /// File with the secret that requests are signed with, readable for pratique alone.
    pub secret_file: PathBuf,
    /// Roots that its certificate is checked against, in PEM.
    #[serde(default = "system_roots")]
    pub roots: PathBuf,
    /// An answer that takes longer counts as none.
    #[serde(default = "ten_seconds")]
    pub patience: Span,
    /// How fast, and when again.
    #[serde(default)]
    pub pace: Pace,
    /// Each line that it was told is looked at this often; null looks at none.
    #[serde(default = "an_hour")]
    pub verify_every: Option<Span>,
}

/// Kinds of enforcers elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A provisioning system, over HTTP.
    Http,
}

impl Kind {
    /// As in configuration and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
        }
    }
}

impl Settings {
    /// Relative paths start at this folder.
    pub fn at(&mut self, base: &Path) {
        self.secret_file = base.join(&self.secret_file);
        self.roots = base.join(&self.roots);
    }

    /// What serde cannot see, each with its remedy; `at` is its place, as `enforcers[0]`.
    pub fn problems(&self, at: &str) -> Vec<String> {
        let mut found = Vec::new();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(plain) {
            found.push(format!(
                "{at}.name is `{}`: take 1 to 32 small letters, digits and hyphens, as provisioning",
                printable(self.name.as_bytes(), 40)
            ));
        }
        if ["nft", "nftables", "dry-run"].contains(&self.name.as_str()) {
            found.push(format!(
                "{at}.name is `{}`, which the wall of this machine is called: take another one",
                self.name
            ));
        }
        let filled = self.url.replace(PLACE, "x");
        let example = "https://crm.isp.example/lines/{subscriber}";
        if let Some(problem) = pratique_hook::url_problem(&format!("{at}.url"), &filled, example, "who is quarantined")
        {
            found.push(problem);
        } else if self.url.matches(PLACE).count() != 1 {
            found.push(format!(
                "{at}.url must have {PLACE} exactly once, where the id of the line goes; write it as {example}"
            ));
        } else if self.url.split(['/', '?']).nth(2).is_some_and(|host| host.contains(PLACE)) {
            found.push(format!("{at}.url has {PLACE} in the host: put it into the path; write it as {example}"));
        }
        if self.patience < Span::from_millis(100) || self.patience > Span::from_mins(2) {
            found.push(format!("{at}.patience must lie between 100ms and 2m"));
        }
        if self.verify_every.is_some_and(|every| every < Span::from_secs(1) || every > Span::from_days(30)) {
            found.push(format!("{at}.verify_every must lie between 1s and 30d; null looks at no line"));
        }
        found.extend(self.pace.problems(&format!("{at}.pace")));
        found
    }
}

/// Tells it.
#[derive(Debug)]
pub struct Http {
    url: SmolStr,
    hook: Hook,
}

/// What is put. Fields are only ever added.
#[derive(Serialize)]
struct Body<'a> {
    /// Of this form.
    version: u8,
    state: &'static str,
    revision: u64,
    position: u64,
    case: u64,
    subscriber: &'a str,
    addresses: Vec<SmolStr>,
    /// Of all its sessions, if they are on one.
    nas: Option<&'a str>,
    /// If it has one alone.
    session: Option<&'a str>,
    sessions: Vec<Session<'a>>,
}

#[derive(Serialize)]
struct Session<'a> {
    address: SmolStr,
    nas: Option<&'a str>,
    session: Option<&'a str>,
}

/// What is read of an answer to GET.
#[derive(Deserialize)]
struct Has {
    state: Wanted,
    revision: Option<u64>,
}

impl Http {
    /// Reads secret and roots; `at` is the place of its settings in the configuration.
    ///
    /// # Errors
    /// Which field and file is wrong, and what to do.
    pub fn new(settings: &Settings, at: &str) -> Result<Self, String> {
        let Settings { url, secret_file, roots, patience, .. } = settings;
        let hook = Hook::new(&Place { section: at, url, secret_file, roots, patience: patience.to_std() })?;
        Ok(Self { url: url.clone(), hook })
    }

    fn url(&self, order: &Order) -> Result<String, Trouble> {
        let id = order.subscriber.as_str();
        // Servers take these for other places, however they are written.
        if matches!(id, "" | "." | "..") {
            return Err(Trouble::Refused("its id cannot stand in an address".into()));
        }
        Ok(self.url.replace(PLACE, &encoded(id)))
    }
}

impl LineEnforcer for Http {
    fn kind(&self) -> &'static str {
        Kind::Http.as_str()
    }

    fn tell(&self, order: &Order, now: Timestamp) -> Result<(), Trouble> {
        let url = self.url(order)?;
        let body = serde_json::to_vec(&Body::of(order)).map_err(|e| Trouble::Refused(e.to_smolstr()))?;
        let key = format!("\"{}-{}\"", order.line, order.revision);
        let answer = self.hook.send(Method::PUT, (&url, &key), body, now, MOST_READ).map_err(|e| unreachable(&e))?;
        match (answer.code, order.wanted) {
            (200..=299, _) | (404 | 410, Wanted::Free) => Ok(()),
            _ => Err(trouble("PUT", &answer)),
        }
    }

    fn look(&self, order: &Order, now: Timestamp) -> Result<Seen, Trouble> {
        let url = self.url(order)?;
        let answer = self.hook.get(&url, now, MOST_READ).map_err(|e| unreachable(&e))?;
        let has = match answer.code {
            404 | 410 => Has { state: Wanted::Free, revision: None },
            200..=299 => serde_json::from_slice(&answer.body)
                .map_err(|_| Trouble::Later("answers GET without a `state` that can be read".into(), None))?,
            405 | 501 => {
                let why = format_smolstr!("answers {} to GET; if it has none, set verify_every: null", answer.code);
                return Err(Trouble::Refused(why));
            }
            _ => return Err(trouble("GET", &answer)),
        };
        Ok(match (has.state, order.wanted) {
            (Wanted::Free, Wanted::Free) => Seen::AsTold,
            (Wanted::Quarantined, Wanted::Quarantined) if has.revision.is_none_or(|n| n >= order.revision) => {
                Seen::AsTold
            }
            (Wanted::Quarantined, Wanted::Quarantined) => Seen::Other("it has an older order".into()),
            (Wanted::Free, Wanted::Quarantined) => Seen::Other("it says free".into()),
            (Wanted::Quarantined, Wanted::Free) => Seen::Other("it says quarantined".into()),
        })
    }
}

impl<'a> Body<'a> {
    fn of(order: &'a Order) -> Self {
        let Order { line: _, subscriber, case, wanted, sessions, revision, position } = order;
        let one_nas = |s: &&LineSession| sessions.iter().all(|other| other.nas == s.nas);
        Self {
            version: 1,
            state: wanted.as_str(),
            revision: *revision,
            position: position.0,
            case: case.0,
            subscriber: subscriber.as_str(),
            addresses: sessions.iter().map(|s| s.holding.to_smolstr()).collect(),
            nas: sessions.first().filter(one_nas).and_then(|s| s.nas.as_deref()),
            session: if let [one] = &sessions[..] { one.id.as_deref() } else { None },
            sessions: sessions
                .iter()
                .map(|s| Session { address: s.holding.to_smolstr(), nas: s.nas.as_deref(), session: s.id.as_deref() })
                .collect(),
        }
    }
}

fn unreachable(why: &str) -> Trouble {
    Trouble::Down(format_smolstr!("cannot be reached: {}", printable(why.as_bytes(), MOST_SHOWN)), None)
}

fn trouble(method: &str, answer: &Answer) -> Trouble {
    let after = answer.retry_after.as_deref().and_then(|text| text.trim().parse().ok());
    let after = after.map(|seconds: u32| Span::from_secs(seconds.into()));
    let said = || format_smolstr!("answers {} to {method}", answer.code);
    match answer.code {
        401 => Trouble::Down(format_smolstr!("{}: does it have the same secret?", said()), after),
        429 | 503 => Trouble::Down(said(), after),
        408 | 409 | 425 | 500..=599 => Trouble::Later(said(), after),
        300..=399 => Trouble::Refused(format_smolstr!("{}: redirects are not followed", said())),
        _ => Trouble::Refused(match first_line(&answer.body) {
            Some(line) => format_smolstr!("{}: {line}", said()),
            None => said(),
        }),
    }
}

/// The first line that says something, harmless to look at.
fn first_line(body: &[u8]) -> Option<SmolStr> {
    let line = body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty())?;
    Some(printable(line, MOST_SHOWN))
}

/// As one segment of a path, or a value of a query (RFC 3986, section 2.3).
fn encoded(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn system_roots() -> PathBuf {
    pratique_hook::SYSTEM_ROOTS.into()
}

const fn ten_seconds() -> Span {
    Span::from_secs(10)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
const fn an_hour() -> Option<Span> {
    Some(Span::from_hours(1))
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::{CaseId, LineNo, Seq};
    use pratique_core::session::Holding;

    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        let text = format!(
            "kind: http\nname: crm\nurl: 'https://crm.isp.example/lines/{{subscriber}}'\nsecret_file: s\n{text}"
        );
        serde_yaml::from_str(&text).map_err(|e| e.to_string())
    }

    fn order(wanted: Wanted, nas: &[&str]) -> Order {
        let session = |(last, nas): (u8, &&str)| LineSession {
            holding: Holding::V4([198, 51, 100, last].into()),
            nas: Some(SmolStr::new(nas)).filter(|nas| !nas.is_empty()),
            id: None,
        };
        Order {
            line: LineNo(3),
            subscriber: "C-1/ä".into(),
            case: CaseId(17),
            wanted,
            sessions: (1..).zip(nas).map(session).collect(),
            revision: 1_771_156_800_000,
            position: Seq(400),
        }
    }

    #[test]
    fn what_is_told_has_all_that_is_known_and_nothing_else() {
        let told = |order: &Order| serde_json::to_value(Body::of(order)).unwrap();
        let wanted = serde_json::json!({
            "version": 1, "state": "quarantined", "revision": 1_771_156_800_000_u64, "position": 400, "case": 17,
            "subscriber": "C-1/ä", "addresses": ["198.51.100.1"], "nas": "bng-7", "session": null,
            "sessions": [{"address": "198.51.100.1", "nas": "bng-7", "session": null}],
        });
        assert_eq!(told(&order(Wanted::Quarantined, &["bng-7"])), wanted);
        assert_eq!(told(&order(Wanted::Quarantined, &["bng-7", "bng-8"]))["nas"], serde_json::Value::Null);
        assert_eq!(told(&order(Wanted::Quarantined, &["bng-7", "bng-7"]))["nas"], "bng-7");
        assert_eq!(told(&order(Wanted::Free, &[]))["addresses"], serde_json::json!([]));
        assert_eq!(encoded("C-1/ä ?#%"), "C-1%2F%C3%A4%20%3F%23%25");
    }

    #[test]
    fn each_answer_means_one_thing() {
        let of = |code, body: &str, after: Option<&str>| {
            trouble("PUT", &Answer { code, body: body.into(), retry_after: after.map(str::to_owned) })
        };
        for (code, key) in [
            (302, "refused"),
            (400, "refused"),
            (401, "down"),
            (403, "refused"),
            (404, "refused"),
            (408, "later"),
            (409, "later"),
            (422, "refused"),
            (429, "down"),
            (500, "later"),
            (503, "down"),
            (599, "later"),
        ] {
            assert_eq!(of(code, "", None).key(), key, "{code}");
        }
        assert_eq!(of(503, "", Some(" 120 ")), Trouble::Down("answers 503 to PUT".into(), Some(Span::from_secs(120))));
        assert_eq!(of(503, "", Some("Fri, 31 Dec 1999 23:59:59 GMT")), of(503, "", None));
        let said = of(422, "\r\n no such line\u{1b}[2J\u{202e}\r\nsecond", None);
        assert_eq!(said.why(), "answers 422 to PUT: no such line\\u{1b}[2J\\u{202e}");
        assert!(of(422, &"x".repeat(9_000), None).why().chars().count() < 160);
    }

    #[test]
    fn problems_name_their_field_and_what_to_do() {
        assert_eq!(settings("").unwrap().problems("enforcers[0]"), Vec::<String>::new());
        assert_eq!(settings("verify_every: null").unwrap().verify_every, None);
        assert!(settings("verify: 1h").unwrap_err().contains("unknown field `verify`"));
        let first = |change: &dyn Fn(&mut Settings)| {
            let mut wrong = settings("").unwrap();
            change(&mut wrong);
            let found = wrong.problems("enforcers[0]");
            assert_eq!(found.len(), 1, "{found:?}");
            found.concat()
        };
        let url = |url: &str| first(&|s| s.url = url.into());
        assert!(url("http://crm.isp.example/{subscriber}").starts_with("enforcers[0].url: "));
        assert!(url("http://crm.isp.example/{subscriber}").contains("in the clear"));
        assert!(url("https://crm.isp.example/lines").contains("exactly once"));
        assert!(url("https://{subscriber}.isp.example/lines").contains("in the host"));
        for name in ["", "Crm", "a b", "x\u{202e}", &"x".repeat(33)] {
            assert!(first(&|s| s.name = name.into()).starts_with("enforcers[0].name is "), "{name}");
        }
        assert!(first(&|s| s.name = "nft".into()).contains("take another one"));
        assert!(first(&|s| s.pace.per_second = 0).starts_with("enforcers[0].pace.per_second must"));
        assert!(first(&|s| s.pace.retry_most = Span::from_days(1)).contains("a release can wait that long"));
        assert!(first(&|s| s.verify_every = Some(Span::ZERO)).contains("null looks at no line"));
        assert!(first(&|s| s.patience = Span::ZERO).starts_with("enforcers[0].patience must"));
    }
}
