//! Account nicknames as ClickBank treats them: compared without regard to letter case, shown as written.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Nicknames, each once, in alphabetical order.
pub type NicknameSet = BTreeSet<Nickname>;

/// The nickname of a ClickBank account.
///
/// Clients have seen nicknames in both letter cases, so two spellings of one nickname are equal here.
/// The form (ClickBank asks for 5 to 10 letters and digits) is not checked.
#[derive(Clone)]
pub struct Nickname {
    written: String,
    folded: String,
}

impl Nickname {
    /// The nickname written as `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { written: text.to_owned(), folded: text.to_ascii_lowercase() }
    }

    /// The nickname as it was written, which is how answers show it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl From<&str> for Nickname {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Nickname {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Nickname {}

impl PartialOrd for Nickname {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Nickname {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl Hash for Nickname {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

impl fmt::Debug for Nickname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_does_not_tell_nicknames_apart_but_is_shown() {
        assert_eq!(Nickname::new("ACME"), Nickname::new("acme"));
        assert_eq!(Nickname::new("ACME").to_string(), "ACME");
    }
}
