//! The operator's listener: what a running gateway is doing, without any secret or personal datum.
//!
//! It is off unless configured. A sidecar shares loopback with its callers, so loopback is no boundary: it is a Unix
//! socket that only its owner can open, or TCP with a token.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::brief::{self, Bounds};
use crate::domain::secret::AdminToken;
use crate::listen::Listener;

const BOUNDS: Bounds = Bounds { connections: 16, time: Duration::from_secs(10) };

/// What a running gateway is doing.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The release.
    pub version: &'static str,
    /// `ready` or `draining`.
    pub state: &'static str,
    /// Seconds since it began to serve.
    pub uptime_seconds: u64,
    /// Where callers connect.
    pub address: String,
    /// Host and port of ClickBank.
    pub upstream: String,
    /// Keys in the key file.
    pub keys: usize,
    /// Declared nicknames.
    pub nicknames: usize,
    /// Declared credentials.
    pub credentials: usize,
    /// Callers' connections that are open.
    pub connections: usize,
    /// Requests waiting for their turn.
    pub waiting: usize,
    /// Requests sent to ClickBank in the last 24 hours, counted by the hour.
    pub requests_in_24_hours: u64,
    /// How many of those there may be.
    pub requests_allowed: u64,
}

/// Answers operators until told to stop.
pub(crate) async fn serve<F>(listener: Listener, token: Option<AdminToken>, status: F, stop: CancellationToken)
where
    F: Fn() -> Status + Clone + Send + Sync + 'static,
{
    let answer = move |request: &Request<Incoming>| answer(request, token.as_ref(), &status);
    brief::serve(listener, BOUNDS, answer, stop).await;
}

/// Whether exactly one `Authorization: Bearer TOKEN` is there, with this token.
fn presents(headers: &HeaderMap, token: &AdminToken) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.as_bytes().strip_prefix(b"Bearer ").is_some_and(|presented| token.is(presented))
}

fn answer<B>(request: &Request<B>, token: Option<&AdminToken>, status: impl Fn() -> Status) -> Response<Full<Bytes>> {
    let (code, text) = if token.is_some_and(|token| !presents(request.headers(), token)) {
        (StatusCode::UNAUTHORIZED, "{\"error\":\"send Authorization: Bearer with the admin token\"}".to_owned())
    } else if request.uri().path() != "/status" {
        (StatusCode::NOT_FOUND, "{\"error\":\"there is /status\"}".to_owned())
    } else if request.method() != Method::GET {
        (StatusCode::METHOD_NOT_ALLOWED, "{\"error\":\"use GET\"}".to_owned())
    } else {
        (StatusCode::OK, serde_json::to_string(&status()).unwrap_or_default())
    };
    brief::answer(code, "application/json", text)
}

/// When the gateway began to serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started(Instant);

impl Started {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(self) -> u64 {
        self.0.elapsed().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            version: "0",
            state: "ready",
            uptime_seconds: 0,
            address: String::new(),
            upstream: String::new(),
            keys: 0,
            nicknames: 0,
            credentials: 0,
            connections: 0,
            waiting: 0,
            requests_in_24_hours: 0,
            requests_allowed: 0,
        }
    }

    #[test]
    fn with_a_token_nothing_is_told_without_it() {
        let token = AdminToken::new("0123456789012345678901234").unwrap();
        for (values, path, expected) in [
            (&["Bearer 0123456789012345678901234"][..], "/status", 200),
            (&["Bearer 0123456789012345678901234"], "/debug", 404),
            (&[], "/status", 401),
            (&[], "/debug", 401),
            (&["0123456789012345678901234"], "/status", 401),
            (&["Bearer "], "/status", 401),
            (&["Bearer 012345678901234567890123"], "/status", 401),
            (&["Bearer 0123456789012345678901234"; 2], "/status", 401),
        ] {
            let mut request = Request::get(path).body(()).unwrap();
            for value in values {
                request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(answer(&request, Some(&token), status).status().as_u16(), expected, "{values:?} {path}");
        }
    }

    #[test]
    fn short_tokens_are_none() {
        for text in ["", "none", "01234567890123456789012", "0123456789012345678901 34"] {
            assert!(AdminToken::new(text).is_none(), "{text}");
        }
    }
}
