//! The head of a request.

use crate::domain::target::{MAX_TARGET_LENGTH, TargetError};
use crate::rejection::{Malformed, Rejection};

use super::{Framing, FramingFault, Lines, field, is_field_byte, is_token};

/// The most bytes of a head.
pub const MAX_HEAD: usize = 16 << 10;
/// The most header fields of a request.
pub const MAX_FIELDS: usize = 64;
/// The most characters of a method. ClickBank's longest has six.
const MAX_METHOD: usize = 32;
/// How RFC 9113 §3.4 has HTTP/2 begin.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// The most bytes before the end of the request line. Method, version and line break take up less than is allowed here
/// beside the target.
const MAX_REQUEST_LINE: usize = MAX_TARGET_LENGTH + 2 * MAX_METHOD;

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
    lines: Lines,
    /// Whether the request is HTTP/1.1, once its first line has been read.
    is_1_1: Option<bool>,
    fields: usize,
    framing: Framing,
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
        while let Some(line) = self.lines.next(bytes) {
            let length = self.lines.length();
            if length > MAX_HEAD {
                return Err(Fault::Refused(Rejection::HeadTooLarge));
            }
            // As if it had come in pieces, before the line had ended.
            if self.is_1_1.is_none() && length > MAX_REQUEST_LINE + 1 {
                return Err(Fault::Refused(Rejection::TargetTooLong));
            }
            let line = line.map_err(|_| Fault::Refused(Rejection::Malformed(Malformed::LineEnd)))?;
            match self.is_1_1 {
                // RFC 9112 §2.2 asks servers to pass over one empty line before a request.
                None if line.is_empty() && length == 2 => {}
                None => self.is_1_1 = Some(request_line(line)?),
                Some(_) if line.is_empty() => {
                    let body = self.framing.chunked || self.framing.length == Some(true);
                    return Ok(Some(Head { length, body }));
                }
                Some(is_1_1) => self.field(line, is_1_1).map_err(Fault::Refused)?,
            }
        }
        match self.is_1_1 {
            None if bytes.len() > MAX_REQUEST_LINE => Err(Fault::Refused(Rejection::TargetTooLong)),
            _ if bytes.len() > MAX_HEAD => Err(Fault::Refused(Rejection::HeadTooLarge)),
            _ => Ok(None),
        }
    }

    fn field(&mut self, line: &[u8], is_1_1: bool) -> Result<(), Rejection> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Rejection::HeadTooLarge);
        }
        let (name, value) = field(line).ok_or(Rejection::Malformed(Malformed::Field))?;
        // Whatever is wrong with a key has one and the same answer, which is not given here.
        let lenient = name.eq_ignore_ascii_case(b"authorization");
        let fits = |byte: u8| is_field_byte(byte) || (lenient && !byte.is_ascii());
        if !value.iter().copied().all(fits) {
            return Err(Rejection::Malformed(Malformed::Field));
        }
        self.framing.note(name, value, is_1_1).map_err(|fault| {
            Rejection::Malformed(match fault {
                FramingFault::Length => Malformed::ContentLength,
                FramingFault::Coding => Malformed::TransferEncoding,
            })
        })
    }
}

/// Reads a request line; says whether it is HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, Fault> {
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
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(refused(Malformed::Version)),
    }
}

/// What a URI without a fragment may have (RFC 3986 §2).
const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::in_pieces;
    use super::*;

    /// Reads a head as it would arrive in pieces of so many bytes.
    fn read(bytes: &[u8], piece: usize) -> Result<Option<Head>, Fault> {
        let mut reader = HeadReader::default();
        in_pieces(bytes, piece, |bytes| reader.read(bytes))
    }

    fn malformed(malformed: Malformed) -> Fault {
        Fault::Refused(Rejection::Malformed(malformed))
    }

    #[test]
    fn a_head_ends_where_it_ends_and_says_whether_a_body_follows() {
        for (head, body) in [
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("\r\nGET /?a=b HTTP/1.0\r\nHost: x\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nX:\r\nY: \t a b\t \r\n\r\n", false),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nContent-Length: 000\r\n\r\n", false),
            ("GET / HTTP/1.1\r\ncontent-length: 10\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n", true),
            ("GET / HTTP/1.1\r\nAuthorization: caf\u{e9}\r\n\r\n", false),
        ] {
            for (behind, piece) in [("", 1), ("", 7), ("GET /next HTTP/1.1\r\n\r\n", 1_000), ("\n\0", 1_000)] {
                let bytes = format!("{head}{behind}");
                assert_eq!(
                    read(bytes.as_bytes(), piece),
                    Ok(Some(Head { length: head.len(), body })),
                    "{head:?} {piece}"
                );
            }
            for kept in 0..head.len() {
                assert_eq!(read(&head.as_bytes()[..kept], 3), Ok(None), "{head:?} {kept}");
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let target = |error| malformed(Malformed::Target(error));
        let lines = [
            ("\n", Malformed::LineEnd),
            ("GET / HTTP/1.1\n", Malformed::LineEnd),
            ("GET / HTTP/1.1\r\r\n", Malformed::LineEnd),
            ("GET / HTTP/1.1\r\nX: a\rb\r\n", Malformed::LineEnd),
            ("GET / HTTP/1.1\r\n\n", Malformed::LineEnd),
            ("\r\n\r\n", Malformed::RequestLine),
            ("GET /\r\n", Malformed::RequestLine),
            ("GET  / HTTP/1.1\r\n", Malformed::RequestLine),
            ("GET / HTTP/1.1 \r\n", Malformed::RequestLine),
            (" GET / HTTP/1.1\r\n", Malformed::RequestLine),
            ("GET\t/\tHTTP/1.1\r\n", Malformed::RequestLine),
            ("G(T / HTTP/1.1\r\n", Malformed::RequestLine),
            ("GET / HTTP/2.0\r\n", Malformed::Version),
            ("GET / HTTP/1.10\r\n", Malformed::Version),
            ("GET / http/1.1\r\n", Malformed::Version),
            ("GET / HTTP/1.1\r\n X: y\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX: y\r\n\tz\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX : y\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\n: y\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX\u{e9}: y\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX: \u{e9}\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX: \0\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nX: \u{7f}\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nAuthorization: \u{b}\r\n", Malformed::Field),
            ("GET / HTTP/1.1\r\nContent-Length:\r\n", Malformed::ContentLength),
            ("GET / HTTP/1.1\r\nContent-Length: +0\r\n", Malformed::ContentLength),
            ("GET / HTTP/1.1\r\nContent-Length: 0, 0\r\n", Malformed::ContentLength),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n", Malformed::ContentLength),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", Malformed::ContentLength),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n", Malformed::TransferEncoding),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n", Malformed::TransferEncoding),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n", Malformed::TransferEncoding),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", Malformed::TransferEncoding),
        ];
        let lines = lines.map(|(head, fault)| (head.to_owned(), malformed(fault)));
        let others = [
            ("GET * HTTP/1.1\r\n".to_owned(), target(TargetError::NotOriginForm)),
            ("GET http://x/ HTTP/1.1\r\n".to_owned(), target(TargetError::NotOriginForm)),
            ("GET /#a HTTP/1.1\r\n".to_owned(), target(TargetError::PathCharacter)),
            ("GET /?a#b HTTP/1.1\r\n".to_owned(), target(TargetError::QueryCharacter)),
            ("GET /\u{e9} HTTP/1.1\r\n".to_owned(), target(TargetError::PathCharacter)),
            ("PRI * HTTP/2.0\r\n".to_owned(), Fault::Foreign("http2-preface")),
            ("\u{16}\u{3}\u{1}".to_owned(), Fault::Foreign("tls-to-plaintext")),
            (format!("GET /{} HTTP/1.1\r\n", "a".repeat(2_000)), Fault::Refused(Rejection::TargetTooLong)),
            (format!("GET /{}", "a".repeat(2_100)), Fault::Refused(Rejection::TargetTooLong)),
            (format!("G(T /{}\r\n", "a".repeat(2_100)), Fault::Refused(Rejection::TargetTooLong)),
            (format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(65)), Fault::Refused(Rejection::HeadTooLarge)),
            (format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(17_000)), Fault::Refused(Rejection::HeadTooLarge)),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", format!("X: {}\r\n", "y".repeat(1_000)).repeat(17)),
                Fault::Refused(Rejection::HeadTooLarge),
            ),
        ];
        for (head, fault) in lines.into_iter().chain(others) {
            // It shows as soon as it is there, before the head has ended, and however it arrives.
            for piece in [1, 10, 100_000] {
                assert_eq!(read(head.as_bytes(), piece), Err(fault.clone()), "{head:.200?} {piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn how_a_head_arrives_makes_no_difference(
            bytes in prop::collection::vec(prop_oneof![
                Just(&b"GET /a?b=c HTTP/1.1\r\n"[..]), Just(&b"Content-Length: "[..]), Just(&b"0"[..]), Just(&b"\r\n"[..]),
                Just(&b"\n"[..]), Just(&b"\r"[..]), Just(&b"Transfer-Encoding: chunked\r\n"[..]), Just(&b"X: y\r\n"[..]),
                Just(&b" "[..]), Just(&b"\xff"[..]), Just(&b":"[..]),
            ], 0..12),
            piece in 1usize..40,
        ) {
            let bytes = bytes.concat();
            prop_assert_eq!(read(&bytes, piece), read(&bytes, 100_000));
        }
    }
}
