//! Whether an answer is what it says it is: a whole JSON value, a whole XML document, a text.
//!
//! What is judged here is the form alone, so that whatever reads an answer after the gateway reads what the gateway
//! judged. What an answer says, and about whom, is not looked at.

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::escape::{resolve_xml_entity, unescape_with};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use serde::de::IgnoredAny;

/// How deep values and elements may be nested. ClickBank's answers are a handful deep.
pub const MAX_NESTING: usize = 64;
/// How many attributes an element may have.
const MAX_ATTRIBUTES: usize = 64;
/// How long a name may be that stands alone in an answer.
const MAX_NAME: usize = 128;

/// The types that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/xml` or `text/xml`
    Xml,
    /// `text/plain`
    Text,
}

/// How the end of an answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By its length, or by its last chunk.
    Told,
    /// By the connection's end, which could as well be that of an answer that broke off.
    Closed,
}

/// What ClickBank sends bare, in a body that is neither JSON nor XML but may be called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// A count, to a read. (ClickBank's help pages describe the answers of `count` so.)
    Count,
    /// The name of what was changed, to a change. (`PUT` of a product answers with its SKU.)
    Name,
}

/// Why an answer is not what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Not in UTF-8.
    NotUtf8,
    /// Not exactly one JSON value (RFC 8259).
    MalformedJson,
    /// Not exactly one well-formed document of XML 1.0 that stands for itself: no document type, no entities but the
    /// five of XML.
    MalformedXml,
    /// A text with control characters other than line ends and tabs.
    MalformedText,
    /// Deeper than [`MAX_NESTING`].
    NestedTooDeep,
    /// It could be the beginning of a longer one.
    PerhapsBrokenOff,
}

impl Flaw {
    /// In one word, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not-utf-8",
            Self::MalformedJson => "malformed-json",
            Self::MalformedXml => "malformed-xml",
            Self::MalformedText => "malformed-text",
            Self::NestedTooDeep => "nested-too-deep",
            Self::PerhapsBrokenOff => "perhaps-broken-off",
        }
    }
}

/// Judges a body. An empty one is nothing of any type, and well-formed.
///
/// # Errors
/// When it is not what it says it is, or perhaps not all of it.
pub fn judge(media: Media, end: End, bare: Bare, body: &[u8]) -> Result<(), Flaw> {
    let text = std::str::from_utf8(body).map_err(|_| Flaw::NotUtf8)?;
    // Of these no beginning is whole, so a whole one is all of it.
    let closes_itself = match media {
        _ if text.is_empty() || is_bare(bare, text) => false,
        Media::Json => {
            json(text)?;
            !text.trim_ascii_end().ends_with(|last: char| last.is_ascii_digit())
        }
        Media::Xml => {
            xml(text)?;
            true
        }
        Media::Text if text.chars().any(is_control) => return Err(Flaw::MalformedText),
        Media::Text => false,
    };
    if closes_itself || end == End::Told { Ok(()) } else { Err(Flaw::PerhapsBrokenOff) }
}

fn is_bare(bare: Bare, text: &str) -> bool {
    let text = text.trim_ascii().as_bytes();
    let fits = match bare {
        Bare::Count => text.iter().all(u8::is_ascii_digit),
        Bare::Name => text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
    };
    fits && (1..=MAX_NAME).contains(&text.len())
}

fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}

fn json(text: &str) -> Result<(), Flaw> {
    // Nothing is built, and nesting costs the parser a bit of memory and no stack.
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Flaw::MalformedJson)?;
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(Flaw::NestedTooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn xml(text: &str) -> Result<(), Flaw> {
    // A byte order mark is no part of the document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let malformed = Err(Flaw::MalformedXml);
    if !text.chars().all(is_xml_character) {
        return malformed;
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let (mut depth, mut had_root, mut first) = (0_usize, false, true);
    loop {
        let event = reader.read_event().map_err(|_: Error| Flaw::MalformedXml)?;
        let well_formed = match &event {
            Event::Eof => return if had_root && depth == 0 { Ok(()) } else { malformed },
            Event::Decl(declaration) => first && is_declaration(declaration),
            Event::Start(tag) | Event::Empty(tag) => {
                let next_to_root = depth == 0 && had_root;
                had_root = true;
                if depth == MAX_NESTING {
                    return Err(Flaw::NestedTooDeep);
                }
                depth += usize::from(matches!(event, Event::Start(_)));
                !next_to_root && is_tag(tag)
            }
            // That it ends the element which is open was checked by the reader.
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                true
            }
            Event::Text(text) if depth == 0 => text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')),
            Event::Text(text) => !text.contains("]]>"),
            Event::CData(_) => depth > 0,
            Event::GeneralRef(reference) => depth > 0 && is_reference(reference),
            Event::Comment(_) => true,
            Event::PI(instruction) => is_name(instruction.target()) && !instruction.target().eq_ignore_ascii_case("xml"),
            // It could declare entities, and defaults for what is not there.
            Event::DocType(_) => false,
        };
        if !well_formed {
            return malformed;
        }
        first = false;
    }
}

/// `Char` of XML 1.0 §2.2.
const fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// `Name` of XML 1.0 §2.3. Beyond ASCII any character will do: no reader takes one for something else.
fn is_name(name: &str) -> bool {
    let other = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let any = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || !byte.is_ascii() || other(byte);
    name.bytes().next().is_some_and(|first| !other(first)) && name.bytes().all(any)
}

fn is_declaration(declaration: &BytesDecl<'_>) -> bool {
    let version = declaration.version().is_ok_and(|version| version == "1.0");
    let encoding = declaration.encoding().is_none_or(|encoding| {
        encoding.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii"))
    });
    version && encoding && declaration.standalone().is_none_or(|standalone| standalone.is_ok())
}

fn is_tag(tag: &BytesStart<'_>) -> bool {
    let mut attributes = tag.attributes();
    // Each name is compared with all before it.
    let checked = attributes.by_ref().take(MAX_ATTRIBUTES).all(|attribute| {
        attribute.is_ok_and(|attribute| {
            let value = attribute.value.as_ref();
            is_name(attribute.key.as_ref())
                && !value.contains('<')
                && unescape_with(value, resolve_xml_entity).is_ok_and(|value| value.chars().all(is_xml_character))
        })
    });
    is_name(tag.name().as_ref()) && checked && attributes.next().is_none()
}

fn is_reference(reference: &BytesRef<'_>) -> bool {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => is_xml_character(character),
        Ok(None) => resolve_xml_entity(reference).is_some(),
        Err(_) => false,
    }
}
