//! `Proven` → [`Shaped`]: the request waits for its turn, and counts. So does a read that failed, before it is sent again.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::endpoint::Changes;
use crate::domain::matrix::CallerId;
use crate::ledger::CapCounter;
use crate::limit::{Departures, Flights, Limits, Pace, Quota, Retries, Spent, TooLate};
use crate::pipeline::Shared;
use crate::rejection::{Malformed, Rejection};
use crate::snapshot::Snapshot;

use super::arrive::{self, CallerBody};
use super::depart::Departure;
use super::prove::Proven;
use super::spend::{self, Counted};
use super::{Passage, Step};

/// The longest that a body without a byte may take to end.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// A call whose turn it is.
pub struct Shaped {
    pub(super) proven: Proven,
    pub(super) leave: Leave,
}

/// How a call may be sent.
pub(super) enum Leave {
    /// A read, as often as it takes.
    Read(Repeatable),
    /// A change, once at most.
    Change(Departure),
}

/// Proof that a call changes nothing, so that it does not matter how often it arrives. Only this file makes one; without it
/// nothing is sent again.
pub(super) struct Repeatable(());

/// What becomes of a read that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It is sent once more: it has its turn, and counts.
    Goes,
    /// It stays failed.
    Stays,
    /// It has its turn, and what it was decided on does not count any more.
    Overtaken,
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Shape {
    pace: Arc<Pace>,
    quota: Arc<Quota>,
    retries: Arc<Retries>,
    flights: Arc<Flights>,
    current: Arc<ArcSwap<Snapshot>>,
    departures: Arc<Departures>,
    caps: CapCounter,
}

impl Shape {
    /// With what all requests share.
    #[must_use]
    pub fn new(shared: &Shared) -> Self {
        let Shared { current, pace, quota, retries, flights, departures, caps, .. } = shared.clone();
        Self { pace, quota, retries, flights, current, departures, caps }
    }

    /// Whether an operator lets no change out.
    pub(super) fn changes_are_stopped(&self) -> bool {
        self.departures.are_stopped()
    }

    /// What counts changes.
    pub(super) const fn caps(&self) -> &CapCounter {
        &self.caps
    }

    /// The leave of a call. From now on a change is seen through, whether or not its caller waits.
    fn leave_of(&self, proven: &Proven, counted: Counted) -> Result<Leave, Rejection> {
        let endpoint = proven.endpoint().ok_or(Rejection::UnknownEndpoint)?;
        if endpoint.changes == Changes::Nothing {
            self.retries.earn(proven.number());
            return Ok(Leave::Read(Repeatable(())));
        }
        let passage = proven.passage();
        passage.trail.facts().carried = true;
        let (departures, current) = (Arc::clone(&self.departures), Arc::clone(&self.current));
        let (snapshot, trail) = (Arc::clone(&passage.snapshot), passage.trail.clone());
        let departure = Departure::new(departures, current, snapshot, trail, counted);
        Ok(Leave::Change(departure))
    }

    /// Whether what a call was decided on counts no more. A question of the gateway's own may go on: what comes of it is
    /// decided upon afterwards.
    fn is_to_be_decided_again(&self, proven: &Proven) -> bool {
        let is_current = Arc::ptr_eq(&self.current.load(), &proven.passage().snapshot);
        proven.is_the_callers() && (!is_current || proven.is_overtaken())
    }

    /// Waits until a read that failed may be sent once more, which has to be until `latest`. A retry waits for so long, and
    /// has to be earned; none is what only makes up for a connection that was dead.
    pub(super) async fn again(
        &self,
        proven: &Proven,
        Repeatable(()): &Repeatable,
        pause: Option<Duration>,
        latest: Instant,
    ) -> Again {
        let (passage, began) = (proven.passage(), Instant::now());
        let limits = passage.snapshot.limits;
        // Nobody waits, or takes a turn from somebody, for a day that is spent.
        if self.quota.check(&limits, SystemTime::now()).is_err() {
            return Again::Stays;
        }
        if let Some(pause) = pause {
            if pause > latest.saturating_duration_since(began) || !self.retries.spend(proven.number()) {
                return Again::Stays;
            }
            sleep(pause).await;
        }
        let left = latest.saturating_duration_since(Instant::now());
        let patience = Limits { max_wait: limits.max_wait.min(left), ..limits };
        let turn = self.pace.turn(proven.number(), &patience).await;
        passage.trail.facts().waited += began.elapsed();
        if turn.is_err() {
            return Again::Stays;
        }
        if self.is_to_be_decided_again(proven) {
            return Again::Overtaken;
        }
        self.quota.spend(&limits, SystemTime::now()).map_or(Again::Stays, |()| Again::Goes)
    }

    /// Gives a request its place among those under way, and waits for the end of its body.
    ///
    /// # Errors
    /// When too many are under way, or the body has a byte, or no end.
    pub(super) async fn admit(&self, passage: &mut Passage, caller: CallerId) -> Result<(), Rejection> {
        let number = passage.snapshot.keys.number(caller);
        passage.flight = Some(self.flights.begin(number).ok_or(Rejection::Overloaded)?);
        match passage.body.take() {
            Some(body) => end_body(body.into_inner().unwrap_or_else(PoisonError::into_inner)).await,
            None => Ok(()),
        }
    }
}

impl Step for Shape {
    type In = Proven;
    type Out = Shaped;

    async fn step(&self, proven: Proven) -> Result<Shaped, Rejection> {
        let passage = proven.passage();
        let began = Instant::now();
        let limits = passage.snapshot.limits;
        // Nobody waits, or takes a turn from somebody, for a day that is spent.
        self.quota.check(&limits, SystemTime::now()).map_err(spent)?;
        if !(proven.is_the_callers() && passage.origin.has_turn()) {
            let left = passage.budget.map(|budget| budget.turn_by.saturating_duration_since(began));
            let patience = Limits { max_wait: left.unwrap_or(limits.max_wait), ..limits };
            let turn = self.pace.turn(proven.number(), &patience).await;
            passage.trail.facts().waited += began.elapsed();
            turn.map_err(|TooLate { retry_after }| Rejection::LimitPerSecond { retry_after })?;
        }
        // What changed during the wait, or was found out, counts.
        if self.is_to_be_decided_again(&proven) {
            return Err(arrive::overtake(proven.into_passage()));
        }
        let counted = spend::count(&self.caps, proven.charges(), &proven.passage().trail).await?;
        self.quota.spend(&limits, SystemTime::now()).map_err(spent)?;
        let leave = self.leave_of(&proven, counted)?;
        if let Some(pledge) = &proven.passage().pledge {
            // From here on nobody's hanging up leaves it half done.
            pledge.send(&proven.passage().trail).await?;
        }
        Ok(Shaped { proven, leave })
    }
}

fn spent(Spent { retry_after }: Spent) -> Rejection {
    Rejection::LimitPerDay { retry_after }
}

/// Reads a body of unknown length to its end, which has to come soon and without a byte: PHP and Node send an empty
/// chunked body with a POST that has none. Polling it is also what answers `Expect: 100-continue`.
async fn end_body(mut body: CallerBody) -> Result<(), Rejection> {
    let ended = timeout(BODY_TIMEOUT, async {
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if data.is_empty() => {}
                Ok(Ok(_)) => return Err(Rejection::BodyNotAllowed),
                // Trailers, or a body that broke off.
                Ok(Err(_)) | Err(_) => return Err(Rejection::Malformed(Malformed::Body)),
            }
        }
        Ok(())
    });
    ended.await.unwrap_or(Err(Rejection::Malformed(Malformed::Body)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use bytes::Bytes;
    use http_body::{Body, Frame};
    use tokio::time::{Interval, interval};

    use super::*;

    /// Says every so often that there is more to come, and never what.
    struct Dawdling(Interval);

    impl Body for Dawdling {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            ready!(self.0.poll_tick(context));
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up_however_it_goes_on() {
        for pause in [Duration::from_millis(100), Duration::from_secs(1), Duration::from_hours(1)] {
            let began = Instant::now();
            let body = Dawdling(interval(pause)).map_err(Into::into).boxed_unsync();
            assert_eq!(end_body(body).await, Err(Rejection::Malformed(Malformed::Body)));
            assert_eq!(began.elapsed().as_secs(), BODY_TIMEOUT.as_secs(), "{pause:?}");
        }
    }
}
