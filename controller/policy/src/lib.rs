//! `policies/` on disk into a checked [`Policy`] and the table of report types. Everything that decides about people is
//! read here, strictly: an unknown key, a wrong value or a missing file refuses the whole set, each problem with file,
//! line, column, what was meant and what to do. All files are read before giving up, so that one run shows all problems.
//!
//! [`file`] reads the node's own files, such as `pratique.yaml`, in the same way.
//!
//! Called at start, on reload and by `pratique check-config`; the engine gets the result as one piece.

mod built_in;
mod explain;
pub mod file;
mod misspelt;
mod place;
mod report_types;
pub mod zone;

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::IpNet;
use pratique_core::ids::{CauseKey, TextRef};
use pratique_core::playbook::Playbook;
use pratique_core::policy::{Global, Policy, Protected, SessionLists};
use pratique_core::time::Span;
use sha2::Digest as _;

use self::zone::Zone;
pub use explain::{PolicyError, PolicyErrors, nearest};
pub use misspelt::{is_misspelt, meant};
pub use report_types::{AddressColumn, Meant, ReportType, ReportTypes, ReportUse};

/// The cause under which rows are kept that only inform.
pub const INFORMATION: &str = "information";

/// No policy file may be larger: people write them, so more is a mistake or an attack on the parser. Protected lines of a
/// large provider fit (about 20,000).
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// No more playbooks than this: each case's page shows all of its causes.
const MAX_PLAYBOOKS: usize = 500;

const POLICY: &str = "policy.yaml";
const PROTECTED: &str = "protected.yaml";
const REPORTS: &str = "shadowserver.yaml";
const PLAYBOOKS: &str = "playbooks";

/// Everything in `policies/` that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySet {
    /// Rules, playbooks and protected lines.
    pub policy: Policy,
    /// What each report type means.
    pub reports: ReportTypes,
}

/// Reads and checks a directory such as `policies/`; see [`load_set`].
///
/// # Errors
/// [`PolicyErrors`] with every problem found; nothing is half in force.
pub fn load(dir: &Path) -> Result<Policy, PolicyErrors> {
    load_set(dir).map(|set| set.policy)
}

/// Reads and checks a directory such as `policies/`, with the table of report types.
///
/// # Errors
/// [`PolicyErrors`] with every problem found; nothing is half in force.
pub fn load_set(dir: &Path) -> Result<PolicySet, PolicyErrors> {
    let (files, errors) = gather(dir);
    assemble(&dir.display().to_string(), &files, errors)
}

/// The policies this program was built with: for the lab, for tests, and as a first copy to edit.
///
/// # Errors
/// None in a released program; a test keeps it so.
pub fn built_in() -> Result<PolicySet, PolicyErrors> {
    assemble("(built in)", &built_in::files(), Vec::new())
}

/// How many files [`write_built_in`] writes into an empty folder.
pub fn built_in_count() -> usize {
    built_in::files().len()
}

/// Writes the built-in files below `dir`, as a first copy to edit. Existing files are left as they are; returns the
/// names written.
///
/// # Errors
/// When a file cannot be written.
pub fn write_built_in(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut written = Vec::new();
    for file in built_in::files() {
        let path = dir.join(&file.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut out) => {
                std::io::Write::write_all(&mut out, file.text.as_bytes())?;
                written.push(file.name);
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Ok(written)
}

/// A file as read: its name below the directory, the path to show, its text.
#[derive(Clone, Debug)]
struct PolicyFile {
    name: String,
    shown: String,
    text: String,
}

/// Reads all files there are; what cannot be read or does not belong is an error.
fn gather(dir: &Path) -> (Vec<PolicyFile>, Vec<PolicyError>) {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for name in [POLICY, PROTECTED, REPORTS] {
        read_into(dir, name, &mut files, &mut errors);
    }
    for name in listed(dir, &mut errors) {
        let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if yaml && ![POLICY, PROTECTED, REPORTS].contains(&name.as_str()) {
            let meant = nearest(&name, [POLICY, PROTECTED, REPORTS]);
            let hint = meant.map_or_else(
                || format!("a playbook belongs into {PLAYBOOKS}/; otherwise remove it"),
                |m| format!("did you mean {m}?"),
            );
            let shown = dir.join(&name).display().to_string();
            errors.push(PolicyError::new(shown, None, format!("unknown file; {hint}")));
        }
    }
    let playbooks = dir.join(PLAYBOOKS);
    let names = listed(&playbooks, &mut errors);
    if names.len() > MAX_PLAYBOOKS {
        let what = format!("{} files, more than {MAX_PLAYBOOKS}; remove what is no playbook", names.len());
        errors.push(PolicyError::new(playbooks.display().to_string(), None, what));
        return (files, errors);
    }
    for name in names {
        if name.ends_with(".yaml") {
            read_into(dir, &format!("{PLAYBOOKS}/{name}"), &mut files, &mut errors);
        } else if !name.ends_with(".md") {
            let shown = playbooks.join(&name).display().to_string();
            let what = "not a playbook by its name; end it in .yaml, or move it out of this directory";
            errors.push(PolicyError::new(shown, None, what.into()));
        }
    }
    (files, errors)
}

/// File names of a directory in order, without hidden ones (editors put theirs there).
fn listed(dir: &Path, errors: &mut Vec<PolicyError>) -> Vec<String> {
    let names = std::fs::read_dir(dir).and_then(|entries| {
        entries.map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>, _>>()
    });
    match names {
        Ok(mut names) => {
            names.retain(|n| !n.starts_with('.'));
            names.sort_unstable();
            names
        }
        Err(e) => {
            let what = format!("cannot be read ({e}); create it, or name another directory with --policies");
            errors.push(PolicyError::new(dir.display().to_string(), None, what));
            Vec::new()
        }
    }
}

fn read_into(dir: &Path, name: &str, files: &mut Vec<PolicyFile>, errors: &mut Vec<PolicyError>) {
    use std::io::Read as _;
    let path = dir.join(name);
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes).map(|_| ()));
    if let Err(e) = read {
        let what =
            format!("cannot be read ({e}); every policy directory needs it: copy it from the program's policies/");
        errors.push(PolicyError::new(shown, None, what));
        return;
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        errors.push(PolicyError::new(shown, None, format!("larger than {MAX_FILE_BYTES} bytes; split or shorten it")));
        return;
    }
    match String::from_utf8(bytes) {
        Ok(text) => files.push(PolicyFile { name: name.into(), shown, text }),
        Err(e) => {
            let good = e.utf8_error().valid_up_to();
            let line = e.as_bytes().get(..good).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
            errors.push(PolicyError::new(shown, Some((line, 1)), "not UTF-8; save the file as UTF-8".into()));
        }
    }
}

/// Parses, cross-checks, and makes the digest.
fn assemble(dir: &str, files: &[PolicyFile], mut errors: Vec<PolicyError>) -> Result<PolicySet, PolicyErrors> {
    let mut global: Option<Global> = None;
    let mut protected: Option<Protected> = None;
    let mut reports: Option<(report_types::Spec, &PolicyFile)> = None;
    let mut playbooks: BTreeMap<CauseKey, Playbook> = BTreeMap::new();
    let mut sources: BTreeMap<CauseKey, &PolicyFile> = BTreeMap::new();
    let mut parsed_all = true;
    for file in files {
        let result = match file.name.as_str() {
            POLICY => explain::parse(file).map(|g| global = Some(g)),
            PROTECTED => explain::parse(file).map(|p| protected = Some(p)),
            REPORTS => explain::parse(file).map(|r| reports = Some((r, file))),
            _ => explain::parse(file).map(|playbook: Playbook| {
                errors.extend(misnamed(file, &playbook));
                if let Some(first) = sources.insert(playbook.cause.clone(), file) {
                    let what = format!("cause `{}` stands in {} already; remove one", playbook.cause, first.shown);
                    errors.push(PolicyError::new(file.shown.clone(), file.line_of("cause"), what));
                }
                playbooks.insert(playbook.cause.clone(), playbook);
            }),
        };
        if let Err(e) = result {
            parsed_all = false;
            errors.push(e);
        }
    }
    let digest = digest_of(files);
    let reports = reports.and_then(|(spec, file)| {
        let causes = parsed_all.then_some(&playbooks);
        report_types::check(spec, file, causes).map_err(|found| errors.extend(found)).ok()
    });
    let (Some(global), Some(protected)) = (global, protected) else {
        return Err(PolicyErrors::new(errors));
    };
    let policy = Policy { digest, global, playbooks, protected };
    let located = policy.problems().into_iter().chain(beyond(&policy)).map(|p| locate(dir, files, &p, parsed_all));
    errors.extend(located.flatten());
    match reports {
        Some(reports) if errors.is_empty() => Ok(PolicySet { policy, reports }),
        _ => Err(PolicyErrors::new(errors)),
    }
}

fn misnamed(file: &PolicyFile, playbook: &Playbook) -> Option<PolicyError> {
    let stem = file.name.strip_prefix("playbooks/").and_then(|n| n.strip_suffix(".yaml")).unwrap_or_default();
    (stem != playbook.cause.as_str()).then(|| {
        let what = format!(
            "cause `{}` stands in a file called {stem}.yaml; rename the file to {}.yaml or correct the cause",
            playbook.cause, playbook.cause
        );
        PolicyError::new(file.shown.clone(), file.line_of("cause"), what)
    })
}

/// SHA-256 over names and contents, each with its length before it, so that nothing can move from one into the other.
fn digest_of(files: &[PolicyFile]) -> TextRef {
    let mut sorted: Vec<&PolicyFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = sha2::Sha256::new();
    for file in sorted {
        for part in [&file.name, &file.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    TextRef(hash.finalize().into())
}

/// What the types allow and a provider cannot mean.
fn beyond(policy: &Policy) -> Vec<String> {
    let mut found = Vec::new();
    let global = &policy.global;
    for (key, nets) in [("networks", &global.networks), ("infrastructure", &global.infrastructure)] {
        for net in nets {
            found.extend(whole(net).map(|w| format!("policy.yaml: {key}: `{net}` has host bits; write `{w}`")));
            if too_wide(net) {
                found.push(format!("policy.yaml: {key}: `{net}` is wider than any provider's network; name your own"));
            }
        }
    }
    for net in &global.garden.networks {
        found.extend(whole(net).map(|w| format!("policy.yaml: garden.networks: `{net}` has host bits; write `{w}`")));
        if too_wide(net) {
            found.push(format!("policy.yaml: garden.networks: `{net}` would open half the Internet to every resident"));
        }
    }
    if global.justification.trim().is_empty() {
        found.push("policy.yaml: justification is empty: every quarantine records it; state yours".into());
    }
    for (name, source) in &global.sources {
        if source.expect_every <= Span::ZERO {
            found.push(format!("policy.yaml: sources.{name}: expect_every is 0; write how often it delivers, as 36h"));
        }
        if source.pass < Span::ZERO || source.pass > Span::from_hours(24) {
            found.push(format!(
                "policy.yaml: sources.{name}: pass is {}: choose 0s to 24h, the time within which one pass goes over a line",
                source.pass
            ));
        }
        if source.complete_after < Span::ZERO || source.complete_after > Span::from_hours(48) {
            found.push(format!(
                "policy.yaml: sources.{name}: complete_after is {}: choose 0s to 48h, the time within which a day's files \
                 come",
                source.complete_after
            ));
        }
        if source.clock_error > Span::from_hours(1) {
            found.push(format!(
                "policy.yaml: sources.{name}: clock_error is {}, more than 1h: such a source cannot name a line; \
                 correct its clock",
                source.clock_error
            ));
        }
    }
    found.extend(session_lists(&global.session_lists));
    let reason = "the two people who confirm will ask why; write the reason";
    for (id, why) in &policy.protected.subscribers {
        if why.trim().is_empty() {
            found.push(format!("protected.yaml: subscribers: `{id}` has no reason: {reason}"));
        }
    }
    for (net, why) in &policy.protected.networks {
        if why.trim().is_empty() {
            found.push(format!("protected.yaml: networks: `{net}` has no reason: {reason}"));
        }
        found.extend(whole(net).map(|w| format!("protected.yaml: networks: `{net}` has host bits; write `{w}`")));
    }
    found
}

/// A jitter of minutes would take a line that came back for one that never left.
const MOST_JITTER: Span = Span::from_mins(1);

/// No gateway reports each session more often.
const LEAST_STALE: Span = Span::from_mins(1);
/// Beyond that, retention is what forgets.
const MOST_STALE: Span = Span::from_days(30);

fn session_lists(lists: &SessionLists) -> Vec<String> {
    let mut found = Vec::new();
    if lists.start_jitter < Span::ZERO || lists.start_jitter > MOST_JITTER {
        found.push(format!(
            "policy.yaml: session_lists: start_jitter is {}: choose 0s to {MOST_JITTER}, by how much a start that is told again may \
             be off",
            lists.start_jitter
        ));
    }
    for (name, list) in &lists.sources {
        if let Some(Err(why)) = list.time_zone.as_deref().map(Zone::named) {
            found.push(format!("policy.yaml: session_lists.sources.{name}: time_zone: {why}"));
        }
        if let Some(span) = list.stale_after.filter(|span| *span < LEAST_STALE || *span > MOST_STALE) {
            found.push(format!(
                "policy.yaml: session_lists.sources.{name}: stale_after is {span}: choose {LEAST_STALE} to {MOST_STALE}, at least \
                 twice the time between two reports of one session"
            ));
        }
    }
    found
}

/// The network without host bits, if it has some.
fn whole(net: &IpNet) -> Option<IpNet> {
    let trunc = net.trunc();
    (trunc != *net).then_some(trunc)
}

/// The widest allocations providers hold are an IPv4 /8 and an IPv6 /16.
fn too_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(n) => n.prefix_len() < 8,
        IpNet::V6(n) => n.prefix_len() < 16,
    }
}

/// A problem in words gets its file and the line it most probably means. `None` for a playbook said to be missing when
/// one did not parse: that error stands already.
fn locate(dir: &str, files: &[PolicyFile], problem: &str, parsed_all: bool) -> Option<PolicyError> {
    let (name, text) = if let Some(rest) = problem.strip_prefix("playbook ") {
        let (key, text) = rest.split_once(": ").unwrap_or((rest, rest));
        (format!("{PLAYBOOKS}/{key}.yaml"), text)
    } else if let Some((name, text)) = problem.split_once(".yaml: ") {
        (format!("{name}.yaml"), text)
    } else {
        if !parsed_all {
            return None;
        }
        return Some(PolicyError::new(format!("{dir}/{PLAYBOOKS}"), None, problem.into()));
    };
    Some(match files.iter().find(|f| f.name == name) {
        Some(file) => PolicyError::new(file.shown.clone(), file.line_meant(text), text.into()),
        None => PolicyError::new(format!("{dir}/{name}"), None, text.into()),
    })
}

#[cfg(test)]
mod tests;
