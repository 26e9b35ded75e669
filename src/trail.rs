//! What is known of a request so far: stages note their facts, `audit` writes them down when the request ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::credential::CredentialId;
use crate::domain::endpoint::EndpointId;
use crate::domain::matrix::CallerId;
use crate::domain::nickname::{NicknameId, NicknameSet};

/// What is known of a request so far. Stages add to it; the record is written when the request ends.
///
/// Whatever the configuration names is kept as its number, and looked up in the request's snapshot when it is written.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) caller: Option<CallerId>,
    pub(crate) endpoint: Option<EndpointId>,
    pub(crate) nickname: Option<NicknameId>,
    /// What it was allowed to be about.
    pub(crate) nicknames: NicknameSet,
    pub(crate) credential: Option<CredentialId>,
    pub(crate) allowed_because: Option<&'static str>,
    pub(crate) key_fault: Option<&'static str>,
    pub(crate) waited: Duration,
    pub(crate) upstream: Duration,
    pub(crate) upstream_fault: Option<&'static str>,
    /// Requests to ClickBank, its questions of its own and further tries of reads among them.
    pub(crate) upstream_tries: u32,
    /// Why reads were sent again.
    pub(crate) retried: Vec<&'static str>,
    /// Questions of the gateway's own to ClickBank.
    pub(crate) look_ups: u32,
    /// How often it mattered whose an order is, and it was still known.
    pub(crate) owners_known: u32,
    /// How often it was not.
    pub(crate) owners_unknown: u32,
    /// Rows of others that were cut out of the answer.
    pub(crate) rows_dropped: usize,
    /// Whether operators should look at it at once, whatever became of the request.
    pub(crate) alarming: bool,
    /// Whether it is a change that goes on also if its caller hangs up.
    pub(crate) carried: bool,
    /// Whether a byte of a change may have reached ClickBank.
    pub(crate) departed: bool,
    /// Whether the answer is that of another request under the same idempotency key.
    pub(crate) replayed: bool,
    /// Whether the caller has hung up.
    pub(crate) caller_gone: bool,
}

impl Facts {
    /// Forgets what was decided. Of a request that is decided again, only what it has gone through is a fact still.
    pub(crate) fn undecide(&mut self) {
        let retried = std::mem::take(&mut self.retried);
        let Self { waited, upstream, upstream_fault, upstream_tries, look_ups, .. } = *self;
        let Self { owners_known, owners_unknown, alarming, caller_gone, .. } = *self;
        let gone_through =
            Self { waited, upstream, upstream_fault, upstream_tries, retried, look_ups, ..Self::default() };
        *self = Self { owners_known, owners_unknown, alarming, caller_gone, ..gone_through };
    }

    /// Notes a fault at ClickBank's end that operators should look at at once.
    pub(crate) const fn alarm(&mut self, fault: &'static str) {
        self.upstream_fault = Some(fault);
        self.alarming = true;
    }
}

/// The record of one request, shared by its stages.
#[derive(Clone, Debug, Default)]
pub struct Trail(Arc<Mutex<Facts>>);

impl Trail {
    /// The facts, to add to. Never hold on to them across an await.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_has_gone_through_stays_when_it_is_decided_again() {
        let mut facts = Facts { upstream_tries: 3, allowed_because: Some("confined"), ..Facts::default() };
        facts.retried.push("status-503");
        facts.look_ups = 1;
        facts.undecide();
        assert_eq!((facts.upstream_tries, facts.look_ups, facts.retried), (3, 1, vec!["status-503"]));
        assert_eq!(facts.allowed_because, None);
    }
}
