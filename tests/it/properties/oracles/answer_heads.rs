//! The head of an answer: read in one way, however it arrives, and in the same way by the HTTP library.

use clickbank_gateway::http1::answer::{Fault, Head, HeadReader, MAX_FIELDS, MAX_HEAD};

use super::grammar;

/// Any bytes from a connection to ClickBank.
pub(crate) fn check(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    for piece in [1, 3, 64] {
        assert_eq!(read(bytes, piece), whole, "in pieces of {piece}: {}", bytes.escape_ascii());
    }
    let naive = naive(bytes);
    match (&whole, &naive) {
        (Ok(Some(head)), Some((naive, interim))) => assert_eq!((head.length, head.interim), (naive.length, *interim)),
        (Ok(None) | Err(_), None) => return,
        _ => panic!("{whole:?}, but {naive:?}: {}", bytes.escape_ascii()),
    }
    if let Some((head, _)) = naive {
        as_the_library_reads(bytes, &head);
    }
}

/// As the bytes would arrive in pieces of so many.
fn read(bytes: &[u8], piece: usize) -> Result<Option<Head>, Fault> {
    let mut reader = HeadReader::default();
    let mut end = 0;
    loop {
        end = (end + piece).min(bytes.len());
        match reader.read(&bytes[..end]) {
            Ok(None) if end < bytes.len() => {}
            result => return result,
        }
    }
}

/// The head, and whether it is an interim answer's, if it is one that everybody reads the same way.
fn naive(bytes: &[u8]) -> Option<(grammar::Head<'_>, bool)> {
    let head = grammar::head(bytes, false, MAX_HEAD, |_, byte| !grammar::is_control(byte))?;
    let (is_1_1, rest) = match head.first {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b' ', rest @ ..] => (*minor == b'1', rest),
        _ => return None,
    };
    let [a, b, c, reason @ ..] = rest else { return None };
    let digits = [a, b, c].iter().all(|digit| digit.is_ascii_digit());
    let reason_fits = matches!(reason, [] | [b' ', ..]) && !reason.iter().any(|byte| grammar::is_control(*byte));
    // 101 leaves HTTP, and nobody asked for that.
    if !digits || !reason_fits || [a, b, c] == [&b'1', &b'0', &b'1'] {
        return None;
    }
    head.body(is_1_1)?;
    let interim = *a == b'1';
    Some((head, interim))
}

fn as_the_library_reads(bytes: &[u8], head: &grammar::Head<'_>) {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    assert_eq!(parsed.parse(bytes), Ok(httparse::Status::Complete(head.length)), "{}", bytes.escape_ascii());
    let begin = format!("HTTP/1.{} {:03}", parsed.version.unwrap_or(9), parsed.code.unwrap_or_default());
    assert!(head.first.starts_with(begin.as_bytes()), "{begin}: {}", bytes.escape_ascii());
    let read: Vec<_> = parsed.headers.iter().map(|field| (field.name.as_bytes(), field.value)).collect();
    assert_eq!(read, head.fields);
}
