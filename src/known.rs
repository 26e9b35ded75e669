//! What was learned of ClickBank under one configuration: whose orders are whose, for a while.
//!
//! Owners are kept, never verdicts: what a caller may do with them is decided anew each time. They are kept for each
//! caller and credential apart, so that nothing that one caller does can be felt by another, and only where they were
//! proven to be the caller's, so that asking for what belongs to others fills nothing.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::domain::credential::CredentialId;
use crate::domain::matrix::CallerId;
use crate::domain::ownership::Sellers;
use crate::rejection::Rejection;

/// How long it is kept who sold what has a receipt. The seller of a receipt does not change, but for some minutes after
/// the purchase another one may sell something in the same breath.
pub const KEPT_FOR: Duration = Duration::from_mins(1);
/// The most that are kept, a few MiB in all. At ClickBank's ten look-ups a second, far fewer are.
const MOST: usize = 8_192;

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The order with this receipt.
    Order(Box<str>),
    /// The order of the ticket with this id.
    Ticket(Box<str>),
}

/// Who asked what, with which credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// On whose behalf; none where it is nobody's.
    pub caller: Option<CallerId>,
    /// With which credential.
    pub credential: CredentialId,
    /// About what.
    pub subject: Subject,
}

/// Whose order it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The order's receipt.
    pub receipt: Arc<str>,
    /// Who sold what it has.
    pub sellers: Arc<Sellers>,
}

/// What was learned. Begins anew with each configuration, since callers and nicknames are numbered anew.
#[derive(Debug, Default)]
pub struct Known {
    owners: DashMap<Question, (Owned, Instant)>,
    asking: Shared<Question, Owned>,
    verifying: Shared<CredentialId, ()>,
}

impl Known {
    /// Whose it is, if that is known.
    #[must_use]
    pub fn owned(&self, question: &Question) -> Option<Owned> {
        let known = self.owners.get(question)?;
        let (owned, since) = known.value();
        (since.elapsed() < KEPT_FOR).then(|| owned.clone())
    }

    /// Of how many it is kept whose they are, be some of it out of date.
    #[must_use]
    pub fn owners_kept(&self) -> usize {
        self.owners.len()
    }

    /// Keeps whose it is.
    pub fn keep(&self, question: Question, owned: Owned) {
        if self.owners.len() >= MOST {
            self.owners.retain(|_, (_, since)| since.elapsed() < KEPT_FOR);
        }
        if self.owners.len() < MOST {
            self.owners.insert(question, (owned, Instant::now()));
        }
    }

    /// Looks up whose it is, for all at once who ask the same. Failures are shared, too: they are the same caller's.
    /// Nobody waits beyond `until`.
    ///
    /// # Errors
    /// When the look-up fails, or is not done in time.
    pub async fn ask(
        &self,
        question: &Question,
        until: Instant,
        look_up: impl Future<Output = Result<Owned, Rejection>>,
    ) -> Result<Owned, Rejection> {
        self.asking.run(question.clone(), until, look_up, |_| true).await
    }

    /// Verifies a credential's reach, for all at once who need it. Failures are not shared: the next one tries itself,
    /// since callers differ in how long they can wait. Nobody waits beyond `until`.
    ///
    /// # Errors
    /// When it cannot be verified, or not in time.
    pub async fn verify(
        &self,
        credential: CredentialId,
        until: Instant,
        verification: impl Future<Output = Result<(), Rejection>>,
    ) -> Result<(), Rejection> {
        self.verifying.run(credential, until, verification, Result::is_ok).await
    }
}

type Outcome<V> = Option<Result<V, Rejection>>;

/// Work that several wait for and one does.
#[derive(Debug)]
struct Shared<K: Eq + Hash, V>(DashMap<K, watch::Receiver<Outcome<V>>>);

impl<K: Eq + Hash, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

/// The place of whoever does the work. It is given up also when that one is gone.
struct Place<'s, K: Eq + Hash + Clone, V> {
    shared: &'s Shared<K, V>,
    key: K,
    done: watch::Sender<Outcome<V>>,
}

impl<K: Eq + Hash + Clone, V> Drop for Place<'_, K, V> {
    fn drop(&mut self) {
        self.shared.0.remove(&self.key);
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Shared<K, V> {
    /// Does the work, or waits for whoever is at it. An outcome that is not to be shared, or none, leaves the work to the
    /// next one.
    async fn run(
        &self,
        key: K,
        until: Instant,
        work: impl Future<Output = Result<V, Rejection>>,
        is_shared: fn(&Result<V, Rejection>) -> bool,
    ) -> Result<V, Rejection> {
        // Whoever is at work may have more time.
        timeout_at(until, self.run_or_wait(key, work, is_shared)).await.unwrap_or(Err(Rejection::UpstreamTimeout))
    }

    async fn run_or_wait(
        &self,
        key: K,
        work: impl Future<Output = Result<V, Rejection>>,
        is_shared: fn(&Result<V, Rejection>) -> bool,
    ) -> Result<V, Rejection> {
        loop {
            let mut others = match self.0.entry(key.clone()) {
                Entry::Occupied(at_work) => at_work.get().clone(),
                Entry::Vacant(free) => {
                    let (done, outcome) = watch::channel(None);
                    free.insert(outcome);
                    let place = Place { shared: self, key, done };
                    let outcome = work.await;
                    if is_shared(&outcome) {
                        place.done.send_replace(Some(outcome.clone()));
                    }
                    return outcome;
                }
            };
            // That nobody is left to say it is an outcome as well: whoever was at work is gone.
            if let Ok(outcome) = others.wait_for(Option::is_some).await
                && let Some(outcome) = outcome.clone()
            {
                return outcome;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::pin::pin;

    use tokio::task::yield_now;
    use tokio::time::sleep;

    use super::*;
    use crate::domain::credential::ScopeByPermission;
    use crate::domain::matrix::Matrix;

    fn question(receipt: &str) -> Question {
        let caller = Matrix::new([ScopeByPermission::default()]).callers().next().unwrap();
        let credentials = crate::domain::credential::Credentials::new([(String::new(), ScopeByPermission::default())]);
        let (credential, ..) = credentials.iter().next().unwrap();
        Question { caller: Some(caller), credential, subject: Subject::Order(receipt.into()) }
    }

    fn later() -> Instant {
        Instant::now() + KEPT_FOR
    }

    fn owned(receipt: &str) -> Owned {
        Owned { receipt: receipt.into(), sellers: Arc::default() }
    }

    #[tokio::test]
    async fn many_who_ask_the_same_at_once_are_told_by_one_look_up_also_of_a_failure() {
        for outcome in [Ok(owned("A")), Err(Rejection::NotYoursOrUnknown)] {
            let (known, question, looked_up) = (Known::default(), question("A"), Cell::new(0));
            let ask = || {
                known.ask(&question, later(), async {
                    yield_now().await;
                    looked_up.set(looked_up.get() + 1);
                    outcome.clone()
                })
            };
            let (one, two, three) = tokio::join!(ask(), ask(), ask());
            assert!([one, two, three].iter().all(|told| *told == outcome));
            assert_eq!(looked_up.get(), 1);
            assert!(known.asking.0.is_empty());
        }
    }

    #[tokio::test]
    async fn when_the_one_at_work_goes_the_next_takes_over() {
        let known = Known::default();
        let question = question("A");
        let mut first = Box::pin(known.ask(&question, later(), pending()));
        assert!(futures_poll(&mut first).await.is_none());
        let mut second = pin!(known.ask(&question, later(), async { Ok(owned("A")) }));
        assert!(futures_poll(&mut second).await.is_none(), "the first is at work");
        drop(first);
        assert_eq!(second.await, Ok(owned("A")));
    }

    #[tokio::test]
    async fn a_verification_that_failed_for_one_is_tried_by_the_next() {
        let known = Known::default();
        let credential = question("A").credential;
        let fail = known.verify(credential, later(), async {
            yield_now().await;
            Err(Rejection::UpstreamTimeout)
        });
        let (one, two) = tokio::join!(fail, known.verify(credential, later(), async { Ok(()) }));
        assert_eq!((one, two), (Err(Rejection::UpstreamTimeout), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_for_others_than_it_has_time_itself() {
        let (known, question, began) = (Known::default(), question("A"), Instant::now());
        let until = |second| began + Duration::from_secs(second);
        let credential = question.credential;
        // Each in turn tries for two seconds, and all have come by the first one's time.
        let verify = async |second| {
            let failing = async {
                sleep(Duration::from_secs(2)).await;
                Err(Rejection::LookUpFailed)
            };
            (known.verify(credential, until(second), failing).await, began.elapsed().as_secs())
        };
        let told = tokio::join!(verify(2), verify(3), verify(3), verify(9));
        let (failed, late) = (Err(Rejection::LookUpFailed), Err(Rejection::UpstreamTimeout));
        assert_eq!(told, ((failed.clone(), 2), (late.clone(), 3), (late, 3), (failed, 5)));
        let (began, until) = (Instant::now(), later());
        let first = known.ask(&question, until, pending());
        let second = known.ask(&question, began + Duration::from_secs(1), async { Ok(owned("A")) });
        let second = async { (second.await, began.elapsed().as_secs()) };
        let late = Err(Rejection::UpstreamTimeout);
        assert_eq!(tokio::join!(first, second), (late.clone(), (late, 1)));
        assert!(known.asking.0.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_forgotten_in_time_and_never_takes_more_than_its_room() {
        let known = Known::default();
        known.keep(question("A"), owned("A"));
        assert_eq!(known.owned(&question("A")), Some(owned("A")));
        assert_eq!(known.owned(&question("B")), None);
        tokio::time::advance(KEPT_FOR).await;
        assert_eq!(known.owned(&question("A")), None);
        for number in 0..MOST + 10 {
            known.keep(question(&number.to_string()), owned("A"));
        }
        assert_eq!(known.owners.len(), MOST, "what is out of date made room, and no more");
        tokio::time::advance(KEPT_FOR).await;
        known.keep(question("A"), owned("A"));
        assert_eq!(known.owners.len(), 1);
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
