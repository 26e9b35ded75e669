//! `Permitted` → the response: a change that comes with an `Idempotency-Key` is made at most once, however often it is asked
//! for.
//!
//! It stands around the stages that send. Before the first byte goes out the ledger knows of it; when they are done, it
//! knows what came of it. Whoever asks again gets that. Of a change whose outcome nobody knows, the one who asks next has
//! ClickBank asked what it shows, and a change is called made or not made only where that leaves no doubt.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};

use crate::domain::call::Call;
use crate::domain::endpoint::{Changes, Endpoint, Owner, Segment};
use crate::domain::matrix::Named;
use crate::ledger::{Claim, Claimed, Fingerprint, IdempotencyKey, Ledger, LedgerError, Moment, Sending, Unknown};
use crate::rejection::{Malformed, Rejection};
use crate::trail::Trail;

use super::arrive::one;
use super::authorize::Permitted;
use super::respond::{self, ReplyBody};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is known of a change that is to be made at most once, shared by the stages that it goes through.
#[derive(Clone)]
pub(crate) struct Pledge(Arc<Mutex<State>>);

enum State {
    /// Nobody has sent it.
    Claimed(Claim, Option<Evidence>),
    /// It may be on its way.
    Sending(Sending),
    /// It may have been sent, and is not sent now: it is found out what became of it.
    Unknown {
        /// What ClickBank showed before.
        before: Option<Evidence>,
        /// Whether it can still be under way.
        is_recent: bool,
        /// The type of the ticket that it opens, in ClickBank's answers.
        opens: Option<&'static str>,
    },
    Over,
}

/// What ClickBank shows of what a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Evidence {
    /// The tickets about a receipt, by id and type.
    Tickets(Vec<(String, String)>),
    /// Something that is other once the change was made. What is kept of it is a digest.
    State(String),
}

/// How evidence is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Showing {
    /// By the tickets about the receipt in this path variable.
    Tickets(usize),
    /// By the ticket in this path variable.
    Ticket(usize),
    /// By the order with the receipt in this path variable.
    Order(usize),
}

impl Showing {
    /// What shows whether a call of this endpoint was made, if anything does.
    pub(super) fn of(endpoint: &Endpoint) -> Option<Self> {
        let first = endpoint.path.segments().first();
        let is = |word: &str| matches!(first, Some(Segment::Literal(text)) if text == word);
        match endpoint.owner {
            _ if endpoint.changes == Changes::Nothing => None,
            Owner::Receipt(variable) if is("tickets") => Some(Self::Tickets(variable)),
            Owner::Receipt(variable) if is("orders") || is("orders2") => Some(Self::Order(variable)),
            Owner::Ticket(variable) => Some(Self::Ticket(variable)),
            _ => None,
        }
    }
}

/// The read that shows whether a call of this endpoint was made, for people.
pub(crate) fn where_it_shows(endpoint: &Endpoint) -> Option<&'static str> {
    if endpoint.changes == Changes::Nothing {
        return None;
    }
    let first = endpoint.path.segments().first();
    let begins = |word: &str| matches!(first, Some(Segment::Literal(text)) if text.starts_with(word));
    Some(match endpoint.owner {
        Owner::Ticket(_) => "GET /rest/1.3/tickets/{id}",
        Owner::Receipt(_) if begins("tickets") => "GET /rest/1.3/tickets/list?receipt={receipt}",
        Owner::Receipt(_) if begins("orders") => "GET /rest/1.3/orders2/{receipt}",
        Owner::Receipt(_) if begins("shipping") => "GET /rest/1.3/shipping2/shipnotice/{receipt}",
        Owner::Parameter(_) if begins("products") => "GET /rest/1.3/products/{sku}?site={nickname}",
        _ => return None,
    })
}

/// What a change needs of whoever proves whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What ClickBank shows before it is sent.
    Before,
    /// What it shows now. It is not sent.
    After,
}

impl Pledge {
    fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn take(&self) -> State {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Over)
    }

    fn put(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Which evidence is wanted.
    pub(super) fn wants(&self) -> Option<Wanted> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Claimed(..) => Some(Wanted::Before),
            State::Unknown { .. } => Some(Wanted::After),
            State::Sending(_) | State::Over => None,
        }
    }

    /// Keeps what ClickBank shows before.
    pub(super) fn note(&self, evidence: Option<Evidence>) {
        if let State::Claimed(_, before) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            *before = evidence;
        }
    }

    /// What became of it, by what ClickBank shows now.
    pub(super) fn conclude(&self, after: Option<&Evidence>) -> Rejection {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Unknown { before, is_recent, opens } = &*state else { return Rejection::OutcomeUnknown };
        match (before, after) {
            // A customer may open a ticket, too: only one of the same type is what was asked for.
            (Some(Evidence::Tickets(before)), Some(Evidence::Tickets(after)))
                if after.iter().any(|ticket| !before.contains(ticket) && Some(ticket.1.as_str()) == *opens) =>
            {
                Rejection::ExecutedAnswerWithheld
            }
            // Nothing has changed, and nothing that is still under way will change it.
            (Some(before), Some(after)) if before == after && !is_recent => Rejection::ChangeNotExecuted,
            _ => Rejection::OutcomeUnknown,
        }
    }

    /// Has the ledger know that the change may be sent from now on.
    ///
    /// # Errors
    /// When it cannot be written down. Then nothing may be sent.
    pub(super) async fn send(&self, trail: &Trail) -> Result<(), Rejection> {
        let State::Claimed(claim, before) = self.take() else { return Err(Rejection::OutcomeUnknown) };
        let notes = serde_json::to_vec(&before).unwrap_or_default();
        // More than the ledger keeps leaves less to conclude from, and is no reason not to send.
        let notes = if notes.len() > crate::ledger::MAX_NOTES { Vec::new() } else { notes };
        let sending = claim.sending(&notes, Moment::now()).await.map_err(|error| failed(&error, trail))?;
        self.put(State::Sending(sending));
        Ok(())
    }
}

/// A ledger that does not do what it should. Nothing was sent.
fn failed(error: &LedgerError, trail: &Trail) -> Rejection {
    trail.facts().alarm(match error {
        LedgerError::Full => "ledger-full",
        _ => "ledger-failed",
    });
    Rejection::Overloaded
}

/// Puts [`Remember`] around the stages that send.
#[derive(Clone, Debug)]
pub struct RememberLayer(Arc<Place>);

/// Where what becomes of changes is kept. Stages are cloned for each request, and this is not.
#[derive(Debug)]
struct Place {
    ledger: Option<Ledger>,
    /// After this long nothing that was sent is still under way.
    patience: Duration,
}

impl RememberLayer {
    /// With this ledger; without one, idempotency keys are refused.
    #[must_use]
    pub fn new(ledger: Option<Ledger>, patience: Duration) -> Self {
        Self(Arc::new(Place { ledger, patience }))
    }
}

impl<N> Layer<N> for RememberLayer {
    type Service = Remember<N>;

    fn layer(&self, next: N) -> Remember<N> {
        Remember { place: Arc::clone(&self.0), next }
    }
}

/// Sees to it that a change with an idempotency key is made at most once.
#[derive(Clone, Debug)]
pub struct Remember<N> {
    place: Arc<Place>,
    next: N,
}

impl<N> Service<Permitted> for Remember<N>
where
    N: Service<Permitted, Response = Response<ReplyBody>, Error = Rejection> + Clone + Send + 'static,
    N::Future: Send,
{
    type Response = Response<ReplyBody>;
    type Error = Rejection;
    type Future = Remembered<N::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, permitted: Permitted) -> Self::Future {
        let key = match idempotency_key(&permitted) {
            Ok(None) => return Remembered { next: Some(self.next.call(permitted)), kept: None },
            Ok(Some(key)) => key,
            Err(rejection) => return Remembered { next: None, kept: Some(Box::pin(async { Err(rejection) })) },
        };
        let Some(ledger) = self.place.ledger.clone() else {
            return Remembered { next: None, kept: Some(Box::pin(async { Err(Rejection::IdempotencyNotOffered) })) };
        };
        // The service that was polled ready is the one to call; its clone, which was not, stays behind.
        let clone = self.next.clone();
        let next = std::mem::replace(&mut self.next, clone);
        Remembered { next: None, kept: Some(Box::pin(once(ledger, self.place.patience, key, permitted, next))) }
    }
}

pin_project! {
    /// The stages at work.
    pub struct Remembered<F> {
        #[pin]
        next: Option<F>,
        kept: Option<Pin<Box<dyn Future<Output = Result<Response<ReplyBody>, Rejection>> + Send>>>,
    }
}

impl<F: Future<Output = Result<Response<ReplyBody>, Rejection>>> Future for Remembered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.next.as_pin_mut(), this.kept) {
            (Some(next), _) => next.poll(context),
            (None, Some(kept)) => kept.as_mut().poll(context),
            (None, None) => Poll::Ready(Err(Rejection::Overloaded)),
        }
    }
}

/// The idempotency key of a change. A read has no use for one, and may come with it.
fn idempotency_key(permitted: &Permitted) -> Result<Option<IdempotencyKey>, Rejection> {
    let headers = &permitted.passage.origin.headers;
    if !headers.contains_key(&IDEMPOTENCY_KEY) {
        return Ok(None);
    }
    let policy = &permitted.passage.snapshot.policy;
    let endpoint = policy.catalogue.endpoint(permitted.call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
    if endpoint.changes == Changes::Nothing {
        return Ok(None);
    }
    let key = one(headers, &IDEMPOTENCY_KEY).and_then(|value| IdempotencyKey::parse(value.as_bytes()).ok());
    key.map(Some).ok_or(Rejection::Malformed(Malformed::Header("Idempotency-Key")))
}

/// Makes a change at most once under its key.
async fn once<N>(
    ledger: Ledger,
    patience: Duration,
    key: IdempotencyKey,
    mut permitted: Permitted,
    mut next: N,
) -> Result<Response<ReplyBody>, Rejection>
where
    N: Service<Permitted, Response = Response<ReplyBody>, Error = Rejection>,
{
    let trail = permitted.passage.trail.clone();
    let (caller, fingerprint, nicknames, opens) = {
        let snapshot = &permitted.passage.snapshot;
        let caller = snapshot.keys.of(permitted.permit().caller()).ok_or(Rejection::Overloaded)?.id.as_str().to_owned();
        let endpoint =
            snapshot.policy.catalogue.endpoint(permitted.call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        // What the caller is granted may be more by the time that it asks again. What it asks for is the same.
        let named = match permitted.named() {
            Named::Nickname(id) => snapshot.policy.nicknames.name(id).to_owned(),
            Named::Nothing | Named::Undeclared => String::new(),
        };
        let parts = [endpoint.method.as_str().to_owned(), permitted.call.target(endpoint), named];
        let nicknames: Vec<String> =
            snapshot.policy.nicknames.names(permitted.permit().nicknames()).into_iter().map(str::to_owned).collect();
        (caller, Fingerprint::of(parts), nicknames, opens(endpoint, &permitted.call))
    };
    let claimed = ledger.claim(&caller, &key, fingerprint, Moment::now()).await;
    let (pledge, unknown) = match claimed.map_err(|error| failed(&error, &trail))? {
        Claimed::InFlight => return Err(Rejection::IdempotencyInFlight),
        Claimed::Mismatch => return Err(Rejection::IdempotencyMismatch),
        Claimed::Answered(answer) => {
            // It was proven to be the caller's by what the caller was granted then. It is not shown to one that has lost some
            // of it.
            if !respond::is_about(&answer, &nicknames) {
                return Err(Rejection::NotYoursOrUnknown);
            }
            trail.facts().replayed = true;
            return respond::once_more(answer);
        }
        Claimed::First(claim) => (Pledge::new(State::Claimed(claim, None)), None),
        Claimed::Unknown(unknown) => (Pledge::new(asked_about(&unknown, patience, opens)), Some(unknown)),
    };
    permitted.passage.pledge = Some(pledge.clone());
    let outcome = next.call(permitted).await;
    let written = match (pledge.take(), unknown) {
        (_, Some(unknown)) => found_out(unknown, &outcome, &nicknames).await,
        (State::Sending(sending), None) => sent(sending, &trail, &outcome, &nicknames).await,
        // Nothing of it was sent, so it is free again.
        _ => Ok(()),
    };
    if let Err(error) = written {
        // What came of it is still told to whoever waits now; to others it is unknown.
        failed(&error, &trail);
    }
    outcome
}

/// The type of the ticket that a call opens, in ClickBank's answers.
fn opens(endpoint: &Endpoint, call: &Call) -> Option<&'static str> {
    let position = endpoint.parameters.iter().position(|parameter| parameter.name == "type")?;
    match call.value_at(position)? {
        "rfnd" => Some("REFUND"),
        "cncl" => Some("CANCEL"),
        "tech" => Some("TECH_SUPPORT"),
        _ => None,
    }
}

fn asked_about(unknown: &Unknown, patience: Duration, opens: Option<&'static str>) -> State {
    let before = serde_json::from_slice(unknown.notes()).ok().flatten();
    let since = SystemTime::now().duration_since(unknown.sent_at()).unwrap_or_default();
    State::Unknown { before, is_recent: since <= patience, opens }
}

/// Writes down what was found out of a change whose outcome was not known.
async fn found_out(
    unknown: Unknown,
    outcome: &Result<Response<ReplyBody>, Rejection>,
    nicknames: &[String],
) -> Result<(), LedgerError> {
    match outcome {
        Err(Rejection::ExecutedAnswerWithheld) => unknown.answered(&respond::kept_withheld(nicknames)).await,
        Err(Rejection::ChangeNotExecuted) => unknown.not_executed().await,
        _ => Ok(()),
    }
}

/// Writes down what came of a change.
async fn sent(
    sending: Sending,
    trail: &Trail,
    outcome: &Result<Response<ReplyBody>, Rejection>,
    nicknames: &[String],
) -> Result<(), LedgerError> {
    if !trail.facts().departed {
        return sending.not_sent().await;
    }
    match outcome {
        // ClickBank let nobody in, so nothing was done, and the next try may fare better.
        Ok(response) if is_turned_away(response.status()) => sending.not_sent().await,
        Err(Rejection::CredentialRefused | Rejection::CredentialEchoed { .. }) => sending.not_sent().await,
        Ok(response) if response.status().is_success() || response.status().is_client_error() => {
            sending.answered(&respond::kept(response, nicknames)).await
        }
        Err(Rejection::ExecutedAnswerWithheld) => sending.answered(&respond::kept_withheld(nicknames)).await,
        Ok(_) | Err(_) => {
            sending.unknown();
            Ok(())
        }
    }
}

/// Whether a status says that ClickBank did not look at the change at all.
const fn is_turned_away(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}
