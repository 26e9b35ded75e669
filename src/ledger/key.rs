//! The key under which a caller asks for a change once, and the fingerprint of what it asked for.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use thiserror::Error;
use zeroize::Zeroizing;

/// The value of an `Idempotency-Key` header.
///
/// The draft makes it a Structured-Field string, which stands in quotes. Most clients send it without. Both forms are
/// read, and mean the same key. People put order numbers and addresses into it, so it is not printed.
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07#section-2.1>)
#[derive(Clone)]
pub struct IdempotencyKey(Zeroizing<String>);

/// Why a header value is not an idempotency key. It never repeats the value.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdempotencyKeyError {
    /// Nothing, or nothing within the quotes.
    #[error("it is empty")]
    Empty,
    /// More characters than a key may have.
    #[error("it is longer than {} characters", IdempotencyKey::MAX_LENGTH)]
    TooLong,
    /// A quote without its counterpart, or a `\` before anything but `"` and `\`.
    #[error("a quote is not closed, or `\\` stands before another character than `\"` and `\\`")]
    Quoting,
    /// Something behind the closing quote, as the parameters that the draft does not know, or a second key.
    #[error("something follows the closing quote")]
    Trailing,
    /// A character that no key may have.
    #[error("it has a character that is not visible ASCII")]
    Character,
    /// A character that is clear in quotes only.
    #[error("a space, `\"`, `\\` or `,` is allowed within quotes only")]
    NeedsQuotes,
}

impl IdempotencyKey {
    /// The most characters of a key, without its quotes and escapes.
    pub const MAX_LENGTH: usize = 255;

    /// Reads the value of the one `Idempotency-Key` header of a request.
    ///
    /// In quotes, a key has the characters of a string of RFC 9651 §3.3.3: visible ASCII and space, with `\"` and `\\`
    /// for these two. Without quotes, it has visible ASCII but `"`, `\` and `,`: what a proxy makes of two headers is
    /// no key.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn parse(value: &[u8]) -> Result<Self, IdempotencyKeyError> {
        let value = value.trim_ascii();
        let key = match value.split_first() {
            Some((b'"', rest)) => unquoted(rest)?,
            _ => bare(value)?,
        };
        match key.len() {
            0 => Err(IdempotencyKeyError::Empty),
            1..=Self::MAX_LENGTH => Ok(Self(key)),
            _ => Err(IdempotencyKeyError::TooLong),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn bare(value: &[u8]) -> Result<Zeroizing<String>, IdempotencyKeyError> {
    let mut key = Zeroizing::new(String::with_capacity(value.len()));
    for byte in value {
        match byte {
            b' ' | b'"' | b'\\' | b',' => return Err(IdempotencyKeyError::NeedsQuotes),
            _ if byte.is_ascii_graphic() => key.push(char::from(*byte)),
            _ => return Err(IdempotencyKeyError::Character),
        }
    }
    Ok(key)
}

/// Reads what follows an opening quote.
fn unquoted(value: &[u8]) -> Result<Zeroizing<String>, IdempotencyKeyError> {
    let mut key = Zeroizing::new(String::with_capacity(value.len()));
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if bytes.as_slice().is_empty() => return Ok(key),
            b'"' => return Err(IdempotencyKeyError::Trailing),
            b'\\' => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => key.push(char::from(*escaped)),
                _ => return Err(IdempotencyKeyError::Quoting),
            },
            b' '..=b'~' => key.push(char::from(*byte)),
            _ => return Err(IdempotencyKeyError::Character),
        }
    }
    Err(IdempotencyKeyError::Quoting)
}

impl PartialEq for IdempotencyKey {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.bytes(), other.bytes()).is_ok()
    }
}

impl Eq for IdempotencyKey {}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(***)")
    }
}

/// What was asked for, as a digest: two requests under one key have to be the same one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; digest::SHA256_OUTPUT_LEN]);

impl Fingerprint {
    pub(super) const LENGTH: usize = digest::SHA256_OUTPUT_LEN;

    /// Digests everything that tells one request from another, such as method, target and nickname. Where one part ends
    /// and the next begins counts.
    #[must_use]
    pub fn of<Part: AsRef<[u8]>>(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"clickbank-gateway ledger request 1\0");
        for part in parts {
            let part = part.as_ref();
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; Self::LENGTH];
        for (byte, digested) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *byte = *digested;
        }
        Self(bytes)
    }

    pub(super) const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

/// A target can be guessed from its digest.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        for (value, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (" \"refund 1\"\t", "refund 1"),
            (r#""a\"b\\c,d""#, r#"a"b\c,d"#),
            ("a;b=c", "a;b=c"),
        ] {
            assert_eq!(IdempotencyKey::parse(value.as_bytes()).unwrap().bytes(), key.as_bytes(), "{value}");
        }
        let parse = |value: &str| IdempotencyKey::parse(value.as_bytes()).unwrap();
        assert!(parse("\"k\"") == parse("k"));
        assert!(parse("k") != parse("K"));
    }

    #[test]
    fn what_is_no_key_is_refused_and_told_why() {
        use IdempotencyKeyError::{Character, Empty, NeedsQuotes, Quoting, TooLong, Trailing};
        let long = "x".repeat(255);
        assert!(IdempotencyKey::parse(long.as_bytes()).is_ok());
        assert!(IdempotencyKey::parse(format!("\"{}\"", r"\\".repeat(255)).as_bytes()).is_ok());
        for (value, error) in [
            ("", Empty),
            (" ", Empty),
            ("\"\"", Empty),
            (&format!("{long}x"), TooLong),
            (&format!("\"{long}x\""), TooLong),
            ("\"", Quoting),
            ("\"a", Quoting),
            (r#""a\"#, Quoting),
            (r#""a\""#, Quoting),
            (r#""a\b""#, Quoting),
            ("\"a\";b=c", Trailing),
            ("\"a\", \"b\"", Trailing),
            ("\"a\"b", Trailing),
            ("a b", NeedsQuotes),
            ("a,b", NeedsQuotes),
            ("a\"b", NeedsQuotes),
            ("a\\b", NeedsQuotes),
            ("a\u{e9}", Character),
            ("\"a\u{e9}\"", Character),
            ("\"a\tb\"", Character),
            ("a\u{7f}", Character),
        ] {
            assert_eq!(IdempotencyKey::parse(value.as_bytes()).unwrap_err(), error, "{value}");
        }
    }

    #[test]
    fn neither_key_nor_fingerprint_shows_when_debugged() {
        let shown = format!("{:?} {:?}", IdempotencyKey::parse(b"secret").unwrap(), Fingerprint::of(["secret"]));
        assert_eq!(shown, "IdempotencyKey(***) Fingerprint(***)");
    }

    #[test]
    fn a_fingerprint_tells_where_parts_end() {
        assert!(Fingerprint::of(["ab", "c"]) == Fingerprint::of(["ab", "c"]));
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["c", "ab"]] {
            assert!(Fingerprint::of(["ab", "c"]) != Fingerprint::of(other), "{other:?}");
        }
    }
}
