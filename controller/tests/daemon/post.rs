//! A node that sends notices, and the mail server that gets them.

use std::cell::RefCell;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use mail_parser::{Message, MessageParser};
use nix::sys::signal::Signal;
use pratique_core::time::Span;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::servers::Server;
use super::{Node, ago, free_port, until};

/// A node that sends notices to a server at this port, which may not be there yet.
pub struct Post {
    pub node: Node,
    pub portal: u16,
    smtp: u16,
}

/// The mail server with what it has.
pub struct Mails {
    server: Server,
    got: RefCell<Vec<Value>>,
}

impl Post {
    /// With more lines in the section `notices`, and what else is to be prepared before the daemon runs.
    pub fn start(more: &str, prepare: impl FnOnce(&Node)) -> Self {
        let mut node = Node::start();
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended(), Some(0));
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        node.file("roots.pem", &authority.pem());
        node.file("mail.pem", &own.pem());
        node.file("mail-key.pem", &key.serialize_pem());
        std::fs::create_dir(node.path("bounces")).unwrap();
        let (smtp, portal) = (free_port(), free_port());
        // Behind a wall the portal is at an address of the garden.
        let at = if super::is_inside() { "192.0.2.80" } else { "127.0.0.1" };
        let sections = format!(
            "portal:\n  listen: ['{at}:{portal}']\n  pages: {{portal_url: 'http://{at}:{portal}/', provider: \
             {{name: Example Net, phone: 0800 0100, site: example.net/help}}}}\nnotices:\n  mail: {{host: localhost, port: \
             {smtp}, roots: roots.pem, from: help@isp.example, bounces: bounces@isp.example}}\n  retry: {{first: 1s, most: \
             1s, give_up_after: 1h}}\n  bounce_dir: bounces\n{more}api:"
        );
        node.edit("pratique.yaml", "api:", &sections);
        if super::is_inside() {
            // Behind the wall the line reaches its page and is reached by the checks, as at a provider.
            let further = format!("http_port: {portal}, scanner: [192.0.2.81], access_interfaces");
            node.edit("pratique.yaml", "access_interfaces", &further);
            node.edit("pratique.yaml", "scan: {life_echo: false", "scan: {source4: 192.0.2.81, life_echo: false");
        }
        prepare(&node);
        node.run();
        Self { node, portal, smtp }
    }

    /// The server, which refuses who is called `no`, and tells who is called `later` once to come again.
    pub fn server(&self, tls: bool) -> Mails {
        let answers = json!({"no@mail.example": ["550 5.1.1 no such mailbox here"], "later@mail.example": ["450 4.2.0 come again"]});
        let mut how = json!({"port": self.smtp, "answers": answers});
        if tls {
            how["certificate"] = json!(self.node.path("mail.pem"));
            how["key"] = json!(self.node.path("mail-key.pem"));
        }
        Mails { server: Server::start("smtpd.py", &how), got: RefCell::default() }
    }

    /// A server that takes every connection and says nothing on any: what it took.
    pub fn silent_server(&self) -> Receiver<TcpStream> {
        let listener = TcpListener::bind(("127.0.0.1", self.smtp)).unwrap();
        let (tell, taken) = channel();
        std::thread::spawn(move || listener.incoming().map_while(Result::ok).all(|one| tell.send(one).is_ok()));
        taken
    }

    /// Gives lines an address and a language.
    pub fn contacts(&self, rows: &[(u8, &str, &str)]) {
        let at = ago(Span::from_days(1));
        let row = |(i, email, language): &(u8, &str, &str)| {
            format!("C-{i},198.51.100.{i},{at},{email},+31 20 555 010{i},{language}\n")
        };
        let rows: String = rows.iter().map(row).collect();
        let list = self.node.file("contacts.csv", &format!("subscriber,address,from,email,phone,language\n{rows}"));
        self.node.ok(&["sessions", "import", &list]);
    }

    pub fn quarantine(&self, line: u8) -> u64 {
        let case = self.node.infect(&[line])[0];
        assert_eq!(self.node.approve(&self.node.anna, case).0, 200);
        case
    }

    /// Waits for a line of the case's story.
    pub fn told(&self, case: u64, kind: &str) -> String {
        let line = || {
            let story = self.node.case(case)["story"].clone();
            let lines = story.as_array().unwrap().clone();
            lines.into_iter().find(|line| line["kind"] == kind).map(|line| line["what"].as_str().unwrap().to_owned())
        };
        until(&format!("{kind} on case {case}"), || line().is_some());
        line().unwrap()
    }
}

impl Mails {
    /// All of them until now.
    pub fn mails(&self) -> Vec<Value> {
        self.got.borrow_mut().extend(self.server.more());
        self.got.borrow().clone()
    }

    /// All to somebody until now.
    pub fn all_to(&self, to: &str) -> Vec<Value> {
        self.mails().into_iter().filter(|mail| mail["to"] == json!([to])).collect()
    }

    /// The first one to somebody, as soon as it is there.
    pub fn mail_to(&self, to: &str) -> Value {
        until(&format!("a mail to {to}"), || !self.all_to(to).is_empty());
        self.all_to(to).swap_remove(0)
    }
}

pub fn parsed(raw: &str) -> Message<'_> {
    MessageParser::default().parse(raw).unwrap()
}
