//! The command line's side of the API: blocking, one request at a time, errors in the API's own words.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pratique_staff::plain;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use ureq::http::Response;
use ureq::{Agent, Body, SendBody};

use super::failure::Problem;
use super::print::complain;
use super::{Failure, Remote};

/// An answer takes at most this long; longer than the daemon's own limit, so that its words arrive.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);
/// A large report may be read for as long as this after it was sent.
const IMPORT_WITHIN: Duration = Duration::from_secs(3_600);
/// While the daemon is starting it is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A daemon on this node takes a connection within this time, or there is none.
const LISTENS_WITHIN: Duration = Duration::from_secs(5);

/// Problems of a daemon that is there and cannot do it.
const UNWELL: [&str; 5] = ["timeout", "stopped", "busy", "store", "loading"];
/// The largest answer: a page of a thousand cases with everything.
const ANSWER_BYTES: u64 = 64 << 20;

/// A daemon and a token.
pub struct Client {
    agent: Agent,
    base: String,
    token: String,
    answer_within: Duration,
}

impl Client {
    /// From flags, environment and configuration.
    ///
    /// # Errors
    /// Usage, when there is no token or no address.
    pub fn new(remote: &Remote) -> Result<Self, Failure> {
        let base = match &remote.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", remote.node.load_or_kept()?.0.api.listen),
        };
        if !base.starts_with("http://") {
            return Err(Failure::Usage(format!(
                "{base}: the command line speaks plain HTTP to a loopback address; use http://, through ssh -L if the \
                 controller is elsewhere"
            )));
        }
        let token = match (&remote.token, &remote.token_file) {
            (Some(token), _) => token.trim().to_owned(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?
                .trim()
                .to_owned(),
            (None, None) => {
                return Err(Failure::Usage(
                    "no token: set PRATIQUE_TOKEN or PRATIQUE_TOKEN_FILE; `pratique token add` makes one".into(),
                ));
            }
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WITHIN))
            // A proxy of the environment has no business between an operator and the controller.
            .proxy(None)
            .build()
            .into();
        Ok(Self { agent, base, token, answer_within: ANSWER_WITHIN })
    }

    /// The same for a command that has a way without the API. Somebody without a token cannot ask the daemon, but must not be kept
    /// from that way when there is none.
    ///
    /// # Errors
    /// Unreachable, where there is no token and nobody listens; else as [`Client::new`].
    pub fn or_nobody(remote: &Remote) -> Result<Self, Failure> {
        let refused = match Self::new(remote) {
            Err(Failure::Usage(said)) if remote.url.is_none() => said,
            client => return client,
        };
        let address = remote.node.load_or_kept()?.0.api.listen;
        match TcpStream::connect_timeout(&address, LISTENS_WITHIN) {
            Ok(_) => Err(Failure::Usage(refused)),
            Err(error) => Err(Failure::Unreachable(format!("{address}: {error}"))),
        }
    }

    /// The same with less patience, for who has another way.
    #[must_use]
    pub fn within(self, answer_within: Duration) -> Self {
        Self { answer_within, ..self }
    }

    /// `GET /api/v1` and the path.
    ///
    /// # Errors
    /// The problem's words, or that nobody answered.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.when_loaded(|| self.get_now(path))
    }

    fn get_now<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = self.agent.get(self.url(path)).header("authorization", self.bearer());
        let request = request.config().timeout_recv_response(Some(self.answer_within)).build();
        self.answer(request.call())
    }

    /// `POST /api/v1` and the path, with a JSON body.
    ///
    /// # Errors
    /// The problem's words, or that nobody answered.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.when_loaded(|| self.post_now(path, body))
    }

    fn post_now<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        let request = request.config().timeout_recv_response(Some(self.answer_within)).build();
        self.answer(request.send_json(body))
    }

    /// `POST /api/v1` and the path, with a file of known length.
    ///
    /// # Errors
    /// The problem's words, or that nobody answered.
    pub fn upload<T: DeserializeOwned>(&self, path: &str, bytes: u64, body: &mut dyn Read) -> Result<T, Failure> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        let request = request.content_type("text/csv").header("content-length", bytes.to_string());
        let request = request.config().timeout_recv_response(Some(IMPORT_WITHIN)).build();
        self.answer(request.send(SendBody::from_reader(body)))
    }

    /// Asks again while the daemon is starting, and says so once: nothing was done until then.
    fn when_loaded<T>(&self, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let until = Instant::now() + self.answer_within;
        let mut told = false;
        loop {
            match ask() {
                Err(Failure::Problem(problem)) if problem.code == "loading" && Instant::now() < until => {
                    if !told {
                        complain!("pratique: {}; waiting", problem.detail);
                    }
                    told = true;
                    std::thread::sleep(ASK_AGAIN);
                }
                done => return done,
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn answer<T: DeserializeOwned>(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let mut answer = sent.map_err(|e| match e {
            ureq::Error::BodyExceedsLimit(_) => Failure::Refused(format!("{}: the answer is too large", self.base)),
            e => Failure::Unreachable(format!(
                "{}: {e}; is the daemon running there? (--url or PRATIQUE_URL names another)",
                self.base
            )),
        })?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        let text = text.map_err(|e| Failure::Unreachable(format!("{}: the answer broke off: {e}", self.base)))?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .map_err(|e| Failure::Refused(format!("{}: not an answer of this version: {e}", self.base)));
        }
        let problem = serde_json::from_str::<Map<String, Value>>(&text).ok().and_then(problem);
        Err(match problem {
            Some(problem) => Failure::Problem(Box::new(problem)),
            None => Failure::Refused(format!("{}: answered {status} and is probably no pratique", self.base)),
        })
    }
}

/// That there is no daemon that can do it, in words; then there may be a way without its API.
///
/// # Errors
/// The failure, where it is an answer to the question: a refusal is no reason to go another way.
pub(super) fn no_help(failure: Failure) -> Result<String, Failure> {
    match failure {
        Failure::Unreachable(said) => Ok(format!("{said}\nNo daemon answers: working without its API.")),
        Failure::Problem(problem) if UNWELL.contains(&problem.code.as_str()) => {
            Ok(format!("{}\nThe daemon cannot do it: working without its API.", problem.detail))
        }
        failure => Err(failure),
    }
}

/// A problem as the daemon sent it. Its words may quote strangers: they must not drive the terminal.
fn problem(mut said: Map<String, Value>) -> Option<Problem> {
    let mut text = |name: &str| match said.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (code, detail) = (text("code")?, plain::lines(&text("detail")?));
    said.retain(|name, _| !["type", "title", "status"].contains(&name.as_str()));
    Some(Problem { code, detail, more: said })
}
