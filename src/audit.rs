//! The outermost layer: opens one record per request, closes it on every exit, and writes it as one log line.
//!
//! Only what this file names gets into a record: identifiers from the configuration, words from closed sets, numbers.
//! No path, query, header value or body passes through here, so none can be logged.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::domain::endpoint::Method;
use crate::domain::secret::KEY_PREFIX;
use crate::last_use::Good;
use crate::listen::Peer;
use crate::metrics::{Closed, Metrics, Outcome};
use crate::pipeline::Shared;
use crate::rejection::{Code, Rejection};
use crate::snapshot::Snapshot;
use crate::stage::arrive::{self, Arrived, Message, Origin, arrive};
use crate::stage::remember;
use crate::stage::respond::{self, ReplyBody};
use crate::trail::Trail;

/// The target of the records, by which they are told from all other lines.
pub(crate) const TARGET: &str = "clickbank_gateway::audit";

/// The header that carries the request id, both ways.
pub const REQUEST_ID: &str = "x-request-id";

/// The name of one request, in its log line, in its answer and, if it sent a well-formed one, in the caller's own logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes over the caller's id if there is exactly one and it is well-formed (1 to 64 letters, digits, `.`, `-`,
    /// `_`, and nothing that looks like a key sent in the wrong header); makes one otherwise.
    fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(id), None) if id.to_str().is_ok_and(is_well_formed) => Self(id.clone()),
            _ => Self::new(),
        }
    }

    /// A version 7 UUID (RFC 9562 §5.7): sortable by time.
    fn new() -> Self {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut random = [0; 10];
        // Without random bytes an id may come twice in a millisecond, which is no reason to answer nobody.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string();
        Self(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unknown")))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn is_well_formed(id: &str) -> bool {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let upper = id.to_ascii_uppercase();
    let keyed = id.contains(KEY_PREFIX) || upper.contains("API-") || upper.contains("DEV-");
    (1..=64).contains(&id.len()) && plain && !keyed
}

/// In an answer's extensions: the request came with a key that counts. Not for the caller, but for whoever has to pick
/// the connection that can best be spared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recognised;

/// Puts [`Audit`] around the stages.
#[derive(Clone, Debug)]
pub struct AuditLayer {
    current: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
}

impl AuditLayer {
    /// Each request gets the snapshot that is current when it arrives, and is counted when it is over.
    #[must_use]
    pub fn new(shared: &Shared) -> Self {
        Self { current: Arc::clone(&shared.current), metrics: Arc::clone(&shared.metrics) }
    }
}

impl<N> Layer<N> for AuditLayer {
    type Service = Audit<N>;

    fn layer(&self, next: N) -> Audit<N> {
        Audit { current: Arc::clone(&self.current), metrics: Arc::clone(&self.metrics), next }
    }
}

/// Records each request; turns a rejection into its answer.
#[derive(Clone, Debug)]
pub struct Audit<N> {
    current: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    next: N,
}

impl<B, N> Service<Message<B>> for Audit<N>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    N: Service<Arrived, Response = Response<ReplyBody>, Error = Rejection> + Clone,
{
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Recorded<N>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Our stages are always ready; one that fails to be is answered for when it is called.
        self.next.poll_ready(context).map(|_| Ok(()))
    }

    fn call(&mut self, message: Message<B>) -> Recorded<N> {
        let snapshot = self.current.load_full();
        let metrics = Arc::clone(&self.metrics);
        let request = match message {
            Ok(request) => request,
            Err(rejection) => {
                let record = Record::open(RequestId::new(), "other", snapshot, Trail::default(), metrics);
                // What follows on a connection after such a message cannot be trusted to be a request.
                return Recorded { next: None, rejection: Some(rejection), record, last: true, again: None };
            }
        };
        let trail = request.extensions().get::<Trail>().cloned().unwrap_or_default();
        let id = RequestId::of(request.headers());
        // A method is the caller's text, too, so only those of the catalogue are written down.
        let method = Method::parse(request.method().as_str()).map_or("other", |method| method.as_str());
        let mut record = Record::open(id, method, Arc::clone(&snapshot), trail.clone(), metrics);
        record.peer = request.extensions().get().copied();
        // Where such a message ends is told by its body, not by its head, and others on the way may see it elsewhere.
        let last = request.headers().contains_key(TRANSFER_ENCODING);
        match arrive(request, snapshot, trail) {
            Ok(arrived) => {
                let again =
                    Again { current: Arc::clone(&self.current), origin: arrived.origin(), stages: self.next.clone() };
                Recorded { next: Some(self.next.call(arrived)), rejection: None, record, last, again: Some(again) }
            }
            Err(rejection) => Recorded { next: None, rejection: Some(rejection), record, last, again: None },
        }
    }
}

pin_project! {
    /// A request on its way.
    pub struct Recorded<N: Service<Arrived>> {
        #[pin]
        next: Option<N::Future>,
        rejection: Option<Rejection>,
        record: Record,
        // Whether the connection ends with it.
        last: bool,
        again: Option<Again<N>>,
    }
}

/// What it takes to decide on a request again.
struct Again<N> {
    current: Arc<ArcSwap<Snapshot>>,
    origin: Arc<Origin>,
    stages: N,
}

impl<N> Future for Recorded<N>
where
    N: Service<Arrived, Response = Response<ReplyBody>, Error = Rejection>,
{
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = loop {
            let outcome = match this.next.as_mut().as_pin_mut() {
                Some(next) => match next.poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(outcome) => outcome,
                },
                None => Err(this.rejection.take().unwrap_or(Rejection::Overloaded)),
            };
            let (Err(Rejection::Overtaken), Some(again)) = (&outcome, this.again.as_mut()) else { break outcome };
            let snapshot = again.current.load_full();
            this.record.begin_again(Arc::clone(&snapshot));
            let arrived = arrive::again(Arc::clone(&again.origin), snapshot, this.record.trail.clone());
            // Our stages are always ready.
            this.next.set(Some(again.stages.call(arrived)));
        };
        let (mut response, rejection) = match outcome {
            Ok(response) => (response, None),
            Err(rejection) => {
                let read = this.record.where_it_shows(&rejection);
                (respond::refuse(&rejection, this.record.id.as_str(), read), Some(rejection))
            }
        };
        response.headers_mut().insert(REQUEST_ID, this.record.id.0.clone());
        if *this.last {
            respond::end_connection(&mut response);
        }
        if this.record.trail.facts().caller.is_some() {
            response.extensions_mut().insert(Recognised);
        }
        this.record.close(response.status().as_u16(), rejection.as_ref());
        Poll::Ready(Ok(response))
    }
}

/// Writes its line and is counted when it is closed, or when it is dropped unclosed because the caller hung up.
struct Record {
    id: RequestId,
    method: &'static str,
    started: Instant,
    snapshot: Arc<Snapshot>,
    trail: Trail,
    metrics: Arc<Metrics>,
    /// Who is at the other end of the connection.
    peer: Option<Peer>,
    closed: bool,
}

impl Record {
    fn open(id: RequestId, method: &'static str, snapshot: Arc<Snapshot>, trail: Trail, metrics: Arc<Metrics>) -> Self {
        Self { id, method, started: Instant::now(), snapshot, trail, metrics, peer: None, closed: false }
    }

    /// Has what is noted from now on read by this snapshot. What the request has gone through stays noted.
    fn begin_again(&mut self, snapshot: Arc<Snapshot>) {
        self.trail.facts().undecide();
        self.snapshot = snapshot;
    }

    /// The read that shows what became of a change, if the caller has to find out.
    fn where_it_shows(&self, rejection: &Rejection) -> Option<&'static str> {
        if !matches!(rejection, Rejection::OutcomeUnknown | Rejection::ExecutedAnswerWithheld) {
            return None;
        }
        let endpoint = self.trail.facts().endpoint?;
        self.snapshot.policy.catalogue.endpoint(endpoint).and_then(remember::where_it_shows)
    }

    fn close(&mut self, status: u16, rejection: Option<&Rejection>) {
        self.closed = true;
        self.write(Some(status), rejection);
    }

    fn write(&self, status: Option<u16>, rejection: Option<&Rejection>) {
        let facts = self.trail.facts();
        let policy = &self.snapshot.policy;
        let key = facts.caller.and_then(|caller| self.snapshot.keys.of(caller));
        let endpoint = facts.endpoint.and_then(|id| policy.catalogue.endpoint(id));
        if let Some(caller) = facts.caller {
            let good = endpoint.filter(|_| facts.allowed_because.is_some());
            let good = good.map(|endpoint| Good { permissions: endpoint.permissions, nicknames: &facts.nicknames });
            self.snapshot.used.note(caller, good, SystemTime::now());
        }
        let outcome = match (status, rejection) {
            // It was given up, and how far it came nobody knows.
            (None, _) if facts.departed => Outcome::Refused(Code::OutcomeUnknown),
            (None, _) => Outcome::CallerGone,
            _ if facts.caller_gone && !facts.departed => Outcome::CallerGone,
            (_, Some(rejection)) => Outcome::Refused(rejection.code()),
            (_, None) => Outcome::Answered,
        };
        let error = (outcome != Outcome::Answered).then(|| outcome.as_str());
        let decision = match (facts.allowed_because, rejection) {
            (Some(_), _) => "allow",
            (None, Some(_)) => "deny",
            (None, None) => "none",
        };
        let alarming =
            facts.alarming || (facts.departed && status.is_none()) || rejection.is_some_and(Rejection::is_alarming);
        let cap = rejection.and_then(Rejection::cap);
        let took = self.started.elapsed();
        self.metrics.count(&Closed { snapshot: &self.snapshot, facts: &facts, outcome, status, alarming, took });
        // Whoever has no key is known by nothing else.
        let peer = self.peer.filter(|_| facts.key_fault.is_some()).map(tracing::field::display);
        // The level of an event has to be a constant, so the fields stand in a macro and not twice.
        macro_rules! record {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    request_id = self.id.as_str(),
                    generation = self.snapshot.generation(),
                    peer,
                    caller_id = key.map(|key| key.id.as_str()),
                    caller = key.map(|key| key.name.as_str()),
                    method = self.method,
                    endpoint = endpoint.map(|endpoint| endpoint.name.as_str()),
                    nickname = facts.nickname.map(|id| policy.nicknames.name(id)),
                    decision,
                    reason = facts.allowed_because.or(facts.key_fault).or(error).unwrap_or_default(),
                    malformed = rejection.and_then(Rejection::malformed),
                    credential = facts.credential.map(|id| policy.credentials.name(id)),
                    status,
                    error,
                    cap = cap.map(|(kind, _)| kind),
                    cap_of = cap.map(|(_, whose)| whose),
                    upstream_fault = facts.upstream_fault,
                    upstream_tries = facts.upstream_tries,
                    retried = facts.retried.last().copied(),
                    look_ups = facts.look_ups,
                    rows_dropped = facts.rows_dropped,
                    replayed = facts.replayed.then_some(true),
                    caller_gone = (facts.caller_gone && outcome != Outcome::CallerGone).then_some(true),
                    total_ms = milliseconds(took),
                    upstream_ms = milliseconds(facts.upstream),
                    waiting_ms = milliseconds(facts.waited),
                    "request"
                )
            };
        }
        if alarming {
            record!(tracing::Level::WARN);
        } else {
            record!(tracing::Level::INFO);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.closed {
            self.write(None, None);
        }
    }
}

/// To a tenth of a millisecond, which is as fine as anybody reads.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Records a message that the HTTP library refused although its head was beyond doubt, so that no stage ever saw it.
pub(crate) fn record_unparsed(error: &hyper::Error, metrics: &Metrics) {
    // A connection that ends is no request.
    if error.is_parse() || error.is_user() {
        record_cut("malformed-message", metrics);
    }
}

/// Records why a connection was cut off.
pub(crate) fn record_cut(reason: &'static str, metrics: &Metrics) {
    metrics.count_cut(reason);
    tracing::info!(target: TARGET, decision = "deny", reason, "connection cut off");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(values: &[&str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REQUEST_ID, value.parse().unwrap());
        }
        RequestId::of(&headers)
    }

    #[test]
    fn a_well_formed_request_id_is_taken_over_and_any_other_replaced() {
        assert_eq!(id_of(&["job-17.retry_2"]).as_str(), "job-17.retry_2");
        for sent in [
            &[][..],
            &[""],
            &["a", "b"],
            &["with space"],
            &["jane@example.com"],
            &["cbgw_0123456789"],
            &["x-API-0123456789ABCDEF"],
            &["dev-0123456789"],
            &[&*"x".repeat(65)],
        ] {
            let id = id_of(sent);
            assert!(!sent.contains(&id.as_str()), "{sent:?}");
            assert_eq!(id.as_str().len(), 36, "{sent:?}");
        }
    }
}
