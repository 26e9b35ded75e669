//! The operator's listener: what a running gateway is doing, without any secret or personal datum.
//!
//! It is off unless configured. A sidecar shares loopback with its callers, so loopback is no boundary: it is a Unix
//! socket that only its owner can open, or TCP with a token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::brief::{self, Bounds};
use crate::domain::secret::AdminToken;
use crate::keys::Keys;
use crate::listen::Listener;
use crate::metrics::exposition::SOON;
use crate::reload::{Outcome, Standing};
use crate::roster::Roster;

const BOUNDS: Bounds = Bounds { connections: 16, time: Duration::from_mins(1) };

/// What a running gateway is doing.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The release.
    pub version: &'static str,
    /// `starting`, `ready`, `degraded` (ready, but with the configuration before the one in the files) or `draining`.
    pub state: &'static str,
    /// How the configuration that serves stands to the files.
    pub configuration: Standing,
    /// Seconds since it began to serve.
    pub uptime_seconds: u64,
    /// Where callers connect.
    pub address: String,
    /// Host and port of ClickBank.
    pub upstream: String,
    /// Keys in the key file.
    pub keys: usize,
    /// They, by whether they count.
    pub key_states: KeyStates,
    /// Declared nicknames.
    pub nicknames: usize,
    /// Declared credentials.
    pub credentials: usize,
    /// Callers' connections that are open.
    pub connections: usize,
    /// Whether changes go out: `allowed`, or `stopped` by an operator or by the configuration.
    pub changes: &'static str,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests waiting for their turn.
    pub waiting: usize,
    /// Requests sent to ClickBank in the last 24 hours, counted by the hour.
    pub requests_in_24_hours: u64,
    /// How many of those there may be.
    pub requests_allowed: u64,
    /// What is known of each credential.
    pub credential_states: Vec<CredentialState>,
    /// What was counted since it began to serve.
    pub since_start: Counts,
}

/// What is known of a credential.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialState {
    /// Its name in the configuration.
    pub name: String,
    /// Whether ClickBank accepts it, as the last probe told: `alive`, `dead` or `unknown`.
    pub state: &'static str,
    /// How the reach that ClickBank shows for reading orders compares with the one that is declared.
    pub reach: &'static str,
    /// Whether there is a read that would show whether it is accepted.
    pub is_probed: bool,
    /// If it is dead, the credentials of equal reach that act in its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<String>,
    /// If it is dead, whether there are calls for which none does.
    pub lacking: bool,
}

/// Keys, by whether they count.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KeyStates {
    /// They count.
    pub active: usize,
    /// They are switched off.
    pub inactive: usize,
    /// They are past their date.
    pub expired: usize,
    /// Active ones that are past their date in 7 days.
    pub expiring_in_7_days: usize,
    /// The same in 30 days.
    pub expiring_in_30_days: usize,
    /// When the next active one expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_expiry: Option<Timestamp>,
}

impl KeyStates {
    /// As of now.
    pub(crate) fn of(keys: &Keys, now: Timestamp) -> Self {
        let [week, month] = SOON.map(|(_, within)| keys.expiring(now, within));
        Self {
            active: keys.active(now),
            inactive: keys.inactive(),
            expired: keys.expired(now),
            expiring_in_7_days: week,
            expiring_in_30_days: month,
            next_expiry: keys.next_expiry(now),
        }
    }
}

/// What was counted since a gateway began to serve.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Requests that got ClickBank's answer.
    pub answered: u64,
    /// Requests that the gateway answered itself.
    pub refused: u64,
    /// Requests whose callers hung up.
    pub caller_gone: u64,
    /// Requests that operators should have looked at.
    pub alarms: u64,
    /// Questions of the gateway's own to ClickBank.
    pub look_ups: u64,
    /// How often it mattered whose an order is, and it was still known.
    pub owners_known: u64,
    /// How often it was not.
    pub owners_unknown: u64,
    /// Rows of others that were cut out of answers.
    pub rows_dropped: u64,
}

/// How the switch for changes stands.
#[derive(Clone, Debug, Serialize)]
pub struct Switched {
    /// Whether changes go out, as far as this switch is concerned.
    pub changes: &'static str,
    /// Whether it stays so when the gateway is restarted.
    pub outlives_restart: bool,
    /// Why not, if it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What operators can ask for.
pub(crate) trait Office: Clone + Send + Sync + 'static {
    /// What the gateway is doing.
    fn status(&self) -> Status;

    /// What each caller gets.
    fn roster(&self) -> Roster;

    /// Has the configuration read again.
    fn reload(&self) -> Outcome;

    /// Lets no change out any more, or lets them out again. When it returns, it holds.
    fn stop_changes(&self, stopped: bool) -> Switched;
}

/// Answers operators until told to stop.
pub(crate) async fn serve(listener: Listener, token: Option<AdminToken>, office: impl Office, stop: CancellationToken) {
    let token = Arc::new(token);
    let answer = move |request: Request<Incoming>| {
        let (token, office) = (Arc::clone(&token), office.clone());
        async move { answer(&request, token.as_ref().as_ref(), office).await }
    };
    brief::serve(listener, BOUNDS, answer, stop).await;
}

/// Whether exactly one `Authorization: Bearer TOKEN` is there, with this token.
fn presents(headers: &HeaderMap, token: &AdminToken) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.as_bytes().strip_prefix(b"Bearer ").is_some_and(|presented| token.is(presented))
}

/// What may take as long as reading 100,000 keys does, where it holds nobody up.
async fn in_its_time<T: Serialize + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> (StatusCode, String) {
    let text = tokio::task::spawn_blocking(move || serde_json::to_string(&work()));
    match text.await {
        Ok(Ok(text)) => (StatusCode::OK, text),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "{\"error\":\"it failed; the log says more\"}".to_owned()),
    }
}

async fn answer<B>(request: &Request<B>, token: Option<&AdminToken>, office: impl Office) -> Response<Full<Bytes>> {
    let error = |code, text: &str| (code, format!("{{\"error\":\"{text}\"}}"));
    let (code, text) = if token.is_some_and(|token| !presents(request.headers(), token)) {
        error(StatusCode::UNAUTHORIZED, "send Authorization: Bearer with the admin token")
    } else {
        match (request.uri().path(), request.method()) {
            ("/status", &Method::GET) => (StatusCode::OK, serde_json::to_string(&office.status()).unwrap_or_default()),
            ("/callers", &Method::GET) => in_its_time(move || office.roster()).await,
            ("/status" | "/callers", _) => error(StatusCode::METHOD_NOT_ALLOWED, "use GET"),
            ("/reload", &Method::POST) => in_its_time(move || office.reload()).await,
            ("/changes/stop", &Method::POST) => in_its_time(move || office.stop_changes(true)).await,
            ("/changes/allow", &Method::POST) => in_its_time(move || office.stop_changes(false)).await,
            ("/changes/stop" | "/changes/allow" | "/reload", _) => error(StatusCode::METHOD_NOT_ALLOWED, "use POST"),
            _ => error(
                StatusCode::NOT_FOUND,
                "there is GET /status and /callers, and POST /reload, /changes/stop and /changes/allow",
            ),
        }
    };
    brief::answer(code, "application/json", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that tells nothing.
    #[derive(Clone)]
    struct Closed;

    impl Office for Closed {
        fn status(&self) -> Status {
            Status {
                version: "0",
                state: "ready",
                configuration: Standing {
                    generation: 1,
                    since: jiff::Timestamp::UNIX_EPOCH,
                    degraded: Vec::new(),
                    needs_restart: Vec::new(),
                },
                uptime_seconds: 0,
                address: String::new(),
                upstream: String::new(),
                keys: 0,
                key_states: KeyStates::default(),
                nicknames: 0,
                credentials: 0,
                connections: 0,
                changes: "allowed",
                in_flight: 0,
                waiting: 0,
                requests_in_24_hours: 0,
                requests_allowed: 0,
                credential_states: Vec::new(),
                since_start: Counts::default(),
            }
        }

        fn roster(&self) -> Roster {
            Roster::default()
        }

        fn stop_changes(&self, _: bool) -> Switched {
            Switched { changes: "stopped", outlives_restart: false, problem: None }
        }

        fn reload(&self) -> Outcome {
            Outcome { applied: true, generation: 2, problems: Vec::new(), needs_restart: Vec::new() }
        }
    }

    #[tokio::test]
    async fn with_a_token_nothing_is_told_without_it() {
        let token = AdminToken::new("0123456789012345678901234").unwrap();
        let right = &["Bearer 0123456789012345678901234"][..];
        for (values, method, path, expected) in [
            (right, "GET", "/status", 200),
            (right, "POST", "/status", 405),
            (right, "POST", "/reload", 200),
            (right, "GET", "/reload", 405),
            (right, "GET", "/callers", 200),
            (right, "POST", "/callers", 405),
            (&[], "GET", "/callers", 401),
            (right, "POST", "/changes/stop", 200),
            (right, "POST", "/changes/allow", 200),
            (right, "GET", "/changes/stop", 405),
            (&[], "POST", "/changes/allow", 401),
            (&[], "POST", "/reload", 401),
            (right, "GET", "/debug", 404),
            (&[], "GET", "/status", 401),
            (&[], "GET", "/debug", 401),
            (&["0123456789012345678901234"], "GET", "/status", 401),
            (&["Bearer "], "GET", "/status", 401),
            (&["Bearer 012345678901234567890123"], "GET", "/status", 401),
            (&["Bearer 0123456789012345678901234"; 2], "GET", "/status", 401),
        ] {
            let mut request = Request::builder().method(method).uri(path).body(()).unwrap();
            for value in values {
                request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
            }
            let answer = answer(&request, Some(&token), Closed).await;
            assert_eq!(answer.status().as_u16(), expected, "{values:?} {method} {path}");
        }
    }

    #[test]
    fn short_tokens_are_none() {
        for text in ["", "none", "01234567890123456789012", "0123456789012345678901 34"] {
            assert!(AdminToken::new(text).is_none(), "{text}");
        }
    }
}
