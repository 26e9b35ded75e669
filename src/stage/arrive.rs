//! `http::Request` → [`Arrived`]: a message that reads the same to everybody.
//!
//! hyper refuses what breaks HTTP's grammar. What it lets through although two servers could read it differently is
//! refused here, before anything is looked at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Request, Version};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use crate::domain::target::{MAX_TARGET_LENGTH, TargetError};
use crate::limit::Flight;
use crate::rejection::{Malformed, Rejection};
use crate::snapshot::Snapshot;
use crate::trail::Trail;

use super::{Budget, Passage};

/// A body that did not end at once. It has to end without a byte.
pub(crate) type CallerBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What came on a connection: a request, or a head that was refused before it became one.
pub type Message<B> = Result<Request<B>, Rejection>;

/// A request whose message is unambiguous. Nothing else is known of it yet.
pub struct Arrived {
    pub(super) passage: Passage,
}

/// What a request is decided on, for as long as it may have to be decided again, and what it has by then.
pub(crate) struct Origin {
    pub(super) method: http::Method,
    pub(super) target: http::uri::PathAndQuery,
    pub(super) headers: HeaderMap,
    kept: Mutex<Kept>,
}

/// What a request that is decided again does not have to wait for a second time.
#[derive(Default)]
struct Kept {
    flight: Option<Flight>,
    budget: Option<Budget>,
    has_turn: bool,
}

impl Origin {
    /// That of a question which the gateway asks on nobody's behalf.
    pub(super) fn nobodys() -> Self {
        let target = http::uri::PathAndQuery::from_static("/");
        Self { method: http::Method::GET, target, headers: HeaderMap::new(), kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request had its turn before it was decided again.
    pub(super) fn has_turn(&self) -> bool {
        self.kept().has_turn
    }
}

/// The header that names a nickname.
pub(crate) const NICKNAME: HeaderName = HeaderName::from_static("gateway-nickname");

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PAGE: HeaderName = HeaderName::from_static("page");

/// Headers that decide about a request, and whatever begins with [`OURS`]. A name that becomes one of these when `_` and
/// `.` are read as `-` is refused, because some servers read it so.
const DECIDING: [&str; 12] = [
    "authorization",
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "trailer",
    "upgrade",
    "expect",
    "x-request-id",
    "page",
    "accept",
    "idempotency-key",
];
const OURS: &str = "gateway-";

/// Takes a request in, if its message reads the same to everybody.
///
/// # Errors
/// When it does not.
pub fn arrive<B>(request: Request<B>, snapshot: Arc<Snapshot>, trail: Trail) -> Result<Arrived, Rejection>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    if !matches!(head.version, Version::HTTP_11 | Version::HTTP_10) {
        return Err(Rejection::Malformed(Malformed::Version));
    }
    check_headers(&head.headers, head.version).map_err(Rejection::Malformed)?;
    let origin_form = head.uri.scheme().is_none() && head.uri.authority().is_none();
    let target = head.uri.into_parts().path_and_query.filter(|_| origin_form);
    let target = target.ok_or(Rejection::Malformed(Malformed::Target(TargetError::NotOriginForm)))?;
    if target.as_str().len() > MAX_TARGET_LENGTH {
        return Err(Rejection::TargetTooLong);
    }
    // A body of known length is refused unread; one of unknown length has to end without a byte, which `prove` sees to.
    if body.size_hint().exact().is_some_and(|length| length > 0) {
        return Err(Rejection::BodyNotAllowed);
    }
    let body = (!body.is_end_stream()).then(|| Mutex::new(body.map_err(Into::into).boxed_unsync()));
    let origin = Origin { method: head.method, target, headers: head.headers, kept: Mutex::default() };
    Ok(Arrived {
        passage: Passage { snapshot, trail, origin: Arc::new(origin), body, flight: None, budget: None, pledge: None },
    })
}

/// Gives up a decision on a request that has its turn, and of which nothing was sent, or of a read nothing that was
/// answered. It keeps what it waited for.
pub(super) fn overtake(passage: Passage) -> Rejection {
    let Passage { origin, flight, budget, .. } = passage;
    *origin.kept() = Kept { flight, budget, has_turn: true };
    Rejection::Overtaken
}

/// Takes a request in again whose decision was given up.
pub(crate) fn again(origin: Arc<Origin>, snapshot: Arc<Snapshot>, trail: Trail) -> Arrived {
    let (flight, budget) = {
        let mut kept = origin.kept();
        (kept.flight.take(), kept.budget)
    };
    Arrived { passage: Passage { snapshot, trail, origin, body: None, flight, budget, pledge: None } }
}

fn check_headers(headers: &HeaderMap, version: Version) -> Result<(), Malformed> {
    if !one(headers, &HOST).is_some_and(is_host) {
        return Err(Malformed::Host);
    }
    if headers.contains_key(UPGRADE) || headers.contains_key(HTTP2_SETTINGS) {
        return Err(Malformed::Upgrade);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let chunked =
            one(headers, &TRANSFER_ENCODING).is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || version != Version::HTTP_11 || headers.contains_key(CONTENT_LENGTH) {
            return Err(Malformed::TransferEncoding);
        }
    }
    if headers.contains_key(TRAILER) {
        return Err(Malformed::Header("Trailer"));
    }
    // RFC 9110 §10.1.1 knows no other expectation.
    let expected = one(headers, &EXPECT).map(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if headers.contains_key(EXPECT) && expected != Some(true) {
        return Err(Malformed::Header("Expect"));
    }
    for (name, header) in [(NICKNAME, "Gateway-Nickname"), (PAGE, "Page")] {
        if headers.contains_key(&name) && one(headers, &name).is_none() {
            return Err(Malformed::Header(header));
        }
    }
    let alias = headers.keys().map(HeaderName::as_str).filter(|name| name.contains(['_', '.'])).any(|name| {
        let folded = name.replace(['_', '.'], "-");
        DECIDING.contains(&folded.as_str()) || folded.starts_with(OURS)
    });
    if alias { Err(Malformed::HeaderAlias) } else { Ok(()) }
}

/// The only value of a header, if it stands exactly once.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// `host` or `host:port` (RFC 9112 §3.2), without user name, path or anything else.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let host_characters =
        if text.starts_with('[') { host.parse::<std::net::Ipv6Addr>().is_ok() } else { host.bytes().all(plain) };
    let port =
        port.strip_prefix(':').map_or(port.is_empty(), |port| port.parse::<u16>().is_ok() && !port.starts_with('+'));
    host_characters && !host.is_empty() && port
}

impl Arrived {
    /// The only `Authorization`, if there is exactly one.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        one(&self.passage.origin.headers, &AUTHORIZATION)
    }

    /// What it is decided on.
    pub(crate) fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.passage.origin)
    }

    /// What is known of the request so far.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.passage.trail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_address_and_perhaps_a_port() {
        for (host, expected) in [
            ("localhost", true),
            ("gateway.internal:7310", true),
            ("my_service", true),
            ("127.0.0.1:80", true),
            ("[::1]", true),
            ("[::1]:7310", true),
            ("", false),
            (":80", false),
            ("a:", false),
            ("a:port", false),
            ("a:+1", false),
            ("a:65536", false),
            ("a:1:2", false),
            ("::1", false),
            ("[]", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[a]:1", false),
            ("user@a", false),
            ("a/#@evil", false),
            ("a, b", false),
        ] {
            assert_eq!(is_host(&HeaderValue::from_static(host)), expected, "{host}");
        }
    }
}
