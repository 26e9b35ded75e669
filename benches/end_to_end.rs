//! What the gateway adds to a call.

fn main() {}
