//! Headers and bodies of answers. Every answer but the page's news and what is passed on is whole and in memory; nothing of a
//! request ever stands in one.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use crate::captive;
use crate::forward::{Passing, frame};
use crate::live::Watch;

/// A body: whole and in memory, or a page's news as they come.
pub(crate) enum Content {
    Whole(Bytes),
    Live(Watch),
    /// Of somebody else, on its way through.
    Passing(Box<Passing>),
}

pub(crate) type Answer = Response<Content>;

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(whole) => {
                let bytes = std::mem::take(whole);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Live(watch) => watch.poll_next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
            Self::Passing(passing) => passing.poll_next(cx).map(|bytes| bytes.map(frame)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Live(_) => false,
            Self::Passing(passing) => passing.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Live(_) => SizeHint::default(),
            Self::Passing(passing) => passing.size_hint(),
        }
    }
}

/// News as they come.
pub(crate) fn live(watch: Watch) -> Answer {
    let mut answer = with(StatusCode::OK, Some(HeaderValue::from_static("text/event-stream")), Bytes::new());
    *answer.body_mut() = Content::Live(watch);
    answer
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

/// The same with a header that a probe's client looks for; its name is in lower case.
pub(crate) fn with_header(mut answer: Answer, (name, value): (&'static str, &'static str)) -> Answer {
    answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    answer
}

/// Asked in a way that is not answered; GET and HEAD are.
pub(crate) fn only_reads() -> Answer {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// A request that is not passed on; worth trying again in a minute, or never.
pub(crate) fn forwarding_refused(status: StatusCode, again: bool) -> Answer {
    let mut answer = closing(empty(status));
    let headers = answer.headers_mut();
    if again {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    answer
}

/// The API of RFC 8908, whose example says `private`; `no-store` keeps an answer from outliving the release.
pub(crate) fn captive_json(body: Bytes) -> Answer {
    let mut answer = with(StatusCode::OK, Some(HeaderValue::from_static(captive::MEDIA_TYPE)), body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}

/// A page.
pub(crate) fn page(html: String, language: &str, csp: &HeaderValue) -> Answer {
    let mut answer = with(StatusCode::OK, Some(HeaderValue::from_static("text/html; charset=utf-8")), html.into());
    let headers = answer.headers_mut();
    if let Ok(language) = HeaderValue::try_from(language) {
        headers.insert(CONTENT_LANGUAGE, language);
    }
    headers.insert(VARY, HeaderValue::from_static("accept-encoding, accept-language"));
    headers.insert(CONTENT_SECURITY_POLICY, csp.clone());
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    answer
}

/// A page that stands for a refusal; worth trying again after so many seconds.
pub(crate) fn refused(mut page: Answer, status: StatusCode, seconds: i64) -> Answer {
    *page.status_mut() = status;
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    page
}

/// The same page in fewer bytes, for clients that take them: a page then fits into the first ten segments of a connection
/// (RFC 6928), and is whole after one round trip. Nothing that a stranger can choose stands in a page beside its token, so
/// its size tells nothing about it (BREACH).
pub(crate) fn compressed(answer: Answer) -> Answer {
    let (mut head, content) = answer.into_parts();
    let Content::Whole(whole) = content else { return Response::from_parts(head, content) };
    let mut encoder = GzEncoder::new(Vec::with_capacity(whole.len() / 2), Compression::fast());
    // Writing to memory cannot fail; if it did, the page would go as it is.
    let packed = encoder.write_all(&whole).and_then(|()| encoder.finish());
    let Ok(packed) = packed else { return Response::from_parts(head, Content::Whole(whole)) };
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(head, Content::Whole(packed.into()))
}

/// Whether a client takes gzip (RFC 9110, section 12.5.3).
pub(crate) fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    accept_encoding.unwrap_or_default().split(',').any(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The connection ends after this answer.
pub(crate) fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn with(status: StatusCode, content_type: Option<HeaderValue>, body: Bytes) -> Answer {
    let mut answer = Response::new(Content::Whole(body));
    *answer.status_mut() = status;
    // The same address means something else after release, and to the next holder of the line.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(content_type) = content_type {
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        for yes in ["gzip", "deflate, GZIP", "br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip; q=0.001"] {
            assert!(takes_gzip(Some(yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.000", "xgzip", "identity"] {
            assert!(!takes_gzip(Some(no)), "{no}");
        }
        assert!(!takes_gzip(None));
    }
}
