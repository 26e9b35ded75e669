//! `prove` stands before `authorize`.

use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::authorize::{Authorize, Permitted};
use clickbank_gateway::stage::prove::Prove;
use clickbank_gateway::stage::{CheckLayer, StepLayer};
use tower::Layer;
use tower::util::BoxCloneSyncService;

fn stages(prove: Prove, next: BoxCloneSyncService<Permitted, (), Rejection>) {
    StepLayer::new(prove).layer(CheckLayer::new(Authorize).layer(next));
}

fn main() {}
