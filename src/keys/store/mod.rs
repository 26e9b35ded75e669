//! Writing `keys.toml`: comments, order and formatting stay as people left them, and a crash at any moment leaves the
//! old file or the new one.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use crate::domain::caps::{Cap, CapKind};
use crate::domain::permission::Permission;
use crate::domain::secret::KeyDigest;

use super::{KeyName, Note, Previous, Status};

pub(crate) mod sections;
mod tables;

use tables::{Index, KeyTables, NotTables};

/// What a grant names, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedTo {
    /// All Accounts.
    All,
    /// These nicknames.
    Nicknames(Vec<String>),
}

impl fmt::Display for GrantedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All Accounts"),
            Self::Nicknames(nicknames) => f.write_str(&nicknames.join(", ")),
        }
    }
}

/// A key to be added.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name, which no other key has.
    pub name: KeyName<'a>,
    /// Switched on or off.
    pub status: Status,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it counts no more.
    pub expires: Option<Timestamp>,
    /// What people note about it.
    pub note: Option<Note<'a>>,
    /// SHA-256 of its text.
    pub digest: KeyDigest,
    /// What it may do.
    pub grants: &'a [(Permission, GrantedTo)],
    /// How much of it.
    pub caps: &'a [Cap],
}

/// One change of a key. What has no value goes.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// Another name, which no other key has.
    Name(KeyName<'a>),
    /// Switched on or off.
    Status(Status),
    /// Another end.
    Expires(Option<Timestamp>),
    /// Another note.
    Note(Option<Note<'a>>),
    /// When its text was replaced.
    Regenerated(Timestamp),
    /// Another text.
    Digest(KeyDigest),
    /// What counts beside its text for a while.
    Previous(Option<Previous>),
    /// What one permission is granted to, in place of what it was.
    Grant(Permission, Option<GrantedTo>),
    /// How much may be changed with it, in place of what it was.
    Cap(CapKind, Option<u64>),
}

/// Why the key file was not changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be read, locked or written.
    #[error("{path} was not changed")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Everybody on the machine can write it.
    #[error(
        "{path} was not changed: it can be written by every user of this machine, so it cannot be trusted; \
         run `chmod o-w {path}`, and see that its content is yours"
    )]
    WritableByOthers {
        /// Which file.
        path: PathBuf,
    },
    /// It is not valid TOML, or `keys` in it is not a table.
    #[error("{path} was not changed: it is not a key file with a `[keys.NAME]` table for each key")]
    NotAKeyFile {
        /// Which file.
        path: PathBuf,
    },
    /// Somebody who does not lock it, such as an editor, has changed it since it was read.
    #[error("{path} was changed by somebody else in the meantime, and is left as it is; try again")]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// There is a key of that name.
    #[error("there is a key `{name}` already, and nothing was changed; choose another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// There is no key of that name.
    #[error("there is no key `{name}`, and nothing was changed")]
    NoSuchKey {
        /// The name.
        name: String,
    },
    /// The key is written in another form than tables of its own.
    #[error(
        "`{name}` was not changed: it is not written as `[keys.{name}]` and `[keys.{name}.grants]`, each with its fields \
         below; write it so, and try again"
    )]
    OtherForm {
        /// The name.
        name: String,
    },
}

impl StoreError {
    /// Whether the place is one that cannot be written at all: a read-only file system, a directory of others, a single
    /// file mounted into a container.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(
            source.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::ResourceBusy
                | ErrorKind::CrossesDevices
        )
    }
}

/// How temporary files are called: people should know what they are, and the next writer finds those of one that was
/// killed.
const TEMPORARY: (&str, &str) = (".keys-", ".tmp");

/// Random characters in between.
const TEMPORARY_RANDOM: usize = 6;

const WRITABLE_BY_OTHERS: u32 = 0o002;

/// The key file, locked against other writers for as long as this value lives.
pub struct KeyFile {
    /// As it was named.
    named: PathBuf,
    path: PathBuf,
    original: String,
    text: String,
    lock: Result<File, io::Error>,
}

/// Shows which file it is. Its text is what people wrote, and they put keys where none belong.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KeyFile {
    /// Reads and locks the file. Behind a symbolic link, it is the file that the link names which will be replaced.
    ///
    /// Where the directory may not be opened, nothing can be locked. Such a file can be read and changed here, and
    /// [`KeyFile::save`] says why it cannot be written.
    ///
    /// # Errors
    /// When it cannot be read or locked, or everybody can write it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        loop {
            let resolved = fs::canonicalize(path).map_err(failed)?;
            // The directory is what is locked: the file itself is replaced, and a lock on it would go with it.
            let lock = match File::open(directory(&resolved)) {
                Ok(directory) => {
                    directory.lock().map_err(failed)?;
                    Ok(directory)
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
                Err(error) => return Err(failed(error)),
            };
            // While this waited for the lock, the link may have been turned to another file.
            if fs::canonicalize(path).map_err(failed)? != resolved {
                continue;
            }
            let mut file = File::open(&resolved).map_err(failed)?;
            if file.metadata().map_err(failed)?.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
                return Err(StoreError::WritableByOthers { path: path.to_owned() });
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(failed)?;
            if lock.is_ok() {
                remove_left_over(directory(&resolved));
            }
            return Ok(Self { named: path.to_owned(), path: resolved, original: text.clone(), text, lock });
        }
    }

    /// Adds a key at the end. What stands in the file stays as it is, to the byte.
    ///
    /// # Errors
    /// When there is a key of that name, or `keys` is not made of `[keys.NAME]` tables.
    pub fn add(&mut self, key: &NewKey<'_>) -> Result<(), StoreError> {
        let not_a_key_file = || StoreError::NotAKeyFile { path: self.named.clone() };
        if !tables::takes_headers(&self.text) {
            return Err(not_a_key_file());
        }
        check_free(&self.text, key.name)?;
        let mut added = tables::render(key).ok_or_else(not_a_key_file)?;
        // One empty line between what is there and what comes.
        let ending: String = self.text.chars().rev().filter(|character| *character != '\r').take(2).collect();
        added.insert_str(
            0,
            match ending.as_str() {
                "" | "\n\n" => "",
                ending if ending.starts_with('\n') => "\n",
                _ => "\n\n",
            },
        );
        if self.text.contains("\r\n") {
            added = added.replace('\n', "\r\n");
        }
        self.text.push_str(&added);
        Ok(())
    }

    /// What a key is granted, as it is written. What a permission includes is not added.
    ///
    /// # Errors
    /// When there is no such key, or it is written in another form.
    pub fn grants(&self, name: KeyName<'_>) -> Result<Vec<(Permission, GrantedTo)>, StoreError> {
        find(&self.text, name)?.grants().ok_or_else(|| other_form(name))
    }

    /// Changes a key, and leaves all else as it is, to the byte.
    ///
    /// # Errors
    /// When there is no such key, it is written in another form, or a new name is taken. Then nothing is changed.
    pub fn edit(&mut self, name: KeyName<'_>, changes: &[Change<'_>]) -> Result<(), StoreError> {
        self.text = edited(&self.text, name, changes)?;
        Ok(())
    }

    /// Takes a key out. Comments right above and below its tables go with it; those that stand apart stay.
    ///
    /// # Errors
    /// When there is no such key, or it is written in another form.
    pub fn remove(&mut self, name: KeyName<'_>) -> Result<(), StoreError> {
        self.text = without(&self.text, name)?;
        Ok(())
    }

    /// The text as it was read.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    /// The text as it would be written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the file, keeping its mode and owner. The new text is on the disk before the name points to it.
    ///
    /// # Errors
    /// When it cannot be written, or is not as it was read any more. Then the file that is there stays.
    pub fn save(&self) -> Result<(), StoreError> {
        let directory = directory(&self.path);
        let failed = |source| StoreError::Io { path: self.named.clone(), source };
        if fs::read(&self.path).map_err(failed)? != self.original.as_bytes() {
            return Err(StoreError::Changed { path: self.named.clone() });
        }
        let write = || -> io::Result<()> {
            if let Err(error) = &self.lock {
                return Err(error.kind().into());
            }
            let metadata = fs::metadata(&self.path)?;
            let (prefix, suffix) = TEMPORARY;
            let mut builder = tempfile::Builder::new();
            let builder = builder.prefix(prefix).suffix(suffix).rand_bytes(TEMPORARY_RANDOM);
            // What it would have been called helps nobody.
            let mut file = builder.tempfile_in(directory).map_err(|error| io::Error::from(error.kind()))?;
            file.write_all(self.text.as_bytes())?;
            let made = file.as_file().metadata()?;
            if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
                // The gateway may run as another user than the one who manages keys, and has to read the new file, too.
                std::os::unix::fs::fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid()))?;
            }
            file.as_file().set_permissions(metadata.permissions())?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(failed)
    }
}

/// The keys in a key file's text, found once: for who looks at many of them.
pub struct KeyTexts<'t> {
    text: &'t str,
    index: Index<'t>,
}

impl fmt::Debug for KeyTexts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyTexts").finish_non_exhaustive()
    }
}

impl<'t> KeyTexts<'t> {
    /// Those of this text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { text, index: Index::new(text) }
    }

    /// What a key is granted, as it is written. What a permission includes is not added.
    ///
    /// # Errors
    /// As [`KeyFile::grants`].
    pub fn grants(&self, name: KeyName<'_>) -> Result<Vec<(Permission, GrantedTo)>, StoreError> {
        self.find(name)?.grants().ok_or_else(|| other_form(name))
    }

    /// The text with some changes of some keys, each of which is there once. None of them gets another name.
    ///
    /// # Errors
    /// As [`KeyFile::edit`].
    pub fn edited<'c>(
        &self,
        edits: impl IntoIterator<Item = (KeyName<'c>, &'c [Change<'c>])>,
    ) -> Result<String, StoreError> {
        let (mut all, mut last) = (Vec::new(), String::new());
        for (name, changes) in edits {
            let mut tables = self.find(name)?;
            for change in changes {
                tables.change(change).ok_or_else(|| other_form(name))?;
            }
            all.push(tables);
            last = name.to_string();
        }
        tables::write_into(self.text, &all).ok_or(StoreError::OtherForm { name: last })
    }

    fn find(&self, name: KeyName<'_>) -> Result<KeyTables, StoreError> {
        found(self.index.find(name.as_str()), name)
    }
}

/// A key file's text with some changes of a key.
///
/// # Errors
/// As [`KeyFile::edit`].
pub fn edited(text: &str, name: KeyName<'_>, changes: &[Change<'_>]) -> Result<String, StoreError> {
    let mut tables = find(text, name)?;
    for change in changes {
        if let Change::Name(new) = change {
            check_free(text, *new)?;
        }
        tables.change(change).ok_or_else(|| other_form(name))?;
    }
    tables::write_into(text, [&tables]).ok_or_else(|| other_form(name))
}

/// A key file's text without a key.
///
/// # Errors
/// As [`KeyFile::remove`].
pub fn without(text: &str, name: KeyName<'_>) -> Result<String, StoreError> {
    find(text, name)?.cut_out_of(text).ok_or_else(|| other_form(name))
}

fn find(text: &str, name: KeyName<'_>) -> Result<KeyTables, StoreError> {
    found(KeyTables::find(text, name.as_str()), name)
}

fn found(tables: Result<KeyTables, NotTables>, name: KeyName<'_>) -> Result<KeyTables, StoreError> {
    tables.map_err(|error| match error {
        NotTables::Missing => StoreError::NoSuchKey { name: name.to_string() },
        NotTables::OtherForm => other_form(name),
    })
}

fn check_free(text: &str, name: KeyName<'_>) -> Result<(), StoreError> {
    if tables::has(text, name.as_str()) {
        return Err(StoreError::NameTaken { name: name.to_string() });
    }
    Ok(())
}

fn other_form(name: KeyName<'_>) -> StoreError {
    StoreError::OtherForm { name: name.to_string() }
}

/// Removes what writers left that were killed: nobody else writes while the lock is held. That it cannot be removed
/// hinders nobody.
fn remove_left_over(directory: &Path) {
    let (prefix, suffix) = TEMPORARY;
    let is_ours = |name: &str| {
        let random = name.strip_prefix(prefix).and_then(|name| name.strip_suffix(suffix));
        random.is_some_and(|random| {
            random.len() == TEMPORARY_RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_ours) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn add(path: &Path, name: &str) -> Result<(), StoreError> {
        let mut file = KeyFile::open(path)?;
        file.add(&NewKey {
            id: "key_abc",
            name: KeyName::parse(name).unwrap(),
            status: Status::Active,
            note: None,
            created: "2026-11-22T13:00:00.123Z".parse().unwrap(),
            expires: Some("2027-11-22T00:00:00Z".parse().unwrap()),
            digest: KeyDigest::of(b"x"),
            caps: &[],
            grants: &[
                (Permission::Analytics, GrantedTo::All),
                (Permission::OrdersRead, GrantedTo::Nicknames(vec!["acme".into(), "acmeaff".into()])),
            ],
        })?;
        file.save()
    }

    #[test]
    fn a_key_is_added_at_the_end_and_all_else_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        let before = "# ours\n\n[keys.old]   # first\nid='key_old'\n\n  [keys.old.grants]\n";
        fs::write(&path, before).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        add(&path, "billing.eu").unwrap();
        let digest = KeyDigest::of(b"x");
        let expected = format!(
            "{before}\n[keys.\"billing.eu\"]\nid = \"key_abc\"\nstatus = \"active\"\ncreated = 2026-11-22T13:00:00Z\n\
             expires = 2027-11-22T00:00:00Z\ndigest = \"{digest}\"\n\n[keys.\"billing.eu\".grants]\nanalytics = \"all\"\n\
             orders_read = [\"acme\", \"acmeaff\"]\n"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn comments_at_the_end_of_the_file_stay_above_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        for before in ["# nobody yet\n# really", "[keys.old]\nid='key_old'\n\n# the new ones\n\n"] {
            fs::write(&path, before).unwrap();
            add(&path, "app").unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let expected = format!("{}\n\n[keys.app]\nid = \"key_abc\"\n", before.trim_end());
            assert!(text.starts_with(&expected), "{text}");
            add(&path, "other").unwrap();
            assert!(fs::read_to_string(&path).unwrap().starts_with(&text), "the next key comes after it");
        }
    }

    #[test]
    fn what_stands_in_the_file_stays_as_it_is_above_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        for before in ["[keys.one]\nid = \"a\"\n\n# --- two ---\n", "[keys.old]\r\nid = \"key_old\" # first\r\n"] {
            fs::write(&path, before).unwrap();
            add(&path, "app").unwrap();
            let after = fs::read_to_string(&path).unwrap();
            assert!(after.starts_with(before), "{before:?} became {after:?}");
        }
    }

    #[test]
    fn a_name_that_is_taken_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, "").unwrap();
        add(&path, "app").unwrap();
        let before = fs::read_to_string(&path).unwrap();
        assert!(matches!(add(&path, "app"), Err(StoreError::NameTaken { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_key_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        for text in ["not toml", "keys = 1\n", "keys = {}\n", "keys.old.id = 1\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(add(&path, "app"), Err(StoreError::NotAKeyFile { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(matches!(add(&directory.path().join("none.toml"), "app"), Err(StoreError::Io { .. })));
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("real.toml"), directory.path().join("keys.toml"));
        fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        add(&link, "app").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&path).unwrap().contains("[keys.app]"));
    }

    /// The text after some changes of the key `app`.
    fn edited(before: &str, changes: &[Change<'_>]) -> Result<String, StoreError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, before).unwrap();
        let mut file = KeyFile::open(&path)?;
        file.edit(KeyName::parse("app").unwrap(), changes)?;
        file.save()?;
        assert_eq!(file.original(), before);
        Ok(fs::read_to_string(&path).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn names(names: &[&str]) -> GrantedTo {
        GrantedTo::Nicknames(names.iter().map(|name| (*name).to_owned()).collect())
    }

    const PEOPLES: &str = "# ours\n\n[keys.other]\nid='x' # one\n# of app:\n[keys.app]  # the app\n  id =  'key_app'\n\
                           status = 'active' # for now\n# sha\ndigest = 'sha256:1'\n\n[keys.app.grants]\n\
                           orders_read = [\"acme\"] # reads\n\n# the last\n[keys.last]\nid = 'z'\n";

    #[test]
    fn a_changed_field_changes_alone() {
        for (change, from, to) in [
            (Change::Status(Status::Inactive), "status = 'active' #", "status = \"inactive\" #"),
            (Change::Expires(Some(at("2027-01-01T00:00:00.5Z"))), "# sha\n", "expires = 2027-01-01T00:00:00Z\n# sha\n"),
            (Change::Expires(None), "", ""),
            (Change::Note(Some(Note::parse("say \"ours\"").unwrap())), "# sha\n", "note = 'say \"ours\"'\n# sha\n"),
            (
                Change::Grant(Permission::OrdersRead, Some(names(&["acme", "zenith"]))),
                "[\"acme\"] # reads",
                "[\"acme\", \"zenith\"] # reads",
            ),
            (Change::Grant(Permission::OrdersRead, Some(GrantedTo::All)), "[\"acme\"] # reads", "\"all\" # reads"),
            (Change::Grant(Permission::OrdersRead, None), "orders_read = [\"acme\"] # reads\n", ""),
            (
                Change::Grant(Permission::Analytics, Some(GrantedTo::All)),
                "orders_read = [",
                "analytics = \"all\"\norders_read = [",
            ),
            (
                Change::Grant(Permission::OrdersWrite, Some(names(&["acme"]))),
                "# reads\n",
                "# reads\norders_write = [\"acme\"]\n",
            ),
        ] {
            let after = edited(PEOPLES, std::slice::from_ref(&change)).unwrap();
            assert_eq!(after, PEOPLES.replacen(from, to, 1), "{change:?}");
        }
    }

    #[test]
    fn a_renamed_key_keeps_its_place_and_its_comments() {
        let renamed = edited(PEOPLES, &[Change::Name(KeyName::parse("app.eu").unwrap())]).unwrap();
        let expected = PEOPLES.replace("[keys.app]", "[keys.\"app.eu\"]").replace("[keys.app.", "[keys.\"app.eu\".");
        assert_eq!(renamed, expected);
        let taken = edited(PEOPLES, &[Change::Name(KeyName::parse("last").unwrap())]);
        assert!(matches!(taken, Err(StoreError::NameTaken { .. })));
    }

    #[test]
    fn caps_are_set_and_lifted_however_they_are_written() {
        let set = |kind, limit| Change::Cap(kind, Some(limit));
        let (refunds, dollars) = (CapKind::Refunds, CapKind::RefundedCents);
        let bare = "[keys.app]\nid = 'a' # x\n\n[keys.app.grants]\n";
        let with = edited(bare, &[set(CapKind::Changes, 9), set(refunds, 3)]).unwrap();
        let expected =
            "[keys.app]\nid = 'a' # x\ncaps = { refunds_per_hour = 3, changes_per_hour = 9 }\n\n[keys.app.grants]\n";
        assert_eq!(with, expected);
        let less = edited(&with, &[Change::Cap(refunds, None), set(dollars, 12_345)]).unwrap();
        let caps = "{ refunded_usd_per_hour = \"123.45\", changes_per_hour = 9 }";
        assert_eq!(less, expected.replace("{ refunds_per_hour = 3, changes_per_hour = 9 }", caps));
        let lifted = [dollars, CapKind::Changes].map(|kind| Change::Cap(kind, None));
        assert_eq!(edited(&less, &lifted).unwrap(), bare);
        for (before, after) in [
            ("caps.refunds_per_hour = 1 # few\n", "caps.refunds_per_hour = 2 # few\n"),
            (
                "[keys.app.caps] # belts\nrefunds_per_hour = 1 # few\n# below\n",
                "[keys.app.caps] # belts\nrefunds_per_hour = 2 # few\n# below\n",
            ),
            ("caps = { refunds_per_hour = 1 } # few\n", "caps = { refunds_per_hour = 2 } # few\n"),
            ("caps = {}\n", "caps = { refunds_per_hour = 2 }\n"),
        ] {
            let file = |caps: &str| format!("[keys.app]\nid = 'a'\n{caps}");
            assert_eq!(edited(&file(before), &[set(refunds, 2)]).unwrap(), file(after));
            let lifted = edited(&file(after), &[Change::Cap(refunds, None)]).unwrap();
            assert!(!lifted.contains("caps") && lifted.starts_with(&file("")), "{lifted}");
        }
    }

    #[test]
    fn a_text_before_is_noted_and_forgotten_in_whatever_form_it_stands() {
        let digest = KeyDigest::of(b"before");
        let previous = Previous { digest, until: at("2026-12-01T00:00:00Z") };
        let line = format!("previous = {{ digest = \"{digest}\", until = 2026-12-01T00:00:00Z }}\n");
        let before = "[keys.app]\nid = 'a'\n";
        let with = edited(before, &[Change::Previous(Some(previous))]).unwrap();
        assert_eq!(with, format!("{before}{line}"));
        let forget = [Change::Previous(None)];
        assert_eq!(edited(&with, &forget).unwrap(), before);
        let dotted = "[keys.app]\nid = 'a'\nprevious.digest = 'sha256:1'\nprevious.until = 2026-01-01T00:00:00Z\n";
        assert_eq!(edited(dotted, &forget).unwrap(), before);
        assert_eq!(edited(dotted, &[Change::Previous(Some(previous))]).unwrap(), with);
        let table =
            "[keys.app]\nid = 'a'\n[keys.app.previous]\ndigest = 'sha256:1' # old\nuntil = 2026-01-01T00:00:00Z\n";
        assert_eq!(edited(table, &forget).unwrap(), before);
        let expected = format!(
            "[keys.app]\nid = 'a'\n[keys.app.previous]\ndigest = \"{digest}\" # old\nuntil = 2026-12-01T00:00:00Z\n"
        );
        assert_eq!(edited(table, &[Change::Previous(Some(previous))]).unwrap(), expected);
    }

    #[test]
    fn grants_are_changed_in_whatever_form_they_stand() {
        let more = |to: Option<GrantedTo>| [Change::Grant(Permission::OrdersRead, to)];
        for (before, to, after) in [
            (
                "[keys.app]\nid = 'a'\n",
                Some(names(&["acme"])),
                "[keys.app]\nid = 'a'\n\n[keys.app.grants]\norders_read = [\"acme\"]\n",
            ),
            (
                "[keys.app]\nid = 'a'",
                Some(names(&["acme"])),
                "[keys.app]\nid = 'a'\n\n[keys.app.grants]\norders_read = [\"acme\"]\n",
            ),
            (
                "[keys.app]\ngrants = { analytics = 'all' } # few\n",
                Some(names(&["acme"])),
                "[keys.app]\ngrants = { analytics = \"all\", orders_read = [\"acme\"] } # few\n",
            ),
            (
                "[keys.app]\ngrants.orders_read = ['acme']\n",
                Some(names(&["acme", "b"])),
                "[keys.app]\ngrants.orders_read = ['acme', \"b\"]\n",
            ),
            (
                "[keys.app.grants]\norders_read = [\n  \"acme\", # one\n  \"b\", # two\n]\n[keys.app]\nid = 'a'\n",
                Some(names(&["acme", "c"])),
                "[keys.app.grants]\norders_read = [\n  \"acme\", # one\n  \"c\",\n]\n[keys.app]\nid = 'a'\n",
            ),
            (
                "[keys.app]\n[keys.app.grants]\norders_read = [ # whose\n  \"acme\", # one\n  \"b\" # two\n] # end\n",
                Some(names(&["b", "c", "d"])),
                "[keys.app]\n[keys.app.grants]\norders_read = [ # whose\n  \"b\", # two\n  \"c\",\n  \"d\",\n] # end\n",
            ),
            (
                "[keys.app]\r\nid = 'a'\r\n[keys.app.grants]\r\norders_read = [\"Acme\"]\r\n",
                Some(names(&["acme", "b"])),
                "[keys.app]\r\nid = 'a'\r\n[keys.app.grants]\r\norders_read = [\"Acme\", \"b\"]\r\n",
            ),
            ("[keys.app]\ngrants = { orders_read = ['a'] }\n", None, "[keys.app]\ngrants = {}\n"),
        ] {
            let text = edited(before, &more(to)).unwrap();
            let squeezed = |text: &str| text.replace("{ }", "{}").replace('\'', "\"");
            assert_eq!(squeezed(&text), squeezed(after), "{before}");
        }
    }

    #[test]
    fn a_key_in_another_form_is_left_to_people() {
        for text in
            ["[keys]\napp = { id = 'a' }\n", "[keys]\napp.id = 'a'\n", "keys.app.id = 'a'\n", "[keys.app.grants]\n"]
        {
            let done = edited(text, &[Change::Status(Status::Inactive)]);
            assert!(matches!(done, Err(StoreError::OtherForm { .. })), "{text}");
        }
        let nowhere = edited("[keys.apps]\n# app\n[keys.\"x.app\"]\n", &[Change::Status(Status::Inactive)]);
        assert!(matches!(nowhere, Err(StoreError::NoSuchKey { .. })));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, "[keys]\napp = { id = 'a' }\n").unwrap();
        assert!(matches!(add(&path, "app"), Err(StoreError::NameTaken { .. })));
    }

    #[test]
    fn a_deleted_key_takes_its_own_comments_along_and_no_other() {
        let remove = |before: &str, name: &str| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("keys.toml");
            fs::write(&path, before).unwrap();
            let mut file = KeyFile::open(&path).unwrap();
            file.remove(KeyName::parse(name).unwrap()).unwrap();
            file.save().unwrap();
            fs::read_to_string(&path).unwrap()
        };
        let three = "# the file\n\n# of a\n[keys.a]\nid = 'a'\n\n[keys.a.grants]\n\n# apart\n\n# of b\n[keys.b]\nid = 'b'\n# still b\n\n\
                     [keys.c]\nid = 'c'\n\n[keys.c.grants]\n\n# the end\n";
        assert_eq!(
            remove(three, "a"),
            "# the file\n\n# apart\n\n# of b\n[keys.b]\nid = 'b'\n# still b\n\n[keys.c]\nid = 'c'\n\n[keys.c.grants]\n\n# the end\n"
        );
        assert_eq!(
            remove(three, "b"),
            "# the file\n\n# of a\n[keys.a]\nid = 'a'\n\n[keys.a.grants]\n\n# apart\n\n[keys.c]\nid = 'c'\n\n[keys.c.grants]\n\n# the end\n"
        );
        assert_eq!(
            remove(three, "c"),
            "# the file\n\n# of a\n[keys.a]\nid = 'a'\n\n[keys.a.grants]\n\n# apart\n\n# of b\n[keys.b]\nid = 'b'\n# still b\n\n# the end\n"
        );
        assert_eq!(remove("[keys.a]\nid = 'a'\n", "a"), "");
        assert_eq!(remove("# ours\n\n[keys.a]\nid = 'a'", "a"), "# ours\n");
        assert_eq!(remove("[keys.a]\nid = 'a'\n[keys.b]\nid = 'b'\n", "a"), "[keys.b]\nid = 'b'\n");
        assert_eq!(remove("[keys.a]\nid = 'a'\n[keys.b]\nid = 'b'\n[keys.a.grants]\n", "a"), "[keys.b]\nid = 'b'\n");
        assert_eq!(remove("# x\r\n\r\n[keys.a]\r\nid = 'a'\r\n\r\n[keys.b]\r\n", "a"), "# x\r\n\r\n[keys.b]\r\n");
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        for name in ["keys.toml", ".keys-aB3dE6.tmp", ".keys-backup.tmp", ".keys-aB3dE6.tmpx", "keys-aB3dE6.tmp"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join(".keys-folder.tmp")).unwrap();
        add(&path, "app").unwrap();
        let mut left: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".keys-aB3dE6.tmpx", ".keys-folder.tmp", "keys-aB3dE6.tmp", "keys.toml"]);
    }

    #[test]
    fn what_an_editor_has_saved_in_between_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, "[keys.app]\nid = 'a'\n").unwrap();
        let mut file = KeyFile::open(&path).unwrap();
        file.edit(KeyName::parse("app").unwrap(), &[Change::Status(Status::Inactive)]).unwrap();
        fs::write(&path, "# edited\n").unwrap();
        assert!(matches!(file.save(), Err(StoreError::Changed { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# edited\n");
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
        assert!(matches!(add(&path, "app"), Err(StoreError::WritableByOthers { .. })));
    }

    #[test]
    fn the_link_that_counts_is_the_one_when_the_lock_is_had() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("keys.toml");
        for name in ["one", "two"] {
            fs::create_dir(directory.path().join(name)).unwrap();
            fs::write(directory.path().join(name).join("keys.toml"), "").unwrap();
        }
        std::os::unix::fs::symlink("one/keys.toml", &link).unwrap();
        let held = KeyFile::open(&link).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| add(&link, "app").unwrap());
            std::thread::sleep(std::time::Duration::from_millis(100));
            // As Kubernetes turns a link: a new one takes the old one's name.
            std::os::unix::fs::symlink("two/keys.toml", directory.path().join("new")).unwrap();
            fs::rename(directory.path().join("new"), &link).unwrap();
            drop(held);
            writer.join().unwrap();
        });
        assert_eq!(fs::read_to_string(directory.path().join("one/keys.toml")).unwrap(), "");
        assert!(fs::read_to_string(directory.path().join("two/keys.toml")).unwrap().contains("[keys.app]"));
    }

    #[test]
    fn many_writers_at_once_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, "").unwrap();
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || add(path, &format!("app{number}")).unwrap());
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(".grants]").count(), 16);
    }
}
