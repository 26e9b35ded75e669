//! What is to be cut out of a body.

use bytes::BytesMut;

use super::{ReadError, Verdict};

/// What to cut out of the answer that was read.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    kept: usize,
    dropped: usize,
    /// In order, apart from each other.
    cuts: Vec<Cut>,
    /// What stands afterwards where a cut starts; never longer than the cut.
    instead: Option<(usize, &'static str)>,
    /// Of the body that was read.
    length: usize,
}

/// Positions in the body; 32 bits, since a body of rows that are cut out one by one has many.
#[derive(Clone, Copy, Debug)]
struct Cut {
    start: u32,
    end: u32,
}

/// A place in the list of cuts.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl Edit {
    pub(super) fn of(body: &str) -> Self {
        Self { length: body.len(), ..Self::default() }
    }

    /// How many rows stay.
    #[must_use]
    pub const fn kept(&self) -> usize {
        self.kept
    }

    /// How many rows are cut out.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether the body stays as it is.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.cuts.is_empty()
    }

    /// Cuts in place. What stays moves to the front, and the body never grows.
    ///
    /// The body has to be the one that was read; of one of another length nothing is left.
    pub fn apply(self, body: &mut BytesMut) {
        if body.len() != self.length {
            body.clear();
            return;
        }
        let (mut read, mut written) = (0, 0);
        for Cut { start, end } in self.cuts {
            let (start, end) = (start as usize, end as usize);
            // Only what was found in this body, and in order, was noted.
            body.copy_within(read..start, written);
            written += start - read;
            if let Some((_, text)) = self.instead.filter(|(place, _)| *place == start) {
                if let Some(place) = body.get_mut(written..written + text.len()) {
                    place.copy_from_slice(text.as_bytes());
                }
                written += text.len();
            }
            read = end;
        }
        body.copy_within(read.., written);
        written += self.length - read;
        body.truncate(written);
    }

    /// Counts a row. `true` when it is dropped.
    pub(super) const fn count(&mut self, verdict: Verdict) -> Result<bool, ReadError> {
        match verdict {
            Verdict::Keep => self.kept += 1,
            Verdict::Drop => self.dropped += 1,
            Verdict::Refuse => return Err(ReadError::Refused),
        }
        Ok(matches!(verdict, Verdict::Drop))
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark(self.cuts.len())
    }

    /// Forgets what was to be cut since, because it is within what is cut now.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.cuts.truncate(mark.0);
    }

    pub(super) fn cut(&mut self, start: usize, end: usize) {
        let [from, to] = [start, end].map(|place| u32::try_from(place).unwrap_or(u32::MAX));
        match self.cuts.last_mut() {
            Some(last) if last.end == from => last.end = to,
            _ if start < end => self.cuts.push(Cut { start: from, end: to }),
            _ => {}
        }
    }

    /// Cuts, and puts a shorter text in the place. There is one such place in an answer at most: the innermost thing
    /// of which nothing is left, since what it stands in holds it still.
    pub(super) fn replace(&mut self, start: usize, end: usize, text: &'static str) {
        self.instead = Some((start, text));
        self.cut(start, end);
    }
}

/// The members of an object or an array, between its commas, some of which go.
#[derive(Default)]
pub(super) struct Members {
    pub(super) kept: usize,
    pub(super) dropped: usize,
    /// From after a comma (or the opening bracket) up to the next (or the closing one).
    pub(super) first_kept: Option<(usize, usize)>,
}

impl Members {
    /// Takes in the next one.
    pub(super) fn add(&mut self, edit: &mut Edit, dropped: bool, start: usize, end: usize) {
        if !dropped {
            self.kept += 1;
            self.first_kept.get_or_insert((start, end));
            return;
        }
        self.dropped += 1;
        // One comma goes with it: the one before, if something stays before that. If nothing stays at all, the last one
        // has no comma to take along; then everything goes, brackets included.
        if self.kept > 0 { edit.cut(start.saturating_sub(1), end) } else { edit.cut(start, end + 1) }
    }

    /// Whether there were some and all of them go.
    pub(super) const fn is_emptied(&self) -> bool {
        self.dropped > 0 && self.kept == 0
    }
}
