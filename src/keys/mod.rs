//! Our keys: who presents which, and whether it counts.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::hint::select_unpredictable;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::matrix::CallerId;
use crate::domain::secret::KeyDigest;

// Makes new keys, and tells mistyped ones.
pub mod expiry;
pub mod issue;
// What keys are called.
mod name;
// Writes the key file.
pub mod store;

pub(crate) use store::sections;

pub use name::{KeyId, KeyIdError, KeyName, KeyNameError, Note, NoteError};

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
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Stays the same when the key is renamed or regenerated, and is never used again.
    pub id: KeyId<'a>,
    /// What people call it.
    pub name: KeyName<'a>,
    /// Switched on or off.
    pub status: Status,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it last got another text.
    pub regenerated: Option<Timestamp>,
    /// From when on it counts no more.
    pub expires: Option<Timestamp>,
    /// What people noted about it.
    pub note: Option<Note<'a>>,
    /// SHA-256 of its text.
    pub digest: KeyDigest,
    /// The text before the last regeneration, while both count.
    pub previous: Option<Previous>,
}

impl Key<'_> {
    /// Whether it is past its date.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Until when the text before this one counts beside it, if it still does.
    #[must_use]
    pub fn overlap(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.previous.as_ref()?.until;
        let until = self.expires.map_or(until, |expires| expires.min(until));
        (until > now).then_some(until)
    }
}

/// A key text that was replaced, but still counts for a while.
#[derive(Clone, Copy, Debug)]
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
    /// All words of [`KeyFault::as_str`].
    pub const WORDS: [&'static str; 7] =
        ["not-one-authorization", "malformed", "clickbank-key", "unknown", "inactive", "expired", "superseded"];

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

/// A time, or none, in the space of a number: seconds since 1970. Key files are written to the second, and what people
/// add to it counts for nothing.
#[derive(Clone, Copy, Debug)]
struct Moment(i64);

impl Moment {
    const NONE: i64 = i64::MIN;

    fn new(time: Option<Timestamp>) -> Self {
        Self(time.map_or(Self::NONE, Timestamp::as_second))
    }

    fn time(self) -> Option<Timestamp> {
        if self.0 == Self::NONE { None } else { Timestamp::from_second(self.0).ok() }
    }

    /// As an end: what has none ends after all time.
    fn end(self) -> i64 {
        if self.0 == Self::NONE { i64::MAX } else { self.0 }
    }
}

/// One text that may be presented, and all that decides whether it counts.
#[derive(Clone, Debug)]
struct Listed {
    digest: KeyDigest,
    caller: CallerId,
    inactive: bool,
    previous: bool,
    /// Seconds since 1970, as numbers compare in equal time.
    expires: i64,
    superseded: i64,
}

impl Listed {
    fn new(caller: CallerId, key: &Key<'_>, digest: KeyDigest, superseded: Option<Timestamp>) -> Self {
        Self {
            digest,
            caller,
            inactive: key.status == Status::Inactive,
            previous: superseded.is_some(),
            expires: Moment::new(key.expires).end(),
            superseded: Moment::new(superseded).end(),
        }
    }

    /// Whether a digest is this one and counts. All is looked at before anything is concluded.
    fn judge(&self, digest: &KeyDigest, now: Timestamp) -> Result<CallerId, KeyFault> {
        let now = now.as_second();
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

/// What is kept of a key besides its digests.
#[derive(Clone, Debug)]
struct Record {
    caller: CallerId,
    /// Where its id, name and note begin in the text of all keys, one behind the other.
    text: u32,
    id: u8,
    name: u8,
    note: u16,
    status: Status,
    created: Moment,
    regenerated: Moment,
    expires: Moment,
    /// Where its digests stand in the order of digests.
    digest: u32,
    previous: Option<u32>,
}

/// All keys, found by digest. A hundred thousand of them are a handful of pieces of memory: quickly let go when a
/// newer configuration takes over.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Of all keys, in the order of the file.
    text: Box<str>,
    records: Box<[Record]>,
    /// In the order of digests.
    by_digest: Box<[Listed]>,
    /// How many are switched off.
    inactive: usize,
    /// When those expire that are switched on and do, the next one first.
    expiries: Box<[Moment]>,
}

/// Keys that are added one by one, in the order of callers.
#[derive(Debug, Default)]
pub struct KeysBuilder {
    text: String,
    records: Vec<Record>,
    by_digest: Vec<Listed>,
}

impl KeysBuilder {
    /// Adds a key and its place in the matrix.
    pub fn push(&mut self, caller: CallerId, key: &Key<'_>) {
        // No text here comes near the ends of these types. One that did would be no key's.
        let at = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let (id, name, note) = (key.id.as_str(), key.name.as_str(), key.note.map_or("", Note::as_str));
        for part in [id, name, note] {
            self.text.push_str(part);
        }
        self.records.push(Record {
            caller,
            text: at,
            id: u8::try_from(id.len()).unwrap_or_default(),
            name: u8::try_from(name.len()).unwrap_or_default(),
            note: u16::try_from(note.len()).unwrap_or_default(),
            status: key.status,
            created: Moment::new(key.created),
            regenerated: Moment::new(key.regenerated),
            expires: Moment::new(key.expires),
            digest: 0,
            previous: None,
        });
        self.by_digest.push(Listed::new(caller, key, key.digest, None));
        if let Some(previous) = &key.previous {
            self.by_digest.push(Listed::new(caller, key, previous.digest, Some(previous.until)));
        }
    }

    /// All that were added. Of two with the same digest the first counts; the configuration refuses such a pair.
    #[must_use]
    pub fn build(self) -> Keys {
        let Self { text, mut records, mut by_digest } = self;
        by_digest.sort_by_key(|listed| listed.digest.halves());
        for (place, listed) in (0..).zip(&by_digest) {
            let Some(record) = records.get_mut(listed.caller.index()) else { continue };
            if listed.previous {
                record.previous = Some(place);
            } else {
                record.digest = place;
            }
        }
        let active = || records.iter().filter(|record| record.status == Status::Active);
        let inactive = records.len() - active().count();
        let mut expiries: Box<[Moment]> =
            active().map(|record| record.expires).filter(|expires| expires.time().is_some()).collect();
        expiries.sort_unstable_by_key(|expires| expires.end());
        Keys { text: text.into(), records: records.into(), by_digest: by_digest.into(), inactive, expiries }
    }
}

impl Keys {
    /// Takes over keys and their places in the matrix, as [`KeysBuilder`] does.
    #[must_use]
    pub fn new<'a>(keys: impl IntoIterator<Item = (CallerId, Key<'a>)>) -> Self {
        let mut builder = KeysBuilder::default();
        for (caller, key) in keys {
            builder.push(caller, &key);
        }
        builder.build()
    }

    /// Whether no two of them have the same id, and no two texts the same digest.
    #[must_use]
    pub fn are_distinct(&self) -> bool {
        let mut ids: Vec<&str> = self.iter().map(|(_, key)| key.id.as_str()).collect();
        ids.sort_unstable();
        let apart = self.by_digest.iter().zip(self.by_digest.iter().skip(1));
        let mut digests = apart.map(|(one, next)| one.digest.precedes(&next.digest));
        ids.len() == self.len()
            && ids.iter().zip(ids.iter().skip(1)).all(|(one, next)| one != next)
            && digests.all(|apart| apart)
    }

    /// How many are switched on and not past their date.
    #[must_use]
    pub fn active(&self, now: Timestamp) -> usize {
        self.records.len().saturating_sub(self.inactive).saturating_sub(self.expired(now))
    }

    /// How many are switched off, whether or not they are past their date.
    #[must_use]
    pub const fn inactive(&self) -> usize {
        self.inactive
    }

    /// How many are switched on, but past their date.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> usize {
        self.expiries.partition_point(|expires| expires.end() <= now.as_second())
    }

    /// How many of the active ones are past their date after this time.
    #[must_use]
    pub fn expiring(&self, now: Timestamp, within: Duration) -> usize {
        let then = now.checked_add(within).unwrap_or(Timestamp::MAX);
        self.expired(then).saturating_sub(self.expired(now))
    }

    /// When the next of the active ones expires.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        self.expiries.get(self.expired(now)).and_then(|expires| expires.time())
    }

    /// Whose key has this digest, if it counts now.
    ///
    /// The work is the same whatever comes of it. The search takes as many steps for every digest, and what it ends at
    /// is judged even if it is another key; so time does not tell which keys exist, or existed.
    ///
    /// # Errors
    /// When there is none, or it is switched off, expired or replaced.
    pub fn identify(&self, digest: &KeyDigest, now: Timestamp) -> Result<CallerId, KeyFault> {
        self.nearest(digest).map_or(Err(KeyFault::Unknown), |listed| listed.judge(digest, now))
    }

    fn nearest(&self, digest: &KeyDigest) -> Option<&Listed> {
        let place = self.by_digest.partition_point(|listed| listed.digest.precedes(digest));
        self.by_digest.get(place).or(self.by_digest.last())
    }

    /// Whose digest this is, whether or not the key counts.
    #[must_use]
    pub fn holder(&self, digest: &KeyDigest) -> Option<CallerId> {
        self.nearest(digest).filter(|listed| listed.digest == *digest).map(|listed| listed.caller)
    }

    /// The key of a caller.
    #[must_use]
    pub fn of(&self, caller: CallerId) -> Option<Key<'_>> {
        self.records.get(caller.index()).and_then(|record| self.read(record))
    }

    /// The number of a caller's key.
    #[must_use]
    pub fn number(&self, caller: CallerId) -> KeyNumber {
        KeyNumber::of(self.of(caller).map_or("", |key| key.id.as_str()))
    }

    /// The key with this name or id.
    #[must_use]
    pub fn find(&self, name_or_id: &str) -> Option<(CallerId, Key<'_>)> {
        self.iter().find(|(_, key)| key.name.as_str() == name_or_id || key.id.as_str() == name_or_id)
    }

    /// All keys, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (CallerId, Key<'_>)> {
        self.records.iter().filter_map(|record| Some((record.caller, self.read(record)?)))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn read(&self, record: &Record) -> Option<Key<'_>> {
        let text = self.text.get(usize::try_from(record.text).ok()?..)?;
        let (id, text) = text.split_at_checked(record.id.into())?;
        let (name, text) = text.split_at_checked(record.name.into())?;
        let note = text.get(..record.note.into())?;
        let listed = |place: u32| self.by_digest.get(usize::try_from(place).ok()?);
        let previous = match record.previous {
            Some(place) => {
                let listed = listed(place)?;
                Some(Previous { digest: listed.digest, until: Moment(listed.superseded).time()? })
            }
            None => None,
        };
        Some(Key {
            id: KeyId(id),
            name: KeyName(name),
            status: record.status,
            created: record.created.time(),
            regenerated: record.regenerated.time(),
            expires: record.expires.time(),
            note: (!note.is_empty()).then_some(Note(note)),
            digest: listed(record.digest)?.digest,
            previous,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::ScopeByPermission;
    use crate::domain::matrix::Matrix;
    use crate::domain::permission::Permission;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn keys(status: Status, expires: Option<&str>, until: Option<&str>) -> Keys {
        let caller = Matrix::new([ScopeByPermission::default()]).callers().next().unwrap();
        let key = Key {
            id: KeyId::parse("key_1").unwrap(),
            name: KeyName::parse("app").unwrap(),
            status,
            created: None,
            regenerated: None,
            expires: expires.map(at),
            note: None,
            digest: KeyDigest::of(b"new"),
            previous: until.map(|until| Previous { digest: KeyDigest::of(b"old"), until: at(until) }),
        };
        Keys::new([(caller, key)])
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
                id: KeyId::parse("key_1").unwrap(),
                name: KeyName::parse("app").unwrap(),
                status: Status::Active,
                created: None,
                regenerated: None,
                expires: None,
                note: None,
                digest: KeyDigest::of(text(number).as_bytes()),
                previous: None,
            };
            let keys = Keys::new(matrix.callers().zip((0..count).map(key)));
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
    fn a_key_reads_back_as_it_was_taken_over() {
        let matrix = Matrix::new(vec![ScopeByPermission::default(); 3]);
        let texts = ["zero", "one", "two"];
        let given = |number: usize| {
            let later = number == 1;
            Key {
                id: KeyId::parse(["key_a", "key_bb", "key_c"][number]).unwrap(),
                name: KeyName::parse(texts[number]).unwrap(),
                status: if later { Status::Inactive } else { Status::Active },
                created: later.then(|| at("2026-01-01T00:00:00Z")),
                regenerated: later.then(|| at("2026-02-01T00:00:00Z")),
                expires: later.then(|| at("9999-12-30T00:00:00Z")),
                note: later.then(|| Note::parse("na\u{ef}ve").unwrap()),
                digest: KeyDigest::of(texts[number].as_bytes()),
                previous: later
                    .then(|| Previous { digest: KeyDigest::of(b"before"), until: at("2026-03-01T00:00:00Z") }),
            }
        };
        let keys = Keys::new(matrix.callers().zip((0..3).map(given)));
        for (number, (caller, key)) in keys.iter().enumerate() {
            let shown = |key: &Key<'_>| {
                let digests = [Some(key.digest), key.previous.map(|previous| previous.digest)];
                format!("{key:?} {:?}", digests.map(|digest| digest.map(|digest| digest.to_string())))
            };
            assert_eq!(shown(&key), shown(&given(number)));
            assert_eq!(keys.of(caller).map(|key| shown(&key)), Some(shown(&key)));
            assert_eq!(keys.find(key.id.as_str()).map(|(caller, _)| caller), Some(caller));
            assert_eq!(keys.find(key.name.as_str()).map(|(caller, _)| caller), Some(caller));
            assert_eq!(keys.holder(&key.digest), Some(caller));
        }
        assert_eq!(keys.holder(&KeyDigest::of(b"before")), matrix.callers().nth(1));
        assert_eq!(keys.holder(&KeyDigest::of(b"nobody's")), None);
        assert!(keys.find("zer").is_none() && keys.find("zeroone").is_none());
        assert!(keys.are_distinct());
        let with = |change: &dyn Fn(&mut Key<'_>)| {
            let mut last = given(2);
            change(&mut last);
            Keys::new(matrix.callers().zip([given(0), given(1), last]))
        };
        assert!(!with(&|key| key.id = given(0).id).are_distinct());
        assert!(!with(&|key| key.digest = given(0).digest).are_distinct());
        assert!(!with(&|key| key.digest = KeyDigest::of(b"before")).are_distinct());
    }

    #[test]
    fn a_hundred_thousand_keys_are_kept_in_little_memory() {
        let matrix_row = Permission::COUNT * size_of::<u32>();
        let each = size_of::<Record>() + size_of::<Listed>() + matrix_row;
        assert!(each <= 136, "{each} bytes beside the text of id, name and note");
    }

    #[test]
    fn an_overlap_ends_with_the_key() {
        let key = |expires, until| keys(Status::Active, expires, until);
        let overlap = |keys: Keys, now: &str| {
            let until = keys.iter().next().unwrap().1.overlap(at(now));
            until.map(|until| until.to_string())
        };
        let (day, later) = ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
        assert_eq!(overlap(key(None, None), "2026-05-01T00:00:00Z"), None);
        assert_eq!(overlap(key(None, Some(day)), "2026-05-01T00:00:00Z").as_deref(), Some(day));
        assert_eq!(overlap(key(Some(later), Some(day)), "2026-05-01T00:00:00Z").as_deref(), Some(day));
        assert_eq!(overlap(key(Some(day), Some(later)), "2026-05-01T00:00:00Z").as_deref(), Some(day));
        assert_eq!(overlap(key(None, Some(day)), day), None);
    }
}
