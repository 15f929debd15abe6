//! Links in notices that prove that the provider sent them: case, time of sending and expiry under a key that outlives a
//! restart (HMAC-SHA-256, RFC 2104). A link names nobody and gives no right to anything: its page only says that a notice is
//! genuine.
//!
//! The same key marks bounces and webhook posts, each for a purpose of its own, so that no mark fits where another belongs.

use pratique_core::ids::CaseId;
use pratique_core::time::{Span, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::token::hmac;

/// Beneath the portal's own host.
pub(crate) const LINK_PATH: &str = "/notice/";

/// Half of SHA-256: beyond guessing, and a link stays short enough to be typed.
const MARK_BYTES: usize = 16;

/// A provider's own key. Whoever has it can make links that look genuine.
#[derive(Clone)]
pub struct LinkKey([u8; LinkKey::BYTES]);

/// What a genuine link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The case that the notice is about.
    pub case: CaseId,
    /// When it was sent, in whole seconds.
    pub sent: Timestamp,
    /// Until when the link works, in whole seconds.
    pub expires: Timestamp,
}

/// Why a link says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLink {
    /// Not ours, or altered.
    #[error("the link is none of ours, or was altered")]
    Forged,
    /// Ours, and too old.
    #[error("the link has expired")]
    Expired,
}

impl LinkKey {
    /// Length of a key.
    pub const BYTES: usize = 32;

    /// From its bytes.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// A mark over numbers for a purpose: 32 hexadecimal digits.
    pub fn mark(&self, purpose: &str, numbers: &[u64]) -> String {
        // The purpose ends where a byte comes that no purpose has.
        let mut text = purpose.as_bytes().to_vec();
        text.push(0);
        text.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
        hmac(&self.0, &text)[..MARK_BYTES].iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Whether a mark fits, without telling by time how much of it did.
    pub fn fits(&self, mark: &str, purpose: &str, numbers: &[u64]) -> bool {
        self.mark(purpose, numbers).as_bytes().ct_eq(mark.as_bytes()).into()
    }

    /// The link of a notice that is sent now: what stands behind [`LINK_PATH`].
    pub(crate) fn sign(&self, case: CaseId, sent: Timestamp, valid: Span) -> String {
        self.token(case.0, seconds(sent), seconds(sent.plus(valid)))
    }

    /// What a link says.
    ///
    /// # Errors
    /// [`NoLink`].
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Link, NoLink> {
        let mut parts = token.split('-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (Some(case), Some(sent), Some(expires)) = (number(), number(), number()) else {
            return Err(NoLink::Forged);
        };
        // Compared whole, so that each link is written in one way only.
        if !bool::from(self.token(case, sent, expires).as_bytes().ct_eq(token.as_bytes())) {
            return Err(NoLink::Forged);
        }
        let (sent, expires) = (moment(sent), moment(expires));
        if now >= expires { Err(NoLink::Expired) } else { Ok(Link { case: CaseId(case), sent, expires }) }
    }

    fn token(&self, case: u64, sent: u64, expires: u64) -> String {
        format!("{case}-{sent}-{expires}-{}", self.mark("notice-link", &[case, sent, expires]))
    }
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

fn seconds(t: Timestamp) -> u64 {
    u64::try_from(t.as_millis() / 1_000).unwrap_or(0)
}

fn moment(seconds: u64) -> Timestamp {
    Timestamp::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_771_156_800 + s)
    }

    #[test]
    fn a_link_says_what_was_signed_until_it_expires() {
        let key = LinkKey::new([7; 32]);
        let token = key.sign(CaseId(17), at(0), Span::from_days(14));
        let link = Link { case: CaseId(17), sent: at(0), expires: at(14 * 86_400) };
        assert_eq!(key.read(&token, at(5)), Ok(link));
        assert_eq!(key.read(&token, at(14 * 86_400)), Err(NoLink::Expired));
        assert_eq!(LinkKey::new([8; 32]).read(&token, at(5)), Err(NoLink::Forged), "another provider's");
    }

    #[test]
    fn nothing_of_a_link_can_be_altered() {
        let key = LinkKey::new([7; 32]);
        let token = key.sign(CaseId(17), at(0), Span::from_days(14));
        for i in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[i] = if other[i] == b'1' { b'2' } else { b'1' };
            assert_eq!(key.read(std::str::from_utf8(&other).unwrap(), at(5)), Err(NoLink::Forged), "place {i}");
        }
        let spelt =
            [format!("0{token}"), format!("+{token}"), format!("{token}-1"), token[..token.len() - 1].to_owned()];
        for odd in spelt.iter().map(String::as_str).chain(["", "-", "1-2-3", "1-2-3-", "a-b-c-d", "\u{661}-2-3-x"]) {
            assert_eq!(key.read(odd, at(5)), Err(NoLink::Forged), "{odd}");
        }
    }

    #[test]
    fn a_mark_fits_its_purpose_and_numbers_alone() {
        let key = LinkKey::new([7; 32]);
        let mark = key.mark("bounce", &[17, 400]);
        assert!(key.fits(&mark, "bounce", &[17, 400]));
        for (purpose, numbers) in [("webhook", [17, 400]), ("bounce", [17, 401]), ("bounce", [400, 17])] {
            assert!(!key.fits(&mark, purpose, &numbers), "{purpose}");
        }
        assert!(!key.fits("", "bounce", &[17, 400]));
        assert_eq!(format!("{key:?}"), "LinkKey(…)");
    }
}
