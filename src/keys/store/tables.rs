//! One key's tables in the key file: read, changed and written anew with all that people put between.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use jiff::Timestamp;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Key, RawString, Table, TableLike, Value, value};

use crate::domain::caps::{Cap, CapKind};
use crate::domain::permission::Permission;
use crate::keys::{KeyName, Previous};

use super::sections::{Section, sections};
use super::{Change, GrantedTo, NewKey};

const KEYS: &str = "keys";
const GRANTS: &str = "grants";
const PREVIOUS: &str = "previous";
const CAPS: &str = "caps";

/// The fields of a key, in the order in which they are written.
const ORDER: [&str; 10] =
    ["id", "status", "created", "regenerated", "expires", "note", "digest", PREVIOUS, CAPS, GRANTS];

/// Why a key's tables cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTables {
    /// There is no such key.
    Missing,
    /// It is written otherwise than as `[keys.NAME]` and tables below it.
    OtherForm,
}

/// Whether the text has a key of that name in any form that stands on its own.
pub(super) fn has(text: &str, name: &str) -> bool {
    let sections = sections(text);
    sections.iter().any(|section| of_key(section, text, name).is_some()) || stands_elsewhere(&sections, text, name)
}

/// The names behind `keys.NAME` in the header of a section of that key.
fn of_key(section: &Section, text: &str, name: &str) -> Option<Vec<String>> {
    if !section.mentions(text, name) {
        return None;
    }
    let mut path = section.path(text)?.into_iter();
    (path.next()? == KEYS && path.next()? == name).then(|| path.collect())
}

/// What stands above the first header.
fn above<'a>(sections: &[Section], text: &'a str) -> &'a str {
    text.get(..sections.first().map_or(text.len(), |first| first.start)).unwrap_or_default()
}

/// Whether a key stands within `[keys]`, or above the first header.
fn stands_elsewhere(sections: &[Section], text: &str, name: &str) -> bool {
    // Of a hundred thousand headers, nearly all have a dot.
    let own = sections.iter().filter(|section| !section.mentions(text, "."));
    let own = own.filter(|section| section.path(text).is_some_and(|path| path == [KEYS]));
    let own = own.filter_map(|section| text.get(section.range()));
    std::iter::once(above(sections, text)).chain(own).any(|part| {
        let document = part.parse::<DocumentMut>().ok();
        document.is_some_and(|document| document.get(KEYS).and_then(|keys| keys.get(name)).is_some())
    })
}

/// Whether the text above the first header leaves `keys` to headers.
pub(super) fn takes_headers(text: &str) -> bool {
    above(&sections(text), text).parse::<DocumentMut>().is_ok_and(|document| document.get(KEYS).is_none())
}

/// One section of a key.
struct Part {
    range: Range<usize>,
    /// What stands behind `keys.NAME` in its header.
    below: Option<String>,
    document: DocumentMut,
    crlf: bool,
}

/// A key's tables.
pub(super) struct KeyTables {
    name: String,
    parts: Vec<Part>,
}

/// Where each key's sections stand in a text: for who looks at many keys.
pub(super) struct Index<'t> {
    text: &'t str,
    sections: Vec<Section>,
    by_name: HashMap<Cow<'t, str>, Vec<usize>>,
}

impl<'t> Index<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let sections = sections(text);
        let mut by_name: HashMap<Cow<'t, str>, Vec<usize>> = HashMap::with_capacity(sections.len() / 2);
        for (place, section) in sections.iter().enumerate() {
            if let Some(name) = section.key_name(text) {
                by_name.entry(name).or_default().push(place);
            }
        }
        Self { text, sections, by_name }
    }

    pub(super) fn find(&self, name: &str) -> Result<KeyTables, NotTables> {
        let places = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let own = places.iter().filter_map(|place| self.sections.get(*place));
        match KeyTables::among(self.text, name, own)? {
            tables if tables.parts.iter().any(|part| part.below.is_none()) => Ok(tables),
            // What it is instead takes a look at everything.
            _ => KeyTables::find(self.text, name),
        }
    }
}

impl KeyTables {
    pub(super) fn find(text: &str, name: &str) -> Result<Self, NotTables> {
        let sections = sections(text);
        let tables = Self::among(text, name, sections.iter())?;
        if tables.parts.iter().any(|part| part.below.is_none()) {
            return Ok(tables);
        }
        let elsewhere = !tables.parts.is_empty() || stands_elsewhere(&sections, text, name);
        Err(if elsewhere { NotTables::OtherForm } else { NotTables::Missing })
    }

    /// What these sections have of a key.
    fn among<'s>(text: &str, name: &str, sections: impl Iterator<Item = &'s Section>) -> Result<Self, NotTables> {
        let mut parts = Vec::new();
        for section in sections {
            let Some(below) = of_key(section, text, name) else { continue };
            let written = text.get(section.range()).unwrap_or_default();
            let crlf = written.contains("\r\n");
            let document = written.replace("\r\n", "\n").parse().map_err(|_| NotTables::OtherForm)?;
            let mut below = below.into_iter();
            parts.push(Part { range: section.range(), below: below.next(), document, crlf });
        }
        Ok(Self { name: name.to_owned(), parts })
    }

    /// The key's table, as far as it stands in the section whose header ends with `below`.
    fn key_table(&mut self, below: Option<&str>) -> Option<&mut Table> {
        let part = self.parts.iter_mut().find(|part| part.below.as_deref() == below)?;
        part.document.get_mut(KEYS)?.as_table_mut()?.get_mut(&self.name)?.as_table_mut()
    }

    fn has_section(&self, below: &str) -> bool {
        self.parts.iter().any(|part| part.below.as_deref() == Some(below))
    }

    /// The grants, wherever they stand.
    fn grants_item(&mut self) -> Option<&mut Item> {
        let below = self.has_section(GRANTS).then_some(GRANTS);
        self.key_table(below)?.get_mut(GRANTS)
    }

    /// What is granted, as it is written: what a permission includes is not added.
    pub(super) fn grants(&mut self) -> Option<Vec<(Permission, GrantedTo)>> {
        let Some(item) = self.grants_item() else { return Some(Vec::new()) };
        let table = item.as_table_like()?;
        let mut grants = Vec::new();
        for permission in Permission::ALL {
            let Some(item) = table.get(permission.as_str()) else { continue };
            grants.push((permission, granted_to(item)?));
        }
        Some(grants)
    }

    /// Makes one change. `None` when the tables do not have the form that they need for it.
    pub(super) fn change(&mut self, change: &Change<'_>) -> Option<()> {
        match change {
            Change::Name(name) => self.rename(*name),
            Change::Status(status) => self.set("status", value(status.as_str())),
            Change::Expires(Some(time)) => self.set("expires", timestamp(*time)?),
            Change::Expires(None) => self.remove("expires"),
            Change::Note(Some(note)) => self.set("note", value(note.as_str())),
            Change::Note(None) => self.remove("note"),
            Change::Regenerated(time) => self.set("regenerated", timestamp(*time)?),
            Change::Digest(digest) => self.set("digest", value(digest.to_string())),
            Change::Previous(previous) => self.set_previous(previous.as_ref()),
            Change::Grant(permission, granted_to) => self.grant(*permission, granted_to.as_ref()),
            Change::Cap(kind, limit) => self.cap(*kind, *limit),
        }
    }

    fn set(&mut self, field: &str, item: Item) -> Option<()> {
        set(self.key_table(None)?, field, item, &ORDER);
        Some(())
    }

    fn remove(&mut self, field: &str) -> Option<()> {
        self.key_table(None)?.remove(field);
        Some(())
    }

    fn set_previous(&mut self, previous: Option<&Previous>) -> Option<()> {
        let Some(previous) = previous else { return self.clear(PREVIOUS) };
        let (digest, until) = (previous.digest.to_string(), timestamp(previous.until)?);
        if self.has_section(PREVIOUS) {
            let table = self.key_table(Some(PREVIOUS))?.get_mut(PREVIOUS)?.as_table_mut()?;
            set(table, "digest", value(digest), &["digest", "until"]);
            set(table, "until", until, &["digest", "until"]);
            return Some(());
        }
        let mut table = InlineTable::new();
        table.insert("digest", digest.into());
        table.insert("until", until.into_value().ok()?);
        // One that is written with dots becomes one line.
        let main = self.key_table(None)?;
        if main.get(PREVIOUS).is_some_and(|item| !item.is_inline_table()) {
            main.remove(PREVIOUS);
        }
        self.set(PREVIOUS, value(table))
    }

    /// Removes a field, or the section that it is.
    fn clear(&mut self, field: &str) -> Option<()> {
        if let Some(part) = self.parts.iter_mut().find(|part| part.below.as_deref() == Some(field)) {
            // Its text goes; what people wrote below it stays.
            let trailing = part.document.trailing().as_str().unwrap_or_default().to_owned();
            part.document = DocumentMut::new();
            part.document.set_trailing(trailing);
        }
        self.remove(field)
    }

    fn cap(&mut self, kind: CapKind, limit: Option<u64>) -> Option<()> {
        let below = self.has_section(CAPS).then_some(CAPS);
        if self.key_table(below)?.get(CAPS).is_none() {
            self.set(CAPS, value(InlineTable::new()))?;
        }
        let caps = self.key_table(below)?.get_mut(CAPS)?;
        let table = caps.as_table_like_mut()?;
        let (name, limit) = (kind.as_str(), limit.map(|limit| limit_of(Cap { kind, limit })));
        let is_new = match (limit, table.get_mut(name)) {
            (None, _) => {
                table.remove(name);
                true
            }
            (Some(limit), None) => {
                table.insert(name, limit);
                put_in_order(table, name, &CapKind::ALL.map(CapKind::as_str));
                true
            }
            (Some(limit), Some(item)) => {
                replace(item, limit);
                false
            }
        };
        if table.is_empty() {
            return self.clear(CAPS);
        }
        if let Some(inline) = caps.as_inline_table_mut().filter(|_| is_new) {
            inline.fmt();
        }
        Some(())
    }

    fn grant(&mut self, permission: Permission, granted_to: Option<&GrantedTo>) -> Option<()> {
        if self.grants_item().is_none() {
            self.key_table(None)?.insert(GRANTS, Item::Table(Table::new()));
        }
        let grants = self.grants_item()?;
        let table = grants.as_table_like_mut()?;
        let name = permission.as_str();
        let is_new = match (granted_to, table.get_mut(name)) {
            (None, _) => {
                table.remove(name);
                true
            }
            (Some(granted_to), None) => {
                table.insert(name, value_of(granted_to));
                put_in_order(table, name, &Permission::ALL.map(Permission::as_str));
                true
            }
            (Some(GrantedTo::Nicknames(nicknames)), Some(Item::Value(Value::Array(array)))) => {
                relist(array, nicknames);
                false
            }
            (Some(granted_to), Some(item)) => {
                replace(item, value_of(granted_to));
                false
            }
        };
        if let Some(inline) = grants.as_inline_table_mut().filter(|_| is_new) {
            inline.fmt();
        }
        Some(())
    }

    fn rename(&mut self, name: KeyName<'_>) -> Option<()> {
        for part in &mut self.parts {
            let Some(keys) = part.document.get_mut(KEYS).and_then(Item::as_table_mut) else { continue };
            let (old, item) = keys.remove_entry(&self.name)?;
            let new = Key::new(name.as_str()).with_dotted_decor(old.dotted_decor().clone());
            keys.insert_formatted(&new, item);
        }
        name.as_str().clone_into(&mut self.name);
        Some(())
    }

    /// Its sections as they are now, and where they stood.
    fn written(&self) -> impl Iterator<Item = (Range<usize>, String)> {
        self.parts.iter().map(|part| {
            let text = part.document.to_string();
            (part.range.clone(), if part.crlf { text.replace('\n', "\r\n") } else { text })
        })
    }

    /// The whole text without these tables. Comments right above and right below go with them; those that stand apart
    /// stay.
    pub(super) fn cut_out_of(&self, text: &str) -> Option<String> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        for part in &self.parts {
            match spans.last_mut() {
                Some(last) if last.end == part.range.start => last.end = part.range.end,
                _ => spans.push(part.range.clone()),
            }
        }
        let mut rest = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            rest.push_str(text.get(at..start_with_comments(text, span.start))?);
            let end = end_with_comments(text, &span)?;
            let following = text.get(end..)?;
            let blank = following.len() - following.trim_start_matches(['\n', '\r']).len();
            // What comes next is set off by the empty lines that were there before.
            at = if rest.is_empty() || rest.ends_with("\n\n") || rest.ends_with("\n\r\n") { end + blank } else { end };
        }
        rest.push_str(text.get(at..)?);
        if at == text.len() {
            // The last key is gone, and with it the empty line above it.
            let ending = if rest.ends_with("\r\n") { "\r\n" } else { "\n" };
            let kept = rest.trim_end_matches(['\n', '\r']).len();
            if kept < rest.len() {
                rest.truncate(kept);
                if !rest.is_empty() {
                    rest.push_str(ending);
                }
            }
        }
        Some(rest)
    }
}

/// The whole text, with these keys' tables in their places.
pub(super) fn write_into<'k>(text: &str, keys: impl IntoIterator<Item = &'k KeyTables>) -> Option<String> {
    let mut parts: Vec<(Range<usize>, String)> = keys.into_iter().flat_map(KeyTables::written).collect();
    parts.sort_by_key(|(range, _)| range.start);
    let mut written = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for (range, part) in parts {
        written.push_str(text.get(at..range.start)?);
        written.push_str(&part);
        at = range.end;
    }
    written.push_str(text.get(at..)?);
    Some(written)
}

/// Where the comments begin that stand right above a place.
fn start_with_comments(text: &str, place: usize) -> usize {
    let mut start = place;
    while let Some(above) = text.get(..start).and_then(|above| above.strip_suffix('\n')) {
        let line = above.rfind('\n').map_or(0, |at| at + 1);
        if !above.get(line..).is_some_and(|line| line.trim_start().starts_with('#')) {
            break;
        }
        start = line;
    }
    start
}

/// Where the last field of a span ends, with the comments right below it.
fn end_with_comments(text: &str, span: &Range<usize>) -> Option<usize> {
    let body = text.get(span.clone())?;
    // Only empty lines and comments come after the last line that is neither.
    let mut lines: Vec<&str> = body.split_inclusive('\n').collect();
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    while lines.last().is_some_and(|line| line.trim().is_empty() || is_comment(line)) {
        lines.pop();
    }
    let fields: usize = lines.iter().map(|line| line.len()).sum();
    let below = body.get(fields..)?;
    let comments: usize = below.split_inclusive('\n').take_while(|line| is_comment(line)).map(str::len).sum();
    // Right above the next header, they are that one's.
    let touches_the_next = fields + comments == body.len() && span.end < text.len();
    Some(span.start + if touches_the_next { fields } else { fields + comments })
}

fn granted_to(item: &Item) -> Option<GrantedTo> {
    if item.as_str() == Some("all") {
        return Some(GrantedTo::All);
    }
    let names = item.as_array()?.iter().map(|name| name.as_str().map(str::to_ascii_lowercase));
    names.collect::<Option<Vec<String>>>().map(GrantedTo::Nicknames)
}

fn value_of(granted_to: &GrantedTo) -> Item {
    match granted_to {
        GrantedTo::All => value("all"),
        GrantedTo::Nicknames(nicknames) => value(nicknames.iter().map(String::as_str).collect::<Array>()),
    }
}

fn limit_of(cap: Cap) -> Item {
    match cap.kind {
        CapKind::RefundedCents => value(cap.limit_text()),
        // No limit is near the end of either type.
        _ => value(i64::try_from(cap.limit).unwrap_or(i64::MAX)),
    }
}

/// Puts a value in the place of another, with the blanks and the comment around it.
fn replace(item: &mut Item, new: Item) {
    let decor = item.as_value().map(|old| old.decor().clone());
    *item = new;
    if let (Some(decor), Some(value)) = (decor, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
}

/// Makes a list hold these nicknames, and leaves alone those that it has.
fn relist(array: &mut Array, nicknames: &[String]) {
    let is = |value: &Value, name: &str| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name));
    let keep = |value: &Value| nicknames.iter().any(|name| is(value, name));
    let added: Vec<&String> = nicknames.iter().filter(|name| !array.iter().any(|value| is(value, name))).collect();
    if !array.to_string().contains('\n') {
        array.retain(keep);
        for name in added {
            array.push(name.as_str());
        }
        array.fmt();
        return;
    }
    // On several lines, what stands before an element ends the line of the one before it, with that one's comment.
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let mut end = text(array.iter().last().and_then(|last| last.decor().suffix())) + &text(Some(array.trailing()));
    let mut written = Array::new();
    // The end of the line of the last element that stays, when others that followed it do not.
    let mut line_end: Option<String> = None;
    for value in array.iter() {
        let before = text(value.decor().prefix());
        let (last_line, own) = split_line(&before);
        let last_line = line_end.take().unwrap_or_else(|| last_line.to_owned());
        if keep(value) {
            written.push_formatted(value.clone().decorated(last_line + own, ""));
        } else {
            line_end = Some(last_line);
        }
    }
    if let Some(line_end) = line_end {
        end = line_end + split_line(&end).1;
    }
    for name in added {
        let indentation = written.iter().last().map(|last| text(last.decor().prefix())).unwrap_or_default();
        let indentation = indentation.rfind('\n').and_then(|at| indentation.get(at..)).unwrap_or("\n  ");
        let (last_line, rest) = split_line(&end);
        written.push_formatted(Value::from(name.as_str()).decorated(format!("{last_line}{indentation}"), ""));
        end = String::from(rest);
    }
    written.set_trailing_comma(true);
    written.set_trailing(end);
    *written.decor_mut() = array.decor().clone();
    *array = written;
}

/// What ends a line, and the line break with what follows.
fn split_line(text: &str) -> (&str, &str) {
    text.split_at_checked(text.find('\n').unwrap_or_default()).unwrap_or(("", text))
}

/// Sets a field: in its place if it is there, else where it belongs.
fn set(table: &mut Table, field: &str, item: Item, order: &[&str]) {
    if let Some(old) = table.get_mut(field) {
        replace(old, item);
    } else {
        table.insert(field, item);
        put_in_order(table, field, order);
    }
}

/// Moves the last field up, before the first one that belongs behind it. What stood there follows as it is.
fn put_in_order(table: &mut dyn TableLike, field: &str, order: &[&str]) {
    let rank = |name: &str| order.iter().position(|other| *other == name);
    let wanted = rank(field);
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).filter(|name| name != field).collect();
    let Some(first_behind) = names.iter().position(|name| rank(name).is_some_and(|rank| Some(rank) > wanted)) else {
        return;
    };
    for name in names.get(first_behind..).unwrap_or_default() {
        let Some(key) = table.key(name).cloned() else { continue };
        let Some(item) = table.remove(name) else { continue };
        table.entry_format(&key).or_insert(item);
    }
}

/// To the second: nobody reads finer, and a diff is shorter.
pub(super) fn timestamp(timestamp: Timestamp) -> Option<Item> {
    let seconds = Timestamp::from_second(timestamp.as_second()).ok()?;
    seconds.to_string().parse::<toml_edit::Datetime>().ok().map(value)
}

/// The tables of a new key, as they are written.
pub(super) fn render(key: &NewKey<'_>) -> Option<String> {
    let mut table = Table::new();
    table.insert("id", value(key.id));
    table.insert("status", value(key.status.as_str()));
    table.insert("created", timestamp(key.created)?);
    if let Some(expires) = key.expires {
        table.insert("expires", timestamp(expires)?);
    }
    if let Some(note) = key.note {
        table.insert("note", value(note.as_str()));
    }
    table.insert("digest", value(key.digest.to_string()));
    if !key.caps.is_empty() {
        let caps = key.caps.iter().filter_map(|cap| Some((cap.kind.as_str(), limit_of(*cap).into_value().ok()?)));
        table.insert(CAPS, value(caps.collect::<InlineTable>()));
    }
    let mut grants = Table::new();
    for (permission, granted_to) in key.grants {
        grants.insert(permission.as_str(), value_of(granted_to));
    }
    table.insert(GRANTS, Item::Table(grants));
    let mut keys = Table::new();
    keys.set_implicit(true);
    keys.insert(key.name.as_str(), Item::Table(table));
    let mut document = DocumentMut::new();
    document.insert(KEYS, Item::Table(keys));
    Some(document.to_string().trim_start().to_owned())
}
