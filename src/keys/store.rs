//! Writing `keys.toml`: comments, order and formatting stay as people left them, and a crash at any moment leaves the
//! old file or the new one.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::domain::permission::Permission;
use crate::domain::secret::KeyDigest;

use super::{KeyName, Status};

/// What a grant of a new key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedTo {
    /// All Accounts.
    All,
    /// These nicknames.
    Nicknames(Vec<String>),
}

/// A key to be added.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name, which no other key has.
    pub name: &'a KeyName,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it counts no more.
    pub expires: Option<Timestamp>,
    /// SHA-256 of its text.
    pub digest: KeyDigest,
    /// What it may do.
    pub grants: &'a [(Permission, GrantedTo)],
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
    /// It is not valid TOML, or `keys` in it is not a table.
    #[error("{path} was not changed: it is not a key file with a `[keys.NAME]` table for each key")]
    NotAKeyFile {
        /// Which file.
        path: PathBuf,
    },
    /// There is a key of that name.
    #[error("there is a key `{name}` already, and nothing was changed; choose another name")]
    NameTaken {
        /// The name.
        name: KeyName,
    },
}

/// The key file, locked against other writers for as long as this value lives.
pub struct KeyFile {
    path: PathBuf,
    text: String,
    _lock: File,
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
    /// # Errors
    /// When it cannot be read or locked, or is no key file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        let resolved = fs::canonicalize(path).map_err(failed)?;
        // The directory is what is locked: the file itself is replaced, and a lock on it would go with it.
        let lock = File::open(directory(&resolved)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let text = fs::read_to_string(&resolved).map_err(failed)?;
        Ok(Self { path: resolved, text, _lock: lock })
    }

    /// Adds a key at the end. What stands in the file stays as it is, to the byte.
    ///
    /// # Errors
    /// When there is a key of that name, or `keys` is not made of `[keys.NAME]` tables.
    pub fn add(&mut self, key: &NewKey<'_>) -> Result<(), StoreError> {
        let not_a_key_file = || StoreError::NotAKeyFile { path: self.path.clone() };
        let document: DocumentMut = self.text.parse().map_err(|_| not_a_key_file())?;
        if document.get("keys").and_then(|keys| keys.get(key.name.as_str())).is_some() {
            return Err(StoreError::NameTaken { name: key.name.clone() });
        }
        let mut added = render(key).ok_or_else(not_a_key_file)?;
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
        let text = format!("{}{added}", self.text);
        // Whether the two go together shows when they are read as one: `keys` may be an inline table, or no table.
        text.parse::<DocumentMut>().map_err(|_| not_a_key_file())?;
        self.text = text;
        Ok(())
    }

    /// The text as it would be written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the file, keeping its mode and owner. The new text is on the disk before the name points to it.
    ///
    /// # Errors
    /// When it cannot be written. Then the old file is as it was.
    pub fn save(self) -> Result<(), StoreError> {
        let directory = directory(&self.path);
        let write = || -> io::Result<()> {
            let metadata = fs::metadata(&self.path)?;
            let mut file = tempfile::Builder::new().prefix(".keys-").suffix(".tmp").tempfile_in(directory)?;
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
        write().map_err(|source| StoreError::Io { path: self.path.clone(), source })
    }
}

/// The tables of a new key, as they are written.
fn render(key: &NewKey<'_>) -> Option<String> {
    let mut table = Table::new();
    table.insert("id", value(key.id));
    table.insert("status", value(Status::Active.as_str()));
    table.insert("created", timestamp(key.created)?);
    if let Some(expires) = key.expires {
        table.insert("expires", timestamp(expires)?);
    }
    table.insert("digest", value(key.digest.to_string()));
    let mut grants = Table::new();
    for (permission, granted_to) in key.grants {
        let granted_to = match granted_to {
            GrantedTo::All => value("all"),
            GrantedTo::Nicknames(nicknames) => value(nicknames.iter().map(String::as_str).collect::<Array>()),
        };
        grants.insert(permission.as_str(), granted_to);
    }
    table.insert("grants", Item::Table(grants));
    let mut keys = Table::new();
    keys.set_implicit(true);
    keys.insert(key.name.as_str(), Item::Table(table));
    let mut document = DocumentMut::new();
    document.insert("keys", Item::Table(keys));
    Some(document.to_string().trim_start().to_owned())
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// To the second: nobody reads finer, and a diff is shorter.
fn timestamp(timestamp: Timestamp) -> Option<Item> {
    let seconds = Timestamp::from_second(timestamp.as_second()).ok()?;
    seconds.to_string().parse::<toml_edit::Datetime>().ok().map(value)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn add(path: &Path, name: &str) -> Result<(), StoreError> {
        let mut file = KeyFile::open(path)?;
        file.add(&NewKey {
            id: "key_abc",
            name: &KeyName::parse(name).unwrap(),
            created: "2026-11-22T13:00:00.123Z".parse().unwrap(),
            expires: Some("2027-11-22T00:00:00Z".parse().unwrap()),
            digest: KeyDigest::of(b"x"),
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
        for text in ["not toml", "keys = 1\n", "keys = {}\n"] {
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
