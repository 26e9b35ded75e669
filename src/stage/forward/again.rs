//! Whether a read that failed is worth another try, and after how long.

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use http::{Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::super::arrive::one;
use super::{Failure, Kind};
use crate::limit;

/// Another try of a read, if the limits let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Another {
    /// Why, in a word for the metrics.
    pub(super) reason: &'static str,
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Nothing failed but a connection that nobody used.
    AtOnce,
    /// After a pause, and not before ClickBank asks for it.
    Later { not_before: Duration },
}

impl Another {
    /// What is worth another try: no connection, one that ended without a byte of an answer, and an answer that says no more
    /// than that ClickBank, or something before it, cannot answer now. Whatever else came was an answer, however bad.
    pub(super) fn after<B>(tried: &Result<Response<B>, Failure>) -> Option<Self> {
        let (reason, when) = match tried {
            Ok(answer) => {
                let reason = unavailable(answer.status())?;
                (reason, When::Later { not_before: asked_pause(answer.headers(), Timestamp::now())? })
            }
            Err(Failure { kind: Kind::Stale, .. }) => ("stale-connection", When::AtOnce),
            Err(Failure { kind: Kind::Unconnected | Kind::Unanswered, fault }) => {
                (*fault, When::Later { not_before: Duration::ZERO })
            }
            Err(Failure { kind: Kind::Unverified | Kind::Late | Kind::Broken, .. }) => return None,
        };
        Some(Self { reason, when })
    }

    /// Whether it only makes up for a connection that was dead before.
    pub(super) fn is_at_once(self) -> bool {
        self.when == When::AtOnce
    }

    /// How long to wait, after so many retries; none for what is no retry.
    pub(super) fn pause(self, retries: u32) -> Option<Duration> {
        match self.when {
            When::AtOnce => None,
            When::Later { not_before } => Some(not_before.saturating_add(limit::pause(retries))),
        }
    }
}

fn unavailable(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        502 => Some("status-502"),
        503 => Some("status-503"),
        504 => Some("status-504"),
        _ => None,
    }
}

/// How long an answer asks to wait, in seconds or until a date (RFC 9110 §10.2.3). `None` when it asks for what cannot be
/// read; then nobody knows how long.
fn asked_pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if !headers.contains_key(RETRY_AFTER) {
        return Some(Duration::ZERO);
    }
    let text = one(headers, &RETRY_AFTER)?.to_str().ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn pause(values: &[&'static str]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_static(value));
        }
        asked_pause(&headers, "2026-11-22T16:46:00Z".parse().unwrap())
    }

    #[test]
    fn an_answer_may_ask_to_wait_for_seconds_or_until_a_date() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pause(&[]), seconds(0));
        assert_eq!(pause(&["0"]), seconds(0));
        assert_eq!(pause(&["120"]), seconds(120));
        assert_eq!(pause(&["99999999999999999999999"]), Some(Duration::MAX));
        assert_eq!(pause(&["Sun, 22 Nov 2026 16:46:07 GMT"]), seconds(7));
        assert_eq!(pause(&["Sun, 22 Nov 2026 16:45:07 GMT"]), seconds(0));
        for unreadable in [&["soon"][..], &[""], &["-1"], &["1.5"], &["1", "1"], &["Sun, 22 Nov"]] {
            assert_eq!(pause(unreadable), None, "{unreadable:?}");
        }
    }

    #[test]
    fn only_what_may_be_over_soon_is_worth_another_try() {
        let status = |status: u16| {
            let answer = Response::builder().status(status).body(()).unwrap();
            Another::after(&Ok(answer)).map(|another| another.reason)
        };
        for (code, reason) in [(502, "status-502"), (503, "status-503"), (504, "status-504")] {
            assert_eq!(status(code), Some(reason));
        }
        for code in [200, 204, 206, 302, 401, 403, 404, 408, 429, 500, 501, 505, 599] {
            assert_eq!(status(code), None, "{code}");
        }
        let failed = |kind| Another::after::<()>(&Err(Failure { fault: "x", kind }));
        for kind in [Kind::Unverified, Kind::Late, Kind::Broken] {
            assert_eq!(failed(kind), None, "{kind:?}");
        }
        for kind in [Kind::Unconnected, Kind::Unanswered] {
            let another = failed(kind).unwrap();
            assert!(!another.is_at_once() && another.reason == "x", "{kind:?}");
            assert!(another.pause(0).is_some_and(|pause| pause <= Duration::from_millis(50)), "{kind:?}");
        }
        let stale = failed(Kind::Stale).unwrap();
        assert!(stale.is_at_once() && stale.pause(0).is_none());
    }
}
