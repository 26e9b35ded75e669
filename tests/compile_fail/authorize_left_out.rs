//! `prove` follows `resolve`, without `authorize` between them.

use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::prove::{Prove, Proven};
use clickbank_gateway::stage::resolve::Resolve;
use clickbank_gateway::stage::{CheckLayer, StepLayer};
use tower::Layer;
use tower::util::BoxCloneSyncService;

fn stages(prove: Prove, next: BoxCloneSyncService<Proven, (), Rejection>) {
    CheckLayer::new(Resolve).layer(StepLayer::new(prove).layer(next));
}

fn main() {}
