//! The head of an answer, which may have interim answers before it.

use thiserror::Error;

use super::{Framing, Lines, field, is_field_byte};

/// The most bytes of all heads that one request is answered with.
pub const MAX_HEAD: usize = 32 << 10;
/// The most header fields of an answer.
pub const MAX_FIELDS: usize = 64;
/// The most interim answers (RFC 9110 §15.2) before the final one. None is asked for, so none is expected.
pub const MAX_INTERIM: usize = 8;

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, its empty line included.
    pub length: usize,
    /// Whether it is an interim answer's, so that another head follows.
    pub interim: bool,
}

/// Why an answer's head was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// It is not HTTP/1, or can be read in more than one way.
    #[error("the answer's head is malformed")]
    Malformed,
    /// It is larger than [`MAX_HEAD`], or has more fields than [`MAX_FIELDS`].
    #[error("the answer's head is too large")]
    TooLarge,
    /// There are more than [`MAX_INTERIM`], or one that leaves HTTP.
    #[error("too many interim answers")]
    Interim,
}

/// Reads one head. It is fed the same growing bytes again and again, and looks at each of them once.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    lines: Lines,
    status: Option<StatusLine>,
    fields: usize,
    framing: Framing,
}

#[derive(Clone, Copy, Debug)]
struct StatusLine {
    is_1_1: bool,
    interim: bool,
}

impl HeadReader {
    /// Reads on. `bytes` begin with the head and hold all that has arrived since. `None` when more has to come.
    ///
    /// # Errors
    /// When the head can be read in more than one way, is too large, or is no HTTP/1.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Fault> {
        while let Some(line) = self.lines.next(bytes) {
            let length = self.lines.length();
            if length > MAX_HEAD {
                return Err(Fault::TooLarge);
            }
            let line = line.map_err(|_| Fault::Malformed)?;
            match self.status {
                None => self.status = Some(status_line(line)?),
                Some(status) if line.is_empty() => return Ok(Some(Head { length, interim: status.interim })),
                Some(status) => {
                    self.fields += 1;
                    if self.fields > MAX_FIELDS {
                        return Err(Fault::TooLarge);
                    }
                    let (name, value) = field(line).ok_or(Fault::Malformed)?;
                    if !value.iter().copied().all(is_text_byte) {
                        return Err(Fault::Malformed);
                    }
                    self.framing.note(name, value, status.is_1_1).map_err(|_| Fault::Malformed)?;
                }
            }
        }
        if bytes.len() > MAX_HEAD { Err(Fault::TooLarge) } else { Ok(None) }
    }
}

/// RFC 9112 §4, whose last space some servers leave out with the reason.
fn status_line(line: &[u8]) -> Result<StatusLine, Fault> {
    let (version, rest) = line.split_at_checked(9).ok_or(Fault::Malformed)?;
    let is_1_1 = match version {
        b"HTTP/1.1 " => true,
        b"HTTP/1.0 " => false,
        _ => return Err(Fault::Malformed),
    };
    let (code, reason) = rest.split_at_checked(3).ok_or(Fault::Malformed)?;
    let well_formed = code.iter().all(u8::is_ascii_digit)
        && reason.first().is_none_or(|first| *first == b' ')
        && reason.iter().copied().all(is_text_byte);
    match code {
        _ if !well_formed => Err(Fault::Malformed),
        b"101" => Err(Fault::Interim),
        [b'1', _, _] => Ok(StatusLine { is_1_1, interim: true }),
        _ => Ok(StatusLine { is_1_1, interim: false }),
    }
}

/// What a reason or a value may have: neither is passed on, so its character set does not matter.
const fn is_text_byte(byte: u8) -> bool {
    is_field_byte(byte) || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::super::in_pieces;
    use super::*;

    /// Reads a head as it would arrive in pieces of so many bytes.
    fn read(bytes: &[u8], piece: usize) -> Result<Option<Head>, Fault> {
        let mut reader = HeadReader::default();
        in_pieces(bytes, piece, |bytes| reader.read(bytes))
    }

    #[test]
    fn a_head_ends_where_it_ends() {
        for (head, interim) in [
            ("HTTP/1.1 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200\r\nX: caf\u{e9}\r\n\r\n", false),
            ("HTTP/1.1 599 \r\nContent-Length: 3\r\n\r\n", false),
            ("HTTP/1.1 403 na\u{ef}ve\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("HTTP/1.1 100 Continue\r\n\r\n", true),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", true),
        ] {
            for (behind, piece) in [("", 1), ("body\n", 1_000), ("HTTP/1.1 200 OK\r\n\r\n", 7)] {
                let bytes = format!("{head}{behind}");
                assert_eq!(read(bytes.as_bytes(), piece), Ok(Some(Head { length: head.len(), interim })), "{head:?}");
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}");
        for (head, fault) in [
            ("\r\n".to_owned(), Fault::Malformed),
            ("SSH-2.0-OpenSSH\r\n".to_owned(), Fault::Malformed),
            ("HTTP/2.0 200 OK\r\n".to_owned(), Fault::Malformed),
            ("HTTP/1.1  200 OK\r\n".to_owned(), Fault::Malformed),
            ("HTTP/1.1 20 OK\r\n".to_owned(), Fault::Malformed),
            ("HTTP/1.1 2000\r\n".to_owned(), Fault::Malformed),
            ("HTTP/1.1 200 O\0K\r\n".to_owned(), Fault::Malformed),
            ("HTTP/1.1 200 OK\n".to_owned(), Fault::Malformed),
            ("HTTP/1.1 101 Switching\r\n".to_owned(), Fault::Interim),
            (head("X: a\n"), Fault::Malformed),
            (head("X: a\r\n b\r\n"), Fault::Malformed),
            (head("X : a\r\n"), Fault::Malformed),
            (head("X\r\n"), Fault::Malformed),
            (head("X: \0\r\n"), Fault::Malformed),
            (head("Content-Length: 1\r\nContent-Length: 1\r\n"), Fault::Malformed),
            (head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), Fault::Malformed),
            (head("Transfer-Encoding: gzip, chunked\r\n"), Fault::Malformed),
            (head(&"X: y\r\n".repeat(65)), Fault::TooLarge),
            (head(&format!("X: {}", "y".repeat(40_000))), Fault::TooLarge),
        ] {
            for piece in [1, 10, 100_000] {
                assert_eq!(read(head.as_bytes(), piece), Err(fault), "{head:.200?} {piece}");
            }
        }
    }
}
