//! Headers and bodies of answers. Every answer is whole and in memory; nothing of a request ever stands in one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    REFRESH, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use crate::captive;

/// A whole body.
#[derive(Debug, Default)]
pub(crate) struct Whole(Bytes);

pub(crate) type Answer = Response<Whole>;

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// No body at all.
pub(crate) fn empty(status: StatusCode) -> Answer {
    with(status, None, Bytes::new())
}

/// Somewhere else: always the portal.
pub(crate) fn redirect(status: StatusCode, to: &HeaderValue) -> Answer {
    let mut answer = empty(status);
    answer.headers_mut().insert(LOCATION, to.clone());
    answer
}

/// A line or so for a program.
pub(crate) fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    with(status, Some(HeaderValue::from_static(content_type)), body)
}

/// NetworkManager reads this as "online" before it looks at the content.
pub(crate) fn network_manager(mut answer: Answer) -> Answer {
    let name = HeaderName::from_static("x-networkmanager-status");
    answer.headers_mut().insert(name, HeaderValue::from_static("online"));
    answer
}

/// Asked in a way that is not answered; GET and HEAD are.
pub(crate) fn only_reads() -> Answer {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// The API of RFC 8908, whose example says `private`; `no-store` keeps an answer from outliving the release.
pub(crate) fn captive_json(body: Bytes) -> Answer {
    let mut answer = with(StatusCode::OK, Some(HeaderValue::from_static(captive::MEDIA_TYPE)), body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}

/// A page. `refresh` in seconds: then the browser asks for the portal's start page.
pub(crate) fn page(html: String, csp: &HeaderValue, refresh: Option<HeaderValue>) -> Answer {
    let mut answer = with(StatusCode::OK, Some(HeaderValue::from_static("text/html; charset=utf-8")), html.into());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, csp.clone());
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if let Some(refresh) = refresh {
        headers.insert(REFRESH, refresh);
    }
    answer
}

/// The connection ends after this answer.
pub(crate) fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn with(status: StatusCode, content_type: Option<HeaderValue>, body: Bytes) -> Answer {
    let mut answer = Response::new(Whole(body));
    *answer.status_mut() = status;
    // The same address means something else after release, and to the next holder of the line.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(content_type) = content_type {
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    answer
}
