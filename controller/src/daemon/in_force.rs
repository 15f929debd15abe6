//! Settings and policies as they were last in force, kept beside the store: a daemon whose files are refused starts with these, and says
//! so, instead of leaving lines without wall, DNS or pages until somebody mends a file.
//!
//! ```text
//! in-force/manifest.json     of which file they are, and the SHA-256 of each
//! in-force/pratique.yaml     settings
//! in-force/policies/…        policies, with texts
//! ```
//!
//! What was tampered with, is not whole, or belongs to another configuration is not used.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use pratique_policy::PolicySet;
use pratique_policy::file::{ConfigError, read_text};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::{debug, error, warn};

use crate::config::Config;

const FOLDER: &str = "in-force";
const MANIFEST: &str = "manifest.json";
const SETTINGS: &str = "pratique.yaml";
const POLICIES: &str = "policies";
const VERSION: u32 = 1;

/// People write these files; far more of them is a mistake, and is not kept.
const MOST_FILES: usize = 5_000;
const MOST_BYTES: u64 = 64 << 20;
const DEEPEST: usize = 6;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    /// The settings file they are of.
    of: PathBuf,
    files: BTreeMap<String, String>,
}

/// What a daemon starts with, and why that is not what is on disk.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) config: Config,
    pub(super) policies: PolicySet,
    /// Where these policies lie; their texts are beside them.
    pub(super) policies_at: PathBuf,
    /// Why the settings on disk are refused.
    pub(super) settings_problem: Option<String>,
    /// Why the policies on disk are refused.
    pub(super) policy_problem: Option<String>,
}

/// The settings of a file, or those that were last in force and why.
///
/// # Errors
/// Why the file is refused, where none were kept.
pub fn settings(path: &Path) -> Result<(Config, Option<String>), ConfigError> {
    match Config::load(path) {
        Ok(config) => Ok((config, None)),
        Err(error) => match kept_settings(path) {
            Some(config) => Ok((config, Some(error.to_string()))),
            None => Err(error),
        },
    }
}

/// Whether a daemon with this settings file would start with what was last in force, since the files on disk are refused. False
/// also where that cannot be looked at.
pub fn stands_in(path: &Path) -> bool {
    let chosen = settings(path).map_err(anyhow::Error::from).and_then(|(config, problem)| choose(config, problem));
    chosen.is_ok_and(|chosen| chosen.settings_problem.is_some() || chosen.policy_problem.is_some())
}

/// Settings and policies that fit each other: those on disk, or the newest that were in force.
///
/// # Errors
/// Why those on disk are refused, where nothing that was kept can take their place.
pub(super) fn choose(config: Config, settings_problem: Option<String>) -> anyhow::Result<Chosen> {
    let refused = match fits(&config, &config.policies) {
        Ok(policies) => {
            let policies_at = config.policies.clone();
            return Ok(Chosen { config, policies, policies_at, settings_problem, policy_problem: None });
        }
        Err(why) => why,
    };
    let (said, file) = (format!("{refused:#}"), config.file.clone());
    let kept_at = whole(&config.data_dir, file.as_deref()).map(|folder| folder.join(POLICIES)).ok();
    if let Some(kept_at) = &kept_at
        && let Ok(policies) = fits(&config, kept_at)
    {
        let policies_at = kept_at.clone();
        return Ok(Chosen { config, policies, policies_at, settings_problem, policy_problem: Some(said) });
    }
    // Where the settings on disk are the reason: these were in force with the policies beside them.
    if settings_problem.is_none()
        && let Some(kept) = file.as_deref().and_then(kept_settings)
    {
        for policies_at in [Some(kept.policies.clone()), kept_at].into_iter().flatten() {
            if let Ok(policies) = fits(&kept, &policies_at) {
                let policy_problem = (policies_at != kept.policies).then(|| said.clone());
                let settings_problem = Some(said);
                return Ok(Chosen { config: kept, policies, policies_at, settings_problem, policy_problem });
            }
        }
    }
    Err(refused)
}

/// Everything that refuses these files before anything listens.
fn fits(config: &Config, policies: &Path) -> anyhow::Result<PolicySet> {
    let set = pratique_policy::load_set(policies)?;
    let mut problems: Vec<String> = config.misfits(&set.policy).iter().map(ToString::to_string).collect();
    problems.extend(config.unreadable().iter().map(ToString::to_string));
    if let Some(portal) = &config.portal {
        let texts = policies.join("texts");
        let texts = texts.is_dir().then_some(texts.as_path());
        problems.extend(
            pratique_portal::texts::review(texts, Some(&portal.pages)).problems.iter().map(ToString::to_string),
        );
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(set)
}

/// Keeps what is in force. That it cannot be kept stops nothing.
pub(super) fn keep(config: &Config, policies: &PolicySet) {
    match try_keep(config, policies) {
        Ok(()) => debug!("settings and policies in force are kept"),
        Err(error) => warn!(
            "settings and policies in force cannot be kept, so a start with broken files has none to fall back to: {error:#}"
        ),
    }
}

fn try_keep(config: &Config, policies: &PolicySet) -> anyhow::Result<()> {
    let Some(file) = &config.file else { return Ok(()) };
    let (new, old) = (config.data_dir.join("in-force.new"), config.data_dir.join("in-force.old"));
    remove(&new)?;
    let mut to = Copy {
        to: new.clone(),
        manifest: Manifest { version: VERSION, of: absolute(file), files: BTreeMap::new() },
        bytes: 0,
    };
    make_folder(&new)?;
    to.take(file, SETTINGS)?;
    to.folder(&config.policies, POLICIES, 0)?;
    // What was just read again may be newer than what is in force.
    let kept = pratique_policy::load_set(&new.join(POLICIES)).context("the policies on disk have changed meanwhile")?;
    ensure!(kept.policy.digest == policies.policy.digest, "the policies on disk have changed meanwhile");
    let text = read_text(&new.join(SETTINGS))?;
    let read = Config::of_text(file, &text)
        .map_err(|found| anyhow::anyhow!("{}", found.first().map(ToString::to_string).unwrap_or_default()))?;
    // `run --dry-run` says something else than the file, for this run alone.
    let same = Config { enforcer: config.enforcer, log: config.log.clone(), ..read } == *config;
    ensure!(same, "the settings on disk have changed since the start");
    let manifest = serde_json::to_vec(&to.manifest)?;
    put(&new.join(MANIFEST), &manifest)?;
    // One of the two is there at any moment.
    let now = config.data_dir.join(FOLDER);
    if now.exists() {
        remove(&old)?;
        fs::rename(&now, &old)?;
    }
    fs::rename(&new, &now)?;
    remove(&old)
}

/// The settings that were last in force for a file that is refused.
fn kept_settings(path: &Path) -> Option<Config> {
    let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let data_dir = base.join(data_dir_of(&fs::read_to_string(path).unwrap_or_default()));
    match kept_settings_in(&data_dir, path) {
        Ok(config) => Some(config),
        Err(error) => {
            debug!("no settings that were in force can be used: {error:#}");
            None
        }
    }
}

fn kept_settings_in(data_dir: &Path, path: &Path) -> anyhow::Result<Config> {
    let folder = whole(data_dir, Some(path))?;
    let text = read_text(&folder.join(SETTINGS))?;
    match Config::of_text(path, &text) {
        Ok(config) => Ok(config),
        Err(found) => bail!("{}", found.first().map(ToString::to_string).unwrap_or_default()),
    }
}

/// Where a settings file keeps its store, also if it says nothing else that can be understood.
fn data_dir_of(text: &str) -> PathBuf {
    let line = text.lines().find_map(|line| line.strip_prefix("data_dir:"));
    let said = line.map(|value| value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']));
    said.filter(|value| !value.is_empty()).map_or_else(|| Config::default().data_dir, PathBuf::from)
}

/// The folder, if all in it is as it was kept, for this settings file.
fn whole(data_dir: &Path, of: Option<&Path>) -> anyhow::Result<PathBuf> {
    // A crash between two renames leaves the one before.
    let named = [FOLDER, "in-force.old"].map(|name| data_dir.join(name));
    let folder = named.into_iter().find(|folder| folder.is_dir()).context("none were kept")?;
    let manifest: Manifest = serde_json::from_str(&read_text(&folder.join(MANIFEST))?)?;
    ensure!(manifest.version == VERSION, "they are of another version of this program");
    ensure!(of.is_none_or(|of| absolute(of) == manifest.of), "they are of {}", manifest.of.display());
    for (name, digest) in &manifest.files {
        ensure!(digest_of(&read(&folder.join(name))?) == *digest, "{name} is not as it was kept");
    }
    Ok(folder)
}

struct Copy {
    to: PathBuf,
    manifest: Manifest,
    bytes: u64,
}

impl Copy {
    fn folder(&mut self, from: &Path, name: &str, depth: usize) -> anyhow::Result<()> {
        ensure!(depth < DEEPEST, "{} lies too deep", from.display());
        make_folder(&self.to.join(name))?;
        for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
            let entry = entry?;
            let Ok(file) = entry.file_name().into_string() else { continue };
            let (path, name) = (entry.path(), format!("{name}/{file}"));
            // Symbolic links are followed, as the daemon follows them.
            let kind = fs::metadata(&path).with_context(|| path.display().to_string())?;
            if kind.is_dir() {
                self.folder(&path, &name, depth + 1)?;
            } else if kind.is_file() && !file.starts_with('.') {
                self.take(&path, &name)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, from: &Path, name: &str) -> anyhow::Result<()> {
        let content = read(from)?;
        self.bytes += content.len() as u64;
        ensure!(
            self.bytes <= MOST_BYTES && self.manifest.files.len() < MOST_FILES,
            "they are more than {MOST_BYTES} bytes or {MOST_FILES} files"
        );
        put(&self.to.join(name), &content)?;
        self.manifest.files.insert(name.to_owned(), digest_of(&content));
        Ok(())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut content).with_context(|| path.display().to_string())?;
    Ok(content)
}

fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let failed = || path.display().to_string();
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).with_context(failed)?;
    file.write_all(content).and_then(|()| file.sync_data()).with_context(failed)
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path).with_context(|| path.display().to_string())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

fn digest_of(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Chosen {
    /// Says loudly what is not in force.
    pub(super) fn complain(&self) {
        if let Some(why) = &self.settings_problem {
            error!("the settings on disk are refused; those that were last in force are used: {why}");
        }
        if let Some(why) = &self.policy_problem {
            error!("the policies on disk are refused; those that were last in force are used: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_force_takes_the_place_of_what_is_refused_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pratique.yaml");
        let good = "enforcer: dry-run\n# my words\ndata_dir: store # here\n";
        fs::write(&path, good).unwrap();
        let policies = dir.path().join("policies");
        pratique_policy::write_built_in(&policies).unwrap();
        fs::create_dir(dir.path().join("store")).unwrap();
        let start =
            || settings(&path).map_err(anyhow::Error::from).and_then(|(config, problem)| choose(config, problem));
        let problems = |chosen: &Chosen| (chosen.settings_problem.is_some(), chosen.policy_problem.is_some());
        let first = start().unwrap();
        assert_eq!(problems(&first), (false, false));
        fs::write(&path, "enforcer: dry-run\ncolour: red\ndata_dir: store\n").unwrap();
        assert!(start().is_err(), "none were in force");
        assert!(!stands_in(&path));
        fs::write(&path, good).unwrap();
        keep(&first.config, &first.policies);

        for broken in
            ["colour: red\ndata_dir: store\n", "data_dir: store\nwall: {zone: 0}\n", "\tx: [\ndata_dir: 'store'\n"]
        {
            fs::write(&path, broken).unwrap();
            let chosen = start().unwrap();
            assert_eq!(problems(&chosen), (true, false), "{broken}");
            assert_eq!(chosen.config, first.config);
            assert!(stands_in(&path));
        }
        let playbook = policies.join("playbooks/mirai.yaml");
        let sound = fs::read_to_string(&playbook).unwrap();
        fs::write(&playbook, format!("{sound}colour: red\n")).unwrap();
        let chosen = start().unwrap();
        assert_eq!(problems(&chosen), (true, true));
        assert_eq!(chosen.policies, first.policies);
        assert!(chosen.policy_problem.is_some_and(|why| why.contains("mirai.yaml")));
        fs::write(&path, good).unwrap();
        assert_eq!(problems(&start().unwrap()), (false, true));
        assert!(stands_in(&path), "for the policies");
        // What is in force is kept, and not what is on disk.
        keep(&first.config, &first.policies);
        assert_eq!(start().unwrap().policies, first.policies);

        let kept = dir.path().join("store/in-force/policies/playbooks/mirai.yaml");
        fs::write(&kept, format!("{sound}# changed\n")).unwrap();
        assert!(start().is_err(), "what was tampered with is not used");
        fs::write(&kept, &sound).unwrap();
        assert!(start().is_ok());
        fs::write(&playbook, &sound).unwrap();
        assert!(!stands_in(&path), "what is on disk is in force");
        fs::write(&playbook, format!("{sound}colour: red\n")).unwrap();
        fs::rename(dir.path().join("store/in-force"), dir.path().join("store/in-force.old")).unwrap();
        assert!(start().is_ok(), "a crash between two renames");
        fs::write(dir.path().join("other.yaml"), "colour: red\ndata_dir: store\n").unwrap();
        assert!(settings(&dir.path().join("other.yaml")).is_err(), "it is of another file");
    }
}
