//! Text from strangers (report columns, banners, file names, notes) made harmless to look at. HTML escaping is the
//! templates' work; this takes what escaping leaves: control characters that drive terminals, and characters that
//! reorder or hide text on a screen. Also text as part of an address.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every control, bidirectional and invisible character shown as `\u{…}`. Unchanged text is borrowed.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Text of several lines, each made visible: an error for each line of a file stays on a line of its own.
pub fn lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// At most `max` characters of the text, made visible, with an ellipsis where something was cut.
pub fn short(text: &str, max: usize) -> String {
    let mut shown = visible(text).into_owned();
    if let Some((cut, _)) = shown.char_indices().nth(max) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// A text as part of a path or query (RFC 3986 unreserved characters stay).
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

// Controls (C0, DEL, C1), bidi marks, embeddings and isolates, zero-width characters, the byte-order mark, line and
// paragraph separators, the soft hyphen and tag characters. Unicode TR 36 §3, TR 9.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_or_turns_text_around_becomes_visible() {
        assert_eq!(visible("login: \u{1b}[2J\u{202e}txt"), "login: \\u{1b}[2J\\u{202e}txt");
        assert_eq!(visible("a\0b\nc"), "a\\u{0}b\\u{a}c");
        assert!(matches!(visible("Müller 日本 ✓"), Cow::Borrowed(_)));
        assert_eq!(lines("a:2: no\nb\u{202e}:3: no\n"), "a:2: no\nb\\u{202e}:3: no");
        assert_eq!(short("abcdef", 3), "abc…");
        assert_eq!(short("abc", 3), "abc");
    }
}
