//! Which answer a request gets. [`route`] decides from a handful of facts; nothing a client says about its own address
//! (`X-Forwarded-For`, `Forwarded`, PROXY headers) is among them.
//!
//! ```text
//!                       resident                               anybody else
//! portal's own host     GET: page, news; POST: button          GET: what they were warned of, "not on hold", or "not known"
//! self-check            GET: what was seen; POST: a scan       the same
//! a name of its list    passed on, if it has plain HTTP alone   the next line
//! any other host        browser or probe: to the portal        probe: "online"; browser: "not on hold", "restart your router"
//! anything else         511, empty                             404, empty; 421, a line; connection closed
//! captive API           captive: true                          captive: false; 404 where nobody is known to hold the address
//! ```
//!
//! Who looks for another host here and is no resident has a router or a device that remembers captive DNS answers longer than it
//! was told to, which some do for an hour. These requests are counted apart: right after a release a few are normal, for long they
//! are a home that has to restart its router.
//!
//! Who comes from an address that nobody is known to hold may be on a line that is walled at its other address: they read
//! neither that the line is on hold nor that it is not. A line that is walled elsewhere, and known at this address, too, is
//! shown its page here as there.
//!
//! The portal's own host is that of `portal_url`; over TLS that of `api_url`, if `portal_url` itself is without.
//!
//! Browsers are led to the portal's own host instead of being served where they are: the address bar then shows the
//! provider's name, and no script kept from another site can read the page or press its buttons. There is nothing to
//! route by path, so there is no router: background storms cost a look at three headers.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use http::{Method, Request, StatusCode};
use hyper::body::Body;
use pratique_core::places::Party;
use pratique_core::time::Timestamp;
use pratique_core::view::{Garden, GardenView};

use crate::actions::Button;
use crate::answer::{self, Answer};
use crate::captive;
use crate::check::figures::{self, Figures};
use crate::check::share;
use crate::check::{self, Visitor};
use crate::desk::{Desk, FreeLine, Seen};
use crate::forward::{self, Forwarder};
use crate::link::{LINK_PATH, LinkKey};
use crate::live::{Mark, Watch};
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::page::{self, Buttons, Form, Free, Pages, Wish};
use crate::probes::{self, Online};
use crate::promises::{NodeOpens, Open};
use crate::seats::Crowd;
use crate::settings::PortalUrl;
use crate::token::Seal;
use crate::turns::Turns;
use crate::visit::{self, Visit};

/// Where the page's news come from.
pub(crate) const LIVE_PATH: &str = "/live";

/// Everything that answers.
pub(crate) struct Front {
    pub(crate) pages: Pages,
    pub(crate) view: Arc<GardenView>,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) seal: Seal,
    /// The key of links in notices, where there are notices.
    pub(crate) links: OnceLock<LinkKey>,
    /// What this node opens beside the policy, where that was said.
    pub(crate) node_opens: OnceLock<NodeOpens>,
    /// Names that were looked up and lead inwards alone.
    pub(crate) shut: RwLock<Arc<[String]>>,
    /// Passes plain HTTP on, where a resolver says where names are.
    pub(crate) forward: OnceLock<Forwarder>,
    /// The self-check, where it is switched on.
    pub(crate) checks: OnceLock<check::desk::Desk>,
    pub(crate) metrics: Metrics,
    /// Commands under way.
    pub(crate) commands: Turns,
    /// Look-ups of free lines have turns of their own: no crowd of them keeps a resident from a button.
    looks: Turns,
    /// How often a line may press.
    pub(crate) presses: Pace,
    /// News end now: the portal stops.
    pub(crate) stopping: Arc<AtomicBool>,
    /// Where everybody is led who is somewhere else.
    to_portal: HeaderValue,
    /// The portal over TLS, if there is one.
    secure: Option<PortalUrl>,
    api: captive::Answers,
}

/// What [`route`] looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) own_host: bool,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    /// Accepts HTML by name. Programs that say `*/*` are no browsers.
    pub(crate) browser: bool,
    /// What the client calls itself.
    pub(crate) agent: &'a str,
    /// Accepts the API's media type by name.
    pub(crate) knows_api: bool,
    pub(crate) resident: bool,
    /// The self-check is switched on.
    pub(crate) checks: bool,
    /// Figures are open.
    pub(crate) figures: bool,
}

/// Which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// RFC 8908.
    Api,
    /// From the API to the page, for a browser.
    ApiPage,
    /// The API, with a method it does not know.
    ApiRefused,
    /// The resident's page, or that of a free line, on the portal's own host.
    Page,
    /// "Not on hold, restart your router", on a host that is not ours.
    FreeElsewhere,
    /// The same for programs: 421.
    Stale,
    /// One line of text.
    Plain,
    /// The page's news.
    Live,
    /// Whether a notice is genuine.
    Genuine,
    /// What was seen of a line.
    Check,
    /// The consent to a scan.
    Scan,
    /// What is shown where a link to it is shared.
    Picture,
    /// Open figures.
    Figures,
    /// The same as data.
    FiguresData,
    /// A pressed button.
    Press(Button),
    /// 302 to the portal.
    Redirect,
    /// 303 to the portal.
    SeeOther,
    /// A probe on a free line.
    Online(Online),
    /// Empty.
    Nothing(StatusCode),
}

/// Decides.
pub(crate) fn route(asked: Asked<'_>) -> Route {
    let reads = matches!(*asked.method, Method::GET | Method::HEAD);
    let posts = *asked.method == Method::POST;
    if captive::PATHS.contains(&asked.path) {
        return match (reads, asked.browser && !asked.knows_api) {
            (true, false) => Route::Api,
            (true, true) => Route::ApiPage,
            (false, _) => Route::ApiRefused,
        };
    }
    match (asked.own_host, asked.resident) {
        (true, _) if posts => match asked.path {
            Button::FIXED_PATH => Route::Press(Button::Fixed),
            Button::LEAVE_PATH => Route::Press(Button::Leave),
            Button::STEP_PATH => Route::Press(Button::Step),
            check::SCAN_PATH if asked.checks => Route::Scan,
            _ if asked.browser => Route::SeeOther,
            _ => Route::Nothing(StatusCode::NOT_FOUND),
        },
        (true, _) if reads && asked.path == LIVE_PATH => Route::Live,
        // Programs get it, too: those that show what a link leads to.
        (true, _) if reads && asked.checks && asked.path == check::PATH => Route::Check,
        (true, _) if reads && asked.checks && share::is_picture(asked.path) => Route::Picture,
        (true, _) if reads && asked.figures && asked.path == figures::PATH => Route::Figures,
        (true, _) if reads && asked.figures && asked.path == figures::JSON_PATH => Route::FiguresData,
        // Who is on the line sees the case itself; everybody else, that a notice of it is genuine.
        (true, false) if reads && asked.path.starts_with(LINK_PATH) => Route::Genuine,
        (true, _) if reads && asked.browser => Route::Page,
        (true, _) if reads && asked.path == "/" => Route::Plain,
        // Icons and whatever else hangs on a page. A redirect would lead in a circle.
        (true, _) if reads => Route::Nothing(StatusCode::NOT_FOUND),
        (false, true) if reads => Route::Redirect,
        (false, true) if posts && asked.browser => Route::SeeOther,
        (_, true) => Route::Nothing(StatusCode::NETWORK_AUTHENTICATION_REQUIRED),
        (false, false) if reads => match probes::online(asked.host, asked.path, asked.agent) {
            Some(online) => Route::Online(online),
            None if asked.browser => Route::FreeElsewhere,
            None => Route::Stale,
        },
        (false, false) => Route::Stale,
        (true, false) => Route::Nothing(StatusCode::METHOD_NOT_ALLOWED),
    }
}

impl Front {
    pub(crate) fn new(pages: Pages, view: Arc<GardenView>, desk: Arc<dyn Desk>, seal: Seal, metrics: Metrics) -> Self {
        let settings = pages.settings();
        let secure = settings.secure_url().cloned();
        let page = secure.as_ref().unwrap_or(&settings.portal_url);
        Self {
            to_portal: Pages::location(&settings.portal_url, ""),
            api: captive::Answers::new(page, settings.venue_info_url.as_ref()),
            secure,
            stopping: Arc::default(),
            links: OnceLock::new(),
            node_opens: OnceLock::new(),
            shut: RwLock::default(),
            forward: OnceLock::new(),
            checks: OnceLock::new(),
            commands: Turns::new(settings.limits),
            looks: Turns::new(settings.limits),
            presses: Pace::new(settings.limits.presses_per_minute, settings.limits.home_prefix),
            pages,
            view,
            desk,
            seal,
            metrics,
        }
    }

    /// Whom limits count behind an address.
    pub(crate) fn party(&self, address: IpAddr) -> Party {
        self.view.party(address, self.pages.settings().limits.home_prefix)
    }

    /// Whether a request is for a page of the portal itself: people's connections are kept apart from programs'.
    pub(crate) fn is_own_page<B>(&self, request: &Request<B>, secure: bool) -> bool {
        let host = host_of(request);
        let own = self.portal(secure, host).is_some_and(|portal| portal.is_host(host));
        own && !captive::PATHS.contains(&request.uri().path())
    }

    /// Answers one request of a peer. `secure`: it came over TLS. `crowd`: how scarce connections are.
    pub(crate) async fn answer<B>(&self, request: Request<B>, peer: SocketAddr, secure: bool, crowd: Crowd) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let packed = answer::takes_gzip(header(request.headers(), ACCEPT_ENCODING.as_str()));
        let answer = self.plainly(request, peer, secure, crowd).await;
        if packed && answer.headers().contains_key(CONTENT_SECURITY_POLICY) {
            answer::compressed(answer)
        } else {
            answer
        }
    }

    async fn plainly<B>(&self, request: Request<B>, peer: SocketAddr, secure: bool, crowd: Crowd) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // Looked up anew for every request: a connection outlives a release, and an address outlives its holder.
        let mut resident = self.view.resident(peer.ip());
        let host = host_of(&request);
        let portal = self.portal(secure, host);
        if let (Some(resident), Some(forwarder)) = (&resident, self.forward.get())
            && !secure
            && !portal.is_some_and(|portal| portal.is_host(host))
            && forward::leads_here(host, &resident.garden.allow).is_some()
        {
            return forwarder.answer(request, resident).await;
        }
        let own_page = self.is_own_page(&request, secure);
        let asked = Asked {
            method: request.method(),
            own_host: portal.is_some_and(|portal| portal.is_host(host)),
            host,
            path: request.uri().path(),
            browser: accepts(request.headers(), &["text/html", "application/xhtml+xml"]),
            agent: header(request.headers(), USER_AGENT.as_str()).unwrap_or_default(),
            knows_api: accepts(request.headers(), &[captive::MEDIA_TYPE]),
            resident: resident.is_some(),
            checks: self.checks.get().is_some(),
            figures: self.checks.get().is_some_and(|desk| desk.figures),
        };
        let held = asked.resident;
        let metrics = &self.metrics;
        let route = route(asked);
        // Of a resident the view knows all; of the others these answers depend on whose line it is.
        let says = matches!(route, Route::Page | Route::Live | Route::Plain | Route::Api | Route::FreeElsewhere);
        let mut seen = Seen::Unknown;
        if resident.is_none() && says {
            seen = self.line_of(peer.into()).await;
            if let Seen::Held(elsewhere) = &seen {
                resident = Some(Arc::clone(elsewhere));
            }
        }
        let known = match &seen {
            _ if resident.is_some() => Some(true),
            Seen::Free(_) => Some(false),
            Seen::Unknown | Seen::Held(_) => None,
        };
        let answer = match route {
            // Buttons are on the portal's own host alone, so there is one.
            Route::Press(button) => {
                let portal = portal.unwrap_or(&self.pages.settings().portal_url);
                return self.press(button, request, peer, portal).await;
            }
            Route::Page => {
                let visit = Visit::read(request.uri().query());
                let browser = header(request.headers(), ACCEPT_LANGUAGE.as_str());
                let mut wish = Wish { chosen: self.pages.language(visit.language), browser, record: None };
                let Some(resident) = resident else {
                    return answer::closing(self.free(&visit, seen, peer, wish));
                };
                metrics.pages.inc();
                let card = &resident.card;
                let form =
                    Form { case: card.case.0, round: card.round(), token: self.seal.token(card.case, peer.ip()) };
                wish.record = card.language.as_deref();
                let note = visit.note.filter(|_| visit.round == Some(card.round()));
                let ticked = self.desk.ticked(card.case, card.since);
                let shut = self.shut();
                let open = self.opens(&resident.garden, &shut);
                return self.pages.case(card, open, &ticked, Buttons { form: Some(form), note }, &wish, now());
            }
            // Connections are too scarce to hold one open. A browser that hears "no content" does not ask again.
            Route::Live if crowd.all => answer::empty(StatusCode::NO_CONTENT),
            // The view has no news of this address; what it has, "free", would be wrong.
            Route::Live if matches!(seen, Seen::Held(_)) => answer::empty(StatusCode::NO_CONTENT),
            Route::Live => {
                metrics.live.inc();
                let shown = Mark::read(request.uri().query());
                return answer::live(Watch::new(self.view.clone(), self.stopping.clone(), peer.ip(), shown));
            }
            Route::Genuine => {
                metrics.free_pages.inc();
                let visit = Visit::read(request.uri().query());
                let browser = header(request.headers(), ACCEPT_LANGUAGE.as_str());
                let wish = Wish { chosen: self.pages.language(visit.language), browser, record: None };
                let token = request.uri().path().strip_prefix(LINK_PATH).unwrap_or_default();
                self.pages.genuine(self.links.get(), token, now(), &wish)
            }
            Route::Check => {
                let visit = Visit::read(request.uri().query());
                let browser = header(request.headers(), ACCEPT_LANGUAGE.as_str());
                let wish = Wish { chosen: self.pages.language(visit.language), browser, record: None };
                // The route is taken only where there is one.
                let Some(desk) = self.checks.get() else { return answer::empty(StatusCode::NOT_FOUND) };
                let checks = self.pages.settings().self_check.as_ref();
                // Links are followed by browsers; who fetches what they look like is not counted.
                if let Some(name) = visit.campaign.filter(|_| asked.browser) {
                    metrics.campaign(checks.and_then(|checks| checks.campaign(name)).unwrap_or("other"));
                }
                self.check(desk, peer, asked.browser, visit.said, wish).await
            }
            Route::Picture => {
                metrics.check("picture");
                self.pages.picture(request.uri().path())
            }
            Route::Figures => {
                metrics.check("figures");
                let visit = Visit::read(request.uri().query());
                let browser = header(request.headers(), ACCEPT_LANGUAGE.as_str());
                let wish = Wish { chosen: self.pages.language(visit.language), browser, record: None };
                self.pages.figures(self.told_figures().as_deref(), &wish)
            }
            Route::FiguresData => {
                metrics.check("figures_data");
                page::figures::data(self.told_figures().as_deref())
            }
            Route::Scan => {
                let portal = portal.unwrap_or(&self.pages.settings().portal_url);
                let Some(desk) = self.checks.get() else { return answer::empty(StatusCode::NOT_FOUND) };
                return self.scan(desk, request, peer, portal).await;
            }
            Route::FreeElsewhere => {
                let browser = header(request.headers(), ACCEPT_LANGUAGE.as_str());
                let wish = Wish { browser, ..Wish::default() };
                match known {
                    Some(true) => {
                        metrics.redirects.inc();
                        answer::redirect(StatusCode::FOUND, &self.to_portal)
                    }
                    Some(false) => {
                        metrics.stale_pages.inc();
                        self.pages.free(&wish, Free::Elsewhere)
                    }
                    None => {
                        metrics.unknown_pages.inc();
                        self.pages.unknown(&wish, true, is_ipv6(peer))
                    }
                }
            }
            Route::Api => {
                metrics.api.inc();
                match known {
                    Some(held) => answer::captive_json(self.api.of(held)),
                    // "Not captive" would be a claim, and devices would stop looking. Without an answer they look themselves.
                    None => answer::empty(StatusCode::NOT_FOUND),
                }
            }
            Route::ApiPage => {
                metrics.redirects.inc();
                portal.map_or_else(
                    || answer::redirect(StatusCode::FOUND, &self.to_portal),
                    |portal| answer::redirect(StatusCode::FOUND, &Pages::location(portal, "")),
                )
            }
            Route::ApiRefused => {
                metrics.tiny.inc();
                answer::only_reads()
            }
            Route::Redirect => {
                metrics.redirects.inc();
                answer::redirect(StatusCode::FOUND, &self.to_portal)
            }
            Route::SeeOther => {
                metrics.redirects.inc();
                answer::redirect(StatusCode::SEE_OTHER, &self.to_portal)
            }
            Route::Plain => {
                metrics.tiny.inc();
                self.pages.plain(known)
            }
            Route::Online(online) => {
                metrics.stale_probes.inc();
                let status = StatusCode::from_u16(online.status).unwrap_or(StatusCode::NO_CONTENT);
                let body = Bytes::from_static(online.body.as_bytes());
                let answer = answer::plain(status, online.content_type, body);
                match online.header {
                    Some(header) => answer::with_header(answer, header),
                    None => answer,
                }
            }
            Route::Stale => {
                metrics.stale_programs.inc();
                self.pages.stale()
            }
            Route::Nothing(status) => {
                metrics.tiny.inc();
                answer::empty(status)
            }
        };
        // A free line's browser must leave this connection: what it wants is elsewhere now. Programs of a home that opens many
        // connections leave at once; those of a home that opens a few may ask again on theirs, which costs us less.
        if crowd.all || !held || (crowd.client && !own_page) { answer::closing(answer) } else { answer }
    }

    /// The page of a line that is not in quarantine, as far as anybody can tell. Its subscriber may have been warned.
    fn free(&self, visit: &Visit<'_>, seen: Seen, peer: SocketAddr, wish: Wish<'_>) -> Answer {
        let freed = visit.was.filter(|(case, seal)| self.seal.fits(seal, *case, peer.ip()));
        let freed = freed.map(|(case, seal)| Free::Released(visit::was(case, seal)));
        let line = match seen {
            Seen::Free(line) => line,
            // The seal shows that this very address was walled a moment ago, and the view that it is free.
            Seen::Unknown | Seen::Held(_) if freed.is_some() => FreeLine::default(),
            Seen::Unknown | Seen::Held(_) => {
                self.metrics.unknown_pages.inc();
                return self.pages.unknown(&wish, false, is_ipv6(peer));
            }
        };
        let wish = Wish { record: line.language.as_deref(), ..wish };
        match &line.warned {
            Some(warning) => {
                self.metrics.warned_pages.inc();
                let round = warning.check.as_ref().map(|check| check.round);
                // A note of a round that is over says nothing; but that it is, the page shows itself.
                let note = visit.note.filter(|_| visit.round == round);
                let token = self.seal.token(warning.case, peer.ip());
                self.pages.warned(warning, Some(token), note, &wish, now())
            }
            None => {
                self.metrics.free_pages.inc();
                self.pages.free(&wish, freed.unwrap_or(Free::Asked))
            }
        }
    }

    /// What is open to a line in this garden.
    pub(crate) fn opens<'a>(&'a self, garden: &'a Garden, shut: &'a [String]) -> Open<'a> {
        let node = self.node_opens.get();
        Open {
            garden,
            networks: node.map_or(&[], |node| node.networks.as_slice()),
            names: node.is_none_or(|node| node.names),
            http: node.is_none_or(|node| node.http),
            shut,
        }
    }

    /// Names that lead inwards, as far as anybody has looked.
    pub(crate) fn shut(&self) -> Arc<[String]> {
        // Nothing under the lock can panic half way.
        Arc::clone(&self.shut.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose line a visitor is on. A crowd of them, or an engine that does not answer, makes nobody known: that is no lie.
    pub(crate) async fn line_of(&self, visitor: Visitor) -> Seen {
        let Some(_turn) = self.looks.take(self.party(visitor.address)) else { return Seen::Unknown };
        let patience = self.pages.settings().limits.desk_timeout.to_std();
        let looked = tokio::time::timeout(patience, self.desk.line_of(visitor)).await;
        looked.ok().and_then(Result::ok).unwrap_or(Seen::Unknown)
    }

    /// The portal as it is reached in this way. Where this portal speaks TLS itself and `portal_url` wants it, there is none
    /// without: everybody is led there.
    fn portal(&self, secure: bool, host: &str) -> Option<&PortalUrl> {
        let settings = self.pages.settings();
        // Whoever was shown the way over IPv4 stays there: led to the name, a browser would come over IPv6 again.
        let portal = match &settings.ipv4_url {
            Some(ipv4) if !secure && ipv4.is_host(host) => return Some(ipv4),
            _ => &settings.portal_url,
        };
        match secure {
            true => self.secure.as_ref().or(Some(portal)),
            false => (settings.api_url.is_none() || !portal.is_https()).then_some(portal),
        }
    }

    fn told_figures(&self) -> Option<Arc<Figures>> {
        self.checks.get()?.checker.figures()
    }
}

/// Links expire by the wall clock, which also dated them.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn is_ipv6(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_ipv6()
}

fn host_of<B>(request: &Request<B>) -> &str {
    match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => header(request.headers(), HOST.as_str()).unwrap_or_default(),
    }
}

/// Whether one of these kinds is accepted by name.
fn accepts(headers: &HeaderMap, kinds: &[&str]) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).any(|accept| {
        accept.split(',').take(64).any(|item| {
            let kind = item.split(';').next().unwrap_or_default().trim();
            kinds.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted))
        })
    })
}

/// A header's text, if it is one.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
