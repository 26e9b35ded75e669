//! Keys that are about to expire: who uses them is warned ahead.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{Key, Keys, Status};

/// How long ahead it is said, longest first.
const AHEAD: [Duration; 2] = [Duration::from_hours(7 * 24), Duration::from_hours(24)];

/// Whether a key that counts will not any more within a week.
#[must_use]
pub fn is_near(key: &Key<'_>, now: Timestamp) -> bool {
    nearness(key, now).is_some()
}

/// How many of [`AHEAD`] are reached.
fn nearness(key: &Key<'_>, now: Timestamp) -> Option<usize> {
    let expires = key.expires.filter(|_| key.status == Status::Active && !key.is_expired(now))?;
    let is_reached = |ahead: &&Duration| now.checked_add(**ahead).is_ok_and(|then| then >= expires);
    Some(AHEAD.iter().filter(is_reached).count()).filter(|reached| *reached > 0)
}

/// What has been said already.
#[derive(Debug, Default)]
pub struct Said(HashMap<String, (Timestamp, usize)>);

impl Said {
    /// The keys of which it is to be said now that they are about to expire, the next one first. It is said once a week
    /// ahead and once a day ahead, and again of a key with another end.
    pub fn due<'k>(&mut self, keys: &'k Keys, now: Timestamp) -> Vec<Key<'k>> {
        let mut said = HashMap::new();
        let mut due = Vec::new();
        for (_, key) in keys.iter() {
            let Some((reached, expires)) = nearness(&key, now).zip(key.expires) else { continue };
            let before = self.0.get(key.id.as_str());
            if !before.is_some_and(|(of, before)| *of == expires && *before >= reached) {
                due.push(key);
            }
            said.insert(key.id.as_str().to_owned(), (expires, reached));
        }
        self.0 = said;
        due.sort_by_key(|key| key.expires);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeyId, KeyName, KeysBuilder};
    use super::*;
    use crate::domain::credential::ScopeByPermission;
    use crate::domain::matrix::MatrixBuilder;
    use crate::domain::secret::KeyDigest;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3_600).unwrap()
    }

    fn keys(ends: &[(&str, Status, Option<i64>)]) -> Keys {
        let (mut keys, mut matrix) = (KeysBuilder::default(), MatrixBuilder::default());
        for (name, status, end) in ends {
            let key = Key {
                id: KeyId::parse(name).unwrap(),
                name: KeyName::parse(name).unwrap(),
                status: *status,
                created: None,
                regenerated: None,
                expires: end.map(at),
                note: None,
                digest: KeyDigest::of(name.as_bytes()),
                previous: None,
            };
            keys.push(matrix.push(&ScopeByPermission::default()), &key);
        }
        keys.build()
    }

    fn due(said: &mut Said, keys: &Keys, now: i64) -> Vec<String> {
        said.due(keys, at(now)).iter().map(|key| key.name.to_string()).collect()
    }

    #[test]
    fn it_is_said_a_week_and_a_day_ahead_once_each() {
        let keys = keys(&[
            ("later", Status::Active, Some(170)),
            ("soon", Status::Active, Some(100)),
            ("off", Status::Inactive, Some(100)),
            ("past", Status::Active, Some(-1)),
            ("never", Status::Active, None),
        ]);
        let mut said = Said::default();
        assert_eq!(due(&mut said, &keys, 0), ["soon"]);
        assert_eq!(due(&mut said, &keys, 1), [""; 0]);
        assert_eq!(due(&mut said, &keys, 2), ["later"]);
        assert_eq!(due(&mut said, &keys, 75), [""; 0]);
        assert_eq!(due(&mut said, &keys, 76), ["soon"]);
        assert_eq!(due(&mut said, &keys, 100), [""; 0]);
        assert_eq!(due(&mut said, &keys, 169), ["later"]);
    }

    #[test]
    fn both_are_said_at_once_of_a_key_that_has_a_day_left_and_again_of_one_with_another_end() {
        let mut said = Said::default();
        assert_eq!(
            due(&mut said, &keys(&[("b", Status::Active, Some(9)), ("a", Status::Active, Some(8))]), 0),
            ["a", "b"]
        );
        assert_eq!(due(&mut said, &keys(&[("b", Status::Active, Some(10)), ("a", Status::Active, Some(8))]), 0), ["b"]);
    }
}
