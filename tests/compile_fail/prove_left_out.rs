//! `shape` follows `authorize`, without `prove` between them.

use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::authorize::Authorize;
use clickbank_gateway::stage::shape::{Shape, Shaped};
use clickbank_gateway::stage::{CheckLayer, StepLayer};
use tower::Layer;
use tower::util::BoxCloneSyncService;

fn stages(shape: Shape, next: BoxCloneSyncService<Shaped, (), Rejection>) {
    CheckLayer::new(Authorize).layer(StepLayer::new(shape).layer(next));
}

fn main() {}
