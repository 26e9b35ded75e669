//! Our keys: who presents which, and whether it counts.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::hint::select_unpredictable;

use jiff::Timestamp;
use thiserror::Error;

use crate::domain::matrix::CallerId;
use crate::domain::secret::{KeyDigest, has_secret};

// Makes new keys, and tells mistyped ones.
pub mod issue;
// Writes the key file.
pub mod store;

/// A key's name, chosen by people: 1 to 64 letters, digits, `.`, `-` and `_`, the first a letter or digit. A key
/// itself is no name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

/// The text is not a [`KeyName`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a key's name has 1 to 64 letters, digits, `.`, `-` and `_`, begins with a letter or digit, and is not the key itself"
)]
pub struct KeyNameError;

impl KeyName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it has another length or other characters, or is a key: names are shown everywhere.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        let characters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if characters && first && text.len() <= 64 && !has_secret(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyNameError)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether people have switched a key on or off, as on ClickBank's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Active,
    /// It does not, until it is activated again.
    Inactive,
}

impl Status {
    /// The names used in our files.
    pub const NAMES: [&'static str; 2] = ["active", "inactive"];

    /// Reads the name used in our files.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    /// The name used in our files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

/// One key of ours. Its grants stand in the matrix, in the same position.
#[derive(Clone, Debug)]
pub struct Key {
    /// Stays the same when the key is renamed or regenerated, and is never used again.
    pub id: String,
    /// What people call it.
    pub name: KeyName,
    /// Switched on or off.
    pub status: Status,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// From when on it counts no more.
    pub expires: Option<Timestamp>,
    /// SHA-256 of its text.
    pub digest: KeyDigest,
    /// The text before the last regeneration, while both count.
    pub previous: Option<Previous>,
}

/// A key text that was replaced, but still counts for a while.
#[derive(Clone, Debug)]
pub struct Previous {
    /// SHA-256 of the text.
    pub digest: KeyDigest,
    /// From when on it counts no more.
    pub until: Timestamp,
}

/// Why a presented key does not count. Callers are never told which of these it was; logs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// No `Authorization`, or more than one.
    NotOne,
    /// Not in any form that holds a key of ours.
    Malformed,
    /// Looks like one of ClickBank's own.
    ClickBankKey,
    /// Nobody's.
    Unknown,
    /// Switched off.
    Inactive,
    /// Past its date.
    Expired,
    /// Replaced, and the overlap is over.
    Superseded,
}

impl KeyFault {
    /// The word in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOne => "not-one-authorization",
            Self::Malformed => "malformed",
            Self::ClickBankKey => "clickbank-key",
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }

    /// The first of some faults. Equal work whichever it is: nothing is skipped, and nothing is guessed ahead.
    pub(crate) fn first<const N: usize>(faults: [Option<Self>; N]) -> Option<Self> {
        faults.into_iter().rev().fold(None, |later, fault| select_unpredictable(fault.is_some(), fault, later))
    }
}

/// One text that may be presented, and all that decides whether it counts.
#[derive(Clone, Debug)]
struct Listed {
    digest: KeyDigest,
    caller: CallerId,
    inactive: bool,
    /// Nanoseconds since 1970, as numbers compare in equal time.
    expires: i128,
    superseded: i128,
}

impl Listed {
    fn new(caller: CallerId, key: &Key, digest: KeyDigest, superseded: Option<Timestamp>) -> Self {
        let from = |time: Option<Timestamp>| time.unwrap_or(Timestamp::MAX).as_nanosecond();
        Self {
            digest,
            caller,
            inactive: key.status == Status::Inactive,
            expires: from(key.expires),
            superseded: from(superseded),
        }
    }

    /// Whether a digest is this one and counts. All is looked at before anything is concluded.
    fn judge(&self, digest: &KeyDigest, now: Timestamp) -> Result<CallerId, KeyFault> {
        let now = now.as_nanosecond();
        let fault = KeyFault::first([
            (self.digest != *digest).then_some(KeyFault::Unknown),
            self.inactive.then_some(KeyFault::Inactive),
            (self.expires <= now).then_some(KeyFault::Expired),
            (self.superseded <= now).then_some(KeyFault::Superseded),
        ]);
        fault.map_or(Ok(self.caller), Err)
    }
}

/// Which key it is, in a number that stays the same when the file is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyNumber(u64);

impl KeyNumber {
    /// That of no key: what the gateway does on nobody's behalf.
    pub const NOBODY: Self = Self(0);

    /// That of the key with this id. Ids are made at random, so two with one number are not to be expected; they would
    /// share a place in queues, and nothing else.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// All keys, found by digest.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: Vec<(CallerId, Key)>,
    /// In the order of digests.
    by_digest: Vec<Listed>,
}

impl Keys {
    /// Takes over keys and their places in the matrix. Of two with the same digest the first counts; the configuration
    /// refuses such a pair.
    #[must_use]
    pub fn new(keys: Vec<(CallerId, Key)>) -> Self {
        let mut by_digest = Vec::with_capacity(keys.len());
        for (caller, key) in &keys {
            by_digest.push(Listed::new(*caller, key, key.digest, None));
            if let Some(previous) = &key.previous {
                by_digest.push(Listed::new(*caller, key, previous.digest, Some(previous.until)));
            }
        }
        by_digest.sort_by_key(|listed| listed.digest.halves());
        Self { keys, by_digest }
    }

    /// Whose key has this digest, if it counts now.
    ///
    /// The work is the same whatever comes of it. The search takes as many steps for every digest, and what it ends at
    /// is judged even if it is another key; so time does not tell which keys exist, or existed.
    ///
    /// # Errors
    /// When there is none, or it is switched off, expired or replaced.
    pub fn identify(&self, digest: &KeyDigest, now: Timestamp) -> Result<CallerId, KeyFault> {
        let place = self.by_digest.partition_point(|listed| listed.digest.precedes(digest));
        let nearest = self.by_digest.get(place).or(self.by_digest.last());
        nearest.map_or(Err(KeyFault::Unknown), |listed| listed.judge(digest, now))
    }

    /// The key of a caller.
    #[must_use]
    pub fn of(&self, caller: CallerId) -> Option<&Key> {
        self.keys.get(caller.index()).map(|(_, key)| key)
    }

    /// The number of a caller's key.
    #[must_use]
    pub fn number(&self, caller: CallerId) -> KeyNumber {
        KeyNumber::of(self.of(caller).map_or("", |key| key.id.as_str()))
    }

    /// The key with this name or id.
    #[must_use]
    pub fn find(&self, name_or_id: &str) -> Option<(CallerId, &Key)> {
        self.iter().find(|(_, key)| key.name.as_str() == name_or_id || key.id == name_or_id)
    }

    /// All keys, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (CallerId, &Key)> {
        self.keys.iter().map(|(caller, key)| (*caller, key))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::ScopeByPermission;
    use crate::domain::matrix::Matrix;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn keys(status: Status, expires: Option<&str>, until: Option<&str>) -> Keys {
        let caller = Matrix::new([ScopeByPermission::default()]).callers().next().unwrap();
        let key = Key {
            id: "key_1".into(),
            name: KeyName::parse("app").unwrap(),
            status,
            created: None,
            expires: expires.map(at),
            digest: KeyDigest::of(b"new"),
            previous: until.map(|until| Previous { digest: KeyDigest::of(b"old"), until: at(until) }),
        };
        Keys::new(vec![(caller, key)])
    }

    #[test]
    fn a_key_counts_while_it_is_active_unexpired_and_not_superseded() {
        let now = at("2026-06-01T00:00:00Z");
        let (before, after) = (Some("2026-06-01T00:00:00Z"), Some("2026-06-01T00:00:01Z"));
        for (status, expires, until, text, fault) in [
            (Status::Active, None, None, "new", None),
            (Status::Active, after, None, "new", None),
            (Status::Active, before, None, "new", Some(KeyFault::Expired)),
            (Status::Inactive, after, None, "new", Some(KeyFault::Inactive)),
            (Status::Active, None, after, "old", None),
            (Status::Active, None, before, "old", Some(KeyFault::Superseded)),
            (Status::Active, before, after, "old", Some(KeyFault::Expired)),
            (Status::Active, None, None, "old", Some(KeyFault::Unknown)),
            (Status::Active, None, None, "", Some(KeyFault::Unknown)),
        ] {
            let found = keys(status, expires, until).identify(&KeyDigest::of(text.as_bytes()), now);
            assert_eq!(found.err(), fault, "{status:?} {expires:?} {until:?} {text}");
        }
    }

    #[test]
    fn each_of_any_number_of_keys_is_found_and_no_other() {
        let now = at("2026-06-01T00:00:00Z");
        let text = |number: usize| format!("key {number}");
        for count in [0, 1, 2, 3, 10, 100, 1_000] {
            let matrix = Matrix::new(vec![ScopeByPermission::default(); count]);
            let key = |number: usize| Key {
                id: text(number),
                name: KeyName::parse("app").unwrap(),
                status: Status::Active,
                created: None,
                expires: None,
                digest: KeyDigest::of(text(number).as_bytes()),
                previous: None,
            };
            let keys = Keys::new(matrix.callers().zip((0..count).map(key)).collect());
            for (number, caller) in matrix.callers().enumerate() {
                assert_eq!(keys.identify(&KeyDigest::of(text(number).as_bytes()), now), Ok(caller));
            }
            for number in count..count + 1_000 {
                let digest = KeyDigest::of(text(number).as_bytes());
                assert_eq!(keys.identify(&digest, now), Err(KeyFault::Unknown));
            }
        }
    }

    #[test]
    fn names_are_plain_words() {
        for name in ["a", "billing-dashboard", "app_2.eu", "7"] {
            assert!(KeyName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "a b", "a/b", "a\n", "caf\u{e9}", "cbgw_0123456789", &"x".repeat(65)] {
            assert_eq!(KeyName::parse(name), Err(KeyNameError), "{name}");
        }
    }
}
