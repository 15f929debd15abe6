//! Where in a configuration file a problem lies: the line of the key with which it begins, as `api.listen is …` or
//! `dns.gardens[1].causes has …`, entries of a list counted from 0 as in the parser's own messages.

/// A line that says something.
#[derive(Clone, Copy)]
struct Line<'t> {
    number: usize,
    /// Where its text begins, from 0.
    column: usize,
    text: &'t str,
}

/// Line and column of the key, both from 1; of what it stands in, where the key is not there.
pub(crate) fn place_of(text: &str, problem: &str) -> Option<(usize, usize)> {
    let lines = text.lines().enumerate().map(|(i, line)| {
        let bare = line.trim_start();
        Line { number: i + 1, column: line.len() - bare.len(), text: bare }
    });
    let mut scope: Vec<Line<'_>> = lines.filter(|l| !l.text.is_empty() && !l.text.starts_with('#')).collect();
    let mut found = None;
    for part in problem.split([' ', ':']).next()?.split('.') {
        let (key, entry) = match part.split_once('[') {
            Some((key, entry)) => (key, entry.strip_suffix(']').and_then(|n| n.parse::<usize>().ok())),
            None => (part, None),
        };
        let Some((line, within)) = key_in(&scope, key) else { break };
        (found, scope) = (Some((line.number, line.column + 1)), within);
        if let Some(entry) = entry {
            let Some(within) = entry_of(&scope, entry) else { break };
            found = within.first().map(|line| (line.number, line.column + 1));
            scope = within;
        }
    }
    found
}

/// A key's line, and the lines of its value.
fn key_in<'t>(scope: &[Line<'t>], key: &str) -> Option<(Line<'t>, Vec<Line<'t>>)> {
    let first = scope.first()?;
    let is_it = |text: &str| text.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    // `{ key: …, key: … }`, all in one line.
    if first.text.starts_with('{') {
        let at = first.text.match_indices(['{', ',', ' ']).map(|(at, _)| at + 1);
        let at = at.into_iter().find(|at| first.text.get(*at..).is_some_and(is_it))?;
        return Some((Line { column: first.column + at, ..*first }, Vec::new()));
    }
    let at = scope.iter().position(|line| line.column == first.column && is_it(line.text))?;
    let line = *scope.get(at)?;
    let after = scope.iter().skip(at + 1);
    // The entries of a list may stand as far left as their key.
    let within = after.take_while(|l| l.column > line.column || l.column == line.column && l.text.starts_with('-'));
    Some((line, within.copied().collect()))
}

/// The lines of a list's nth entry, without its dash.
fn entry_of<'t>(scope: &[Line<'t>], entry: usize) -> Option<Vec<Line<'t>>> {
    let outer = scope.first()?.column;
    let starts = |line: &Line<'_>| line.column == outer && line.text.starts_with('-');
    let from = scope.iter().enumerate().filter(|(_, line)| starts(line)).nth(entry)?.0;
    let mut lines: Vec<_> = scope.get(from..)?.to_vec();
    let end = lines.iter().skip(1).position(starts).map_or(lines.len(), |next| next + 1);
    lines.truncate(end);
    if let Some(first) = lines.first_mut() {
        let bare = first.text.trim_start_matches('-').trim_start();
        (first.column, first.text) = (first.column + first.text.len() - bare.len(), bare);
    }
    // A dash alone: the entry is below it.
    let alone =
        lines.len() > 1 && lines.first().is_some_and(|first| first.text.is_empty() || first.text.starts_with('#'));
    Some(lines.split_off(usize::from(alone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# listen: nothing
api:
  listen: 127.0.0.1:1

dns:
  listen: ['192.0.2.53:53']
  # gardens:
  gardens:
    - causes: [a]
      portal4: 192.0.2.81
    - { causes: [b, portal4], portal4: 192.0.2.82 }
    -
      portal6: '2001:db8::1'
      causes:
      - c
  limits:
    burst: 3
wall:
  portals:
  - 192.0.2.81
  - 192.0.2.82
  dns4: 192.0.2.53:53
flow: {gardens: [{causes: [a]}]}
";

    #[test]
    fn a_key_is_found_at_its_depth_and_in_its_entry() {
        for (problem, place) in [
            ("api.listen is 0.0.0.0", (3, 3)),
            ("dns.listen has", (6, 3)),
            ("dns.gardens[0].causes has `a` twice", (9, 7)),
            ("dns.gardens[0] has neither", (9, 7)),
            ("dns.gardens[0].portal4 is", (10, 7)),
            ("dns.gardens[0].portal6 is", (9, 7)),
            ("dns.gardens[1].causes has", (11, 9)),
            ("dns.gardens[1].portal4 is", (11, 31)),
            ("dns.gardens[2].portal6 is", (13, 7)),
            ("dns.gardens[2].causes has", (14, 7)),
            ("dns.gardens[3].causes has", (8, 3)),
            ("dns.limits.burst is", (17, 5)),
            ("wall.portals[1]: 192.0.2.82 is there twice", (21, 5)),
            ("wall.dns4: port 0", (22, 3)),
            ("wall.zone: 0", (18, 1)),
            ("flow.gardens[0].causes is empty", (23, 1)),
        ] {
            assert_eq!(place_of(TEXT, problem), Some(place), "{problem}");
        }
        assert_eq!(place_of(TEXT, "drop_look_ms must lie"), None);
    }
}
