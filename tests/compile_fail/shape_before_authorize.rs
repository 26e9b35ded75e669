//! `shape` stands before `authorize`.

use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::authorize::{Authorize, Permitted};
use clickbank_gateway::stage::shape::Shape;
use clickbank_gateway::stage::{CheckLayer, StepLayer};
use tower::Layer;
use tower::util::BoxCloneSyncService;

fn stages(shape: Shape, next: BoxCloneSyncService<Permitted, (), Rejection>) {
    StepLayer::new(shape).layer(CheckLayer::new(Authorize).layer(next));
}

fn main() {}
