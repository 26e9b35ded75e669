//! The stages of a request, in order, and what drives them.
//!
//! A request is a value that changes type as it earns trust. Each stage accepts only what the stage before it makes, so
//! none can be left out or swapped: that would not compile. Stages come in two kinds, [`Check`] and [`Step`]; the tower
//! plumbing for both is here, so that a stage's own file holds nothing but policy.
//!
//! | stage | makes | may refuse because |
//! |---|---|---|
//! | [`arrive`] | `Arrived` | the message can be read in more than one way |
//! | [`identify`] | `Identified` | there is no key that counts |
//! | [`classify`] | `Classified` | it is no call that the catalogue knows, or names two nicknames |
//! | [`resolve`] | `Resolved` | |
//! | [`authorize`] | `Permitted` | the matrix says no |
//! | [`prove`] | `Proven` | too much is going on; a look-up says that it is not the caller's, or fails |
//! | [`shape`] | `Shaped` | its turn would come too late |
//! | [`inject`] | `Outbound` | the credential has no secret |
//! | [`forward`] | `Received` | ClickBank cannot be reached, or does not answer |
//! | [`guard`] | `Guarded` | the answer cannot be released |
//! | [`respond`] | the response | |

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::rejection::Rejection;

pub mod arrive;
pub mod authorize;
pub mod classify;
pub(crate) mod depart;
pub mod forward;
pub mod guard;
pub mod identify;
pub mod inject;
pub mod prove;
pub mod remember;
pub mod resolve;
pub mod respond;
pub mod shape;
mod spend;

/// A stage that decides at once, without waiting for anything.
pub trait Check: Send + Sync + 'static {
    /// What it accepts.
    type In;
    /// What it makes of that.
    type Out;

    /// Turns one into the other, or refuses.
    ///
    /// # Errors
    /// The reason for which it refuses.
    fn check(&self, input: Self::In) -> Result<Self::Out, Rejection>;
}

/// A stage that may wait.
pub trait Step: Send + Sync + 'static {
    /// What it accepts.
    type In: Send + 'static;
    /// What it makes of that.
    type Out: Send + 'static;

    /// Turns one into the other, or refuses.
    fn step(&self, input: Self::In) -> impl Future<Output = Result<Self::Out, Rejection>> + Send;
}

impl<S: Step> Step for Arc<S> {
    type In = S::In;
    type Out = S::Out;

    fn step(&self, input: S::In) -> impl Future<Output = Result<S::Out, Rejection>> + Send {
        self.as_ref().step(input)
    }
}

/// Puts a [`Check`] before a service.
#[derive(Clone, Debug)]
pub struct CheckLayer<C>(Arc<C>);

impl<C> CheckLayer<C> {
    /// A layer of this check.
    #[must_use]
    pub fn new(check: C) -> Self {
        Self(Arc::new(check))
    }
}

impl<C: Check, N: Service<C::Out>> Layer<N> for CheckLayer<C> {
    type Service = Checked<C, N>;

    fn layer(&self, next: N) -> Self::Service {
        Checked { check: Arc::clone(&self.0), next }
    }
}

/// A service behind a [`Check`].
#[derive(Debug)]
pub struct Checked<C, N> {
    check: Arc<C>,
    next: N,
}

impl<C, N: Clone> Clone for Checked<C, N> {
    fn clone(&self) -> Self {
        Self { check: Arc::clone(&self.check), next: self.next.clone() }
    }
}

impl<C: Check, N: Service<C::Out, Error = Rejection>> Service<C::In> for Checked<C, N> {
    type Response = N::Response;
    type Error = Rejection;
    type Future = CheckFuture<N::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, input: C::In) -> Self::Future {
        match self.check.check(input) {
            Ok(output) => CheckFuture { next: Some(self.next.call(output)), rejection: None },
            Err(rejection) => CheckFuture { next: None, rejection: Some(rejection) },
        }
    }
}

pin_project! {
    /// The service behind a check at work, or the check's refusal.
    pub struct CheckFuture<F> {
        #[pin]
        next: Option<F>,
        rejection: Option<Rejection>,
    }
}

impl<T, F: Future<Output = Result<T, Rejection>>> Future for CheckFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.next.as_pin_mut() {
            Some(next) => next.poll(context),
            None => Poll::Ready(Err(this.rejection.take().unwrap_or(Rejection::Overloaded))),
        }
    }
}

/// Puts a [`Step`] before a service.
#[derive(Debug)]
pub struct StepLayer<S>(Arc<S>);

impl<S> Clone for StepLayer<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> StepLayer<S> {
    /// A layer of this step.
    #[must_use]
    pub fn new(step: S) -> Self {
        Self(Arc::new(step))
    }
}

impl<S: Step, N: Service<S::Out>> Layer<N> for StepLayer<S> {
    type Service = Stepped<S, N>;

    fn layer(&self, next: N) -> Self::Service {
        Stepped { step: Arc::clone(&self.0), next }
    }
}

/// A service behind a [`Step`].
#[derive(Debug)]
pub struct Stepped<S, N> {
    step: Arc<S>,
    next: N,
}

impl<S, N: Clone> Clone for Stepped<S, N> {
    fn clone(&self) -> Self {
        Self { step: Arc::clone(&self.step), next: self.next.clone() }
    }
}

impl<S, N> Service<S::In> for Stepped<S, N>
where
    S: Step,
    N: Service<S::Out, Error = Rejection> + Clone + Send + 'static,
    N::Future: Send,
{
    type Response = N::Response;
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<N::Response, Rejection>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, input: S::In) -> Self::Future {
        let step = Arc::clone(&self.step);
        // The service that was polled ready is the one to call; its clone, which was not, stays behind.
        let clone = self.next.clone();
        let mut next = std::mem::replace(&mut self.next, clone);
        Box::pin(async move {
            let output = step.step(input).await?;
            next.call(output).await
        })
    }
}

/// The innermost service: hands on what the last stage made.
#[derive(Debug)]
pub struct Last<C>(Arc<C>);

impl<C> Last<C> {
    /// Ends a stack with this check.
    #[must_use]
    pub fn new(check: C) -> Self {
        Self(Arc::new(check))
    }
}

impl<C> Clone for Last<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Check> Service<C::In> for Last<C> {
    type Response = C::Out;
    type Error = Rejection;
    type Future = std::future::Ready<Result<C::Out, Rejection>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: C::In) -> Self::Future {
        std::future::ready(self.0.check(input))
    }
}

/// What every stage type carries along.
pub(crate) struct Passage {
    pub(crate) snapshot: Arc<crate::snapshot::Snapshot>,
    pub(crate) trail: crate::trail::Trail,
    /// What the caller asked.
    pub(crate) origin: Arc<arrive::Origin>,
    /// Behind a lock that nobody contends for, so that the passage can be looked at while something is waited for.
    pub(crate) body: Option<Mutex<arrive::CallerBody>>,
    /// Its place among the requests under way, once it has one.
    pub(crate) flight: Option<crate::limit::Flight>,
    /// Until when it has to be done, once it goes on.
    pub(crate) budget: Option<Budget>,
    /// Of a change that is to be made at most once under its key.
    pub(crate) pledge: Option<remember::Pledge>,
}

impl Passage {
    /// That of a question which the gateway asks on nobody's behalf.
    fn nobodys(snapshot: Arc<crate::snapshot::Snapshot>, budget: Budget) -> Self {
        let (trail, origin) = (crate::trail::Trail::default(), Arc::new(arrive::Origin::nobodys()));
        Self { snapshot, trail, origin, body: None, flight: None, budget: Some(budget), pledge: None }
    }

    /// That of a question of the gateway's own on behalf of this request: it is noted with it, and done in its time.
    fn aside(&self) -> Self {
        let (snapshot, trail, origin) = (Arc::clone(&self.snapshot), self.trail.clone(), Arc::clone(&self.origin));
        Self { snapshot, trail, origin, body: None, flight: None, budget: self.budget, pledge: None }
    }
}

/// Until when a request has to be done, with all that is looked up for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// The last turn that is not too late.
    pub(crate) turn_by: Instant,
    /// When the answer has to be there, whole.
    pub(crate) answer_by: Instant,
}
