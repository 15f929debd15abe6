//! DNS cookies (RFC 7873) with interoperable server cookies (RFC 9018). A client that sends a cookie gets it back with one of
//! ours, so that nobody off the path can forge its answers. PURE but for the secret.
//!
//! ```text
//!  client cookie │ version 1 │ reserved │ time │ SipHash-2-4 of all before and the client's address
//!        8            1          3         4                          8                      bytes
//! ```
//!
//! Each answer carries a fresh one, which RFC 9018 section 4.3 allows, and nothing here rests on what a client sends back:
//! lines are known by their address, and rates hold with a cookie and without. So the secret need not outlive the process or be
//! the same on two nodes. What a client returns is verified only when it asks for nothing else (`cookie_query`).

use std::net::IpAddr;

/// A client's half.
pub(crate) type ClientCookie = [u8; 8];

/// The whole option of an answer.
pub(crate) type Cookie = [u8; 24];

/// How old a cookie may be, in seconds, and how far ahead of our clock another node's may have been (RFC 9018 section 4.3).
const OLDEST: u32 = 3_600;
const AHEAD: u32 = 300;

/// The option's code.
pub(crate) const OPTION: u16 = 10;

/// The secret.
pub(crate) struct Baker([u64; 2]);

impl Baker {
    /// With a random secret.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        Ok(Self::with(secret))
    }

    fn with(secret: [u8; 16]) -> Self {
        let word = |from: usize| std::array::from_fn(|n| secret[from + n]);
        Self([0, 8].map(|from| u64::from_le_bytes(word(from))))
    }

    /// The cookie for an answer to `client`; `seconds` since 1970, which may wrap.
    pub(crate) fn bake(&self, cookie: ClientCookie, client: IpAddr, seconds: u32) -> Cookie {
        let mut baked = [0; 24];
        baked[..8].copy_from_slice(&cookie);
        baked[8] = 1;
        baked[12..16].copy_from_slice(&seconds.to_be_bytes());
        let (mut input, mut size) = ([0; 32], 16);
        input[..16].copy_from_slice(&baked[..16]);
        let mut put = |address: &[u8]| {
            input[16..16 + address.len()].copy_from_slice(address);
            size += address.len();
        };
        match client.to_canonical() {
            IpAddr::V4(a) => put(&a.octets()),
            IpAddr::V6(a) => put(&a.octets()),
        }
        baked[16..].copy_from_slice(&siphash(self.0, input.get(..size).unwrap_or_default()).to_le_bytes());
        baked
    }

    /// Whether this option's data are a cookie of ours for `client`, baked within the last hour.
    pub(crate) fn knows(&self, option: &[u8], client: IpAddr, seconds: u32) -> bool {
        let Ok(option) = Cookie::try_from(option) else { return false };
        let (half, time): ([u8; 8], [u8; 4]) =
            (std::array::from_fn(|n| option[n]), std::array::from_fn(|n| option[12 + n]));
        let baked = u32::from_be_bytes(time);
        // Serial arithmetic: the clock may wrap.
        let recent = seconds.wrapping_sub(baked) <= OLDEST || baked.wrapping_sub(seconds) <= AHEAD;
        recent && self.bake(half, client, baked) == option
    }
}

/// The client's half of an option's data; none if it is malformed (RFC 7873 section 5.2.2).
pub(crate) fn read(data: &[u8]) -> Option<ClientCookie> {
    match data.len() {
        8 | 16..=40 => data.first_chunk().copied(),
        _ => None,
    }
}

/// SipHash-2-4 (Aumasson and Bernstein 2012). The standard library's own is deprecated, and its hashers do not promise an
/// algorithm.
fn siphash([k0, k1]: [u64; 2], input: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = input.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // The last byte is the length, modulo 256.
    last[7] = input.len().to_le_bytes()[0];
    for word in words.iter().chain([&last]) {
        let word = u64::from_le_bytes(*word);
        v[3] ^= word;
        (0..2).for_each(|_| round(&mut v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siphash_gives_the_papers_value() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(key, &input), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn server_cookies_are_those_of_rfc_9018_appendix_a() {
        let baker = Baker::with(0xe5e9_73e5_a6b2_a43f_48e7_dc84_9e37_bfcf_u128.to_be_bytes());
        let client = 0x2464_c4ab_cf10_c957_u64.to_be_bytes();
        let baked = baker.bake(client, "198.51.100.100".parse().unwrap(), 1_559_731_985);
        let text: String = baked.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(text, "2464c4abcf10c957010000005cf79f111f8130c3eee29480");
    }

    #[test]
    fn our_own_cookie_is_known_for_an_hour_for_its_client_and_no_other() {
        let (baker, client) = (Baker::with([7; 16]), "198.51.100.100".parse().unwrap());
        for now in [1_559_731_985, 100, u32::MAX - 100] {
            let baked = baker.bake(*b"8 bytes!", client, now);
            assert!(baker.knows(&baked, client, now) && baker.knows(&baked, client, now.wrapping_add(OLDEST)));
            assert!(baker.knows(&baked, client, now.wrapping_sub(AHEAD)));
            assert!(!baker.knows(&baked, client, now.wrapping_add(OLDEST + 1)));
            assert!(!baker.knows(&baked, client, now.wrapping_sub(AHEAD + 1)));
            assert!(!baker.knows(&baked, "198.51.100.101".parse().unwrap(), now));
            assert!(!Baker::with([8; 16]).knows(&baked, client, now));
            for at in 0..baked.len() {
                let mut other = baked;
                other[at] ^= 1;
                assert!(!baker.knows(&other, client, now), "{at}");
            }
            assert!(!baker.knows(&baked[..16], client, now));
        }
    }

    #[test]
    fn lengths_that_no_cookie_has_are_malformed() {
        let good: Vec<usize> = (0..64).filter(|size| read(&vec![1; *size]).is_some()).collect();
        assert_eq!(good, [&[8][..], &(16..=40).collect::<Vec<_>>()].concat());
    }
}
