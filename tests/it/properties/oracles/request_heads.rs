//! The head of a request: read in one way, however it arrives, and in the same way by the HTTP library.

use clickbank_gateway::http1::request::{Fault, Head, HeadReader, MAX_FIELDS, MAX_HEAD};
use http::uri::PathAndQuery;

use super::grammar;

/// Any bytes from a caller's connection.
pub(crate) fn check(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    for piece in [1, 3, 64] {
        assert_eq!(read(bytes, piece), whole, "in pieces of {piece}: {}", bytes.escape_ascii());
    }
    let naive = naive(bytes);
    match (&whole, &naive) {
        (Ok(Some(head)), Some((naive, body))) => assert_eq!((head.length, head.body), (naive.length, *body)),
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

/// The head, and whether it announces a body, if it is one that everybody reads the same way.
pub(crate) fn naive(bytes: &[u8]) -> Option<(grammar::Head<'_>, bool)> {
    let fits = |name: &[u8], byte: u8| match byte {
        0x80.. => name.eq_ignore_ascii_case(b"authorization"),
        _ => !grammar::is_control(byte),
    };
    let head = grammar::head(bytes, true, MAX_HEAD, fits)?;
    let parts: Vec<&[u8]> = head.first.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return None };
    let is_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return None,
    };
    let method_fits = (1..=32).contains(&method.len()) && method.iter().all(|byte| grammar::is_token(*byte));
    // RFC 3986: what a URI may have, less the fragment.
    let in_uri = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(byte);
    let target_fits = target.len() <= 2_000 && target.starts_with(b"/") && target.iter().all(in_uri);
    if !method_fits || !target_fits {
        return None;
    }
    let body = head.body(is_1_1)?;
    Some((head, body))
}

fn as_the_library_reads(bytes: &[u8], head: &grammar::Head<'_>) {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    assert_eq!(parsed.parse(bytes), Ok(httparse::Status::Complete(head.length)), "{}", bytes.escape_ascii());
    let target = parsed.path.unwrap_or_default();
    let version = if parsed.version == Some(1) { "HTTP/1.1" } else { "HTTP/1.0" };
    let line = format!("{} {target} {version}", parsed.method.unwrap_or_default());
    assert_eq!(line.as_bytes(), head.first);
    let read: Vec<_> = parsed.headers.iter().map(|field| (field.name.as_bytes(), field.value)).collect();
    assert_eq!(read, head.fields);
    // What the library makes of a target is either nothing or that target.
    if let Ok(kept) = PathAndQuery::try_from(target) {
        assert_eq!(kept.as_str(), target);
    }
}
