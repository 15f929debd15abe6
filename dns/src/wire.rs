//! Bytes to a request, and a reply to bytes. The one place that knows the wire format: hickory reads the name (bounded
//! pointers, RFC 1035 limits) and writes replies; header and OPT are read here, because the counts must be judged before
//! anything is allocated for them and because hickory takes a broken option list for an empty one.
//!
//! Runs before the decision (`read`) and after it (`Request::reply`).

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, HINFO, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use smol_str::SmolStr;

use crate::cookie::{self, ClientCookie, Cookie};
use crate::cookie_query::CookieQuery;
use crate::question::{Asked, Question};

/// A query is a header, one name and one OPT; real ones stay far below this. Longer ones get FORMERR.
pub(crate) const MAX_QUERY: usize = 1_024;
/// What fits into one unfragmented packet everywhere (DNS flag day 2020).
pub(crate) const MAX_UDP_REPLY: u16 = 1_232;
/// A reply over UDP is at most so many times its query: no use as an amplifier.
const AMPLIFICATION: usize = 3;
/// Real clients send one to three options; a list of hundreds is work for nothing.
const MAX_OPTIONS: usize = 16;
pub(crate) const HEADER: usize = 12;
pub(crate) const OPT_TYPE: [u8; 2] = [0, 41];
pub(crate) const EDE_OPTION: u16 = 15;

/// How the query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Not answered at all: too short, or itself an answer (answering those makes loops).
    Silence,
    /// Answered without a decision, with these bytes.
    Reject(Vec<u8>, Rejected),
    /// No question: a cookie is asked for.
    Cookie(Box<CookieQuery>),
    /// A question.
    Ask(Box<Request>),
}

/// Why a query was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    FormErr,
    NotImp,
    BadVers,
}

/// One well-formed question with what its reply needs.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) question: Question,
    id: u16,
    recursion_desired: bool,
    checking_disabled: bool,
    authentic_data: bool,
    query: Query,
    edns: Option<ClientEdns>,
    /// What the reply answers to the client's cookie; who has the secret puts it in.
    pub(crate) cookie: Option<Cookie>,
    /// Bytes of the query.
    size: usize,
}

/// An extended DNS error (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ede {
    /// Info code.
    pub(crate) code: u16,
    /// Extra text, short: an answer is at most three times its query.
    pub(crate) text: SmolStr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientEdns {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    pub(crate) cookie: Option<ClientCookie>,
}

/// What a reply says.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) code: Code,
    pub(crate) body: Body,
    pub(crate) ede: Option<Ede>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Code {
    #[default]
    NoError,
    NxDomain,
    ServFail,
    Refused,
    BadVers,
}

#[derive(Debug, Default)]
pub(crate) enum Body {
    #[default]
    Nothing,
    /// Addresses of the question's family, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// A pointer to this name, for so many seconds.
    Pointer(&'static str, u32),
    /// The minimal answer to ANY (RFC 8482), for so many seconds.
    AnyHint(u32),
    /// A start of authority in the authority section, so that "no" is remembered for so many seconds (RFC 2308).
    Negative(u32),
}

/// Reads one message.
pub(crate) fn read(bytes: &[u8]) -> Incoming {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Incoming::Silence;
    };
    if header[2] & 0x80 != 0 {
        return Incoming::Silence;
    }
    if header[2] & 0x78 != 0 {
        return Incoming::Reject(bare(header, 4), Rejected::NotImp);
    }
    let form_err = || Incoming::Reject(bare(header, 1), Rejected::FormErr);
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    // One question or, for a cookie, none; nothing else, at most one OPT (RFC 6891 section 6.1.1; RFC 9619 for the one question).
    if bytes.len() > MAX_QUERY || count(4) > 1 || count(6) != 0 || count(8) != 0 || count(10) > 1 {
        return form_err();
    }
    if count(4) == 0 {
        return match (count(10), read_opt(bytes.get(HEADER..).unwrap_or_default())) {
            (1, Some((edns, _))) if edns.version != 0 => Incoming::Reject(bad_version(header), Rejected::BadVers),
            (1, Some((_, Some(option)))) => {
                CookieQuery::new(header, option).map_or_else(form_err, |query| Incoming::Cookie(Box::new(query)))
            }
            _ => form_err(),
        };
    }
    let mut decoder = BinDecoder::new(bytes);
    if decoder.read_slice(HEADER).is_err() {
        return form_err();
    }
    let Ok(query) = Query::read(&mut decoder) else {
        return form_err();
    };
    let rest = bytes.get(decoder.index()..).unwrap_or_default();
    let edns = match (count(10), rest) {
        (0, []) => None,
        (1, opt) => match read_opt(opt) {
            Some((edns, _)) => Some(edns),
            None => return form_err(),
        },
        _ => return form_err(),
    };
    let request = Request {
        question: Question {
            name: Asked::from_labels(query.name().iter()),
            kind: u16::from(query.query_type()).into(),
            internet: query.query_class() == DNSClass::IN,
        },
        id: u16::from_be_bytes([header[0], header[1]]),
        recursion_desired: header[2] & 1 != 0,
        checking_disabled: header[3] & 0x10 != 0,
        authentic_data: header[3] & 0x20 != 0,
        query,
        edns,
        cookie: None,
        size: bytes.len(),
    };
    if edns.is_some_and(|e| e.version != 0) {
        let reply = Reply { code: Code::BadVers, ..Reply::default() };
        return match request.reply(&reply, Transport::Udp) {
            Some(bytes) => Incoming::Reject(bytes, Rejected::BadVers),
            None => Incoming::Silence,
        };
    }
    Incoming::Ask(Box::new(request))
}

/// The most bytes a reply over UDP may have: what the client takes, and three times its query.
pub(crate) fn udp_limit(client: Option<ClientEdns>, query: usize) -> usize {
    let takes = client.map_or(512, |e| e.payload.max(512)).min(MAX_UDP_REPLY);
    usize::from(takes).min(query * AMPLIFICATION)
}

/// The header alone, as an answer with this code.
fn bare(header: &[u8; HEADER], code: u8) -> Vec<u8> {
    let mut reply = vec![0; HEADER];
    reply[..2].copy_from_slice(&header[..2]);
    // Response, with the opcode and RD of the query.
    reply[2] = 0x80 | (header[2] & 0x79);
    reply[3] = 0x80 | (header[3] & 0x10) | code;
    reply
}

/// The answer to a version of EDNS that we do not speak, to a message without a question.
fn bad_version(header: &[u8; HEADER]) -> Vec<u8> {
    let mut reply = bare(header, 0);
    reply[11] = 1;
    reply.push(0);
    reply.extend_from_slice(&OPT_TYPE);
    reply.extend_from_slice(&MAX_UDP_REPLY.to_be_bytes());
    // BADVERS is 16: one in the upper bits of the code.
    reply.extend_from_slice(&[1, 0, 0, 0, 0, 0]);
    reply
}

/// An OPT record that fills `bytes` to the end (RFC 6891 section 6.1.2), and the data of its cookie option.
fn read_opt(bytes: &[u8]) -> Option<(ClientEdns, Option<&[u8]>)> {
    let (fixed, mut options) = bytes.split_first_chunk::<11>()?;
    let [root, kind @ .., p1, p2, _rcode, version, flags, _z, l1, l2] = *fixed;
    if root != 0 || kind != OPT_TYPE || usize::from(u16::from_be_bytes([l1, l2])) != options.len() {
        return None;
    }
    let (mut cookie, mut option) = (None, None);
    for _ in 0..=MAX_OPTIONS {
        let Some((head, tail)) = options.split_first_chunk::<4>() else {
            let payload = u16::from_be_bytes([p1, p2]);
            let edns = ClientEdns { payload, version, dnssec_ok: flags & 0x80 != 0, cookie };
            return options.is_empty().then_some((edns, option));
        };
        let [c1, c2, l1, l2] = *head;
        let (data, rest) = tail.split_at_checked(u16::from_be_bytes([l1, l2]).into())?;
        if u16::from_be_bytes([c1, c2]) == cookie::OPTION {
            // The first one counts (RFC 7873 section 5.2), a malformed one is a format error.
            let read = cookie::read(data)?;
            cookie = cookie.or(Some(read));
            option = option.or(Some(data));
        }
        options = rest;
    }
    None
}

impl Request {
    /// The client's cookie, if it sent one.
    pub(crate) fn client_cookie(&self) -> Option<ClientCookie> {
        self.edns?.cookie
    }

    /// The question as it was spelt.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// DNSSEC records are wanted (RFC 3225).
    pub(crate) fn wants_dnssec(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// The client checks signatures itself (RFC 4035 section 3.2.2).
    pub(crate) fn checks_itself(&self) -> bool {
        self.checking_disabled
    }

    /// The client understands AD (RFC 6840 section 5.7).
    pub(crate) fn cares_for_authenticity(&self) -> bool {
        self.authentic_data || self.wants_dnssec()
    }

    /// The most bytes that the client takes; for who cannot have been forged from outside.
    pub(crate) fn takes(&self, transport: Transport) -> usize {
        match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => udp_limit(self.edns, usize::from(u16::MAX)),
        }
    }

    /// The most bytes its reply may have.
    pub(crate) fn limit(&self, transport: Transport) -> usize {
        match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => udp_limit(self.edns, self.size),
        }
    }

    /// The reply's bytes, never more than the client takes and, over UDP, never more than three times the query: first
    /// the error's text goes, then the error, then everything, with TC set. None if not even that fits (a name that was
    /// written shorter than it is, by a pointer into the header).
    pub(crate) fn reply(&self, reply: &Reply, transport: Transport) -> Option<Vec<u8>> {
        let limit = self.limit(transport);
        let textless = reply.ede.as_ref().map(|e| Ede { code: e.code, text: SmolStr::default() });
        let full = self.message(reply);
        let ways = [(reply.ede.as_ref(), false), (textless.as_ref(), false), (None, false), (None, true)];
        ways.into_iter().find_map(|(ede, cut)| {
            let mut message = if cut { full.truncate() } else { full.clone() };
            if let (Some(edns), Some(ede)) = (&mut message.edns, ede) {
                let mut data = ede.code.to_be_bytes().to_vec();
                data.extend_from_slice(ede.text.as_bytes());
                edns.options_mut().insert(EdnsOption::Unknown(EDE_OPTION, data));
            }
            message.to_vec().ok().filter(|bytes| bytes.len() <= limit)
        })
    }

    fn message(&self, reply: &Reply) -> Message {
        let mut message = Message::response(self.id, OpCode::Query);
        message.metadata.recursion_desired = self.recursion_desired;
        message.metadata.checking_disabled = self.checking_disabled;
        // A resolver answers: RA; never AA, as nothing here is authoritative; never AD, as nothing here is validated.
        message.metadata.recursion_available = true;
        message.metadata.response_code = match reply.code {
            Code::NoError => ResponseCode::NoError,
            Code::NxDomain => ResponseCode::NXDomain,
            Code::ServFail => ResponseCode::ServFail,
            Code::Refused => ResponseCode::Refused,
            Code::BadVers => ResponseCode::BADVERS,
        };
        message.add_query(self.query.clone());
        let name = || self.query.name().clone();
        match &reply.body {
            Body::Nothing => {}
            // The owner is always the name asked: a chain of aliases is folded. That keeps answers within the limit,
            // and a stub resolver needs no more.
            Body::Addresses(addresses, ttl) => message.answers.extend(addresses.iter().map(|address| {
                let data = match address {
                    IpAddr::V4(a) => RData::A(A(*a)),
                    IpAddr::V6(a) => RData::AAAA(AAAA(*a)),
                };
                Record::from_rdata(name(), *ttl, data)
            })),
            Body::Pointer(to, ttl) => {
                // The names are our own; one that could not be read would be an empty answer.
                let to = Name::from_ascii(to).map(|mut to| {
                    to.set_fqdn(true);
                    to
                });
                message.answers.extend(to.ok().map(|to| Record::from_rdata(name(), *ttl, RData::PTR(PTR(to)))));
            }
            Body::AnyHint(ttl) => {
                let data = RData::HINFO(HINFO::new("RFC8482".into(), String::new()));
                message.add_answer(Record::from_rdata(name(), *ttl, data));
            }
            // The name asked is the zone, which compresses to two bytes; the mailbox is empty for the same reason.
            Body::Negative(ttl) => {
                let seconds = i32::try_from(*ttl).unwrap_or(i32::MAX);
                let data = RData::SOA(SOA::new(name(), Name::root(), 1, seconds, seconds, seconds, *ttl));
                message.add_authority(Record::from_rdata(name(), *ttl, data));
            }
        }
        if let Some(client) = self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(MAX_UDP_REPLY);
            edns.set_dnssec_ok(client.dnssec_ok);
            if let Some(cookie) = self.cookie {
                edns.options_mut().insert(EdnsOption::Unknown(cookie::OPTION, cookie.to_vec()));
            }
            message.set_edns(edns);
        }
        message
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
