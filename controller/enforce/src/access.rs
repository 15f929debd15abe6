//! Interfaces that subscribers are behind, as `wall.access_interfaces` names them: `home0`, or `ppp*` for all that begin so.
//!
//! A name is compared as the kernel knows it. What no interface can ever be called is refused with what was probably meant; a
//! name that no interface has at the moment is a remark, since a dialled line brings its interface along.

use std::fmt;

/// `IFNAMSIZ` without its zero byte.
const LONGEST: usize = 15;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// This interface.
    Named(String),
    /// Every interface whose name begins so.
    Begins(String),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Begins(start) => write!(f, "{start}*"),
        }
    }
}

impl Access {
    /// Reads an entry.
    ///
    /// # Errors
    /// Why it matches no interface, or too many, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = text.escape_default();
        if let Some(start) = text.strip_suffix(['*', '+']) {
            if start.is_empty() {
                return Err(format!(
                    "`{shown}` is every interface, the way out as well; name those that subscribers are behind"
                ));
            }
            if start.len() <= LONGEST && plain(start) {
                if text.ends_with('+') {
                    return Err(format!("`{shown}`: write `{start}*` for all that begin with {start}"));
                }
                return Ok(Self::Begins(start.into()));
            }
        }
        if let Some((name, _)) = text.split_once(':').filter(|(name, _)| plain(name)) {
            return Err(format!("`{shown}` is a label of an address, not an interface: write `{name}`"));
        }
        if let Some((name, _)) = text.split_once('@').filter(|(name, _)| plain(name)) {
            return Err(format!("`{shown}`: the name ends before the @: write `{name}`"));
        }
        if text.contains(['*', '?', '[', ']', '+', '{', '%']) {
            return Err(format!("`{shown}`: only a `*` at the end stands for anything, as in `ppp*`"));
        }
        if text.contains([',', ' ']) {
            return Err(format!("`{shown}`: each interface is an entry of its own, as in [home0, home1]"));
        }
        if text == "lo" {
            return Err("`lo` is this machine itself; name those that subscribers are behind".into());
        }
        if !plain(text) || text.len() > LONGEST {
            return Err(format!("`{shown}` is no interface name; see `ip link`"));
        }
        Ok(Self::Named(text.into()))
    }

    /// Whether an interface of this name is meant.
    pub fn matches(&self, interface: &str) -> bool {
        match self {
            Self::Named(name) => name == interface,
            Self::Begins(start) => interface.starts_with(start.as_str()),
        }
    }
}

/// As the kernel takes names (`dev_valid_name`), of characters that are written without quotes.
fn plain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && name != "." && name != ".." && name.chars().all(good)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_interface_is_called_is_refused_with_what_was_meant() {
        for (text, remedy) in [
            ("*", "every interface"),
            ("+", "every interface"),
            ("", "no interface name"),
            ("ppp+", "write `ppp*`"),
            ("eth0:1", "write `eth0`"),
            ("eth0.100@eth0", "write `eth0.100`"),
            ("p*p0", "only a `*` at the end"),
            ("ppp**", "only a `*` at the end"),
            ("ppp[0-9]", "only a `*` at the end"),
            ("eth?", "only a `*` at the end"),
            ("veth%d", "only a `*` at the end"),
            ("home0,home1", "entry of its own"),
            ("home0 home1", "entry of its own"),
            ("lo", "this machine itself"),
            ("..", "no interface name"),
            ("a/b", "no interface name"),
            ("a\"b", "no interface name"),
            ("an-interface-name", "no interface name"),
            ("an-interface-name*", "only a `*` at the end"),
        ] {
            let said = Access::parse(text).expect_err(text);
            assert!(said.contains(remedy), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn an_entry_matches_what_it_names_and_what_begins_so_alone(
            start in "[a-c][a-c0-1.]{0,3}", star in any::<bool>(), other in "[a-c][a-c0-1.]{0,5}"
        ) {
            let text = if star { format!("{start}*") } else { start.clone() };
            let entry = Access::parse(&text).unwrap();
            prop_assert_eq!(entry.to_string(), text);
            prop_assert!(entry.matches(&start));
            prop_assert_eq!(entry.matches(&other), if star { other.starts_with(&start) } else { other == start });
        }
    }
}
