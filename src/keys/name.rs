//! What a key is called, by people and by the gateway, and what people noted about it.

use std::fmt;

use thiserror::Error;

use crate::domain::secret::has_secret;

/// A key's name, chosen by people: 1 to 64 letters, digits, `.`, `-` and `_`, the first a letter or digit. A key
/// itself is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName<'a>(pub(super) &'a str);

/// The text is not a [`KeyName`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a key's name has 1 to 64 letters, digits, `.`, `-` and `_`, begins with a letter or digit, and is not the key itself"
)]
pub struct KeyNameError;

impl<'a> KeyName<'a> {
    /// Reads a name.
    ///
    /// # Errors
    /// When it has another length or other characters, or is a key: names are shown everywhere.
    pub fn parse(text: &'a str) -> Result<Self, KeyNameError> {
        let characters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if characters && first && text.len() <= MAX_LENGTH && !has_secret(text) {
            Ok(Self(text))
        } else {
            Err(KeyNameError)
        }
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for KeyName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The most characters of a name and of an id.
const MAX_LENGTH: usize = 64;

/// A key's id, made by the gateway: it stays the same when the key is renamed or regenerated, and no other key gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId<'a>(pub(super) &'a str);

/// The text is not a [`KeyId`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a key's id has 1 to 64 letters, digits, `-` and `_`, and is not the key itself")]
pub struct KeyIdError;

impl<'a> KeyId<'a> {
    /// Reads an id.
    ///
    /// # Errors
    /// When it has another length or other characters, or is a key.
    pub fn parse(text: &'a str) -> Result<Self, KeyIdError> {
        let characters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if characters && (1..=MAX_LENGTH).contains(&text.len()) && !has_secret(text) {
            Ok(Self(text))
        } else {
            Err(KeyIdError)
        }
    }

    /// The id.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for KeyId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What people noted about a key, such as whose it is: one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a>(pub(super) &'a str);

/// Why a text is not a [`Note`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    /// Nothing to read.
    #[error("is empty")]
    Empty,
    /// More than a line's worth.
    #[error("is longer than {} characters", Note::MAX_LENGTH)]
    TooLong,
    /// Line breaks, or characters that change how the rest is shown.
    #[error("holds a line break or another control character")]
    Control,
    /// A key. Notes are shown.
    #[error("holds a secret")]
    Secret,
}

impl<'a> Note<'a> {
    /// The most characters of a note.
    pub const MAX_LENGTH: usize = 200;

    /// Reads a note.
    ///
    /// # Errors
    /// When it is empty, longer than [`Note::MAX_LENGTH`], more than one line, or holds a key.
    pub fn parse(text: &'a str) -> Result<Self, NoteError> {
        // Besides what Unicode calls control characters, those that break lines or turn the direction of writing.
        let turns = |character| matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if text.trim().is_empty() {
            Err(NoteError::Empty)
        } else if text.chars().nth(Self::MAX_LENGTH).is_some() {
            Err(NoteError::TooLong)
        } else if text.chars().any(|character| character.is_control() || turns(character)) {
            Err(NoteError::Control)
        } else if has_secret(text) {
            Err(NoteError::Secret)
        } else {
            Ok(Self(text))
        }
    }

    /// The note.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for name in ["a", "billing-dashboard", "app_2.eu", "7"] {
            assert!(KeyName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "a b", "a/b", "a\n", "caf\u{e9}", "cbgw_0123456789", &"x".repeat(65)] {
            assert_eq!(KeyName::parse(name), Err(KeyNameError), "{name}");
        }
    }

    #[test]
    fn a_note_is_one_line_that_can_be_shown() {
        let long = "\u{e9}".repeat(200);
        for note in ["Marta's dashboard, ticket 17", "=1+1", long.as_str()] {
            assert_eq!(Note::parse(note).map(Note::as_str), Ok(note));
        }
        for (note, error) in [
            ("", NoteError::Empty),
            (" \t", NoteError::Empty),
            ("a\nb", NoteError::Control),
            ("a\u{1b}[31m", NoteError::Control),
            ("a\u{202e}b", NoteError::Control),
            ("a\u{2028}b", NoteError::Control),
            ("it is cbgw_0123456789", NoteError::Secret),
            ("API-0123456789", NoteError::Secret),
            (&"x".repeat(201), NoteError::TooLong),
        ] {
            assert_eq!(Note::parse(note), Err(error), "{note}");
        }
    }
}
