//! Messages as clients and attackers write them, byte by byte.

use hickory_proto::op::Message;

use super::*;

/// `www.bank.example`, A, IN, id 0x1234, RD.
fn query() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(b"\x03WwW\x04bank\x07example\0\0\x01\0\x01");
    bytes
}

fn with_opt(mut bytes: Vec<u8>, version: u8, options: &[u8]) -> Vec<u8> {
    bytes[11] = 1;
    bytes.extend_from_slice(&[0, 0, 41, 4, 208, 0, version, 0x80, 0]);
    bytes.extend_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(options);
    bytes
}

fn request(bytes: &[u8]) -> Box<Request> {
    match read(bytes) {
        Incoming::Ask(request) => request,
        other => panic!("{other:?}"),
    }
}

fn rejected(bytes: &[u8]) -> Option<Rejected> {
    match read(bytes) {
        Incoming::Reject(reply, why) => {
            assert!(reply.len() <= 3 * bytes.len());
            assert_eq!(reply[2] & 0x80, 0x80, "a rejection is an answer");
            Some(why)
        }
        _ => None,
    }
}

fn captive() -> Reply {
    Reply {
        body: Body::Addresses(vec!["192.0.2.80".parse().unwrap()], 10),
        ede: Some(Ede { code: 4, text: "line in quarantine".into() }),
        ..Reply::default()
    }
}

#[test]
fn a_message_without_a_question_asks_for_a_cookie_or_is_malformed() {
    let empty = vec![0x12, 0x34, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];
    let option = |data: &[u8]| [&[0, 10, 0, u8::try_from(data.len()).unwrap()][..], data].concat();
    let Incoming::Cookie(query) = read(&with_opt(empty.clone(), 0, &option(b"8 bytes!"))) else { panic!() };
    assert_eq!((query.client(), query.returned()), (*b"8 bytes!", None));
    let reply = query.reply(crate::cookie_query::CookieCode::BadCookie, &[7; 24]);
    assert_eq!(
        reply[..12],
        [0x12, 0x34, 0x81, 0x97, 0, 0, 0, 0, 0, 0, 0, 1],
        "BADCOOKIE is 23: 7, and 1 in the OPT record"
    );
    let read_back = Message::from_vec(&reply).unwrap();
    assert_eq!((u16::from(read_back.metadata.response_code), read_back.queries.len()), (23, 0));
    let Incoming::Cookie(query) = read(&with_opt(empty.clone(), 0, &option(&[9; 24]))) else { panic!() };
    assert_eq!((query.client(), query.returned()), ([9; 8], Some(&[9; 24][..])));
    assert_eq!(rejected(&empty), Some(Rejected::FormErr));
    assert_eq!(rejected(&with_opt(empty.clone(), 0, &[])), Some(Rejected::FormErr), "nothing is asked for");
    assert_eq!(rejected(&with_opt(empty.clone(), 0, &option(b"7 bytes"))), Some(Rejected::FormErr));
    let version = with_opt(empty, 1, &option(b"8 bytes!"));
    assert_eq!(rejected(&version), Some(Rejected::BadVers));
    let Incoming::Reject(reply, _) = read(&version) else { panic!() };
    assert_eq!(u16::from(Message::from_vec(&reply).unwrap().metadata.response_code), 16);
}

#[test]
fn a_plain_query_is_read_and_its_reply_keeps_id_case_and_flags() {
    let mut bytes = query();
    bytes[3] = 0x10;
    let request = request(&bytes);
    assert_eq!(request.question.name, Asked::Plain("www.bank.example".into()));
    let reply = request.reply(&captive(), Transport::Udp).unwrap();
    assert_eq!(reply[..12], [0x12, 0x34, 0x81, 0x90, 0, 1, 0, 1, 0, 0, 0, 0], "QR RD RA CD; no AA, no AD");
    assert_eq!(reply[12..34], bytes[12..], "the question comes back as it was asked");
    assert_eq!(reply[34..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 10, 0, 4, 192, 0, 2, 80]);
}

#[test]
fn an_edns_client_gets_an_opt_with_the_extended_error() {
    let reply = request(&with_opt(query(), 0, &[])).reply(&captive(), Transport::Udp).unwrap();
    let opt = &reply[50..];
    assert_eq!(opt[..11], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 24]);
    assert_eq!(opt[11..17], [0, 15, 0, 20, 0, 4]);
    assert_eq!(&opt[17..], b"line in quarantine");
}

#[test]
fn answers_and_scraps_meet_silence() {
    let mut answer = query();
    answer[2] |= 0x80;
    for bytes in [&answer[..], &[], &query()[..11]] {
        assert!(matches!(read(bytes), Incoming::Silence));
    }
}

#[test]
fn other_opcodes_are_not_implemented() {
    for opcode in [1u8, 2, 4, 5, 15] {
        let mut bytes = query();
        bytes[2] |= opcode << 3;
        assert_eq!(rejected(&bytes), Some(Rejected::NotImp), "{opcode}");
    }
}

#[test]
fn other_versions_of_edns_are_told_ours() {
    let bytes = with_opt(query(), 1, &[]);
    let Incoming::Reject(reply, Rejected::BadVers) = read(&bytes) else { panic!() };
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!(u16::from(reply.metadata.response_code), 16, "BADVERS shares its number with BADSIG");
    assert_eq!(reply.edns.unwrap().version(), 0);
}

#[test]
fn malformed_messages_are_format_errors() {
    let counted = |at: usize, n: u8| {
        let mut bytes = query();
        bytes[at] = n;
        bytes
    };
    let named = |name: &[u8]| {
        let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[0, 1, 0, 1]);
        bytes
    };
    let huge: Vec<u8> = std::iter::repeat_n(b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 5)
        .flatten()
        .copied()
        .chain([0])
        .collect();
    let twice = {
        let mut bytes = with_opt(with_opt(query(), 0, &[]), 0, &[]);
        bytes[11] = 2;
        bytes
    };
    let cases: [(&str, Vec<u8>); 16] = [
        ("no question", counted(5, 0)),
        ("two questions", counted(5, 2)),
        ("65,535 questions", {
            let mut b = query();
            b[4..6].fill(255);
            b
        }),
        ("an answer section", counted(7, 1)),
        ("an authority section", counted(9, 1)),
        ("an OPT that is not there", counted(11, 1)),
        ("two OPTs", twice),
        ("bytes left over", [query(), vec![0]].concat()),
        ("cut within the name", query()[..20].to_vec()),
        ("a pointer to itself", named(&[0xc0, 12])),
        ("two pointers to each other", named(&[0xc0, 14, 0xc0, 12])),
        ("a pointer forward", named(&[0xc0, 200])),
        ("a name of 320 bytes", named(&huge)),
        ("a hundred options", with_opt(query(), 0, &[0, 99, 0, 0].repeat(100))),
        ("an option longer than its record", with_opt(query(), 0, &[0, 10, 0, 9, 1])),
        ("2,000 bytes", with_opt(query(), 0, &[&[0, 12, 7, 0xd0][..], &[0; 2000]].concat())),
    ];
    for (what, bytes) in cases {
        assert_eq!(rejected(&bytes), Some(Rejected::FormErr), "{what}");
    }
}

#[test]
fn a_malformed_cookie_is_a_format_error_and_the_first_of_two_counts() {
    let cookie = |size: u8, fill: u8| [&[0, 10, 0, size][..], &vec![fill; size.into()]].concat();
    for size in [0, 1, 7, 9, 15, 41] {
        assert_eq!(rejected(&with_opt(query(), 0, &cookie(size, 1))), Some(Rejected::FormErr), "{size}");
    }
    let two = [cookie(8, 1), cookie(24, 2)].concat();
    assert_eq!(request(&with_opt(query(), 0, &two)).client_cookie(), Some([1; 8]));
}

#[test]
fn a_cookie_is_answered_beside_the_extended_error() {
    let mut request = request(&with_opt(query(), 0, &[&[0, 10, 0, 8][..], &[1; 8]].concat()));
    request.cookie = Some([7; 24]);
    let reply = Message::from_vec(&request.reply(&captive(), Transport::Udp).unwrap()).unwrap();
    let codes: Vec<u16> = reply.edns.unwrap().options().as_ref().iter().map(|(code, _)| u16::from(*code)).collect();
    assert_eq!(codes, [10, 15]);
}

#[test]
fn sixteen_options_are_read_and_ignored() {
    request(&with_opt(query(), 0, &[0, 99, 0, 0].repeat(16)));
}

#[test]
fn an_answer_over_udp_beyond_three_times_the_query_is_cut_and_over_tcp_it_is_whole() {
    let request = request(&query());
    let many = (0..9).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    let reply = Reply { body: Body::Addresses(many, 60), ..Reply::default() };
    let cut = request.reply(&reply, Transport::Udp).unwrap();
    assert_eq!((cut.len(), cut[2] & 2), (query().len(), 2), "question alone, TC set");
    let whole = Message::from_vec(&request.reply(&reply, Transport::Tcp).unwrap()).unwrap();
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (9, false));
}

#[test]
fn the_extended_errors_text_goes_before_the_answer_does() {
    // The root with OPT is 28 bytes: 84 hold a negative answer with the code of the error, not its text.
    let root = with_opt([&query()[..12], &[0, 0, 28, 0, 1][..]].concat(), 0, &[]);
    let reply = Reply { body: Body::Negative(10), ..captive() };
    let bytes = request(&root).reply(&reply, Transport::Udp).unwrap();
    assert!(bytes.len() <= 84, "{}", bytes.len());
    assert_eq!(bytes[2] & 2, 0);
    assert_eq!(bytes[bytes.len() - 6..], [0, 15, 0, 2, 0, 4]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_reply_larger_than_three_times_themselves(
        mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        shape in proptest::bool::ANY,
    ) {
        if shape && bytes.len() >= 12 {
            let opt = bytes[11] & 1;
            bytes[2..12].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, opt]);
        }
        match read(&bytes) {
            Incoming::Silence => {}
            Incoming::Cookie(query) => {
                let reply = query.reply(crate::cookie_query::CookieCode::BadCookie, &[1; 24]);
                proptest::prop_assert!(reply.len() <= 3 * bytes.len());
            }
            Incoming::Reject(reply, _) => proptest::prop_assert!(reply.len() <= 3 * bytes.len()),
            Incoming::Ask(request) => {
                for body in [captive().body, Body::Negative(10), Body::AnyHint(10), Body::Nothing] {
                    if let Some(reply) = request.reply(&Reply { body, ..captive() }, Transport::Udp) {
                        proptest::prop_assert!(reply.len() <= 3 * bytes.len());
                        proptest::prop_assert!(Message::from_vec(&reply).is_ok());
                    }
                }
            }
        }
    }
}
