//! A notice in words: subject, plain text and HTML of a mail, and the few words of an SMS. It says what the page says, with the
//! same texts; what strangers wrote (names of devices in reports) is left out, since mail programs make links of it.

use std::sync::Arc;

use askama::Template;
use pratique_core::ids::CaseId;
use pratique_core::notice::NoticeKind;
use pratique_core::rescan::Verdict;
use pratique_core::time::{Span, Timestamp};
use pratique_core::view::{CauseCard, CheckCard};

use super::frame::rendered;
use super::words::{Cause, Finding, Step, class_of};
use super::{Pages, Wish};
use crate::link::LINK_PATH;
use crate::texts::keys::{self, Key};
use crate::texts::{Language, Texts, Voice};
use crate::{LinkKey, PortalError, Settings, Ticked};

/// As in the style of pages; mail programs know no variables.
const OUR_COLOUR: &str = "#0b5d8f";

/// Writes notices for a provider.
pub struct Letters {
    pages: Pages,
    key: LinkKey,
    valid: Span,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Something that happened to a case; or a check without one, whose number is then 0.
    Case(NoticeKind),
    /// Nothing: somebody tries whether notices arrive.
    Test,
}

impl About {
    /// The result of a check without a case.
    const fn is_self_check(self) -> bool {
        matches!(self, Self::Case(kind) if kind.is_self_check())
    }
}

/// What a notice says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The case's number.
    pub case: CaseId,
    /// What happened.
    pub about: About,
    /// Now: when it is sent.
    pub sent: Timestamp,
    /// When the warning's time or the quarantine is over.
    pub until: Option<Timestamp>,
    /// The line was free before, and something was seen again.
    pub again: bool,
    /// What was seen.
    pub causes: Vec<CauseCard>,
    /// The last check.
    pub check: Option<CheckCard>,
}

/// A notice, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// BCP 47 tag of its language.
    pub language: String,
    /// One line.
    pub subject: String,
    /// Without markup.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// For an SMS.
    pub short: String,
    /// The page that confirms it.
    pub link: String,
}

/// What the two forms of a mail say, in order.
#[derive(Template)]
#[template(path = "letter.html")]
struct Mail<'a> {
    v: Voice<'a>,
    colour: String,
    provider: &'a str,
    subject: &'a str,
    lead: &'a str,
    again: Option<String>,
    findings: Vec<Finding>,
    causes: Vec<Cause>,
    /// What kind of device to look for.
    kind: Option<String>,
    seen: bool,
    steps: bool,
    watch: Option<String>,
    portal: Option<String>,
    /// What to do where not even the portal opens.
    private_dns: Option<String>,
    until: Option<String>,
    link: &'a str,
    link_says: String,
    genuine: [String; 3],
    call: String,
    hours: Option<String>,
}

impl Letters {
    /// For a provider; links work for `valid`.
    ///
    /// # Errors
    /// As [`crate::Portal::new`].
    pub fn new(
        settings: Settings,
        texts_dir: Option<&std::path::Path>,
        key: LinkKey,
        valid: Span,
    ) -> Result<Self, PortalError> {
        Ok(Self { pages: Pages::new(settings, Arc::new(Texts::load(texts_dir)?))?, key, valid })
    }

    /// The name customers know the provider by.
    pub fn provider(&self) -> &str {
        self.pages.settings.provider.name.in_language(&self.pages.settings.language)
    }

    /// Whether there are texts in this language or a wider one.
    pub fn speaks(&self, tag: &str) -> bool {
        self.pages.texts.for_browser(tag).is_some()
    }

    /// Writes a notice in the language of the subscriber's record, else in the provider's.
    pub fn write(&self, facts: &Facts, language: Option<&str>) -> Letter {
        let pages = &self.pages;
        let v = pages.voice(&Wish { record: language, ..Wish::default() });
        let case = facts.case.number().to_string();
        let link = {
            let token = self.key.sign(facts.case, facts.sent, self.valid);
            // Over TLS where the portal speaks it: who opens a mail is seldom on the line that is walled.
            let portal = pages.settings.secure_url().unwrap_or(&pages.settings.portal_url);
            format!("{portal}{}{token}", LINK_PATH.trim_start_matches('/'))
        };
        let (title, lead) = words(facts.about);
        let (title, lead) = (v.say(title), v.say(lead));
        let of_case = !facts.about.is_self_check();
        let subject = match of_case {
            true => v.with(keys::NOTICE_SUBJECT, &[("title", title.into()), ("case", case.as_str().into())]),
            false => v.say1(keys::NOTICE_SUBJECT_PLAIN, "title", title),
        };
        let subject = one_line(&subject);
        let says = Says::of(facts.about);
        let open = if of_case { keys::FINDING_MARK_VULNERABLE } else { keys::CHECK_MARK_OPEN };
        let checked = facts.check.as_ref().filter(|_| says.findings).map(|check| pages.findings(v, check, open));
        let provider = &pages.settings.provider;
        let name = provider.name.in_language(v.language().tag());
        let genuine_phone = match provider.contract_hint {
            Some(_) => keys::NOTICE_GENUINE_PHONE_HINT,
            None => keys::NOTICE_GENUINE_PHONE,
        };
        let until = facts.until.and_then(|until| pages.day(v, until));
        let none = Ticked::new();
        let (causes, which) = pages.causes(v, &facts.causes, &none);
        let mail = Mail {
            v,
            colour: pages.settings.look.colour.map_or_else(|| OUR_COLOUR.to_owned(), |colour| colour.to_string()),
            provider: name,
            subject: &subject,
            lead: &lead,
            again: (facts.again && says.again).then(|| v.say(keys::AGAIN)),
            findings: checked.unwrap_or_default(),
            causes: if says.steps { causes } else { Vec::new() },
            kind: which.kind.filter(|_| says.seen),
            seen: says.seen,
            steps: says.steps,
            watch: says.watch.then(|| v.say(keys::NOTICE_WATCH)),
            portal: says.portal.then(|| match says.steps {
                true => v.say(keys::NOTICE_STEPS_ELSEWHERE),
                false => v.say(keys::NOTICE_PAGE),
            }),
            private_dns: says.portal.then(|| v.say(keys::PRIVATE_DNS)),
            until: until.and_then(|day| match facts.about {
                About::Case(NoticeKind::Warning) => Some(v.say1(keys::NOTICE_WARNED_UNTIL, "day", day)),
                About::Case(NoticeKind::Quarantined) => Some(v.say1(keys::NOTICE_HELD_UNTIL, "day", day)),
                About::Case(_) | About::Test => None,
            }),
            link: &link,
            link_says: {
                let day = pages.day(v, facts.sent.plus(self.valid)).unwrap_or_default();
                v.say1(keys::NOTICE_GENUINE_LINK, "day", day)
            },
            genuine: [v.say(keys::NOTICE_GENUINE_SITE), v.say(genuine_phone), v.say(keys::NOTICE_GENUINE_NEVER)],
            call: if of_case { v.say1(keys::CALL_TEXT, "case", case.as_str()) } else { v.say(keys::CHECK_CALL) },
            hours: pages.hours(v),
        };
        let (text, html) = (mail.plain(), rendered(&mail));
        let short = one_line(&format!("{name}: {lead} {}", mail.call));
        Letter { language: v.language().tag().to_owned(), text, html, short, link, subject }
    }

    /// All languages, by their tags.
    pub fn languages(&self) -> Vec<&str> {
        self.pages.texts.languages().map(Language::tag).collect()
    }
}

/// What happened: as a subject says it, and in the first lines.
const fn words(about: About) -> (Key, Key) {
    let About::Case(kind) = about else { return (keys::NOTICE_TITLE_TEST, keys::NOTICE_LEAD_TEST) };
    match kind {
        NoticeKind::Warning => (keys::NOTICE_TITLE_WARNING, keys::NOTICE_LEAD_WARNING),
        NoticeKind::Quarantined => (keys::NOTICE_TITLE_QUARANTINED, keys::NOTICE_LEAD_QUARANTINED),
        NoticeKind::CheckClean => (keys::NOTICE_TITLE_CHECK_CLEAN, keys::NOTICE_LEAD_CHECK_CLEAN),
        NoticeKind::CheckVulnerable => (keys::NOTICE_TITLE_CHECK_VULNERABLE, keys::NOTICE_LEAD_CHECK_VULNERABLE),
        NoticeKind::CheckInconclusive => (keys::NOTICE_TITLE_CHECK_INCONCLUSIVE, keys::NOTICE_LEAD_CHECK_INCONCLUSIVE),
        NoticeKind::ReleasedProven => (keys::NOTICE_TITLE_RELEASED_PROVEN, keys::NOTICE_LEAD_RELEASED_PROVEN),
        NoticeKind::ReleasedTrust => (keys::NOTICE_TITLE_RELEASED_TRUST, keys::NOTICE_LEAD_RELEASED_TRUST),
        NoticeKind::ReleasedStaff => (keys::NOTICE_TITLE_RELEASED_STAFF, keys::NOTICE_LEAD_RELEASED_STAFF),
        NoticeKind::ReleasedExpired => (keys::NOTICE_TITLE_RELEASED_EXPIRED, keys::NOTICE_LEAD_RELEASED_EXPIRED),
        NoticeKind::ReleasedRetracted => (keys::NOTICE_TITLE_RELEASED_RETRACTED, keys::NOTICE_LEAD_RELEASED_RETRACTED),
        NoticeKind::Relapse => (keys::NOTICE_TITLE_RELAPSE, keys::NOTICE_LEAD_RELAPSE),
        NoticeKind::SelfCheckClean => (keys::NOTICE_TITLE_CHECK_CLEAN, keys::NOTICE_LEAD_SELF_CHECK_CLEAN),
        NoticeKind::SelfCheckVulnerable => {
            (keys::NOTICE_TITLE_SELF_CHECK_VULNERABLE, keys::NOTICE_LEAD_SELF_CHECK_VULNERABLE)
        }
        NoticeKind::SelfCheckInconclusive => {
            (keys::NOTICE_TITLE_CHECK_INCONCLUSIVE, keys::NOTICE_LEAD_SELF_CHECK_INCONCLUSIVE)
        }
    }
}

/// Which parts a mail has beside those that all have.
#[derive(Clone, Copy, Default)]
struct Says {
    seen: bool,
    steps: bool,
    findings: bool,
    portal: bool,
    watch: bool,
    again: bool,
}

impl Says {
    fn of(about: About) -> Self {
        let About::Case(kind) = about else { return Self::default() };
        match kind {
            NoticeKind::Warning => Self { seen: true, steps: true, again: true, ..Self::default() },
            NoticeKind::Relapse => Self { seen: true, steps: true, ..Self::default() },
            NoticeKind::Quarantined => Self { seen: true, steps: true, portal: true, again: true, ..Self::default() },
            NoticeKind::CheckVulnerable => Self { steps: true, findings: true, portal: true, ..Self::default() },
            NoticeKind::CheckInconclusive => Self { findings: true, portal: true, ..Self::default() },
            NoticeKind::SelfCheckVulnerable => Self { steps: true, findings: true, ..Self::default() },
            NoticeKind::ReleasedExpired => Self { steps: true, ..Self::default() },
            NoticeKind::ReleasedProven | NoticeKind::ReleasedTrust => Self { watch: true, ..Self::default() },
            NoticeKind::CheckClean
            | NoticeKind::ReleasedStaff
            | NoticeKind::ReleasedRetracted
            | NoticeKind::SelfCheckClean
            | NoticeKind::SelfCheckInconclusive => Self::default(),
        }
    }
}

impl Mail<'_> {
    /// Without markup, in the order of the template.
    fn plain(&self) -> String {
        let v = self.v;
        let mut blocks = vec![v.say(keys::NOTICE_GREETING)];
        blocks.push(self.lead.to_owned());
        blocks.extend(self.again.clone());
        blocks.extend(self.until.clone());
        let mut list = |heading: Option<String>, items: Vec<String>| {
            if !items.is_empty() {
                blocks.push(heading.into_iter().chain(items).collect::<Vec<_>>().join("\n"));
            }
        };
        let findings = self.findings.iter().map(|f| format!("* {} {}", f.mark, f.said));
        list(None, findings.collect());
        if self.seen {
            let seen = |cause: &Cause| [cause.title.clone(), cause.means.clone(), cause.seen.clone()];
            let seen = self.causes.iter().flat_map(seen).chain(self.kind.clone());
            list(Some(upper(v.say(keys::NOTICE_CAUSE_HEADING))), seen.collect());
        }
        if self.steps && !self.causes.is_empty() {
            list(Some(upper(v.say(keys::STEPS_HEADING))), vec![v.say(keys::STEPS_INTRO)]);
            for cause in &self.causes {
                let several = self.causes.len() > 1;
                let heading = several.then(|| v.say1(keys::STEPS_FOR, "title", cause.title.clone()));
                let step = |(i, step): (usize, &Step)| {
                    let rest = step.rest.lines().map(|line| format!("\n   {line}")).collect::<String>();
                    format!("{}. {}{rest}", i + 1, step.lead)
                };
                list(heading, cause.steps_to_do().enumerate().map(step).collect());
            }
        }
        list(None, self.watch.iter().cloned().collect());
        list(None, self.portal.iter().cloned().collect());
        list(None, self.private_dns.iter().cloned().collect());
        let call = [Some(self.call.clone()), self.hours.clone()];
        list(Some(upper(v.say(keys::CALL_HEADING))), call.into_iter().flatten().collect());
        // The ways beside the link begin with "or".
        let link = vec![self.link_says.clone(), self.link.to_owned()];
        list(Some(upper(v.say(keys::NOTICE_GENUINE_HEADING))), link);
        list(None, self.genuine.iter().map(|t| format!("* {t}")).collect());
        list(None, vec!["-- ".to_owned(), self.provider.to_owned(), v.say(keys::NOTICE_AUTOMATIC)]);
        blocks.join("\n\n") + "\n"
    }
}

/// A heading among plain lines.
fn upper(text: String) -> String {
    text.to_uppercase()
}

/// What stands in a header or an SMS: one line, whatever a provider's name or text holds.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a finding is bad, for its colour in a mail.
impl Finding {
    fn is_bad(&self) -> bool {
        self.class == class_of(Verdict::Vulnerable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> Letters {
        let settings = Settings::example("http://help.example.net/".parse().unwrap());
        Letters::new(settings, None, LinkKey::new([7; 32]), Span::from_days(14)).unwrap()
    }

    fn facts(about: About) -> Facts {
        let at = |s: i64| Timestamp::from_secs(1_771_156_800 + s);
        let cause = |cause: &str, device: Option<&str>| CauseCard {
            cause: cause.into(),
            first_seen: at(-7_200),
            last_seen: at(-3_600),
            count: 3,
            device: device.map(Into::into),
        };
        Facts {
            case: CaseId(17),
            about,
            sent: at(0),
            until: Some(at(3 * 86_400)),
            again: false,
            causes: vec![cause("mirai", Some("http://evil.example camera")), cause("open-telnet", None)],
            check: Some(CheckCard {
                at: at(-60),
                verdict: Verdict::Vulnerable,
                found: vec![("telnet:23".into(), Verdict::Vulnerable, "login-prompt".into())],
            }),
        }
    }

    #[test]
    fn every_kind_in_every_language_names_provider_case_and_the_ways_to_check_it() {
        let letters = letters();
        assert_eq!(letters.languages(), ["en", "ja", "nl"]);
        for language in ["en", "nl", "ja"] {
            let kinds = NoticeKind::ALL.into_iter().map(About::Case).chain([About::Test]);
            for about in kinds {
                let of_case = !about.is_self_check();
                let facts = facts(about);
                let facts = if of_case { facts } else { Facts { case: CaseId(0), ..facts } };
                let letter = letters.write(&facts, Some(language));
                assert_eq!(letter.language, language);
                assert!(letter.subject.contains("Example Net"), "{language} {about:?}: {}", letter.subject);
                assert_eq!(letter.subject.contains("Q-0017-4"), of_case, "{language} {about:?}: {}", letter.subject);
                for form in [&letter.text, &letter.html] {
                    let case = if of_case { "Q-0017-4" } else { "0800 0100" };
                    for part in [case, "example.net/quarantine", "your last bill", &letter.link] {
                        assert!(form.contains(part), "{language} {about:?} lacks {part}:\n{form}");
                    }
                    assert!(!form.contains("evil.example"), "what strangers wrote becomes no link");
                    assert!(!form.contains("notice-lead") && !form.contains("{$"), "{form}");
                }
                assert!(letter.short.chars().count() <= 400, "three parts of an SMS: {}", letter.short);
            }
        }
    }

    #[test]
    fn steps_stand_where_they_help_and_never_name_a_button_that_a_mail_has_not() {
        let letters = letters();
        let says = |kind| letters.write(&facts(About::Case(kind)), None).text;
        let warning = says(NoticeKind::Warning);
        assert!(warning.contains("1. ") && warning.contains("power plug"), "{warning}");
        assert!(!warning.contains("Press the button"), "{warning}");
        assert!(warning.contains("before Wednesday, 18 February 2026"), "{warning}");
        assert!(!warning.contains("own page"), "the warning itself has all steps");
        assert!(says(NoticeKind::Quarantined).contains("Your own page shows these steps"));
        assert!(says(NoticeKind::CheckVulnerable).contains("log in here"));
        let unclear = says(NoticeKind::CheckInconclusive);
        assert!(unclear.contains("shows the steps") && !unclear.contains("these steps"), "it has none: {unclear}");
        assert!(!says(NoticeKind::ReleasedProven).contains("power plug"));
        assert!(says(NoticeKind::ReleasedProven).contains("keep the new passwords"));
        let open = says(NoticeKind::SelfCheckVulnerable);
        assert!(open.contains("* Open: ") && open.contains("log in here") && open.contains("power plug"), "{open}");
        assert!(says(NoticeKind::SelfCheckClean).contains("shut the door behind them"));
    }

    #[test]
    fn who_was_free_before_is_told_that_it_was_seen_again() {
        let again = |kind| {
            let facts = Facts { again: true, ..facts(About::Case(kind)) };
            let letter = letters().write(&facts, None);
            [letter.text, letter.html].map(|form| form.contains("second device"))
        };
        assert_eq!(again(NoticeKind::Quarantined), [true, true]);
        assert_eq!(again(NoticeKind::Warning), [true, true]);
        assert_eq!(again(NoticeKind::ReleasedStaff), [false, false]);
        assert!(!letters().write(&facts(About::Case(NoticeKind::Quarantined)), None).text.contains("second device"));
    }

    #[test]
    fn html_has_no_image_no_script_and_nothing_from_elsewhere() {
        for kind in NoticeKind::ALL {
            let html = letters().write(&facts(About::Case(kind)), Some("nl-BE")).html;
            for bad in ["<img", "<script", "<link", "url(", "@import", "<form", "<iframe"] {
                assert!(!html.contains(bad), "{kind}: {bad}");
            }
            let links: Vec<_> = html.match_indices("href=\"").map(|(i, _)| &html[i + 6..i + 6 + 24]).collect();
            assert!(links.iter().all(|l| *l == "http://help.example.net/"), "{links:?}");
            assert!(html.contains("lang=\"nl\""));
        }
    }

    #[test]
    fn a_name_with_line_breaks_stays_on_one_line() {
        let mut settings = Settings::example("http://help.example.net/".parse().unwrap());
        settings.provider.name = "Example\r\nBcc: all@example.net".into();
        let letters = Letters::new(settings, None, LinkKey::new([7; 32]), Span::from_days(14)).unwrap();
        let letter = letters.write(&facts(About::Test), None);
        assert!(!letter.subject.chars().any(char::is_control), "{:?}", letter.subject);
        assert!(!letter.short.chars().any(char::is_control));
    }

    #[test]
    fn a_language_we_do_not_have_is_answered_in_the_providers() {
        assert_eq!(letters().write(&facts(About::Test), Some("fr")).language, "en");
        assert!(letters().speaks("ja-JP") && !letters().speaks("fr"));
    }
}
