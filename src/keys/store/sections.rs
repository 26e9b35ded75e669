//! A key file as pieces of text: where each `[header]` stands, and where what it holds ends.
//!
//! So an edit reads and writes the tables of one key alone, however many keys there are, and all other bytes of the file
//! stay as they are because nothing touches them. That the text is TOML at all is for the configuration's reader to say.

use std::borrow::Cow;
use std::ops::Range;

use toml_edit::Key;

/// A `[header]` and what stands below it, up to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// Where the line of the header begins.
    pub(crate) start: usize,
    /// Where the header's line ends.
    header_end: usize,
    /// Where the next header's line begins, or the text ends.
    pub(crate) end: usize,
}

impl Section {
    /// Where it stands.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The header's names, if it is one of a table.
    pub(crate) fn path(&self, text: &str) -> Option<Vec<String>> {
        let header = text.get(self.start..self.header_end)?.trim_start().strip_prefix('[')?;
        let end = header_end(header)?;
        let names = Key::parse(header.get(..end)?).ok()?;
        Some(names.into_iter().map(|name| name.get().to_owned()).collect())
    }

    /// The name behind `keys.` in the header of one of a key's tables.
    pub(crate) fn key_name<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let header = text.get(self.start..self.header_end)?;
        // As nearly all of them are written.
        let name = header.strip_prefix("[keys.")?;
        let bare = name.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')))?;
        if bare > 0 && matches!(name.as_bytes().get(bare), Some(b'.' | b']')) {
            return name.get(..bare).map(Cow::Borrowed);
        }
        let mut path = self.path(text)?.into_iter();
        if path.next()? != "keys" {
            return None;
        }
        path.next().map(Cow::Owned)
    }

    /// Whether the header can be about this name. Names of keys are written out in any header.
    pub(crate) fn mentions(&self, text: &str, name: &str) -> bool {
        text.get(self.start..self.header_end).is_some_and(|header| header.contains(name))
    }
}

/// Where the bracket stands that ends a header's names.
fn header_end(header: &str) -> Option<usize> {
    let mut scanner = Scanner { bytes: header.as_bytes(), at: 0, depth: 0 };
    while let Some(byte) = scanner.peek() {
        if byte == b']' {
            return Some(scanner.at);
        }
        scanner.step();
    }
    None
}

/// All sections, in order. What stands above the first one belongs to none.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, depth: 0 };
    let mut sections: Vec<Section> = Vec::new();
    if text.starts_with('\u{feff}') {
        scanner.at = '\u{feff}'.len_utf8();
    }
    while scanner.at < text.len() {
        let start = scanner.at;
        while matches!(scanner.peek(), Some(b' ' | b'\t')) {
            scanner.at += 1;
        }
        let is_header = scanner.peek() == Some(b'[');
        scanner.depth = 0;
        loop {
            scanner.skip_plain();
            match scanner.peek() {
                None => break,
                Some(b'\n') if scanner.depth == 0 => {
                    scanner.at += 1;
                    break;
                }
                Some(_) => scanner.step(),
            }
        }
        if is_header {
            if let Some(last) = sections.last_mut() {
                last.end = start;
            }
            sections.push(Section { start, header_end: scanner.at, end: text.len() });
        }
    }
    sections
}

/// Goes through TOML, over whole strings and comments at a time.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many brackets and braces are open.
    depth: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Goes on to what begins or ends something.
    fn skip_plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let plain = |byte: &u8| !matches!(byte, b'\n' | b'#' | b'"' | b'\'' | b'[' | b']' | b'{' | b'}');
        self.at += rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
    }

    fn rest_starts_with(&self, text: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    fn step(&mut self) {
        match self.peek() {
            Some(b'#') => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                return;
            }
            Some(quote @ (b'"' | b'\'')) => return self.string(quote),
            Some(b'[' | b'{') => self.depth += 1,
            Some(b']' | b'}') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.at += 1;
    }

    fn string(&mut self, quote: u8) {
        let three = [quote; 3];
        let long = self.rest_starts_with(&three);
        self.at += if long { 3 } else { 1 };
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at +=
                rest.iter().position(|byte| matches!(byte, b'\\' | b'\n') || *byte == quote).unwrap_or(rest.len());
            let Some(byte) = self.peek() else { return };
            match byte {
                b'\\' if quote == b'"' => self.at += 2,
                b'\n' if !long => return,
                _ if byte == quote && !long => {
                    self.at += 1;
                    return;
                }
                _ if byte == quote && self.rest_starts_with(&three) => {
                    self.at += 3;
                    // Up to two quotes more are the string's last characters.
                    while self.peek() == Some(quote) {
                        self.at += 1;
                    }
                    return;
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> Vec<(Vec<String>, &str)> {
        sections(text).iter().map(|section| (section.path(text).unwrap_or_default(), &text[section.range()])).collect()
    }

    #[test]
    fn a_header_is_found_where_one_stands_and_nowhere_else() {
        let text = "\u{feff}# [keys.comment]\nx = 1\n  [keys.a] # ]\nid = '[keys.no]'\nlist = [\n  \"a\", # ]\n[\"b\"],\n]\n\
                    long = \"\"\"\n[keys.text]\n\\\"\"\"\"\"\n[ keys . \"b.]c\" ]\r\nother = '''\n[keys.c]'''\n\n[keys.d.grants]";
        let found = headers(text);
        let paths: Vec<String> = found.iter().map(|(path, _)| path.join("|")).collect();
        assert_eq!(paths, ["keys|a", "keys|b.]c", "keys|d|grants"]);
        assert!(found[0].1.starts_with("  [keys.a]") && found[0].1.ends_with("\\\"\"\"\"\"\n"), "{found:?}");
        assert!(found[1].1.ends_with("'''\n\n"));
        assert_eq!(found[2].1, "[keys.d.grants]");
    }

    #[test]
    fn whatever_the_text_the_sections_follow_on_each_other() {
        for text in ["", "[", "[a", "\"", "'''", "[a]\n[b", "a = [\n[b]\n", "\\", "[\"\\", "[[a]]\n[b]\n", "]]\n[a]"] {
            let sections = sections(text);
            for pair in sections.windows(2) {
                assert_eq!(pair[0].end, pair[1].start, "{text:?}");
            }
            assert!(sections.last().is_none_or(|last| last.end == text.len()), "{text:?}");
            assert!(sections.iter().all(|section| text.get(section.range()).is_some()), "{text:?}");
            for section in &sections {
                let _ = section.path(text);
            }
        }
    }
}
