//! What is seen from inside the homes and from the Internet. Never from the controller's own state: a step of the story
//! counts only when packets say so.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use pratique_core::ids::CaseId;

use super::client::{Form, Page, Request, Stub, connect};
use super::internet::{ECHO_PORT, REAL_PAGE};
use super::net::{Namespace, NetError};
use super::town::{Home, Host, PORTAL4, PORTAL6};

/// A connection attempt that got no answer is counted as blocked after this; inside one machine an answer takes well under
/// a millisecond.
const BLOCKED_AFTER: Duration = Duration::from_millis(500);

/// The name everybody looks up.
const NAME: &str = "www.example.com";

/// Somebody at home who looks at the screen, with sockets that stay open through the whole story.
#[derive(Debug)]
pub struct Witness {
    home: Home,
    internet: Namespace,
    stub4: Stub,
    stub6: Stub,
    flow: TcpStream,
    sent: u32,
}

/// Where a line's names lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steered {
    /// To the real server, in both families.
    Real,
    /// To the portal, in both families.
    Portal,
    /// One here, one there, or nowhere.
    Neither,
}

impl Witness {
    /// Opens the sockets while the line is still free.
    ///
    /// # Errors
    /// When the line is not free.
    pub fn sit_down(home: &Home, internet: &Namespace) -> anyhow::Result<Self> {
        let (stub4, stub6, flow) = home.namespace.run(|| {
            let flow = connect(home.v4.into(), (Host::WEB.v4(), ECHO_PORT).into(), Duration::from_secs(5))?;
            flow.set_nodelay(true)?;
            Ok::<_, io::Error>((
                Stub::towards(Host::RESOLVER.v4().into())?,
                Stub::towards(Host::RESOLVER.v6().into())?,
                flow,
            ))
        })??;
        Ok(Self { home: home.clone(), internet: internet.clone(), stub4, stub6, flow, sent: 0 })
    }

    /// Asks the public resolver from the sockets that have been open all the time.
    pub fn steered(&mut self) -> Steered {
        let fqdn = format!("{NAME}.");
        let answers = (self.stub4.ask(&fqdn, RecordType::A), self.stub6.ask(&fqdn, RecordType::AAAA));
        let are = |v4: IpAddr, v6: IpAddr| {
            let one = |answer: &io::Result<Vec<IpAddr>>, address| answer.as_ref().is_ok_and(|a| a == &[address]);
            one(&answers.0, v4) && one(&answers.1, v6)
        };
        if are(Host::WEB.v4().into(), Host::WEB.v6().into()) {
            Steered::Real
        } else if are(PORTAL4.into(), PORTAL6.into()) {
            Steered::Portal
        } else {
            Steered::Neither
        }
    }

    /// Whether the connection opened before still carries bytes there and back.
    pub fn flow_is_alive(&mut self) -> bool {
        self.sent = self.sent.wrapping_add(1);
        let mark = format!("{}\n", self.sent);
        let until = Instant::now() + BLOCKED_AFTER;
        if self.flow.write_all(mark.as_bytes()).is_err() {
            return false;
        }
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
            if self.flow.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            match self.flow.read(&mut buffer) {
                Ok(n) if n > 0 => heard.extend_from_slice(&buffer[..n]),
                _ => return false,
            }
            if heard.ends_with(mark.as_bytes()) {
                return true;
            }
        }
        false
    }

    /// How many connections open when each of the line's addresses tries each of these hosts and ports outside.
    ///
    /// # Errors
    /// When the home cannot be entered.
    pub fn ways_out(&self, to: &[(Host, u16)]) -> anyhow::Result<usize> {
        let ways = to.iter().flat_map(|&(host, port)| {
            let (v4, v6) = (SocketAddr::from((host.v4(), port)), SocketAddr::from((host.v6(), port)));
            [(self.home.v4.into(), v4), (self.home.v6.into(), v6), (self.home.device6().into(), v6)]
        });
        open_ways(&self.home.namespace, ways.collect())
    }

    /// How many doors an outsider finds open when they try these ports on each of the line's addresses.
    ///
    /// # Errors
    /// When the Internet cannot be entered.
    pub fn ways_in(&self, ports: &[u16]) -> anyhow::Result<usize> {
        let (v4, v6) = (Host::ATTACKER.v4().into(), Host::ATTACKER.v6().into());
        let ways = ports.iter().flat_map(|&port| {
            let home = &self.home;
            [(v4, (home.v4, port).into()), (v6, (home.v6, port).into()), (v6, (home.device6(), port).into())]
        });
        open_ways(&self.internet, ways.collect())
    }

    /// Types http://www.example.com/ into the address bar and follows where it leads.
    ///
    /// # Errors
    /// When nothing is shown.
    pub fn browse(&self) -> anyhow::Result<Shown> {
        Ok(self.home.namespace.run(|| visit(&format!("http://{NAME}/"), None))??)
    }

    /// Presses the button of the shown page whose form goes to a path with this end, and follows where it leads.
    ///
    /// # Errors
    /// When the page has no such button, or nothing is shown afterwards.
    pub fn press(&self, shown: &Shown, button: &str) -> anyhow::Result<Shown> {
        let form = Form::find(&shown.page.body, button)
            .ok_or_else(|| anyhow::anyhow!("the page at {} has no button `{button}`", shown.url))?;
        let url = resolve(&shown.url, &form.action);
        Ok(self.home.namespace.run(|| visit(&url, Some((&shown.url, form.encode()))))??)
    }
}

/// What is on the screen.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What the address bar says.
    pub url: String,
    /// The page.
    pub page: Page,
}

impl Shown {
    /// It is the real page of the Web.
    pub fn is_real(&self) -> bool {
        self.page.status == 200 && self.page.body.contains(REAL_PAGE)
    }

    /// It is the portal's page about this device.
    pub fn is_portal_about(&self, case: u64, device: &str) -> bool {
        let number = format!("<b>{}</b>", CaseId(case).number());
        self.page.status == 200 && self.page.body.contains(device) && self.page.body.contains(&number)
    }

    /// What the page says about the last check; none while there was no check or one is under way.
    pub fn last_check(&self) -> Option<Checked> {
        let classes = self.status_classes()?;
        classes.split_whitespace().find_map(|class| match class {
            "good" => Some(Checked::Clean),
            "bad" => Some(Checked::Vulnerable),
            "unsure" => Some(Checked::Unsure),
            _ => None,
        })
    }

    /// A check is under way.
    pub fn is_checking(&self) -> bool {
        self.status_classes().is_some_and(|classes| classes.split_whitespace().any(|class| class == "busy"))
    }

    /// Classes of the page's status card: they carry the verdict, whatever the language of the texts.
    fn status_classes(&self) -> Option<&str> {
        const CARD: &str = "class=\"card status";
        self.page.body.split(CARD).nth(1)?.split('"').next()
    }

    /// The page has this button.
    pub fn has_button(&self, button: &str) -> bool {
        Form::find(&self.page.body, button).is_some()
    }
}

/// What a page says about the last check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing found.
    Clean,
    /// Something found.
    Vulnerable,
    /// Nothing proved.
    Unsure,
}

/// How many of these connections open, all tried at once: a wall that drops would take one patience each.
fn open_ways(inside: &Namespace, ways: Vec<(IpAddr, SocketAddr)>) -> anyhow::Result<usize> {
    let opened = |(from, to)| connect(from, to, BLOCKED_AFTER).is_ok();
    let tries: Result<Vec<_>, NetError> =
        ways.into_iter().map(|way| inside.spawn_thread(move || opened(way))).collect();
    let mut open = 0;
    for one in tries? {
        let opened = one.join().map_err(|_| anyhow::anyhow!("a thread in {} died", inside.name()))??;
        open += usize::from(opened);
    }
    Ok(open)
}

/// Fetches a page in the calling thread's namespace as a browser does: asks for the name, follows redirects.
fn visit(url: &str, mut form: Option<(&str, String)>) -> io::Result<Shown> {
    let mut url = url.to_string();
    // Browsers give up after twenty; the portal needs one.
    for _ in 0..5 {
        let (host, path) = split(&url).ok_or_else(|| io::Error::other(format!("{url} is no http address")))?;
        let name = host.split(':').next().unwrap_or(host);
        let mut stub = Stub::towards(Host::RESOLVER.v4().into())?;
        let asked = (0..3).find_map(|_| stub.ask(&format!("{name}."), RecordType::A).ok());
        let address =
            asked.and_then(|a| a.first().copied()).ok_or_else(|| io::Error::other(format!("{name} has no address")))?;
        let mut request = Request::get(host, path);
        if let Some((from, content)) = &form {
            request.method = "POST";
            request.body = content;
            request.headers.push(("Content-Type", "application/x-www-form-urlencoded".into()));
            request.headers.push(("Origin", origin(from)));
            request.headers.push(("Referer", (*from).to_string()));
        }
        let page = request.send((address, 80).into())?;
        match page.header("location").filter(|_| (300..400).contains(&page.status)) {
            Some(to) => url = resolve(&url, to),
            None => return Ok(Shown { url, page }),
        }
        // A redirect after a form is fetched with GET (RFC 9110 section 15.4.4).
        form = None;
    }
    Err(io::Error::other(format!("redirects without end, last to {url}")))
}

fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    Some((host, if path.is_empty() { "/" } else { path }))
}

fn origin(url: &str) -> String {
    format!("http://{}", split(url).map_or("", |(host, _)| host))
}

fn resolve(base: &str, to: &str) -> String {
    if to.starts_with("http://") { to.to_string() } else { format!("{}/{}", origin(base), to.trim_start_matches('/')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_against_the_address_bar() {
        assert_eq!(resolve("http://help.isp.example/a?n=b", "/fixed"), "http://help.isp.example/fixed");
        assert_eq!(resolve("http://a/", "http://b:81/x"), "http://b:81/x");
        assert_eq!(split("http://a"), Some(("a", "/")));
        assert_eq!(split("https://a/"), None);
    }

    #[test]
    fn the_status_box_tells_the_last_check() {
        let shown = |class: &str| Shown {
            url: String::new(),
            page: Page { body: format!("<section id=\"status\" class=\"card status{class}\" aria"), ..Page::default() },
        };
        assert_eq!(shown(" bad").last_check(), Some(Checked::Vulnerable));
        assert_eq!((shown("").last_check(), shown("").is_checking()), (None, false));
        assert_eq!((shown(" busy").last_check(), shown(" busy").is_checking()), (None, true));
    }
}
