//! Lists of addresses, one a line, as people and simple feeds have them:
//!
//! ```text
//! # comment
//! 198.51.100.7
//! 198.51.100.7:2323, 2026-02-15 14:19:09
//! [2001:db8::7]:23/tcp    2026-02-15T14:19:09Z
//! ```
//!
//! The cause stands beside the list, said by whoever brings it. A list says nothing about silence.

use std::io::Read;
use std::net::IpAddr;

use pratique_core::ids::CauseKey;
use pratique_core::sighting::{Severity, Sighting, Transport};
use pratique_core::time::Timestamp;
use pratique_policy::meant;

use super::admit::{Admission, address_of};
use super::lines::Lines;
use super::stream::Stream;
use super::{Batch, FeedError, MAX_ROWS, ReadContext, Reason, printable};

/// Progress is told every so many rows.
const PROGRESS_EVERY: u64 = 4_096;

/// Reads one list; see [`super::read`].
pub(super) fn read(
    cause: &CauseKey,
    severity: Severity,
    observed_at: Option<Timestamp>,
    reader: impl Read,
    ctx: &ReadContext<'_>,
    on_progress: &mut impl FnMut(u64, u64),
) -> Result<Batch, FeedError> {
    if !ctx.policy.playbooks.contains_key(cause) {
        let known = ctx.policy.playbooks.keys().map(CauseKey::as_str);
        let hint = meant(cause.as_str(), known).map_or_else(String::new, |m| format!("; did you mean `{m}`?"));
        return Err(FeedError::UnknownCause(cause.clone(), hint));
    }
    let clock_error = ctx.policy.source(ctx.source).clock_error;
    let admission = Admission::new(ctx.policy, ctx.now, clock_error);
    let mut lines = Lines::new(Stream::of_rows(reader)?)?;
    let mut batch = Batch::default();
    while let Some(line) = lines.front()? {
        let number = lines.number();
        let raw = lines.bytes(line.start, line.end);
        let row = raw.trim_ascii();
        if row.is_empty() || row.starts_with(b"#") || row.starts_with(b";") {
            lines.pass(line, 1)?;
            continue;
        }
        batch.rows += 1;
        if batch.rows > MAX_ROWS {
            return Err(FeedError::TooManyRows);
        }
        let read = match () {
            () if line.too_long => Err(Reason::TooLong),
            () if memchr::memchr(0, row).is_some() => Err(Reason::Binary),
            () => entry(row),
        };
        let judged = read.and_then(|entry| {
            admission.address(entry.address)?;
            let observed_at = entry.observed_at.or(observed_at).unwrap_or(ctx.now);
            admission.time(observed_at)?;
            Ok((entry, observed_at))
        });
        match judged {
            Ok((entry, observed_at)) => batch.sightings.push(Sighting {
                source: ctx.source.clone(),
                report: "".into(),
                cause: cause.clone(),
                address: entry.address,
                port: entry.port,
                transport: entry.transport,
                observed_at,
                clock_error,
                severity,
                device: None,
                detail: Vec::new(),
            }),
            Err(reason) => {
                let text = reason.words(&printable(row, 60));
                batch.refuse(number, reason, text, raw, !line.too_long, &admission);
            }
        }
        lines.pass(line, 1)?;
        if batch.rows.is_multiple_of(PROGRESS_EVERY) {
            on_progress(lines.position(), batch.rows);
        }
    }
    on_progress(lines.position(), batch.rows);
    Ok(batch)
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    port: Option<u16>,
    transport: Option<Transport>,
    observed_at: Option<Timestamp>,
}

fn entry(row: &[u8]) -> Result<Entry, Reason> {
    let row = std::str::from_utf8(row).map_err(|_| Reason::Address)?;
    let code = row.split('#').next().unwrap_or(row).trim();
    let split = code.find([',', ';', ' ', '\t']).unwrap_or(code.len());
    let (place, time) = code.split_at(split);
    let time = time.trim_start_matches([',', ';', ' ', '\t']).trim().trim_matches('"');
    let observed_at = if time.is_empty() { None } else { Some(Timestamp::parse(time).map_err(|_| Reason::Time)?) };
    let place = place.trim_matches('"');
    let (place, transport) = match place.rsplit_once('/') {
        Some((place, "tcp")) => (place, Some(Transport::Tcp)),
        Some((place, "udp")) => (place, Some(Transport::Udp)),
        _ => (place, None),
    };
    let (address, port) = match place.strip_prefix('[') {
        Some(rest) => match rest.split_once(']').ok_or(Reason::Address)? {
            (address, "") => (address, None),
            (address, port) => (address, Some(port.strip_prefix(':').ok_or(Reason::Port)?)),
        },
        // One colon is a port; more are an IPv6 address.
        None => match place.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            _ => (place, None),
        },
    };
    let address = address_of(address)?;
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|p| *p != 0).ok_or(Reason::Port)?),
    };
    Ok(Entry { address, port, transport, observed_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(row: &str) -> Result<String, &'static str> {
        let e = entry(row.as_bytes()).map_err(Reason::key)?;
        let time = e.observed_at.map_or_else(|| "-".into(), |t| t.to_string());
        Ok(format!("{} {:?} {:?} {time}", e.address, e.port, e.transport))
    }

    #[test]
    fn entries_are_read_in_every_spelling() {
        for (row, expected) in [
            ("198.51.100.7", Ok("198.51.100.7 None None -")),
            ("198.51.100.7:23", Ok("198.51.100.7 Some(23) None -")),
            ("198.51.100.7:53/udp", Ok("198.51.100.7 Some(53) Some(Udp) -")),
            ("2001:db8::7", Ok("2001:db8::7 None None -")),
            ("[2001:db8::7]:23", Ok("2001:db8::7 Some(23) None -")),
            ("198.51.100.7, 2026-02-15 14:19:09", Ok("198.51.100.7 None None 2026-02-15T14:19:09Z")),
            ("198.51.100.7\t2026-02-15T15:19:09+01:00 # seen", Ok("198.51.100.7 None None 2026-02-15T14:19:09Z")),
            ("\"198.51.100.7\";\"2026-02-15 14:19:09\"", Ok("198.51.100.7 None None 2026-02-15T14:19:09Z")),
            ("198.51.100.7 yesterday", Err("time")),
            ("198.51.100.7 2026-02-15T14:19:09", Err("time")),
            ("198.51.100.7:0", Err("port")),
            ("198.51.100.7:99999", Err("port")),
            ("[2001:db8::7", Err("address")),
            ("198.51.100.0/24", Err("network")),
            ("example.com", Err("address")),
            ("=cmd()", Err("address")),
        ] {
            assert_eq!(said(row), expected.map(String::from), "{row}");
        }
    }
}
