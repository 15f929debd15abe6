//! What every request passes and every answer carries: the Host check against DNS rebinding, a limit on time, headers
//! that keep browsers from doing more than showing a page, and the count.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use crate::arrival::{Arrival, BYTES_PER_SECOND, Paced};
use crate::desk::{Desk, Settings};
use crate::problem::Problem;

/// Forms and JSON commands are small; uploads have a limit of their own.
const SMALL_BODY_BYTES: usize = 256 * 1024;
/// An answer takes at most this long. Uploads are exempt: they may take as long as they keep arriving (`arrival`).
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Nothing is loaded but our own style sheet; nothing may frame us; forms go nowhere else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                                           base-uri 'none'; frame-ancestors 'none'";

/// Puts the guards around: `inside` for staff, `open` for probes of load balancers.
pub fn guarded(inside: Router<Desk>, open: Router<Desk>, desk: Desk) -> Router {
    let inside = inside
        .layer(from_fn_with_state(desk.clone(), in_time))
        .layer(DefaultBodyLimit::max(SMALL_BODY_BYTES))
        .layer(from_fn_with_state(desk.clone(), own_host));
    inside.merge(open).layer(from_fn_with_state(desk.clone(), counted_and_sealed)).with_state(desk)
}

async fn own_host(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    match host(request.headers(), request.uri()) {
        Some(host) if desk.settings.is_own(host) => next.run(request).await,
        _ => {
            desk.meters.wrong_host.inc();
            Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "wrong-host",
                "this host name is not one of pratique's; add it under `api.hosts` in pratique.yaml if it is meant",
            )
            .into_response()
        }
    }
}

async fn in_time(State(_): State<Desk>, request: Request, next: Next) -> Response {
    if matches!(
        request.uri().path(),
        "/api/v1/reports"
            | "/api/v1/sessions"
            | "/api/v1/sessions/events"
            | "/api/v1/subscribers"
            | "/api/v1/retractions/file"
    ) {
        return next.run(request).await;
    }
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => {
            Problem::unavailable("timeout", "no answer in time; nothing is known to have changed").into_response()
        }
    }
}

async fn counted_and_sealed(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let surface = match request.uri().path() {
        p if p.starts_with("/api/") => "api",
        "/healthz" | "/readyz" | "/metrics" => "open",
        _ => "console",
    };
    let arrival = Arrival::default();
    let paced = |body| Body::new(Paced::new(body, arrival.clone(), desk.settings.patience));
    let mut answer = next.run(request.map(paced)).await;
    if arrival.was_too_slow() {
        desk.meters.slow_bodies.inc();
        answer = too_slow().into_response();
    }
    let class = match answer.status().as_u16() {
        100..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    desk.meters.answers.with_label_values(&[surface, class]).inc();
    let sealed: [(HeaderName, &'static str); 7] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in sealed {
        // The page that tries the portal's pages says itself what it frames, and where they may be framed.
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Cases are personal data: no cache keeps them. The style sheet sets its own.
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Whatever the handler made of a body that ended early.
fn too_slow() -> Problem {
    let said = format!(
        "the request's body arrived too slowly and was given up: send at least {} KiB a second",
        BYTES_PER_SECOND / 1024
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", said)
}

/// The host a request names, without port. With an absolute-form target that host counts (RFC 9112 §3.2.2).
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    if let Some(host) = uri.host() {
        return Some(host.trim_matches(['[', ']']));
    }
    let mut named = headers.get_all(header::HOST).iter();
    let (first, second) = (named.next()?.to_str().ok()?, named.next());
    if second.is_some() {
        return None;
    }
    if let Some(rest) = first.strip_prefix('[') {
        return rest.split_once(']').map(|(address, _)| address);
    }
    Some(first.rsplit_once(':').map_or(first, |(host, _)| host))
}

impl Settings {
    /// One of our own names: a loopback or listen address, `localhost`, or a configured name.
    pub fn is_own(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        // A literal address is no name that somebody else's DNS could re-point.
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() || self.hosts.iter().any(|h| h == host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(host: &'static str) -> HeaderMap {
        [(header::HOST, HeaderValue::from_static(host))].into_iter().collect()
    }

    #[test]
    fn a_foreign_name_is_not_ours_whatever_it_resolves_to() {
        let settings = Settings {
            hosts: vec!["noc.example".into()],
            tls: false,
            upload_limit: 1,
            patience: Duration::ZERO,
            spool: "/tmp".into(),
        };
        let own = |h: &'static str| host(&named(h), &Uri::from_static("/")).is_some_and(|host| settings.is_own(host));
        for good in ["localhost:8053", "127.0.0.1:8053", "[::1]:8053", "noc.example", "NOC.example.:443", "192.0.2.1"] {
            assert!(own(good), "{good}");
        }
        for bad in ["evil.example", "evil.example:8053", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1"]
        {
            assert!(!own(bad), "{bad}");
        }
        let mut two = named("localhost");
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(host(&two, &Uri::from_static("/")), None);
        let absolute = Uri::from_static("http://evil.example/api/v1/cases");
        assert_eq!(host(&named("localhost"), &absolute), Some("evil.example"));
    }
}
