//! What the address of a page carries behind its `?`: the chosen language, a note about the last press, and the seal of who
//! was a resident a moment ago. There are no cookies: small captive browsers throw them away.

use pratique_core::ids::CaseId;
use pratique_core::view::Round;

use crate::actions::Note;
use crate::check::form::Said;

/// Of one request. What is not understood is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visit<'a> {
    /// `n`: about the last press.
    pub(crate) note: Option<Note>,
    /// `r`: the round in which that was true.
    pub(crate) round: Option<Round>,
    /// `s`: about the last form of the self-check.
    pub(crate) said: Option<Said>,
    /// `c`: the campaign whose link it was.
    pub(crate) campaign: Option<&'a str>,
    /// `lang`: a language that the reader chose.
    pub(crate) language: Option<&'a str>,
    /// `w`: the case a line was in, and its seal.
    pub(crate) was: Option<(CaseId, &'a str)>,
}

impl<'a> Visit<'a> {
    /// From a query.
    pub(crate) fn read(query: Option<&'a str>) -> Self {
        let mut visit = Self::default();
        for (name, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "lang" => visit.language = Some(value).filter(|tag| !tag.is_empty()),
                "n" => visit.note = Note::of_name(value),
                "r" => visit.round = value.parse().ok().map(Round),
                "c" => visit.campaign = Some(value).filter(|name| !name.is_empty()),
                "s" => visit.said = Said::of_name(value),
                "w" => visit.was = value.split_once('.').and_then(|(case, seal)| Some((case_of(case)?, seal))),
                _ => {}
            }
        }
        visit
    }
}

/// As a query carries it; what [`Visit::read`] reads.
pub(crate) fn was(case: CaseId, seal: &str) -> String {
    format!("w={}.{seal}", case.0)
}

/// The same for a note, and the round in which it is true: an address that is opened again later says nothing old.
pub(crate) fn note(note: Note, round: Round) -> String {
    format!("n={}&r={}", note.name(), round.0)
}

/// The same for a language of ours, if the reader chose one.
pub(crate) fn language(tag: Option<&str>) -> Option<String> {
    tag.map(|tag| format!("lang={tag}"))
}

/// A path with these parts behind it.
pub(crate) fn address<const N: usize>(path: &str, parts: [Option<String>; N]) -> String {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
}

fn case_of(digits: &str) -> Option<CaseId> {
    digits.parse().ok().map(CaseId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_not_there() {
        assert_eq!(Visit::read(None), Visit::default());
        for odd in [
            "",
            "n",
            "n=",
            "n=<script>",
            "w=7",
            "w=x.ab",
            "w=.",
            "=&&=",
            "m=started",
            "n=Started",
            "r=x",
            "lang=",
            "lang",
        ] {
            assert_eq!(Visit::read(Some(odd)), Visit::default(), "{odd}");
        }
    }

    #[test]
    fn all_parts_are_read_in_any_order() {
        let address = address(
            "/",
            [Some(was(CaseId(7), "abc")), None, language(Some("nl")), Some(note(Note::Started, Round(3)))],
        );
        let read = Visit::read(address.strip_prefix("/?"));
        assert_eq!(
            read,
            Visit {
                note: Some(Note::Started),
                round: Some(Round(3)),
                language: Some("nl"),
                was: Some((CaseId(7), "abc")),
                said: None,
                campaign: None
            }
        );
        assert_eq!(super::address("/x", [None]), "/x");
    }
}
