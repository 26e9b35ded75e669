//! `Permitted` → the response: a change that comes with an `Idempotency-Key` is made at most once, however often it is asked
//! for.
//!
//! It stands around the stages that send. Before the first byte goes out the ledger knows of it; when they are done, it
//! knows what came of it. Whoever asks again gets that. Of a change whose outcome nobody knows, the one who asks next has
//! ClickBank asked what it shows, and a change is called made or not made only where that leaves no doubt.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderName;
use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};

use crate::domain::call::Call;
use crate::domain::endpoint::{Changes, Endpoint, Owner, Segment};
use crate::domain::matrix::Named;
use crate::ledger::{
    Claim, Claimed, Fingerprint, Found, IdempotencyKey, Ledger, LedgerError, Left, Mark, Moment, Sending, StoreError,
    Thing, Trace, Traces, Unknown,
};
use crate::rejection::{Malformed, Rejection};
use crate::trail::Trail;

use super::arrive::one;
use super::authorize::Permitted;
use super::respond::{self, ReplyBody};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is known of a change that is to be made at most once, shared by the stages that it goes through.
#[derive(Clone)]
pub(crate) struct Pledge {
    state: Arc<Mutex<State>>,
    /// What it is about, where that shows.
    about: Option<Arc<About>>,
    patience: Duration,
}

enum State {
    /// Nobody has sent it.
    Claimed {
        claim: Claim,
        left: Option<Left>,
        notes: Notes,
    },
    /// It has no key, and nobody has sent it. What it leaves tells others that it may have been made.
    Unkeyed {
        left: Option<Left>,
    },
    /// It may be on its way.
    Sending {
        sending: Option<Sending>,
        trace: Option<u64>,
    },
    /// It may have been sent, and is not sent now: it is found out what became of it.
    Unknown {
        notes: Notes,
        /// Whether it can still be under way.
        is_recent: bool,
    },
    /// It was made, and so were all changes that left these traces.
    Found {
        mark: Option<Mark>,
        traces: Vec<u64>,
    },
    Over,
}

/// What is kept with a change, to find out later what became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Notes {
    /// What ClickBank showed before.
    before: Option<Evidence>,
    /// The trace that it left.
    trace: Option<u64>,
    /// Traces of others that were there before, and of which nobody knew whether they would still be followed by a change.
    open: Vec<u64>,
}

/// What ClickBank shows of what a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Evidence {
    /// The tickets about a receipt.
    Tickets(Vec<Ticket>),
    /// Something that is other once the change was made. What is kept of it is a digest.
    State(String),
}

/// A ticket, as ClickBank shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) id: String,
    /// What it asks for.
    #[serde(skip)]
    pub(super) kind: String,
    /// Whether it was opened through the API. Customers open tickets, too.
    #[serde(skip)]
    pub(super) is_of_api: bool,
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
    /// By the ship notices of the receipt in this path variable.
    ShipNotices(usize),
    /// By the product with the number in this path variable, of the nickname in this parameter.
    Product(usize, usize),
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
            Owner::Receipt(variable) if is("shipping") || is("shipping2") || is("shipping3") => {
                Some(Self::ShipNotices(variable))
            }
            Owner::Ticket(variable) => Some(Self::Ticket(variable)),
            Owner::Parameter(site) if is("products") && endpoint.path.segments().len() == 2 => {
                Some(Self::Product(0, site))
            }
            _ => None,
        }
    }

    /// Whether a later change can bring back what was shown before. Comments and notices only become more.
    const fn is_reversible(self) -> bool {
        matches!(self, Self::Order(_) | Self::Product(..))
    }

    /// The words that name what such a call is about. A rebill is of the same order as the first sale.
    fn words(self, endpoint: &Endpoint, call: &Call) -> Option<[String; 3]> {
        let variable = |position| call.variable(endpoint, position).map(str::to_ascii_uppercase);
        let order =
            |position| variable(position).map(|receipt| receipt.split('-').next().unwrap_or_default().to_owned());
        Some(match self {
            Self::Tickets(receipt) => ["tickets".to_owned(), order(receipt)?, String::new()],
            Self::Ticket(id) => ["ticket".to_owned(), variable(id)?, String::new()],
            Self::Order(receipt) => ["order".to_owned(), order(receipt)?, String::new()],
            Self::ShipNotices(receipt) => ["notices".to_owned(), order(receipt)?, String::new()],
            Self::Product(sku, site) => {
                ["product".to_owned(), variable(sku)?, call.value_at(site)?.to_ascii_lowercase()]
            }
        })
    }
}

/// What one change is about, and how it shows.
struct About {
    traces: Traces,
    thing: Thing,
    /// What sort of ticket it opens.
    opens: Option<Opens>,
    is_reversible: bool,
}

/// A type of ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opens {
    Refund = 1,
    Cancel = 2,
    TechSupport = 3,
}

impl Opens {
    /// What a call opens.
    fn by(endpoint: &Endpoint, call: &Call) -> Option<Self> {
        let position = endpoint.parameters.iter().position(|parameter| parameter.name == "type")?;
        match call.value_at(position)? {
            "rfnd" => Some(Self::Refund),
            "cncl" => Some(Self::Cancel),
            "tech" => Some(Self::TechSupport),
            _ => None,
        }
    }

    /// The type in ClickBank's answers.
    const fn kind(self) -> &'static str {
        match self {
            Self::Refund => "REFUND",
            Self::Cancel => "CANCEL",
            Self::TechSupport => "TECH_SUPPORT",
        }
    }
}

impl About {
    /// What a call is about, if it shows anywhere.
    fn of(ledger: &Ledger, endpoint: &Endpoint, call: &Call) -> Option<Self> {
        let showing = Showing::of(endpoint)?;
        let words = showing.words(endpoint, call)?;
        let traces = ledger.traces().clone();
        let thing = traces.thing(&words.each_ref().map(String::as_str));
        Some(Self { traces, thing, opens: Opens::by(endpoint, call), is_reversible: showing.is_reversible() })
    }

    fn sort(&self) -> u8 {
        self.opens.map_or(0, |opens| opens as u8)
    }

    /// Notes on its trace whether the change was made.
    async fn settle(&self, trace: Option<u64>, made: bool, mark: Option<Mark>) -> Result<(), StoreError> {
        match trace {
            Some(trace) => self.traces.settle(self.thing, trace, made, mark).await,
            None => Ok(()),
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
    /// None: nobody will ask what became of it.
    Nothing,
}

/// What became of a change, as far as ClickBank shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// It was made, and so were all changes that left these traces. What it brought about, if that is known.
    Made(Option<Mark>, Vec<u64>),
    NotMade,
    Unclear,
}

impl Notes {
    /// What became of the change, by what is shown now and by what others left.
    fn conclude(&self, after: Option<&Evidence>, found: &Found, about: &About, is_recent: bool) -> Finding {
        // Of a change without a trace nobody knows who else was at it.
        let Some(own) = found.traces.iter().find(|trace| Some(trace.number) == self.trace) else {
            return Finding::Unclear;
        };
        // A gateway that is killed between the two has noted it there, and not in the record.
        match own.made {
            Some(true) => return Finding::Made(own.mark, vec![own.number]),
            Some(false) => return Finding::NotMade,
            None => {}
        }
        if self.open.iter().any(|number| *number <= found.lost) {
            return Finding::Unclear;
        }
        let is_another = |trace: &&Trace| trace.number > own.number || self.open.contains(&trace.number);
        let counts = |trace: &&Trace| trace.made.unwrap_or(trace.may_be_sent);
        let others: Vec<&Trace> = found.traces.iter().filter(is_another).filter(counts).collect();
        match (&self.before, after) {
            (Some(Evidence::Tickets(before)), Some(Evidence::Tickets(after))) => {
                let mark = |ticket: &Ticket| Some(about.traces.mark(about.thing, &ticket.id));
                let was_there = |ticket: &Ticket| before.iter().any(|other| other.id == ticket.id);
                let is_others = |ticket: &Ticket| others.iter().any(|other| other.mark == mark(ticket));
                let new: Vec<&Ticket> =
                    after.iter().filter(|ticket| !was_there(ticket) && !is_others(ticket)).collect();
                // Customers open tickets, and so do others at the seller's: neither does so through the API.
                let may_be_own: Vec<_> = new
                    .iter()
                    .filter(|ticket| ticket.is_of_api && about.opens.is_some_and(|opens| opens.kind() == ticket.kind))
                    .collect();
                // Each of these may have opened one of them.
                let rivals = others.iter().filter(|other| other.mark.is_none() && other.sort == about.sort());
                let may_be_made: Vec<u64> = rivals.map(|rival| rival.number).chain([own.number]).collect();
                match may_be_own.as_slice() {
                    [only] if may_be_made.len() == 1 => Finding::Made(mark(only), may_be_made),
                    // As many as could be, so all were made. Were there more, somebody would be at it whom nobody knows.
                    several if several.len() == may_be_made.len() => Finding::Made(None, may_be_made),
                    // Nothing that is still under way will open one.
                    _ if new.is_empty() && !is_recent => Finding::NotMade,
                    _ => Finding::Unclear,
                }
            }
            // Nothing has changed, and nothing that is still under way will change it. What others may have changed, and
            // changed back, shows nothing.
            (Some(before), Some(after))
                if before == after && !is_recent && (others.is_empty() || !about.is_reversible) =>
            {
                Finding::NotMade
            }
            _ => Finding::Unclear,
        }
    }
}

impl Pledge {
    fn new(state: State, about: Option<About>, patience: Duration) -> Self {
        Self { state: Arc::new(Mutex::new(state)), about: about.map(Arc::new), patience }
    }

    fn take(&self) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Over)
    }

    fn put(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Which evidence is wanted.
    pub(super) fn wants(&self) -> Option<Wanted> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Claimed { .. } => Some(Wanted::Before),
            State::Unkeyed { .. } => Some(Wanted::Nothing),
            State::Unknown { .. } => Some(Wanted::After),
            State::Sending { .. } | State::Found { .. } | State::Over => None,
        }
    }

    /// Leaves a trace on what the change is about, for others, and sees what they have left. It has to be there before
    /// anything is read: what happens afterwards is then known to either of two.
    ///
    /// # Errors
    /// When it cannot be written down. Then nothing may be sent.
    pub(super) async fn leave_trace(&self, trail: &Trail) -> Result<(), Rejection> {
        let Some(about) = self.about.as_deref() else { return Ok(()) };
        let now = Moment::now();
        let record = match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Claimed { claim, .. } => Some(claim.record()),
            _ => None,
        };
        let leave = async {
            let trace = about.traces.leave(about.thing, about.sort(), record, now).await?;
            Ok((trace, about.traces.on(about.thing).await?))
        };
        let (trace, found) = leave.await.map_err(|error: StoreError| failed(&error.into(), trail))?;
        let now = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Of what was sent long ago, all that there will ever be is there by now.
        let may_follow = |other: &&Trace| {
            other.number < trace.number()
                && other.made.is_none()
                && !is_over(Duration::from_secs(other.at), now, self.patience)
        };
        let open = found.traces.iter().filter(may_follow).map(|other| other.number).collect();
        match &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Claimed { left, notes, .. } => {
                *notes = Notes { before: None, trace: Some(trace.number()), open };
                *left = Some(trace);
            }
            State::Unkeyed { left } => *left = Some(trace),
            State::Sending { .. } | State::Unknown { .. } | State::Found { .. } | State::Over => {}
        }
        Ok(())
    }

    /// Keeps what ClickBank shows before.
    pub(super) fn note(&self, evidence: Option<Evidence>) {
        if let State::Claimed { notes, .. } = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            notes.before = evidence;
        }
    }

    /// What became of it, by what ClickBank shows now.
    pub(super) async fn conclude(&self, after: Option<&Evidence>) -> Rejection {
        // Read after what ClickBank shows: whoever is behind that has left a trace by now.
        let Some(about) = self.about.as_deref() else { return Rejection::OutcomeUnknown };
        let Ok(found) = about.traces.on(about.thing).await else { return Rejection::OutcomeUnknown };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Unknown { notes, is_recent } = &*state else { return Rejection::OutcomeUnknown };
        match notes.conclude(after, &found, about, *is_recent) {
            Finding::Made(mark, traces) => {
                *state = State::Found { mark, traces };
                Rejection::ExecutedAnswerWithheld
            }
            Finding::NotMade => Rejection::ChangeNotExecuted,
            Finding::Unclear => Rejection::OutcomeUnknown,
        }
    }

    /// Has the ledger know that the change may be sent from now on.
    ///
    /// # Errors
    /// When it cannot be written down. Then nothing may be sent.
    pub(super) async fn send(&self, trail: &Trail) -> Result<(), Rejection> {
        let (sending, left) = match self.take() {
            State::Claimed { claim, left, notes } => {
                let notes = serde_json::to_vec(&notes).unwrap_or_default();
                // More than the ledger keeps leaves nothing to conclude from, and is no reason not to send.
                let notes = if notes.len() > crate::ledger::MAX_NOTES { Vec::new() } else { notes };
                let sending = claim.sending(&notes, Moment::now()).await.map_err(|error| failed(&error, trail))?;
                (Some(sending), left)
            }
            State::Unkeyed { left } => (None, left),
            State::Sending { .. } | State::Unknown { .. } | State::Found { .. } | State::Over => {
                return Err(Rejection::OutcomeUnknown);
            }
        };
        let trace = left.as_ref().map(Left::number);
        if let Some(left) = left {
            left.stays();
        }
        self.put(State::Sending { sending, trace });
        Ok(())
    }
}

/// Whether nothing that was sent then is under way now. Both are since 1970, and the former is what a clock showed that
/// shows seconds.
fn is_over(sent: Duration, now: Duration, patience: Duration) -> bool {
    now.saturating_sub(sent) > patience + Duration::from_secs(1)
}

/// What is said in the log of a ledger that does not do what it should.
pub(crate) const ALARMS: [&str; 2] = ["ledger-failed", "ledger-full"];

/// A ledger that does not do what it should. Nothing was sent.
fn failed(error: &LedgerError, trail: &Trail) -> Rejection {
    let [failed, full] = ALARMS;
    trail.facts().alarm(if matches!(error, LedgerError::Full) { full } else { failed });
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

impl<N: Clone> Remember<N> {
    /// The service that was polled ready is the one to call; its clone, which was not, stays behind.
    fn ready(&mut self) -> N {
        let clone = self.next.clone();
        std::mem::replace(&mut self.next, clone)
    }
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
            Ok(key) => key,
            Err(rejection) => return Remembered { next: None, kept: Some(Box::pin(async { Err(rejection) })) },
        };
        let about = self.place.ledger.as_ref().and_then(|ledger| {
            let endpoint = permitted.passage.snapshot.policy.catalogue.endpoint(permitted.call.endpoint())?;
            About::of(ledger, endpoint, &permitted.call)
        });
        let patience = self.place.patience;
        match (key, self.place.ledger.clone(), about) {
            (None, _, None) => Remembered { next: Some(self.next.call(permitted)), kept: None },
            (None, _, Some(about)) => {
                let pledge = Pledge::new(State::Unkeyed { left: None }, Some(about), patience);
                Remembered { next: None, kept: Some(Box::pin(unkeyed(pledge, permitted, self.ready()))) }
            }
            (Some(_), None, _) => {
                Remembered { next: None, kept: Some(Box::pin(async { Err(Rejection::IdempotencyNotOffered) })) }
            }
            (Some(key), Some(ledger), about) => {
                let kept = once((ledger, patience), key, about, permitted, self.ready());
                Remembered { next: None, kept: Some(Box::pin(kept)) }
            }
        }
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

/// Makes a change that has no key. Nobody will ask what became of it, but it tells others that it may have been made.
async fn unkeyed<N>(pledge: Pledge, mut permitted: Permitted, mut next: N) -> Result<Response<ReplyBody>, Rejection>
where
    N: Service<Permitted, Response = Response<ReplyBody>, Error = Rejection>,
{
    let trail = permitted.passage.trail.clone();
    permitted.passage.pledge = Some(pledge.clone());
    let outcome = next.call(permitted).await;
    if let (State::Sending { trace, .. }, Some(about)) = (pledge.take(), &pledge.about) {
        about.note(trace, &Came::of(&outcome, &trail), &trail).await;
    }
    outcome
}

/// Makes a change at most once under its key.
async fn once<N>(
    (ledger, patience): (Ledger, Duration),
    key: IdempotencyKey,
    about: Option<About>,
    mut permitted: Permitted,
    mut next: N,
) -> Result<Response<ReplyBody>, Rejection>
where
    N: Service<Permitted, Response = Response<ReplyBody>, Error = Rejection>,
{
    let trail = permitted.passage.trail.clone();
    let (caller, fingerprint, nicknames) = {
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
        (caller, Fingerprint::of(parts), nicknames)
    };
    let claimed = ledger.claim(&caller, &key, fingerprint, Moment::now()).await;
    let (state, unknown) = match claimed.map_err(|error| failed(&error, &trail))? {
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
        Claimed::First(claim) => (State::Claimed { claim, left: None, notes: Notes::default() }, None),
        Claimed::Unknown(unknown) => (asked_about(&unknown, patience), Some(unknown)),
    };
    let pledge = Pledge::new(state, about, patience);
    permitted.passage.pledge = Some(pledge.clone());
    let outcome = next.call(permitted).await;
    let (state, about) = (pledge.take(), pledge.about.as_deref());
    let written = match (state, unknown) {
        (state, Some(unknown)) => found_out(unknown, state, about, &outcome, &nicknames).await,
        (State::Sending { sending: Some(sending), trace }, None) => {
            let came = Came::of(&outcome, &trail);
            if let Some(about) = about {
                about.note(trace, &came, &trail).await;
            }
            sent(sending, came, &nicknames).await
        }
        // Nothing of it was sent, so it is free again.
        _ => Ok(()),
    };
    if let Err(error) = written {
        // What came of it is still told to whoever waits now; to others it is unknown.
        failed(&error, &trail);
    }
    outcome
}

fn asked_about(unknown: &Unknown, patience: Duration) -> State {
    let notes = serde_json::from_slice(unknown.notes()).unwrap_or_default();
    let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let is_recent = !is_over(since_1970(unknown.sent_at()), since_1970(SystemTime::now()), patience);
    State::Unknown { notes, is_recent }
}

/// Writes down what was found out of a change whose outcome was not known.
async fn found_out(
    unknown: Unknown,
    state: State,
    about: Option<&About>,
    outcome: &Result<Response<ReplyBody>, Rejection>,
    nicknames: &[String],
) -> Result<(), LedgerError> {
    match (outcome, state) {
        (Err(Rejection::ExecutedAnswerWithheld), State::Found { mark, traces }) => {
            for trace in traces {
                if let Some(about) = about {
                    about.settle(Some(trace), true, mark).await?;
                }
            }
            unknown.answered(&respond::kept_withheld(nicknames)).await
        }
        (Err(Rejection::ChangeNotExecuted), State::Unknown { notes, .. }) => {
            if let Some(about) = about {
                about.settle(notes.trace, false, None).await?;
            }
            unknown.not_executed().await
        }
        _ => Ok(()),
    }
}

/// What came of a change that may have been sent.
enum Came<'a> {
    /// It was not made, and the next try may fare better.
    NotSent,
    /// ClickBank has refused it.
    Refused(&'a Response<ReplyBody>),
    /// It was made.
    Made(&'a Response<ReplyBody>),
    /// It was made, and its answer is withheld.
    Withheld,
    Unknown,
}

impl<'a> Came<'a> {
    fn of(outcome: &'a Result<Response<ReplyBody>, Rejection>, trail: &Trail) -> Self {
        if !trail.facts().departed {
            return Self::NotSent;
        }
        match outcome {
            // ClickBank let nobody in, so nothing was done.
            Ok(response) if is_turned_away(response.status()) => Self::NotSent,
            Err(Rejection::CredentialRefused | Rejection::CredentialEchoed { .. }) => Self::NotSent,
            Ok(response) if response.status().is_success() => Self::Made(response),
            Ok(response) if response.status().is_client_error() => Self::Refused(response),
            Err(Rejection::ExecutedAnswerWithheld) => Self::Withheld,
            Ok(_) | Err(_) => Self::Unknown,
        }
    }
}

impl About {
    /// Notes what came of the change, for others. If that cannot be written, it stays one that may have been made.
    async fn note(&self, trace: Option<u64>, came: &Came<'_>, trail: &Trail) {
        let written = match came {
            Came::NotSent | Came::Refused(_) => self.settle(trace, false, None).await,
            Came::Made(response) => {
                let id = self.opens.and_then(|_| respond::ticket_in(response));
                self.settle(trace, true, id.map(|id| self.traces.mark(self.thing, &id))).await
            }
            Came::Withheld => self.settle(trace, true, None).await,
            Came::Unknown => Ok(()),
        };
        if let Err(error) = written {
            failed(&error.into(), trail);
        }
    }
}

/// Writes down what came of a change.
async fn sent(sending: Sending, came: Came<'_>, nicknames: &[String]) -> Result<(), LedgerError> {
    match came {
        Came::NotSent => sending.not_sent().await,
        Came::Made(response) | Came::Refused(response) => sending.answered(&respond::kept(response, nicknames)).await,
        Came::Withheld => sending.answered(&respond::kept_withheld(nicknames)).await,
        Came::Unknown => {
            sending.unknown();
            Ok(())
        }
    }
}

/// Whether a status says that ClickBank did not look at the change at all.
const fn is_turned_away(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(id: &str) -> Ticket {
        Ticket { id: id.to_owned(), kind: "REFUND".to_owned(), is_of_api: true }
    }

    /// What is concluded of the first of several changes that left these traces, if ClickBank showed the one and shows the
    /// other.
    async fn conclude(
        left: &[Option<bool>],
        marks: &[Option<&str>],
        (before, after): (Evidence, Evidence),
        is_reversible: bool,
    ) -> &'static str {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path(), 1_000).unwrap();
        let traces = ledger.traces().clone();
        let thing = traces.thing(&["tickets", "ABCD1234"]);
        let about = About { traces: traces.clone(), thing, opens: Some(Opens::Refund), is_reversible };
        let mut numbers = Vec::new();
        for (made, mark) in left.iter().zip(marks) {
            let trace = traces.leave(thing, about.sort(), None, Moment::now()).await.unwrap();
            numbers.push(trace.number());
            trace.stays();
            if let Some(made) = made {
                let mark = mark.map(|id| traces.mark(thing, id));
                traces.settle(thing, *numbers.last().unwrap(), *made, mark).await.unwrap();
            }
        }
        let notes = Notes { before: Some(before), trace: Some(numbers[0]), open: Vec::new() };
        match notes.conclude(Some(&after), &traces.on(thing).await.unwrap(), &about, false) {
            Finding::Made(..) => "made",
            Finding::NotMade => "not made",
            Finding::Unclear => "unclear",
        }
    }

    #[tokio::test]
    async fn tickets_tell_of_a_change_what_is_certain_and_no_more() {
        for (left, marks, new, expected) in [
            (&[None][..], &[None][..], &[][..], "not made"),
            (&[None], &[None], &["1"], "made"),
            // Somebody is at it whom nobody knows.
            (&[None], &[None], &["1", "2"], "unclear"),
            (&[None, None], &[None, None], &["1"], "unclear"),
            (&[None, None], &[None, None], &["1", "2"], "made"),
            (&[None, None], &[None, None], &[], "not made"),
            (&[None, Some(false)], &[None, None], &["1"], "made"),
            (&[None, Some(true)], &[None, None], &["1"], "unclear"),
            (&[None, Some(true)], &[None, Some("1")], &["1"], "not made"),
            (&[None, Some(true)], &[None, Some("1")], &["1", "2"], "made"),
            // What was noted before the gateway was killed holds whatever is shown.
            (&[Some(true)], &[None], &[], "made"),
            (&[Some(false)], &[None], &["1"], "not made"),
        ] {
            let before = Evidence::Tickets(vec![ticket("0")]);
            let after = Evidence::Tickets([&["0"], new].concat().into_iter().map(ticket).collect());
            assert_eq!(conclude(left, marks, (before, after), false).await, expected, "{left:?} {marks:?} {new:?}");
        }
    }

    #[tokio::test]
    async fn what_may_have_been_changed_back_is_not_called_unchanged() {
        for (left, after, is_reversible, expected) in [
            (&[None][..], "a", true, "not made"),
            (&[None], "b", true, "unclear"),
            (&[None, Some(true)], "a", true, "unclear"),
            (&[None, None], "a", true, "unclear"),
            (&[None, Some(false)], "a", true, "not made"),
            (&[None, Some(true)], "a", false, "not made"),
        ] {
            let shown = (Evidence::State("a".to_owned()), Evidence::State(after.to_owned()));
            let told = conclude(left, &[None, None], shown, is_reversible).await;
            assert_eq!(told, expected, "{left:?} {after} {is_reversible}");
        }
    }
}
