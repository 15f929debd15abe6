//! The key of every text a person reads, and which variables it may use beside the common ones.
//!
//! A test keeps this list, the English file and the code equal: no key without text, no text without key, no key unused.

pub use super::families::*;

/// A text of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name in the files.
    pub name: &'static str,
    /// Variables given beside [`COMMON`].
    pub args: &'static [&'static str],
}

/// Variables every text may use.
pub const COMMON: [&str; 6] = ["provider", "phone", "site", "hint", "portal", "emergency"];

/// A text that no page says any more. A provider's own file may still hold it: it is passed over, and `check-config` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The text as it was.
    pub key: Key,
    /// What is said instead.
    pub instead: &'static str,
}

/// All of them.
pub const RETIRED: [Retired; 2] = [
    Retired { key: Key { name: "trust-used", args: &["used", "times", "days"] }, instead: "trust-left-until" },
    Retired { key: Key { name: "next-quiet", args: &["time"] }, instead: "freed-at" },
];

macro_rules! keys {
    ($($(#[$doc:meta])* $ident:ident = $name:literal $([$($arg:literal),*])?;)*) => {
        $($(#[$doc])* pub const $ident: Key = Key { name: $name, args: &[$($($arg),*)?] };)*
        /// All single keys, with the names the code knows them by.
        pub const ALL: &[(&str, Key)] = &[$((stringify!($ident), $ident)),*];
    };
}

keys! {
    /// A point in time.
    TIME = "time" ["weekday", "day", "month", "year", "clock"];
    /// A day.
    DAY = "day" ["weekday", "day", "month", "year"];
    /// A time that is to come: `in` days from today.
    WHEN = "when" ["in", "weekday", "day", "month", "year", "clock"];
    /// Minutes.
    MINUTES = "minutes" ["count"];
    /// Hours.
    HOURS = "hours" ["count"];
    /// Days.
    DAYS = "days" ["count"];

    /// The language's own name.
    LANGUAGE_NAME = "language-name";
    /// Label of the choice of languages.
    LANGUAGES_LABEL = "languages-label";

    /// Title of the resident's page.
    PAGE_TITLE = "page-title";
    /// What happened, in one line.
    HEADLINE = "headline";
    /// Why, and that it is nobody's fault.
    WHY = "why";
    /// The same, where the steps are done.
    WHY_WAITING = "why-waiting";
    /// It came back after a release.
    AGAIN = "again";
    /// Link to the terms.
    TERMS_LINK = "terms-link";
    /// Link from the top to the part about genuineness.
    GENUINE_LINK = "genuine-link";
    /// Link from the top to the help desk.
    CALL_LINK = "call-link";
    /// Label of the case number.
    CASE_LABEL = "case-label";
    /// Since when.
    SINCE = "since" ["time"];

    /// Heading of the state of affairs.
    STATUS_HEADING = "status-heading";
    /// A check runs.
    STATUS_CHECKING = "status-checking" ["minutes"];
    /// The page reloads by itself meanwhile.
    STATUS_RELOADS = "status-reloads";
    /// Nothing was checked yet.
    STATUS_UNCHECKED = "status-unchecked";
    /// Nothing was told yet, and there is nothing that could be checked.
    STATUS_UNTOLD = "status-untold";
    /// It was told.
    STATUS_TOLD = "status-told";
    /// When the last check was.
    STATUS_CHECKED_AT = "status-checked-at" ["time"];
    /// The last check was clean.
    STATUS_CLEAN = "status-clean";
    /// The last check found something.
    STATUS_VULNERABLE = "status-vulnerable";
    /// The last check saw nothing.
    STATUS_INCONCLUSIVE = "status-inconclusive";

    /// Heading of what can be done when a check saw too little.
    CHOICES_HEADING = "choices-heading";
    /// Check again.
    CHOICE_AGAIN = "choice-again";
    /// Wait.
    CHOICE_WAIT = "choice-wait";
    /// Call.
    CHOICE_CALL = "choice-call";

    /// A finding whose key has no text: clean.
    FINDING_CLEAN = "finding-clean";
    /// A finding whose key has no text: vulnerable.
    FINDING_VULNERABLE = "finding-vulnerable";
    /// A finding whose key has no text: inconclusive.
    FINDING_INCONCLUSIVE = "finding-inconclusive";
    /// A probe without a text.
    FINDING_PROBE = "finding-probe" ["port"];
    /// What was looked at, and what it was like.
    FINDING = "finding" ["probe", "found"];
    /// In front of a clean finding.
    FINDING_MARK_CLEAN = "finding-mark-clean";
    /// In front of a vulnerable finding.
    FINDING_MARK_VULNERABLE = "finding-mark-vulnerable";
    /// In front of an inconclusive finding.
    FINDING_MARK_INCONCLUSIVE = "finding-mark-inconclusive";

    /// What is still missing.
    MISSING_RESCAN = "missing-rescan";
    /// See above.
    MISSING_STILL_VULNERABLE = "missing-still-vulnerable";
    /// See above.
    MISSING_INCONCLUSIVE = "missing-inconclusive";
    /// See above.
    MISSING_SILENCE = "missing-silence" ["time"];
    /// See above.
    MISSING_FEED_STALLED = "missing-feed-stalled";
    /// See above.
    MISSING_FEED_GAP = "missing-feed-gap";
    /// See above.
    MISSING_NO_FEED = "missing-no-feed";
    /// See above.
    MISSING_WALL_SILENCE = "missing-wall-silence" ["time"];
    /// See above.
    MISSING_ALIVE = "missing-alive" ["time"];
    /// Nothing is missing: the line is about to open.
    MISSING_NOTHING = "missing-nothing";

    /// When the line is free again, by the clock alone.
    FREED_AT = "freed-at" ["when"];
    /// Not before this, and with the reports on the time up to then.
    FREED_NOT_BEFORE = "freed-not-before" ["when"];
    /// With the next report, which has no time.
    FREED_WITH_REPORT = "freed-with-report";
    /// When the pause ends by itself.
    FREED_END = "freed-end" ["when"];
    /// Nobody can say.
    FREED_UNKNOWN = "freed-unknown";
    /// In front of it, where the button is still to be pressed.
    FREED_IF_CLEAN = "freed-if-clean" ["freed"];

    /// Heading of what was seen.
    SEEN_HEADING = "seen-heading";
    /// Heading of which device it is.
    SEEN_WHICH = "seen-which";
    /// The reports name several devices.
    SEEN_DEVICES = "seen-devices";
    /// Label of the device.
    SEEN_DEVICE = "seen-device";
    /// The same, where other reports name none.
    SEEN_DEVICE_SOME = "seen-device-some";
    /// What kind of device to look for.
    SEEN_KIND = "seen-kind" ["device"];
    /// The report names no device.
    SEEN_DEVICE_UNKNOWN = "seen-device-unknown";
    /// Seen once.
    SEEN_ONCE = "seen-once" ["first"];
    /// Seen several times.
    SEEN_OFTEN = "seen-often" ["first", "last", "count"];
    /// Heading of what it means.
    MEANS_HEADING = "means-heading";

    /// Heading of the steps.
    STEPS_HEADING = "steps-heading";
    /// Before the steps.
    STEPS_INTRO = "steps-intro";
    /// Behind it, where ticks are kept.
    STEPS_KEPT = "steps-kept";
    /// What folds them away while there is nothing to do.
    STEPS_AGAIN = "steps-again";
    /// Heading of one cause's steps where there are several causes.
    STEPS_FOR = "steps-for" ["title"];
    /// How to get to a device's settings while the line is on hold.
    STEPS_HELP = "steps-help";

    /// Sites that help with the steps and can be opened.
    STEPS_SITES = "steps-sites";

    /// How many steps are done.
    STEPS_PROGRESS = "steps-progress" ["done", "steps"];
    /// All of them.
    STEPS_ALL_DONE = "steps-all-done" ["done", "steps"];
    /// Ticks a step.
    STEP_DONE = "step-done";
    /// Takes the tick away.
    STEP_UNDO = "step-undo";

    /// The main button.
    BUTTON_FIXED = "button-fixed";
    /// Beneath it.
    BUTTON_FIXED_HINT = "button-fixed-hint" ["minutes"];
    /// In place of it, when it was pressed a moment ago.
    BUTTON_FIXED_AGAIN = "button-fixed-again" ["clock"];
    /// The same where nothing can be checked.
    BUTTON_TOLD = "button-told";
    /// Beneath it.
    BUTTON_TOLD_HINT = "button-told-hint";
    /// Heading above leaving on trust.
    TRUST_HEADING = "trust-heading";
    /// What leaving on trust means.
    TRUST_TEXT = "trust-text";
    /// How often it can be used.
    TRUST_LEFT = "trust-left" ["left", "days"];
    /// How often it still can be used, and until when.
    TRUST_LEFT_UNTIL = "trust-left-until" ["left", "day"];
    /// That it cannot be used any more.
    TRUST_USED_UP = "trust-used-up";
    /// From when on it can be used again.
    TRUST_AGAIN = "trust-again" ["day"];
    /// The button to leave on trust.
    BUTTON_TRUST = "button-trust";

    /// Heading of what happens next.
    NEXT_HEADING = "next-heading";
    /// First.
    NEXT_CHECK = "next-check" ["minutes"];
    /// Then.
    NEXT_CLEAN = "next-clean";
    /// The first, where nothing can be checked.
    NEXT_TOLD = "next-told";
    /// Otherwise.
    NEXT_AGAIN = "next-again";
    /// At the latest.
    NEXT_UNTIL = "next-until" ["day"];

    /// Heading of what still works.
    WORKS_HEADING = "works-heading";

    /// Further sites that can be opened.
    WORKS_SITES = "works-sites";

    /// Why other sites show an error instead of this page (HSTS, RFC 6797).
    HTTPS_HINT = "https-hint";
    /// A phone that asks a name server of its own choosing.
    PRIVATE_DNS = "private-dns";

    /// Heading of how to know that the page is genuine.
    GENUINE_HEADING = "genuine-heading";
    /// What only provider and subscriber know.
    GENUINE_CONTRACT = "genuine-contract" ["tail"];
    /// The address bar.
    GENUINE_ADDRESS = "genuine-address";
    /// The provider's own site.
    GENUINE_SITE = "genuine-site";
    /// The telephone, with a hint where to find the number.
    GENUINE_PHONE_HINT = "genuine-phone-hint";
    /// The telephone, without.
    GENUINE_PHONE = "genuine-phone";
    /// What the provider never asks.
    GENUINE_NEVER = "genuine-never";

    /// Heading of the help desk.
    CALL_HEADING = "call-heading";
    /// Whom to call with which number.
    CALL_TEXT = "call-text" ["case"];
    /// When.
    CALL_HOURS = "call-hours" ["hours"];

    /// The line opens.
    NOTE_RELEASED = "note-released";
    /// The page was older than the case.
    NOTE_AGAIN = "note-again";
    /// The form did not fit; press once more.
    NOTE_PRESS_AGAIN = "note-press-again";
    /// Not possible yet.
    NOTE_NOT_NOW = "note-not-now";
    /// It was checked a moment ago.
    NOTE_TOO_SOON = "note-too-soon";
    /// Leaving on trust is used up.
    NOTE_USED_UP = "note-used-up";
    /// The engine cannot take it.
    NOTE_UNAVAILABLE = "note-unavailable";

    /// Title of a warned line's page.
    WARNED_TITLE = "warned-title";
    /// Its headline.
    WARNED_HEADLINE = "warned-headline";
    /// What it is about.
    WARNED_TEXT = "warned-text";
    /// The time for the steps has passed.
    WARNED_OVER = "warned-over";
    /// What follows when the steps are done.
    WARNED_NEXT = "warned-next";
    /// Where a check can tell whether the steps have helped.
    WARNED_CHECK = "warned-check";
    /// Nothing was checked yet.
    WARNED_UNCHECKED = "warned-unchecked";
    /// A check found nothing open: what that means.
    WARNED_CLEAN = "warned-clean";
    /// What to do without knowing the device.
    WARNED_WHICH = "warned-which";

    /// Title of everybody else's page.
    FREE_TITLE = "free-title";
    /// Its headline.
    FREE_HEADLINE = "free-headline";
    /// What it says.
    FREE_TEXT = "free-text";
    /// Title for who comes from an address that nobody is known to hold.
    UNKNOWN_TITLE = "unknown-title";
    /// Headline for them.
    UNKNOWN_HEADLINE = "unknown-headline";
    /// What it says.
    UNKNOWN_TEXT = "unknown-text";
    /// Over IPv6: where the portal is reached over IPv4.
    UNKNOWN_IPV4 = "unknown-ipv4";
    /// Over IPv6, where the portal has no such address.
    UNKNOWN_IPV6 = "unknown-ipv6";
    /// They may be on another network.
    UNKNOWN_WIFI = "unknown-wifi";
    /// Whom to call.
    UNKNOWN_CALL = "unknown-call";
    /// Title for those who were just let out.
    RELEASED_TITLE = "released-title";
    /// Headline for them.
    RELEASED_HEADLINE = "released-headline";
    /// What it says.
    RELEASED_TEXT = "released-text";
    /// Heading of what to watch.
    RELEASED_WATCH_HEADING = "released-watch-heading";
    /// New passwords.
    RELEASED_PASSWORDS = "released-passwords";
    /// What stays closed.
    RELEASED_CLOSED = "released-closed";
    /// What if it comes back.
    RELEASED_AGAIN = "released-again";
    /// If a site still leads here.
    RELEASED_BROWSER = "released-browser";
    /// For those who may have been let out.
    FREE_RELEASED = "free-released";
    /// What to watch.
    FREE_WATCH = "free-watch";
    /// Link to try again.
    FREE_RETRY = "free-retry";
    /// A router that still leads here.
    FREE_RESTART = "free-restart";
    /// Whom to call.
    FREE_CALL = "free-call";

    /// Title of the self-check.
    CHECK_TITLE = "check-title";
    /// Link to it.
    CHECK_LINK = "check-link";
    /// What a shared link says of it.
    CHECK_SHARED_LINK = "check-shared-link";
    /// Nothing was seen of the line.
    CHECK_NOTHING_HEADLINE = "check-nothing-headline";
    /// What it says.
    CHECK_NOTHING = "check-nothing";
    /// What that means.
    CHECK_NOTHING_MEANS = "check-nothing-means";
    /// What it does not mean.
    CHECK_NOTHING_PROVES_NOT = "check-nothing-proves-not";
    /// How old reports can be.
    CHECK_LATE = "check-late";
    /// Something was seen in the last 24 hours.
    CHECK_RECENT_HEADLINE = "check-recent-headline";
    /// What it says.
    CHECK_RECENT = "check-recent";
    /// Heading of that.
    CHECK_RECENT_HEADING = "check-recent-heading";
    /// Something was seen, but not lately.
    CHECK_OLDER_HEADLINE = "check-older-headline";
    /// What it says.
    CHECK_OLDER = "check-older";
    /// Heading of that.
    CHECK_OLDER_HEADING = "check-older-heading";
    /// What to make of what was seen.
    CHECK_SEEN_MEANS = "check-seen-means";
    /// A scan found an open door that nobody has reported.
    CHECK_OPEN_HEADLINE = "check-open-headline";
    /// What it says.
    CHECK_OPEN = "check-open";
    /// The line is in quarantine.
    CHECK_HELD_HEADLINE = "check-held-headline";
    /// What it says.
    CHECK_HELD = "check-held";
    /// Link to the line's own page.
    CHECK_HOME_LINK = "check-home-link";
    /// The line is not known.
    CHECK_NOBODY_HEADLINE = "check-nobody-headline";
    /// What it says.
    CHECK_NOBODY = "check-nobody";
    /// The line cannot be told from others.
    CHECK_SHARED_HEADLINE = "check-shared-headline";
    /// What it says.
    CHECK_SHARED = "check-shared";
    /// It cannot be looked up now.
    CHECK_BUSY_HEADLINE = "check-busy-headline";
    /// What it says.
    CHECK_BUSY = "check-busy";
    /// It was looked up too often.
    CHECK_LIMITED_HEADLINE = "check-limited-headline";
    /// From when on again.
    CHECK_LIMITED = "check-limited" ["clock"];
    /// Heading of the offer of a scan.
    CHECK_SCAN_HEADING = "check-scan-heading";
    /// What it does.
    CHECK_SCAN_WHAT = "check-scan-what" ["minutes"];
    /// What it does not do.
    CHECK_SCAN_NOT = "check-scan-not";
    /// The consent.
    CHECK_SCAN_CONSENT = "check-scan-consent";
    /// The offer to send the result.
    CHECK_SCAN_MAIL = "check-scan-mail" ["address"];
    /// The button.
    CHECK_SCAN_BUTTON = "check-scan-button";
    /// What is kept.
    CHECK_SCAN_KEPT = "check-scan-kept";
    /// From when on another can be had.
    CHECK_SCAN_LATER = "check-scan-later" ["clock"];
    /// The line was scanned too often.
    CHECK_SCAN_LIMITED_HEADLINE = "check-scan-limited-headline";
    /// The line has no address of its own.
    CHECK_SCAN_SHARED = "check-scan-shared";
    /// Nobody has ticked the box.
    CHECK_NO_CONSENT = "check-no-consent";
    /// Heading of what a scan found.
    CHECK_FOUND_HEADING = "check-found-heading";
    /// Nothing is open.
    CHECK_FOUND_NOTHING = "check-found-nothing";
    /// What that does not prove.
    CHECK_FOUND_NOTHING_BUT = "check-found-nothing-but";
    /// Something is open.
    CHECK_FOUND_OPEN = "check-found-open";
    /// It saw too little.
    CHECK_FOUND_UNSURE = "check-found-unsure";
    /// In front of what is open.
    CHECK_MARK_OPEN = "check-mark-open";
    /// Heading of what to make of it.
    CHECK_MEANS_HEADING = "check-means-heading";
    /// Heading of what was looked at.
    CHECK_ABOUT_HEADING = "check-about-heading";
    /// Where it comes from.
    CHECK_ABOUT_SOURCES = "check-about-sources";
    /// That it is the reader's own.
    CHECK_ABOUT_YOURS = "check-about-yours";
    /// What is not looked at.
    CHECK_ABOUT_PRIVACY = "check-about-privacy";
    /// Whom to call.
    CHECK_CALL = "check-call";

    /// Title of the open figures.
    FIGURES_TITLE = "figures-title";
    /// Link to them.
    FIGURES_LINK = "figures-link";
    /// Their headline.
    FIGURES_HEADLINE = "figures-headline";
    /// What they are.
    FIGURES_LEAD = "figures-lead";
    /// Link to the self-check.
    FIGURES_CHECK_LINK = "figures-check-link";
    /// Heading of lines by kind.
    FIGURES_KINDS_HEADING = "figures-kinds-heading" ["days"];
    /// Nothing was seen.
    FIGURES_NOTHING = "figures-nothing";
    /// Heading of a column.
    FIGURES_KIND = "figures-kind";
    /// Heading of a column.
    FIGURES_LINES = "figures-lines";
    /// A count that is not told.
    FIGURES_FEW = "figures-few";
    /// The same on a bar of a chart.
    FIGURES_FEW_SHORT = "figures-few-short";
    /// Heading of lines by week.
    FIGURES_WEEKS_HEADING = "figures-weeks-heading";
    /// Heading of a column.
    FIGURES_WEEK_FROM = "figures-week-from";
    /// A week's first day, short.
    FIGURES_WEEK = "figures-week" ["day", "month"];
    /// Heading of what became of cases.
    FIGURES_CASES_HEADING = "figures-cases-heading";
    /// Cases opened.
    FIGURES_OPENED = "figures-opened" ["count"];
    /// Lines that came out of quarantine.
    FIGURES_RELEASED = "figures-released" ["count"];
    /// How long it took.
    FIGURES_UNTIL_CLEAN = "figures-until-clean" ["days"];
    /// Heading of self-checks.
    FIGURES_CHECKS_HEADING = "figures-checks-heading" ["days"];
    /// Nothing open.
    FIGURES_CHECKS_CLEAN = "figures-checks-clean" ["count"];
    /// Something open.
    FIGURES_CHECKS_OPEN = "figures-checks-open" ["count"];
    /// Too little seen.
    FIGURES_CHECKS_UNSURE = "figures-checks-unsure" ["count"];
    /// Share of those with nothing open.
    FIGURES_CHECKS_SHARE = "figures-checks-share" ["percent"];
    /// Heading of how it is counted.
    FIGURES_HOW_HEADING = "figures-how-heading";
    /// What is counted.
    FIGURES_HOW_LINES = "figures-how-lines";
    /// What is not told.
    FIGURES_HOW_FEW = "figures-how-few";
    /// When they were counted.
    FIGURES_MADE = "figures-made" ["time"];
    /// The same as data.
    FIGURES_DATA = "figures-data";
    /// Not counted yet.
    FIGURES_NOT_YET = "figures-not-yet";

    /// One line for programs that are no browsers.
    PLAIN_HELD = "plain-held";
    /// The same, when nothing is wrong.
    PLAIN_FREE = "plain-free";
    /// In place of another site, for programs.
    PLAIN_STALE = "plain-stale";
    /// The same, when nobody can tell.
    PLAIN_UNKNOWN = "plain-unknown";

    /// Subject of a mail.
    NOTICE_SUBJECT = "notice-subject" ["title", "case"];
    /// What happened, as a subject says it.
    NOTICE_TITLE_WARNING = "notice-title-warning";
    /// What happened, as a subject says it.
    NOTICE_TITLE_QUARANTINED = "notice-title-quarantined";
    /// What happened, as a subject says it.
    NOTICE_TITLE_CHECK_CLEAN = "notice-title-check-clean";
    /// What happened, as a subject says it.
    NOTICE_TITLE_CHECK_VULNERABLE = "notice-title-check-vulnerable";
    /// What happened, as a subject says it.
    NOTICE_TITLE_CHECK_INCONCLUSIVE = "notice-title-check-inconclusive";
    /// What happened, as a subject says it.
    NOTICE_TITLE_RELEASED_PROVEN = "notice-title-released-proven";
    /// What happened, as a subject says it.
    NOTICE_TITLE_RELEASED_TRUST = "notice-title-released-trust";
    /// What happened, as a subject says it.
    NOTICE_TITLE_RELEASED_STAFF = "notice-title-released-staff";
    /// What happened, as a subject says it.
    NOTICE_TITLE_RELEASED_EXPIRED = "notice-title-released-expired";
    /// What happened, as a subject says it.
    NOTICE_TITLE_RELEASED_RETRACTED = "notice-title-released-retracted";
    /// What happened, as a subject says it.
    NOTICE_TITLE_RELAPSE = "notice-title-relapse";
    /// Subject of a mail about no case.
    NOTICE_SUBJECT_PLAIN = "notice-subject-plain" ["title"];
    /// What happened, as a subject says it.
    NOTICE_TITLE_SELF_CHECK_VULNERABLE = "notice-title-self-check-vulnerable";
    /// What happened, in the first lines.
    NOTICE_LEAD_SELF_CHECK_CLEAN = "notice-lead-self-check-clean";
    /// What happened, in the first lines.
    NOTICE_LEAD_SELF_CHECK_VULNERABLE = "notice-lead-self-check-vulnerable";
    /// What happened, in the first lines.
    NOTICE_LEAD_SELF_CHECK_INCONCLUSIVE = "notice-lead-self-check-inconclusive";
    /// What happened, as a subject says it.
    NOTICE_TITLE_TEST = "notice-title-test";
    /// What happened, in the first lines.
    NOTICE_LEAD_WARNING = "notice-lead-warning";
    /// What happened, in the first lines.
    NOTICE_LEAD_QUARANTINED = "notice-lead-quarantined";
    /// What happened, in the first lines.
    NOTICE_LEAD_CHECK_CLEAN = "notice-lead-check-clean";
    /// What happened, in the first lines.
    NOTICE_LEAD_CHECK_VULNERABLE = "notice-lead-check-vulnerable";
    /// What happened, in the first lines.
    NOTICE_LEAD_CHECK_INCONCLUSIVE = "notice-lead-check-inconclusive";
    /// What happened, in the first lines.
    NOTICE_LEAD_RELEASED_PROVEN = "notice-lead-released-proven";
    /// What happened, in the first lines.
    NOTICE_LEAD_RELEASED_TRUST = "notice-lead-released-trust";
    /// What happened, in the first lines.
    NOTICE_LEAD_RELEASED_STAFF = "notice-lead-released-staff";
    /// What happened, in the first lines.
    NOTICE_LEAD_RELEASED_EXPIRED = "notice-lead-released-expired";
    /// What happened, in the first lines.
    NOTICE_LEAD_RELEASED_RETRACTED = "notice-lead-released-retracted";
    /// What happened, in the first lines.
    NOTICE_LEAD_RELAPSE = "notice-lead-relapse";
    /// What happened, in the first lines.
    NOTICE_LEAD_TEST = "notice-lead-test";
    /// In front.
    NOTICE_GREETING = "notice-greeting";
    /// Time for the steps.
    NOTICE_WARNED_UNTIL = "notice-warned-until" ["day"];
    /// The end of a quarantine.
    NOTICE_HELD_UNTIL = "notice-held-until" ["day"];
    /// Heading of what was seen.
    NOTICE_CAUSE_HEADING = "notice-cause-heading";
    /// That the page has the steps, too.
    NOTICE_STEPS_ELSEWHERE = "notice-steps-elsewhere";
    /// That the page has the steps, where the mail has none.
    NOTICE_PAGE = "notice-page";
    /// What to watch after a release.
    NOTICE_WATCH = "notice-watch";
    /// Heading of how to know that it is genuine.
    NOTICE_GENUINE_HEADING = "notice-genuine-heading";
    /// In front of the signed link.
    NOTICE_GENUINE_LINK = "notice-genuine-link" ["day"];
    /// The provider's own site.
    NOTICE_GENUINE_SITE = "notice-genuine-site";
    /// The telephone, with a hint where to find the number.
    NOTICE_GENUINE_PHONE_HINT = "notice-genuine-phone-hint";
    /// The telephone, without.
    NOTICE_GENUINE_PHONE = "notice-genuine-phone";
    /// What is never asked.
    NOTICE_GENUINE_NEVER = "notice-genuine-never";
    /// Nobody reads answers.
    NOTICE_AUTOMATIC = "notice-automatic";

    /// Title of the page behind a signed link.
    LINK_TITLE = "link-title";
    /// Its headline.
    LINK_HEADLINE = "link-headline";
    /// What was sent when.
    LINK_SENT = "link-sent" ["case", "time"];
    /// What was sent when, of no case.
    LINK_SENT_PLAIN = "link-sent-plain" ["time"];
    /// Why it does not say more.
    LINK_WHAT = "link-what";
    /// In front of the address of the line's own page.
    LINK_HOME = "link-home";
    /// Title behind a link that does not hold.
    LINK_WRONG_TITLE = "link-wrong-title";
    /// Its headline.
    LINK_WRONG_HEADLINE = "link-wrong-headline";
    /// What that means.
    LINK_WRONG = "link-wrong";
}
