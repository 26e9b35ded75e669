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
use tower::{Layer, Service};

use crate::domain::call::Call;
use crate::domain::endpoint::{Changes, Endpoint};
use crate::domain::matrix::Named;
use crate::ledger::{
    Claim, Claimed, Fingerprint, IdempotencyKey, Ledger, LedgerError, Left, Mark, Moment, Sending, StoreError, Thing,
    Trace, Traces, Unknown,
};
use crate::rejection::{Malformed, Rejection};
use crate::trail::Trail;

use super::arrive::one;
use super::authorize::Permitted;
use super::respond::{self, ReplyBody};

mod finding;
mod shown;

use finding::{Finding, Notes};
use shown::Opens;
pub(crate) use shown::where_it_shows;
pub(super) use shown::{Evidence, Showing, Ticket};

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

/// What one change is about, and how it shows.
struct About {
    traces: Traces,
    thing: Thing,
    /// What sort of ticket it opens.
    opens: Option<Opens>,
    is_reversible: bool,
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
pub(super) fn failed(error: &LedgerError, trail: &Trail) -> Rejection {
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
                let id = self.opens.and_then(|_| Ticket::id_in(respond::body(response)));
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
