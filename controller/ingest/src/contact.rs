//! Where a subscriber is reached: addresses and numbers as lists give them, checked before anything is stored. What passes
//! here can stand in a header of a mail.

use smol_str::SmolStr;

/// RFC 5321, section 4.5.3.1.3: a path has at most 256 octets, two of which are its brackets.
const MAX_EMAIL: usize = 254;

/// ITU-T E.164 has 15 digits; people put spaces, brackets and an extension in between.
const MAX_PHONE: usize = 40;

/// An e-mail address.
///
/// # Errors
/// What to write instead. The text itself is not repeated.
pub fn email(text: &str) -> Result<SmolStr, &'static str> {
    const WRONG: &str = "is no address: write one as jo@mail.example, or - for none";
    let sound = text.len() <= MAX_EMAIL && text.chars().all(|c| c.is_ascii_graphic());
    // A quoted local part may hold anything; nobody's real address does.
    let sound = sound && !text.contains(['"', '(', ')', '<', '>', ',', ';', ':', '\\', '[', ']']);
    let domain = text.rsplit_once('@').map_or("", |(_, domain)| domain);
    if !sound || !domain.contains('.') || text.parse::<lettre::Address>().is_err() {
        return Err(WRONG);
    }
    Ok(SmolStr::new(text))
}

/// A telephone number.
///
/// # Errors
/// What to write instead. The text itself is not repeated.
pub fn phone(text: &str) -> Result<SmolStr, &'static str> {
    const WRONG: &str = "is no number: write one as +31 20 555 0100, or - for none";
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')' | '.' | '/' | '*' | '#');
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if text.len() > MAX_PHONE || !(3..=20).contains(&digits) || !text.chars().all(allowed) {
        return Err(WRONG);
    }
    Ok(SmolStr::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_be_written_to_pass_and_nothing_else_does() {
        for good in ["jo@mail.example", "jo.van-den_berg+isp@sub.mail.example", "o'neil@mail.example", "1@2.example"] {
            assert_eq!(email(good).as_deref(), Ok(good));
        }
        let long = format!("{}@mail.example", "a".repeat(250));
        for bad in [
            "",
            "jo",
            "jo@",
            "@mail.example",
            "jo@mail",
            "jo@@mail.example",
            "jo mail@mail.example",
            "jo@mail.example\r\nBcc: x",
            "jo@mail.example\n",
            "<jo@mail.example>",
            "\"jo\r\n\"@mail.example",
            "jo@mail.example,ed@mail.example",
            "j\u{f6}@mail.example",
            "jo@[192.0.2.1]",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_pass_and_words_do_not() {
        for good in ["+31 20 555 0100", "0800-123456", "(020) 555/0100", "112"] {
            assert_eq!(phone(good).as_deref(), Ok(good));
        }
        for bad in ["", "12", "call me", "+31 20\r\n555 0100", "0800 123 456 ext 7", &"1".repeat(21)] {
            assert!(phone(bad).is_err(), "{bad}");
        }
    }
}
