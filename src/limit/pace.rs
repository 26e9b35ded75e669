//! Turns: at most so many requests in any second, given to waiting callers one after another.
//!
//! Each caller has a queue of its own, and turns go round the queues, so that one caller's burst delays its own requests
//! and not those of others. Nobody waits longer than a bound; who would is told at once.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::keys::KeyNumber;

use super::Limits;

/// Added to the second, because requests that left evenly arrive unevenly, and ClickBank counts arrivals.
const JITTER: Duration = Duration::from_millis(25);

/// The turn would come later than the caller may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate {
    /// About when a turn would be free.
    pub retry_after: Duration,
}

/// Gives turns.
#[derive(Debug, Default)]
pub struct Pace {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the latest turns were taken, oldest first; as many as one window may hold.
    taken: VecDeque<Instant>,
    queues: HashMap<KeyNumber, VecDeque<oneshot::Sender<()>>>,
    /// Callers with a queue, the next to be served first.
    round: VecDeque<KeyNumber>,
}

/// So many turns in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    turns: usize,
    window: Duration,
}

impl Rate {
    fn of(limits: &Limits) -> Self {
        let second = Duration::from_secs(1) + JITTER;
        match NonZeroU32::new(limits.per_second.get() / limits.share.get()) {
            Some(turns) => Self { turns: turns.get() as usize, window: second },
            // Less than one a second: one in as many seconds as it takes.
            None => Self { turns: 1, window: second * limits.share.get() / limits.per_second.get() },
        }
    }

    /// When the turn comes that has `before` others before it.
    fn turn(self, taken: &VecDeque<Instant>, before: usize, now: Instant) -> Instant {
        let free = self.turns.saturating_sub(taken.len());
        if before < free {
            return now;
        }
        let position = before - free;
        let round = u32::try_from(position / self.turns).unwrap_or(u32::MAX);
        let oldest = taken.get(position % self.turns).copied().unwrap_or(now);
        (oldest + self.window + self.window.saturating_mul(round)).max(now)
    }
}

impl Pace {
    /// Waits for a turn. Dropping the future gives the place in the queue back.
    ///
    /// # Errors
    /// When the turn would come, or does come, later than `limits.max_wait` from now.
    pub async fn turn(&self, caller: KeyNumber, limits: &Limits) -> Result<(), TooLate> {
        let rate = Rate::of(limits);
        let (deadline, mut granted) = {
            let mut state = self.state();
            // The bound counts from the very moment that the turn is reckoned from, so that with no waiting at all a
            // turn that is free now is not too late.
            let now = Instant::now();
            let deadline = now + limits.max_wait;
            state.serve(rate, now);
            let ahead = state.ahead_of_new(caller);
            let expected = rate.turn(&state.taken, ahead, now);
            if expected > deadline {
                return Err(TooLate { retry_after: expected - now });
            }
            if state.round.is_empty() && expected <= now {
                state.take(rate, now);
                return Ok(());
            }
            (deadline, state.enqueue(caller))
        };
        loop {
            let next = {
                let now = Instant::now();
                let mut state = self.state();
                state.serve(rate, now);
                rate.turn(&state.taken, 0, now)
            };
            tokio::select! {
                biased;
                given = &mut granted => return given.map_err(|_| TooLate { retry_after: rate.window }),
                () = sleep_until(next.min(deadline)) => {}
            }
            if Instant::now() >= deadline {
                // Others were served first for as long as this one could wait, unless its turn comes this very moment.
                // Once closed, it is passed over, so that no turn is given to nobody.
                self.state().serve(rate, Instant::now());
                granted.close();
                return granted.try_recv().map_err(|_| TooLate { retry_after: rate.window });
            }
        }
    }

    /// How many requests wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().queues.values().flatten().filter(|waiting| !waiting.is_closed()).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many waiting requests would be served before a new one of this caller: all of its own, and of every other
    /// caller as many as rounds pass until then.
    fn ahead_of_new(&mut self, caller: KeyNumber) -> usize {
        self.forget_abandoned();
        let own = self.queues.get(&caller).map_or(0, VecDeque::len);
        let others = self.queues.iter().filter(|(other, _)| **other != caller);
        own + others.map(|(_, queue)| queue.len().min(own + 1)).sum::<usize>()
    }

    /// Gives up the places of requests whose callers have gone.
    fn forget_abandoned(&mut self) {
        self.queues.retain(|_, queue| {
            queue.retain(|waiting| !waiting.is_closed());
            !queue.is_empty()
        });
        self.round.retain(|caller| self.queues.contains_key(caller));
    }

    fn enqueue(&mut self, caller: KeyNumber) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let queue = self.queues.entry(caller).or_default();
        if queue.is_empty() {
            self.round.push_back(caller);
        }
        queue.push_back(sender);
        receiver
    }

    fn take(&mut self, rate: Rate, now: Instant) {
        while self.taken.len() >= rate.turns {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
    }

    /// Gives out every turn that is free by now. Waiting requests whose caller has gone are passed over.
    fn serve(&mut self, rate: Rate, now: Instant) {
        while self.taken.len() > rate.turns {
            self.taken.pop_front();
        }
        while let Some(caller) = self.round.front().copied() {
            if rate.turn(&self.taken, 0, now) > now {
                return;
            }
            self.round.pop_front();
            let Some(queue) = self.queues.get_mut(&caller) else { continue };
            let mut given = false;
            while let Some(waiting) = queue.pop_front() {
                if waiting.send(()).is_ok() {
                    given = true;
                    break;
                }
            }
            if queue.is_empty() {
                self.queues.remove(&caller);
            } else {
                self.round.push_back(caller);
            }
            if given {
                self.take(rate, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn callers(count: usize) -> Vec<KeyNumber> {
        (0..count).map(|number| KeyNumber::of(&number.to_string())).collect()
    }

    fn limits(per_second: u32, share: u32, max_wait: u64) -> Limits {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limits {
            per_second: number(per_second),
            share: number(share),
            max_wait: Duration::from_millis(max_wait),
            ..Limits::default()
        }
    }

    /// Runs requests that all arrive now; says after how many milliseconds each got its turn.
    async fn run(pace: &Arc<Pace>, requests: &[KeyNumber], limits: Limits) -> Vec<Result<u128, ()>> {
        let start = Instant::now();
        let mut tasks = Vec::new();
        for caller in requests.iter().copied() {
            let pace = Arc::clone(pace);
            tasks.push(tokio::spawn(async move {
                let turn = pace.turn(caller, &limits).await;
                turn.map(|()| start.elapsed().as_millis()).map_err(|_| ())
            }));
            tokio::task::yield_now().await;
        }
        let mut turns = Vec::new();
        for task in tasks {
            turns.push(task.await.unwrap());
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_of_a_second_holds_more_turns_than_allowed() {
        let pace = Arc::new(Pace::default());
        let callers = callers(3);
        let requests: Vec<KeyNumber> = (0..35).map(|number| callers[number % 3]).collect();
        let mut turns: Vec<u128> =
            run(&pace, &requests, limits(10, 1, 10_000)).await.into_iter().map(Result::unwrap).collect();
        turns.sort_unstable();
        assert_eq!(turns.len(), 35);
        assert!(turns.windows(11).all(|window| window[10] - window[0] > 1_000), "{turns:?}");
        assert!(turns[34] < 3_200, "turns are not given late: {turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_one_caller_does_not_delay_another() {
        let pace = Arc::new(Pace::default());
        let [runaway, modest] = callers(2)[..] else { panic!() };
        let mut requests = vec![runaway; 40];
        requests.push(modest);
        let turns = run(&pace, &requests, limits(10, 1, 10_000)).await;
        assert!(turns[40].unwrap() <= 1_100, "{turns:?}");
        assert!(turns[39].unwrap() >= 3_000, "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_told_at_once() {
        let pace = Arc::new(Pace::default());
        let caller = callers(1)[0];
        let turns = run(&pace, &[caller; 35], limits(10, 1, 2_100)).await;
        assert_eq!(turns.iter().filter(|turn| turn.is_ok()).count(), 30, "{turns:?}");
        let refused = pace.turn(caller, &limits(10, 1, 0)).await.unwrap_err();
        assert!(refused.retry_after <= Duration::from_millis(1_025), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_gives_up_leaves_its_turn_to_the_next() {
        let pace = Arc::new(Pace::default());
        let caller = callers(1)[0];
        let limits = limits(1, 1, 5_000);
        pace.turn(caller, &limits).await.unwrap();
        let start = Instant::now();
        let abandoned = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { pace.turn(caller, &limits).await }
        });
        tokio::task::yield_now().await;
        abandoned.abort();
        let _ = abandoned.await;
        pace.turn(caller, &limits).await.unwrap();
        assert!(start.elapsed() < Duration::from_millis(1_100), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn without_any_waiting_a_turn_that_is_free_is_taken() {
        let pace = Pace::default();
        let caller = callers(1)[0];
        let limits = limits(2, 1, 0);
        assert_eq!(pace.turn(caller, &limits).await, Ok(()));
        assert_eq!(pace.turn(caller, &limits).await, Ok(()));
        assert!(pace.turn(caller, &limits).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_gave_up_do_not_count_as_waiting() {
        let pace = Arc::new(Pace::default());
        let caller = callers(1)[0];
        let limits = limits(1, 1, 2_100);
        pace.turn(caller, &limits).await.unwrap();
        for _ in 0..2 {
            let abandoned = tokio::spawn({
                let pace = Arc::clone(&pace);
                async move { pace.turn(caller, &limits).await }
            });
            tokio::task::yield_now().await;
            abandoned.abort();
            let _ = abandoned.await;
        }
        assert_eq!(pace.turn(caller, &limits).await, Ok(()));
    }

    /// The bound on the wait is just past the turn, so that a turn that another thread gives is found after the wait.
    #[test]
    fn a_turn_given_at_the_last_moment_is_taken() {
        let limits = limits(2, 1, 1_026);
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..5 {
            let paces: Vec<_> = std::iter::repeat_with(|| Arc::new(Pace::default())).take(1_500).collect();
            let [first, second] = callers(2)[..] else { panic!() };
            runtime().block_on(async {
                for pace in &paces {
                    pace.turn(first, &limits).await.unwrap();
                    pace.turn(second, &limits).await.unwrap();
                }
            });
            std::thread::scope(|scope| {
                for caller in [first, second] {
                    let paces = paces.clone();
                    scope.spawn(move || {
                        runtime().block_on(async move {
                            let turns = paces
                                .into_iter()
                                .map(|pace| tokio::spawn(async move { pace.turn(caller, &limits).await }));
                            for turn in turns.collect::<Vec<_>>() {
                                // Too late or not, it must not panic.
                                let _ = turn.await.unwrap();
                            }
                        });
                    });
                }
            });
        }
    }

    #[test]
    fn a_share_divides_the_rate() {
        let second = Duration::from_millis(1_025);
        for (per_second, share, turns, window) in [
            (10, 1, 10, second),
            (10, 3, 3, second),
            (10, 10, 1, second),
            (10, 30, 1, second * 3),
            (1, 4, 1, second * 4),
        ] {
            assert_eq!(Rate::of(&limits(per_second, share, 0)), Rate { turns, window }, "{per_second} {share}");
        }
    }
}
