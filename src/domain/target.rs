//! The request target, read strictly once.
//!
//! ClickBank's service is lenient: it strips path parameters, decodes, and takes the first of repeated parameters. So
//! only a target that reads the same to everybody is accepted, and what goes upstream is written anew from the reading.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

/// The most characters of a target, ClickBank's own bound (*ClickBank API Specifications*, article 10535397).
pub const MAX_TARGET_LENGTH: usize = 2_000;

/// What every path of ClickBank's API begins with.
pub const API_PREFIX: &str = "/rest/1.3";

/// Why a target was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// Longer than [`MAX_TARGET_LENGTH`].
    #[error("the target is longer than {MAX_TARGET_LENGTH} characters")]
    TooLong,
    /// Absolute-form, authority-form or asterisk-form (RFC 9112 §3.2).
    #[error("the target has to be a path that begins with one `/`")]
    NotOriginForm,
    /// `//`, or a second slash at the end.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`.
    #[error("the path has a dot segment")]
    DotSegment,
    /// Percent signs, semicolons, backslashes, control characters, anything not ASCII, and the like.
    #[error(
        "the path has a character other than letters, digits, `-`, `_`, `.` and `~`; ClickBank's paths need no others and no percent-encoding"
    )]
    PathCharacter,
    /// `/@…` that is not a nickname.
    #[error("what follows `/@` is not a nickname")]
    BaseNickname,
    /// A character that has to be percent-encoded in a query.
    #[error("the query has a character that has to be percent-encoded, or a `;` or `#`")]
    QueryCharacter,
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the query has a percent-encoding that does not decode to UTF-8")]
    QueryEncoding,
    /// A pair without a name, without `=`, or nothing between two `&`.
    #[error("the query has a part that is not `name=value`")]
    QueryPair,
}

/// A path that reads the same to everybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Path<'a> {
    /// The nickname in a base path `/@nickname`.
    pub base_nickname: Option<&'a str>,
    /// The segments after `/rest/1.3`; `None` when the path is not below it.
    pub segments: Option<Vec<&'a str>>,
}

/// Shows how many segments there are: a caller may have put anything there.
impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Path").field("segments", &self.segments.as_ref().map(Vec::len)).finish_non_exhaustive()
    }
}

/// Splits a target at its first `?`, if it is in origin-form and not too long.
///
/// # Errors
/// When it is not, or is.
pub fn split(target: &str) -> Result<(&str, Option<&str>), TargetError> {
    if target.len() > MAX_TARGET_LENGTH {
        return Err(TargetError::TooLong);
    }
    if !target.starts_with('/') {
        return Err(TargetError::NotOriginForm);
    }
    Ok(target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query))))
}

/// Reads a path. One trailing slash is tolerated, as ClickBank does.
///
/// # Errors
/// When the path could be read in more than one way.
pub fn read_path(path: &str) -> Result<Path<'_>, TargetError> {
    let rest = path.strip_prefix('/').ok_or(TargetError::NotOriginForm)?;
    let (base_nickname, rest) = match rest.strip_prefix('@') {
        None => (None, rest),
        Some(rest) => {
            let (nickname, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let valid = !nickname.is_empty() && nickname.bytes().all(|byte| byte.is_ascii_alphanumeric());
            (Some(valid.then_some(nickname).ok_or(TargetError::BaseNickname)?), rest)
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Ok(Path { base_nickname, segments: None });
    }
    let mut segments = Vec::with_capacity(8);
    for segment in rest.split('/') {
        match segment {
            "" => return Err(TargetError::EmptySegment),
            "." | ".." => return Err(TargetError::DotSegment),
            _ if !segment.bytes().all(is_unreserved) => return Err(TargetError::PathCharacter),
            _ => segments.push(segment),
        }
    }
    let below = matches!(segments.get(..2), Some(["rest", "1.3"])) && segments.len() > 2;
    Ok(Path { base_nickname, segments: below.then(|| segments.split_off(2)) })
}

/// RFC 3986 §2.3.
#[inline]
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Reads a query into decoded pairs. `+` stands for a space, as in forms. Names are not decoded: none needs it, so an
/// encoded one is another name.
///
/// Each pair that could be read in more than one way comes as an error.
pub fn read_query(query: &str) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), TargetError>> {
    let mut rest = Some(query).filter(|query| !query.is_empty());
    std::iter::from_fn(move || {
        // By bytes: for texts this short, searching by character takes several times as long.
        let (pair, others) = match rest?.bytes().position(|byte| byte == b'&') {
            Some(end) => rest?.split_at(end),
            None => (rest?, ""),
        };
        rest = others.get(1..);
        Some(read_pair(pair))
    })
}

fn read_pair(pair: &str) -> Result<(&str, Cow<'_, str>), TargetError> {
    let equals = pair.bytes().position(|byte| byte == b'=').filter(|equals| *equals > 0);
    let (name, value) = pair.split_at(equals.ok_or(TargetError::QueryPair)?);
    if !pair.bytes().all(is_query_byte) {
        return Err(TargetError::QueryCharacter);
    }
    Ok((name, decode(value.get(1..).unwrap_or_default())?))
}

/// RFC 3986 §3.4 without `;`, which some servers take as a separator.
#[inline]
const fn is_query_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'%' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' | b'/' | b'?'
        )
}

fn decode(value: &str) -> Result<Cow<'_, str>, TargetError> {
    if !value.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(value));
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or(TargetError::QueryEncoding)?;
                u8::try_from(high * 16 + low).map_err(|_| TargetError::QueryEncoding)?
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| TargetError::QueryEncoding)
}

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Appends `name=value` to a target that is being written, with the separator that it needs.
pub fn write_pair(target: &mut String, name: &str, value: &str) {
    let separator = if target.contains('?') { '&' } else { '?' };
    let encode = |text| utf8_percent_encode(text, ENCODED);
    // Writing to a String cannot fail.
    let _ = write!(target, "{separator}{}={}", encode(name), encode(value));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_could_be_misread_are_refused() {
        for (path, expected) in [
            ("rest/1.3/x", TargetError::NotOriginForm),
            ("//rest/1.3/x", TargetError::EmptySegment),
            ("/rest//1.3/x", TargetError::EmptySegment),
            ("/rest/1.3/x//", TargetError::EmptySegment),
            ("/rest/1.3/../x", TargetError::DotSegment),
            ("/rest/1.3/./x", TargetError::DotSegment),
            ("/rest/1.3/%2e%2e/x", TargetError::PathCharacter),
            ("/rest/1.3/x;a=b", TargetError::PathCharacter),
            ("/rest/1.3/x\\y", TargetError::PathCharacter),
            ("/rest/1.3/x%00", TargetError::PathCharacter),
            ("/rest/1.3/caf\u{e9}", TargetError::PathCharacter),
            ("/rest/1.3/@acme", TargetError::PathCharacter),
            ("/@/rest/1.3/x", TargetError::BaseNickname),
            ("/@ac-me/rest/1.3/x", TargetError::BaseNickname),
            ("/@acme//rest/1.3/x", TargetError::EmptySegment),
        ] {
            assert_eq!(read_path(path), Err(expected), "{path}");
        }
    }

    #[test]
    fn a_path_is_split_into_what_the_catalogue_is_asked_for() {
        let read = |path| read_path(path).unwrap();
        assert_eq!(read("/rest/1.3/orders2/list").segments.unwrap(), ["orders2", "list"]);
        assert_eq!(read("/rest/1.3/orders2/list/"), read("/rest/1.3/orders2/list"));
        assert_eq!(read("/@Acme/rest/1.3/debug").base_nickname, Some("Acme"));
        for outside in
            ["/", "/rest", "/rest/1.3", "/rest/1.3/", "/rest/1.2/orders2/list", "/@acme", "/@acme/", "/REST/1.3/x"]
        {
            assert_eq!(read(outside).segments, None, "{outside}");
        }
    }

    #[test]
    fn queries_that_could_be_misread_are_refused() {
        for (query, expected) in [
            ("a", TargetError::QueryPair),
            ("a=1&", TargetError::QueryPair),
            ("&a=1", TargetError::QueryPair),
            ("a=1&&b=2", TargetError::QueryPair),
            ("=1", TargetError::QueryPair),
            ("a=1;b=2", TargetError::QueryCharacter),
            ("a=#", TargetError::QueryCharacter),
            ("a=\\", TargetError::QueryCharacter),
            ("a=caf\u{e9}", TargetError::QueryCharacter),
            ("a=%", TargetError::QueryEncoding),
            ("a=%4", TargetError::QueryEncoding),
            ("a=%zz", TargetError::QueryEncoding),
            ("a=%+1", TargetError::QueryEncoding),
            ("a=%ff", TargetError::QueryEncoding),
            ("a=%c0%af", TargetError::QueryEncoding),
        ] {
            assert_eq!(read_query(query).find_map(Result::err), Some(expected), "{query}");
        }
        assert_eq!(read_query("").count(), 0);
    }

    #[test]
    fn values_are_decoded_once() {
        let read = |query| read_query(query).next().unwrap().unwrap().1.into_owned();
        assert_eq!(read("a=b=c"), "b=c");
        assert_eq!(read("a=x+y%20z%2B"), "x y z+");
        assert_eq!(read("a=%2525"), "%25");
        assert_eq!(read("a=caf%C3%A9"), "caf\u{e9}");
        assert_eq!(read("a="), "");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_it_was(name in "[A-Za-z0-9]{1,12}", values in prop::collection::vec(any::<String>(), 1..4)) {
            let mut target = String::from("/rest/1.3/x");
            for value in &values {
                write_pair(&mut target, &name, value);
            }
            let query = target.split_once('?').unwrap().1;
            let read: Vec<_> = read_query(query).map(|pair| pair.unwrap().1.into_owned()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn no_input_makes_the_readers_panic(text in any::<String>()) {
            let _ = split(&text);
            let _ = read_path(&text);
            let _ = read_query(&text).count();
        }
    }
}
