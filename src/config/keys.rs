//! `keys.toml`: our keys and their grants.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::domain::caps::{CapTable, Caps};
use crate::domain::credential::ScopeByPermission;
use crate::domain::matrix::{Matrix, MatrixBuilder};
use crate::domain::secret::{KEY_PREFIX, KeyDigest, has_secret};
use crate::keys::{Key, KeyId, KeyName, KeyNameError, Keys, KeysBuilder, Note, NoteError, Previous, Status, sections};

use super::caps;
use super::file::{self, Unusable};
use super::form::{self, Entry, Form, shown};
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
) -> Option<(Keys, Matrix, CapTable)> {
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
pub(super) fn read(
    path: &Path,
    text: &str,
    nicknames: &Declared,
    findings: &RefCell<Findings>,
) -> (Keys, Matrix, CapTable) {
    if let Some(read) = read_in_pieces(path, text, nicknames) {
        return read;
    }
    let mut reader = Reader::default();
    form::read(path, text, findings, |form| reader.read(form, nicknames));
    (reader.keys.build(), reader.matrix.build(), reader.caps)
}

/// From how many bytes on a key file is read in pieces of about this size.
const PIECE: usize = 256 << 10;

/// Reads a large key file a piece at a time, which takes a fraction of the memory. `None` when anything at all is to be said
/// about it, or it is not plainly one table behind the other: then it has to be read as a whole.
fn read_in_pieces(path: &Path, text: &str, nicknames: &Declared) -> Option<(Keys, Matrix, CapTable)> {
    let findings = RefCell::new(Findings::default());
    let mut reader = Reader { compares_later: true, ..Reader::default() };
    for piece in pieces(text, PIECE)? {
        form::read(path, piece, &findings, |form| reader.read(form, nicknames));
        if *findings.borrow() != Findings::default() {
            return None;
        }
    }
    let (keys, matrix) = (reader.keys.build(), reader.matrix.build());
    keys.are_distinct().then_some((keys, matrix, reader.caps))
}

/// Pieces of a key file that mean the same one by one as together: each has all the tables of its keys. `None` for a small
/// file, and for one that cannot be cut so.
fn pieces(text: &str, size: usize) -> Option<Vec<&str>> {
    if text.len() < 2 * size {
        return None;
    }
    let sections = sections::sections(text);
    let above = text.get(..sections.first()?.start)?;
    let blank =
        |line: &str| line.trim().is_empty() || line.trim_start_matches('\u{feff}').trim_start().starts_with('#');
    if !above.lines().all(blank) {
        return None;
    }
    let (mut pieces, mut start) = (Vec::new(), 0);
    let mut names: HashSet<Cow<'_, str>> = HashSet::with_capacity(sections.len() / 2);
    let mut last: Option<Cow<'_, str>> = None;
    for section in &sections {
        let name = section.key_name(text)?;
        if last.as_ref() == Some(&name) {
            continue;
        }
        if !names.insert(name.clone()) {
            return None;
        }
        last = Some(name);
        if section.start - start >= size {
            pieces.push(text.get(start..section.start)?);
            start = section.start;
        }
    }
    pieces.push(text.get(start..)?);
    Some(pieces)
}

/// What has been read of a key file.
#[derive(Default)]
struct Reader {
    keys: KeysBuilder,
    matrix: MatrixBuilder,
    caps: CapTable,
    /// Ids and digests are compared when all have been read.
    compares_later: bool,
}

impl Reader {
    fn read(&mut self, form: &mut Form<'_>, nicknames: &Declared) {
        let tables = form.take("keys").and_then(|entry| entry.form()).map(|mut form| form.rest()).unwrap_or_default();
        let mut seen = if self.compares_later { None } else { Some(Seen::with_capacity(tables.len())) };
        for (name, entry) in &tables {
            if let Some((key, grants, caps)) = read_key(name, entry, nicknames, &mut seen) {
                let caller = self.matrix.push(&grants);
                self.caps.set_key(caller, caps);
                self.keys.push(caller, &key);
            }
        }
    }
}

/// Whose each id and digest is, to tell when one comes a second time.
struct Seen<'a> {
    ids: HashMap<&'a str, &'a str>,
    digests: HashMap<[u8; KeyDigest::LENGTH], &'a str>,
}

impl Seen<'_> {
    fn with_capacity(keys: usize) -> Self {
        Self { ids: HashMap::with_capacity(keys), digests: HashMap::with_capacity(keys) }
    }
}

fn read_key<'a>(
    name: &'a str,
    entry: &Entry<'a>,
    nicknames: &Declared,
    seen: &mut Option<Seen<'a>>,
) -> Option<(Key<'a>, ScopeByPermission, Caps)> {
    let parsed_name = KeyName::parse(name);
    if let Err(KeyNameError) = parsed_name {
        entry.error(format!("`{}` is no name: {KeyNameError}", shown(name)), "rename it");
    }
    let mut form = entry.form()?;
    let id = form.require("id", LOST);
    let status = form.require("status", "say `status = \"active\"` or `status = \"inactive\"`");
    let created = form.take("created");
    let regenerated = form.take("regenerated");
    let expires = form.take("expires");
    let note = form.take("note");
    let digest = form.require("digest", LOST);
    let previous = form.take("previous");
    let grants = form.take("grants");
    let caps = form.take("caps");
    form.finish();

    let id = id.and_then(|entry| read_id(&entry, name, seen));
    let digest = digest.and_then(|entry| read_digest(&entry, name, seen));
    let previous = previous.map_or(Some(None), |entry| {
        let mut form = entry.form()?;
        let digest = form.require("digest", LOST);
        let until = form.require("until", "say until when it counts, as `until = 2026-12-01T00:00:00Z`");
        form.finish();
        let digest = read_digest(&digest?, name, seen);
        Some(Some(Previous { digest: digest?, until: until?.timestamp()? }))
    });
    let time = |entry: Option<Entry<'_>>| entry.map_or(Some(None), |entry| entry.timestamp().map(Some));
    let status = status.and_then(|entry| entry.one_of(&Status::NAMES, Status::parse));
    let (created, regenerated, expires) = (time(created), time(regenerated), time(expires));
    let note = note.map_or(Some(None), |entry| read_note(&entry).map(Some));
    let grants = match grants {
        Some(entry) => read_scopes(&mut entry.form()?, nicknames),
        None => ScopeByPermission::default(),
    };
    let caps = caps.map_or(Some(Caps::default()), |entry| caps::read(&entry));
    let key = Key {
        id: id?,
        name: parsed_name.ok()?,
        status: status?,
        created: created?,
        regenerated: regenerated?,
        expires: expires?,
        note: note?,
        digest: digest?,
        previous: previous?,
    };
    Some((key, grants, caps?))
}

fn read_id<'a>(entry: &Entry<'a>, name: &'a str, seen: &mut Option<Seen<'a>>) -> Option<KeyId<'a>> {
    let text = entry.text()?;
    let Ok(id) = KeyId::parse(text) else {
        entry.error(
            format!("`{}` cannot be a key's id", shown(text)),
            "use 1 to 64 letters, digits, `-` or `_`, and not the key itself",
        );
        return None;
    };
    if let Some(other) = seen.as_mut().and_then(|seen| seen.ids.insert(text, name)) {
        entry.error(
            format!("is also the id of `{}`", shown(other)),
            "remove one of the two, and make it anew with `clickbank-gateway key create`",
        );
        return None;
    }
    Some(id)
}

fn read_note<'a>(entry: &Entry<'a>) -> Option<Note<'a>> {
    let parsed = Note::parse(entry.text()?);
    if let Err(error) = parsed {
        let mend = match error {
            NoteError::Empty => "write one line, or remove the line".to_owned(),
            NoteError::TooLong => format!("write at most {} characters", Note::MAX_LENGTH),
            NoteError::Control => "write one line of plain text".to_owned(),
            NoteError::Secret => "remove it, and regenerate that key, since it has been exposed".to_owned(),
        };
        entry.error(error.to_string(), mend);
    }
    parsed.ok()
}

fn read_digest<'a>(entry: &Entry<'a>, name: &'a str, seen: &mut Option<Seen<'a>>) -> Option<KeyDigest> {
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
    let Some(seen) = seen else { return Some(digest) };
    if seen.digests.get(digest.bytes()).is_some_and(|other| *other == name) {
        entry.error("is the digest that this key has anyway", "remove `previous`");
        return None;
    }
    if let Some(other) = seen.digests.insert(*digest.bytes(), name) {
        entry.error(
            format!("is also a digest of `{}`", shown(other)),
            "remove one of the two, and make it anew with `clickbank-gateway key create`",
        );
        return None;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "id = 'x'\n";

    #[test]
    fn a_file_is_cut_between_keys_and_nowhere_else() {
        let text = format!(
            "\u{feff}# ours\n\n[keys.a]\n{KEY}[keys.a.grants]\n# of b\n[keys.\"b.c\"]\n{KEY}[keys.\"b.c\".grants]\n\n[keys.d]\n{KEY}"
        );
        let cut = pieces(&text, 1).unwrap();
        assert_eq!(cut.concat(), text);
        assert_eq!(cut.iter().map(|piece| piece.matches("[keys.").count()).collect::<Vec<_>>(), [0, 2, 2, 1]);
        assert!(pieces(&text, text.len()).is_none(), "small");
        for odd in [
            "keys.a.id = 'x'\n[keys.b]\n",
            "version = 1\n[keys.b]\n",
            "[keys]\na = {}\n[keys.b]\n",
            "[keys.a]\n[keys.b]\n[keys.a.grants]\n",
            "[keys.a]\n[keys.a]\n[keys.b]\n[keys.a]\n",
            "[[keys.a]]\n[keys.b]\n",
            "[other]\n[keys.b]\n",
            "# no key\n",
        ] {
            assert!(pieces(odd, 1).is_none(), "{odd}");
        }
    }

    #[test]
    fn what_is_read_in_pieces_is_what_is_read_whole() {
        let nicknames = Declared::new(crate::domain::nickname::Nicknames::default());
        let path = Path::new("keys.toml");
        let file = |change: &dyn Fn(usize) -> String| {
            let keys: Vec<String> =
                (0..4_000).map(|number| format!("[keys.app-{number}]\n{}", change(number))).collect();
            keys.concat()
        };
        let digest = |number: usize| KeyDigest::of(&number.to_be_bytes()).to_string();
        let plain = |number: usize| {
            let digest = digest(number);
            format!(
                "id = 'key_{number}'\nstatus = 'active'\nnote = '{number}'\ndigest = '{digest}'\n[keys.app-{number}.grants]\nanalytics = 'all'\n\n"
            )
        };
        let text = file(&plain);
        let (pieced, ..) = read_in_pieces(path, &text, &nicknames).expect("it is large and plain");
        let findings = RefCell::default();
        let mut reader = Reader::default();
        form::read(path, &text, &findings, |form| reader.read(form, &nicknames));
        let mut whole: Vec<String> =
            reader.keys.build().iter().map(|(_, key)| format!("{key:?} {}", key.digest)).collect();
        let mut pieced: Vec<String> = pieced.iter().map(|(_, key)| format!("{key:?} {}", key.digest)).collect();
        assert_eq!(pieced.len(), 4_000);
        assert_eq!(pieced.first(), whole.first());
        whole.sort();
        pieced.sort();
        assert_eq!(pieced, whole);
        // What is wrong is found wherever it stands, also far from what it is wrong with.
        for (number, from, to) in [
            (3_999, "key_3999", "key_0"),
            (3_999, digest(3_999).as_str(), digest(0).as_str()),
            (2_000, "active", "activ"),
            (2_000, "note", "notes"),
            (2_000, "[keys.app-2000.grants]", "[keys.app-2000.grants"),
            (2_000, "[keys.app-2000.grants]", "[keys.app-1.grants]"),
        ] {
            let text = file(&|other| if other == number { plain(other).replace(from, to) } else { plain(other) });
            assert!(read_in_pieces(path, &text, &nicknames).is_none(), "{to}");
            let findings = RefCell::default();
            read(path, &text, &nicknames, &findings);
            let line = findings.borrow().errors.first().and_then(|problem| problem.line);
            assert!(line.is_some_and(|line| line > number), "{to}: {line:?}");
        }
    }
}
