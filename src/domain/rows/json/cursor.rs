//! The tokens of JSON (RFC 8259), with their places.

use std::borrow::Cow;

use crate::domain::rows::Unreadable;

/// A place in a body.
pub(super) struct Cursor<'a> {
    body: &'a str,
    at: usize,
}

/// A string, as it is written.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    raw: &'a str,
    at: usize,
    escaped: bool,
}

/// A value without parts that is no string.
pub(super) enum Scalar {
    Null,
    Other,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(body: &'a str) -> Self {
        Self { body, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.body.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The byte that stands here.
    pub(super) fn peek(&self) -> Option<u8> {
        self.body.as_bytes().get(self.at).copied()
    }

    /// Goes on to what is no white space, and says where that is.
    pub(super) fn skip_space(&mut self) -> usize {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at
    }

    fn take(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() != Some(byte) {
            return Err(Unreadable);
        }
        self.at += 1;
        Ok(())
    }

    /// Goes into an object or array. `true` when there is something in it; otherwise it is behind us.
    pub(super) fn open(&mut self, opens: u8, closes: u8) -> Result<bool, Unreadable> {
        self.take(opens)?;
        let first = self.at;
        self.skip_space();
        if self.peek() == Some(closes) {
            self.at += 1;
            return Ok(false);
        }
        // The white space is that of the first thing in it.
        self.at = first;
        Ok(true)
    }

    /// Whether an object stands here that has nothing in it.
    pub(super) fn is_empty_object(&self) -> bool {
        matches!(Self { body: self.body, at: self.at }.open(b'{', b'}'), Ok(false))
    }

    /// Goes on behind a comma (`true`) or the end of the object or array.
    pub(super) fn comma_or(&mut self, closes: u8) -> Result<bool, Unreadable> {
        self.skip_space();
        let next = self.peek();
        if next != Some(b',') && next != Some(closes) {
            return Err(Unreadable);
        }
        self.at += 1;
        Ok(next == Some(b','))
    }

    /// The key of a member, up to behind its colon.
    pub(super) fn name(&mut self) -> Result<Text<'a>, Unreadable> {
        self.skip_space();
        let name = self.text()?;
        self.skip_space();
        self.take(b':')?;
        Ok(name)
    }

    /// A string.
    pub(super) fn text(&mut self) -> Result<Text<'a>, Unreadable> {
        let at = self.at;
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
            self.at += self.rest().iter().position(special).ok_or(Unreadable)?;
            match self.rest() {
                [b'"', ..] => break,
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
                [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
                    self.at += 6;
                }
                _ => return Err(Unreadable),
            }
            escaped = true;
        }
        let raw = self.body.get(start..self.at).ok_or(Unreadable)?;
        self.at += 1;
        Ok(Text { raw, at, escaped })
    }

    /// The string that was read there.
    pub(super) fn text_at(&self, at: usize) -> Option<Text<'a>> {
        Self { body: self.body, at }.text().ok()
    }

    /// A value without parts that is no string.
    pub(super) fn scalar(&mut self) -> Result<Scalar, Unreadable> {
        let rest = self.rest();
        let length =
            rest.iter().position(|byte| !matches!(byte, b'a'..=b'z' | b'E' | b'0'..=b'9' | b'+' | b'-' | b'.'));
        let token = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        self.at += token.len();
        match token {
            b"null" => Ok(Scalar::Null),
            b"true" | b"false" => Ok(Scalar::Other),
            number if is_number(number) => Ok(Scalar::Other),
            _ => Err(Unreadable),
        }
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Unreadable> {
        self.skip_space();
        if self.peek().is_none() { Ok(()) } else { Err(Unreadable) }
    }
}

/// RFC 8259 §6.
fn is_number(token: &[u8]) -> bool {
    let digits = |token: &[u8]| token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let after_digits = |token: &'_ [u8]| -> Option<usize> { Some(digits(token)).filter(|count| *count > 0) };
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let whole = if rest.first() == Some(&b'0') { Some(1) } else { after_digits(rest) };
    let Some(whole) = whole else { return false };
    rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let Some(count) = after_digits(fraction) else { return false };
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = if let [b'+' | b'-', digits @ ..] = exponent { digits } else { exponent };
        let Some(count) = after_digits(exponent) else { return false };
        rest = exponent.get(count..).unwrap_or_default();
    }
    rest.is_empty()
}

impl<'a> Text<'a> {
    /// Where it begins.
    pub(super) const fn at(self) -> usize {
        self.at
    }

    /// What it means, and whether it means that to every reader: half of a surrogate pair is no character, and becomes
    /// U+FFFD here.
    pub(super) fn decoded(self) -> (Cow<'a, str>, bool) {
        if !self.escaped {
            return (Cow::Borrowed(self.raw), true);
        }
        let (mut text, mut exact) = (String::with_capacity(self.raw.len()), true);
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            text.push_str(plain);
            let (character, length) = escaped(escape);
            text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            exact &= character.is_some();
            rest = escape.get(length..).unwrap_or_default();
        }
        text.push_str(rest);
        (Cow::Owned(text), exact)
    }
}

/// The character of an escape, which is given without its backslash, and how long that is.
fn escaped(escape: &str) -> (Option<char>, usize) {
    let unit = |digits: Option<&str>| digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match escape.as_bytes().first() {
        Some(b'u') => {
            let first = unit(escape.get(1..5)).unwrap_or_default();
            if let Some(character) = char::from_u32(first) {
                return (Some(character), 5);
            }
            let second = escape.get(5..11).and_then(|second| unit(second.strip_prefix("\\u")));
            match second {
                Some(second @ 0xdc00..=0xdfff) if first < 0xdc00 => {
                    (char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)), 11)
                }
                _ => (None, 5),
            }
        }
        Some(b'b') => (Some('\u{8}'), 1),
        Some(b'f') => (Some('\u{c}'), 1),
        Some(b'n') => (Some('\n'), 1),
        Some(b'r') => (Some('\r'), 1),
        Some(b't') => (Some('\t'), 1),
        Some(byte) => (Some(char::from(*byte)), 1),
        None => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_mean_what_they_mean_to_every_reader_or_are_told_apart() {
        for (json, text, exact) in [
            (r#""""#, "", true),
            (r#""a b""#, "a b", true),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t", true),
            (r#""\u0061\u00E9\u2603x""#, "a\u{e9}\u{2603}x", true),
            (r#""\ud83d\ude00""#, "\u{1f600}", true),
            (r#""\udbff\udfff""#, "\u{10ffff}", true),
            (r#""\ud83d""#, "\u{fffd}", false),
            (r#""\ud83dx""#, "\u{fffd}x", false),
            (r#""\ud83d\n""#, "\u{fffd}\n", false),
            (r#""\ud83d\u0061""#, "\u{fffd}a", false),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}", false),
            (r#""\ude00\ude00""#, "\u{fffd}\u{fffd}", false),
            (r#""\ud83d\u{2603}""#, "\u{fffd}\u{2603}", false),
        ] {
            let json = json.replace(r"\u{2603}", "\u{2603}");
            let mut cursor = Cursor::new(&json);
            let decoded = cursor.text().map(Text::decoded).ok();
            assert_eq!(decoded, Some((Cow::Borrowed(text), exact)), "{json}");
            assert_eq!(cursor.at(), json.len(), "{json}");
        }
    }

    #[test]
    fn values_are_scalars_only_as_a_whole() {
        for (text, fits) in [
            ("null", true),
            ("true", true),
            ("false", true),
            ("0", true),
            ("-0", true),
            ("10.25", true),
            ("1e9", true),
            ("-1.5E-07", true),
            ("1E+9", true),
            ("", false),
            ("nul", false),
            ("nulls", false),
            ("True", false),
            ("-", false),
            ("+1", false),
            ("01", false),
            (".5", false),
            ("1.", false),
            ("1.e5", false),
            ("1e", false),
            ("1e+", false),
            ("1-2", false),
            ("0x10", false),
        ] {
            let mut cursor = Cursor::new(text);
            assert_eq!(cursor.scalar().is_ok() && cursor.at() == text.len(), fits, "{text}");
            // And whoever judges answers agrees.
            assert_eq!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), fits, "{text}");
        }
    }
}
