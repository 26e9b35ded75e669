//! `keys.toml`: whatever stands in it, reading it ends in keys or in problems that say where they are and repeat no
//! secret; and changing a key in a valid one ends in a valid one in which nothing else is changed.

use std::collections::BTreeMap;
use std::path::Path;

use clickbank_gateway::config;
use clickbank_gateway::domain::matrix::Matrix;
use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::keys::store::{self, Change, GrantedTo, StoreError};
use clickbank_gateway::keys::{Key, KeyName, Keys, Note, Status};

use super::gateway_files::check_problems;
use super::setup::PLAIN;

/// The file's text.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = Path::new("keys.toml");
    match config::check_keys(file, text, &PLAIN.snapshot.policy.nicknames) {
        Err(findings) => {
            assert!(!findings.errors.is_empty());
            check_problems(file, bytes, &findings.errors);
            check_problems(file, bytes, &findings.warnings);
        }
        Ok((keys, matrix)) => {
            let before = described(&keys, &matrix);
            for (_, key) in keys.iter().take(4) {
                check_changes(text, &key, &before);
            }
        }
    }
}

/// All that is known of each key, by its name.
fn described(keys: &Keys, matrix: &Matrix) -> BTreeMap<String, String> {
    let describe = |(caller, key): (_, Key<'_>)| {
        let grants = Permission::ALL.map(|permission| matrix.grant(caller, permission));
        let previous = key.previous.map(|previous| previous.digest.to_string());
        (key.name.to_string(), format!("{key:?} {} {previous:?} {grants:?}", key.digest))
    };
    keys.iter().map(describe).collect()
}

/// What stands in a text that was changed; it has to be valid.
fn reread(before: &str, after: &str) -> (Keys, Matrix) {
    let read = config::check_keys(Path::new("keys.toml"), after, &PLAIN.snapshot.policy.nicknames);
    read.unwrap_or_else(|findings| panic!("{before:?} became {after:?}: {:?}", findings.errors))
}

fn check_changes(text: &str, key: &Key<'_>, before: &BTreeMap<String, String>) {
    let new = KeyName::parse("renamed.by-the-oracle").unwrap();
    let other = if key.status == Status::Active { Status::Inactive } else { Status::Active };
    let end = "2099-01-01T00:00:00Z".parse().unwrap();
    let note = Note::parse("a \"note\" # '''").unwrap();
    let changes = [
        Change::Status(other),
        Change::Expires(Some(end)),
        Change::Note(Some(note)),
        Change::Previous(None),
        Change::Grant(Permission::Analytics, Some(GrantedTo::All)),
        Change::Grant(Permission::OrdersWrite, None),
        Change::Name(new),
    ];
    // Left to people: keys that are not tables of their own, and that name itself.
    let skipped = |error: &StoreError| matches!(error, StoreError::OtherForm { .. } | StoreError::NameTaken { .. });
    match store::edited(text, key.name, &changes) {
        Err(error) => assert!(skipped(&error), "{text:?}: {error}"),
        Ok(after) => {
            let (keys, matrix) = reread(text, &after);
            let (caller, changed) = keys.find(new.as_str()).unwrap();
            let fields = (changed.status, changed.expires, changed.note, changed.previous.is_none());
            assert_eq!(fields, (other, Some(end), Some(note), true), "{after:?}");
            assert!(matrix.grant(caller, Permission::Analytics).is_all(), "{after:?}");
            assert_eq!((changed.id, changed.created), (key.id, key.created), "{after:?}");
            let (mut was, mut is) = (before.clone(), described(&keys, &matrix));
            was.remove(key.name.as_str());
            is.remove(new.as_str());
            assert_eq!(was, is, "{text:?} became {after:?}");
            let back = store::edited(&after, new, &[Change::Name(key.name), Change::Note(None)]);
            assert!(back.is_ok_and(|text| reread(&after, &text).0.find(key.name.as_str()).is_some()), "{after:?}");
        }
    }
    match store::without(text, key.name) {
        Err(error) => assert!(skipped(&error), "{text:?}: {error}"),
        Ok(after) => {
            let (keys, matrix) = reread(text, &after);
            let mut was = before.clone();
            was.remove(key.name.as_str());
            assert_eq!(was, described(&keys, &matrix), "{text:?} became {after:?}");
        }
    }
}
