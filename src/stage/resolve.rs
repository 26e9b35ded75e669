//! `Classified` → [`Resolved`]: which nicknames the call is about, and which credential would act.

use crate::domain::matrix::Resolution;
use crate::rejection::Rejection;

use super::Check;
use super::classify::Classified;

/// A call that is known to be about certain nicknames.
pub struct Resolved {
    pub(super) classified: Classified,
    pub(super) resolution: Resolution,
}

/// The stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolve;

impl Check for Resolve {
    type In = Classified;
    type Out = Resolved;

    fn check(&self, classified: Classified) -> Result<Resolved, Rejection> {
        let policy = &classified.passage.snapshot.policy;
        let endpoint = policy.catalogue.endpoint(classified.call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        let resolution = policy.resolve(classified.caller, endpoint, &classified.call, classified.named);
        // One nickname is worth a name in the log; of several the endpoint and caller already tell.
        classified.passage.trail.facts().nickname = resolution.effective.only();
        Ok(Resolved { classified, resolution })
    }
}
