//! From the name asked along its aliases to addresses, and which records of an answer belong to that. PURE. Between
//! `servers`, which has the answer, and the wall.
//!
//! An upstream may be wrong, or lied to: records of other owners are never used and never passed on, addresses that point
//! inwards neither. What is left of a set that lost a member has no valid signature any more, so that goes as well.

use std::net::IpAddr;

use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::networks::Inward;

/// Aliases followed; real chains have up to five.
pub(super) const MAX_CHAIN: usize = 8;
/// Addresses used of one answer: each one is a hole in the wall.
const MAX_ADDRESSES: usize = 16;

const DNAME: u16 = 39;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const NSEC3: u16 = 50;

/// The way from a name to its addresses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chain<'r> {
    /// The name asked, each alias on the way, and where it ends.
    pub(super) names: Vec<&'r Name>,
    /// The last name has addresses.
    pub(super) arrives: bool,
}

impl<'r> Chain<'r> {
    /// Follows it, whatever the order of the records. None when it runs in a circle or is longer than any real one.
    pub(super) fn follow(asked: &'r Name, kind: RecordType, records: &'r [Record]) -> Option<Self> {
        let mut names = vec![asked];
        for _ in 0..=MAX_CHAIN {
            let at = names.last()?;
            let own = || records.iter().filter(|r| r.name == **at);
            if own().any(|r| r.record_type() == kind) {
                return Some(Self { names, arrives: true });
            }
            let alias = own().find_map(|r| match &r.data {
                RData::CNAME(target) => Some(&target.0),
                _ => None,
            });
            match alias {
                Some(target) => names.push(target),
                None => return Some(Self { names, arrives: false }),
            }
        }
        None
    }

    fn has(&self, name: &Name) -> bool {
        self.names.iter().any(|known| **known == *name)
    }

    fn is_above(&self, name: &Name) -> bool {
        self.names.iter().any(|known| name.zone_of(known))
    }
}

/// What the records of the type asked for are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Addresses to be opened: some may not be.
    Opening,
    /// To be passed on as they are, and nothing is opened: proofs for who validates.
    Proving,
}

/// What of an answer may be used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sifted {
    /// Addresses that may be opened, each once.
    pub(super) addresses: Vec<IpAddr>,
    /// Those that point inwards, each once, with the reason; no more than addresses are used of one answer.
    pub(super) inward: Vec<(IpAddr, Inward)>,
    /// How many do.
    pub(super) stripped: usize,
    /// Records of the answer section to pass on.
    pub(super) answers: Vec<Record>,
    /// Records of the authority section to pass on: proof that something is not there.
    pub(super) authorities: Vec<Record>,
    /// All of both sections is.
    pub(super) unaltered: bool,
}

impl Sifted {
    /// Sifts the sections of an answer for questions of type `kind`. Of a proof no record is left out, and its addresses, where it
    /// has any, are those it names.
    pub(super) fn new(
        chain: &Chain<'_>,
        (kind, purpose): (RecordType, Purpose),
        answers: &[Record],
        authorities: &[Record],
        judge: impl Fn(IpAddr) -> Result<(), Inward>,
    ) -> Self {
        let mut sifted = Self::default();
        let end = chain.names.last().copied();
        let at_the_end = |r: &Record| chain.arrives && end.is_some_and(|end| r.name == *end);
        let mut lost = false;
        for record in answers.iter().filter(|r| at_the_end(r)) {
            let Some(address) = address(record).filter(|_| record.record_type() == kind) else { continue };
            if let (Purpose::Opening, Err(why)) = (purpose, judge(address)) {
                (sifted.stripped, lost) = (sifted.stripped + 1, true);
                if sifted.inward.len() < MAX_ADDRESSES && !sifted.inward.contains(&(address, why)) {
                    sifted.inward.push((address, why));
                }
            } else if !sifted.addresses.contains(&address) {
                if sifted.addresses.len() < MAX_ADDRESSES || purpose == Purpose::Proving {
                    sifted.addresses.push(address);
                } else {
                    lost = true;
                }
            }
        }
        let belongs = |r: &&Record| match (covered(r), r.record_type()) {
            (Some(signed), _) if at_the_end(r) && signed == u16::from(kind) => !lost,
            (None, own) if own == kind && purpose == Purpose::Proving => at_the_end(r),
            (None, own) if own == kind => at_the_end(r) && address(r).is_some_and(|a| sifted.addresses.contains(&a)),
            // An alias that a DNAME makes is not signed itself (RFC 6672 section 5.3.1).
            (signed, own) if signed.unwrap_or(own.into()) == DNAME => chain.is_above(&r.name),
            (signed, own) => signed.unwrap_or(own.into()) == u16::from(RecordType::CNAME) && chain.has(&r.name),
        };
        sifted.answers = answers.iter().filter(belongs).cloned().collect();
        let proves = |r: &&Record| match covered(r).unwrap_or(r.record_type().into()) {
            NSEC | NSEC3 => true,
            other => other == u16::from(RecordType::SOA) && chain.is_above(&r.name),
        };
        sifted.authorities = authorities.iter().filter(proves).cloned().collect();
        sifted.unaltered = sifted.answers.len() == answers.len() && sifted.authorities.len() == authorities.len();
        sifted
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(a) => Some(a.0.into()),
        RData::AAAA(a) => Some(a.0.into()),
        _ => None,
    }
}

/// The type that a signature covers (RFC 4034 section 3.1).
fn covered(record: &Record) -> Option<u16> {
    match &record.data {
        RData::Unknown { code, rdata } if u16::from(*code) == RRSIG => {
            rdata.anything.first_chunk().map(|kind| u16::from_be_bytes(*kind))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, NULL};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn a(owner: &str, address: &str) -> Record {
        Record::from_rdata(name(owner), 300, RData::A(A(address.parse().unwrap())))
    }

    fn cname(owner: &str, target: &str) -> Record {
        Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
    }

    fn raw(owner: &str, code: u16, data: &[u8]) -> Record {
        let rdata = NULL::with(data.to_vec());
        Record::from_rdata(name(owner), 300, RData::Unknown { code: RecordType::from(code), rdata })
    }

    fn signature(owner: &str, covered: u16) -> Record {
        raw(owner, RRSIG, &[&covered.to_be_bytes()[..], &[8; 20]].concat())
    }

    /// What is used and passed on, as `owner type`.
    fn sift(asked: &str, answers: &[Record], authorities: &[Record]) -> (Vec<String>, Vec<String>, Sifted) {
        let asked = name(asked);
        let chain = Chain::follow(&asked, RecordType::A, answers).unwrap();
        let sifted = Sifted::new(&chain, (RecordType::A, Purpose::Opening), answers, authorities, |a| {
            if a == IpAddr::from([127, 0, 0, 1]) { Err(Inward::Denied) } else { Ok(()) }
        });
        let words = |r: &Record| match covered(r) {
            Some(kind) => format!("{} signature of {kind}", r.name),
            None => format!("{} {}", r.name, u16::from(r.record_type())),
        };
        let used = sifted.addresses.iter().map(ToString::to_string).collect();
        (used, sifted.answers.iter().chain(&sifted.authorities).map(words).collect(), sifted)
    }

    #[test]
    fn the_chain_is_walked_in_any_order_and_foreign_records_are_left() {
        let records = [
            a("evil.example.", "192.0.2.66"),
            a("c.cdn.example.", "192.0.2.1"),
            cname("B.cdn.example.", "c.cdn.example."),
            signature("evil.example.", 1),
            cname("www.vendor.example.", "b.cdn.example."),
            a("c.cdn.example.", "192.0.2.1"),
        ];
        let (used, passed, sifted) = sift("www.vendor.example.", &records, &[]);
        assert_eq!(used, ["192.0.2.1"]);
        assert_eq!(
            passed,
            ["c.cdn.example. 1", "B.cdn.example. 5", "www.vendor.example. 5", "c.cdn.example. 1"],
            "in their order"
        );
        assert!(!sifted.unaltered);
        let asked = name("www.vendor.example.");
        let chain = Chain::follow(&asked, RecordType::AAAA, &records).unwrap();
        assert_eq!((chain.names.len(), chain.arrives), (3, false));
    }

    #[test]
    fn a_circle_of_aliases_is_no_chain() {
        let records = [cname("a.example.", "b.example."), cname("b.example.", "a.example.")];
        assert_eq!(Chain::follow(&name("a.example."), RecordType::A, &records), None);
    }

    #[test]
    fn signatures_of_the_chain_and_proofs_pass() {
        let answers = [
            raw("example.", DNAME, b"\x03new\0"),
            signature("example.", DNAME),
            cname("www.example.", "www.new."),
            signature("www.example.", 5),
            a("www.new.", "192.0.2.1"),
            signature("www.new.", 1),
        ];
        let proof = [raw("v.new.", NSEC, b"\0"), signature("v.new.", NSEC), raw("h.new.", NSEC3, b"\0")];
        let (_, passed, sifted) = sift("www.example.", &answers, &proof);
        assert_eq!(passed.len(), 9, "{passed:?}");
        assert!(sifted.unaltered);
    }

    #[test]
    fn a_set_that_loses_a_member_loses_its_signature_too() {
        let answers = [
            a("www.example.", "192.0.2.1"),
            a("www.example.", "127.0.0.1"),
            signature("www.example.", 1),
            signature("www.example.", 5),
        ];
        let (used, passed, sifted) = sift("www.example.", &answers, &[]);
        assert_eq!((used, sifted.stripped, sifted.unaltered), (vec!["192.0.2.1".into()], 1, false));
        assert_eq!(passed, ["www.example. 1", "www.example. signature of 5"]);
        let many: Vec<_> = (1..=40).map(|n| a("www.example.", &format!("192.0.2.{n}"))).collect();
        let (used, passed, _) = sift("www.example.", &many, &[]);
        assert_eq!((used.len(), passed.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
    }

    #[test]
    fn a_proof_passes_whole_without_the_records_of_others() {
        const DS: u16 = 43;
        let answers = [
            raw("vendor.example.", DS, b"\x12\x34\x0d\x02digest"),
            signature("vendor.example.", DS),
            raw("bank.example.", DS, b"\x12\x34\x0d\x02digest"),
            signature("bank.example.", DS),
            a("vendor.example.", "192.0.2.66"),
        ];
        let asked = name("vendor.example.");
        let chain = Chain::follow(&asked, RecordType::DS, &answers).unwrap();
        let proof = Sifted::new(&chain, (RecordType::DS, Purpose::Proving), &answers, &[], |_| Ok(()));
        assert_eq!(proof.answers, answers[..2]);
        assert!(proof.addresses.is_empty() && !proof.unaltered);
        // Where the portal is, is no secret, wherever that points.
        let inwards = [a("vendor.example.", "127.0.0.1"), signature("vendor.example.", 1)];
        let chain = Chain::follow(&asked, RecordType::A, &inwards).unwrap();
        let told = Sifted::new(&chain, (RecordType::A, Purpose::Proving), &inwards, &[], |_| Err(Inward::Denied));
        assert_eq!((told.answers.len(), told.stripped, told.addresses), (2, 0, vec![[127, 0, 0, 1].into()]));
    }

    #[test]
    fn delegations_and_other_zones_are_no_proof() {
        let soa = |owner: &str| {
            let data = hickory_proto::rr::rdata::SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 1);
            Record::from_rdata(name(owner), 60, RData::SOA(data))
        };
        let authorities = [
            soa("example."),
            soa("bank.test."),
            Record::from_rdata(name("example."), 60, RData::NS(hickory_proto::rr::rdata::NS(name("ns.test.")))),
        ];
        let (_, passed, _) = sift("www.example.", &[], &authorities);
        assert_eq!(passed, ["example. 6"]);
    }
}
