//! The reference of the API, `API.md`: paths and problems. Each node serves it at `/api/v1`, and the type of every problem
//! points into it. What it says of problems is made from [`KINDS`] and [`super::problem::remedy`].

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Desk;

/// Where it is served.
pub const PATH: &str = "/api/v1";

const TEXT: &str = include_str!("../../API.md");

/// The path. Open to all who reach the listener: also who has no token yet reads why.
pub fn routes() -> Router<Desk> {
    Router::new().route("/", get(text))
}

async fn text() -> Response {
    ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], TEXT).into_response()
}

/// Every problem: its code, the statuses it comes with, and what it is about in any case.
pub const KINDS: [(&str, &[u16], &str); 54] = [
    ("bad-request", &[400, 413, 415, 422], "The request itself is wrong"),
    ("unauthorized", &[401], "A valid token is needed"),
    ("forbidden", &[403], "The token may not do this"),
    ("csrf", &[403], "The form does not come from pratique's own page"),
    ("same-person", &[403], "This person has approved already"),
    ("not-found", &[404], "There is nothing here"),
    ("no-such-case", &[404], "There is no such case, or none that the token may see"),
    ("no-such-sighting", &[404], "None of the sightings is part of an open case"),
    ("too-slow", &[408], "The request did not arrive in time"),
    ("stale", &[409], "The case changed since it was looked at"),
    ("too-large", &[413], "The file is too large"),
    ("wrong-host", &[421], "The host name is not one of pratique's"),
    ("slow-down", &[429], "Too many attempts"),
    ("internal", &[500], "pratique failed to answer"),
    ("busy", &[503], "Too much waits already"),
    ("loading", &[503], "The node is starting and still reads its store"),
    ("stopped", &[503], "The node is stopping"),
    ("store", &[503], "The store cannot take it now"),
    ("timeout", &[503], "There was no answer in time"),
    ("bulk-capped", &[422], "Too many cases are named at once"),
    ("bulk-refused", &[422], "Some of the cases cannot be approved, so none was"),
    ("cannot-begin", &[422], "A quarantine on paper cannot be enforced"),
    ("capped", &[422], "A cap of the policy is reached"),
    ("checked-just-now", &[422], "The line was checked a moment ago"),
    ("doubtful", &[422], "Somebody else may hold by now what the line held"),
    ("dry-run", &[422], "The node runs dry and enforces nothing"),
    ("empty", &[422], "The file is empty"),
    ("halted", &[422], "Enforcement of anything new is halted"),
    ("information-only", &[422], "The cause is for information only"),
    ("no-bounce", &[422], "The mail is no report of a mail that came back"),
    ("no-check", &[422], "No check from outside tells anything of the case"),
    ("no-ground", &[422], "The contract gives no ground for a quarantine"),
    ("no-playbook", &[422], "There is no playbook for the cause"),
    ("no-such-source", &[422], "There is no such source"),
    ("not-automatic", &[422], "A rule cannot approve this"),
    ("not-on-line", &[422], "Who asks is not on the line of the case"),
    ("not-on-paper", &[422], "The case has no quarantine on paper"),
    ("not-passed", &[422], "The stretch of time is empty or lies ahead"),
    ("not-yet", &[422], "Something still stands between the line and its release"),
    ("nothing-on-paper", &[422], "No quarantine is on paper"),
    ("other-round", &[422], "The page that was pressed on is of another round"),
    ("protected", &[422], "The line is protected"),
    ("renew-too-long", &[422], "The new end lies outside what the playbook allows"),
    ("rescan-under-way", &[422], "A check is under way"),
    ("self-release-used-up", &[422], "The subscriber has left on trust as often as allowed"),
    ("text-missing", &[422], "A reason or note is missing"),
    ("text-too-long", &[422], "A reason or note is too long"),
    ("text-unreadable", &[422], "A reason or note has control characters"),
    ("too-old", &[422], "The observations are too old for a case"),
    ("unconfirmed", &[422], "The number that the preview showed was not repeated"),
    ("undecided", &[422], "Somebody has to decide something else first"),
    ("unreadable", &[422], "The file cannot be read"),
    ("walls-nothing", &[422], "The wall would hold nothing of the line"),
    ("wrong-state", &[422], "The case is in a state in which this cannot be done"),
];

/// What a problem with this code is about, whatever happened.
pub fn title(code: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, ..)| *known == code).map(|(.., title)| *title)
}

/// What the reference says of problems.
#[cfg(test)]
fn problems() -> String {
    use pratique_staff::error::remedy;

    let one = |(code, statuses, title): &(&str, &[u16], &str)| {
        let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
        let remedy = remedy(code).map_or_else(String::new, |remedy| format!(" What to do: {remedy}."));
        format!("### {code}\n\n{}. {title}.{remedy}\n", statuses.join(", "))
    };
    KINDS.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use clap::CommandFactory as _;
    use pratique_core::command::{Missing, Refusal};
    use pratique_core::ids::CaseId;
    use pratique_core::state::StateName;
    use pratique_core::time::{Span, Timestamp};
    use pratique_staff::error::remedy;

    use super::*;
    use crate::api::problem::Problem;

    /// The sources in a folder.
    fn sources(folder: &str) -> Vec<(PathBuf, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let rust = files.filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
        rust.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
    }

    /// String literals that come right after this, spaces and line ends aside.
    fn literals_after<'t>(text: &'t str, what: &str) -> Vec<&'t str> {
        let after = text.match_indices(what).map(|(at, _)| text[at + what.len()..].trim_start());
        after.filter_map(|rest| rest.strip_prefix('"')?.split('"').next()).collect()
    }

    fn case() -> CaseId {
        CaseId(1)
    }

    /// One of each.
    fn refusals() -> Vec<Refusal> {
        let (state, at) = (StateName::Proposed, Timestamp::MIN);
        vec![
            Refusal::NoSuchCase(case()),
            Refusal::Stale { case: case(), seen: 1, now: 2 },
            Refusal::CheckedJustNow { case: case(), at },
            Refusal::OtherRound(case()),
            Refusal::NotOnLine(case()),
            Refusal::NoCheck(case()),
            Refusal::WrongState { case: case(), state, verb: "released" },
            Refusal::SamePerson("ann".into()),
            Refusal::Protected("hospital".into()),
            Refusal::Doubtful("silent".into()),
            Refusal::WallsNothing("ours".into()),
            Refusal::DryRun,
            Refusal::NotOnPaper(case()),
            Refusal::CannotBegin { case: case(), why: "opted out".into() },
            Refusal::NotAutomatic("two people"),
            Refusal::Capped { cap: "lines", now: 1, limit: 1 },
            Refusal::NoGround("opted out"),
            Refusal::Halted("drill".into()),
            Refusal::SelfReleaseUsedUp { used: 2, limit: 2, within: Span::from_days(30) },
            Refusal::NotYet(Missing::Rescan),
            Refusal::RescanUnderWay(case()),
            Refusal::RenewTooLong(Span::from_days(30)),
            Refusal::NotPassed { from: at, until: at },
            Refusal::NoSuchSighting,
            Refusal::NoPlaybook("mirai".into()),
            Refusal::InformationOnly("mirai".into()),
            Refusal::TooOld(Span::from_days(3)),
        ]
    }

    #[test]
    fn the_reference_has_a_section_for_every_problem_and_for_nothing_else() {
        let (_, said) = TEXT.split_once("\n## Problems\n").unwrap();
        let sections = &said[said.find("### ").unwrap()..];
        assert_eq!(sections, problems(), "make API.md say what KINDS and remedy say");
        let codes: BTreeSet<&str> = KINDS.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes.len(), KINDS.len(), "each once");
    }

    #[test]
    fn every_problem_that_is_made_anywhere_points_at_its_section() {
        let mut made: Vec<(String, PathBuf)> =
            Refusal::CODES.map(|code| (code.to_owned(), PathBuf::from("Refusal::CODES"))).into();
        for (path, text) in ["src/api", "src/console", "staff/src", "staff/src/commands"].into_iter().flat_map(sources)
        {
            let text = text.split("#[cfg(test)]").next().unwrap();
            let with_status = text.split("::new(").skip(1).filter_map(|rest| {
                let (status, rest) = rest.split_once(',')?;
                let is_problem = ["StatusCode::", "ErrorKind::"].iter().any(|kind| status.contains(kind));
                rest.trim_start().strip_prefix('"').filter(|_| is_problem)?.split('"').next()
            });
            let plain = ["::refused(", "::unavailable("].into_iter().flat_map(|what| literals_after(text, what));
            made.extend(with_status.chain(plain).map(|code| (code.to_owned(), path.clone())));
        }
        assert!(made.len() > Refusal::CODES.len() + 15, "the sources are read: {made:?}");
        for (code, path) in &made {
            assert!(title(code).is_some(), "{code} of {} is not in KINDS", path.display());
        }
        let of_unread = ["empty", "unreadable", "not-found", "bad-request", "slow-down"];
        let unused = KINDS.iter().map(|(code, ..)| *code);
        let unused: Vec<_> = unused.filter(|c| !of_unread.contains(c) && !made.iter().any(|(m, _)| m == c)).collect();
        assert_eq!(unused, [] as [&str; 0], "nothing is made with these");
        for (code, ..) in KINDS {
            let body = Problem::refused(code, "x").body();
            let kind = body["type"].as_str().unwrap();
            let (path, section) = kind.split_once('#').unwrap();
            assert_eq!(path, PATH);
            assert!(TEXT.lines().any(|line| line.strip_prefix("### ") == Some(section)), "{kind}");
            assert_eq!(body["title"].as_str(), title(code));
        }
    }

    #[test]
    fn a_refusal_of_the_machine_has_the_status_that_the_reference_names() {
        let refusals = refusals();
        assert_eq!(refusals.len(), Refusal::CODES.len());
        for refusal in refusals {
            let problem = Problem::from(refusal);
            let (_, statuses, _) = KINDS.iter().find(|(code, ..)| *code == problem.code).unwrap();
            assert!(statuses.contains(&problem.status.as_u16()), "{problem:?}");
        }
    }

    #[test]
    fn the_reference_names_every_path_and_no_other() {
        let mut routes: BTreeSet<String> = BTreeSet::new();
        for (_, text) in sources("src/api") {
            let text = text.split("#[cfg(test)]").next().unwrap();
            routes.extend(literals_after(text, ".route(").iter().map(ToString::to_string));
        }
        // Served beside /api/v1, and the reference itself.
        ["/healthz", "/readyz", "/metrics", "/"].iter().for_each(|open| assert!(routes.remove(*open), "{open}"));
        let named: BTreeSet<String> = TEXT
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .filter_map(|(path, _)| path.split_once(' '))
            .map(|(_, path)| path.to_owned())
            .collect();
        assert_eq!(named, routes);
    }

    #[test]
    fn every_command_that_a_problem_sends_people_to_exists() {
        let remedies = KINDS.iter().filter_map(|(code, ..)| remedy(code));
        let texts: Vec<String> = remedies.map(str::to_owned).chain([TEXT.to_owned()]).collect();
        let mut commands = 0;
        for command in texts.iter().flat_map(|text| literals(text, "`pratique ")) {
            let mut known = crate::cli::Cli::command();
            for word in command.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')) {
                if word.starts_with('-') {
                    break;
                }
                let next = known.find_subcommand(word).cloned();
                known = next.unwrap_or_else(|| panic!("`pratique {command}`: there is no {word}"));
            }
            commands += 1;
        }
        assert!(commands > 5, "{commands}");
    }

    /// What stands between this and the next backtick.
    fn literals<'t>(text: &'t str, what: &'t str) -> Vec<&'t str> {
        text.split(what).skip(1).filter_map(|rest| rest.split('`').next()).collect()
    }
}
