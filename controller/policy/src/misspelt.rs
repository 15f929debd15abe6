//! What may have been meant by a name that nobody knows. A name of a trouble is suggested only where the difference is a
//! slip of the finger: `scan_ldap` is no misspelt `scan_coap`, although few letters differ, and whoever follows such a hint
//! accuses lines of something else.

/// Letters beyond which one slip in a word is likely to be a slip: in shorter ones another word is as near.
const LONG: usize = 6;
/// And two slips.
const VERY_LONG: usize = 10;

/// The known name of a trouble that was probably meant; none where none is near, or where two are.
pub fn meant<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut near = known.into_iter().filter(|known| is_same_name(wrong, known));
    let first = near.next()?;
    near.next().is_none().then_some(first)
}

/// The same words in the same order, the first one the same (it names the family: `scan`, `event4`, `open`), and at most one
/// of the others misspelt. Case and the sign between words do not count.
fn is_same_name(wrong: &str, known: &str) -> bool {
    let (wrong, known) = (wrong.to_lowercase(), known.to_lowercase());
    let words = |name: &str| name.split(['_', '-', ' ', '.']).map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (words(&wrong), words(&known));
    if a.len() != b.len() || a.first() != b.first() {
        // One word alone has no family.
        return a.len() == 1 && b.len() == 1 && is_misspelt(&wrong, &known);
    }
    let mut different = a.iter().zip(&b).filter(|(a, b)| a != b);
    match (different.next(), different.next()) {
        (None, _) => true,
        (Some((a, b)), None) => is_misspelt(a, b),
        _ => false,
    }
}

/// Whether one word is the other with a slip: two neighbours that changed places, or a letter written twice or not twice; in
/// longer words also a letter too much, too few or wrong. Digits are never slips.
pub fn is_misspelt(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a == b || a.len() > 64 || b.len() > 64 {
        return false;
    }
    let digits = |word: &[char]| word.iter().filter(|c| c.is_ascii_digit()).copied().collect::<Vec<_>>();
    if digits(&a) != digits(&b) {
        return false;
    }
    let length = a.len().max(b.len());
    let allowed = if length >= VERY_LONG { 2 } else { usize::from(length >= LONG) };
    swapped(&a, &b) || doubled(&a, &b) || doubled(&b, &a) || distance(&a, &b) <= allowed
}

/// Two neighbours changed places, and nothing else.
fn swapped(a: &[char], b: &[char]) -> bool {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else { return false };
    let (Some([x, y, left @ ..]), Some([v, w, right @ ..])) = (a.get(at..), b.get(at..)) else { return false };
    x == w && y == v && left == right
}

/// The longer one has a letter twice that stands once in the shorter one.
fn doubled(longer: &[char], shorter: &[char]) -> bool {
    longer.len() == shorter.len() + 1
        && (1..longer.len()).any(|i| {
            longer.get(i) == longer.get(i - 1)
                && longer.iter().enumerate().filter(|(at, _)| *at != i).map(|(_, c)| c).eq(shorter)
        })
}

/// How many letters differ (insert, remove, replace).
pub(super) fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            let replaced = diagonal + usize::from(ca != cb);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_another_trouble_is_never_named() {
        let set = crate::built_in().unwrap();
        let types: Vec<&str> = set.reports.iter().map(|(name, _)| name).collect();
        for (wrong, expected) in [
            ("scan_telnett", Some("scan_telnet")),
            ("scan_tlenet", Some("scan_telnet")),
            ("scan-telnet", Some("scan_telnet")),
            ("Scan_Telnet", Some("scan_telnet")),
            ("scan_dsn", Some("scan_dns")),
            ("scan_cwpm", Some("scan_cwmp")),
            ("event4_honeypot_brut_force", None),
            ("event4_honeypot_darknett", Some("event4_honeypot_darknet")),
            ("event4_sinkole", Some("event4_sinkhole")),
            ("compromised_webiste", Some("compromised_website")),
            ("scan_elasticserch", Some("scan_elasticsearch")),
            // Other troubles, however near.
            ("drone-hadoop", None),
            ("drone_hadoop", None),
            ("scan_ldap", None),
            ("scan_ldaps", None),
            ("scan_https", None),
            ("scan_rtp", None),
            ("scan_nfs", None),
            ("scan_nats", None),
            ("scan_rpc", None),
            ("scan_pgsql", None),
            ("scan_smtps", None),
            ("scan5_telnet", None),
            ("event5_sinkhole", None),
            ("scan_telnet6", None),
            ("scan_isakmp2", None),
            ("telnet", None),
            ("scan", None),
            ("", None),
        ] {
            assert_eq!(meant(wrong, types.iter().copied()), expected, "{wrong}");
        }
        let causes: Vec<&str> = set.policy.playbooks.keys().map(|c| c.as_str()).collect();
        for (wrong, expected) in [
            ("open-telnt", Some("open-telnet")),
            ("open_telnet", Some("open-telnet")),
            ("miari", Some("mirai")),
            ("open-smtp", None),
            ("open-sndp", None),
            ("open-ftp", None),
            ("infected-hat", None),
            ("infected-nax", None),
        ] {
            assert_eq!(meant(wrong, causes.iter().copied()), expected, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_listed_type_is_taken_for_another(a in 0usize..170, b in 0usize..170) {
            let set = crate::built_in().unwrap();
            let types: Vec<&str> = set.reports.iter().map(|(name, _)| name).collect();
            if let (Some(a), Some(b)) = (types.get(a), types.get(b)) && a != b {
                let others = types.iter().copied().filter(|t| t != a);
                proptest::prop_assert_eq!(meant(a, others), None, "{} {}", a, b);
            }
        }
    }
}
