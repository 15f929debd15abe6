//! Who looks at the console, and whether a form was sent by one of its own pages.

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use pratique_staff::roles::Staff;

use crate::auth::known;
use crate::desk::{Desk, Settings};
use crate::problem::Problem;
use crate::sessions::Session;

/// Somebody who is logged in. Everybody else is sent to the log-in page.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who.
    pub staff: Staff,
    /// The token of this session's forms.
    pub csrf: String,
    /// The cookie's value; names the session.
    pub cookie: String,
}

impl FromRequestParts<Desk> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Response> {
        let Some((cookie, session)) = session(desk, &parts.headers) else {
            return Err(Redirect::to("/login").into_response());
        };
        known(parts, &session.staff).map_err(IntoResponse::into_response)?;
        Ok(Self { staff: session.staff, csrf: session.csrf, cookie })
    }
}

/// The session that the request's cookie names.
pub fn session(desk: &Desk, headers: &HeaderMap) -> Option<(String, Session)> {
    let name = desk.settings.cookie_name();
    let sent = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut values =
        sent.flat_map(|v| v.split(';')).filter_map(|c| c.trim().split_once('=')).filter(|(n, _)| *n == name);
    let cookie = values.next()?.1.to_owned();
    let now = (desk.now)();
    let session = desk.sessions.of(&cookie, now, |staff| desk.auth.still(staff, now))?;
    Some((cookie, session))
}

impl Settings {
    /// `__Host-` binds the cookie to this host and to TLS; browsers refuse it without TLS.
    pub const fn cookie_name(&self) -> &'static str {
        if self.tls { "__Host-pratique" } else { "pratique" }
    }

    /// The header that sets the cookie; an empty value deletes it.
    pub fn set_cookie(&self, value: &str) -> String {
        let secure = if self.tls { "; Secure" } else { "" };
        let life = if value.is_empty() { "; Max-Age=0" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{life}", self.cookie_name())
    }
}

/// A form that one of our own pages sent in this session.
#[derive(Debug)]
pub struct OwnForm {
    /// Who sent it.
    pub visitor: Visitor,
    fields: Vec<(String, String)>,
}

impl OwnForm {
    /// A field; none if it is missing or empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|v| !v.trim().is_empty())
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl FromRequest<Desk> for OwnForm {
    type Rejection = Response;

    async fn from_request(request: Request, desk: &Desk) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, desk).await?;
        let foreign = comes_from_elsewhere(&parts.headers);
        let request = Request::from_parts(parts, body);
        let form = Form::<Vec<(String, String)>>::from_request(request, desk).await;
        let Form(fields) =
            form.map_err(|e| Problem { status: e.status(), ..Problem::bad_request(e.body_text()) }.into_response())?;
        let form = Self { visitor, fields };
        let session = desk.sessions.of(&form.visitor.cookie, (desk.now)(), |_| true);
        let own = session.is_some_and(|s| s.csrf_is(form.field("csrf").unwrap_or_default()));
        if foreign || !own {
            desk.meters.csrf.inc();
            let said = "this form did not come from a page of this session; nothing was done. Open the case again.";
            return Err(Problem::new(http::StatusCode::FORBIDDEN, "csrf", said).into_response());
        }
        Ok(form)
    }
}

/// Whether a browser says that another site sent the request. Browsers that say nothing are left to the CSRF token.
pub fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = said("sec-fetch-site") {
        return site != "same-origin";
    }
    let Some(origin) = said("origin") else { return false };
    let host = said("host").unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host))
}
