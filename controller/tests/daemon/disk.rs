//! `/readyz` and status on a disk that fills: a small tmpfs in a user and mount namespace of its own (`unshare` of util-linux), with
//! the whole node on it.

use std::io::Write as _;
use std::process::Command;

use super::{Node, agent, ago, said, until};
use pratique_core::time::Span;

const DISK: &str = "PRATIQUE_SMALL_DISK";

/// Code and text of `/readyz`.
fn ready(node: &Node) -> (u16, String) {
    let mut answer = agent().get(format!("http://127.0.0.1:{}/readyz", node.port)).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// Its line about the disk.
fn line(node: &Node) -> String {
    ready(node).1.lines().find(|line| line.starts_with("- disk: ")).unwrap().to_owned()
}

#[test]
fn readyz_and_status_say_how_full_the_disk_is() {
    let Some(disk) = std::env::var_os(DISK) else {
        let dir = tempfile::tempdir().unwrap();
        let setup = "mount -t tmpfs -o size=160m tmpfs \"$0\"; exec \"$1\" --exact \"$2\" --nocapture";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", setup]).arg(dir.path());
        command.arg(std::env::current_exe().unwrap()).arg("disk::readyz_and_status_say_how_full_the_disk_is");
        let done = command.env(DISK, dir.path()).env("TMPDIR", dir.path()).output().unwrap();
        let said = said(&done);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        return;
    };
    let node = Node::start();
    assert_eq!((ready(&node).0, line(&node).as_str()), (200, "- disk: has room"), "{}", ready(&node).1);
    let rows: String = (10..60).map(|i| format!("C-{i},198.51.100.{i},{}\n", ago(Span::from_days(1)))).collect();
    let list = node.file("more.csv", &format!("subscriber,address,from\n{rows}"));
    node.ok(&["sessions", "import", &list]);
    let lines: Vec<u8> = (1..60).collect();
    let cases = node.infect(&lines);

    // Somebody's logs grow beside it.
    let path = std::path::Path::new(&disk).join("hog");
    let mut hog = std::fs::File::create(&path).unwrap();
    let free = || node.get("/status")["store"]["free_bytes"].as_u64().unwrap();
    while free() > 48 << 20 {
        hog.write_all(&vec![b'x'; 4 << 20]).unwrap();
    }
    let said = line(&node);
    assert!(said.starts_with("- disk: WARNING, it is nearly full: ") && said.contains(" MiB are free"), "{said}");
    assert_eq!(ready(&node).0, 200, "it does everything still");
    assert!(node.ok(&["status"]).contains("! The store's disk: it is nearly full"));

    let filled = std::io::copy(&mut std::io::repeat(b'x'), &mut hog);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    // What adds is refused as soon as there is no room, what frees goes on from the reserve.
    let approved = cases.iter().take_while(|case| node.approve(&node.anna, **case).0 == 200).count();
    assert!(approved < 40, "the disk is full");
    until("the reserve is in use", || {
        let next = cases.iter().rev().find(|case| node.case(**case)["state"] == "proposed").unwrap();
        node.ok(&["case", "dismiss", &next.to_string(), "--reason", "the disk is full"]);
        ready(&node).0 == 503
    });
    let full = "it is full: releases use the reserve, nothing else is stored; make room on it";
    assert_eq!(line(&node), format!("- disk: NOT READY, {full}"));
    assert_eq!(node.get("/status")["store"]["disk"], full);
    assert!(node.ok(&["status"]).contains("! Intake has stopped: the disk is full"));

    std::fs::remove_file(&path).unwrap();
    drop(hog);
    until("something is stored again", || node.approve(&node.anna, cases[approved]).0 == 200);
    assert_eq!((ready(&node).0, line(&node).as_str()), (200, "- disk: has room"));
}
