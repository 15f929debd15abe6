//! `pratique token …`: edits the tokens file beside the configuration. The daemon sees the change at its next request, so
//! this works with the daemon up or down.

use clap::{Args, Subcommand};
use ipnet::IpNet;
use pratique_core::time::{Span, Timestamp};
use pratique_staff::roles::{Person, Role};
use pratique_staff::tokens::{NewToken, TokenList};
use serde_json::json;

use super::print::{complain, say};
use super::table::Table;
use super::{Failure, Node, show};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and show it, this once.
    Add(Add),
    /// List whose tokens are valid. The tokens themselves are not stored.
    List(List),
    /// Revoke one token, or all tokens of a person. Their console sessions end at once.
    Revoke(Revoke),
}

/// `token add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Whose token it is. Where two people have to approve, two tokens of one person count once.
    #[arg(long)]
    person: Person,
    /// viewer looks; operator decides about cases; supervisor also halts, releases everything and erases.
    #[arg(long, value_enum)]
    role: Role,
    /// How long it is valid, for example 90d [default: until it is revoked].
    #[arg(long = "for", value_name = "SPAN")]
    lasting: Option<Span>,
    /// Show only lines in this network; may be given several times [default: all].
    #[arg(long, value_name = "NETWORK")]
    network: Vec<IpNet>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// `token list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// `token revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// A person, or the first eight digits of a token's hash as `token list` shows them.
    which: String,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

impl Token {
    /// Does it.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Add(c) => {
                let path = c.node.load()?.tokens;
                let mut list = load(&path)?;
                let expires = c.lasting.map(|span| now().plus(span));
                if expires.is_some_and(|end| end <= now()) {
                    return Err(Failure::Usage("--for: the token would never be valid".into()));
                }
                let token =
                    list.add(NewToken { person: c.person, role: c.role, expires, networks: c.network }, now())?;
                list.store(&path)?;
                if c.json {
                    return show::json(&json!({ "token": token, "tokens_file": path }));
                }
                say!("{token}");
                complain!("Shown this once; only its hash is kept, in {}.", path.display());
                Ok(())
            }
            Self::List(c) => {
                let list = load(&c.node.load()?.tokens)?;
                if c.json {
                    return show::json(&list);
                }
                let mut shown = Table::new(&["TOKEN", "PERSON", "ROLE", "CREATED", "EXPIRES", "NETWORKS"]);
                for t in &list.tokens {
                    let networks: Vec<_> = t.networks.iter().map(ToString::to_string).collect();
                    shown.add_row([
                        t.sha256.id(),
                        t.person.to_string(),
                        t.role.to_string(),
                        show::at(&t.created),
                        t.expires.as_ref().map_or_else(|| "never".into(), show::at),
                        if networks.is_empty() { "all".into() } else { networks.join(", ") },
                    ]);
                }
                say!("{shown}");
                Ok(())
            }
            Self::Revoke(c) => {
                let path = c.node.load()?.tokens;
                let mut list = load(&path)?;
                let gone = list.revoke(&c.which);
                if gone.is_empty() {
                    return Err(Failure::Refused(format!("no token of `{}`; see `pratique token list`", c.which)));
                }
                list.store(&path)?;
                if c.json {
                    return show::json(&json!({ "revoked": gone }));
                }
                for t in gone {
                    say!("revoked {} of {} ({})", t.sha256.id(), t.person, t.role);
                }
                Ok(())
            }
        }
    }
}

fn load(path: &std::path::Path) -> Result<TokenList, Failure> {
    TokenList::load(path).map_err(|e| Failure::Refused(e.to_string()))
}

/// The time of this machine.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
