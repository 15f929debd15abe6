//! Free text from outside, made harmless to look at: bounded, and without characters that steer a terminal, reorder a
//! line or hide.

use smol_str::SmolStr;

/// A printable copy of at most `max` characters. Control characters, bidirectional marks and invisible ones become
/// `\u{…}`, so that they are seen and inert; what is cut ends in `…`.
pub fn printable(bytes: &[u8], max: usize) -> SmolStr {
    if bytes.len() <= max
        && let Ok(text) = std::str::from_utf8(bytes)
        && bytes.iter().all(|b| (0x20..0x7f).contains(b))
    {
        return SmolStr::new(text);
    }
    // Four bytes a character at most: what lies beyond is cut off anyway, so it need not be decoded.
    let head = bytes.get(..max.saturating_add(1).saturating_mul(4)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut out = String::with_capacity(max.min(bytes.len()) + 8);
    let mut length = 0;
    for c in text.chars() {
        let width = if misleads(c) { c.escape_unicode().len() } else { 1 };
        if length + width > max {
            while length + 1 > max && out.pop().is_some() {
                length -= 1;
            }
            out.push('…');
            break;
        }
        length += width;
        if width == 1 { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    SmolStr::new(out)
}

/// Characters that do something instead of showing something.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_reorder_or_steer_are_shown_and_inert() {
        assert_eq!(printable("a\u{202e}gpj.exe".as_bytes(), 40), "a\\u{202e}gpj.exe");
        assert_eq!(printable(b"\x1b[2Jbye\r\n", 40), "\\u{1b}[2Jbye\\u{d}\\u{a}");
        assert_eq!(printable("Müller 日本".as_bytes(), 40), "Müller 日本");
        assert_eq!(printable(b"caf\xe9", 40), "caf\u{fffd}");
    }

    #[test]
    fn long_text_is_cut_with_a_sign() {
        assert_eq!(printable(&[b'x'; 1000], 5), "xxxx…");
        assert_eq!(printable("ääää".as_bytes(), 4), "ääää");
        assert_eq!(printable(b"", 4), "");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_bounded_printable_text(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), max in 1usize..64
        ) {
            let text = printable(&bytes, max);
            proptest::prop_assert!(text.chars().count() <= max);
            proptest::prop_assert!(!text.chars().any(misleads));
        }
    }
}
