//! The examples as they stand in policies/README.md: fenced blocks, named after their language.

/// What all examples announce.
pub const ANNOUNCED: &str = "https://help.isp.example/captive-portal/api";
/// The name in it.
pub const HOST: &str = "help.isp.example";

const PAGE: &str = include_str!("../../../../policies/README.md");

/// The block with this file name.
pub fn example(name: &str) -> String {
    let mut lines = PAGE.lines().skip_while(|l| !(l.starts_with("```") && l.ends_with(&format!(" {name}"))));
    assert!(lines.next().is_some(), "policies/README.md has no example {name}");
    let text = lines.take_while(|l| *l != "```").fold(String::new(), |text, line| text + line + "\n");
    assert!(text.contains(ANNOUNCED), "{name} announces something else:\n{text}");
    text
}

#[test]
fn every_example_is_tested_and_the_nodes_own_example_announces_the_same() {
    let named: Vec<_> =
        PAGE.lines().filter_map(|l| l.strip_prefix("```")?.split_once(' ')).map(|(_, name)| name).collect();
    let mut tested: Vec<_> = super::SERVERS.iter().map(|s| s.example).chain(["radvd.conf"]).collect();
    tested.sort_unstable();
    tested.dedup();
    let mut all = named.clone();
    all.sort_unstable();
    assert_eq!(all, tested);
    assert!(pratique::config::EXAMPLE.contains(&format!("api_url: {ANNOUNCED}\n")));
}
