//! Opening the ledger's two files, and making them at first use.
//!
//! `ledger.redb` is made first, whole, under another name; then `ledger.key`; then the check of the key is written into
//! `ledger.redb`, and only then anything else. So whatever is missing tells whether making them was interrupted, which is
//! taken up, or whether a file was lost, which is an error: to begin anew would forget what was executed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase as _, TableDefinition};
use thiserror::Error;
use zeroize::Zeroizing;

use super::disk::{self, Disk};
use super::seal::StoreSecret;

/// Records and counters.
pub(super) const STORE: &str = "ledger.redb";
/// What they are sealed with.
pub(super) const KEY: &str = "ledger.key";

const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
const VERSION: &str = "version";
const CHECK: &str = "key-check";
/// The version of what is written here.
const THIS_VERSION: &[u8] = &[1];

/// Records are read once or twice, so little is gained by keeping them in memory.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Why the ledger cannot be opened. Whoever moves the two files away, to begin anew, lets repeated requests of the last
/// day be sent again.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A file cannot be read or made.
    #[error("{file} cannot be used")]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{file} is in use by another process; each gateway needs a `state` directory of its own")]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// It is not what the ledger wrote.
    #[error(
        "{file} is damaged; put back a copy from this very moment, or move it and {KEY} away to begin anew: changes of the last 24 hours \
         are then no longer known, and a repeated request is sent again"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found, if that is known.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It was written by another version.
    #[error(
        "{file} is of another version of the gateway; start that version, or, 24 hours after its last change, move {STORE} and {KEY} away"
    )]
    OtherVersion {
        /// The file.
        file: PathBuf,
    },
    /// One of the files is gone.
    #[error(
        "{missing} is missing beside {other}; put it back, or move {other} away to begin anew: changes of the last 24 hours are then \
         no longer known, and a repeated request is sent again"
    )]
    Lost {
        /// The file that is gone.
        missing: PathBuf,
        /// The one that is there.
        other: PathBuf,
    },
    /// The key is another ledger's.
    #[error(
        "{file} is not the key of {STORE}; put the right one back, or move both away to begin anew: changes of the last 24 hours are \
         then no longer known, and a repeated request is sent again"
    )]
    WrongKey {
        /// The file of the key.
        file: PathBuf,
    },
    /// The system gives no random numbers, or refuses cryptography.
    #[error("the system's cryptography fails")]
    Cryptography,
}

/// Opens both files in a directory, or makes them.
pub(super) fn open(directory: &Path, max_records: u64) -> Result<(Disk, StoreSecret), OpenError> {
    let (store, key) = (directory.join(STORE), directory.join(KEY));
    let has_key = exists(&key)?;
    if !exists(&store)? {
        if has_key {
            return Err(OpenError::Lost { missing: store, other: key });
        }
        create_store(directory, &store)?;
    }
    narrow(&store);
    let database = open_store(&store)?;
    let check = read_check(&database, &store)?;
    let secret = if has_key || exists(&key)? {
        narrow(&key);
        read_key(&key)?
    } else if check.is_some() {
        return Err(OpenError::Lost { missing: key, other: store });
    } else {
        create_key(directory, &key)?
    };
    let expected = secret.check().map_err(|_| OpenError::Cryptography)?;
    match check {
        Some(check) if constant_time::verify_slices_are_equal(&check, &expected).is_ok() => {}
        Some(_) => return Err(OpenError::WrongKey { file: key }),
        None => write_check(&database, &expected).map_err(|error| failed(error, &store))?,
    }
    let path = store.clone();
    let reopen = move || catch_unwind(|| open_database(&path)).unwrap_or_else(|_| Err(panicked())).map_err(Into::into);
    let disk = Disk::start(database, Box::new(reopen), max_records);
    Ok((disk.map_err(|source| OpenError::Io { file: store, source })?, secret))
}

fn exists(file: &Path) -> Result<bool, OpenError> {
    file.try_exists().map_err(|source| OpenError::Io { file: file.to_owned(), source })
}

/// Takes from others what the mode of a file lets them do. Volumes are mounted with modes of their own, and where ours is
/// not to be had, what is in the files is sealed all the same.
fn narrow(file: &Path) {
    if fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o077 != 0) {
        let _ = fs::set_permissions(file, fs::Permissions::from_mode(0o600));
    }
}

fn create_store(directory: &Path, store: &Path) -> Result<(), OpenError> {
    let made = || -> Result<(), redb::Error> {
        // Its mode is 0600.
        let file = tempfile::NamedTempFile::new_in(directory)?;
        let database = database(FileBackend::new(file.reopen()?)?)?;
        let transaction = database.begin_write()?;
        transaction.open_table(ABOUT)?.insert(VERSION, THIS_VERSION)?;
        disk::prepare(&transaction)?;
        transaction.commit()?;
        database.close()?;
        keep(file, directory, store)?;
        Ok(())
    };
    made().map_err(|error| failed(error, store))
}

fn create_key(directory: &Path, key: &Path) -> Result<StoreSecret, OpenError> {
    let secret = StoreSecret::generate().map_err(|_| OpenError::Cryptography)?;
    let made = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(secret.expose_to_file())?;
        keep(file, directory, key)
    };
    made().map_err(|source| OpenError::Io { file: key.to_owned(), source })?;
    Ok(secret)
}

/// Gives a file its name, unless there is one of that name, and makes both durable.
fn keep(file: tempfile::NamedTempFile, directory: &Path, name: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    match file.persist_noclobber(name) {
        Ok(_) => {}
        // Another process was faster: its file is as good.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    File::open(directory)?.sync_all()
}

pub(super) fn database(backend: impl redb::StorageBackend) -> Result<Database, DatabaseError> {
    redb::Builder::new().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create_with_backend(backend)
}

/// Opens a store that exists. Of an empty file, the library would make a new one.
fn open_database(store: &Path) -> Result<Database, DatabaseError> {
    let file = fs::OpenOptions::new().read(true).write(true).open(store)?;
    if file.metadata()?.len() == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty").into());
    }
    database(FileBackend::new(file)?)
}

fn open_store(store: &Path) -> Result<Database, OpenError> {
    // The library may panic on a file that something else has written.
    catch_unwind(AssertUnwindSafe(|| open_database(store)))
        .unwrap_or_else(|_| Err(panicked()))
        .map_err(|error| failed(error.into(), store))
}

fn panicked() -> DatabaseError {
    DatabaseError::Storage(redb::StorageError::Corrupted("the file could not be made sense of".to_owned()))
}

fn read_check(database: &Database, store: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    let read = || -> Result<_, redb::Error> {
        let transaction = database.begin_read()?;
        let about = transaction.open_table(ABOUT)?;
        let value = |name: &str| about.get(name).map(|value| value.map(|value| value.value().to_vec()));
        Ok((value(VERSION)?, value(CHECK)?))
    };
    let (version, check) = read().map_err(|error| failed(error, store))?;
    match version {
        Some(version) if version == THIS_VERSION => Ok(check),
        Some(_) => Err(OpenError::OtherVersion { file: store.to_owned() }),
        None => Err(OpenError::Damaged { file: store.to_owned(), source: None }),
    }
}

fn write_check(database: &Database, check: &[u8]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ABOUT)?.insert(CHECK, check)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn read_key(key: &Path) -> Result<StoreSecret, OpenError> {
    let failed = |source| OpenError::Io { file: key.to_owned(), source };
    let mut text = Zeroizing::new(Vec::with_capacity(2 * StoreSecret::LENGTH));
    let length = StoreSecret::LENGTH as u64 + 1;
    File::open(key).map_err(failed)?.take(length).read_to_end(&mut text).map_err(failed)?;
    let bytes = text.as_slice().try_into().map(Zeroizing::new);
    let bytes = bytes.map_err(|_| OpenError::WrongKey { file: key.to_owned() })?;
    StoreSecret::new(bytes).map_err(|_| OpenError::Cryptography)
}

fn failed(error: redb::Error, store: &Path) -> OpenError {
    let file = store.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => OpenError::InUse { file },
        redb::Error::UpgradeRequired(_) => OpenError::OtherVersion { file },
        redb::Error::Io(source) if source.kind() != io::ErrorKind::InvalidData => OpenError::Io { file, source },
        error => OpenError::Damaged { file, source: Some(Box::new(error)) },
    }
}
