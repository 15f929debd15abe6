//! Names that devices ask to find out whether they are behind a captive portal: one list, in `detection_names.txt`, with who
//! says so of each. Read by [`crate::playbook`], which keeps them off allow-lists, by the captive resolver, which leads them to
//! the portal, and by the portal, which answers them as the open Internet does when the line is free.

use std::sync::LazyLock;

use rustc_hash::FxHashSet;

const LIST: &str = include_str!("detection_names.txt");

/// One check: what a device asks, and what it hears on the open Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Host name, lower case, no trailing dot.
    pub name: &'static str,
    /// Path of the request over HTTP, and the word for its answer; none for a name that is looked up alone.
    pub request: Option<(&'static str, &'static str)>,
    /// Address of who says so.
    pub source: &'static str,
}

static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| lines().filter_map(read).collect());
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    names.sort_unstable();
    names.dedup();
    names
});

/// The same, to be asked of each question that comes.
static KNOWN: LazyLock<FxHashSet<&'static str>> = LazyLock::new(|| NAMES.iter().copied().collect());

/// All checks, as the list has them.
pub fn checks() -> &'static [Check] {
    &CHECKS
}

/// All names, sorted, each once.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// Whether devices ask this name to find the portal; `name` in lower case without a trailing dot.
pub fn is_detection_name(name: &str) -> bool {
    KNOWN.contains(name)
}

fn lines() -> impl Iterator<Item = &'static str> {
    LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A line that cannot be read is no check; a test holds the list to having none.
fn read(line: &'static str) -> Option<Check> {
    let mut words = line.split_whitespace();
    let (name, path, answer, source) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let request = match (path, answer) {
        ("-", "-") => None,
        _ if path.starts_with('/') && answer != "-" => Some((path, answer)),
        _ => return None,
    };
    (words.next().is_none() && source.starts_with("https://")).then_some(Check { name, request, source })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::playbook::AllowName;

    #[test]
    fn every_line_of_the_list_is_a_check_that_stands_there_once() {
        assert_eq!(checks().len(), lines().count());
        let requests: BTreeSet<_> = checks().iter().map(|check| (check.name, check.request)).collect();
        assert_eq!(requests.len(), checks().len());
        for name in names() {
            assert!(AllowName::host_problem(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_name_is_found_as_a_whole_and_only_then() {
        assert!(is_detection_name("captive.apple.com") && is_detection_name("connectivitycheck.grapheneos.network"));
        for other in
            ["apple.com", "xcaptive.apple.com", "a.captive.apple.com", "captive.apple.com.", "CAPTIVE.apple.com", ""]
        {
            assert!(!is_detection_name(other), "{other}");
        }
    }
}
