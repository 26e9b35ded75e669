//! `Outbound` → [`Received`]: over verified TLS to ClickBank. A change goes once.
//!
//! A read that fails in a way that may be over soon is tried again, as long as it has time, the limits let it, and its
//! caller waits. Nothing of that can happen to a change: what is sent again takes a `Repeatable`, which a change has none
//! of, and a change's request is used up by sending it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Extensions, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};
use tower::Service;

use crate::config::Upstream;
use crate::http1::answer::{self, Fault};
use crate::keys::KeyNumber;
use crate::rejection::Rejection;

use super::arrive;
use super::depart::{Departure, Stopped};
use super::inject::{Outbound, Sending};
use super::shape::{Again, Leave, Repeatable, Shape};
use super::{Passage, Step};

mod again;
mod wire;

use again::Another;
use wire::{Surplus, Uses, Wire};

/// Connections that nobody uses are closed after this long, to be gone before ClickBank closes them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that are kept for a caller while it does not use them.
const MAX_IDLE: usize = 16;

/// The port that `Host` need not name.
const HTTPS: u16 = 443;

/// Callers whose connections are kept. Within the idle time, ClickBank's limits leave far fewer.
const MAX_POOLS: usize = 1_024;

/// The body of an answer on its way.
pub type UpstreamBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// An answer whose head has come.
pub struct Received {
    pub(super) sending: Sending,
    pub(super) response: Response<UpstreamBody>,
    /// When the answer was asked for, and until when it has to be there whole.
    pub(super) began: Instant,
    pub(super) deadline: Instant,
}

type Connector = Screened<HttpsConnector<HttpConnector>>;
type Pool = Client<Connector, Empty<Bytes>>;

/// Answers in place of ClickBank, without a network between.
pub type InProcess = dyn Fn(&Request<Empty<Bytes>>) -> Response<Bytes> + Send + Sync;

/// The stage.
pub struct Forward {
    way: Way,
    shape: Shape,
    connect_timeout: Duration,
    response_timeout: Duration,
    retries: u32,
}

/// How requests get to ClickBank.
enum Way {
    Network(Box<Network>),
    InProcess(Box<InProcess>),
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").finish_non_exhaustive()
    }
}

impl Forward {
    /// Over the network, with connections of its own. What is sent again is shaped again.
    #[must_use]
    pub fn new(upstream: &Upstream, shape: Shape) -> Self {
        Self::by(upstream, shape, Way::Network(Box::new(Network::new(upstream))))
    }

    /// To a function of this process: what is measured or tried then is the gateway alone.
    #[must_use]
    pub fn in_process(upstream: &Upstream, shape: Shape, answer: Box<InProcess>) -> Self {
        Self::by(upstream, shape, Way::InProcess(answer))
    }

    fn by(upstream: &Upstream, shape: Shape, way: Way) -> Self {
        let Upstream { connect_timeout, response_timeout, retries, .. } = *upstream;
        Self { way, shape, connect_timeout, response_timeout, retries }
    }

    /// Sends a read until there is something to tell of it.
    async fn read(
        &self,
        sending: Sending,
        request: &Request<Empty<Bytes>>,
        repeatable: &Repeatable,
    ) -> Result<Received, Rejection> {
        // What took long is likely to take long again, so half the time is left to the last try.
        let now = Instant::now();
        let latest = now + self.deadline(&sending, now).saturating_duration_since(now) / 2;
        let (mut over, mut retries) = (Over::Kept, 0);
        loop {
            let began = Instant::now();
            let deadline = self.deadline(&sending, began);
            let tried = self.attempt(&sending, deadline, self.ask(&sending, over, request)).await;
            let ended = Instant::now();
            let another = Another::after(&tried).filter(|another| another.is_at_once() || retries < self.retries);
            let Some(another) = another else { return received(sending, tried, began, deadline) };
            let pause = another.pause(retries);
            let again = self.shape.again(&sending.proven, repeatable, pause, latest).await;
            if again == Again::Stays {
                // That it was waited for in vain took no time of ClickBank's.
                return received(sending, tried, began + ended.elapsed(), deadline);
            }
            {
                let mut facts = sending.proven.passage().trail.facts();
                facts.upstream += ended.saturating_duration_since(began);
                // Connections die of old age, too, and nobody has to look into that.
                if let (Err(failure), Some(_)) = (&tried, pause) {
                    facts.upstream_fault = Some(failure.fault);
                }
                if again == Again::Goes {
                    facts.retried.push(another.reason);
                }
            }
            if again == Again::Overtaken {
                return Err(arrive::overtake(sending.proven.into_passage()));
            }
            retries += u32::from(pause.is_some());
            over = Over::Fresh;
        }
    }

    /// Sends a change, once.
    async fn change(
        &self,
        sending: Sending,
        request: Request<Empty<Bytes>>,
        departure: &Departure,
    ) -> Result<Received, Rejection> {
        let exchange = async {
            match &self.way {
                Way::Network(network) => network.change(request, departure).await,
                Way::InProcess(answer) => {
                    let answered = departure.go(|| answer(&request)).map_err(|_| Failure::UNSENT)?;
                    Ok(answered.map(whole))
                }
            }
        };
        let began = Instant::now();
        let deadline = self.deadline(&sending, began);
        let failure = match self.attempt(&sending, deadline, exchange).await {
            Ok(response) => {
                // ClickBank says that it did not do it.
                if response.status().is_client_error() {
                    departure.nothing_was_done();
                }
                return Ok(Received { sending, response, began, deadline });
            }
            Err(failure) => failure,
        };
        note(&sending, began, &failure);
        // The connection may still be about to send it, and has to leave that: the caller is told that it was not sent.
        if departure.call_off() {
            Err(unsent(departure.stopped(), sending.proven.into_passage()))
        } else {
            Err(Rejection::OutcomeUnknown)
        }
    }

    /// Has an exchange done in time.
    async fn attempt(&self, sending: &Sending, deadline: Instant, exchange: impl Future<Output = Tried>) -> Tried {
        sending.proven.passage().trail.facts().upstream_tries += 1;
        timeout_at(deadline, exchange).await.unwrap_or(Err(Failure::LATE))
    }

    /// Until when the answer to what was begun then has to be there whole. Connecting has a limit of its own, so what is left
    /// of this one is for the answer.
    fn deadline(&self, sending: &Sending, began: Instant) -> Instant {
        let own = began + self.connect_timeout + self.response_timeout;
        sending.proven.passage().budget.map_or(own, |budget| budget.answer_by.min(own))
    }

    async fn ask(&self, sending: &Sending, over: Over, request: &Request<Empty<Bytes>>) -> Tried {
        match &self.way {
            Way::Network(network) => {
                let pool = match over {
                    Over::Kept => &network.reads_of(sending.proven.number()),
                    Over::Fresh => &network.once,
                };
                let answer = pool.request(request.clone()).await.map_err(|error| Failure::of_read(&error))?;
                Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
            Way::InProcess(answer) => Ok(answer(request).map(whole)),
        }
    }
}

/// What came of sending a request.
type Tried = Result<Response<UpstreamBody>, Failure>;

/// Which connection a read takes.
#[derive(Clone, Copy, Debug)]
enum Over {
    /// One of the caller's that was kept, if there is one.
    Kept,
    /// A fresh one that carries no other request: of the kept ones, those that are left may be dead as well.
    Fresh,
}

/// An answer's body that is all there.
fn whole(body: Bytes) -> UpstreamBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// What there is to tell of a read.
fn received(sending: Sending, tried: Tried, began: Instant, deadline: Instant) -> Result<Received, Rejection> {
    match tried {
        Ok(response) => Ok(Received { sending, response, began, deadline }),
        Err(failure) => {
            note(&sending, began, &failure);
            Err(failure.rejection())
        }
    }
}

/// Notes what failed.
fn note(sending: &Sending, began: Instant, failure: &Failure) {
    let mut facts = sending.proven.passage().trail.facts();
    facts.upstream += began.elapsed();
    facts.upstream_fault = Some(failure.fault);
}

/// Why there is no answer.
struct Failure {
    /// In a word for the log. The error's own text stays where it is: it can hold what the other side sent.
    fault: &'static str,
    kind: Kind,
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No connection was made.
    Unconnected,
    /// One was, but not certainly with ClickBank.
    Unverified,
    /// A connection that had been kept ended without a byte of an answer. Most likely it was dead before.
    Stale,
    /// The connection ended without a byte of an answer.
    Unanswered,
    /// Nothing came in time.
    Late,
    /// What came is no answer.
    Broken,
}

impl Failure {
    const UNSENT: Self = Self { fault: "not-sent", kind: Kind::Broken };
    const LATE: Self = Self { fault: "timeout", kind: Kind::Late };

    fn of_connecting(error: &(dyn StdError + 'static)) -> Self {
        if holds(error, <dyn StdError>::is::<rustls::Error>) {
            return Self { fault: "tls-not-verified", kind: Kind::Unverified };
        }
        let fault = if holds(error, <dyn StdError>::is::<TimedOut>) { "connect-timeout" } else { "connect-failed" };
        Self { fault, kind: Kind::Unconnected }
    }

    fn of_read(error: &Error) -> Self {
        if error.is_connect() {
            return Self::of_connecting(error);
        }
        let mut extras = Extensions::new();
        error.connect_info().inspect(|connected| connected.get_extras(&mut extras));
        let kind = match extras.get::<Uses>() {
            Some(uses) if has_ended(error) && uses.may_have_been_dead() => Kind::Stale,
            Some(uses) if has_ended(error) && uses.is_unanswered() => Kind::Unanswered,
            _ => Kind::Broken,
        };
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(error) = current.downcast_ref::<hyper::Error>() {
                return Self { kind, ..Self::of_exchange(error) };
            }
            cause = current.source();
        }
        Self { fault: "broken-connection", kind }
    }

    /// What the caller of a read is told.
    const fn rejection(&self) -> Rejection {
        match self.kind {
            Kind::Unconnected | Kind::Unverified => Rejection::UpstreamUnreachable,
            Kind::Late => Rejection::UpstreamTimeout,
            Kind::Stale | Kind::Unanswered | Kind::Broken => Rejection::AnswerUnreadable,
        }
    }

    fn of_exchange(error: &hyper::Error) -> Self {
        let fault = if let Some(fault) = screened(error) {
            fault
        } else if error.is_parse() {
            "malformed-answer"
        } else if error.is_incomplete_message() {
            "closed-before-answer"
        } else if error.is_canceled() {
            "connection-lost"
        } else {
            "broken-connection"
        };
        Self { fault, kind: Kind::Broken }
    }
}

/// Connections to ClickBank.
struct Network {
    connector: Connector,
    /// Each caller's own connections, for its reads. Should an answer ever be taken for that of another request, it was
    /// asked for by the same caller.
    reads: DashMap<KeyNumber, Pool>,
    /// Connections that carry one request each.
    once: Pool,
}

impl Network {
    fn new(upstream: &Upstream) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(upstream.tls.clone())
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let connector = Screened { inner: tls, limit: upstream.connect_timeout };
        Self { once: pool(connector.clone(), false, 0), reads: DashMap::new(), connector }
    }

    /// The connections for a caller's reads.
    fn reads_of(&self, caller: KeyNumber) -> Pool {
        if let Some(pool) = self.reads.get(&caller) {
            return pool.clone();
        }
        if self.reads.len() >= MAX_POOLS {
            // Requests in flight have a hold on their own; what is lost is connections that nobody uses.
            self.reads.clear();
        }
        self.reads.entry(caller).or_insert_with(|| pool(self.connector.clone(), true, MAX_IDLE)).clone()
    }

    /// Sends a change, once, over a connection that carries no other: if an old one died under it, nobody would know what
    /// became of it.
    async fn change(&self, request: Request<Empty<Bytes>>, departure: &Departure) -> Tried {
        let connecting = self.connector.clone().call(request.uri().clone()).await;
        let stream = connecting.map_err(|error| Failure::of_connecting(&*error))?;
        let wire = stream.into_inner().for_change(departure.clone());
        let handshake = http1::Builder::new()
            .max_headers(answer::MAX_FIELDS + 1)
            .max_buf_size(answer::MAX_HEAD)
            .handshake(TokioIo::new(wire));
        let (mut sender, connection) = handshake.await.map_err(|error| Failure::of_exchange(&error))?;
        // It ends with the answer, or when nobody waits for one any more. What goes wrong shows in the answer.
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        let answered = sender.send_request(in_origin_form(request)).await;
        let answer = answered.map_err(|error| Failure::of_exchange(&error))?;
        Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
    }
}

/// The request as it stands on a connection (RFC 9112 §3.2.1): without scheme and host, which go into `Host`.
fn in_origin_form(mut request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let authority = parts.authority.take();
    let host = authority.as_ref().map(|authority| match authority.port_u16() {
        Some(HTTPS) => authority.host(),
        _ => authority.as_str(),
    });
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    let target = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    request
}

/// A reused connection may turn out to be dead before anything was sent on it. For a read the client then takes another
/// one.
fn pool(connector: Connector, retry: bool, idle: usize) -> Pool {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle)
        .http1_max_headers(answer::MAX_FIELDS + 1)
        .http1_max_buf_size(answer::MAX_HEAD)
        .retry_canceled_requests(retry)
        .build(connector)
}

impl Step for Forward {
    type In = Outbound;
    type Out = Received;

    async fn step(&self, outbound: Outbound) -> Result<Received, Rejection> {
        match outbound.into_request() {
            (sending, Leave::Read(repeatable), request) => self.read(sending, &request, &repeatable).await,
            (sending, Leave::Change(departure), request) => self.change(sending, request, &departure).await,
        }
    }
}

/// What becomes of a change of which no byte went out.
fn unsent(stopped: Option<Stopped>, passage: Passage) -> Rejection {
    match stopped {
        Some(Stopped::Overtaken) => arrive::overtake(passage),
        Some(Stopped::SwitchedOff) => Rejection::ChangesSwitchedOff,
        // Nobody is there to be told anything.
        Some(Stopped::CallerGone | Stopped::CalledOff) | None => Rejection::UpstreamUnreachable,
    }
}

/// Whether a connection came to an end, by one side or the other, or was of no use any more.
fn has_ended(error: &Error) -> bool {
    let closed = |error: &hyper::Error| error.is_incomplete_message() || error.is_canceled();
    // One that ends without the farewell of TLS ends unexpectedly.
    let is_end = |error: &io::Error| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    holds(error, |cause| {
        cause.is::<Surplus>()
            || cause.downcast_ref::<hyper::Error>().is_some_and(closed)
            || cause.downcast_ref::<io::Error>().is_some_and(is_end)
    })
}

/// What the screen before the HTTP library found wrong, if that is what ended the connection.
fn screened(error: &hyper::Error) -> Option<&'static str> {
    for (fault, word) in [
        (Fault::Malformed, "malformed-answer"),
        (Fault::TooLarge, "head-too-large"),
        (Fault::Interim, "interim-answers"),
    ] {
        if holds(error, |cause| cause.downcast_ref::<Fault>() == Some(&fault)) {
            return Some(word);
        }
    }
    None
}

/// Whether the error, or anything behind it, is of a kind. An `io::Error` names the cause of what it wraps as its own
/// cause, so what it wraps is looked at as well.
fn holds(error: &(dyn StdError + 'static), is: impl Fn(&(dyn StdError + 'static)) -> bool + Copy) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    is(error)
        || wrapped.is_some_and(|wrapped| holds(wrapped, is))
        || error.source().is_some_and(|cause| holds(cause, is))
}

/// A connector that has to be done in time, TLS included, and makes screened connections.
#[derive(Clone, Debug)]
struct Screened<C> {
    inner: C,
    limit: Duration,
}

/// Connecting took too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connecting took too long")]
struct TimedOut;

impl<C> Service<Uri> for Screened<C>
where
    C: Service<Uri, Error = Box<dyn StdError + Send + Sync>>,
    C::Future: Send + 'static,
{
    type Response = TokioIo<Wire<TokioIo<C::Response>>>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let limit = self.limit;
        Box::pin(async move {
            let stream = timeout(limit, connecting).await.unwrap_or_else(|_| Err(TimedOut.into()))?;
            Ok(TokioIo::new(Wire::new(TokioIo::new(stream))))
        })
    }
}
