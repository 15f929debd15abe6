//! `pratique garden test`: what residents would get, from the files, with a real upstream.

use std::net::UdpSocket;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::Value;

use super::{Node, pratique, said};

/// Answers every name with an alias and one address, names that begin with `own` with one of the subscribers'; ends with the
/// process.
fn upstream() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((size, from)) = socket.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..size]).unwrap();
            let asked = &query.queries[0];
            let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
            reply.add_query(asked.clone());
            if asked.query_type() == RecordType::A {
                let edge = Name::from_ascii("edge.cdn.example.").unwrap();
                reply.add_answer(Record::from_rdata(asked.name().clone(), 120, RData::CNAME(CNAME(edge.clone()))));
                let own = asked.name().to_ascii().to_lowercase().starts_with("own");
                let address = if own { A::new(203, 0, 113, 9) } else { A::new(192, 0, 2, 9) };
                reply.add_answer(Record::from_rdata(edge, 120, RData::A(address)));
            }
            socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

/// A node's folder whose playbook of mirai allows a vendor.
fn files() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let made = pratique(&["init", folder.path().to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    let playbook = folder.path().join("policies/playbooks/mirai.yaml");
    let text = std::fs::read_to_string(&playbook).unwrap();
    assert!(text.contains("\ngarden:\n"));
    let entry = "\ngarden:\n  - {name: '*.vendor.example', ports: [443/tcp]}\n";
    std::fs::write(&playbook, text.replace("\ngarden:\n", entry)).unwrap();
    let config = folder.path().join("pratique.yaml");
    let dns = format!(
        "enforcer: dry-run\ndns: {{listen: ['127.0.0.1:5300'], portal_host: help.isp.example, portal4: 192.0.2.80, \
         upstreams: ['{}']}}\n",
        upstream()
    );
    std::fs::write(&config, dns).unwrap();
    let config = config.to_str().unwrap().to_owned();
    (folder, config)
}

#[test]
fn a_listed_name_is_told_with_its_entry_chain_and_opening() {
    let (_folder, config) = files();
    let done = pratique(&["garden", "test", "Update.Vendor.example.", "--cause", "mirai", "--config", &config]);
    assert_eq!(
        said(&done),
        "update.vendor.example, asked by a resident with mirai:\n  \
         A     192.0.2.9, opened on 443/tcp for 3m (on the resident's allow-list, as *.vendor.example)\n        \
         by way of update.vendor.example → edge.cdn.example\n  \
         AAAA  an empty answer (on the resident's allow-list, as *.vendor.example)\n"
    );
    let told =
        pratique(&["garden", "test", "update.vendor.example", "--cause", "mirai", "--json", "--config", &config]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let answer = &told["answers"][0];
    assert_eq!((&answer["gets"], &answer["seconds"]), (&"addresses".into(), &180.into()));
    assert_eq!(answer["addresses"][0], "192.0.2.9");
    assert_eq!(answer["ports"][0], "443/tcp");
}

#[test]
fn a_name_that_leads_inwards_is_told_with_the_place_and_the_remedy_and_plain_http_with_its_way() {
    let (_folder, config) = files();
    let test =
        |name: &str| said(&pratique(&["garden", "test", name, "--type", "a", "--cause", "mirai", "--config", &config]));
    let inward = test("own.vendor.example");
    let wanted = "an empty answer, as all its addresses point inwards: 203.0.113.9 (networks of policy.yaml)";
    assert!(inward.contains(wanted) && inward.contains("name it in dns.excepted_networks"), "{inward}");
    let text = std::fs::read_to_string(&config).unwrap();
    let excepted = text.trim_end().trim_end_matches('}').to_owned() + ", excepted_networks: [203.0.113.9/32]}\n";
    std::fs::write(&config, excepted).unwrap();
    assert!(test("own.vendor.example").contains("203.0.113.9, opened on 443/tcp"));
    let status = test("ocsp.digicert.com");
    assert!(status.contains("A     192.0.2.9, plain HTTP by way of the portal (on"), "{status}");
}

#[test]
fn a_name_that_another_cause_allows_is_told_so_and_a_misspelt_cause_too() {
    let (_folder, config) = files();
    let done = pratique(&["garden", "test", "update.vendor.example", "--type", "a", "--config", &config]);
    assert_eq!(
        said(&done),
        "update.vendor.example, asked by any resident:\n  \
         A     the portal, 192.0.2.80 (not on the resident's allow-list)\n\
         The playbook of mirai would allow it, as *.vendor.example.\n"
    );
    let done = pratique(&["garden", "test", "x.example", "--cause", "miray", "--config", &config]);
    assert!(said(&done).contains("that of `generic` holds; did you mean `mirai`?"), "{}", said(&done));
}

#[test]
fn the_portal_is_that_of_the_residents_causes_and_the_node_must_fit_the_policies() {
    let (_folder, config) = files();
    let text = std::fs::read_to_string(&config).unwrap();
    let gardens = |causes: &str| {
        let own = format!(", gardens: [{{causes: [{causes}], portal6: '2001:db8::81'}}]}}\n");
        std::fs::write(&config, text.trim_end().trim_end_matches('}').to_owned() + &own).unwrap();
    };
    gardens("infected-nas, mirai");
    let test =
        |more: &[&str]| said(&pratique(&[&["garden", "test", "www.example", "--config", &config][..], more].concat()));
    assert_eq!(
        test(&["--cause", "mirai"]),
        "www.example, asked by a resident with mirai:\n  \
         A     the portal, 192.0.2.80 (not on the resident's allow-list)\n  \
         AAAA  the portal, 2001:db8::81 (not on the resident's allow-list)\n\
         The portal is that of dns.gardens for mirai.\n"
    );
    let told: Value = serde_json::from_str(&test(&["--cause", "infected-nas", "--json"])).unwrap();
    assert_eq!(
        (&told["portal_of"], &told["answers"][1]["addresses"][0]),
        (&"infected-nas".into(), &"2001:db8::81".into())
    );
    let others = test(&["--cause", "open-telnet"]);
    assert!(others.contains("AAAA  an empty answer") && !others.contains("The portal is"), "{others}");
    gardens("infected-naz");
    let refused = test(&[]);
    let wanted = format!("{config}:2:1: dns.gardens[0].causes has `infected-naz`, which has no playbook");
    assert!(refused.contains(&wanted) && refused.contains("did you mean `infected-nas`?"), "{refused}");
}

#[test]
fn wrong_names_and_nodes_without_dns_are_refused_with_the_remedy() {
    let (_folder, config) = files();
    for (args, remedy) in [(["test", "b\u{fc}cher.example"], "xn--"), (["test", "a..example"], "no host name")] {
        let done = pratique(&[&["garden"], &args[..], &["--config", &config]].concat());
        assert!(done.status.code() == Some(2) && said(&done).contains(remedy), "{}", said(&done));
    }
    std::fs::write(&config, "enforcer: dry-run\n").unwrap();
    let done = pratique(&["garden", "test", "www.example", "--config", &config]);
    assert!(done.status.code() == Some(2) && said(&done).contains("has no section `dns`"), "{}", said(&done));
}

#[test]
fn the_causes_of_a_case_come_from_the_daemon() {
    let node = Node::start();
    let case = node.infect(&[7])[0].to_string();
    let config = node.path("pratique.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let dns = "dns: {listen: ['127.0.0.1:5300'], portal_host: help.isp.example, portal4: 192.0.2.80}\n";
    std::fs::write(&config, format!("{text}{dns}")).unwrap();
    let told = node.ok(&["garden", "test", "www.example", "--case", &case, "--config", config.to_str().unwrap()]);
    for text in ["asked by a resident with mirai", "what its line would get in quarantine", "dns.upstreams is empty"] {
        assert!(told.contains(text), "{text} is missing in {told}");
    }
}
