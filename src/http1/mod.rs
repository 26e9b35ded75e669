//! HTTP/1's grammar, read strictly where the HTTP library is lenient, for heads of requests and of answers.
//!
//! The library takes a bare line feed for a line's end, makes one of two equal lengths, forgets a length that stands
//! beside a coding, and cuts a fragment off. Programs that differ about such a message can be made to see two messages
//! where the other sees one (RFC 9112 §11). So heads are read here first, as their bytes arrive, where all of that still
//! shows.

pub mod answer;
pub mod request;

/// Splits a growing head into lines, looking at each byte once.
#[derive(Clone, Debug, Default)]
struct Lines {
    scanned: usize,
    /// Where the line that is being read begins, which is how many bytes the lines before it have.
    begin: usize,
}

/// A line that ends otherwise than with carriage return and line feed, or has either inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BadLine;

impl Lines {
    /// The next line without its end; `None` when it has not ended yet.
    fn next<'a>(&mut self, bytes: &'a [u8]) -> Option<Result<&'a [u8], BadLine>> {
        let Some(end) = bytes.get(self.scanned..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) else {
            self.scanned = bytes.len();
            return None;
        };
        let line = bytes.get(self.begin..self.scanned + end).unwrap_or_default();
        self.scanned += end + 1;
        self.begin = self.scanned;
        Some(line.strip_suffix(b"\r").filter(|line| !line.contains(&b'\r')).ok_or(BadLine))
    }

    /// Bytes of the lines so far.
    const fn length(&self) -> usize {
        self.begin
    }
}

/// Name and value of a header field. `None` when the line is none: RFC 9112 §5.1 has no white space before the colon,
/// and §5.2 none at the start, which once continued the line before.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
    let (name, value) = line.split_at_checked(colon)?;
    name.iter().copied().all(is_token).then(|| (name, trimmed(value.get(1..).unwrap_or_default())))
}

/// Without the white space around a field value (RFC 9110 §5.5), which is spaces and tabs alone.
fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// What the header fields so far say about where the message ends.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    /// Whether the length that is given is more than nought.
    length: Option<bool>,
    chunked: bool,
}

/// What is wrong with a message's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FramingFault {
    Length,
    Coding,
}

impl Framing {
    /// Takes a field in. One length or one coding, once, is all that leaves no doubt (RFC 9112 §6).
    fn note(&mut self, name: &[u8], value: &[u8], is_1_1: bool) -> Result<(), FramingFault> {
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            if !digits || self.length.is_some() || self.chunked {
                return Err(FramingFault::Length);
            }
            self.length = Some(value.iter().any(|digit| *digit != b'0'));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let chunked = value.eq_ignore_ascii_case(b"chunked");
            if !chunked || self.chunked || self.length.is_some() || !is_1_1 {
                return Err(FramingFault::Coding);
            }
            self.chunked = true;
        }
        Ok(())
    }
}

/// RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// RFC 9110 §5.5 without `obs-text`, which programs read in different character sets.
const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

/// Feeds a reader of heads as a connection would, so many bytes more at a time, until it has something to say.
#[cfg(test)]
fn in_pieces<T, F>(
    bytes: &[u8],
    piece: usize,
    mut read: impl FnMut(&[u8]) -> Result<Option<T>, F>,
) -> Result<Option<T>, F> {
    let mut end = 0;
    loop {
        end = (end + piece).min(bytes.len());
        match read(bytes.get(..end).unwrap_or_default()) {
            Ok(None) if end < bytes.len() => {}
            result => return result,
        }
    }
}
