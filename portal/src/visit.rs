//! What the address of a page carries behind its `?`: a note about the last press, and the seal of who was a resident a
//! moment ago. There are no cookies: small captive browsers throw them away.

use pratique_core::ids::CaseId;

use crate::actions::Note;

/// Of one request. What is not understood is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visit<'a> {
    /// `n`: about the last press.
    pub(crate) note: Option<Note>,
    /// `w`: the case a line was in, and its seal.
    pub(crate) was: Option<(CaseId, &'a str)>,
}

impl<'a> Visit<'a> {
    /// From a query.
    pub(crate) fn read(query: Option<&'a str>) -> Self {
        let mut visit = Self::default();
        for (name, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "n" => visit.note = Note::of_name(value),
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

fn case_of(digits: &str) -> Option<CaseId> {
    digits.parse().ok().map(CaseId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_not_there() {
        assert_eq!(Visit::read(None), Visit::default());
        for odd in ["", "n", "n=", "n=<script>", "w=7", "w=x.ab", "w=.", "=&&=", "m=started", "n=Started"] {
            assert_eq!(Visit::read(Some(odd)), Visit::default(), "{odd}");
        }
    }

    #[test]
    fn both_parts_are_read_in_any_order() {
        let query = format!("{}&x=1&n=started", was(CaseId(7), "abc"));
        let read = Visit::read(Some(&query));
        assert_eq!((read.note, read.was), (Some(Note::Started), Some((CaseId(7), "abc"))));
    }
}
