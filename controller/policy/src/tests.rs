//! The shipped policies are sound, and wrong ones are explained where they are wrong.

use std::collections::BTreeMap;

use super::*;

/// A copy of the shipped policies to spoil.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_built_in(dir.path()).unwrap();
    dir
}

fn edit(dir: &tempfile::TempDir, name: &str, from: &str, to: &str) {
    let path = dir.path().join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn errors(dir: &tempfile::TempDir) -> String {
    let prefix = format!("{}/", dir.path().display());
    load(dir.path()).unwrap_err().to_string().replace(&prefix, "")
}

/// Type names with the columns that decide roles, from the public schema.
fn schema() -> BTreeMap<&'static str, Vec<&'static str>> {
    include_str!("data/shadowserver-types.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| l.split_once(':').unwrap())
        .map(|(name, columns)| (name, columns.split_whitespace().collect()))
        .collect()
}

#[test]
fn the_shipped_policies_are_sound() {
    let set = built_in().unwrap_or_else(|e| panic!("{e}"));
    assert!(set.policy.playbooks.len() > 20);
    assert_eq!(set.policy.global.caps, pratique_core::policy::Caps::default());
    assert_eq!(set.policy.global.retention, pratique_core::policy::Retention::default());
    assert_eq!(set.policy.global.self_release, pratique_core::policy::SelfRelease::default());
    assert_eq!(set.policy.global.session_lists, SessionLists::default());
    assert_eq!(set.policy.source(&"shadowserver".into()), pratique_core::policy::Source::default());
}

#[test]
fn every_file_in_policies_is_built_in() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut names: Vec<_> = listed(&dir, &mut Vec::new()).into_iter().filter(|n| n.ends_with(".yaml")).collect();
    names.extend(listed(&dir.join("playbooks"), &mut Vec::new()).into_iter().map(|n| format!("playbooks/{n}")));
    names.sort_unstable();
    let mut built: Vec<_> = built_in::files().into_iter().map(|f| f.name).collect();
    built.sort_unstable();
    assert_eq!(names, built);
    assert_eq!(load_set(&dir).unwrap(), built_in().unwrap());
}

#[test]
fn the_table_covers_every_shadowserver_type_with_columns_it_has() {
    let set = built_in().unwrap();
    let schema = schema();
    assert_eq!(schema.len(), 170);
    let listed: Vec<_> = set.reports.iter().map(|(name, _)| name).collect();
    assert_eq!(listed, schema.keys().copied().collect::<Vec<_>>());
    for (name, t) in set.reports.iter() {
        let columns = &schema[name];
        if let Some(address) = t.address {
            assert!(columns.contains(&address.address()), "{name} has no column {}", address.address());
            let ambiguous = columns.contains(&"ip") && columns.contains(&"src_ip");
            assert!(!ambiguous || t.usage == ReportUse::Inform, "{name} has two address columns");
        }
        assert!(columns.contains(&"timestamp"), "{name}");
    }
}

#[test]
fn victims_forged_sources_and_devices_are_never_evidence() {
    let set = built_in().unwrap();
    let usage = |name: &str| set.reports.get(name).unwrap().usage.clone();
    for never in
        ["event4_honeypot_ddos_target", "event4_honeypot_ddos_amp", "event6_sinkhole_http_referer", "sandbox_dns"]
    {
        assert_eq!(usage(never), ReportUse::Never, "{never}");
    }
    for (name, t) in set.reports.iter() {
        if name.starts_with("device_id") || name.contains("sinkhole_dns") || name.starts_with("population") {
            assert_eq!(t.usage, ReportUse::Inform, "{name}");
        }
        assert!(!name.ends_with("_ddos_target") || t.usage == ReportUse::Never, "{name}");
    }
}

#[test]
fn every_cause_has_a_playbook_and_a_key_fit_for_texts() {
    let set = built_in().unwrap();
    for (name, t) in set.reports.iter() {
        if let Some(cause) = t.cause() {
            assert!(set.policy.playbooks.contains_key(&cause), "{name}: {cause}");
        }
    }
    for cause in set.policy.playbooks.keys() {
        // Texts are found as `cause-KEY-…`; Fluent identifiers are letters, digits, `-` and `_` after a letter.
        let key = cause.as_str();
        assert!(key.starts_with(|c: char| c.is_ascii_lowercase()), "{key}");
        assert!(key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{key}");
        assert!(!key.ends_with('-') && !key.contains("--"), "{key}");
    }
}

#[test]
fn a_family_is_a_word_of_the_column() {
    let reports = built_in().unwrap().reports;
    for text in ["mirai", "Mirai", "mirai;iot", "botnet mirai", "iot,MOZI"] {
        assert_eq!(reports.family(text).map(CauseKey::as_str), Some("mirai"), "{text}");
    }
    for text in ["", "miraiclone", "notmirai", ";;", "'; DROP TABLE"] {
        assert_eq!(reports.family(text), None, "{text}");
    }
}

#[test]
fn an_unknown_key_is_named_with_line_and_what_was_meant() {
    let dir = copy();
    edit(&dir, "policy.yaml", "  per_hour: 60", "  per_hours: 60");
    let said = errors(&dir);
    let line = std::fs::read_to_string(dir.path().join("policy.yaml")).unwrap();
    let line = line.lines().position(|l| l.contains("per_hours")).unwrap() + 1;
    assert!(
        said.starts_with(&format!("policy.yaml:{line}:3: unknown key `per_hours` in `caps`; did you mean `per_hour`?")),
        "{said}"
    );
}

#[test]
fn problems_of_all_files_are_shown_at_once() {
    let dir = copy();
    edit(&dir, "policy.yaml", "approval_at_least: one", "approval_at_least: onw");
    edit(&dir, "playbooks/mirai.yaml", "silence: 48h", "silence: 48 hours");
    edit(&dir, "playbooks/open-adb.yaml", "class: exposure", "clas: exposure");
    edit(&dir, "shadowserver.yaml", "use: propose, cause: open-telnet", "use: propse, cause: open-telnet");
    edit(&dir, "protected.yaml", "subscribers: {}", "subscribers: {}\nsubscriber: {}");
    let said = errors(&dir);
    let policy = std::fs::read_to_string(dir.path().join("policy.yaml")).unwrap();
    let line = policy.lines().position(|l| l.starts_with("approval_at_least")).unwrap() + 1;
    for part in [
        format!("policy.yaml:{line}:20: unknown value `onw`").as_str(),
        "did you mean `one`?",
        "mirai.yaml:16:12: `release`: `48 hours` is not a length of time",
        "open-adb.yaml:4:1: unknown key `clas`; did you mean `class`?",
        "unknown value `propse` in `types.scan_telnet.use`; did you mean `propose`?",
        "unknown key `subscriber`; did you mean `subscribers`?",
    ] {
        assert!(said.contains(part), "{part}\n---\n{said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");
}

#[test]
fn an_infection_without_silence_is_refused() {
    let dir = copy();
    edit(&dir, "playbooks/mirai.yaml", "  silence: 48h\n", "");
    let said = errors(&dir);
    assert!(
        said.starts_with("playbooks/mirai.yaml:") && said.contains("release.silence is 0 for an infection"),
        "{said}"
    );
}

#[test]
fn a_key_given_twice_is_refused_also_in_free_maps() {
    let dir = copy();
    edit(&dir, "protected.yaml", "subscribers: {}", "subscribers:\n  A1: one\n  A1: two");
    let said = errors(&dir);
    assert!(said.contains("is there twice") && said.starts_with("protected.yaml:"), "{said}");
}

#[test]
fn a_playbook_must_be_named_after_its_cause() {
    let dir = copy();
    std::fs::copy(dir.path().join("playbooks/mirai.yaml"), dir.path().join("playbooks/mirai2.yaml")).unwrap();
    let said = errors(&dir);
    assert!(said.contains("rename the file to mirai.yaml") && said.contains("already; remove one"), "{said}");
}

#[test]
fn a_missing_file_an_odd_file_and_a_huge_file_are_refused() {
    let dir = copy();
    std::fs::remove_file(dir.path().join("protected.yaml")).unwrap();
    std::fs::write(dir.path().join("polcy.yaml"), "x: 1").unwrap();
    std::fs::write(dir.path().join("playbooks/mirai.yml"), "x: 1").unwrap();
    std::fs::write(dir.path().join("playbooks/huge.yaml"), vec![b'#'; 2_000_000]).unwrap();
    std::fs::write(dir.path().join("playbooks/latin.yaml"), b"cause: x\n# caf\xe9\n").unwrap();
    let said = errors(&dir);
    for part in [
        "protected.yaml: cannot be read",
        "polcy.yaml: unknown file; did you mean policy.yaml?",
        "mirai.yml: not a playbook by its name",
        "huge.yaml: larger than",
        "latin.yaml:2:1: not UTF-8",
    ] {
        assert!(said.contains(part), "{part}\n---\n{said}");
    }
}

#[test]
fn a_slip_of_the_prefix_length_is_refused() {
    let dir = copy();
    edit(&dir, "policy.yaml", "  - 198.51.100.0/24", "  - 198.51.100.0/2");
    let said = errors(&dir);
    assert!(said.contains("wider than any provider's network") && said.contains("host bits"), "{said}");
    let dir = copy();
    edit(&dir, "policy.yaml", "  - 198.51.100.0/24", "  - 198.51.100.0");
    let said = errors(&dir);
    assert!(said.contains("write address and prefix length"), "{said}");
}

#[test]
fn a_zone_that_is_none_and_a_jitter_of_minutes_are_refused() {
    let dir = copy();
    let lists = "  start_jitter: 2m\n  sources:\n    radius: { time_zone: Europe/Amsterdm }\n";
    edit(&dir, POLICY, "  start_jitter: 5s\n", lists);
    let said = errors(&dir);
    assert!(said.contains("session_lists: start_jitter is 2m: choose 0s to 1m"), "{said}");
    let zone =
        "session_lists.sources.radius: time_zone: `Europe/Amsterdm` is no time zone: did you mean `Europe/Amsterdam`?";
    assert!(said.contains(zone), "{said}");
    edit(&dir, POLICY, "start_jitter: 2m", "start_jitter: 2s");
    edit(&dir, POLICY, "Europe/Amsterdm", "Europe/Amsterdam");
    let lists = load(dir.path()).unwrap().global.session_lists;
    assert_eq!(lists.sources[&"radius".into()].time_zone.as_deref(), Some("Europe/Amsterdam"));
}

#[test]
fn a_cause_without_playbook_in_the_table_is_refused_with_the_nearest() {
    let dir = copy();
    edit(&dir, "shadowserver.yaml", "cause: open-telnet", "cause: open-telnt");
    let said = errors(&dir);
    assert!(said.contains("cause `open-telnt` has no playbook; did you mean `open-telnet`?"), "{said}");
}

#[test]
fn the_digest_follows_every_file_and_name() {
    let dir = copy();
    let before = load(dir.path()).unwrap().digest;
    assert_eq!(before, built_in().unwrap().policy.digest);
    edit(&dir, "shadowserver.yaml", "severity: high", "severity: low");
    let after = load(dir.path()).unwrap().digest;
    assert_ne!(before, after);
}

#[test]
fn deep_nesting_and_alias_bombs_are_refused_quickly() {
    let dir = copy();
    std::fs::write(dir.path().join("playbooks/deep.yaml"), "[".repeat(100_000)).unwrap();
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    std::fs::write(dir.path().join("playbooks/bomb.yaml"), bomb).unwrap();
    let said = errors(&dir);
    assert!(said.contains("deep.yaml") && said.contains("bomb.yaml"), "{said}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_text_is_refused_without_panic(text in "\\PC{0,200}", which in 0usize..4) {
        let dir = copy();
        let name = ["policy.yaml", "protected.yaml", "shadowserver.yaml", "playbooks/mirai.yaml"][which];
        std::fs::write(dir.path().join(name), text).unwrap();
        let _ = load(dir.path());
    }
}
