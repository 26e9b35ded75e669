//! `keys.toml`: our keys and their grants.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use crate::domain::credential::ScopeByPermission;
use crate::domain::matrix::Matrix;
use crate::domain::secret::{KEY_PREFIX, KeyDigest, has_secret};
use crate::keys::{Key, KeyName, KeyNameError, Keys, Previous, Status};

use super::file::{self, Unusable};
use super::form::{self, Entry, shown};
use super::policy::{Declared, read_scopes};
use super::problem::Findings;

/// The mend for what only a machine writes.
const LOST: &str = "put it back from an earlier version of this file, or remove this key and make one with \
                    `clickbank-gateway key create`";

/// Reads the key file. `named` is where the configuration names it, if it does.
pub(super) fn load(
    path: &Path,
    named: Option<&Entry<'_>>,
    nicknames: &Declared,
    findings: &RefCell<Findings>,
) -> Option<(Keys, Matrix)> {
    let text = match named {
        None => file::read_or_report(path, findings)?,
        Some(entry) => file::read(path, findings)
            .map_err(|Unusable { message, mend }| {
                entry.error(format!("`{}` {message}", shown(entry.if_text().unwrap_or_default())), mend);
            })
            .ok()?,
    };
    Some(read(path, &text, nicknames, findings))
}

/// Reads a key file's text.
pub(super) fn read(path: &Path, text: &str, nicknames: &Declared, findings: &RefCell<Findings>) -> (Keys, Matrix) {
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

fn read_key(name: &str, entry: &Entry<'_>, nicknames: &Declared, seen: &mut Seen) -> Option<(Key, ScopeByPermission)> {
    let parsed_name = KeyName::parse(name);
    if let Err(KeyNameError) = parsed_name {
        entry.error(format!("`{}` is no name: {KeyNameError}", shown(name)), "rename it");
    }
    let mut form = entry.form()?;
    let id = form.require("id", LOST);
    let status = form.require("status", "say `status = \"active\"` or `status = \"inactive\"`");
    let created = form.take("created");
    let expires = form.take("expires");
    let digest = form.require("digest", LOST);
    let previous = form.take("previous");
    let grants = form.take("grants");
    form.finish();

    let id = id.and_then(|entry| {
        let text = entry.text()?;
        let valid = (1..=64).contains(&text.len())
            && !has_secret(text)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !valid {
            entry.error(
                format!("`{}` cannot be a key's id", shown(text)),
                "use 1 to 64 letters, digits, `-` or `_`, and not the key itself",
            );
            return None;
        }
        if let Some(other) = seen.ids.insert(text.to_owned(), name.to_owned()) {
            entry.error(
                format!("is also the id of `{}`", shown(&other)),
                "remove one of the two, and make it anew with `clickbank-gateway key create`",
            );
            return None;
        }
        Some(text.to_owned())
    });
    let digest = digest.and_then(|entry| read_digest(&entry, name, seen));
    let previous = previous.map_or(Some(None), |entry| {
        let mut form = entry.form()?;
        let digest = form.require("digest", LOST);
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
        let (message, mend) = if text.contains(KEY_PREFIX) {
            (
                "holds a key itself, not its digest",
                "make another key with `clickbank-gateway key create`, which stores its digest; this one has been exposed",
            )
        } else if has_secret(text) {
            (
                "holds a key of ClickBank's, not the digest of a key of this gateway",
                "regenerate it at ClickBank, since it has been exposed; `clickbank-gateway key create` writes digests",
            )
        } else {
            ("is not `sha256:` and 64 hexadecimal digits in lower case", LOST)
        };
        entry.error(message, mend);
        return None;
    };
    if seen.digests.get(digest.bytes()).is_some_and(|other| other == name) {
        entry.error("is the digest that this key has anyway", "remove `previous`");
        return None;
    }
    if let Some(other) = seen.digests.insert(*digest.bytes(), name.to_owned()) {
        entry.error(
            format!("is also a digest of `{}`", shown(&other)),
            "remove one of the two, and make it anew with `clickbank-gateway key create`",
        );
        return None;
    }
    Some(digest)
}
