//! The head of a request, read strictly as its bytes arrive, before the HTTP library sees any of them.
//!
//! The library is as lenient as most are: it takes a bare line feed for a line's end, makes one of two equal lengths,
//! forgets a length that stands beside a coding, and cuts a fragment off. Servers that differ about such a message can
//! be made to see two requests where the other sees one (RFC 9112 §11.2). So a head that has any of that is refused
//! here, where it still shows, and what is handed on reads the same to everybody.

use crate::domain::target::{MAX_TARGET_LENGTH, TargetError};
use crate::rejection::{Malformed, Rejection};

/// The most bytes of a head.
pub const MAX_HEAD: usize = 16 << 10;
/// The most header fields of a request.
pub const MAX_FIELDS: usize = 64;
/// The most characters of a method. ClickBank's longest has six.
const MAX_METHOD: usize = 32;
/// How RFC 9113 §3.4 has HTTP/2 begin.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What a head says about what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, its empty line included.
    pub length: usize,
    /// Whether a body is announced.
    pub body: bool,
}

/// Why a head was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is HTTP, so its sender can be told.
    Refused(Rejection),
    /// It is another protocol, in which there is nothing to say: its name for the log.
    Foreign(&'static str),
}

/// Reads one head. It is fed the same growing bytes again and again, and looks at each of them once.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    /// Bytes looked at.
    scanned: usize,
    /// Where the line that is being read begins.
    line: usize,
    request: Option<RequestLine>,
    fields: usize,
    length: Option<bool>,
    chunked: bool,
}

/// What is kept of a request line.
#[derive(Clone, Copy, Debug)]
struct RequestLine {
    is_1_1: bool,
}

impl HeadReader {
    /// Reads on. `bytes` begin with the head and hold all that has arrived since. `None` when more has to come.
    ///
    /// # Errors
    /// When the head can be read in more than one way, is too large, or is no HTTP/1.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Fault> {
        if bytes.starts_with(b"\x16\x03") {
            return Err(Fault::Foreign("tls-to-plaintext"));
        }
        while let Some(end) = bytes.get(self.scanned..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
            let line = bytes.get(self.line..self.scanned + end).unwrap_or_default();
            self.scanned += end + 1;
            self.line = self.scanned;
            if self.scanned > MAX_HEAD {
                return Err(Fault::Refused(Rejection::HeadTooLarge));
            }
            let line = line.strip_suffix(b"\r").filter(|line| !line.contains(&b'\r'));
            let line = line.ok_or(Fault::Refused(Rejection::Malformed(Malformed::LineEnd)))?;
            match self.request {
                // RFC 9112 §2.2 asks servers to pass over one empty line before a request.
                None if line.is_empty() && self.line == 2 => {}
                None => self.request = Some(request_line(line)?),
                Some(_) if line.is_empty() => {
                    return Ok(Some(Head { length: self.line, body: self.chunked || self.length == Some(true) }));
                }
                Some(request) => self.field(line, request).map_err(Fault::Refused)?,
            }
        }
        self.scanned = bytes.len();
        match self.request {
            // Method, version and line break take up less than this.
            None if bytes.len() > MAX_TARGET_LENGTH + 2 * MAX_METHOD => Err(Fault::Refused(Rejection::TargetTooLong)),
            _ if bytes.len() > MAX_HEAD => Err(Fault::Refused(Rejection::HeadTooLarge)),
            _ => Ok(None),
        }
    }

    fn field(&mut self, line: &[u8], request: RequestLine) -> Result<(), Rejection> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Rejection::HeadTooLarge);
        }
        // RFC 9112 §5.1: no white space before the colon; §5.2: none at the start, which once continued the line before.
        let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0);
        let (name, value) = colon.and_then(|colon| line.split_at_checked(colon)).ok_or(FIELD)?;
        let value = trimmed(value.get(1..).unwrap_or_default());
        if !name.iter().copied().all(is_token) || !value.iter().copied().all(is_field_byte) {
            return Err(FIELD);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            if !digits || self.length.is_some() || self.chunked {
                return Err(Rejection::Malformed(Malformed::ContentLength));
            }
            self.length = Some(value.iter().any(|digit| *digit != b'0'));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let chunked = value.eq_ignore_ascii_case(b"chunked");
            if !chunked || self.chunked || self.length.is_some() || !request.is_1_1 {
                return Err(Rejection::Malformed(Malformed::TransferEncoding));
            }
            self.chunked = true;
        }
        Ok(())
    }
}

const FIELD: Rejection = Rejection::Malformed(Malformed::Field);

fn request_line(line: &[u8]) -> Result<RequestLine, Fault> {
    if line == HTTP2_PREFACE {
        return Err(Fault::Foreign("http2-preface"));
    }
    let refused = |malformed| Fault::Refused(Rejection::Malformed(malformed));
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refused(Malformed::RequestLine));
    };
    if !(1..=MAX_METHOD).contains(&method.len()) || !method.iter().copied().all(is_token) {
        return Err(refused(Malformed::RequestLine));
    }
    if target.len() > MAX_TARGET_LENGTH {
        return Err(Fault::Refused(Rejection::TargetTooLong));
    }
    // RFC 9112 §3.2: the other forms name an authority, or nothing.
    if target.first() != Some(&b'/') {
        return Err(refused(Malformed::Target(TargetError::NotOriginForm)));
    }
    if let Some(at) = target.iter().position(|byte| !is_target_byte(*byte)) {
        let in_query = target.iter().take(at).any(|byte| *byte == b'?');
        let error = if in_query { TargetError::QueryCharacter } else { TargetError::PathCharacter };
        return Err(refused(Malformed::Target(error)));
    }
    match version {
        b"HTTP/1.1" => Ok(RequestLine { is_1_1: true }),
        b"HTTP/1.0" => Ok(RequestLine { is_1_1: false }),
        _ => Err(refused(Malformed::Version)),
    }
}

/// Without the white space around a field value (RFC 9110 §5.5), which is spaces and tabs alone.
fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// RFC 9110 §5.5 without `obs-text`, which servers read in different character sets.
const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

/// What a URI without a fragment may have (RFC 3986 §2).
const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}
