//! When each key, and each cell of the matrix, was last used: what nobody uses can be taken away.
//!
//! Requests note it in their snapshot, in numbers and without waiting for each other. Now and then it is gathered under
//! ids and names, which outlive snapshots, and written to the state directory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use dashmap::DashMap;

use crate::domain::matrix::CallerId;
use crate::domain::nickname::{NicknameId, NicknameSet};
use crate::domain::permission::{Permission, PermissionSet};
use crate::snapshot::Snapshot;

const FILE: &str = "last-use";
/// What its first line begins with.
const SINCE: &str = "since ";
/// In the place of a nickname. None is called so.
const NOBODYS: &str = "-";
/// For how long it is kept of keys that nobody presents any more: more than a year, so that what runs once a year counts.
const KEPT_FOR: Duration = Duration::from_hours(400 * 24);

/// What was used under one snapshot, in seconds since 1970.
#[derive(Debug, Default)]
pub struct Used {
    keys: DashMap<CallerId, u64>,
    /// Without a nickname where the call was about nobody's data.
    cells: DashMap<(CallerId, Permission, Option<NicknameId>), u64>,
}

/// What a request was good for.
#[derive(Clone, Copy, Debug)]
pub struct Good<'a> {
    /// The permissions that it took.
    pub permissions: PermissionSet,
    /// The nicknames that it was about; none where it was about nobody's data.
    pub nicknames: &'a NicknameSet,
}

impl Used {
    /// Notes that a key was presented, and what it was good for, if anything.
    pub fn note(&self, caller: CallerId, good: Option<Good<'_>>, now: SystemTime) {
        let now = seconds(now);
        note(&self.keys, caller, now);
        let Some(Good { permissions, nicknames }) = good else { return };
        for permission in permissions.iter() {
            for nickname in nicknames.iter() {
                note(&self.cells, (caller, permission, Some(nickname)), now);
            }
            if nicknames.is_empty() {
                note(&self.cells, (caller, permission, None), now);
            }
        }
    }
}

/// Most requests come in the second of another one, and then nothing is written.
fn note<K: Eq + std::hash::Hash>(times: &DashMap<K, u64>, key: K, now: u64) {
    if times.get(&key).is_none_or(|time| *time < now) {
        times.insert(key, now);
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// When one key was last used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// When it was last presented and counted, whatever became of the request.
    pub last: Option<SystemTime>,
    /// When it was last good for a nickname, by permission; without one where the call was about nobody's data.
    pub cells: BTreeMap<(Permission, Option<String>), SystemTime>,
}

impl KeyUse {
    /// When a permission was last good for a nickname, or for nobody's data.
    #[must_use]
    pub fn of(&self, permission: Permission, nickname: Option<&str>) -> Option<SystemTime> {
        self.cells.get(&(permission, nickname.map(str::to_owned))).copied()
    }
}

/// When each key was last used, by its id.
#[derive(Debug)]
pub struct LastUse {
    /// From when on it is known. Whoever was not used since may have been used before.
    since: SystemTime,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    keys: HashMap<String, KeyUse>,
    changed: bool,
}

impl LastUse {
    /// Nothing is known of what was used before now.
    #[must_use]
    pub fn begin(now: SystemTime) -> Self {
        let now = at(seconds(now)).unwrap_or(now);
        Self { since: now, book: Mutex::new(Book { changed: true, ..Book::default() }) }
    }

    /// Takes up what [`LastUse::save`] left in a directory, if there is anything.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn load(directory: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(directory.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = || {
            let mut lines = text.lines();
            let since = time_of(lines.next()?.strip_prefix(SINCE)?)?;
            let mut keys: HashMap<String, KeyUse> = HashMap::new();
            for line in lines {
                let words: Vec<&str> = line.split(' ').collect();
                match words.as_slice() {
                    [id, time] => keys.entry((*id).to_owned()).or_default().last = Some(time_of(time)?),
                    [id, permission, nickname, time] => {
                        let nickname = (*nickname != NOBODYS).then(|| (*nickname).to_owned());
                        let cell = (Permission::parse(permission)?, nickname);
                        keys.entry((*id).to_owned()).or_default().cells.insert(cell, time_of(time)?);
                    }
                    _ => return None,
                }
            }
            Some(Self { since, book: Mutex::new(Book { keys, changed: false }) })
        };
        let invalid = || {
            let message = format!("{FILE} does not say when keys were used; move it away to begin anew");
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        read().map(Some).ok_or_else(invalid)
    }

    /// From when on it is known what was used.
    #[must_use]
    pub const fn since(&self) -> SystemTime {
        self.since
    }

    /// Gathers what requests noted in a snapshot.
    pub fn gather(&self, snapshot: &Snapshot) {
        let id = |caller| snapshot.keys.of(caller).map(|key| key.id.as_str().to_owned());
        let mut book = self.book();
        let Book { keys, changed } = &mut *book;
        for entry in &snapshot.used.keys {
            if let Some((id, time)) = id(*entry.key()).zip(at(*entry.value())) {
                let key = keys.entry(id).or_default();
                *changed |= key.last < Some(time);
                key.last = key.last.max(Some(time));
            }
        }
        for entry in &snapshot.used.cells {
            let (caller, permission, nickname) = *entry.key();
            if let Some((id, time)) = id(caller).zip(at(*entry.value())) {
                let name = nickname.map(|nickname| snapshot.policy.nicknames.name(nickname).to_owned());
                let last = keys.entry(id).or_default().cells.entry((permission, name)).or_insert(UNIX_EPOCH);
                *changed |= *last < time;
                *last = time.max(*last);
            }
        }
    }

    /// Leaves it in a directory, if it has changed: whole, or as it was before.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn save(&self, directory: &Path, now: SystemTime) -> io::Result<()> {
        let mut text = format!("{SINCE}{}\n", seconds(self.since));
        {
            let mut book = self.book();
            if !std::mem::take(&mut book.changed) {
                return Ok(());
            }
            book.keys.retain(|_, key| key.last.is_none_or(|last| last + KEPT_FOR > now));
            let mut ids: Vec<(&String, &KeyUse)> = book.keys.iter().collect();
            ids.sort_by_key(|(id, _)| *id);
            for (id, key) in ids {
                if let Some(last) = key.last {
                    text.push_str(&format!("{id} {}\n", seconds(last)));
                }
                for ((permission, nickname), time) in &key.cells {
                    let nickname = nickname.as_deref().unwrap_or(NOBODYS);
                    text.push_str(&format!("{id} {permission} {nickname} {}\n", seconds(*time)));
                }
            }
        }
        let written = || {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            io::Write::write_all(&mut file, text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(directory.join(FILE)).map_err(|error| error.error)?;
            Ok(())
        };
        written().inspect_err(|_| self.book().changed = true)
    }

    /// When the key with this id was last used.
    #[must_use]
    pub fn of(&self, id: &str) -> KeyUse {
        self.book().keys.get(id).cloned().unwrap_or_default()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Of a number that stands for no time a clock could show there is none.
fn time_of(text: &str) -> Option<SystemTime> {
    text.parse::<u32>().ok().and_then(|seconds| at(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_is_something_else_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert!(LastUse::load(directory.path()).unwrap().is_none());
        let text = "since 1500000000\nkey_a 1700000000\nkey_a analytics - 1600000001\nkey_a analytics acme 1600000000\n\
                    key_b orders_read acme 1650000000\n";
        fs::write(directory.path().join(FILE), text).unwrap();
        let last_use = LastUse::load(directory.path()).unwrap().unwrap();
        assert_eq!(last_use.since(), at(1_500_000_000).unwrap());
        assert_eq!(last_use.of("key_a").last, at(1_700_000_000));
        assert_eq!(last_use.of("key_a").of(Permission::Analytics, Some("acme")), at(1_600_000_000));
        assert_eq!(last_use.of("key_a").of(Permission::Analytics, None), at(1_600_000_001));
        assert_eq!((last_use.of("key_b").last, last_use.of("key_c")), (None, KeyUse::default()));
        last_use.save(directory.path(), UNIX_EPOCH).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join(FILE)).unwrap(), text);
        last_use.book().changed = true;
        last_use.save(directory.path(), at(1_700_000_000 + KEPT_FOR.as_secs()).unwrap()).unwrap();
        let kept = "since 1500000000\nkey_b orders_read acme 1650000000\n";
        assert_eq!(fs::read_to_string(directory.path().join(FILE)).unwrap(), kept);
        for text in ["x", "key_a x\n", "key_a nothing acme 1\n", "key_a -1\n", "a b c d e\n", "key_a 99999999999\n"] {
            fs::write(directory.path().join(FILE), format!("since 1\n{text}")).unwrap();
            assert_eq!(LastUse::load(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text}");
        }
        for text in ["", "since\n", "key_a 1\n", "since -1\n"] {
            fs::write(directory.path().join(FILE), text).unwrap();
            assert_eq!(LastUse::load(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text}");
        }
    }
}
