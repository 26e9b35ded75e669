//! What is wrong with a configuration: where, what, and how to mend it.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::domain::secret::without_api_keys;

/// One thing wrong, or worth a warning, in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file in which it stands.
    pub file: PathBuf,
    /// The line, from 1, if it stands on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The dotted key, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What to do about it, as a sentence without its full stop.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}\n    {}", self.message, self.mend)
    }
}

/// Everything found in one reading of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What keeps the configuration from being used.
    pub errors: Vec<Problem>,
    /// What does not, but deserves a look.
    pub warnings: Vec<Problem>,
    /// The files that were read, or could not be.
    pub sources: Vec<WatchedFile>,
}

/// A file that the configuration depends on, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedFile {
    /// The file.
    pub path: PathBuf,
    print: Option<Print>,
}

/// What tells two states of a file apart without reading it. The time of the last change of its metadata is part of it,
/// so a write of the same length within one tick of the clock shows, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Print {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl WatchedFile {
    /// A file in the state that its open handle showed before it was read.
    pub(super) fn read(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), print: Some(Print::of(metadata)) }
    }

    /// A file as it is now; behind links, the one to which they lead.
    #[must_use]
    pub fn now(path: &Path) -> Self {
        Self { path: path.to_owned(), print: fs::metadata(path).ok().as_ref().map(Print::of) }
    }

    /// Whether it has changed, come or gone since.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        Self::now(&self.path) != *self
    }
}

impl Findings {
    /// Puts the problems in the order in which a person goes through the files: `first`, then the others, by line.
    pub(super) fn sort(&mut self, first: &Path) {
        let place = |problem: &Problem| (problem.file != first, problem.line);
        self.errors.sort_by_key(place);
        self.warnings.sort_by_key(place);
    }
}

/// A file being read, and the findings so far.
pub(super) struct Source<'a> {
    name: &'a Path,
    text: &'a str,
    /// Where lines start, once somebody asks: most files have nothing wrong in them.
    line_starts: OnceCell<Vec<usize>>,
    findings: &'a RefCell<Findings>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a Path, text: &'a str, findings: &'a RefCell<Findings>) -> Self {
        Self { name, text, line_starts: OnceCell::new(), findings }
    }

    /// The findings to which this source adds.
    pub(super) const fn findings(&self) -> &'a RefCell<Findings> {
        self.findings
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        let line_starts = self.line_starts.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(breaks).collect()
        });
        line_starts.partition_point(|start| *start <= offset)
    }

    /// Most of what is repeated has been made safe to show already. What has passed for a name is repeated as it is, and
    /// people put keys there, too.
    fn problem(&self, at: Option<&Range<usize>>, key: Option<&str>, message: &str, mend: &str) -> Problem {
        Problem {
            file: self.name.to_owned(),
            line: at.map(|span| self.line(span.start)),
            key: key.map(without_api_keys),
            message: without_api_keys(message),
            mend: without_api_keys(mend),
        }
    }

    pub(super) fn error(
        &self,
        at: Option<&Range<usize>>,
        key: Option<&str>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let problem = self.problem(at, key, &message.into(), &mend.into());
        self.findings.borrow_mut().errors.push(problem);
    }

    pub(super) fn warning(
        &self,
        at: Option<&Range<usize>>,
        key: Option<&str>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let problem = self.problem(at, key, &message.into(), &mend.into());
        self.findings.borrow_mut().warnings.push(problem);
    }
}

/// The closest of `candidates` to what was written, if one is close enough to have been meant.
pub(crate) fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean …?" if something is close, else the choices there are.
pub(super) fn choices<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(written, candidates.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("use one of {}", quoted(candidates)),
    }
}

/// Names in backticks, joined by commas.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "(there are none)".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let options = ["per_second", "per_day", "max_wait"];
        assert_eq!(did_you_mean("per_secnod", options), Some("per_second"));
        assert_eq!(did_you_mean("Max_Wait", options), Some("max_wait"));
        assert_eq!(did_you_mean("burst", options), None);
        assert_eq!(choices("burst", ["a", "b"]), "use one of `a`, `b`");
    }
}
