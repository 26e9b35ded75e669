//! `respond` follows `forward`, without `guard` between them.

use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::respond::Respond;
use clickbank_gateway::stage::{Last, StepLayer};
use tower::Layer;

fn stages(forward: Forward) {
    StepLayer::new(forward).layer(Last::new(Respond));
}

fn main() {}
