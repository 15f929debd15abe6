//! The pages with other words and colours, before those stand in the configuration: for the console. Nothing of a real
//! case is shown, and nothing on them works.

use std::sync::Arc;

use pratique_core::command::Missing;
use pratique_core::ids::{CaseId, CauseKey};
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CaseCard, CauseCard, CheckCard, CheckState, Freed, Garden, Proof, Round, Trust};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Ticked;
use crate::desk::{Grace, Warning};
use crate::front::Front;
use crate::page::{Buttons, Free, Pages, Wish};
use crate::settings::{Settings, SettingsError};
use crate::{OwnWords, PortalError, StepId};

/// Characters of one word on trial; more do not fit on any page.
const MAX_WORD: usize = 200;

/// What the console tries. An empty text is nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trial {
    /// As `provider.name`.
    pub name: String,
    /// As `provider.phone`.
    pub phone: String,
    /// As `provider.phone_hours`.
    pub phone_hours: String,
    /// As `provider.site`.
    pub site: String,
    /// As `provider.contract_hint`.
    pub contract_hint: String,
    /// As `look.colour`.
    pub colour: String,
    /// As `look.colour_dark`.
    pub colour_dark: String,
    /// As `look.terms`.
    pub terms: String,
    /// In which language; the settings' own if there is no such one.
    pub language: String,
    /// Of which cause.
    pub cause: String,
    /// Which page.
    pub scene: Scene,
}

/// The pages that can be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    /// Just put into quarantine; the first step is ticked.
    #[default]
    OnHold,
    /// A check is under way.
    Checking,
    /// The check found it open.
    StillOpen,
    /// The check found nothing open, and leaving on trust is offered.
    Clean,
    /// The check saw too little.
    Unclear,
    /// Released.
    BackOnline,
    /// Not in quarantine, but warned.
    Warned,
    /// A line without a case.
    Free,
    /// Who comes from an address that nobody is known to hold.
    Unknown,
}

impl Scene {
    /// All, with what the console calls them.
    pub const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::OnHold, "on-hold", "On hold"),
        (Self::Checking, "checking", "Check under way"),
        (Self::StillOpen, "still-open", "Check: still open"),
        (Self::Clean, "clean", "Check: nothing open"),
        (Self::Unclear, "unclear", "Check: saw too little"),
        (Self::BackOnline, "back-online", "Back online"),
        (Self::Warned, "warned", "Warned, not on hold"),
        (Self::Free, "free", "A line without a case"),
        (Self::Unknown, "unknown", "Nobody knows whose line"),
    ];
}

/// A page to look at.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The page.
    pub html: String,
    /// The policy it must be sent with: its own style, nothing else, shown in frames of the same origin alone.
    pub content_security_policy: String,
}

/// Makes such pages.
#[derive(Clone)]
pub struct Preview(Arc<Front>);

impl Preview {
    pub(crate) fn new(front: Arc<Front>) -> Self {
        Self(front)
    }

    /// What is configured now.
    pub fn configured(&self) -> Trial {
        let settings = self.0.pages.settings();
        let (provider, look) = (&settings.provider, &settings.look);
        // Of several languages' words the trial shows those of the settings' own.
        let own = |words: &OwnWords| words.in_language(&settings.language).to_owned();
        let text = |words: &Option<OwnWords>| words.as_ref().map(own).unwrap_or_default();
        let colour = |colour: Option<crate::Colour>| colour.map(|c| c.to_string()).unwrap_or_default();
        Trial {
            name: own(&provider.name),
            phone: provider.phone.to_string(),
            phone_hours: text(&provider.phone_hours),
            site: own(&provider.site),
            contract_hint: text(&provider.contract_hint),
            colour: colour(look.colour),
            colour_dark: colour(look.colour_dark),
            terms: look.terms.as_deref().unwrap_or_default().to_owned(),
            language: settings.language.to_string(),
            cause: "mirai".to_owned(),
            scene: Scene::default(),
        }
    }

    /// The languages there are.
    pub fn languages(&self) -> Vec<String> {
        self.0.pages.texts().languages().map(|language| language.tag().to_owned()).collect()
    }

    /// The settings as they would be.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn settings(&self, trial: &Trial) -> Result<Settings, SettingsError> {
        let mut settings = self.0.pages.settings().clone();
        let fields = [
            ("provider.name", &trial.name),
            ("provider.phone", &trial.phone),
            ("provider.phone_hours", &trial.phone_hours),
            ("provider.site", &trial.site),
            ("provider.contract_hint", &trial.contract_hint),
            ("look.terms", &trial.terms),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, text)| text.chars().count() > MAX_WORD) {
            return Err(SettingsError::new(
                field,
                format!("is longer than {MAX_WORD} characters; no page has room for it"),
            ));
        }
        let said = |text: &str| Some(text.trim()).filter(|t| !t.is_empty()).map(SmolStr::from);
        let colour = |field, text: &str| {
            let parsed = said(text).map(|text| text.parse());
            parsed.transpose().map_err(|problem: String| SettingsError::new(field, problem))
        };
        // What was not touched stays as it is, in all of its languages.
        let main = settings.language.clone();
        let kept = |words: &OwnWords, text: &str| match words.in_language(&main) == text.trim() {
            true => words.clone(),
            false => text.trim().into(),
        };
        let kept_or_none = |words: &Option<OwnWords>, text: &str| {
            let own = words.as_ref().map(|words| kept(words, text));
            said(text).map(|text| own.unwrap_or_else(|| text.into()))
        };
        settings.provider.name = kept(&settings.provider.name, &trial.name);
        settings.provider.phone = trial.phone.trim().into();
        settings.provider.phone_hours = kept_or_none(&settings.provider.phone_hours, &trial.phone_hours);
        settings.provider.site = kept(&settings.provider.site, &trial.site);
        settings.provider.contract_hint = kept_or_none(&settings.provider.contract_hint, &trial.contract_hint);
        settings.look.colour = colour("look.colour", &trial.colour)?;
        settings.look.colour_dark = colour("look.colour_dark", &trial.colour_dark)?;
        settings.look.terms = said(&trial.terms);
        settings.check()?;
        Ok(settings)
    }

    /// The page of a trial, as it would be at `now` for a line in this garden.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn show(&self, trial: &Trial, garden: &Garden, now: Timestamp) -> Result<Shown, PortalError> {
        let pages = Pages::new(self.settings(trial)?, Arc::clone(self.0.pages.texts()))?;
        let wish = Wish { chosen: pages.language(Some(trial.language.as_str())), ..Wish::default() };
        let html = match trial.scene {
            Scene::BackOnline => pages.free_html(&wish, Free::Released(String::new())),
            Scene::Free => pages.free_html(&wish, Free::Elsewhere),
            Scene::Unknown => pages.unknown_html(&wish, false, true),
            Scene::Warned => {
                let CaseCard { case, until, causes, number_tail, .. } = card(&trial.cause, trial.scene, now);
                let check = CheckState { round: Round(0), checking_since: None, last_check: None, check_again: None };
                let grace = Some(Grace::Until(until));
                let warning = Warning { case, grace, causes, number_tail, check: Some(check) };
                pages.warned_html(&warning, None, None, &wish, now)
            }
            scene => {
                let card = card(&trial.cause, scene, now);
                let first = StepId { cause: CauseKey::from(trial.cause.as_str()), number: 1 };
                let shut = self.0.shut();
                let open = self.0.opens(garden, &shut);
                pages.case_html(&card, open, &Ticked::from([first]), Buttons::default(), &wish, now)
            }
        };
        // A link or a form of it would lead into the console.
        let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
        Ok(Shown { html, content_security_policy: pages.preview_policy() })
    }
}

/// A case that could be.
fn card(cause: &str, scene: Scene, now: Timestamp) -> CaseCard {
    let ago = |hours| now.minus(Span::from_hours(hours));
    let check =
        |verdict, key: &str| CheckCard { at: ago(0), verdict, found: vec![("telnet:23".into(), verdict, key.into())] };
    let (last_check, missing) = match scene {
        Scene::StillOpen => (Some(check(Verdict::Vulnerable, "login-prompt")), Missing::StillVulnerable),
        Scene::Clean => (Some(check(Verdict::Clean, "refused")), Missing::Silence),
        Scene::Unclear => (Some(check(Verdict::Inconclusive, "timeout")), Missing::Inconclusive),
        Scene::OnHold | Scene::Checking | Scene::BackOnline | Scene::Warned | Scene::Free | Scene::Unknown => {
            (None, Missing::Rescan)
        }
    };
    CaseCard {
        case: CaseId(4_711),
        version: 1,
        since: ago(3),
        until: now.plus(Span::from_days(30)),
        causes: vec![CauseCard {
            cause: CauseKey::from(cause),
            first_seen: ago(8),
            last_seen: ago(4),
            count: 3,
            device: Some("Acme IP camera".into()),
        }],
        fix_reported_at: last_check.as_ref().map(|_| ago(0)),
        checking_since: (scene == Scene::Checking).then_some(now),
        last_check,
        missing: Some(missing),
        freed: Freed { earliest: Some(ago(4).plus(Span::from_days(2))), awaits_report: true },
        check_again: None,
        proof: Proof { checks: true, silence: Span::from_days(2), wall_silence: Span::from_hours(1) },
        alive_at: None,
        self_release: scene == Scene::Clean,
        trust: Some(Trust {
            used: 1,
            times: 2,
            within: Span::from_days(30),
            oldest_until: Some(now.plus(Span::from_days(12))),
        }),
        relapses: 0,
        language: None,
        number_tail: Some("482".into()),
    }
}
