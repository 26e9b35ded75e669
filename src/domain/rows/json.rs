//! Rows in JSON.

mod cursor;
mod keys;

use std::borrow::Cow;

use self::cursor::{Cursor, Scalar, Text};
use self::keys::Keys;
use super::edit::{Edit, Members};
use super::name::Name;
use super::row::{Hits, Row};
use super::{ReadError, Reader, Unreadable, Verdict};
use crate::domain::answer::MAX_NESTING;

/// What stands where nothing is left: the image of an element without content.
const NOTHING: &str = "null";

pub(super) fn read<'a>(
    body: &'a str,
    reader: &Reader<'_>,
    judge: impl FnMut(&Row<'a>) -> Verdict,
) -> Result<Edit, ReadError> {
    let mut reading = Reading { walk: Walk::new(body, reader), judge, edit: Edit::of(body) };
    if body.is_empty() {
        return Ok(reading.edit);
    }
    let start = reading.walk.cursor.skip_space();
    if reader.path.is_empty() {
        if reading.walk.cursor.peek() != Some(b'{') {
            reading.null()?;
        } else if reading.walk.cursor.is_empty_object() {
            reading.walk.members(false)?;
        } else if reading.row()? {
            reading.edit.replace(start, reading.walk.cursor.at(), NOTHING);
        }
    } else {
        reading.on_the_way(0)?;
    }
    reading.walk.cursor.end()?;
    Ok(reading.edit)
}

struct Reading<'a, 'r, J> {
    walk: Walk<'a, 'r>,
    judge: J,
    edit: Edit,
}

impl<'a, J: FnMut(&Row<'a>) -> Verdict> Reading<'a, '_, J> {
    /// The root or what stands below it, down to the innermost object with rows. The levels are those of the path.
    fn on_the_way(&mut self, level: usize) -> Result<(), ReadError> {
        let Some(next) = self.walk.reader.path.get(level).copied() else { return Err(ReadError::Unreadable) };
        let start = self.walk.cursor.skip_space();
        if self.walk.cursor.peek() != Some(b'{') {
            return self.null();
        }
        let mark = self.edit.mark();
        let mut members = Members::default();
        let (mut had_next, mut had_totals) = (false, vec![false; self.walk.reader.totals.len()]);
        let mut inside = self.walk.cursor.open(b'{', b'}')?;
        while inside {
            let from = self.walk.cursor.at();
            let name = self.walk.cursor.name()?.decoded().0;
            let dropped = if name == next {
                if std::mem::replace(&mut had_next, true) {
                    return Err(ReadError::Unreadable);
                }
                if level + 1 == self.walk.reader.path.len() {
                    self.rows()?
                } else {
                    self.on_the_way(level + 1)?;
                    false
                }
            } else {
                let total = self.walk.reader.total(level, &name).and_then(|position| had_totals.get_mut(position));
                if total.is_none_or(|had| std::mem::replace(had, true)) || self.walk.members(false)?.is_flawed() {
                    return Err(ReadError::Unreadable);
                }
                self.walk.reader.drop_totals
            };
            let to = self.walk.cursor.skip_space();
            inside = self.walk.cursor.comma_or(b'}')?;
            members.add(&mut self.edit, dropped, from, to);
        }
        if members.is_emptied() {
            self.edit.back_to(mark);
            self.edit.replace(start, self.walk.cursor.at(), NOTHING);
        }
        Ok(())
    }

    /// The value under the rows' name. `true` when there were rows and all of them go.
    fn rows(&mut self) -> Result<bool, ReadError> {
        let start = self.walk.cursor.skip_space();
        match self.walk.cursor.peek() {
            Some(b'{') => return self.row(),
            Some(b'[') => {}
            _ => return self.null().map(|()| false),
        }
        let mark = self.edit.mark();
        let mut rows = Members::default();
        let mut inside = self.walk.cursor.open(b'[', b']')?;
        while inside {
            let from = self.walk.cursor.at();
            self.walk.cursor.skip_space();
            let dropped = self.row()?;
            let to = self.walk.cursor.skip_space();
            inside = self.walk.cursor.comma_or(b']')?;
            rows.add(&mut self.edit, dropped, from, to);
        }
        if rows.is_emptied() {
            self.edit.back_to(mark);
        } else if let (1, 1.., Some((from, to))) = (rows.kept, rows.dropped, rows.first_kept) {
            // One row alone has no brackets.
            self.edit.back_to(mark);
            self.edit.cut(start, from);
            self.edit.cut(to, self.walk.cursor.at());
        }
        Ok(rows.is_emptied())
    }

    /// One row. `true` when it goes.
    fn row(&mut self) -> Result<bool, ReadError> {
        if self.walk.cursor.peek() != Some(b'{') {
            return Err(ReadError::Unreadable);
        }
        let row = self.walk.members(true)?;
        self.edit.count((self.judge)(&row))
    }

    fn null(&mut self) -> Result<(), ReadError> {
        match self.walk.cursor.scalar()? {
            Scalar::Null => Ok(()),
            Scalar::Other => Err(ReadError::Unreadable),
        }
    }
}

pub(super) fn survey<'a>(
    body: &'a str,
    reader: &Reader<'_>,
    mut visit: impl FnMut(&Row<'a>),
) -> Result<(), Unreadable> {
    let mut walk = Walk::new(body, reader);
    // What closes each thing that is open on the way, and the level of the path on which its members stand.
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut level = 0;
    loop {
        walk.cursor.skip_space();
        let opened = match walk.cursor.peek() {
            Some(b'{') if level == reader.path.len() => {
                visit(&walk.members(true)?);
                None
            }
            Some(b'{') => Some((b'{', b'}')),
            Some(b'[') => Some((b'[', b']')),
            _ => {
                walk.members(false)?;
                None
            }
        };
        let mut inside = match opened {
            Some((first, last)) if open.len() < MAX_NESTING => {
                open.push((last, level));
                walk.cursor.open(first, last)?
            }
            Some(_) => return Err(Unreadable),
            None => match open.last() {
                Some((last, _)) => walk.cursor.comma_or(*last)?,
                None => return Ok(()),
            },
        };
        // Up to where a next value stands that could lead to rows.
        loop {
            let Some((last, outer)) = open.last().copied() else { return Ok(()) };
            if !inside {
                open.pop();
                let Some((last, _)) = open.last() else { return Ok(()) };
                inside = walk.cursor.comma_or(*last)?;
                continue;
            }
            if last == b']' {
                level = outer;
                break;
            }
            let name = walk.cursor.name()?.decoded().0;
            if reader.path.get(outer).is_some_and(|next| *next == name) {
                level = outer + 1;
                break;
            }
            walk.members(false)?;
            inside = walk.cursor.comma_or(last)?;
        }
    }
}

/// Walks through values of any kind, without a call for each level.
struct Walk<'a, 'r> {
    cursor: Cursor<'a>,
    reader: &'r Reader<'r>,
    open: Vec<Open<'a>>,
    keys: Keys,
}

/// An object or array that is open.
struct Open<'a> {
    closes: u8,
    /// The key of the member that is being walked through.
    name: Option<Text<'a>>,
    /// How many keys of the objects around it are kept.
    keys: usize,
}

impl<'a, 'r> Walk<'a, 'r> {
    fn new(body: &'a str, reader: &'r Reader<'r>) -> Self {
        Self { cursor: Cursor::new(body), reader, open: Vec::new(), keys: Keys::default() }
    }

    /// Walks through one value: a row, or something that no row may stand in.
    fn members(&mut self, is_row: bool) -> Result<Row<'a>, Unreadable> {
        let mut row = self.reader.row();
        let mut hits = Hits::default();
        self.open.clear();
        self.keys.clear();
        loop {
            let mut inside = self.value(&mut row, hits)?;
            // Up to where the next value stands.
            loop {
                let Some(open) = self.open.last() else { return Ok(row) };
                if inside {
                    break;
                }
                if open.closes == b'}' && self.keys.close(open.keys, &self.cursor) {
                    row.flaw();
                }
                self.open.pop();
                inside = match self.open.last() {
                    Some(outer) => self.cursor.comma_or(outer.closes)?,
                    None => false,
                };
            }
            hits = if self.open.last().is_some_and(|open| open.closes == b'}') {
                self.key(&mut row, is_row)?
            } else {
                Hits::default()
            };
        }
    }

    /// The next value, or the beginning of it. `true` when another one stands in it, or beside it.
    fn value(&mut self, row: &mut Row<'a>, hits: Hits) -> Result<bool, Unreadable> {
        self.cursor.skip_space();
        let first = self.cursor.peek();
        if first == Some(b'"') {
            let text = self.cursor.text()?;
            if hits.any() {
                let (text, is_exact) = text.decoded();
                row.add(hits, is_exact.then_some(&text));
            }
        } else if hits.any() {
            row.add(hits, None);
        }
        match first {
            Some(b'{') => self.open(b'{', b'}'),
            Some(b'[') => self.open(b'[', b']'),
            _ => {
                if first != Some(b'"') {
                    self.cursor.scalar()?;
                }
                self.open.last().map_or(Ok(false), |open| self.cursor.comma_or(open.closes))
            }
        }
    }

    fn open(&mut self, opens: u8, closes: u8) -> Result<bool, Unreadable> {
        if self.open.len() >= MAX_NESTING {
            return Err(Unreadable);
        }
        self.open.push(Open { closes, name: None, keys: self.keys.len() });
        self.cursor.open(opens, closes)
    }

    /// The next key. Tells which of the fields its value could be taken for.
    fn key(&mut self, row: &mut Row<'a>, is_row: bool) -> Result<Hits, Unreadable> {
        let key = self.cursor.name()?;
        let (name, _): (Cow<'a, str>, _) = key.decoded();
        let of_row = is_row && self.open.len() == 1;
        if let Some(open) = self.open.last_mut() {
            open.name = Some(key);
        }
        let candidate = Name::new(&name);
        if !row.is_flawed() {
            self.keys.add(&name, key.at());
            let flawed = if of_row {
                self.reader.is_like_a_row(&candidate)
            } else {
                self.reader.is_like_a_row_or_owner(&candidate) && !(is_row && self.is_counterparty())
            };
            if flawed {
                row.flaw();
            }
        }
        Ok(if of_row { self.reader.hits(&candidate) } else { Hits::default() })
    }

    fn is_counterparty(&self) -> bool {
        let names: Vec<Cow<'_, str>> =
            self.open.iter().filter_map(|open| open.name).map(|name| name.decoded().0).collect();
        self.reader.is_counterparty(&names.iter().map(AsRef::as_ref))
    }
}
