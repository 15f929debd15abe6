//! What holds for every command, whatever it does: walks the tree that clap has, so that a new command is tried as well.

use std::io::pipe;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::CommandFactory as _;
use pratique::cli::{Cli, EXIT_CODES};
use pratique_staff::roles::Role;
use serde_json::Value;

use crate::House;

/// A folder with what commands read.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn for_command(command: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("node");
        if ["check-config", "enforce forget", "garden test", "notices test", "verify-log"].contains(&command)
            || command.starts_with("token")
        {
            let mut init = Command::new(env!("CARGO_BIN_EXE_pratique"));
            assert!(init.arg("init").arg(&node).env_clear().output().unwrap().status.success());
        }
        std::fs::write(folder.path().join("2026-02-16-scan_telnet.csv"), "timestamp,ip\n1,2\n").unwrap();
        std::fs::write(folder.path().join("page.csv"), "<html>").unwrap();
        std::fs::write(folder.path().join("sessions.csv"), "C-1,192.0.2.1\nC-2,192.0.2.2\n").unwrap();
        std::fs::write(folder.path().join("subscribers.csv"), "subscriber,language\nC-1,nl\n").unwrap();
        if command != "verify-log" {
            return Self { folder };
        }
        // The chain of an empty log is sound, but there has to be one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use pratique_sqlite::{Options, SqliteStore};
            let store = SqliteStore::open(&node.join("data/pratique.db"), Options::default()).await.unwrap();
            store.close().await.unwrap();
        });
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Arguments with which a command does something, and the exit code of that.
    fn usual(&self, command: &str) -> (Vec<String>, i32) {
        let config = self.path("node/pratique.yaml");
        let (args, code): (Vec<&str>, i32) = match command {
            "run" => (vec!["--config", "/nowhere/pratique.yaml"], 2),
            "lab" => (vec!["--report", "/nowhere/report.csv"], 1),
            "check-config" => (vec!["--config", &config], 0),
            "init" => return (vec![self.path("another")], 0),
            "import" => return (vec![self.path("2026-02-16-scan_telnet.csv"), "--type=scan_telnet".into()], 0),
            "sessions import" => return (vec![self.path("sessions.csv")], 0),
            "subscribers import" => return (vec![self.path("subscribers.csv")], 0),
            "case list" => (vec!["--limit", "5"], 0),
            "case show" => (vec!["1"], 0),
            "case approve" => (vec!["1"], 0),
            "case dismiss" => (vec!["1", "--reason", "our own scanner"], 0),
            "case release" => (vec!["5", "--reason", "camera is gone"], 0),
            "case renew" => (vec!["5", "--for", "1d", "--reason", "on holiday"], 0),
            "case note" => (vec!["1", "called"], 0),
            "case rescan" => (vec!["5"], 0),
            "garden test" => (vec!["www.example.com", "--config", &config], 2),
            "notices test" => (vec!["--to", "jo@mail.example", "--config", &config], 2),
            "retract" => (vec!["1", "--reason", "the feed was wrong"], 0),
            "coverage confirm" => {
                let stretch = ["--from", "2026-02-13", "--until", "2026-02-14", "--reason", "looked into its archive"];
                (["shadowserver"].into_iter().chain(stretch).collect(), 0)
            }
            "enforce forget" => (vec!["crm", "--config", &config], 1),
            "enforce begin" | "enforce drop" => (vec!["--count", "0", "--reason", "nothing is on paper here"], 1),
            "coverage list"
            | "enforce list"
            | "delivery list"
            | "delivery unattributed"
            | "plan"
            | "status"
            | "resume" => (vec![], 0),
            "delivery show" | "delivery refused" | "delivery accept" | "delivery refuse" => (vec!["7"], 0),
            "dns-probe" => (vec!["www.example.com", "--server", "127.0.0.1:1", "--wait", "50"], 3),
            "halt" => (vec!["--reason", "the feed looks poisoned"], 0),
            "release" => (vec!["--all", "--dry-run"], 0),
            "line show" => (vec!["C-00001"], 0),
            "line purge" => (vec!["C-90001"], 0),
            "token add" => (vec!["--person", "ben", "--role", "viewer", "--config", &config], 0),
            "token list" => (vec!["--config", &config], 0),
            "token revoke" => (vec!["admin", "--config", &config], 0),
            "verify-log" => (vec!["--config", &config], 0),
            new => panic!("`pratique {new}` is new: say here with which arguments it does something"),
        };
        (args.into_iter().map(str::to_owned).collect(), code)
    }
}

/// Every command that can be run, as it is typed.
fn commands() -> Vec<String> {
    fn walk(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name());
            if below.has_subcommands() {
                walk(below, &path, found);
            } else {
                found.push(path.trim().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&Cli::command(), "", &mut found);
    assert!(found.len() > 25, "{found:?}");
    found
}

fn program(house: &House, folder: &Path, command: &str, args: &[String]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pratique"));
    program.args(command.split(' ')).args(args).env_clear().current_dir(folder);
    program.env("PRATIQUE_URL", house.url()).env("PRATIQUE_TOKEN", house.token("susi", Role::Supervisor));
    program
}

fn documents(done: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&done.stdout).unwrap();
    let read: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    read.unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_reader_that_goes_away_changes_nothing_in_any_command() {
    for command in commands() {
        for json in [false, true] {
            let (house, folder) = (House::open(2), Folder::for_command(&command));
            let (mut args, code) = folder.usual(&command);
            args.extend(json.then(|| "--json".to_owned()));
            let closed = || {
                let (reader, writer) = pipe().unwrap();
                drop(reader);
                writer
            };
            let mut program = program(&house, folder.folder.path(), &command, &args);
            let ended = program.stdout(closed()).stderr(closed()).status().unwrap();
            assert_eq!(ended.code(), Some(code), "{command} {args:?}");
        }
    }
    for args in [&["--help"][..], &["case", "--help"], &["--version"], &["dance"], &["case", "show"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut program = Command::new(env!("CARGO_BIN_EXE_pratique"));
        let ended = program.args(args).stderr(writer.try_clone().unwrap()).stdout(writer).status().unwrap();
        assert!(matches!(ended.code(), Some(0 | 2)), "{args:?}: {ended}");
    }
}

#[test]
fn what_a_full_disk_did_not_take_is_an_error_and_not_an_answer() {
    let house = House::open(2);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = program(&house, Path::new("/"), "case list", &["--json".into()]);
    let done = program.stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("standard output did not take everything: No space left"));
}

#[test]
fn every_command_answers_in_json_and_is_refused_in_json_with_the_same_exit_code() {
    for command in commands() {
        let (house, folder) = (House::open(2), Folder::for_command(&command));
        let (mut args, code) = folder.usual(&command);
        let without = program(&house, folder.folder.path(), &command, &args).output().unwrap();
        assert_eq!(without.status.code(), Some(code), "{command}: {}", String::from_utf8_lossy(&without.stderr));

        let (house, folder) = (House::open(2), Folder::for_command(&command));
        args = folder.usual(&command).0;
        args.push("--json".into());
        let done = program(&house, folder.folder.path(), &command, &args).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        let said = documents(&done);
        assert_eq!(said.len(), 1, "{command}: {said:?}");
        let is_error = said[0].get("error").is_some();
        assert_eq!(is_error, code != 0, "{command}: {said:?}");

        // Nobody listens at this address; a command that needs nobody is given an argument that it does not know.
        for wrong in ["nobody", "usage"] {
            let (house, folder) = (House::open(2), Folder::for_command(&command));
            let mut args = folder.usual(&command).0;
            args.push("--json".into());
            if wrong == "usage" {
                args.push("--no-such-option".into());
            }
            let mut program = program(&house, folder.folder.path(), &command, &args);
            let done = program.env("PRATIQUE_URL", "http://127.0.0.1:1").output().unwrap();
            let Some(code @ 1..=3) = done.status.code() else { continue };
            let said = documents(&done);
            assert_eq!(said.len(), 1, "{command} {wrong}: {said:?}");
            let error = &said[0]["error"];
            assert_eq!(error["exit_code"], code, "{command} {wrong}: {said:?}");
            assert!(!error["message"].as_str().unwrap().is_empty() && error["code"].is_string(), "{said:?}");
            assert!(!done.stderr.is_empty(), "people read it, too");
        }
    }
}

#[test]
fn a_refusal_of_the_daemon_keeps_its_code_in_json() {
    let (house, folder) = (House::open(1), Folder::for_command("import"));
    let refused = |command: &str, args: &[&str]| {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let done = program(&house, folder.folder.path(), command, &args).output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        documents(&done)[0]["error"].clone()
    };
    let stale = refused("case approve", &["1", "--version", "9", "--json"]);
    assert_eq!((stale["code"].as_str(), stale["version"].as_u64()), (Some("stale"), Some(2)), "{stale}");
    assert!(stale["remedy"].as_str().unwrap().contains("look at it again"), "{stale}");
    assert_eq!(refused("case show", &["99", "--json"])["code"], "no-such-case");
    let broken = folder.path("broken.yaml");
    std::fs::write(&broken, "api: {lisen: 1}\n").unwrap();
    let args = ["--json".to_owned(), "--config".into(), broken];
    let done = program(&house, folder.folder.path(), "check-config", &args).output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    let said = documents(&done).remove(0);
    assert!(said["error"]["code"] == "usage" && said["problems"][0].as_str().unwrap().contains("listen"), "{said}");
    let page = folder.path("page.csv");
    let page = refused("import", &["--json", &page]);
    assert_eq!(page["code"], "unreadable");
    assert!(page["message"].as_str().unwrap().ends_with("page.csv:1: this is a web page, not a report"), "{page}");
}

#[test]
fn exit_codes_are_those_of_the_help_and_of_the_readme() {
    let help = Cli::command().render_long_help().to_string();
    let readme = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for (code, meaning) in EXIT_CODES {
        assert!(help.contains(&format!("{code} {meaning}")), "{code} is not in the help");
        assert!(readme.contains(&format!("| {code} | {meaning} |")), "{code} is not in README.md");
    }
}

#[test]
fn every_command_that_a_problem_sends_people_to_exists() {
    let remedies = pratique_web::kinds::KINDS.iter().filter_map(|(code, ..)| pratique_staff::error::remedy(code));
    let texts: Vec<String> =
        remedies.map(str::to_owned).chain([pratique_web::api::reference::TEXT.to_owned()]).collect();
    let mut commands = 0;
    for command in texts.iter().flat_map(|text| literals(text, "`pratique ")) {
        let mut known = Cli::command();
        for word in command.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')) {
            if word.starts_with('-') {
                break;
            }
            let next = known.find_subcommand(word).cloned();
            known = next.unwrap_or_else(|| panic!("`pratique {command}`: there is no {word}"));
        }
        commands += 1;
    }
    assert!(commands > 5, "{commands}");
}

/// What stands between this and the next backtick.
fn literals<'t>(text: &'t str, what: &'t str) -> Vec<&'t str> {
    text.split(what).skip(1).filter_map(|rest| rest.split('`').next()).collect()
}
