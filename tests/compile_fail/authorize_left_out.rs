//! `shape` follows `resolve`, without `authorize` between them.

use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::resolve::Resolve;
use clickbank_gateway::stage::shape::{Shape, Shaped};
use clickbank_gateway::stage::{CheckLayer, StepLayer};
use tower::Layer;
use tower::util::BoxCloneSyncService;

fn stages(shape: Shape, next: BoxCloneSyncService<Shaped, (), Rejection>) {
    CheckLayer::new(Resolve).layer(StepLayer::new(shape).layer(next));
}

fn main() {}
