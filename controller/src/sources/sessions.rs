//! Who held what, as CSV by header name:
//!
//! ```text
//! subscriber,address,port_from,port_to,from,to,nas,clause,opted_out,language,number_tail,email,phone
//! C-1001,198.51.100.7,,,2026-02-15 08:00:00,,bng1,2025-03,no,de,482,jo@mail.example,+31 20 555 0100
//! C-1002,203.0.113.9,1024,2047,2026-02-15 08:00:00,2026-02-15 20:00:00,cgn1,,,,,,
//! C-1001,2001:db8:1::/56,,,2026-02-15 08:00:00,,bng1,,,,,,
//! ```
//!
//! `number_tail` is the end of the customer number as it stands on bills, never the whole number: the page shows it to prove
//! that it is the provider's. It and where notices go (`email`, `phone`) stay as they are known where a cell is empty; `-` says
//! that there is none any more.
//!
//! A mapping that is half right names the wrong people, so the list is taken whole or not at all, with every wrong line
//! named (up to [`MAX_ERRORS`]).

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};

use csv::ByteRecord;
use ipnet::{IpNet, Ipv6Net};
use pratique_core::ids::SubscriberId;
use pratique_core::session::Holding;
use pratique_core::time::{Span, Timestamp};
use smol_str::SmolStr;

use super::stream::{Stream, feed_error};
use super::{FeedError, MAX_ROWS, contact, printable};
use crate::engine::handle::{Contact, Contract, SessionChange, Told};
use crate::policy_files::nearest;

/// So many wrong lines are named.
pub const MAX_ERRORS: usize = 50;

/// Columns of a session list; `prefix` may stand for `address`. The first three are needed.
const COLUMNS: [&str; 14] = [
    "subscriber",
    "from",
    "address",
    "prefix",
    "port_from",
    "port_to",
    "to",
    "nas",
    "clause",
    "opted_out",
    "language",
    "number_tail",
    "email",
    "phone",
];

/// An IPv4 network in a list becomes one session per address; more than a /24 is not one line's.
const WIDEST_V4: u8 = 24;
/// The widest prefix delegated to one line: a /40 holds 256 ordinary business allocations already.
const WIDEST_V6: u8 = 40;
/// Longest subscriber id, NAS name and terms version, in characters.
const MAX_NAME: usize = 128;
/// Longest number tail, in characters: a detail, not a number that opens an account.
const MAX_TAIL: usize = 16;

/// A session may begin so far ahead of our clock: NASes run NTP. One that begins later is nobody's yet, and would wall the
/// wrong line.
const CLOCKS_APART: Span = Span::from_mins(5);

/// A line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionError {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong and what to write.
    pub what: String,
}

/// Why a list was refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionsError {
    /// The file is no list.
    #[error(transparent)]
    File(#[from] FeedError),
    /// Lines are wrong.
    #[error("{}", lines(.0, *.1))]
    Lines(Vec<SessionError>, u64),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

fn lines(errors: &[SessionError], wrong: u64) -> String {
    let named: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let more = wrong.saturating_sub(errors.len() as u64);
    let more = if more > 0 { format!("\n… and {more} more wrong lines") } else { String::new() };
    format!("{}{more}\nnothing was taken: correct these and send the list again", named.join("\n"))
}

/// Reads a list that arrived at `now`.
///
/// # Errors
/// Every wrong line, or why the file is no list.
pub fn read(
    reader: impl Read,
    now: Timestamp,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<Vec<SessionChange>, SessionsError> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(64 * 1024)
        .from_reader(Stream::new(reader, true)?);
    let mut record = ByteRecord::new();
    if !next(&mut rows, &mut record)? {
        return Err(FeedError::Empty.into());
    }
    let columns = Columns::of(&record)?;
    let (mut changes, mut errors, mut wrong, mut count) = (Vec::new(), Vec::new(), 0_u64, 0_u64);
    while next(&mut rows, &mut record)? {
        count += 1;
        let line = record.position().map_or(0, csv::Position::line);
        if count > MAX_ROWS {
            return Err(FeedError::TooManyRows.into());
        }
        if record.len() != columns.count {
            return Err(FeedError::Columns { line, found: record.len(), expected: columns.count }.into());
        }
        if let Err(what) = columns.changes(&record, now, &mut changes) {
            wrong += 1;
            if errors.len() < MAX_ERRORS {
                errors.push(SessionError { line, what });
            }
        }
        if count % 4_096 == 0 {
            on_progress(rows.position().byte(), count);
        }
    }
    on_progress(rows.position().byte(), count);
    if wrong > 0 {
        return Err(SessionsError::Lines(errors, wrong));
    }
    if count == 0 {
        return Err(FeedError::NoRows.into());
    }
    Ok(changes)
}

fn next<R: Read>(rows: &mut csv::Reader<R>, record: &mut ByteRecord) -> Result<bool, FeedError> {
    rows.read_byte_record(record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => feed_error(&e),
        other => FeedError::Io(format!("{other:?}")),
    })
}

struct Columns {
    count: usize,
    at: [Option<usize>; COLUMNS.len()],
}

impl Columns {
    fn of(header: &ByteRecord) -> Result<Self, FeedError> {
        let line = header.position().map_or(1, csv::Position::line);
        let wrong = |what: String| FeedError::Header { line, what };
        let mut at = [None; COLUMNS.len()];
        for (i, name) in header.iter().enumerate() {
            let name = printable(name.trim_ascii(), 64).to_ascii_lowercase();
            // Our own format: a misspelt `port_from` must not silently give a whole shared address to one line.
            let Some(slot) = COLUMNS.iter().position(|c| *c == name).and_then(|c| at.get_mut(c)) else {
                let hint = nearest(&name, COLUMNS)
                    .map_or_else(|| format!("known are {}", COLUMNS.join(", ")), |m| format!("did you mean `{m}`?"));
                return Err(wrong(format!("unknown column `{name}`; {hint}")));
            };
            if slot.replace(i).is_some() {
                return Err(wrong(format!("the column `{name}` stands twice; remove one")));
            }
        }
        let columns = Self { count: header.len(), at };
        for needed in ["subscriber", "from"] {
            if columns.find(needed).is_none() {
                return Err(wrong(format!("the column `{needed}` is missing; the first line has to name the columns")));
            }
        }
        if columns.find("address").is_none() && columns.find("prefix").is_none() {
            return Err(wrong("the column `address` (or `prefix`) is missing; add it".into()));
        }
        if columns.find("port_from").is_some() != columns.find("port_to").is_some() {
            return Err(wrong("port_from and port_to belong together; add the other one".into()));
        }
        Ok(columns)
    }

    fn find(&self, name: &str) -> Option<usize> {
        COLUMNS.iter().position(|c| *c == name).and_then(|i| self.at.get(i).copied().flatten())
    }

    fn cell<'r>(&self, record: &'r ByteRecord, name: &str) -> Result<&'r str, String> {
        let bytes = self.find(name).and_then(|i| record.get(i)).unwrap_or_default().trim_ascii();
        std::str::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8; save the file as UTF-8"))
    }

    /// A name or version: bounded and printable, or refused; it must come back from the store as it was.
    fn name(&self, record: &ByteRecord, name: &str) -> Result<SmolStr, String> {
        let text = self.cell(record, name)?;
        let clean = printable(text.as_bytes(), MAX_NAME);
        if clean == text {
            Ok(clean)
        } else {
            Err(format!("{name} `{clean}` is longer than {MAX_NAME} characters or holds invisible ones; correct it"))
        }
    }

    fn changes(&self, record: &ByteRecord, now: Timestamp, changes: &mut Vec<SessionChange>) -> Result<(), String> {
        let subscriber = self.name(record, "subscriber")?;
        if subscriber.is_empty() {
            return Err("subscriber is empty; write your own id of the line".into());
        }
        let time = |name: &str| -> Result<Option<Timestamp>, String> {
            match self.cell(record, name)? {
                "" => Ok(None),
                text => Timestamp::parse(text).map(Some).map_err(|e| format!("{name}: {e}")),
            }
        };
        let from = time("from")?.ok_or("from is empty; write when the session began")?;
        if from > now.plus(CLOCKS_APART) {
            return Err(format!(
                "from {from} lies in the future (it is {now} here): write when the session began, in UTC, or correct the \
                 clock that told it"
            ));
        }
        let to = time("to")?;
        if to.is_some_and(|to| to <= from) {
            return Err("to is not later than from; leave it empty while the session lasts".into());
        }
        let contract = self.contract(record)?;
        let contact = Contact {
            email: self.told(record, "email", contact::email)?,
            phone: self.told(record, "phone", contact::phone)?,
        };
        let number_tail = self.told(record, "number_tail", number_tail)?;
        let nas = self.name(record, "nas")?;
        let mut add = |holding| {
            let subscriber = SubscriberId(subscriber.clone());
            let (nas, contract, contact) = (nas.clone(), contract.clone(), contact.clone());
            let number_tail = number_tail.clone();
            changes.push(SessionChange { subscriber, holding, nas, from, to, contract, contact, number_tail });
        };
        match self.held(record)? {
            Held::One(holding) => add(holding),
            Held::V4(net) => net.iter().for_each(|a| add(Holding::V4(a))),
        }
        Ok(())
    }

    /// What a column says of one thing that stays where nothing is said. The cell itself is not repeated in an error: errors end
    /// up in logs.
    fn told(
        &self,
        record: &ByteRecord,
        name: &str,
        check: impl Fn(&str) -> Result<SmolStr, &'static str>,
    ) -> Result<Told, String> {
        match self.cell(record, name)? {
            "" => Ok(Told::Nothing),
            "-" => Ok(Told::Gone),
            text => check(text).map(Told::This).map_err(|why| format!("{name} {why}")),
        }
    }

    fn held(&self, record: &ByteRecord) -> Result<Held, String> {
        let place = match (self.cell(record, "address")?, self.cell(record, "prefix")?) {
            ("", "") => return Err("address is empty; write an address or a prefix".into()),
            (one, "") | ("", one) => one,
            _ => return Err("address and prefix are both given; write two lines".into()),
        };
        let shown = printable(place.as_bytes(), 60);
        let ports = match (self.cell(record, "port_from")?, self.cell(record, "port_to")?) {
            ("", "") => None,
            (from, to) => {
                let port =
                    |t: &str| t.parse::<u16>().map_err(|_| format!("`{}` is no port", printable(t.as_bytes(), 20)));
                let (from, to) = (port(from)?, port(to)?);
                if from > to {
                    return Err(format!("ports {from} to {to} run backwards; swap them"));
                }
                Some((from, to))
            }
        };
        let usable = |a: IpAddr| !(a.is_unspecified() || a.is_loopback() || a.is_multicast());
        let held = if let Ok(address) = place.parse::<IpAddr>() {
            match (address.to_canonical(), ports) {
                (a, _) if !usable(a) => return Err(format!("`{shown}` is no address of a line")),
                (IpAddr::V4(a), None) => Held::One(Holding::V4(a)),
                (IpAddr::V4(a), Some((from, to))) => Held::One(Holding::V4Ports(a, from, to)),
                (IpAddr::V6(_), Some(_)) => return Err("ports are for IPv4 only; leave them empty".into()),
                (IpAddr::V6(a), None) => Held::One(Holding::V6(wan(a))),
            }
        } else {
            let net: IpNet = place
                .parse()
                .map_err(|_| format!("`{shown}` is no address; write 198.51.100.7, 2001:db8::1 or 2001:db8:1::/56"))?;
            if ports.is_some() {
                return Err("ports go with one address, not with a network; leave them empty".into());
            }
            if !usable(net.network()) {
                return Err(format!("`{shown}` is no network of a line"));
            }
            if net.trunc() != net {
                return Err(format!("`{shown}` has host bits; write {} or the address alone", net.trunc()));
            }
            match net {
                IpNet::V4(net) if net.prefix_len() < WIDEST_V4 => {
                    return Err(format!(
                        "`{shown}` is wider than /{WIDEST_V4}: not one line's; check the prefix length"
                    ));
                }
                IpNet::V6(net) if net.prefix_len() < WIDEST_V6 => {
                    return Err(format!(
                        "`{shown}` is wider than /{WIDEST_V6}: not one line's; check the prefix length"
                    ));
                }
                IpNet::V4(net) => Held::V4(net.into()),
                IpNet::V6(net) => Held::One(Holding::V6(net)),
            }
        };
        Ok(held)
    }

    /// None when the list has no contract columns: then what is known stays.
    fn contract(&self, record: &ByteRecord) -> Result<Option<Contract>, String> {
        if ["clause", "opted_out", "language"].iter().all(|c| self.find(c).is_none()) {
            return Ok(None);
        }
        let some = |text: SmolStr| if text.is_empty() { None } else { Some(text) };
        let opted_out = match self.cell(record, "opted_out")? {
            "" | "no" | "false" | "0" => false,
            "yes" | "true" | "1" => true,
            other => return Err(format!("opted_out `{}`: write yes or no", printable(other.as_bytes(), 20))),
        };
        let language = some(self.name(record, "language")?);
        if let Some(tag) = &language
            && (tag.len() > 35 || !tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        {
            return Err(format!("language `{tag}`: write a tag such as de, en or pt-BR"));
        }
        Ok(Some(Contract { clause: some(self.name(record, "clause")?), opted_out, language }))
    }
}

/// The end of a customer number. It must come back from the store as it was.
fn number_tail(text: &str) -> Result<SmolStr, &'static str> {
    const WRONG: &str = "is longer than 16 characters or holds invisible ones: write only the end of the customer number as it \
                         stands on bills, such as 482, or - for none";
    let clean = printable(text.as_bytes(), MAX_TAIL);
    if clean != text {
        return Err(WRONG);
    }
    Ok(clean)
}

/// What one line of a list gives.
enum Held {
    One(Holding),
    V4(Hosts),
}

/// Every address of an IPv4 network, the first and last included: on a routed line all are usable.
struct Hosts(Ipv4Addr, Ipv4Addr);

impl From<ipnet::Ipv4Net> for Hosts {
    fn from(net: ipnet::Ipv4Net) -> Self {
        Self(net.network(), net.broadcast())
    }
}

impl Hosts {
    fn iter(&self) -> impl Iterator<Item = Ipv4Addr> {
        (self.0.to_bits()..=self.1.to_bits()).map(Ipv4Addr::from_bits)
    }
}

/// A single IPv6 address stands for the /64 of the line's WAN: hosts on it choose their own addresses.
fn wan(address: std::net::Ipv6Addr) -> Ipv6Net {
    Ipv6Net::new_assert(address, 64).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-02-16 12:00:00").unwrap()
    }

    fn held(text: &str) -> Result<Vec<String>, String> {
        let changes = read(text.as_bytes(), now(), |_, _| ()).map_err(|e| e.to_string())?;
        Ok(changes.iter().map(|c| format!("{} {} {}", c.subscriber, c.holding, c.nas)).collect())
    }

    #[test]
    fn addresses_port_ranges_and_prefixes_are_read_in_any_column_order() {
        let text = "from,subscriber,port_to,port_from,address,to,nas\n\
                    2026-02-15 08:00:00,A1,,,198.51.100.7,,bng1\n\
                    2026-02-15 08:00:00,A2,2047,1024,203.0.113.9,2026-02-15T20:00:00Z,cgn\n\
                    2026-02-15 08:00:00,A1,,,2001:db8:1:2:3::4,,\n\
                    2026-02-15 08:00:00,A1,,,2001:db8:7::/56,,\n\
                    2026-02-15 08:00:00,A3,,,198.51.100.8/31,,\n";
        let expected = [
            "A1 198.51.100.7 bng1",
            "A2 203.0.113.9:1024-2047 cgn",
            "A1 2001:db8:1:2::/64 ",
            "A1 2001:db8:7::/56 ",
            "A3 198.51.100.8 ",
            "A3 198.51.100.9 ",
        ];
        assert_eq!(held(text).unwrap(), expected);
    }

    #[test]
    fn a_session_that_begins_ahead_of_the_clock_is_refused_with_its_line() {
        let row = |from: &str| format!("subscriber,address,from\nA1,198.51.100.7,{from}\n");
        assert!(held(&row("2026-02-16 12:04:00")).is_ok(), "clocks differ a little");
        let refused = held(&row("2026-02-17 08:00:00")).unwrap_err();
        assert!(refused.starts_with("line 2: from 2026-02-17T08:00:00Z lies in the future"), "{refused}");
    }

    #[test]
    fn contract_facts_are_read_and_absent_columns_leave_them_alone() {
        let text =
            "subscriber,address,from,clause,opted_out,language\nA1,198.51.100.7,2026-02-15 08:00:00,2025-03,yes,de\n";
        let changes = read(text.as_bytes(), now(), |_, _| ()).unwrap();
        let contract = Contract { clause: Some("2025-03".into()), opted_out: true, language: Some("de".into()) };
        assert_eq!(changes[0].contract, Some(contract));
        let text = "subscriber,address,from\nA1,198.51.100.7,2026-02-15 08:00:00\n";
        assert_eq!(read(text.as_bytes(), now(), |_, _| ()).unwrap()[0].contract, None);
    }

    #[test]
    fn where_notices_go_is_read_and_an_empty_cell_leaves_it_alone() {
        let text = "subscriber,address,from,email,phone\n\
                    A1,198.51.100.7,2026-02-15 08:00:00,jo@mail.example,+31 20 555 0100\n\
                    A1,198.51.100.8,2026-02-15 08:00:00,,\nA2,198.51.100.9,2026-02-15 08:00:00,-,\n";
        let told = read(text.as_bytes(), now(), |_, _| ()).unwrap().into_iter().map(|c| c.contact).collect::<Vec<_>>();
        let jo = Contact { email: Told::This("jo@mail.example".into()), phone: Told::This("+31 20 555 0100".into()) };
        assert_eq!(told, [jo, Contact::default(), Contact { email: Told::Gone, phone: Told::Nothing }]);
        let wrong = "subscriber,address,from,email,phone\nA1,198.51.100.7,2026-02-15 08:00:00,jo(at)mail,\n\
                     A1,198.51.100.7,2026-02-15 08:00:00,,call me\n";
        let said = read(wrong.as_bytes(), now(), |_, _| ()).unwrap_err().to_string();
        assert!(said.starts_with("line 2: email is no address: write one as jo@mail.example, or - for none"), "{said}");
        assert!(said.contains("line 3: phone is no number"), "{said}");
        assert!(!said.contains("(at)"), "an address never gets into an error: {said}");
    }

    #[test]
    fn the_number_tail_is_read_and_an_empty_cell_or_no_column_leaves_it_alone() {
        let told = |head: &str, cell: &str| {
            let text = format!("subscriber,address,from,{head}\nA1,198.51.100.7,2026-02-15 08:00:00,{cell}\n");
            let changes = read(text.as_bytes(), now(), |_, _| ()).map_err(|e| e.to_string())?;
            Ok::<_, String>((changes[0].number_tail.clone(), changes[0].contract.is_some()))
        };
        for good in ["482", "007", "カ-12", "<b>", "Jo's \u{2026}", "0123456789abcdef"] {
            let this = (Told::This(good.trim().into()), false);
            assert_eq!(told("number_tail", &format!(" {good} ")), Ok(this), "it says nothing else of the contract");
        }
        assert_eq!(told("number_tail", ""), Ok((Told::Nothing, false)));
        assert_eq!(told("number_tail", "-"), Ok((Told::Gone, false)));
        assert_eq!(told("clause", "2025-03"), Ok((Told::Nothing, true)));
        for bad in ["0123456789abcdefg", "48\u{7}2", "4\u{202e}82", "4\u{200b}82", "\"4\n82\""] {
            let said = told("number_tail", bad).unwrap_err();
            assert!(
                said.starts_with("line 2: number_tail is longer than 16 characters or holds invisible ones"),
                "{said}"
            );
            assert!(said.contains("write only the end of the customer number"), "{said}");
            assert!(!said.contains(bad), "it never gets into an error: {said}");
        }
    }

    #[test]
    fn every_wrong_line_is_named_and_nothing_is_taken() {
        let head = "subscriber,address,port_from,port_to,from,to,opted_out\n";
        let good = "A0,198.51.100.1,,,2026-02-15 08:00:00,,\n";
        let wrong = [
            (",198.51.100.7,,,2026-02-15 08:00:00,,", "subscriber is empty"),
            ("A1,,,,2026-02-15 08:00:00,,", "address is empty"),
            ("A1,198.51.100.777,,,2026-02-15 08:00:00,,", "is no address; write"),
            ("A1,198.51.100.7/8,,,2026-02-15 08:00:00,,", "has host bits"),
            ("A1,198.0.0.0/8,,,2026-02-15 08:00:00,,", "wider than /24"),
            ("A1,2001:db8::/32,,,2026-02-15 08:00:00,,", "wider than /40"),
            ("A1,198.51.100.7,2000,1000,2026-02-15 08:00:00,,", "run backwards"),
            ("A1,198.51.100.7,2000,,2026-02-15 08:00:00,,", "is no port"),
            ("A1,198.51.100.7,,,2026-02-15T08:00:00,,", "is not a time"),
            ("A1,198.51.100.7,,,,,", "from is empty"),
            ("A1,198.51.100.7,,,2026-02-15 08:00:00,2026-02-15 07:00:00,", "not later than from"),
            ("A1,198.51.100.7,,,2026-02-15 08:00:00,,maybe", "write yes or no"),
            ("A\u{202e}1,198.51.100.7,,,2026-02-15 08:00:00,,", "invisible"),
            ("A1,127.0.0.1,,,2026-02-15 08:00:00,,", "no address of a line"),
        ];
        let text: String =
            [head, good].into_iter().map(String::from).chain(wrong.iter().map(|(l, _)| format!("{l}\n"))).collect();
        let said = held(&text).unwrap_err();
        for (i, (_, part)) in wrong.iter().enumerate() {
            let line = said.lines().nth(i).unwrap();
            assert!(line.starts_with(&format!("line {}: ", i + 3)) && line.contains(part), "{part}: {line}");
        }
        assert!(said.ends_with("nothing was taken: correct these and send the list again"));
    }

    #[test]
    fn a_header_that_is_not_ours_is_refused_with_what_was_meant() {
        for (head, part) in [
            ("subscriber,adress,from", "did you mean `address`?"),
            ("subscriber,address,from,portfrom,port_to", "did you mean `port_from`?"),
            ("subscriber,address,from,port_from", "belong together"),
            ("subscriber,from", "`address` (or `prefix`) is missing"),
            ("address,from", "`subscriber` is missing"),
            ("subscriber,subscriber,address,from", "stands twice"),
        ] {
            let said = held(&format!("{head}\n1,2,3\n")).unwrap_err();
            assert!(said.starts_with("line 1: ") && said.contains(part), "{head}: {said}");
        }
    }
}
