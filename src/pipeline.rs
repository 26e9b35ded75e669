//! The only place where the stages are put together, in the order in which a request meets them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Response;
use http_body::Body;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::audit::AuditLayer;
use crate::config::Upstream;
use crate::ledger::{CapCounter, Ledger};
use crate::limit::{Departures, Flights, Pace, Quota, Retries};
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::stage::arrive::Message;
use crate::stage::authorize::Authorize;
use crate::stage::classify::Classify;
use crate::stage::forward::Forward;
use crate::stage::guard::Guard;
use crate::stage::identify::Identify;
use crate::stage::inject::Inject;
use crate::stage::prove::Prove;
use crate::stage::remember::RememberLayer;
use crate::stage::resolve::Resolve;
use crate::stage::respond::{ReplyBody, Respond};
use crate::stage::shape::Shape;
use crate::stage::{CheckLayer, Last, StepLayer};
use crate::trail::Trail;

/// The whole way of a request, as one service.
pub struct Pipeline<B> {
    stages: Stages<B>,
    carried: TaskTracker,
}

/// The stages that a pipeline is made of.
pub type Stages<B> = BoxCloneSyncService<Message<B>, Response<ReplyBody>, Infallible>;

impl<B> Pipeline<B> {
    /// These stages; what has to go on after its caller hung up is kept in `carried`.
    pub(crate) const fn new(stages: Stages<B>, carried: TaskTracker) -> Self {
        Self { stages, carried }
    }
}

impl<B> Clone for Pipeline<B> {
    fn clone(&self) -> Self {
        Self { stages: self.stages.clone(), carried: self.carried.clone() }
    }
}

impl<B> std::fmt::Debug for Pipeline<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").finish_non_exhaustive()
    }
}

impl<B> Service<Message<B>> for Pipeline<B> {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Carried;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.stages.poll_ready(context)
    }

    fn call(&mut self, mut message: Message<B>) -> Carried {
        let trail = Trail::default();
        if let Ok(request) = &mut message {
            request.extensions_mut().insert(trail.clone());
        }
        Carried { way: Some(self.stages.call(message)), trail, tracker: self.carried.clone() }
    }
}

type Way = Pin<Box<dyn Future<Output = Result<Response<ReplyBody>, Infallible>> + Send>>;

/// A request on its way. A change that is about to be sent, or was, goes on if this is dropped because its caller has hung
/// up: it is not sent any more, or what came of it is found out and written down.
pub struct Carried {
    way: Option<Way>,
    trail: Trail,
    tracker: TaskTracker,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").finish_non_exhaustive()
    }
}

impl Future for Carried {
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(way) = &mut self.way else { return Poll::Pending };
        let outcome = ready!(way.as_mut().poll(context));
        self.way = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let Some(way) = self.way.take() else { return };
        {
            let mut facts = self.trail.facts();
            facts.caller_gone = true;
            if !facts.carried {
                return;
            }
        }
        // Where everything stops, nothing can go on.
        if let Ok(runtime) = Handle::try_current() {
            self.tracker.spawn_on(way, &runtime);
        }
    }
}

/// What requests share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The snapshot that new requests begin with.
    pub current: Arc<ArcSwap<Snapshot>>,
    /// Turns.
    pub pace: Arc<Pace>,
    /// The day's requests.
    pub quota: Arc<Quota>,
    /// Reads that may be sent again.
    pub retries: Arc<Retries>,
    /// Requests under way.
    pub flights: Arc<Flights>,
    /// Changes that go out.
    pub departures: Arc<Departures>,
    /// What is remembered of changes, where there is a place for it.
    pub ledger: Option<Ledger>,
    /// How much is changed.
    pub caps: CapCounter,
    /// Changes that go on although their callers have hung up.
    pub carried: TaskTracker,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
}

impl Shared {
    /// With nothing under way and nothing counted yet.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let current = Arc::new(ArcSwap::new(snapshot));
        Self {
            current,
            pace: Arc::default(),
            quota: Arc::default(),
            retries: Arc::default(),
            flights: Arc::default(),
            departures: Arc::default(),
            carried: TaskTracker::new(),
            ledger: None,
            caps: CapCounter::in_memory(),
            metrics: Arc::default(),
        }
    }
}

/// The way on which the gateway asks questions of its own on nobody's behalf: the stages of every call, with connections
/// and memory apart from theirs.
#[must_use]
pub(crate) fn probing(shared: &Shared, upstream: &Upstream) -> Prove {
    let (shape, inject) = (Shape::new(shared), Inject::new(upstream.authority.clone()));
    let forward = Arc::new(Forward::new(upstream, shape.clone()));
    Prove::new(upstream, shape, inject, forward, Guard::new(upstream))
}

/// Puts the stages together.
#[must_use]
pub fn pipeline<B>(shared: &Shared, upstream: &Upstream) -> Pipeline<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pipeline_over(shared, upstream, Forward::new(upstream, Shape::new(shared)))
}

/// The same, with requests going to ClickBank as `forward` does it.
#[must_use]
pub fn pipeline_over<B>(shared: &Shared, upstream: &Upstream, forward: Forward) -> Pipeline<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let shape = Shape::new(shared);
    let inject = Inject::new(upstream.authority.clone());
    let forward = Arc::new(forward);
    let guard = Guard::new(upstream);
    let prove = Prove::new(upstream, shape.clone(), inject.clone(), Arc::clone(&forward), guard.clone());
    let stages = ServiceBuilder::new()
        // Opens the record, refuses ambiguous messages, answers every refusal below, closes the record.
        .layer(AuditLayer::new(shared))
        // 401: no key, or none that counts.
        .layer(CheckLayer::new(Identify))
        // 400, 404, 405, 406, 414: no call that the catalogue knows.
        .layer(CheckLayer::new(Classify))
        // Which nicknames, which credential. Refuses nothing by itself.
        .layer(CheckLayer::new(Resolve))
        // 400 (which nickname?), 403, 501: the matrix says no.
        .layer(CheckLayer::new(Authorize))
        // 409, 422, 501: a change under an idempotency key that is under way, is another one, or cannot be kept. Writes down
        // what comes of the change.
        .layer(RememberLayer::new(shared.ledger.clone(), 2 * (upstream.connect_timeout + upstream.response_timeout)))
        // 503: too many under way; 400: a body after all; 403: a look-up does not prove it the caller's. What a look-up
        // meets on its own way through the stages below is refused as there.
        .layer(StepLayer::new(prove))
        // 429: the turn would come too late.
        .layer(StepLayer::new(shape))
        // 502: the permit's credential has no secret.
        .layer(CheckLayer::new(inject))
        // 502, 504: ClickBank cannot be reached, or does not answer, a read after further tries.
        .layer(StepLayer::new(forward))
        // 502, 503, 504: the answer cannot be released; 403: nothing in it is the caller's.
        .layer(StepLayer::new(guard))
        .service(Last::new(Respond));
    Pipeline::new(BoxCloneSyncService::new(stages), shared.carried.clone())
}
