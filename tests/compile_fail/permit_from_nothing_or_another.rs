//! A permit made out of nothing, and one made of another.

use clickbank_gateway::stage::authorize::Permit;

fn out_of_nothing() -> Permit {
    Permit::default()
}

fn of_another(permit: &Permit) -> Permit {
    Permit::clone(permit)
}

fn main() {}
