//! How many connections there may be, and which has to go when there are too many: the one that has said nothing
//! useful for longest. So connections that dawdle cannot keep out those that have something to ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Places for connections.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    next: u64,
    /// Connections on which no key has been recognised yet and that wait for a request, the longest first.
    strangers: BTreeMap<u64, CancellationToken>,
    /// Connections of known callers that wait for their next request, the longest first.
    known: BTreeMap<u64, CancellationToken>,
    /// Whether a newcomer found all connections at work: the next one that waits has to go.
    wanted: bool,
}

impl State {
    /// Has the connection go that can best be spared, if there is one.
    fn spare(&mut self) -> bool {
        let spared = self.strangers.pop_first().or_else(|| self.known.pop_first());
        spared.inspect(|(_, connection)| connection.cancel()).is_some()
    }
}

/// A connection's place. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    end: CancellationToken,
    /// Its place among those that wait.
    waiting: Option<u64>,
    known: bool,
}

impl Slots {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default(), freed: Notify::new() })
    }

    /// A place for a connection that has come, one at a time. If all are taken, one that waits for a request has to go;
    /// when all are at work, the first that is done.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        let mut told = false;
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if state.open < self.most {
                    state.open += 1;
                    state.wanted = false;
                    return Slot {
                        slots: Arc::clone(self),
                        end: CancellationToken::new(),
                        waiting: None,
                        known: false,
                    };
                }
                // One newcomer costs one place, however often this is woken.
                if !told {
                    told = true;
                    state.wanted = !state.spare();
                }
            }
            freed.await;
        }
    }

    /// Has one connection go that waits for a request: the process is out of something that connections hold.
    pub(crate) fn spare_one(&self) -> bool {
        self.state().spare()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Ends when the connection has to go.
    pub(crate) fn end(&self) -> &CancellationToken {
        &self.end
    }

    /// It waits for a request from now on, and can be spared.
    pub(crate) fn wait(&mut self) {
        if self.waiting.is_some() {
            return;
        }
        let mut state = self.slots.state();
        let place = state.next;
        state.next += 1;
        let line = if self.known { &mut state.known } else { &mut state.strangers };
        line.insert(place, self.end.clone());
        if state.wanted {
            state.wanted = !state.spare();
        }
        drop(state);
        self.waiting = Some(place);
    }

    /// A request has come. `false` when it came too late: the connection has been told to go.
    pub(crate) fn work(&mut self) -> bool {
        let Some(place) = self.waiting.take() else { return true };
        let mut state = self.slots.state();
        let line = if self.known { &mut state.known } else { &mut state.strangers };
        line.remove(&place).is_some()
    }

    /// A key that counts was presented on it.
    pub(crate) fn recognise(&mut self) {
        if self.waiting.is_none() {
            self.known = true;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.work();
        self.slots.state().open -= 1;
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strangers_go_before_known_callers_and_of_each_the_one_that_has_waited_longest() {
        let slots = Slots::new(5);
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.push(slots.take().await);
        }
        taken[0].recognise();
        taken[3].recognise();
        // Known callers waited first; the last connection is at work.
        for place in [3, 0, 2, 1] {
            taken[place].wait();
        }
        for place in [2, 1, 3, 0] {
            assert!(!taken[place].end().is_cancelled());
            assert!(slots.spare_one());
            assert!(taken[place].end().is_cancelled(), "{place}");
        }
        assert!(!slots.spare_one(), "a connection at work is not spared");
    }

    #[tokio::test]
    async fn a_newcomer_has_one_go_and_takes_its_place_when_it_has_gone() {
        let slots = Slots::new(1);
        let mut slot = slots.take().await;
        slot.wait();
        let newcomer = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        slot.end().cancelled().await;
        assert!(!newcomer.is_finished());
        drop(slot);
        newcomer.await.unwrap();
    }

    #[tokio::test]
    async fn a_newcomer_that_finds_all_at_work_has_the_first_go_that_waits_again() {
        let slots = Slots::new(1);
        let mut slot = slots.take().await;
        let newcomer = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        tokio::task::yield_now().await;
        slot.wait();
        assert!(slot.end().is_cancelled());
        drop(slot);
        let mut slot = newcomer.await.unwrap();
        slot.wait();
        assert!(!slot.end().is_cancelled(), "nobody else has come");
    }

    #[tokio::test]
    async fn only_one_connection_goes_for_each_newcomer() {
        let slots = Slots::new(2);
        let (mut first, second) = (slots.take().await, slots.take().await);
        first.wait();
        // Nobody waited for this place.
        drop(second);
        let mut second = slots.take().await;
        second.wait();
        let newcomer = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        first.end().cancelled().await;
        tokio::task::yield_now().await;
        assert!(!second.end().is_cancelled());
        drop(first);
        newcomer.await.unwrap();
        assert!(!second.end().is_cancelled());
    }

    #[tokio::test]
    async fn a_request_that_comes_after_its_connection_was_told_to_go_is_too_late() {
        let slots = Slots::new(1);
        let mut slot = slots.take().await;
        slot.wait();
        assert!(slots.spare_one());
        assert!(!slot.work());
        drop(slot);
        slots.take().await.wait();
        assert_eq!(slots.state().open, 0, "a place that is let go is free again");
    }
}
