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
/// How long a reference may be, without `&` and `;`. Leading zeros can make one as long as they like, and the search for a
/// secret does not follow.
const MAX_REFERENCE: usize = 16;
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

/// Whether a body is nothing but what may be bare.
#[must_use]
pub fn is_bare(bare: Bare, text: &str) -> bool {
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
            // A document type could declare entities, and defaults for what is not there. Instructions are for programs
            // that ClickBank cannot know, and readers join the text around them, as the search for a secret does not.
            Event::PI(_) | Event::DocType(_) => false,
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
                && value.split('&').skip(1).all(|rest| rest.bytes().take(MAX_REFERENCE + 1).any(|byte| byte == b';'))
                && unescape_with(value, resolve_xml_entity).is_ok_and(|value| value.chars().all(is_xml_character))
        })
    });
    is_name(tag.name().as_ref()) && checked && attributes.next().is_none()
}

fn is_reference(reference: &BytesRef<'_>) -> bool {
    if reference.len() > MAX_REFERENCE {
        return false;
    }
    match reference.resolve_char_ref() {
        Ok(Some(character)) => is_xml_character(character),
        Ok(None) => resolve_xml_entity(reference).is_some(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Flaw::{MalformedJson, MalformedText, MalformedXml, NestedTooDeep, NotUtf8};
    use super::*;

    fn told(media: Media, body: impl AsRef<[u8]>) -> Result<(), Flaw> {
        judge(media, End::Told, Bare::Count, body.as_ref())
    }

    /// So many opened, and closed again.
    fn nested(open: &str, close: &str, depth: usize) -> String {
        open.repeat(depth) + &close.repeat(depth)
    }

    fn attributes(number: usize) -> String {
        (0..number).fold(String::new(), |text, number| text + &format!(" a{number}='x'"))
    }

    #[test]
    fn what_clickbank_sends_is_well_formed() {
        let attributes = attributes(MAX_ATTRIBUTES);
        for (media, body) in [
            (Media::Json, ""),
            (Media::Json, "null"),
            (Media::Json, "12"),
            (Media::Json, " [] \r\n"),
            (Media::Json, r#"{"orderData":{"receipt":"A","affiliate":{"@nil":"true"},"note":"\ud83d [[[{{{ \" \\"}}"#),
            (Media::Json, &nested("[", "]", MAX_NESTING)),
            (Media::Json, &format!("[{}]", nested("[", "],", 63).trim_end_matches(',').to_owned().replace("],", "]"))),
            (Media::Xml, ""),
            (Media::Xml, "12"),
            (Media::Xml, " 12\n"),
            (Media::Xml, "<a/>"),
            (Media::Xml, "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<a/>\n"),
            (
                Media::Xml,
                "<?xml version='1.0' encoding='us-ascii'?><!-- c --><a b='&lt;&#xe9;' xmlns:c='d'><c:e>&amp;&#10;</c:e></a>",
            ),
            (Media::Xml, "<a b='&#000000000000065;&amp;'>&#000000000000065;</a>"),
            (Media::Xml, "<a><![CDATA[<b>&undefined;]]>\u{e9}</a >"),
            (Media::Xml, &nested("<a>", "</a>", MAX_NESTING)),
            (Media::Xml, &format!("<a{attributes}/>")),
            (Media::Text, ""),
            (Media::Text, "Access is denied\r\n\t\u{e9}"),
        ] {
            assert_eq!(told(media, body), Ok(()), "{media:?} {body}");
        }
    }

    #[test]
    fn what_is_not_what_it_says_it_is_is_told() {
        let attributes = attributes(MAX_ATTRIBUTES + 1);
        let deep_json = nested("[", "]", MAX_NESTING + 1);
        let (deep_xml, deep_empty) =
            (nested("<a>", "</a>", 65), format!("{}<a/>{}", "<a>".repeat(64), "</a>".repeat(64)));
        let deepest = nested("{\"a\":", "}", 1_000_000).replace(":}", ":1}");
        let many = format!("<a{attributes}/>");
        let cases: Vec<(Media, &[u8], Flaw)> = vec![
            (Media::Json, b" ", MalformedJson),
            (Media::Json, b"{", MalformedJson),
            (Media::Json, b"{}{}", MalformedJson),
            (Media::Json, b"{}x", MalformedJson),
            (Media::Json, b"[1,]", MalformedJson),
            (Media::Json, b"{a:1}", MalformedJson),
            (Media::Json, b"['a']", MalformedJson),
            (Media::Json, b"NaN", MalformedJson),
            (Media::Json, b"012a", MalformedJson),
            (Media::Json, b"\"a\nb\"", MalformedJson),
            (Media::Json, b"\"\\x\"", MalformedJson),
            (Media::Json, b"\xef\xbb\xbf{}", MalformedJson),
            (Media::Json, b"<a/>", MalformedJson),
            (Media::Json, b"book-2", MalformedJson),
            (Media::Json, b"\"\xe9\"", NotUtf8),
            (Media::Json, b"\"\xed\xa0\x80\"", NotUtf8),
            (Media::Json, b"\xff\xfe{\0}\0", NotUtf8),
            (Media::Json, deep_json.as_bytes(), NestedTooDeep),
            (Media::Json, deepest.as_bytes(), NestedTooDeep),
            (Media::Xml, b" ", MalformedXml),
            (Media::Xml, b"x", MalformedXml),
            (Media::Xml, b"{}", MalformedXml),
            (Media::Xml, b"<a>", MalformedXml),
            (Media::Xml, b"<a", MalformedXml),
            (Media::Xml, b"<a></b>", MalformedXml),
            (Media::Xml, b"<a></A>", MalformedXml),
            (Media::Xml, b"<a/><b/>", MalformedXml),
            (Media::Xml, b"<a/></a>", MalformedXml),
            (Media::Xml, b"<a/>x", MalformedXml),
            (Media::Xml, b"x<a/>", MalformedXml),
            (Media::Xml, b"<a/>&amp;", MalformedXml),
            (Media::Xml, b"<![CDATA[x]]><a/>", MalformedXml),
            (Media::Xml, b"<!-- only -->", MalformedXml),
            (Media::Xml, b"<a><!-- a -- b --></a>", MalformedXml),
            (Media::Xml, b"<a>]]></a>", MalformedXml),
            (Media::Xml, b"<a>&nbsp;</a>", MalformedXml),
            (Media::Xml, b"<a>&#0;</a>", MalformedXml),
            (Media::Xml, b"<a>&#xffff;</a>", MalformedXml),
            (Media::Xml, b"<a>& b</a>", MalformedXml),
            (Media::Xml, b"<a b='&c;'/>", MalformedXml),
            (Media::Xml, b"<a b='<'/>", MalformedXml),
            (Media::Xml, b"<a b='1' b='2'/>", MalformedXml),
            (Media::Xml, b"<a b=1/>", MalformedXml),
            (Media::Xml, b"<a b/>", MalformedXml),
            (Media::Xml, b"<1/>", MalformedXml),
            (Media::Xml, b"<a\x01/>", MalformedXml),
            (Media::Xml, b"<a>\x00</a>", MalformedXml),
            (Media::Xml, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", MalformedXml),
            (Media::Xml, b"<!DOCTYPE a><a/>", MalformedXml),
            (Media::Xml, b"<a/><?xml version='1.0'?>", MalformedXml),
            (Media::Xml, b"<a>b<?p?>c</a>", MalformedXml),
            (Media::Xml, b"<?p <!-- ?><a/>", MalformedXml),
            (Media::Xml, b"<a>&#00000000000000065;</a>", MalformedXml),
            (Media::Xml, b"<a b='&lt;&#00000000000000065;'/>", MalformedXml),
            (Media::Xml, b" <?xml version='1.0'?><a/>", MalformedXml),
            (Media::Xml, b"<?xml version='1.1'?><a/>", MalformedXml),
            (Media::Xml, b"<?xml version='1.0' encoding='UTF-7'?><a/>", MalformedXml),
            (Media::Xml, b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", MalformedXml),
            (Media::Xml, b"<a>\xe9</a>", NotUtf8),
            (Media::Xml, many.as_bytes(), MalformedXml),
            (Media::Xml, deep_xml.as_bytes(), NestedTooDeep),
            (Media::Xml, deep_empty.as_bytes(), NestedTooDeep),
            (Media::Text, b"a\0b", MalformedText),
            (Media::Text, b"\x1b[2J", MalformedText),
            (Media::Text, "\u{9b}2J".as_bytes(), MalformedText),
            (Media::Text, b"\xe9", NotUtf8),
        ];
        for (media, body, flaw) in cases {
            let shown: String = String::from_utf8_lossy(body).chars().take(80).collect();
            assert_eq!(told(media, body), Err(flaw), "{media:?} {shown}");
        }
    }

    #[test]
    fn a_name_may_stand_alone_in_the_answer_to_a_change() {
        for media in [Media::Json, Media::Xml] {
            assert_eq!(judge(media, End::Told, Bare::Name, b"book-2"), Ok(()));
            for body in ["book 2", "<book-2", "{", &"x".repeat(MAX_NAME + 1)] {
                assert!(judge(media, End::Told, Bare::Name, body.as_bytes()).is_err(), "{body}");
            }
        }
    }

    #[test]
    fn where_the_end_is_not_told_only_what_closes_itself_is_known_to_be_whole() {
        for (media, body, whole) in [
            (Media::Json, "{\"a\":1}", true),
            (Media::Json, "[1]\n", true),
            (Media::Json, "\"1\"", true),
            (Media::Json, "null", true),
            (Media::Json, "12", false),
            (Media::Json, "1.5e1", false),
            (Media::Json, "-1\n", false),
            (Media::Json, "", false),
            (Media::Xml, "<a/>", true),
            (Media::Xml, "12", false),
            (Media::Xml, "", false),
            (Media::Text, "Access is den", false),
            (Media::Text, "", false),
        ] {
            let expected = if whole { Ok(()) } else { Err(Flaw::PerhapsBrokenOff) };
            assert_eq!(judge(media, End::Closed, Bare::Count, body.as_bytes()), expected, "{body}");
            assert_eq!(told(media, body), Ok(()), "{body}");
        }
        // Of a whole one no beginning passes.
        for (media, body) in [
            (Media::Json, "{\"a\":[1,\"b\\\\\",null]}"),
            (Media::Xml, "<?xml version='1.0'?><a b='c'><d>e&amp;</d><!-- f --></a>"),
        ] {
            for end in 0..body.len() {
                let judged = judge(media, End::Closed, Bare::Count, &body.as_bytes()[..end]);
                assert!(judged.is_err(), "{}", &body[..end]);
            }
        }
    }
}
