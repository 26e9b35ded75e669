//! Whether a key stands twice in an object.

use std::hash::{BuildHasher as _, RandomState};

use super::cursor::{Cursor, Text};

/// The keys of the objects that are open, those of the innermost last.
///
/// An answer may consist of keys alone, so each is kept in eight bytes: where it stands, and half of a hash whose key
/// no sender of answers knows.
#[derive(Default)]
pub(super) struct Keys {
    keys: Vec<u64>,
    hasher: RandomState,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds a key of the innermost object.
    pub(super) fn add(&mut self, name: &str, at: usize) {
        // Doubling would need as much again as the body has.
        if self.keys.len() == self.keys.capacity() {
            self.keys.reserve_exact((self.keys.len() / 4).max(64));
        }
        let hash = self.hasher.hash_one(name) & HASH;
        self.keys.push(hash | (at as u64 & !HASH));
    }

    /// Closes the innermost object, which has the keys since `from`. `true` when one of them stands twice in it.
    pub(super) fn close(&mut self, from: usize, cursor: &Cursor<'_>) -> bool {
        let keys = self.keys.get_mut(from..).unwrap_or_default();
        keys.sort_unstable();
        let twice = keys.chunk_by(|one, other| one & HASH == other & HASH).any(|same| stands_twice(same, cursor));
        self.keys.truncate(from);
        twice
    }
}

const HASH: u64 = !0 << 32;

/// Of keys with one hash, which are one, or very few, or the same.
fn stands_twice(keys: &[u64], cursor: &Cursor<'_>) -> bool {
    let name = |key: &u64| usize::try_from(key & !HASH).ok().and_then(|at| cursor.text_at(at)).map(Text::decoded);
    let mut rest = keys;
    while let Some((key, others)) = rest.split_first() {
        // Most stand alone.
        if !others.is_empty() {
            let this = name(key);
            if others.iter().any(|other| name(other) == this) {
                return true;
            }
        }
        rest = others;
    }
    false
}
