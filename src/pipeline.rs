//! The only place where the stages are put together, in the order in which a request meets them.

use std::convert::Infallible;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::audit::AuditLayer;
use crate::config::Upstream;
use crate::limit::{Flights, Pace, Quota};
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
use crate::stage::resolve::Resolve;
use crate::stage::respond::{ReplyBody, Respond};
use crate::stage::shape::Shape;
use crate::stage::{CheckLayer, Last, StepLayer};

/// The whole way of a request, as one service.
pub type Pipeline<B> = BoxCloneSyncService<Message<B>, Response<ReplyBody>, Infallible>;

/// What requests share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The snapshot that new requests begin with.
    pub current: Arc<ArcSwap<Snapshot>>,
    /// Turns.
    pub pace: Arc<Pace>,
    /// The day's requests.
    pub quota: Arc<Quota>,
    /// Requests under way.
    pub flights: Arc<Flights>,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
}

impl Shared {
    /// With nothing under way and nothing counted yet.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let current = Arc::new(ArcSwap::new(snapshot));
        Self { current, pace: Arc::default(), quota: Arc::default(), flights: Arc::default(), metrics: Arc::default() }
    }
}

/// The way on which the gateway asks questions of its own on nobody's behalf: the stages of every call, with connections
/// and memory apart from theirs.
#[must_use]
pub(crate) fn probing(shared: &Shared, upstream: &Upstream) -> Prove {
    let (shape, inject) = (Shape::new(shared), Inject::new(upstream.authority.clone()));
    Prove::new(upstream, shape, inject, Arc::new(Forward::new(upstream)), Guard::new(upstream))
}

/// Puts the stages together.
#[must_use]
pub fn pipeline<B>(shared: &Shared, upstream: &Upstream) -> Pipeline<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pipeline_over(shared, upstream, Forward::new(upstream))
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
        // 503: too many under way; 400: a body after all; 403: a look-up does not prove it the caller's. What a look-up
        // meets on its own way through the stages below is refused as there.
        .layer(StepLayer::new(prove))
        // 429: the turn would come too late.
        .layer(StepLayer::new(shape))
        // 502: the permit's credential has no secret.
        .layer(CheckLayer::new(inject))
        // 502, 504: ClickBank cannot be reached, or does not answer.
        .layer(StepLayer::new(forward))
        // 502, 503, 504: the answer cannot be released; 403: nothing in it is the caller's.
        .layer(StepLayer::new(guard))
        .service(Last::new(Respond));
    BoxCloneSyncService::new(stages)
}
