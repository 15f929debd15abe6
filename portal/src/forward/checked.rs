//! Which requests pass, and what of them. PURE, but for reading a body of a few hundred bytes.
//!
//! | of a request | passes |
//! | --- | --- |
//! | host | one that the line's list has with 80/tcp and without 443/tcp, at port 80; said once, or twice the same |
//! | method | GET, HEAD; POST with a body of type `application/ocsp-request` (RFC 6960 appendix A.1) |
//! | path and query | up to 2,048 bytes, as they came |
//! | fields | `If-Modified-Since`, `If-None-Match`, `If-Range`, `Range`, where they have their form and are short |
//! | body | that of OCSP, up to 4,096 bytes |

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    RANGE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, StatusCode, Uri, Version};
use hyper::body::Body;
use pratique_core::allow::{AllowList, by_way_of_portal};
use smol_str::SmolStr;

/// A question in the path has up to 255 bytes (RFC 5019 section 5); addresses of lists and updates have some hundred.
const LONGEST_PATH: usize = 2_048;
/// A question for the status of one certificate has about 100 bytes, with a nonce and several certificates some more.
const LONGEST_BODY: usize = 4_096;
/// Dates, entity tags and ranges.
const LONGEST_FIELD: usize = 128;

/// The type of a question for certificate status.
pub(crate) const OCSP: &str = "application/ocsp-request";

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another method, or a body that is none of OCSP's.
    Method,
    /// Contradicts itself, or wants more than an answer.
    Malformed,
    /// A long address.
    TooLong,
    /// A body that is too long or too slow.
    Body(StatusCode),
    /// The list does not have it any more.
    NotListed,
    /// The line has asked for too much.
    Rate,
    /// Too many requests are under way, of this line or of all.
    Busy,
    /// It has no address that may be used, or nobody answers there as a server does.
    Nowhere,
    /// The answer says that it is larger than what passes.
    TooLarge,
    /// Nobody answered in time.
    Slow,
}

/// A request as it is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: SmolStr,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: Uri,
    pub(crate) fields: HeaderMap,
    /// None but for OCSP.
    pub(crate) body: Option<Bytes>,
}

/// The name in a request's host, if requests to it go by way of the portal for a line with this list.
pub(crate) fn leads_here(host: &str, list: &AllowList) -> Option<SmolStr> {
    let bare = host.strip_suffix(":80").unwrap_or(host);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    // Longer ones are no names, and nothing is written in lower case for nothing.
    if bare.len() > 253 || !bare.contains('.') || !bare.bytes().all(plain) {
        return None;
    }
    let name: SmolStr = bare.chars().map(|c| c.to_ascii_lowercase()).collect();
    let ports = list.ports_for(&name)?;
    by_way_of_portal(ports).then_some(name)
}

impl Wanted {
    /// What of a request passes.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn read<B>(request: Request<B>, list: &AllowList, patience: Duration) -> Result<Self, Refused>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let name = host(&head.headers, &head.uri, head.version)?;
        let name = leads_here(name, list).ok_or(Refused::NotListed)?;
        if head.headers.contains_key(UPGRADE) || head.headers.contains_key(EXPECT) {
            return Err(Refused::Malformed);
        }
        let asks = head.method == Method::POST && is_ocsp(&head.headers);
        if !asks && !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Refused::Method);
        }
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        if target.len() > LONGEST_PATH {
            return Err(Refused::TooLong);
        }
        let target: Uri = target.parse().map_err(|_| Refused::Malformed)?;
        let fields = fields(&head.headers);
        let body = if asks {
            let read = read_whole(body, LONGEST_BODY);
            let read = tokio::time::timeout(patience, read).await;
            Some(read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT)).map_err(Refused::Body)?)
        } else if !body.is_end_stream() || head.headers.contains_key(TRANSFER_ENCODING) || has_body(&head.headers) {
            return Err(Refused::Malformed);
        } else {
            None
        };
        Ok(Self { name, method: head.method, target, fields, body })
    }
}

/// The one host of a request: in its field, in its address, or the same in both.
fn host<'r>(fields: &'r HeaderMap, uri: &'r Uri, version: Version) -> Result<&'r str, Refused> {
    let mut said = fields.get_all(HOST).iter();
    let field = said.next().map(|field| field.to_str().map_err(|_| Refused::Malformed)).transpose()?;
    if said.next().is_some() || version < Version::HTTP_10 {
        return Err(Refused::Malformed);
    }
    match (field, uri.authority().map(http::uri::Authority::as_str)) {
        (Some(field), Some(address)) if !field.eq_ignore_ascii_case(address) => Err(Refused::Malformed),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(Refused::Malformed),
    }
}

fn is_ocsp(fields: &HeaderMap) -> bool {
    let mut all = fields.get_all(CONTENT_TYPE).iter();
    let first = all.next().and_then(|value| value.to_str().ok());
    first.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(OCSP)) && all.next().is_none()
}

fn has_body(fields: &HeaderMap) -> bool {
    fields.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}

/// Fields that save bytes, and nothing in which words could stand.
fn fields(from: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    let date = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b',' | b':');
    let tag = |b: u8| b.is_ascii_alphanumeric() || b"\"-_.:/+=,* ".contains(&b);
    let range = |b: u8| b.is_ascii_digit() || b == b'-';
    let mut pass = |name: HeaderName, sound: &dyn Fn(&str) -> bool| {
        let mut all = from.get_all(&name).iter();
        if let (Some(value), None) = (all.next(), all.next())
            && value.len() <= LONGEST_FIELD
            && value.to_str().is_ok_and(sound)
        {
            passed.insert(name, value.clone());
        }
    };
    pass(IF_MODIFIED_SINCE, &|text| text.bytes().all(date));
    pass(IF_NONE_MATCH, &|text| text.bytes().all(tag));
    pass(IF_RANGE, &|text| text.bytes().all(tag));
    pass(RANGE, &|text| text.strip_prefix("bytes=").is_some_and(|rest| rest.bytes().all(range)));
    passed
}

async fn read_whole<B>(mut body: B, limit: usize) -> Result<Bytes, StatusCode>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use pratique_core::playbook::{AllowName, PortSpec};
    use pratique_core::sighting::Transport;

    use super::*;

    struct Whole(Option<Bytes>);

    impl Body for Whole {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_none()
        }
    }

    fn list() -> AllowList {
        let open = |name: &str, ports: &[u16]| {
            let ports = ports.iter().map(|port| PortSpec { port: *port, transport: Transport::Tcp });
            AllowName::new(name, ports.collect())
        };
        AllowList::merge([&[
            open("ocsp.ca.example", &[80]),
            open("*.c.ca.example", &[80]),
            open("www.ca.example", &[80, 443]),
        ][..]])
    }

    fn read(head: &[(&str, &str)], method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Wanted, Refused> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        let request = request.body(Whole(body.map(Bytes::from))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Wanted::read(request, &list(), Duration::from_secs(5)))
    }

    #[test]
    fn only_names_of_the_list_with_plain_http_alone_lead_here() {
        for host in ["ocsp.ca.example", "OCSP.ca.example.", "ocsp.ca.example:80", "r3.c.ca.example", "a.b.c.ca.example"]
        {
            assert!(leads_here(host, &list()).is_some(), "{host}");
        }
        for host in [
            "www.ca.example",
            "c.ca.example",
            "evil.example",
            "xocsp.ca.example",
            "ocsp.ca.example.evil.example",
            "ocsp.ca.example:8080",
            "ocsp.ca.example:80:80",
            "user@ocsp.ca.example",
            "ocsp.ca.example/",
            "ocsp.ca.example ",
            "203.0.113.7",
            "[2001:db8::1]",
            "",
            ".",
        ] {
            assert!(leads_here(host, &list()).is_none(), "{host}");
        }
    }

    #[test]
    fn methods_and_bodies_are_those_of_status_and_nothing_else() {
        let host = ("host", "ocsp.ca.example");
        let ocsp = ("content-type", "application/ocsp-request");
        let get = read(&[host], "GET", "/MFQw?x=1", None).unwrap();
        assert_eq!(
            (get.name.as_str(), get.target.to_string(), get.body),
            ("ocsp.ca.example", "/MFQw?x=1".into(), None)
        );
        assert!(read(&[host], "HEAD", "/", None).is_ok());
        let post = read(&[host, ocsp], "POST", "/", Some(vec![0x30; 100])).unwrap();
        assert_eq!(post.body.unwrap().len(), 100);
        assert_eq!(read(&[host], "POST", "/", Some(vec![1; 9])), Err(Refused::Method));
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert_eq!(read(&[host, form], "POST", "/", Some(vec![1; 9])), Err(Refused::Method));
        assert_eq!(read(&[host, ocsp, form], "POST", "/", Some(vec![1; 9])), Err(Refused::Method));
        for method in ["PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "PROPFIND"] {
            let target = if method == "CONNECT" { "ocsp.ca.example:80" } else { "/" };
            assert!(read(&[host], method, target, None).is_err(), "{method}");
        }
        assert_eq!(read(&[host], "GET", "/", Some(vec![1])), Err(Refused::Malformed), "a body in a GET");
        assert_eq!(read(&[host, ("content-length", "5")], "GET", "/", None), Err(Refused::Malformed));
        let large = read(&[host, ocsp], "POST", "/", Some(vec![0; LONGEST_BODY + 1]));
        assert_eq!(large, Err(Refused::Body(StatusCode::PAYLOAD_TOO_LARGE)));
        let long = format!("/{}", "a".repeat(LONGEST_PATH));
        assert_eq!(read(&[host], "GET", &long, None), Err(Refused::TooLong));
        assert_eq!(read(&[host, ("upgrade", "websocket")], "GET", "/", None), Err(Refused::Malformed));
    }

    #[test]
    fn the_host_is_said_once_or_twice_the_same() {
        let one = ("host", "ocsp.ca.example");
        assert!(read(&[one], "GET", "http://ocsp.ca.example/x", None).is_ok());
        for (head, target) in [
            (&[one, ("host", "evil.example")][..], "/"),
            (&[one, one][..], "/"),
            (&[one][..], "http://evil.example/"),
            (&[("host", "evil.example")][..], "http://ocsp.ca.example/"),
            (&[][..], "/"),
        ] {
            assert_eq!(read(head, "GET", target, None), Err(Refused::Malformed), "{head:?} {target}");
        }
        assert_eq!(read(&[("host", "www.ca.example")], "GET", "/", None), Err(Refused::NotListed));
    }

    #[test]
    fn fields_pass_in_their_form_and_no_words_do() {
        let host = ("host", "ocsp.ca.example");
        let all = [
            host,
            ("range", "bytes=0-1023"),
            ("if-none-match", "\"abc-123\""),
            ("if-modified-since", "Mon, 16 Feb 2026 12:00:00 GMT"),
            ("cookie", "data=secret"),
            ("authorization", "Basic c2VjcmV0"),
            ("user-agent", "data"),
            ("referer", "http://data/"),
            ("x-data", "data"),
            ("accept", "data/data"),
        ];
        let passed = read(&all, "GET", "/", None).unwrap().fields;
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["if-modified-since", "if-none-match", "range"]);
        for (name, value) in
            [("range", "lines=1-2"), ("if-none-match", "{data}"), ("if-modified-since", &"a".repeat(200))]
        {
            assert!(read(&[host, (name, value)], "GET", "/", None).unwrap().fields.is_empty(), "{name}");
        }
    }
}
