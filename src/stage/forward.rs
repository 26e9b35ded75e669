//! `Outbound` → [`Received`]: over verified TLS to ClickBank, once.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};
use tower::Service;

use crate::config::Upstream;
use crate::domain::endpoint::Changes;
use crate::rejection::Rejection;

use super::Step;
use super::inject::{Outbound, Sending};

/// Connections that nobody uses are closed after this long, to be gone before ClickBank closes them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_IDLE: usize = 16;
/// Bounds on the head of an answer.
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 32 << 10;

/// An answer whose head has come.
pub struct Received {
    pub(super) sending: Sending,
    pub(super) response: Response<Incoming>,
    /// When the answer was asked for, and until when it has to be there whole.
    pub(super) began: Instant,
    pub(super) deadline: Instant,
}

type Connector = Limited<HttpsConnector<HttpConnector>>;

/// The stage.
#[derive(Clone, Debug)]
pub struct Forward {
    reads: Client<Connector, Empty<Bytes>>,
    changes: Client<Connector, Empty<Bytes>>,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl Forward {
    /// With connections of its own.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(upstream.tls.clone())
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let connector = Limited { inner: tls, limit: upstream.connect_timeout };
        let client = |retry, idle| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(idle)
                .http1_max_headers(MAX_HEADERS)
                .http1_max_buf_size(MAX_HEAD)
                // A reused connection may be dead. For a read the client may take another one. A change is sent once, and
                // over a fresh connection: if an old one died under it, nobody would know what became of it.
                .retry_canceled_requests(retry)
                .build(connector.clone())
        };
        Self {
            reads: client(true, MAX_IDLE),
            changes: client(false, 0),
            connect_timeout: upstream.connect_timeout,
            response_timeout: upstream.response_timeout,
        }
    }
}

impl Step for Forward {
    type In = Outbound;
    type Out = Received;

    async fn step(&self, outbound: Outbound) -> Result<Received, Rejection> {
        let (sending, request) = outbound.into_request();
        let client = if sending.changes == Changes::Nothing { &self.reads } else { &self.changes };
        let began = Instant::now();
        // Connecting has a limit of its own, so what is left of this one is for the answer.
        let deadline = began + self.connect_timeout + self.response_timeout;
        let answer = timeout_at(deadline, client.request(request)).await;
        let (fault, rejection) = match answer {
            Ok(Ok(response)) => return Ok(Received { sending, response, began, deadline }),
            Ok(Err(error)) => classify(&error, sending.changes),
            Err(_) => ("timeout", unanswered(sending.changes, Rejection::UpstreamTimeout)),
        };
        let mut facts = sending.passage.trail.facts();
        facts.upstream = began.elapsed();
        facts.upstream_fault = Some(fault);
        Err(rejection)
    }
}

/// What a failure means, in a word for the log and a reason for the caller. The error's own text stays here: it can
/// hold what the other side sent.
fn classify(error: &Error, changes: Changes) -> (&'static str, Rejection) {
    if error.is_connect() {
        return (connect_fault(error), Rejection::UpstreamUnreachable);
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<hyper::Error>() {
            let fault = if error.is_parse_too_large() {
                "head-too-large"
            } else if error.is_parse() {
                "malformed-answer"
            } else if error.is_incomplete_message() {
                "closed-before-answer"
            } else if error.is_canceled() {
                "connection-lost"
            } else {
                "broken-connection"
            };
            return (fault, unanswered(changes, Rejection::AnswerUnreadable));
        }
        cause = current.source();
    }
    ("broken-connection", unanswered(changes, Rejection::AnswerUnreadable))
}

fn connect_fault(error: &Error) -> &'static str {
    if holds(error, <dyn StdError>::is::<TimedOut>) {
        "connect-timeout"
    } else if holds(error, <dyn StdError>::is::<rustls::Error>) {
        "tls-not-verified"
    } else {
        "connect-failed"
    }
}

/// Whether the error, or anything behind it, is of a kind. An `io::Error` names the cause of what it wraps as its own
/// cause, so what it wraps is looked at as well.
fn holds(error: &(dyn StdError + 'static), is: impl Fn(&(dyn StdError + 'static)) -> bool + Copy) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    is(error)
        || wrapped.is_some_and(|wrapped| holds(wrapped, is))
        || error.source().is_some_and(|cause| holds(cause, is))
}

/// A read that got no answer changed nothing; what became of a change is not known.
fn unanswered(changes: Changes, read: Rejection) -> Rejection {
    if changes == Changes::Nothing { read } else { Rejection::OutcomeUnknown }
}

/// A connector that has to be done in time, TLS included.
#[derive(Clone, Debug)]
struct Limited<C> {
    inner: C,
    limit: Duration,
}

/// Connecting took too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connecting took too long")]
struct TimedOut;

impl<C> Service<Uri> for Limited<C>
where
    C: Service<Uri, Error = Box<dyn StdError + Send + Sync>>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let limit = self.limit;
        Box::pin(async move { timeout(limit, connecting).await.unwrap_or_else(|_| Err(TimedOut.into())) })
    }
}
