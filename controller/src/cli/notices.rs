//! `pratique notices …`: does what the configuration says of mail server and webhook work? Asked before the first subscriber
//! depends on it. Needs no daemon.

use clap::{Args, Subcommand};
use pratique_core::ids::{CaseId, Seq};
use pratique_core::notice::Channel;
use pratique_ingest::contact;
use pratique_notices::channel::{Stamp, Trouble};
use pratique_notices::mail::Mailer;
use pratique_notices::webhook::{Post, Recipient, Webhook};
use pratique_notices::{Settings, key};
use pratique_portal::{About, Facts, Letter, Letters, LinkKey};
use serde_json::json;

use super::print::say;
use super::token::now;
use super::{Failure, Node, show};
use crate::config::Config;

/// What to do with notices.
#[derive(Debug, Subcommand)]
pub enum Notices {
    /// Send a notice that says it is a test.
    Test(Test),
}

/// `notices test`.
#[derive(Debug, Args)]
#[group(id = "where", required = true, multiple = true, args = ["to", "phone"])]
pub struct Test {
    /// Send it by e-mail to this address.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Send it by the webhook, with this telephone number. The post says it is a test.
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Write it in this language [default: the portal's].
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

impl Notices {
    /// Does it.
    ///
    /// # Errors
    /// What is wrong with the configuration, or what the other side said.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run(),
        }
    }
}

impl Test {
    fn run(self) -> Result<(), Failure> {
        let usage = |problem: String| Failure::Usage(problem);
        let option = |name: &str, why| usage(format!("--{name} {why}"));
        let to = self.to.as_deref().map(contact::email).transpose().map_err(|why| option("to", why))?;
        let phone = self.phone.as_deref().map(contact::phone).transpose().map_err(|why| option("phone", why))?;
        let config = self.node.load()?;
        let Some(settings) = &config.notices else {
            return Err(usage(format!("{}: the section notices is not there", self.node.path().display())));
        };
        let (letters, key, lasting) = letters(&config, settings)?;
        if let Some(tag) = self.language.as_deref().filter(|tag| !letters.speaks(tag)) {
            let known = letters.languages().join(", ");
            return Err(usage(format!("--language: there are no texts for `{tag}`; known are {known}")));
        }
        let letter = test_letter(&letters, self.language.as_deref());
        // Mail programs show a mail with a Message-ID they know once: each test has its own.
        let stamp = Stamp::new(&key, CaseId(0), Seq(u64::try_from(now().as_millis()).unwrap_or(0)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut taken = Vec::new();
        if let Some(to) = to {
            let mail = settings.mail.as_ref().ok_or_else(|| usage("--to: notices.mail is not configured".into()))?;
            let mailer = Mailer::new(mail, letters.provider()).map_err(Failure::Refused)?;
            let done = runtime.block_on(mailer.send(&to, &letter, &stamp, now()));
            done.map_err(|trouble| not_taken(Channel::Mail, trouble))?;
            let by = format!("{}:{}", mail.host, mail.port());
            if !self.json {
                say!("{by} has taken a test notice to {to}; now look whether it arrives.");
            }
            taken.push(json!({ "channel": "mail", "by": by }));
        }
        if let Some(phone) = phone {
            let hook = settings.webhook.as_ref();
            let hook = hook.ok_or_else(|| usage("--phone: notices.webhook is not configured".into()))?;
            let webhook = Webhook::new(hook).map_err(Failure::Refused)?;
            let recipient = Recipient { phone: Some(&phone), ..Recipient::default() };
            let post = Post::new(CaseId(0), "test", recipient, &letter);
            let done = runtime.block_on(webhook.send(&post, &stamp, now()));
            done.map_err(|trouble| not_taken(Channel::Webhook, trouble))?;
            if !self.json {
                say!("{} has taken a test notice for {phone}.", hook.url);
            }
            taken.push(json!({ "channel": "webhook", "by": hook.url.to_string() }));
        }
        if self.json {
            return show::json(&json!({ "taken": taken, "link_lasts": lasting }));
        }
        if !lasting {
            say!("The link in it is not confirmed: the daemon has not made its key yet.");
        }
        Ok(())
    }
}

/// In the words and with the key of the daemon; with a key of the moment where it has none yet, for it has to be the daemon's
/// own file. The last says whether the key lasts.
fn letters(config: &Config, settings: &Settings) -> Result<(Letters, LinkKey, bool), Failure> {
    let known = key::load(&config.data_dir)?;
    let lasting = known.is_some();
    let key = match known {
        Some(key) => key,
        None => {
            let mut bytes = [0; LinkKey::BYTES];
            getrandom::fill(&mut bytes)
                .map_err(|e| Failure::Refused(format!("the system gives no random numbers: {e}")))?;
            LinkKey::new(bytes)
        }
    };
    let Some(portal) = &config.portal else {
        return Err(Failure::Usage("notices needs the section portal".into()));
    };
    let texts = config.policies.join("texts");
    let texts = texts.is_dir().then_some(texts.as_path());
    let letters = Letters::new(portal.pages.clone(), texts, key.clone(), settings.link_valid);
    let letters = letters.map_err(|e| Failure::Refused(e.to_string()))?;
    Ok((letters, key, lasting))
}

fn test_letter(letters: &Letters, language: Option<&str>) -> Letter {
    let (case, about, sent) = (CaseId(0), About::Test, now());
    let facts = Facts { case, about, sent, until: None, again: false, causes: Vec::new(), check: None };
    letters.write(&facts, language)
}

/// What was said may name the address, which the person who reads this has typed.
fn not_taken(channel: Channel, trouble: Trouble) -> Failure {
    Failure::Refused(match trouble {
        Trouble::Later(said) => format!("not taken now by {channel}: {said}"),
        Trouble::Refused { code, said } => format!("refused for good by {channel} with code {code}: {said}"),
        Trouble::Unwritable(said) => format!("cannot be written for {channel}: {said}"),
    })
}
