//! What all channels have in common: the stamp by which a notice is known again, and how a try can end.

use pratique_core::ids::{CaseId, Seq};
use pratique_portal::LinkKey;

/// For what the stamp's mark is made.
const PURPOSE: &str = "notice-stamp";

/// Which notice something is about: the case, the log entry that asked for it, and a mark that only this provider can make.
/// The same notice has the same stamp after a crash, so that whoever gets it twice can see that; and a bounce that carries one
/// is about a notice that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The case.
    pub case: CaseId,
    /// The log entry.
    pub of: Seq,
    /// 32 hexadecimal digits.
    pub mark: String,
}

impl Stamp {
    /// Of a notice.
    pub fn new(key: &LinkKey, case: CaseId, of: Seq) -> Self {
        Self { case, of, mark: key.mark(PURPOSE, &[case.0, of.0]) }
    }

    /// Whether it is ours.
    pub fn is_genuine(&self, key: &LinkKey) -> bool {
        key.fits(&self.mark, PURPOSE, &[self.case.0, self.of.0])
    }

    /// As it stands in a Message-ID, an envelope sender and an idempotency key: `17-400-<mark>`.
    pub fn text(&self) -> String {
        format!("{}-{}-{}", self.case, self.of, self.mark)
    }

    /// The stamp of this text; none if it is not written as one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let mut number = || {
            let digits = parts.next()?;
            let plain = digits.len() <= 20 && digits.chars().all(|c| c.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        };
        let (case, of) = (CaseId(number()?), Seq(number()?));
        // Mail servers may change the case of a local part.
        let mark = parts.next()?.to_ascii_lowercase();
        let sound = mark.len() == 32 && mark.chars().all(|c| c.is_ascii_hexdigit());
        sound.then_some(Self { case, of, mark })
    }
}

/// Why a try did not bring a notice out of the house. What the other side said is for the node's log; it may name an address,
/// so only at debug level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may go better later: nobody there, busy, a temporary refusal, no TLS where it has to be.
    Later(String),
    /// Refused for good.
    Refused {
        /// The code of SMTP or HTTP.
        code: u16,
        /// What was said.
        said: String,
    },
    /// It cannot be written: an address that no mail program takes.
    Unwritable(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_known_again_and_no_other_is() {
        let key = LinkKey::new([7; 32]);
        let stamp = Stamp::new(&key, CaseId(17), Seq(400));
        assert_eq!(Stamp::parse(&stamp.text()), Some(stamp.clone()));
        assert_eq!(Stamp::parse(&stamp.text().to_uppercase()), Some(stamp.clone()), "mail servers change case");
        assert!(stamp.is_genuine(&key) && !stamp.is_genuine(&LinkKey::new([8; 32])));
        assert!(!Stamp { of: Seq(401), ..stamp.clone() }.is_genuine(&key));
        for odd in ["", "17", "17-400", "17-400-xyz", "+17-400-00", &stamp.text()[1..34], &format!("{}0", stamp.text())]
        {
            assert_eq!(Stamp::parse(odd), None, "{odd}");
        }
    }
}
