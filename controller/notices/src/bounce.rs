//! Mails that came back: delivery status notifications (RFC 3464) of notices we sent. Which notice one speaks of stands in
//! the address it came to, `bounces+<stamp>@…` (VERP), or in the Message-ID of the mail that it returns. Whether the stamp is
//! ours is for its reader to check: anybody can write such a mail.

use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use smol_str::SmolStr;

use super::channel::Stamp;

/// A report is small, and returns at most the mail it is about.
pub const MAX_BYTES: usize = 1 << 20;

/// A Message-ID of ours begins so, with the stamp behind it.
pub const MESSAGE_ID: &str = "pratique-";

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    /// Of which notice. Not verified.
    pub stamp: Stamp,
    /// The status of RFC 3463, such as `5.1.1`; `4.4.7` where a server tried until its time was over.
    pub status: SmolStr,
    /// It will not arrive: no delay, no relaying, no success.
    pub failed: bool,
}

/// Why something is no bounce of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBounce {
    /// Larger than any report.
    #[error("it is larger than {MAX_BYTES} bytes: no delivery report is")]
    TooLarge,
    /// Not a mail.
    #[error("it is no mail: post the raw message, with its headers")]
    NotMail,
    /// A mail, but not a report.
    #[error("it is no delivery report (multipart/report; report-type=delivery-status, RFC 3464)")]
    NotReport,
    /// A report without a status.
    #[error("it is a delivery report without a status (Action and Status, RFC 3464 section 2.3)")]
    NoStatus,
    /// Of another mail.
    #[error("it bears no stamp of a notice, neither in its address nor in the Message-ID of the mail it returns")]
    NotOurs,
}

/// Reads a raw mail.
///
/// # Errors
/// [`NoBounce`].
pub fn read(raw: &[u8]) -> Result<Bounce, NoBounce> {
    if raw.len() > MAX_BYTES {
        return Err(NoBounce::TooLarge);
    }
    let mail = MessageParser::default().parse(raw).filter(|m| !m.headers().is_empty()).ok_or(NoBounce::NotMail)?;
    let report = mail.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind.subtype().is_some_and(|sub| sub.eq_ignore_ascii_case("report"))
            && kind.attribute("report-type").is_some_and(|r| r.eq_ignore_ascii_case("delivery-status"))
    });
    if !report {
        return Err(NoBounce::NotReport);
    }
    let status = part(&mail, "delivery-status").ok_or(NoBounce::NoStatus)?;
    let (status, failed) = outcome(&status).ok_or(NoBounce::NoStatus)?;
    let stamp = from_addresses(&mail).or_else(|| from_returned(&mail)).ok_or(NoBounce::NotOurs)?;
    Ok(Bounce { stamp, status, failed })
}

/// What the report says of its recipient: a notice has one, and of several the worst counts. Whether it failed the action says
/// alone (RFC 3464, section 2.3.3): a server that gives up after days reports `failed` with the status of its last try, `4.4.1`.
fn outcome(text: &str) -> Option<(SmolStr, bool)> {
    let mut worst: Option<(SmolStr, bool)> = None;
    let (mut action, mut status) = (None, None);
    // An empty line ends each recipient's fields.
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if let (Some(action), Some(status)) = (action.take(), status.take()) {
                let failed = action == "failed";
                if failed || worst.is_none() {
                    worst = Some((status, failed));
                }
            }
            (action, status) = (None, None);
        } else if let Some((name, value)) = line.split_once(':') {
            let first = value.trim().split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
            if name.eq_ignore_ascii_case("action") {
                action = Some(first.to_ascii_lowercase());
            } else if name.eq_ignore_ascii_case("status") {
                status = Some(SmolStr::new(first)).filter(|s| is_status(s));
            }
        }
    }
    worst
}

/// RFC 3463, section 2: a class, a subject and a detail of up to three digits.
fn is_status(text: &str) -> bool {
    let mut parts = text.split('.');
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.next(), Some("2" | "4" | "5"))
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none()
}

/// The text of the part `message/<subtype>` or `text/<subtype>`.
fn part(mail: &Message<'_>, subtype: &str) -> Option<String> {
    let is = |part: &&mail_parser::MessagePart<'_>| {
        part.content_type().and_then(|kind| kind.subtype()).is_some_and(|sub| sub.eq_ignore_ascii_case(subtype))
    };
    let part = mail.parts.iter().find(is)?;
    Some(match &part.body {
        PartType::Message(inner) => String::from_utf8_lossy(inner.raw_message()).into_owned(),
        _ => String::from_utf8_lossy(part.contents()).into_owned(),
    })
}

/// The address that it came to.
fn from_addresses(mail: &Message<'_>) -> Option<Stamp> {
    const FIELDS: [&str; 4] = ["to", "delivered-to", "x-original-to", "envelope-to"];
    let fields = mail.headers_raw().filter(|(name, _)| FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)));
    let mut tokens = fields.flat_map(|(_, value)| value.split('+').skip(1).filter_map(|rest| rest.split('@').next()));
    tokens.find_map(|token| Stamp::parse(token.trim()))
}

/// The mail that it returns: whole, or its headers.
fn from_returned(mail: &Message<'_>) -> Option<Stamp> {
    let returned = part(mail, "rfc822-headers").or_else(|| part(mail, "rfc822"))?;
    let headers = returned.split("\r\n\r\n").next()?.split("\n\n").next()?;
    let is_id = |line: &&str| line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case("message-id:"));
    let mut lines = headers.lines();
    let field = lines.find(is_id)?;
    // A long one is folded.
    let id = field.split_once('<').or_else(|| lines.next()?.split_once('<'))?.1;
    Stamp::parse(id.split('@').next()?.strip_prefix(MESSAGE_ID)?)
}

#[cfg(test)]
mod tests {
    use pratique_core::ids::{CaseId, Seq};

    use super::*;

    fn stamp() -> Stamp {
        Stamp { case: CaseId(17), of: Seq(400), mark: "0123456789abcdef".repeat(2) }
    }

    /// As Postfix writes one.
    fn report(to: &str, action: &str, status: &str, id: &str) -> String {
        format!(
            "Return-Path: <>\r\nFrom: MAILER-DAEMON@mail.isp.example (Mail Delivery System)\r\nSubject: Undelivered Mail \
             Returned to Sender\r\nTo: {to}\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: \
             multipart/report; report-type=delivery-status;\r\n\tboundary=\"b1\"\r\n\r\n--b1\r\nContent-Description: \
             Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry to have to inform you.\r\n\r\n\
             --b1\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: \
             dns; mail.isp.example\r\nArrival-Date: Sun, 15 Feb 2026 13:00:00 +0000 (UTC)\r\n\r\nFinal-Recipient: rfc822; \
             jo@mail.example\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 5.1.1 no such \
             user\r\n\r\n--b1\r\nContent-Description: Undelivered Message Headers\r\nContent-Type: \
             text/rfc822-headers\r\n\r\nReturn-Path: <x@isp.example>\r\nSubject: Example Net\r\nMessage-ID:\r\n \
             <{id}@isp.example>\r\nFrom: help@isp.example\r\n\r\n--b1--\r\n"
        )
    }

    fn verp() -> String {
        format!("bounces+{}@isp.example", stamp().text())
    }

    fn failed() -> Bounce {
        Bounce { stamp: stamp(), status: "5.1.1".into(), failed: true }
    }

    #[test]
    fn a_bounce_is_known_by_the_address_it_came_to_or_by_the_mail_it_returns() {
        let by_address = report(&verp(), "failed", "5.1.1", "somebody-elses");
        assert_eq!(read(by_address.as_bytes()), Ok(failed()));
        let shouted = report(&verp().to_uppercase(), "Failed", "5.1.1 (bad mailbox)", "somebody-elses");
        assert_eq!(read(shouted.as_bytes()), Ok(failed()));
        let by_mail = report("postmaster@isp.example", "failed", "5.1.1", &format!("pratique-{}", stamp().text()));
        assert_eq!(read(by_mail.as_bytes()), Ok(failed()));
        let whole = by_mail.replace("text/rfc822-headers", "message/rfc822");
        assert_eq!(read(whole.as_bytes()), Ok(failed()));
        let unix = by_mail.replace("\r\n", "\n");
        assert_eq!(read(unix.as_bytes()), Ok(failed()), "as a mail directory keeps it");
    }

    #[test]
    fn what_is_late_or_has_arrived_did_not_fail() {
        for (action, status) in
            [("delayed", "4.4.1"), ("delivered", "2.0.0"), ("relayed", "2.0.0"), ("expanded", "2.0.0")]
        {
            let said = read(report(&verp(), action, status, "x").as_bytes()).unwrap();
            assert_eq!((said.failed, said.status.as_str()), (false, status), "{action}");
        }
    }

    #[test]
    fn a_server_that_gave_up_has_failed_whatever_its_last_try_said() {
        for status in ["4.4.1", "4.4.7", "4.2.2", "5.0.0"] {
            let said = read(report(&verp(), "failed", status, "x").as_bytes());
            assert_eq!(said, Ok(Bounce { status: status.into(), ..failed() }));
        }
    }

    #[test]
    fn garbage_is_refused_with_a_reason() {
        let whole = report(&verp(), "failed", "5.1.1", "x");
        let with = |from: &str, to: &str| read(whole.replace(from, to).as_bytes());
        assert_eq!(read(b""), Err(NoBounce::NotMail));
        assert_eq!(with("multipart/report", "multipart/mixed"), Err(NoBounce::NotReport));
        assert_eq!(with("report-type=delivery-status", "report-type=feedback-report"), Err(NoBounce::NotReport));
        assert_eq!(with("message/delivery-status", "text/plain"), Err(NoBounce::NoStatus));
        assert_eq!(with("bounces+17-400-", "bounces+17-"), Err(NoBounce::NotOurs));
        for status in ["", "5", "5.1", "five", "5.1.1.1", "6.1.1", "5.1.1111", "5.x.1"] {
            let mail = report(&verp(), "failed", status, "x");
            assert_eq!(read(mail.as_bytes()), Err(NoBounce::NoStatus), "{status}");
        }
        assert_eq!(read(b"To: bounces@isp.example\r\n\r\nI am on holiday.\r\n"), Err(NoBounce::NotReport));
        assert_eq!(read(&vec![b'a'; MAX_BYTES + 1]), Err(NoBounce::TooLarge));
    }

    #[test]
    fn a_broken_mail_breaks_nothing() {
        let whole = report(&verp(), "failed", "5.1.1", "x");
        for place in 0..whole.len() {
            let _said = read(&whole.as_bytes()[..place]);
            let mut turned = whole.clone().into_bytes();
            turned[place] ^= 0x55;
            let _said = read(&turned);
        }
    }
}
