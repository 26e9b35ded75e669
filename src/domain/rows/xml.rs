//! Rows in XML.

use std::borrow::Cow;

use quick_xml::Reader as Parser;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::edit::{Edit, Members};
use super::name::Name;
use super::row::{Hits, Row};
use super::{ReadError, Reader, Unreadable, Verdict};
use crate::domain::answer::MAX_NESTING;

/// The end of a tag, where nothing is left between it and its end tag.
const NOTHING: &str = "/>";

pub(super) fn read<'a>(
    body: &'a str,
    reader: &Reader<'_>,
    judge: impl FnMut(&Row<'a>) -> Verdict,
) -> Result<Edit, ReadError> {
    let mut reading = Reading { walk: Walk::new(body, reader)?, judge, edit: Edit::of(body), rows: 0, empty: 0 };
    if body.is_empty() {
        return Ok(reading.edit);
    }
    let root = reading.walk.root()?;
    if reader.path.is_empty() {
        if reading.row(&root)? {
            reading.edit.replace(root.name_ends, reading.walk.at(), NOTHING);
        }
    } else {
        reading.on_the_way(0, &root)?;
    }
    reading.walk.end()?;
    // The image of several elements without content is an array of `null`, and those are no rows.
    if reading.empty > 0 && reading.rows > 1 {
        return Err(ReadError::Unreadable);
    }
    Ok(reading.edit)
}

struct Reading<'a, 'r, J> {
    walk: Walk<'a, 'r>,
    judge: J,
    edit: Edit,
    /// Elements of the rows' name, and those among them without any content.
    rows: usize,
    empty: usize,
}

impl<'a, J: FnMut(&Row<'a>) -> Verdict> Reading<'a, '_, J> {
    /// The root or what stands below it, down to the innermost element with rows. The levels are those of the path.
    fn on_the_way(&mut self, level: usize, tag: &Tag<'a>) -> Result<(), ReadError> {
        let Some(next) = self.walk.reader.path.get(level).copied() else { return Err(ReadError::Unreadable) };
        if !tag.is_plain_container {
            return Err(ReadError::Unreadable);
        }
        if tag.is_empty {
            return Ok(());
        }
        let opened = self.walk.at().saturating_sub(1);
        let mark = self.edit.mark();
        let (mut members, mut had_next) = (Members::default(), false);
        let mut from = self.walk.at();
        loop {
            let child = match self.walk.next()? {
                (_, Event::Text(text)) if is_blank(&text) => continue,
                (start, Event::Start(tag)) => self.walk.tag(start, &tag, false)?,
                (start, Event::Empty(tag)) => self.walk.tag(start, &tag, true)?,
                (_, Event::End(_)) => break,
                _ => return Err(ReadError::Unreadable),
            };
            let dropped = if child.name == next && level + 1 == self.walk.reader.path.len() {
                self.row(&child)?
            } else if child.name == next && !std::mem::replace(&mut had_next, true) {
                self.on_the_way(level + 1, &child)?;
                false
            } else if child.name != next && self.walk.reader.total(level, child.name).is_some() {
                if self.walk.element(&child, false)?.row.is_flawed() {
                    return Err(ReadError::Unreadable);
                }
                self.walk.reader.drop_totals
            } else {
                return Err(ReadError::Unreadable);
            };
            if dropped {
                members.dropped += 1;
                self.edit.cut(from, self.walk.at());
            } else {
                members.kept += 1;
            }
            from = self.walk.at();
        }
        if members.is_emptied() {
            self.edit.back_to(mark);
            self.edit.replace(opened, self.walk.at(), NOTHING);
        }
        Ok(())
    }

    /// An element of the rows' name. `true` when it goes.
    fn row(&mut self, tag: &Tag<'a>) -> Result<bool, ReadError> {
        let element = self.walk.element(tag, true)?;
        self.rows += 1;
        match element.image {
            Image::Object => self.edit.count((self.judge)(&element.row)),
            Image::Null => {
                self.empty += 1;
                Ok(false)
            }
            Image::Text => Err(ReadError::Unreadable),
        }
    }
}

pub(super) fn survey<'a>(
    body: &'a str,
    reader: &Reader<'_>,
    mut visit: impl FnMut(&Row<'a>),
) -> Result<(), Unreadable> {
    let mut walk = Walk::new(body, reader)?;
    // Of each element on the way that is open, the level of the path on which its children stand.
    let mut open: Vec<usize> = Vec::new();
    loop {
        let (tag, is_empty) = match walk.next()? {
            (start, Event::Start(tag)) => (walk.tag(start, &tag, false)?, false),
            (start, Event::Empty(tag)) => (walk.tag(start, &tag, true)?, true),
            (_, Event::End(_)) => {
                open.pop();
                continue;
            }
            (_, Event::Eof) => return Ok(()),
            _ => continue,
        };
        let level = match open.last() {
            None => Some(0),
            Some(level) => reader.path.get(*level).filter(|next| **next == tag.name).map(|_| level + 1),
        };
        match level {
            Some(level) if level == reader.path.len() => visit(&walk.element(&tag, true)?.row),
            None => {
                walk.element(&tag, false)?;
            }
            Some(_) if is_empty => {}
            Some(level) => open.push(level),
        }
    }
}

/// Walks through elements, without a call for each level.
struct Walk<'a, 'r> {
    parser: Parser<&'a [u8]>,
    body: &'a str,
    /// Where the parser began.
    base: usize,
    reader: &'r Reader<'r>,
    /// The names of the elements that are open below the one that is walked through.
    open: Vec<&'a str>,
}

/// A start tag, or the tag of an empty element.
struct Tag<'a> {
    name: &'a str,
    name_ends: usize,
    is_empty: bool,
    /// Whether it has nothing but names of namespaces and schemas.
    is_plain_container: bool,
    /// Whether it has nothing but names of namespaces.
    is_plain_text: bool,
    /// What its attributes could be taken for: some readers make members of one object of them and the elements in it.
    attributes: Attributes,
}

#[derive(Default)]
struct Attributes {
    /// Which of a row's fields.
    hits: Hits,
    is_like_a_row: bool,
    is_like_a_row_or_owner: bool,
}

/// What an element with all that stands in it is.
struct Element<'a> {
    row: Row<'a>,
    image: Image,
}

/// What an element is in JSON.
enum Image {
    Object,
    Text,
    Null,
}

/// A field that is being read.
struct Capture<'a> {
    hits: Hits,
    text: Cow<'a, str>,
    is_plain: bool,
}

impl<'a, 'r> Walk<'a, 'r> {
    fn new(body: &'a str, reader: &'r Reader<'r>) -> Result<Self, Unreadable> {
        let text = body.strip_prefix('\u{feff}').unwrap_or(body);
        // The parser would leave out another one, and count wrong from there.
        if text.starts_with('\u{feff}') {
            return Err(Unreadable);
        }
        Ok(Self { parser: Parser::from_str(text), body, base: body.len() - text.len(), reader, open: Vec::new() })
    }

    /// Behind the event that was read last.
    fn at(&self) -> usize {
        usize::try_from(self.parser.buffer_position()).map_or(self.body.len(), |at| self.base + at)
    }

    /// The next event, and where it begins.
    fn next(&mut self) -> Result<(usize, Event<'a>), Unreadable> {
        let start = self.at();
        self.parser.read_event().map(|event| (start, event)).map_err(|_| Unreadable)
    }

    /// The root's tag.
    fn root(&mut self) -> Result<Tag<'a>, Unreadable> {
        let mut first = true;
        loop {
            match self.next()? {
                (_, Event::Decl(_)) if first => {}
                (_, Event::Text(text)) if is_blank(&text) => {}
                (start, Event::Start(tag)) => return self.tag(start, &tag, false),
                (start, Event::Empty(tag)) => return self.tag(start, &tag, true),
                _ => return Err(Unreadable),
            }
            first = false;
        }
    }

    /// Nothing but white space is left.
    fn end(&mut self) -> Result<(), Unreadable> {
        loop {
            match self.next()? {
                (_, Event::Text(text)) if is_blank(&text) => {}
                (_, Event::Eof) => return Ok(()),
                _ => return Err(Unreadable),
            }
        }
    }

    fn tag(&self, start: usize, tag: &BytesStart<'_>, is_empty: bool) -> Result<Tag<'a>, Unreadable> {
        let name_ends = start + 1 + tag.name().as_ref().len();
        let name = self.body.get(start + 1..name_ends).ok_or(Unreadable)?;
        let (mut is_plain_container, mut is_plain_text) = (true, true);
        let mut attributes = Attributes::default();
        for attribute in tag.attributes() {
            let name: &str = attribute.as_ref().map_err(|_| Unreadable)?.key.as_ref();
            let of_namespace = name == "xmlns" || name.starts_with("xmlns:");
            let of_schema = matches!(name, "xsi:schemaLocation" | "xsi:noNamespaceSchemaLocation" | "xsi:type");
            is_plain_text &= of_namespace;
            is_plain_container &= of_namespace || of_schema;
            if !of_namespace && !of_schema {
                let candidate = Name::new(name);
                let Hits { exact, alike } = self.reader.hits(&candidate);
                attributes.hits.alike |= exact | alike;
                attributes.is_like_a_row |= self.reader.is_like_a_row(&candidate);
                attributes.is_like_a_row_or_owner |= self.reader.is_like_a_row_or_owner(&candidate);
            }
        }
        Ok(Tag { name, name_ends, is_empty, is_plain_container, is_plain_text, attributes })
    }

    /// Walks through one element whose tag was read: a row, or something that no row may stand in.
    fn element(&mut self, tag: &Tag<'a>, is_row: bool) -> Result<Element<'a>, Unreadable> {
        let mut row = self.reader.row();
        let flawed = if is_row {
            row.add(tag.attributes.hits, None);
            tag.attributes.is_like_a_row
        } else {
            tag.attributes.is_like_a_row_or_owner
        };
        if flawed {
            row.flaw();
        }
        let (mut has_children, mut has_text) = (false, false);
        let mut field: Option<Capture<'a>> = None;
        self.open.clear();
        let mut inside = !tag.is_empty;
        while inside {
            let (start, event) = self.next()?;
            let is_empty = matches!(event, Event::Empty(_));
            match event {
                Event::Start(tag) | Event::Empty(tag) => {
                    let tag = self.tag(start, &tag, is_empty)?;
                    has_children = true;
                    let hits = self.child(&tag, &mut row, is_row)?;
                    if let Some(field) = &mut field {
                        field.is_plain = false;
                    } else if hits.any() && is_empty {
                        row.add(hits, None);
                    } else if hits.any() {
                        field = Some(Capture { hits, text: Cow::Borrowed(""), is_plain: tag.is_plain_text });
                    }
                }
                Event::End(_) => {
                    inside = self.open.pop().is_some();
                    if self.open.is_empty()
                        && let Some(Capture { hits, text, is_plain }) = field.take()
                    {
                        // An element without content is `null` to some and an empty text to others.
                        row.add(hits, Some(&text).filter(|text| is_plain && !text.is_empty()));
                    }
                }
                Event::Eof | Event::PI(_) | Event::DocType(_) | Event::Decl(_) => return Err(Unreadable),
                Event::Comment(_) => {
                    has_text |= self.open.is_empty();
                    if let Some(field) = &mut field {
                        field.is_plain = false;
                    }
                }
                Event::Text(text) => {
                    has_text |= self.open.is_empty() && !is_blank(&text);
                    join(&mut field, text.into_inner());
                }
                Event::CData(text) => {
                    has_text |= self.open.is_empty() && !is_blank(&text);
                    join(&mut field, text.into_inner());
                }
                Event::GeneralRef(reference) => {
                    has_text |= self.open.is_empty();
                    join(&mut field, resolved(&reference)?);
                }
            }
        }
        let image = match (has_children || !tag.is_plain_text, has_text) {
            (true, _) => Image::Object,
            (false, true) => Image::Text,
            (false, false) => Image::Null,
        };
        Ok(Element { row, image })
    }

    /// A tag within the element. Tells which of the row's fields it could be taken for.
    fn child(&mut self, tag: &Tag<'a>, row: &mut Row<'a>, is_row: bool) -> Result<Hits, Unreadable> {
        if self.open.len() >= MAX_NESTING {
            return Err(Unreadable);
        }
        let of_row = is_row && self.open.is_empty();
        let candidate = Name::new(tag.name);
        let flawed = if of_row {
            self.reader.is_like_a_row(&candidate)
        } else {
            let names = self.open.iter().copied().chain([tag.name]);
            self.reader.is_like_a_row_or_owner(&candidate) && !(is_row && self.reader.is_counterparty(&names))
        };
        if flawed || tag.attributes.is_like_a_row_or_owner {
            row.flaw();
        }
        if !tag.is_empty {
            self.open.push(tag.name);
        }
        Ok(if of_row { self.reader.hits(&candidate) } else { Hits::default() })
    }
}

fn join<'a>(field: &mut Option<Capture<'a>>, more: Cow<'a, str>) {
    if let Some(Capture { text, .. }) = field {
        if text.is_empty() {
            *text = more;
        } else {
            text.to_mut().push_str(&more);
        }
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, Unreadable> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(Cow::Owned(character.to_string())),
        Ok(None) => resolve_xml_entity(reference).map(Cow::Borrowed).ok_or(Unreadable),
        Err(_) => Err(Unreadable),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}
