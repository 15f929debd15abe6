//! `pratique init DIR`: a node to start from. Commented configuration, a copy of the policies, a first supervisor.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use pratique_staff::roles::{Person, Role};
use pratique_staff::tokens::{NewToken, TokenList};
use serde_json::json;

use super::print::say;
use super::token::now;
use super::{Failure, show};
use crate::config::EXAMPLE;

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Folder to write to. It is made if it does not exist; files in it are not changed.
    dir: PathBuf,
    /// Name of the first supervisor.
    #[arg(long, default_value = "admin")]
    person: Person,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

impl Init {
    /// Does it.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn run(self) -> Result<(), Failure> {
        let dir = &self.dir;
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o750);
        private.create(dir)?;
        private.create(dir.join("data"))?;
        let config = dir.join("pratique.yaml");
        let new = write_new(&config, EXAMPLE)?;
        let written = pratique_policy::write_built_in(&dir.join("policies"))?;
        let tokens = dir.join("tokens.yaml");
        let mut list = TokenList::load(&tokens).map_err(|e| Failure::Refused(e.to_string()))?;
        let mut token = None;
        if list.tokens.is_empty() {
            let new = NewToken { person: self.person, role: Role::Supervisor, expires: None, networks: Vec::new() };
            token = Some(list.add(new, now())?);
            list.store(&tokens)?;
        }
        if self.json {
            return show::json(&json!({ "config": config, "new": new, "policies": written, "token": token }));
        }
        if new {
            say!(
                "{}: every field with the reason for its value; `enforcer: dry-run`, so nobody is walled before you write nft",
                config.display()
            );
        } else {
            say!("{}: exists already, left as it is", config.display());
        }
        let policies = dir.join("policies");
        match (written.len(), pratique_policy::built_in_count() - written.len()) {
            (new, 0) => say!("{}: {new} files", policies.display()),
            (new, there) => say!("{}: {new} files, {there} exist already, left as they are", policies.display()),
        }
        say!("{}: empty, for the store", dir.join("data").display());
        match token {
            Some(token) => {
                say!("{}: one token", tokens.display());
                say!("\nThe first supervisor's token, shown only this once:\n\n    {token}\n");
            }
            None => say!("{}: has tokens already; `pratique token add` makes more", tokens.display()),
        }
        say!("Next: write your networks into policies/policy.yaml, then");
        say!("    pratique check-config --config {}", config.display());
        say!("    pratique run --config {}", config.display());
        Ok(())
    }
}

fn write_new(path: &Path, text: &str) -> std::io::Result<bool> {
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}
