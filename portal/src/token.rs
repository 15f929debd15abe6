//! The seal on a page's forms: proof that the button was shown to this line for this case by this process.
//!
//! HMAC-SHA-256 (RFC 2104) over case and address. A page of another site cannot read it, a page kept from before a
//! restart or from another holder of the address does not fit.

use std::net::{IpAddr, Ipv6Addr};

use pratique_core::ids::{CaseId, LineNo};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Block size of SHA-256 in bytes.
const BLOCK: usize = 64;

/// The key of this process.
pub(crate) struct Seal {
    key: [u8; 32],
}

impl Seal {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key })
    }

    /// The token for a case as shown to a client: 32 hexadecimal digits.
    pub(crate) fn token(&self, case: CaseId, peer: IpAddr) -> String {
        let mut text = [0; 8 + 16];
        text[..8].copy_from_slice(&case.0.to_be_bytes());
        text[8..].copy_from_slice(&client_of(peer).octets());
        let mac = hmac(&self.key, &text);
        mac[..16].iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The token for a consent to a scan. Longer than what a case's token is made of, so that neither fits in the other's place.
    pub(crate) fn consent(&self, line: LineNo, round: u64, made: i64, peer: IpAddr) -> String {
        let mut text = [0; 4 + 8 + 8 + 16];
        text[..4].copy_from_slice(&line.0.to_be_bytes());
        text[4..12].copy_from_slice(&round.to_be_bytes());
        text[12..20].copy_from_slice(&made.to_be_bytes());
        text[20..].copy_from_slice(&client_of(peer).octets());
        hmac(&self.key, &text)[..16].iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Whether a consent's token fits.
    pub(crate) fn fits_consent(&self, token: &str, line: LineNo, round: u64, made: i64, peer: IpAddr) -> bool {
        self.consent(line, round, made, peer).as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// Whether a token fits, without telling by time how much of it did.
    pub(crate) fn fits(&self, token: &str, case: CaseId, peer: IpAddr) -> bool {
        self.token(case, peer).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// What counts as one client: the IPv4 address, or the /64, within which devices change addresses by themselves.
pub(crate) fn client_of(peer: IpAddr) -> Ipv6Addr {
    match peer.to_canonical() {
        IpAddr::V4(a) => a.to_ipv6_mapped(),
        IpAddr::V6(a) => Ipv6Addr::from(u128::from(a) & !u128::from(u64::MAX)),
    }
}

pub(crate) fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        let hex = |mac: [u8; 32]| mac.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_token_fits_its_case_and_line_alone() {
        let seal = Seal { key: [7; 32] };
        let home: IpAddr = "192.0.2.1".parse().unwrap();
        let token = seal.token(CaseId(5), home);
        assert!(seal.fits(&token, CaseId(5), "::ffff:192.0.2.1".parse().unwrap()));
        assert!(!seal.fits(&token, CaseId(6), home));
        assert!(!seal.fits(&token, CaseId(5), "192.0.2.2".parse().unwrap()));
        assert!(!seal.fits("", CaseId(5), home));
        assert!(!seal.fits(&token[..31], CaseId(5), home));
        assert!(!Seal { key: [8; 32] }.fits(&token, CaseId(5), home));
        let six = seal.token(CaseId(5), "2001:db8::1".parse().unwrap());
        assert!(seal.fits(&six, CaseId(5), "2001:db8::ffff:2".parse().unwrap()), "privacy addresses are one client");
        assert!(!seal.fits(&six, CaseId(5), "2001:db8:0:1::1".parse().unwrap()));
    }
}
