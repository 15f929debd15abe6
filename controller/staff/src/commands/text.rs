//! Reasons and notes: something, of bounded length, without control characters.

use smol_str::SmolStr;

use crate::error::StaffError;

/// A reason or note has at most so many characters: a paragraph, not an attachment.
pub const TEXT_CHARACTERS: usize = 2_000;

/// A reason or note: something, of bounded length, without control characters.
///
/// # Errors
/// Refused, naming the field.
pub fn checked_text(text: &str, field: &str) -> Result<String, StaffError> {
    let text: String = text.trim().replace("\r\n", "\n");
    if text.is_empty() {
        return Err(StaffError::refused(
            "text-missing",
            format!("{field} is empty: say why, the next shift will read it"),
        ));
    }
    if text.chars().count() > TEXT_CHARACTERS {
        return Err(StaffError::refused(
            "text-too-long",
            format!("{field} has more than {TEXT_CHARACTERS} characters: shorten it"),
        ));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(StaffError::refused(
            "text-unreadable",
            format!("{field} has control characters: write plain text"),
        ));
    }
    Ok(text)
}

/// A reason that the log keeps for good, as of a halt: it has to be short and must not name subscribers.
///
/// # Errors
/// When there is none, or it is too long.
pub fn checked_because(because: &str) -> Result<SmolStr, StaffError> {
    let because = checked_text(because, "reason")?;
    if because.chars().count() > 200 {
        return Err(StaffError::refused("text-too-long", "reason has more than 200 characters: shorten it"));
    }
    Ok(SmolStr::new(because))
}
