//! Leaving out a stage, swapping two, forging a permit or releasing an unguarded answer does not compile.
//!
//! What is here does compile. Each case in `compile_fail` differs from it in one thing, so it is this one thing that
//! keeps the case from compiling.

use std::sync::Arc;

use bytes::Bytes;
use clickbank_gateway::audit::AuditLayer;
use clickbank_gateway::config::Upstream;
use clickbank_gateway::pipeline::{Shared, Stages};
use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::authorize::{Authorize, Permit};
use clickbank_gateway::stage::classify::{Classified, Classify};
use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::guard::{Guard, Guarded};
use clickbank_gateway::stage::identify::Identify;
use clickbank_gateway::stage::inject::Inject;
use clickbank_gateway::stage::prove::{Prove, Proven};
use clickbank_gateway::stage::resolve::Resolve;
use clickbank_gateway::stage::respond::Respond;
use clickbank_gateway::stage::shape::{Shape, Shaped};
use clickbank_gateway::stage::{Check as _, CheckLayer, Last, StepLayer};
use http_body_util::Empty;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceBuilder};

/// The real order, as in `src/pipeline.rs`.
fn pipeline(shared: &Shared, upstream: &Upstream) -> Stages<Empty<Bytes>> {
    let shape = Shape::new(shared);
    let inject = Inject::new(upstream.authority.clone());
    let forward = Arc::new(Forward::new(upstream, shape.clone()));
    let guard = Guard::new(upstream);
    let prove = Prove::new(upstream, shape.clone(), inject.clone(), Arc::clone(&forward), guard.clone());
    let stages = ServiceBuilder::new()
        .layer(AuditLayer::new(shared))
        .layer(CheckLayer::new(Identify))
        .layer(CheckLayer::new(Classify))
        .layer(CheckLayer::new(Resolve))
        .layer(CheckLayer::new(Authorize))
        .layer(StepLayer::new(prove))
        .layer(StepLayer::new(shape))
        .layer(CheckLayer::new(inject))
        .layer(StepLayer::new(forward))
        .layer(StepLayer::new(guard))
        .service(Last::new(Respond));
    BoxCloneSyncService::new(stages)
}

/// What `authorize_left_out` and `prove_before_authorize` take apart.
fn authorize_then_prove(prove: Prove, next: BoxCloneSyncService<Proven, (), Rejection>) {
    CheckLayer::new(Resolve).layer(CheckLayer::new(Authorize).layer(StepLayer::new(prove).layer(next)));
}

/// What `prove_left_out` takes apart.
fn prove_then_shape(prove: Prove, shape: Shape, next: BoxCloneSyncService<Shaped, (), Rejection>) {
    CheckLayer::new(Authorize).layer(StepLayer::new(prove).layer(StepLayer::new(shape).layer(next)));
}

/// What `classify_before_identify` takes apart.
fn identify_then_classify(next: BoxCloneSyncService<Classified, (), Rejection>) {
    CheckLayer::new(Identify).layer(CheckLayer::new(Classify).layer(next));
}

/// What `guard_left_out` takes apart.
fn forward_then_guard(forward: Forward, guard: Guard) {
    StepLayer::new(forward).layer(StepLayer::new(guard).layer(Last::new(Respond)));
}

/// What `answer_unguarded` lacks.
fn release(guarded: Guarded) {
    let _ = Respond.check(guarded);
}

/// What others may do with a permit: read it.
fn permit(permit: &Permit) {
    let _ = (permit.caller(), permit.nicknames(), permit.credential(), permit.safeguard());
}

#[test]
fn what_differs_from_the_real_order_does_not_compile() {
    // Named, so that they are compiled; there is nothing to run.
    let _ =
        (pipeline, authorize_then_prove, prove_then_shape, identify_then_classify, forward_then_guard, release, permit);
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
