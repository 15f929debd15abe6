//! What reports come wrapped in: gzip, zip, and mails with attachments, also one in another. Each file inside becomes a
//! member of its own, in a file of the spool that vanishes when it is closed; a bad one costs only itself.
//!
//! Everything is bounded, whatever the archive says of itself: members, depth, bytes unpacked, and how much larger than its
//! packed form a member may become.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use pratique_core::ids::TextRef;
use sha2::Digest as _;

use super::{FeedError, MAX_FILE_BYTES, file_name, printable};

/// A zip in a mail in a mail is the deepest that people send.
const MAX_DEPTH: u32 = 3;

/// More files than a publisher has report types, twice.
const MAX_MEMBERS: u32 = 400;

/// All members together, unpacked: as much as one file may have.
const MAX_UNPACKED: u64 = MAX_FILE_BYTES;

/// A member may be so many times as large as its packed form. Reports shrink to a tenth, very uniform ones to a hundredth;
/// what explodes, to a thousandth.
const MAX_RATIO: u64 = 250;

/// Below this size the ratio says nothing: a small file of equal rows may shrink to nearly nothing.
const HARMLESS_BYTES: u64 = 16 << 20;

/// A mail is parsed in memory; mail systems stop far below this.
const MAX_MAIL_BYTES: u64 = 64 << 20;

/// So much of a zip is read to find its list of members, which is then in memory.
const MAX_DIRECTORY_BYTES: u64 = 4 << 20;

/// Enough to know what something is.
const SNIFF: usize = 512;

/// A file inside.
#[derive(Debug)]
pub struct Member {
    /// Its own name, without folders.
    pub name: String,
    /// Its content, from the beginning.
    pub file: File,
    /// SHA-256 of the content.
    pub content: TextRef,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A file inside that cannot be read.
#[derive(Debug)]
pub struct BadMember {
    /// Its own name.
    pub name: String,
    /// Why.
    pub why: FeedError,
}

/// What is read, and gone back in.
pub trait Body: Read + Seek {}
impl<T: Read + Seek> Body for T {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapping {
    Gzip,
    Zip,
    Mail,
}

/// Hands over what is inside; false if the file is no wrapping, which is then at its beginning again.
///
/// # Errors
/// When nothing inside can be reached.
pub fn unwrap(
    name: &str,
    body: &mut dyn Body,
    spool: &Path,
    each: &mut dyn FnMut(Result<Member, BadMember>),
) -> Result<bool, FeedError> {
    let Some(wrapping) = sniff(name, body)? else { return Ok(false) };
    let mut unwrapping = Unwrapping { spool: spool.to_path_buf(), members: 0, left: MAX_UNPACKED, found: 0, each };
    unwrapping.open(name, wrapping, body, 1)?;
    if unwrapping.found == 0 {
        let what = match wrapping {
            Wrapping::Mail => "the mail has no report attached",
            Wrapping::Gzip | Wrapping::Zip => "the archive is empty",
        };
        return Err(FeedError::Archive(what.into()));
    }
    Ok(true)
}

struct Unwrapping<'a> {
    spool: PathBuf,
    members: u32,
    /// Bytes that may still be unpacked.
    left: u64,
    found: u32,
    each: &'a mut dyn FnMut(Result<Member, BadMember>),
}

impl Unwrapping<'_> {
    fn open(&mut self, name: &str, wrapping: Wrapping, body: &mut dyn Body, depth: u32) -> Result<(), FeedError> {
        if depth > MAX_DEPTH {
            let what = format!("archives within archives, more than {MAX_DEPTH} deep: unpack it first");
            return Err(FeedError::Archive(what));
        }
        match wrapping {
            Wrapping::Gzip => self.gzip(name, body, depth),
            Wrapping::Zip => self.zip(body, depth),
            Wrapping::Mail => self.mail(body, depth),
        }
    }

    fn gzip(&mut self, name: &str, body: &mut dyn Body, depth: u32) -> Result<(), FeedError> {
        let packed = body.seek(SeekFrom::End(0)).and_then(|n| body.rewind().map(|()| n)).map_err(unread)?;
        let mut decoder = MultiGzDecoder::new(body);
        let inner = decoder.header().and_then(|h| h.filename()).map(|n| String::from_utf8_lossy(n).into_owned());
        let stripped = name.rfind(".gz").or_else(|| name.rfind(".GZ")).and_then(|at| name.get(..at));
        let own = stripped.unwrap_or(name);
        let named = inner.filter(|inner| file_name::parse(own).is_err() && file_name::parse(inner).is_ok());
        self.member(&named.unwrap_or_else(|| own.to_owned()), &mut decoder, packed, depth)
    }

    fn zip(&mut self, body: &mut dyn Body, depth: u32) -> Result<(), FeedError> {
        let mut metered = Metered { inner: body, left: Some(MAX_DIRECTORY_BYTES) };
        let read = zip::ZipArchive::new(&mut metered);
        let archive =
            read.map_err(|e| FeedError::Archive(format!("the zip file is damaged or cut off ({e}); fetch it again")))?;
        let count = archive.len();
        // Known to be bounded now; members are bounded each.
        let names: Vec<String> =
            archive.file_names().map(|n| n.map_or_else(|_| "?".into(), |n| n.into_owned())).collect();
        drop(archive);
        metered.left = None;
        let mut archive = zip::ZipArchive::new(&mut metered)
            .map_err(|e| FeedError::Archive(format!("the zip file is damaged ({e}); fetch it again")))?;
        for (at, name) in (0..count).zip(names) {
            let own = own_name(&name);
            if name.ends_with('/') || own.starts_with('.') || name.starts_with("__MACOSX") || own.is_empty() {
                continue;
            }
            let done = match archive.by_index(at) {
                Ok(mut file) => {
                    let packed = file.compressed_size();
                    self.member(&own, &mut file, packed, depth)
                }
                Err(e) => Err(FeedError::Archive(format!("cannot be unpacked ({e})"))),
            };
            self.carry_on(own, done)?;
        }
        Ok(())
    }

    fn mail(&mut self, body: &mut dyn Body, depth: u32) -> Result<(), FeedError> {
        let mut raw = Vec::new();
        body.take(MAX_MAIL_BYTES + 1).read_to_end(&mut raw).map_err(unread)?;
        if raw.len() as u64 > MAX_MAIL_BYTES {
            return Err(FeedError::Archive(format!("the mail is larger than {MAX_MAIL_BYTES} bytes")));
        }
        let message = MessageParser::default().parse(&raw);
        let message = message.ok_or_else(|| FeedError::Archive("this is no mail that can be read".into()))?;
        self.attachments(&message, depth)
    }

    fn attachments(&mut self, message: &Message<'_>, depth: u32) -> Result<(), FeedError> {
        for (i, part) in message.attachments().enumerate() {
            if let PartType::Message(inner) = &part.body {
                let done = if depth < MAX_DEPTH {
                    self.attachments(inner, depth + 1)
                } else {
                    Err(FeedError::Archive(format!("mails within mails, more than {MAX_DEPTH} deep")))
                };
                self.carry_on(format!("attachment {}", i + 1), done)?;
                continue;
            }
            let named = part.attachment_name().map(own_name);
            let kind = part.content_type().map(|t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()));
            let contents = part.contents();
            if !may_be_report(named.as_deref(), kind.as_deref(), contents) {
                continue;
            }
            let name = named.unwrap_or_else(|| format!("attachment-{}", i + 1));
            let done = self.member(&name, &mut Cursor::new(contents), contents.len() as u64, depth);
            self.carry_on(name, done)?;
        }
        Ok(())
    }

    /// A member that fails costs itself; what ends the whole file is handed on.
    fn carry_on(&mut self, name: String, done: Result<(), FeedError>) -> Result<(), FeedError> {
        match done {
            Err(why @ (FeedError::TooLarge | FeedError::TooManyMembers)) => Err(why),
            Err(why) => {
                self.found += 1;
                (self.each)(Err(BadMember { name, why }));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Unpacks one member, and what is in it if it is a wrapping itself.
    fn member(&mut self, name: &str, packed: &mut dyn Read, size: u64, depth: u32) -> Result<(), FeedError> {
        self.members += 1;
        if self.members > MAX_MEMBERS {
            return Err(FeedError::TooManyMembers);
        }
        let mut member = self.spooled(own_name(name), packed, size)?;
        match sniff(&member.name, &mut member.file)? {
            Some(wrapping) => self.open(&member.name, wrapping, &mut member.file, depth + 1),
            None => {
                self.found += 1;
                (self.each)(Ok(member));
                Ok(())
            }
        }
    }

    fn spooled(&mut self, name: String, packed: &mut dyn Read, size: u64) -> Result<Member, FeedError> {
        let no_room = |e: io::Error| FeedError::Io(format!("no room to unpack it: {e}"));
        let mut file = tempfile::tempfile_in(&self.spool).map_err(no_room)?;
        let mut hash = sha2::Sha256::new();
        let (mut buffer, mut bytes) = (vec![0; 64 * 1024], 0_u64);
        loop {
            let read = packed.read(&mut buffer).map_err(|e| {
                FeedError::Archive(format!("damaged or cut off while it was unpacked ({e}); fetch it again"))
            })?;
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
            bytes = bytes.saturating_add(read as u64);
            self.left = self.left.checked_sub(read as u64).ok_or(FeedError::TooLarge)?;
            if bytes > HARMLESS_BYTES && bytes > size.saturating_mul(MAX_RATIO) {
                let what = format!("more than {MAX_RATIO} times as large as its packed form: no report is like that");
                return Err(FeedError::Archive(what));
            }
            hash.update(part);
            file.write_all(part).map_err(no_room)?;
        }
        file.rewind().map_err(no_room)?;
        Ok(Member { name, file, content: TextRef(hash.finalize().into()), bytes })
    }
}

/// Fails when more is read than it may.
struct Metered<R> {
    inner: R,
    left: Option<u64>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(n as u64).ok_or_else(|| io::Error::other("its list of files is too long"))?;
        }
        Ok(n)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// What a file is wrapped in, by its first bytes; of a mail also by its name. Leaves it at its beginning.
fn sniff(name: &str, body: &mut dyn Body) -> Result<Option<Wrapping>, FeedError> {
    let mut head = Vec::with_capacity(SNIFF);
    body.rewind().map_err(unread)?;
    (&mut *body).take(SNIFF as u64).read_to_end(&mut head).map_err(unread)?;
    body.rewind().map_err(unread)?;
    Ok(if head.starts_with(b"\x1f\x8b") {
        Some(Wrapping::Gzip)
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Some(Wrapping::Zip)
    } else {
        (name.to_ascii_lowercase().ends_with(".eml") || begins_a_mail(&head)).then_some(Wrapping::Mail)
    })
}

/// The first line is a field that mails begin with (RFC 5322), which no header of a report looks like.
fn begins_a_mail(head: &[u8]) -> bool {
    const FIELDS: [&str; 11] = [
        "received",
        "return-path",
        "delivered-to",
        "from",
        "to",
        "date",
        "subject",
        "message-id",
        "mime-version",
        "dkim-signature",
        "content-type",
    ];
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let mbox = line.starts_with(b"From ") && line.contains(&b'@');
    let field = line.split(|b| *b == b':').next().filter(|field| field.len() < line.len()).unwrap_or_default();
    let field = String::from_utf8_lossy(field).to_ascii_lowercase();
    mbox || FIELDS.contains(&field.as_str()) || (field.starts_with("x-") && !field.contains([',', ' ']))
}

/// Signatures, logos and the mail's own text are no reports.
fn may_be_report(name: Option<&str>, kind: Option<&str>, contents: &[u8]) -> bool {
    let named = name.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        file_name::parse(&name).is_ok() || file_name::archive(&name).is_some() || name.contains(".csv")
    });
    let packed = contents.starts_with(b"\x1f\x8b") || contents.starts_with(b"PK\x03\x04");
    let csv = kind.is_some_and(|k| k.eq_ignore_ascii_case("text/csv") || k.eq_ignore_ascii_case("application/csv"));
    let eml = name.is_some_and(|name| name.to_ascii_lowercase().ends_with(".eml"));
    named || packed || csv || eml
}

/// A name without folders, printable.
fn own_name(name: &str) -> String {
    printable(name.rsplit(['/', '\\']).next().unwrap_or(name).trim().as_bytes(), 200).into()
}

fn unread(e: io::Error) -> FeedError {
    FeedError::Io(e.to_string())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use zip::write::SimpleFileOptions;

    use super::*;

    const NAME: &str = "2026-02-15-scan_dns-sample-asn.csv";
    const CSV: &[u8] = b"timestamp,ip\n2026-02-15 14:19:09,198.51.100.7\n";

    fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        for (name, content) in members {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn gzipped(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn mailed(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
        let mut mail = String::from(
            "From: reports@feed.example\r\nTo: abuse@isp.example\r\nSubject: report\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nyour report\r\n",
        );
        for (name, kind, content) in parts {
            let text: String = content
                .iter()
                .map(|b| format!("={b:02X}"))
                .collect::<Vec<_>>()
                .chunks(20)
                .map(|c| c.concat() + "=\r\n")
                .collect();
            mail.push_str(&format!(
                "--b\r\nContent-Type: {kind}; name=\"{name}\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{text}\r\n"
            ));
        }
        mail.push_str("--b--\r\n");
        mail.into_bytes()
    }

    /// One line per member, or why there is none.
    fn inside(name: &str, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let spool = tempfile::tempdir().unwrap();
        let done = unwrap(name, &mut Cursor::new(bytes), spool.path(), &mut |member| {
            found.push(match member {
                Ok(mut member) => {
                    let mut text = Vec::new();
                    member.file.read_to_end(&mut text).unwrap();
                    assert_eq!(member.bytes, text.len() as u64);
                    format!("{} {}", member.name, if text == CSV { "whole" } else { "other" })
                }
                Err(bad) => format!("{}: {}", bad.name, bad.why),
            });
        });
        match done {
            Ok(true) => {}
            Ok(false) => found.push("no wrapping".into()),
            Err(e) => found.push(e.to_string()),
        }
        found
    }

    #[test]
    fn reports_come_out_of_everything_they_are_wrapped_in() {
        let whole = vec![format!("{NAME} whole")];
        let zip = zipped(&[(NAME, CSV)]);
        let gz = gzipped(CSV);
        assert_eq!(inside(&format!("{NAME}.zip"), &zip), whole);
        assert_eq!(inside(NAME, &zip), whole, "a zip without its ending");
        assert_eq!(inside(&format!("{NAME}.gz"), &gz), whole);
        let mail = mailed(&[(&format!("{NAME}.zip"), "application/zip", &zip), ("logo.png", "image/png", b"\x89PNG")]);
        assert_eq!(inside("mail.eml", &mail), whole);
        assert_eq!(inside("1739.M2", &mail), whole, "a mail by its first line");
        assert_eq!(inside("mail.eml", &mailed(&[(NAME, "text/csv", CSV)])), whole);
        assert_eq!(inside("all.zip", &zipped(&[(&format!("feb/{NAME}.gz"), &gz)])), whole);
        assert_eq!(inside(NAME, CSV), ["no wrapping"]);
    }

    #[test]
    fn a_bad_member_costs_itself() {
        let good = gzipped(CSV);
        let cut = &good[..good.len() - 6];
        let bundle = zipped(&[("a.csv.gz", cut), ("__MACOSX/x", b"x"), (".hidden", b"x"), (NAME, CSV)]);
        let found = inside("all.zip", &bundle);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.csv.gz: damaged or cut off"), "{found:?}");
        assert_eq!(found[1], format!("{NAME} whole"));
        assert_eq!(inside("mail.eml", &mailed(&[])), ["the mail has no report attached"]);
        assert_eq!(inside("x.zip", &zipped(&[])), ["the archive is empty"]);
        let zip = zipped(&[(NAME, CSV)]);
        let said = inside("x.zip", &zip[..zip.len() / 2]);
        assert!(said[0].contains("damaged or cut off"), "{said:?}");
    }

    #[test]
    fn what_explodes_is_stopped() {
        let zeros = vec![b'0'; 40 << 20];
        let said = inside("x.zip", &zipped(&[(NAME, &zeros), ("b.csv", CSV)]));
        assert!(said[0].contains("more than 250 times") && said[1] == "b.csv whole", "{said:?}");
        assert!(inside("x.csv.gz", &gzipped(&zeros))[0].contains("more than 250 times"));
        let mut nested = gzipped(CSV);
        for _ in 0..4 {
            nested = gzipped(&nested);
        }
        assert!(inside("x.gz", &nested)[0].contains("more than 3 deep"));
        let names: Vec<String> = (0..500).map(|n| format!("{n}.csv")).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), CSV)).collect();
        let found = inside("x.zip", &zipped(&many));
        assert_eq!(found.len(), 401);
        assert_eq!(found[400], FeedError::TooManyMembers.to_string());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_members_or_words(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            magic in 0usize..4, cut in 0usize..600, flip in proptest::prelude::any::<(u16, u8)>(),
        ) {
            let mut bytes = match magic {
                0 => bytes,
                1 => zipped(&[(NAME, CSV), ("b", &bytes)]),
                2 => gzipped(&bytes),
                _ => mailed(&[(NAME, "text/csv", &bytes)]),
            };
            bytes.truncate(cut);
            let at = usize::from(flip.0) % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flip.1;
            }
            proptest::prop_assert!(!inside("x.eml", &bytes).is_empty());
        }
    }
}
