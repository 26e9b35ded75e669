//! Files from outside, and who may write and read them.

use std::cell::RefCell;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroize as _;

use crate::domain::secret::{SecretText, without_secrets};

use super::problem::{Findings, Source, WatchedFile};

/// The most bytes of a file that is read: room for 100,000 keys.
const MAX_FILE: u64 = 256 << 20;

/// The most bytes of a file with a secret.
const MAX_SECRET_FILE: u64 = 64 << 10;

const WRITABLE_BY_OTHERS: u32 = 0o002;
const READABLE_BY_OTHERS: u32 = 0o004;
const STICKY: u32 = 0o1000;

/// Why a file cannot be used: what is wrong, and the mend.
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) mend: String,
}

fn unusable<T>(message: impl Into<String>, mend: impl Into<String>) -> Result<T, Unusable> {
    Err(Unusable { message: message.into(), mend: mend.into() })
}

/// Reads a file that decides who may do what: everybody else must be unable to write it.
pub(super) fn read(path: &Path, findings: &RefCell<Findings>) -> Result<String, Unusable> {
    let (bytes, _) = read_bytes(path, MAX_FILE, findings)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => unusable("is not UTF-8 text", "see that it is the file that was meant, and save it as UTF-8"),
    }
}

/// Reads a file with a secret. Says whether everybody on the machine can read it.
pub(super) fn read_secret(path: &Path, findings: &RefCell<Findings>) -> Result<(SecretText, bool), Unusable> {
    let (bytes, metadata) = read_bytes(path, MAX_SECRET_FILE, findings)?;
    let exposed = metadata.permissions().mode() & READABLE_BY_OTHERS != 0;
    match SecretText::from_bytes(bytes) {
        Some(text) => Ok((text, exposed)),
        None => unusable("is not text", "put the key there as plain text"),
    }
}

/// Reads a file. Whatever becomes of that, it is one of those that the configuration depends on.
fn read_bytes(path: &Path, limit: u64, findings: &RefCell<Findings>) -> Result<(Vec<u8>, Metadata), Unusable> {
    let before = WatchedFile::now(path);
    let read = read_trusted(path, limit);
    let source = read.as_ref().map_or(before, |(_, metadata)| WatchedFile::read(path, metadata));
    findings.borrow_mut().sources.push(source);
    read
}

fn read_trusted(path: &Path, limit: u64) -> Result<(Vec<u8>, Metadata), Unusable> {
    let shown = shown_path(path);
    // What is no file is told before it is opened, since opening a pipe waits for its writer.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return unusable("is not a file", format!("put a file at {shown}, or name another"));
    }
    let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let mend = match error.kind() {
                io::ErrorKind::NotFound => format!("put a file at {shown}, or name another"),
                _ => format!("see that the gateway's user may read {shown}"),
            };
            return unusable(format!("cannot be read: {}", reason(&error)), mend);
        }
    };
    if metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        return unusable(
            "can be written by every user of this machine, so it cannot be trusted",
            format!("run `chmod o-w {shown}`, and see that its content is yours"),
        );
    }
    // Behind a link, both the link and the file that it names can be replaced.
    let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for place in [path, &resolved] {
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = parent.metadata().map(|metadata| metadata.permissions().mode()).unwrap_or_default();
        if mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0 {
            return unusable(
                "stands in a directory in which every user of this machine can replace it",
                format!("run `chmod o-w {}`", shown_path(parent)),
            );
        }
    }
    // Not read_to_end on a plain Vec: growing it would leave copies of a secret behind in freed memory.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or_default() + 1);
    match file.take(limit + 1).read_to_end(&mut bytes) {
        Ok(length) if length as u64 > limit => {
            bytes.zeroize();
            unusable(format!("is larger than {limit} bytes"), "see that it is the file that was meant")
        }
        Ok(_) => Ok((bytes, metadata)),
        Err(error) => {
            bytes.zeroize();
            unusable(
                format!("cannot be read: {}", reason(&error)),
                format!("see that the gateway's user may read {shown}"),
            )
        }
    }
}

/// A path as it can stand in a message: whole, since people copy it, but without control characters and secrets.
pub(super) fn shown_path(path: &Path) -> String {
    without_secrets(&path.to_string_lossy()).chars().flat_map(char::escape_debug).collect()
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads a configuration file, or records why not.
pub(super) fn read_or_report(path: &Path, findings: &RefCell<Findings>) -> Option<String> {
    match read(path, findings) {
        Ok(text) => Some(text),
        Err(Unusable { message, mend }) => {
            Source::new(path, "", findings).error(None, None, message, mend);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_behind_a_link_is_trusted_no_more_than_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::write(open.join("keys.toml"), "").unwrap();
        let link = directory.path().join("keys.toml");
        std::os::unix::fs::symlink(open.join("keys.toml"), &link).unwrap();
        let read = |path: &Path| read_trusted(path, MAX_FILE);
        assert!(read(&link).is_ok());
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(read(&link).is_err_and(|unusable| unusable.message.contains("directory")));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        // A pipe without a writer, as `mkfifo` makes one.
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read_trusted(&pipe, MAX_FILE).is_err_and(|unusable| unusable.message == "is not a file"));
    }
}
