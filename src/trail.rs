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
        let Self { waited, upstream, upstream_fault, look_ups, owners_known, owners_unknown, .. } = *self;
        let Self { alarming, caller_gone, .. } = *self;
        let gone_through = Self { waited, upstream, upstream_fault, look_ups, ..Self::default() };
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
