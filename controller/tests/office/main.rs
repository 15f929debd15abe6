//! API, console and command line over real sockets, against the office of a small town: the real engine over a store in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod cli;
mod commands;
mod console;
mod hostile;
mod provisioning;
mod town;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pratique_core::event::Enforcement;
use pratique_core::ids::CaseId;
use pratique_core::session::Holding;
use pratique_core::state::StateName;
use pratique_engine::handle::{Intake, SessionChange};
use pratique_ingest::FileReason;
use pratique_ingest::label::{Label, Readers, Unreadable};
use pratique_ingest::sessions::List;
use pratique_ingest::sessions::subscribers::SubscriberList;
use pratique_metrics::Metrics;
use pratique_portal::{NoDesk, Portal};
use pratique_staff::roles::Role;
use pratique_staff::tokens::{NewToken, TokenFile, TokenList};
use pratique_store::{Delivery, DeliveryState};
use pratique_web::auth::Auth;
use pratique_web::desk::{Desk, Settings};
use pratique_web::meters::Meters;
use pratique_web::{router, serve};
use serde_json::Value;
use town::{Dressed, NOW, Town};

/// A running office.
pub struct House {
    pub address: SocketAddr,
    office: Arc<Dressed>,
    pub metrics: Arc<Metrics>,
    folder: tempfile::TempDir,
    _stop: tokio::sync::watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// Lines of `subscriber,address` for sessions; every line of a report is a row.
struct Plain;

impl Readers for Plain {
    fn report(&self, label: &Label, body: &mut dyn Read) -> Result<Intake, Unreadable> {
        let mut text = String::new();
        body.read_to_string(&mut text).map_err(|e| Unreadable::new(FileReason::Io, format!("{}: {e}", label.name)))?;
        if text.is_empty() {
            return Err(Unreadable::new(FileReason::Empty, format!("{}: the file is empty", label.name)));
        }
        if text.starts_with("<html") {
            return Err(Unreadable::new(
                FileReason::Html,
                format!("{}:1: this is a web page, not a report", label.name),
            ));
        }
        let delivery = Delivery {
            number: 0,
            source: label.source.as_ref().map_or_else(|| "shadowserver".into(), |s| s.0.clone()),
            report: label.report.clone().unwrap_or_default(),
            name: label.name.clone(),
            content: label.content,
            received_at: label.received_at,
            state: DeliveryState::Accepted,
            rows: text.lines().count() as u64,
            refused: Vec::new(),
            because: None,
            warnings: Vec::new(),
        };
        Ok(Intake { delivery, sightings: Vec::new(), spoken: None, refused: Vec::new(), unknown_type: false })
    }

    fn refused(&self, label: &Label, because: &str) -> Intake {
        let delivery = Delivery {
            number: 0,
            source: "shadowserver".into(),
            report: label.report.clone().unwrap_or_default(),
            name: label.name.clone(),
            content: label.content,
            received_at: label.received_at,
            state: DeliveryState::Refused,
            rows: 0,
            refused: vec![(because.into(), 1)],
            because: Some(because.into()),
            warnings: Vec::new(),
        };
        Intake { delivery, sightings: Vec::new(), spoken: None, refused: Vec::new(), unknown_type: false }
    }

    fn subscribers(&self, label: &Label, body: &mut dyn Read) -> Result<SubscriberList, Unreadable> {
        let named = |e| Unreadable::new(FileReason::Header, format!("{}: {e}", label.name));
        pratique_ingest::sessions::subscribers::read(body).map_err(named)
    }

    fn sessions(&self, label: &Label, _: Option<&str>, body: &mut dyn Read) -> Result<List, Unreadable> {
        let mut text = String::new();
        body.read_to_string(&mut text).map_err(|e| Unreadable::new(FileReason::Io, e.to_string()))?;
        let row = |(i, line): (usize, &str)| {
            let wrong =
                || Unreadable::new(FileReason::Rows, format!("{}:{}: not `subscriber,address`", label.name, i + 1));
            let (subscriber, address) = line.split_once(',').ok_or_else(wrong)?;
            Ok(SessionChange {
                subscriber: subscriber.into(),
                holding: Holding::V4(address.parse().map_err(|_| wrong())?),
                nas: Default::default(),
                from: NOW,
                to: None,
                told: None,
            })
        };
        let changes = text.lines().enumerate().map(row).collect::<Result<Vec<_>, _>>()?;
        Ok(List { rows: changes.len() as u64, changes, ..List::default() })
    }
}

/// A portal whose pages can be tried, and whose buttons lead nowhere.
fn preview() -> pratique_portal::Preview {
    let settings = pratique_portal::Settings::example("http://help.isp.example/".parse().unwrap());
    let registry = pratique_enforce::metrics::Registry::new();
    Portal::new(settings, None, Arc::default(), Arc::new(NoDesk), &registry).unwrap().preview()
}

impl House {
    pub fn open(proposed: u8) -> Self {
        Self::open_at(proposed, "127.0.0.1:0", false)
    }

    pub fn open_at(proposed: u8, listen: &str, tls: bool) -> Self {
        Self::open_with(proposed, Enforcement::Real, listen, tls, pratique_web::arrival::PATIENCE)
    }

    /// With less patience for bodies that do not arrive.
    pub fn impatient() -> Self {
        Self::open_with(1, Enforcement::Real, "127.0.0.1:0", false, Duration::from_millis(300))
    }

    /// Nothing is walled: its quarantine was approved on paper.
    pub fn dry_run(proposed: u8) -> Self {
        Self::open_with(proposed, Enforcement::DryRun, "127.0.0.1:0", false, pratique_web::arrival::PATIENCE)
    }

    fn open_with(proposed: u8, mode: Enforcement, listen: &str, tls: bool, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        TokenList::default().store(&folder.path().join("tokens.yaml")).unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let meters = Meters::new(metrics.registry()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let town = runtime.block_on(Town::build(proposed, mode, metrics.clone(), folder.path()));
        let office = Arc::new(Dressed(town));
        let desk = Desk {
            office: office.clone(),
            readers: Arc::new(Plain),
            auth: Arc::new(Auth::new(TokenFile::open(&folder.path().join("tokens.yaml")).unwrap(), meters.clone())),
            sessions: Arc::default(),
            uploads: Arc::default(),
            metrics: metrics.clone(),
            meters: Arc::new(meters.clone()),
            now: Arc::new(|| NOW),
            preview: Some(preview()),
            settings: Arc::new(Settings {
                hosts: vec!["noc.example".into()],
                tls,
                upload_limit: 1 << 20,
                patience,
                spool: folder.path().into(),
            }),
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind(listen)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        runtime.spawn(serve::serve(listener, router(desk), meters, stopped));
        Self { address, office, metrics, folder, _stop: stop, runtime }
    }

    pub fn state(&self, case: u64) -> StateName {
        self.runtime.block_on(self.office.0.state(case))
    }

    pub fn version(&self, case: u64) -> u32 {
        self.runtime.block_on(self.office.0.version(CaseId(case)))
    }

    /// A line holds something else from now on, or nothing.
    pub fn moves(&self, subscriber: &str, from: [u8; 4], to: Option<[u8; 4]>) {
        self.runtime.block_on(self.office.0.moves(subscriber, from, to));
    }

    /// Sessions that nobody has spoken of for six hours are doubtful from now on.
    pub fn doubts_what_is_silent(&self) {
        self.runtime.block_on(self.office.0.doubts_what_is_silent());
    }

    /// A wall takes over where a dry run was.
    pub fn enforce(&self) {
        self.runtime.block_on(self.office.0.enforce(Enforcement::Real));
    }

    pub fn tokens_path(&self) -> PathBuf {
        self.folder.path().join("tokens.yaml")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn token(&self, person: &str, role: Role) -> String {
        self.token_for(person, role, &[])
    }

    pub fn token_for(&self, person: &str, role: Role, networks: &[&str]) -> String {
        let networks = networks.iter().map(|n| n.parse().unwrap()).collect();
        let new = NewToken { person: person.parse().unwrap(), role, expires: None, networks };
        let mut list = TokenList::load(&self.tokens_path()).unwrap();
        let token = list.add(new, NOW).unwrap();
        list.store(&self.tokens_path()).unwrap();
        token
    }

    pub fn revoke(&self, person: &str) {
        let mut list = TokenList::load(&self.tokens_path()).unwrap();
        assert!(!list.revoke(person).is_empty());
        list.store(&self.tokens_path()).unwrap();
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], "")
    }

    pub fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let headers = [("authorization", format!("Bearer {token}")), ("content-type", "application/json".into())];
        self.send("POST", path, &headers.each_ref().map(|(n, v)| (*n, v.as_str())), &body.to_string())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text }
    }

    /// Sends bytes as they are and returns everything until the other side closes.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(bytes).unwrap();
        let mut said = Vec::new();
        // A reset after the answer is an end too.
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    }

    pub fn metrics_text(&self) -> String {
        String::from_utf8(self.metrics.render().unwrap()).unwrap()
    }

    pub fn metric(&self, line_start: &str) -> u64 {
        let text = self.metrics_text();
        let line = text.lines().find(|l| l.starts_with(line_start)).unwrap_or_else(|| panic!("no {line_start}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }
}
