//! A message without a question that asks for a cookie (RFC 7873 section 5.4). Read by `wire`; answered by `handler`, which has the
//! secret. PURE.
//!
//! ```text
//!  header, no question │ OPT: the client's cookie, and ours if it has one
//! ```

use crate::cookie::{self, ClientCookie, Cookie};
use crate::wire::{HEADER, MAX_UDP_REPLY, OPT_TYPE};

/// The longest cookie: eight bytes of the client's, at most 32 of a server's.
const MAX_COOKIE: usize = 40;

/// Such a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieQuery {
    id: [u8; 2],
    /// RD as it was asked.
    recursion_desired: u8,
    /// CD as it was asked.
    checking_disabled: u8,
    cookie: [u8; MAX_COOKIE],
    size: usize,
}

/// How it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieCode {
    NoError = 0,
    /// Who asks is not served.
    Refused = 5,
    /// What it holds to be our cookie is none.
    BadCookie = 23,
}

impl CookieQuery {
    /// From the header and the data of a well-formed cookie option.
    pub(crate) fn new(header: &[u8; HEADER], option: &[u8]) -> Option<Self> {
        let mut cookie = [0; MAX_COOKIE];
        cookie.get_mut(..option.len())?.copy_from_slice(option);
        Some(Self {
            id: [header[0], header[1]],
            recursion_desired: header[2] & 1,
            checking_disabled: header[3] & 0x10,
            cookie,
            size: option.len(),
        })
    }

    /// The client's half.
    pub(crate) fn client(&self) -> ClientCookie {
        std::array::from_fn(|n| self.cookie[n])
    }

    /// The whole option, with what the client holds to be our half; none if it sent its own half alone.
    pub(crate) fn returned(&self) -> Option<&[u8]> {
        let whole = self.cookie.get(..self.size)?;
        (self.size > self.client().len()).then_some(whole)
    }

    /// The answer, in any case with a fresh cookie.
    pub(crate) fn reply(&self, code: CookieCode, cookie: &Cookie) -> Vec<u8> {
        let code = code as u8;
        let mut reply = vec![0; HEADER];
        reply[..2].copy_from_slice(&self.id);
        reply[2] = 0x80 | self.recursion_desired;
        // The code's upper bits stand in the OPT record.
        reply[3] = 0x80 | self.checking_disabled | code & 0x0f;
        reply[11] = 1;
        reply.push(0);
        reply.extend_from_slice(&OPT_TYPE);
        reply.extend_from_slice(&MAX_UDP_REPLY.to_be_bytes());
        reply.extend_from_slice(&[code >> 4, 0, 0, 0, 0, 4 + cookie.len() as u8]);
        reply.extend_from_slice(&cookie::OPTION.to_be_bytes());
        reply.extend_from_slice(&[0, cookie.len() as u8]);
        reply.extend_from_slice(cookie);
        reply
    }
}
