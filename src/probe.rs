//! Probes: the gateway itself asks ClickBank whether it accepts a credential, with a read that the declared reach says
//! must work.
//!
//! A call that ClickBank refuses proves nothing, since ClickBank refuses alike whoever asks for what belongs to others.
//! It raises a suspicion, and a probe settles it. Only what a probe is told makes a credential dead, or alive again.
//! Which credential acts for a call then is for [`Credentials`](crate::domain::credential::Credentials) to say.
//!
//! Probes are asked one after another, count as requests like all others, and have a queue of their own. What makes
//! ClickBank refuse calls on purpose, again and again, makes probes ever rarer.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::domain::credential::{CredentialId, Findings, Life};
use crate::domain::matrix::Policy;
use crate::domain::permission::{Permission, PermissionSet};
use crate::snapshot::Snapshot;
use crate::stage::prove::{Certainty, Probe, Probed, Prove};

/// How often it is looked for suspicions and due probes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The shortest time between two probes of a credential for which there was a suspicion.
const PAUSE: Duration = Duration::from_secs(30);
/// How many times that time doubles while suspicions come to nothing. More would spend less of the day on a caller that is
/// refused again and again, and find a credential later that dies meanwhile.
const DOUBLINGS: u32 = 3;
/// After so long without a probe, suspicions are taken as at first.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(30);
/// When a dead credential is probed again.
const DEAD_AGAIN: Duration = Duration::from_mins(1);
/// When a probe that was asked for and told nothing is repeated, at first.
const UNCLEAR_AGAIN: Duration = Duration::from_mins(1);
/// A refusal that can mean too many requests in one second is asked for again after more than a second.
const CONFIRM_AFTER: Duration = Duration::from_millis(1_500);

/// When credentials are probed besides on suspicion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Whether each is when the gateway starts, and when a changed configuration brings it.
    pub at_start: bool,
    /// How often each is, if at all.
    pub every: Option<Duration>,
}

/// The read that shows whether a credential is accepted; none if its reach holds nothing that a read would show.
pub(crate) fn probe_of(policy: &Policy, id: CredentialId) -> Option<Probe> {
    let reach = |permission| policy.credentials.reach(id, PermissionSet::default().with(permission));
    if !reach(Permission::OrdersRead).is_empty() {
        Some(Probe::Accounts)
    } else if !reach(Permission::Analytics).is_empty() {
        Some(Probe::AnalyticsStatus)
    } else {
        reach(Permission::Products).declared().iter().next().map(Probe::Products)
    }
}

/// What acts in place of a dead credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StandIns {
    /// Those that do, for some of its endpoints at least.
    pub(crate) credentials: Vec<CredentialId>,
    /// Whether there are endpoints for which none does.
    pub(crate) lacking: bool,
}

/// What acts in place of a credential if it is dead, over all endpoints that it reaches.
pub(crate) fn stand_ins(policy: &Policy, dead: CredentialId) -> StandIns {
    let mut needed: Vec<PermissionSet> = policy
        .catalogue
        .iter()
        .map(|(_, endpoint)| endpoint.permissions)
        .filter(|permissions| !policy.credentials.reach(dead, *permissions).is_empty())
        .collect();
    needed.sort_unstable_by_key(|permissions| permissions.index());
    needed.dedup();
    let mut found = StandIns::default();
    for permissions in needed {
        match policy.credentials.in_place_of(dead, permissions) {
            Some(id) if !found.credentials.contains(&id) => found.credentials.push(id),
            Some(_) => {}
            None => found.lacking = true,
        }
    }
    found
}

/// When one credential is probed.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    last: Option<Instant>,
    /// When it is due, suspected or not.
    due: Option<Instant>,
    /// How many probes in a row told nothing new.
    in_vain: u32,
}

impl Plan {
    /// That of a credential that has just come.
    fn first(probes: Probes, now: Instant) -> Self {
        let due = if probes.at_start { Some(now) } else { probes.every.map(|every| now + every) };
        Self { due, ..Self::default() }
    }

    /// The same after the configuration was read again. What is dead is probed at once: whoever has just mended it in
    /// ClickBank and asks for a reload need not wait.
    fn reloaded(self, (before, probes): (Probes, Probes), life: Life, now: Instant) -> Self {
        if life == Life::Dead {
            return Self { due: Some(now), ..self };
        }
        // What is due stays due.
        let stays = before == probes || self.due.is_some_and(|due| due <= now);
        if stays { self } else { Self { due: probes.every.map(|every| now + every), ..self } }
    }

    /// When it is to be probed next.
    fn next(&self, suspected: bool, now: Instant) -> Option<Instant> {
        let pause = PAUSE * (1 << self.in_vain.min(DOUBLINGS));
        let on_suspicion = suspected.then(|| self.last.map_or(now, |last| last + pause));
        on_suspicion.into_iter().chain(self.due).min()
    }

    /// Takes a probe in that was asked at `now`.
    fn probed(&mut self, told: Told, probes: Probes, now: Instant) {
        let is_forgotten = self.last.is_none_or(|last| now.duration_since(last) > FORGOTTEN_AFTER);
        if is_forgotten {
            self.in_vain = 0;
        }
        self.last = Some(now);
        let every = probes.every.map(|every| now + every);
        match told {
            Told::Alive { anew } => {
                self.in_vain = if anew { 0 } else { self.in_vain.saturating_add(1) };
                self.due = every;
            }
            Told::Dead => {
                self.in_vain = 0;
                self.due = Some(now + DEAD_AGAIN);
            }
            Told::Nothing => {
                let again = now + UNCLEAR_AGAIN * (1 << self.in_vain.min(DOUBLINGS));
                self.in_vain = self.in_vain.saturating_add(1);
                // Without a reason to ask, there is none to ask again.
                self.due = self.due.filter(|due| *due <= now).map(|_| again).or(self.due);
            }
        }
    }
}

/// What a probe told, with a second one where one was not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Alive {
        /// Whether it was dead.
        anew: bool,
    },
    Dead,
    Nothing,
}

/// A credential, as it is followed from one configuration to the next.
#[derive(Debug)]
struct Followed {
    id: CredentialId,
    findings: Findings,
    plan: Plan,
}

/// Probes credentials.
#[derive(Debug)]
pub(crate) struct Prober {
    prove: Prove,
    current: Arc<ArcSwap<Snapshot>>,
    followed: Vec<Followed>,
    /// The generation that they are of, and its options.
    under: Option<(u64, Probes)>,
}

impl Prober {
    pub(crate) const fn new(prove: Prove, current: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { prove, current, followed: Vec::new(), under: None }
    }

    /// Probes whenever a probe is due, until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.look()).await.is_some() {}
    }

    /// Probes the credential that is due first, or waits for one.
    async fn look(&mut self) {
        let snapshot = self.current.load_full();
        let now = Instant::now();
        self.follow(&snapshot, now);
        let credentials = &snapshot.policy.credentials;
        let next = self
            .followed
            .iter()
            .enumerate()
            .filter_map(|(position, it)| Some((it.plan.next(credentials.is_suspected(it.id), now)?, position)))
            .min()
            .filter(|(at, _)| *at <= now);
        let Some((_, position)) = next else {
            // It must not hold on to the snapshot meanwhile.
            drop(snapshot);
            return sleep(LOOK_EVERY).await;
        };
        let Some(id) = self.followed.get(position).map(|followed| followed.id) else { return };
        let told = self.ask(&snapshot, id).await;
        if let Some(followed) = self.followed.get_mut(position) {
            followed.plan.probed(told, snapshot.probes, now);
        }
    }

    /// Follows the credentials of a snapshot. What stayed as it was keeps its plan.
    fn follow(&mut self, snapshot: &Snapshot, now: Instant) {
        let under = (snapshot.generation(), snapshot.probes);
        let options = match self.under.replace(under) {
            Some(before) if before == under => return,
            before => before.map_or(snapshot.probes, |(_, probes)| probes),
        };
        let before = std::mem::take(&mut self.followed);
        let credentials = &snapshot.policy.credentials;
        let probed = credentials.iter().filter(|(id, ..)| probe_of(&snapshot.policy, *id).is_some());
        self.followed = probed
            .filter_map(|(id, ..)| {
                let findings = credentials.findings(id)?;
                let kept = before.iter().find(|it| it.findings.are_those_of(credentials, id));
                let plan = kept.map_or_else(
                    || Plan::first(snapshot.probes, now),
                    |it| it.plan.reloaded((options, snapshot.probes), credentials.life(id), now),
                );
                Some(Followed { id, findings, plan })
            })
            .collect();
    }

    /// Probes a credential, notes what came of it, and says what is new.
    async fn ask(&self, snapshot: &Arc<Snapshot>, id: CredentialId) -> Told {
        let (policy, credentials) = (&snapshot.policy, &snapshot.policy.credentials);
        let Some(probe) = probe_of(policy, id) else { return Told::Nothing };
        let (life, doubted, narrower) = (credentials.life(id), credentials.is_doubted(id), credentials.is_narrower(id));
        let mut probed = self.prove.probe(snapshot, id, probe).await;
        if let Probed::Refused(Certainty::Likely) = probed
            && life != Life::Dead
        {
            sleep(CONFIRM_AFTER).await;
            probed = self.prove.probe(snapshot, id, probe).await;
        }
        let name = credentials.name(id);
        tracing::debug!(credential = name, outcome = probed.as_str(), "a credential was probed");
        let told = match probed {
            Probed::Answered(_) => {
                credentials.revive(id);
                Told::Alive { anew: life == Life::Dead }
            }
            Probed::Refused(_) => {
                credentials.bury(id);
                Told::Dead
            }
            Probed::Unclear => Told::Nothing,
        };
        match told {
            Told::Dead if life != Life::Dead => report_death(policy, id),
            Told::Alive { anew: true } => {
                tracing::warn!(credential = name, "ClickBank accepts a credential again that it had refused");
            }
            _ => {}
        }
        if credentials.is_doubted(id) && !doubted {
            tracing::warn!(
                credential = name,
                "ClickBank gives a credential more nicknames than are declared, so it is confined for nobody; \
                 `credential check` says which"
            );
        }
        if credentials.is_narrower(id) && !narrower {
            tracing::warn!(
                credential = name,
                "ClickBank gives a credential fewer nicknames than are declared; `credential check` says which"
            );
        }
        told
    }
}

/// Says that a credential died, and what acts in its place.
fn report_death(policy: &Policy, id: CredentialId) {
    let credential = policy.credentials.name(id);
    let StandIns { credentials, lacking } = stand_ins(policy, id);
    let names: Vec<&str> = credentials.iter().map(|id| policy.credentials.name(*id)).collect();
    let instead = Some(names.join(", ")).filter(|names| !names.is_empty());
    if instead.is_none() {
        tracing::error!(
            credential,
            "ClickBank refuses a credential, and there is none of equal reach to act in its place"
        );
    } else if lacking {
        tracing::error!(
            credential,
            instead,
            "ClickBank refuses a credential; others of equal reach act in its place, but not for all its permissions"
        );
    } else {
        tracing::error!(credential, instead, "ClickBank refuses a credential; one of equal reach acts in its place");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIVE: Told = Told::Alive { anew: false };

    fn seconds(plan: &Plan, suspected: bool, began: Instant, now: Instant) -> Option<u64> {
        plan.next(suspected, now).map(|next| next.duration_since(began).as_secs())
    }

    #[test]
    fn without_options_only_a_suspicion_is_a_reason() {
        let now = Instant::now();
        let (off, every) = (Probes::default(), Probes { at_start: false, every: Some(Duration::from_hours(6)) });
        assert_eq!(seconds(&Plan::first(off, now), false, now, now), None);
        assert_eq!(seconds(&Plan::first(off, now), true, now, now), Some(0));
        assert_eq!(seconds(&Plan::first(every, now), false, now, now), Some(6 * 3_600));
        assert_eq!(seconds(&Plan::first(Probes { at_start: true, ..every }, now), false, now, now), Some(0));
    }

    #[test]
    fn suspicions_that_come_to_nothing_make_probes_rarer_and_no_day_is_spent_on_them() {
        let began = Instant::now();
        let (mut plan, mut now, mut probes) = (Plan::default(), began, 0);
        while now < began + Duration::from_hours(24) {
            now = plan.next(true, now).unwrap();
            plan.probed(ALIVE, Probes::default(), now);
            probes += 1;
            let pause = plan.next(true, now).unwrap() - now;
            assert!(pause >= PAUSE && pause < FORGOTTEN_AFTER, "{pause:?}");
        }
        assert!((355..370).contains(&probes), "{probes} probes in a day");
        // After a quiet while, a suspicion is taken as at first.
        now += FORGOTTEN_AFTER + PAUSE;
        plan.probed(ALIVE, Probes::default(), now);
        assert_eq!(plan.next(true, now).unwrap() - now, PAUSE * 2);
    }

    #[test]
    fn a_dead_credential_is_probed_every_minute_until_it_is_back() {
        let began = Instant::now();
        let (mut plan, mut now) = (Plan::default(), began);
        for _ in 0..5 {
            plan.probed(Told::Dead, Probes::default(), now);
            assert_eq!(plan.next(false, now), Some(now + DEAD_AGAIN));
            now += DEAD_AGAIN;
        }
        plan.probed(Told::Alive { anew: true }, Probes::default(), now);
        assert_eq!(plan.next(false, now), None);
        assert_eq!(plan.next(true, now), Some(now + PAUSE));
    }

    #[test]
    fn a_probe_that_was_asked_for_and_told_nothing_is_repeated_ever_later() {
        let began = Instant::now();
        let probes = Probes { at_start: true, every: None };
        let mut plan = Plan::first(probes, began);
        let mut now = began;
        for minutes in [1, 2, 4, 8, 8] {
            plan.probed(Told::Nothing, probes, now);
            let next = plan.next(false, now).unwrap();
            assert_eq!((next - now).as_secs(), minutes * 60);
            now = next;
        }
    }

    #[test]
    fn after_a_reload_other_options_count_from_now_on_and_what_is_dead_is_due() {
        let began = Instant::now();
        let every = |minutes| Probes { at_start: false, every: Some(Duration::from_mins(minutes)) };
        let mut plan = Plan::first(every(60), began);
        plan.probed(ALIVE, every(60), began);
        let later = began + Duration::from_mins(10);
        let next = |options, life, at| plan.reloaded(options, life, at).next(false, at);
        let off = Probes::default();
        assert_eq!(next((every(60), every(30)), Life::Alive, later), Some(later + Duration::from_mins(30)));
        assert_eq!(next((every(60), every(60)), Life::Alive, later), Some(began + Duration::from_hours(1)));
        assert_eq!(next((every(60), off), Life::Alive, later), None);
        let due = began + Duration::from_mins(61);
        assert_eq!(next((every(60), every(30)), Life::Alive, due), Some(began + Duration::from_hours(1)));
        // Whoever has mended a dead one asks for a reload.
        assert_eq!(next((off, off), Life::Dead, later), Some(later));
    }
}
