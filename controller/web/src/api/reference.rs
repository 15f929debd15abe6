//! The reference of the API, `API.md`: paths and problems. Each node serves it at `/api/v1`, and the type of every problem
//! points into it. What it says of problems is made from [`crate::kinds::KINDS`] and [`pratique_staff::error::remedy`].

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::desk::Desk;

/// The reference, as it is served at [`kinds::PATH`](crate::kinds::PATH).
pub const TEXT: &str = include_str!("../../../API.md");

/// The path. Open to all who reach the listener: also who has no token yet reads why.
pub fn routes() -> Router<Desk> {
    Router::new().route("/", get(text))
}

async fn text() -> Response {
    ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], TEXT).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use pratique_core::command::{Missing, Refusal};
    use pratique_core::ids::CaseId;
    use pratique_core::state::StateName;
    use pratique_core::time::{Span, Timestamp};
    use pratique_staff::error::remedy;

    use super::*;
    use crate::kinds::{KINDS, PATH, title};
    use crate::problem::Problem;

    /// What the reference says of problems.
    fn problems() -> String {
        let one = |(code, statuses, title): &(&str, &[u16], &str)| {
            let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
            let remedy = remedy(code).map_or_else(String::new, |remedy| format!(" What to do: {remedy}."));
            format!("### {code}\n\n{}. {title}.{remedy}\n", statuses.join(", "))
        };
        KINDS.iter().map(one).collect::<Vec<_>>().join("\n")
    }

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
        for (path, text) in
            ["src", "src/api", "src/console", "../staff/src", "../staff/src/commands"].into_iter().flat_map(sources)
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
}
