//! `classify` stands before `identify`.

use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::CheckLayer;
use clickbank_gateway::stage::classify::Classify;
use clickbank_gateway::stage::identify::{Identified, Identify};
use tower::Layer;
use tower::util::BoxCloneSyncService;

fn stages(next: BoxCloneSyncService<Identified, (), Rejection>) {
    CheckLayer::new(Classify).layer(CheckLayer::new(Identify).layer(next));
}

fn main() {}
