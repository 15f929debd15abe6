//! Session lists as files.

use pratique_core::lines::{Contact, Told};

use pratique_policy::zone::Zone;

use super::*;

fn now() -> Timestamp {
    Timestamp::parse("2026-02-16 12:00:00").unwrap()
}

fn list(text: &str) -> List {
    read(text.as_bytes(), Some(Zone::named("UTC").unwrap()), now(), |_, _| ()).unwrap()
}

fn held(text: &str) -> Vec<String> {
    list(text).changes.iter().map(|c| format!("{} {} {}", c.subscriber, c.holding, c.nas)).collect()
}

/// What rows say of records, in their order.
fn told(head: &str, cells: &[&str]) -> (Vec<RecordTold>, List) {
    let rows = cells.iter().enumerate();
    let rows: String = rows.map(|(i, c)| format!("A1,198.51.100.{i},2026-02-15 08:00:00,{c}\n")).collect();
    let list = list(&format!("subscriber,address,from,{head}\n{rows}"));
    let told = list.changes.iter().map(|c| c.told.as_deref().cloned().unwrap_or_default()).collect();
    (told, list)
}

fn refusals(list: &List) -> Vec<String> {
    list.refused.first.iter().map(|r| format!("{} {}: {}", r.line, r.reason, r.what)).collect()
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
    assert_eq!(held(text), expected);
}

#[test]
fn a_session_that_begins_ahead_of_the_clock_is_refused_alone_and_asks_for_the_zone() {
    let head = "subscriber,address,from\n";
    let list = list(&format!("{head}A1,198.51.100.7,2026-02-16 12:04:00\nA2,198.51.100.8,2026-02-17 08:00:00\n"));
    assert_eq!(list.changes.len(), 1, "clocks differ a little");
    let said = refusals(&list);
    assert!(said[0].starts_with("3 future: from 2026-02-17T08:00:00Z lies in the future"), "{said:?}");
    assert!(said[0].contains("is it a local time? Say --time-zone"), "{said:?}");
}

#[test]
fn an_empty_cell_or_no_column_says_nothing_and_a_dash_says_that_there_is_none() {
    let this = |text: &str| Told::This(SmolStr::new(text));
    let (said, _) = told(
        "clause,opted_out,language,number_tail,email,phone",
        &["2025-03,yes,de,482,jo@mail.example,+31 20 555 0100"],
    );
    let contact = Contact { email: this("jo@mail.example"), phone: this("+31 20 555 0100") };
    let opted_out = Told::This(true);
    let all =
        RecordTold { clause: this("2025-03"), opted_out, language: this("de"), number_tail: this("482"), contact };
    assert_eq!(said, [all]);
    for empty in [",,,,,", "NULL,<nil>,\\N,,,", " , , , , , ", ""] {
        assert_eq!(
            told("clause,opted_out,language,number_tail,email,phone", &[empty]).0,
            [RecordTold::default()],
            "{empty}"
        );
    }
    let (said, _) = told("clause,opted_out,language,number_tail,email,phone", &["-,-,-,-,-,-"]);
    let contact = Contact { email: Told::Gone, phone: Told::Gone };
    let gone = RecordTold {
        clause: Told::Gone,
        opted_out: Told::Gone,
        language: Told::Gone,
        number_tail: Told::Gone,
        contact,
    };
    assert_eq!(said, [gone]);
    assert!(list("subscriber,address,from\nA1,198.51.100.7,2026-02-15 08:00:00\n").changes[0].told.is_none());
}

#[test]
fn what_is_wrong_in_a_record_refuses_its_row_and_is_not_repeated() {
    for (head, cell, part) in [
        ("email", "jo(at)mail", "email is no address: write one as jo@mail.example, or - for none"),
        ("phone", "call me", "phone is no number"),
        ("opted_out", "maybe", "opted_out `maybe`: write yes or no"),
        ("language", "de_DE!", "language is no tag of a language"),
        ("number_tail", "0123456789abcdefg", "number_tail is longer than 16 characters or holds invisible ones"),
        ("number_tail", "4\u{202e}82", "write only the end of the customer number"),
        ("number_tail", "\"4\n82\"", "write only the end of the customer number"),
    ] {
        let (_, list) = told(head, &[cell, ""]);
        let said = refusals(&list);
        assert!(said.len() == 1 && said[0].starts_with("2 record: ") && said[0].contains(part), "{said:?}");
        assert!(
            head == "opted_out" || !list.refused.first[0].what.contains(cell),
            "it never gets into an error: {said:?}"
        );
        assert_eq!(list.changes.len(), 1);
    }
    for good in ["482", "007", "カ-12", "<b>", "Jo's \u{2026}", "0123456789abcdef"] {
        let (said, _) = told("number_tail", &[good]);
        assert_eq!(said[0].number_tail, Told::This(good.into()));
    }
}

#[test]
fn rows_that_contradict_each_other_about_a_line_change_nothing_but_an_opt_out_counts() {
    let (said, list) = told("language,opted_out", &["de,no", ",", "nl,yes", "de,no"]);
    let settled = RecordTold { opted_out: Told::This(true), ..RecordTold::default() };
    assert_eq!(said, [settled.clone(), RecordTold::default(), settled.clone(), settled]);
    assert_eq!(
        list.warnings,
        [
            RECORDS_MOVED,
            "lines 2 and 4 contradict each other in language: what is known stays",
            "lines 2 and 4 contradict each other in opted_out: `yes` counts",
        ]
    );
    let (said, list) = told("language,opted_out", &["de,no", ",-", "de,"]);
    assert_eq!(list.warnings, [RECORDS_MOVED], "no and - mean the same, and silence contradicts nobody");
    assert_eq!(said[0].language, Told::This("de".into()));
}

#[test]
fn each_wrong_row_is_refused_alone_with_line_reason_and_text() {
    let head = "subscriber,address,port_from,port_to,from,to,opted_out\n";
    let good = "A0,198.51.100.1,,,2026-02-15 08:00:00,,\n";
    let wrong = [
        (",198.51.100.7,,,2026-02-15 08:00:00,,", "subscriber", "subscriber is empty"),
        ("A1,,,,2026-02-15 08:00:00,,", "address", "address is empty"),
        ("A1,NULL,,,2026-02-15 08:00:00,,", "address", "address is empty"),
        ("A1,<nil>,,,2026-02-15 08:00:00,,", "address", "address is empty"),
        ("A1,0.0.0.0,,,2026-02-15 08:00:00,,", "address", "is no address of a line"),
        ("A1,::,,,2026-02-15 08:00:00,,", "address", "is no address of a line"),
        ("A1,198.51.100.777,,,2026-02-15 08:00:00,,", "address", "is no address; write"),
        ("A1,198.51.100.7/8,,,2026-02-15 08:00:00,,", "network", "has host bits"),
        ("A1,198.0.0.0/8,,,2026-02-15 08:00:00,,", "network", "wider than /24"),
        ("A1,2001:db8::/32,,,2026-02-15 08:00:00,,", "network", "wider than /40"),
        ("A1,198.51.100.7,2000,1000,2026-02-15 08:00:00,,", "port", "run backwards"),
        ("A1,198.51.100.7,2000,,2026-02-15 08:00:00,,", "port", "is no port"),
        ("A1,198.51.100.7,,,15.02.2026,,", "time", "is not a time"),
        ("A1,198.51.100.7,,,,,", "time", "from is empty"),
        ("A1,198.51.100.7,,,2026-02-15 08:00:00,2026-02-15 07:00:00,", "order", "not later than from"),
        ("A1,198.51.100.7,,,2026-02-15 08:00:00,,maybe", "record", "write yes or no"),
        ("A\u{202e}1,198.51.100.7,,,2026-02-15 08:00:00,,", "text", "invisible"),
        ("A1,127.0.0.1,,,2026-02-15 08:00:00,,", "address", "no address of a line"),
        ("A1,198.51.100.7,,,2026-02-15 08:00:00,,,too,many", "columns", "9 columns where the header has 7"),
    ];
    let text: String =
        [head, good].into_iter().map(String::from).chain(wrong.iter().map(|(l, ..)| format!("{l}\n"))).collect();
    let read = list(&text);
    assert_eq!((read.rows, read.changes.len(), read.refused.total()), (20, 1, 19));
    for ((raw, reason, part), row) in wrong.iter().zip(&read.refused.first) {
        assert!(row.reason == *reason && row.what.contains(part), "{raw}: {row:?}");
        assert_eq!(row.raw, printable(raw.as_bytes(), 1_000));
    }
    assert_eq!(read.refused.first[0].line, 3);
    assert_eq!(read.refused.first[0].address, "198.51.100.7".parse().ok(), "whom it names is known all the same");
    assert_eq!(read.refused.first[10].subscriber, Some("A1".into()));
    assert_eq!(read.is_doubtful(BadRows::default()).as_deref(), Some("19 of 20 rows cannot be used"));
}

#[test]
fn short_rows_end_in_empty_cells_and_what_databases_print_for_nothing_is_nothing() {
    let head = "subscriber,address,from,to,nas\n";
    let rows = "A1,198.51.100.1,2026-02-15 08:00:00\nA2,198.51.100.2,2026-02-15 08:00:00,NULL,,,\n\
                A3,198.51.100.3,2026-02-15 08:00:00,0000-00-00 00:00:00,\\N\n";
    let read = list(&format!("{head}{rows}"));
    assert_eq!(read.refused.total(), 0, "{:?}", read.refused.first);
    assert!(read.changes.iter().all(|c| c.to.is_none() && c.nas.is_empty()));
}

#[test]
fn the_last_row_of_a_file_that_breaks_off_has_to_be_whole() {
    let text = "subscriber,address,from,to\nA1,198.51.100.1,2026-02-15 08:00:00,2026-02-15 09:00:00";
    assert_eq!(list(text).changes.len(), 1, "only the line end is missing");
    for cut in ["A1,198.51.100.1,2026-02-15 08:00:00", "A1,198.51.100.1,2026-02-15 08:0", "A1,198.51"] {
        let text = format!("subscriber,address,from,to\nA0,198.51.100.9,2026-02-15 08:00:00,\n{cut}");
        let read = list(&text);
        assert_eq!(
            (read.changes.len(), refusals(&read).len()),
            (1, 1),
            "an end that was cut off is no session that lasts"
        );
        assert!(refusals(&read)[0].starts_with("3 columns: the file breaks off here"));
    }
}

#[test]
fn a_list_is_doubtful_when_its_wrong_rows_are_many() {
    let list = |good: u64, bad: u64| {
        let refused = Refused { counts: [(Reason::Address, bad)].into(), first: Vec::new() };
        List { rows: good + bad, refused, ..List::default() }.is_doubtful(BadRows::default()).is_some()
    };
    assert!(list(0, 1), "nothing is left to take");
    assert!(!list(1, 1) && !list(9, 9), "a few wrong rows say nothing of the others");
    assert!(list(2, 3) && list(60, 10) && !list(91, 9) && !list(1_000, 100) && list(900, 101));
}

proptest::proptest! {
    #[test]
    fn wrong_rows_cost_themselves_alone(
        rows in proptest::collection::vec((0usize..6, 1u8..250), 1..40)
    ) {
        let wrong = ["0.0.0.0", "NULL", "", "::", "10.0.0.0/8"];
        let (mut text, mut expected) = (String::from("subscriber,address,from,to\n"), Vec::new());
        for (kind, n) in &rows {
            let good = format!("198.51.100.{n}");
            let address = wrong.get(*kind).copied().unwrap_or(&good);
            if *kind == wrong.len() {
                expected.push(format!("A{n} {good} "));
            }
            text.push_str(&format!("A{n},{address},2026-02-15 08:00:00,\n"));
        }
        let read = list(&text);
        proptest::prop_assert_eq!(read.refused.total() as usize, rows.len() - expected.len());
        proptest::prop_assert_eq!(held(&text), expected);
    }
}

#[test]
fn a_header_that_is_not_ours_is_refused_with_what_was_meant() {
    for (head, part) in [
        ("subscriber,adress,from", "did you mean `address`?"),
        ("subscriber,address,from,portfrom,port_to", "did you mean `port_from`?"),
        ("subscriber,address,from,port_from", "belong together"),
        ("subscriber,from", "`address` (or `prefix`) is missing"),
        ("address,from", "`subscriber` is missing"),
        ("subscriber,subscriber,address,from", "is there twice"),
    ] {
        let said = read(format!("{head}\n1,2,3\n").as_bytes(), None, now(), |_, _| ()).unwrap_err().to_string();
        assert!(said.starts_with("line 1: ") && said.contains(part), "{head}: {said}");
    }
}
