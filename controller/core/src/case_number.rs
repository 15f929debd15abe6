//! The number of a case as people read it, say it on the phone and type it: `Q-0017-4`.
//!
//! `Q` says what kind of number it is, so that it is not taken for a customer number; at least four digits make it look like
//! a number that belongs to something; the last digit is a check, so that a slip of the tongue finds nobody else's case.
//! The check is Damm's (H. M. Damm, Total anti-symmetrische Quasigruppen, 2004): it sees every wrong digit and every two
//! neighbours that changed places.

use std::fmt;
use std::str::FromStr;

use crate::ids::CaseId;

/// A case's number, as it is written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseNumber(pub CaseId);

/// A text that is no number of a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCaseNumber {
    /// Not written as one.
    #[error("`{0}` is no case number; write it as Q-0017-4, or 17 alone")]
    Shape(String),
    /// The last digit does not fit the others.
    #[error("{0}: a digit is wrong or two have changed places; ask for the number again, digit by digit")]
    Check(String),
}

/// Row: what has been read so far; column: the next digit. A quasigroup without any `x*y*z = x*z*y`.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

impl CaseId {
    /// As it is written for people.
    pub const fn number(self) -> CaseNumber {
        CaseNumber(self)
    }
}

impl fmt::Display for CaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:04}", self.0.0);
        write!(f, "Q-{digits}-{}", check(&digits))
    }
}

impl FromStr for CaseNumber {
    type Err = NoCaseNumber;

    /// Reads a number as people type it: in small letters, with spaces or nothing between, in full-width forms; or the case's
    /// bare number, which has no check.
    fn from_str(text: &str) -> Result<Self, NoCaseNumber> {
        let shape = || NoCaseNumber::Shape(text.chars().take(40).collect());
        let bare: String = text.chars().map(narrow).filter(|c| !matches!(c, ' ' | '-')).take(32).collect();
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).map(|n| Self(CaseId(n))).ok_or_else(shape)
        };
        let Some(digits) = bare.strip_prefix(['Q', 'q']) else { return number(&bare) };
        let (digits, said) =
            digits.len().checked_sub(1).and_then(|at| digits.split_at_checked(at)).ok_or_else(shape)?;
        let case = number(digits)?;
        if said.parse() == Ok(check(digits)) { Ok(case) } else { Err(NoCaseNumber::Check(text.trim().to_owned())) }
    }
}

/// The check digit of digits; zeros in front change nothing.
fn check(digits: &str) -> u8 {
    let next = |so_far: u8, digit: u8| {
        let row = DAMM.get(usize::from(so_far));
        row.and_then(|row| row.get(usize::from(digit.wrapping_sub(b'0')))).copied().unwrap_or(0)
    };
    digits.bytes().fold(0, next)
}

/// Full-width letters and digits, and the dashes that keyboards make, as ASCII.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<u64, NoCaseNumber> {
        text.parse().map(|number: CaseNumber| number.0.0)
    }

    #[test]
    fn a_number_is_read_as_people_say_and_type_it() {
        assert_eq!(CaseId(17).number().to_string(), "Q-0017-4");
        assert_eq!(CaseId(572).number().to_string(), "Q-0572-4", "the example of the paper");
        for typed in
            ["Q-0017-4", "q-0017-4", "Q 0017 4", "q00174", " Q-17-4 ", "Ｑ－００１７－４", "Q–0017–4", "17", "0017"]
        {
            assert_eq!(read(typed), Ok(17), "{typed}");
        }
        for odd in
            ["", "Q", "Q-", "Q-5", "-", "x17", "Q-00a7-4", "17.5", "99999999999999999999", "Q-99999999999999999999-1"]
        {
            assert!(matches!(read(odd), Err(NoCaseNumber::Shape(_))), "{odd}: {:?}", read(odd));
        }
        let wrong = read("Q-0018-4").unwrap_err().to_string();
        assert_eq!(
            wrong,
            "Q-0018-4: a digit is wrong or two have changed places; ask for the number again, digit by digit"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_slip_finds_no_other_case(case in any::<u64>(), at in 0usize..24, digit in 0u8..10) {
            let written = CaseId(case).number().to_string();
            prop_assert_eq!(read(&written), Ok(case));
            let mut bytes = written.clone().into_bytes();
            let places: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
            let at = places[at % places.len()];
            bytes[at] = b'0' + digit;
            let slip = String::from_utf8(bytes).unwrap();
            prop_assert!(slip == written || read(&slip).is_err(), "{slip} for {written}");
            // Two neighbours that changed places.
            if let Some(next) = places.iter().find(|i| **i > at) {
                let mut bytes = written.clone().into_bytes();
                bytes.swap(at, *next);
                let slip = String::from_utf8(bytes).unwrap();
                prop_assert!(slip == written || read(&slip).is_err(), "{slip} for {written}");
            }
        }
    }
}
