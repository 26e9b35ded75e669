//! An answer of ClickBank's is handed to `respond` as it came.

use clickbank_gateway::stage::Check;
use clickbank_gateway::stage::forward::Received;
use clickbank_gateway::stage::respond::Respond;

fn release(received: Received) {
    let _ = Respond.check(received);
}

fn main() {}
