//! `keys.toml`: our keys and their grants.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use crate::domain::credential::ScopeByPermission;
use crate::domain::matrix::Matrix;
use crate::domain::nickname::Nicknames;
use crate::domain::secret::{KEY_PREFIX, KeyDigest};
use crate::keys::{Key, KeyName, KeyNameError, Keys, Previous, Status};

use super::file;
use super::form::{self, Entry, shown};
use super::policy::read_scopes;
use super::problem::Findings;

/// Reads the key file.
pub(super) fn load(path: &Path, nicknames: &Nicknames, findings: &RefCell<Findings>) -> Option<(Keys, Matrix)> {
    let text = file::read_or_report(path, findings)?;
    Some(read(path, &text, nicknames, findings))
}

/// Reads a key file's text.
pub(super) fn read(path: &Path, text: &str, nicknames: &Nicknames, findings: &RefCell<Findings>) -> (Keys, Matrix) {
    let rows = form::read(path, text, findings, |form| {
        let tables = form.take("keys").and_then(|entry| entry.form()).map(|mut form| form.rest()).unwrap_or_default();
        let mut seen = Seen::default();
        tables.iter().filter_map(|(name, entry)| read_key(name, entry, nicknames, &mut seen)).collect::<Vec<_>>()
    });
    let (keys, grants): (Vec<Key>, Vec<ScopeByPermission>) = rows.into_iter().unzip();
    let matrix = Matrix::new(grants);
    let keys = Keys::new(matrix.callers().zip(keys).collect());
    (keys, matrix)
}

/// Whose each id and digest is, to tell when one comes a second time.
#[derive(Default)]
struct Seen {
    ids: HashMap<String, String>,
    digests: HashMap<[u8; KeyDigest::LENGTH], String>,
}

fn read_key(name: &str, entry: &Entry<'_>, nicknames: &Nicknames, seen: &mut Seen) -> Option<(Key, ScopeByPermission)> {
    let parsed_name = KeyName::parse(name);
    if let Err(KeyNameError) = parsed_name {
        entry.error(format!("`{}` cannot be a key's name: {KeyNameError}", shown(name)), "rename it");
    }
    let mut form = entry.form()?;
    let made = "let `clickbank-gateway key create` write it";
    let id = form.require("id", made);
    let status = form.require("status", "say `status = \"active\"` or `status = \"inactive\"`");
    let created = form.take("created");
    let expires = form.take("expires");
    let digest = form.require("digest", made);
    let previous = form.take("previous");
    let grants = form.take("grants");
    form.finish();

    let id = id.and_then(|entry| {
        let text = entry.text()?;
        let valid = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !valid {
            entry.error(format!("`{}` cannot be a key's id", shown(text)), "use 1 to 64 letters, digits, `-` or `_`");
            return None;
        }
        if let Some(other) = seen.ids.insert(text.to_owned(), name.to_owned()) {
            entry.error(
                format!("is also the id of `{}`", shown(&other)),
                "an id is one key's for ever; let `key create` make another",
            );
            return None;
        }
        Some(text.to_owned())
    });
    let digest = digest.and_then(|entry| read_digest(&entry, name, seen));
    let previous = previous.map_or(Some(None), |entry| {
        let mut form = entry.form()?;
        let digest = form.require("digest", made);
        let until = form.require("until", "say until when it counts, as `until = 2026-12-01T00:00:00Z`");
        form.finish();
        let digest = read_digest(&digest?, name, seen);
        Some(Some(Previous { digest: digest?, until: until?.timestamp()? }))
    });
    let status = status.and_then(|entry| entry.one_of(&Status::NAMES, Status::parse));
    let created = created.map_or(Some(None), |entry| entry.timestamp().map(Some));
    let expires = expires.map_or(Some(None), |entry| entry.timestamp().map(Some));
    let grants = match grants {
        Some(entry) => read_scopes(&mut entry.form()?, nicknames),
        None => ScopeByPermission::default(),
    };
    let key = Key {
        id: id?,
        name: parsed_name.ok()?,
        status: status?,
        created: created?,
        expires: expires?,
        digest: digest?,
        previous: previous?,
    };
    Some((key, grants))
}

fn read_digest(entry: &Entry<'_>, name: &str, seen: &mut Seen) -> Option<KeyDigest> {
    let text = entry.text()?;
    let Some(digest) = KeyDigest::parse(text) else {
        // The text may well be a key, so it is not repeated.
        let looks_like_a_key = text.contains(KEY_PREFIX) || text.contains("API-");
        entry.error(
            if looks_like_a_key { "holds a key itself, not its digest" } else { "is not `sha256:` and 64 hexadecimal digits" },
            if looks_like_a_key {
                "make another key with `clickbank-gateway key create`, which stores its digest; this one has been exposed"
            } else {
                "let `clickbank-gateway key create` write it"
            },
        );
        return None;
    };
    if let Some(other) = seen.digests.insert(*digest.bytes(), name.to_owned()) {
        entry.error(format!("is also a digest of `{}`", shown(&other)), "give each key a text of its own");
        return None;
    }
    Some(digest)
}
