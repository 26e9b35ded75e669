//! Caps: at most so many changes, or so many cents, in any hour.
//!
//! What is spent is counted by the minute, and a minute counts until it is wholly more than an hour past. So no 60 minutes
//! hold more than the limit; something may be refused for up to a minute longer than needed.
//!
//! A clock that ran ahead and is right again does not block for long: what it counted in minutes to come was spent by now
//! at the latest, and is counted now. A clock that is set forward while the gateway runs frees nothing, as for records.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::caps::CapKind;

use super::clock::{Clock, Moment};
use super::record::array;
use super::store::{Counters, Pending, StoreError};

const MINUTE: u64 = 60;
/// The minute that it is, and the 60 before it: an hour ends within a minute.
const MINUTES_COUNTED: u64 = 61;

/// The number of a kind on the disk.
const fn number(kind: CapKind) -> u8 {
    match kind {
        CapKind::Refunds => 1,
        CapKind::RefundedCents => 2,
        CapKind::Cancellations => 3,
        CapKind::Changes => 4,
    }
}

/// One cap: what is limited, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapKey {
    kind: CapKind,
    scope: String,
}

impl CapKey {
    /// A cap for a scope, such as `key:key_7q2m` or `nickname:acme`. It is kept in clear.
    #[must_use]
    pub fn new(kind: CapKind, scope: impl Into<String>) -> Self {
        Self { kind, scope: scope.into() }
    }

    /// What is limited.
    #[must_use]
    pub const fn kind(&self) -> CapKind {
        self.kind
    }

    /// For whom.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [&[number(self.kind)], self.scope.as_bytes()].concat()
    }
}

/// What a change spends of one cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The cap.
    pub cap: CapKey,
    /// How much this change spends: 1, or cents.
    pub amount: u64,
    /// How much may be spent in any hour.
    pub limit: u64,
}

/// A cap would be exceeded, so nothing was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The cap; of several, the one that is longest in freeing enough.
    pub which: CapKey,
    /// When enough will be free again, if nobody else spends it. `None` when the change alone exceeds the limit.
    pub retry_after: Option<Duration>,
}

/// Charges that are counted together, and taken back together.
#[derive(Debug)]
pub(super) struct Order {
    charges: Vec<Charge>,
    /// Seconds since 1970.
    seconds: u64,
    counted: AtomicBool,
}

impl Order {
    /// Marks it as counted.
    pub(super) fn count(&self) {
        self.counted.store(true, Ordering::Release);
    }

    /// Whether it was counted, and not taken back yet.
    pub(super) fn take_back(&self) -> bool {
        self.counted.swap(false, Ordering::AcqRel)
    }

    /// What was spent of each cap once this is counted, where `load` tells what was spent before.
    pub(super) fn place<E>(
        &self,
        mut load: impl FnMut(&CapKey) -> Result<Spent, E>,
    ) -> Result<Result<BTreeMap<CapKey, Spent>, Exceeded>, E> {
        let mut after = BTreeMap::new();
        let mut exceeded: Option<Exceeded> = None;
        for Charge { cap, amount, limit } in &self.charges {
            let mut spent = match after.remove(cap) {
                Some(spent) => spent,
                None => load(cap)?,
            };
            if let Err(retry_after) = spent.add(self.seconds, *amount, *limit) {
                let later = exceeded.as_ref().is_none_or(|exceeded| {
                    retry_after.unwrap_or(Duration::MAX) > exceeded.retry_after.unwrap_or(Duration::MAX)
                });
                if later {
                    exceeded = Some(Exceeded { which: cap.clone(), retry_after });
                }
            }
            after.insert(cap.clone(), spent);
        }
        Ok(exceeded.map_or(Ok(after), Err))
    }

    /// What was spent of each cap once this is taken back.
    pub(super) fn remove<E>(
        &self,
        mut load: impl FnMut(&CapKey) -> Result<Spent, E>,
    ) -> Result<BTreeMap<CapKey, Spent>, E> {
        let mut after = BTreeMap::new();
        for Charge { cap, amount, .. } in &self.charges {
            let mut spent = match after.remove(cap) {
                Some(spent) => spent,
                None => load(cap)?,
            };
            spent.subtract(self.seconds, *amount);
            after.insert(cap.clone(), spent);
        }
        Ok(after)
    }
}

/// What was spent of one cap: minutes since 1970, and the amount in each; oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent(Vec<(u64, u64)>);

impl Spent {
    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(minute, amount)| [minute.to_be_bytes(), amount.to_be_bytes()]).flatten().collect()
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut minutes = Vec::new();
        while !bytes.is_empty() {
            minutes.push((u64::from_be_bytes(array(&mut bytes)?), u64::from_be_bytes(array(&mut bytes)?)));
        }
        minutes.is_sorted_by(|one, other| one.0 < other.0).then_some(Self(minutes))
    }

    /// What counts at a second.
    pub(super) fn total(&self, seconds: u64) -> u64 {
        let minutes = self.0.iter().filter(|(minute, _)| minute + MINUTES_COUNTED > seconds / MINUTE);
        minutes.fold(0, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// Spends an amount, or tells when it could.
    fn add(&mut self, seconds: u64, amount: u64, limit: u64) -> Result<(), Option<Duration>> {
        self.settle(seconds / MINUTE);
        let Some(room) = limit.checked_sub(amount) else { return Err(None) };
        let mut sum = self.total(seconds);
        if sum <= room {
            if amount > 0 {
                self.put(seconds / MINUTE, amount);
            }
            return Ok(());
        }
        let mut free = seconds;
        for (minute, amount) in &self.0 {
            sum = sum.saturating_sub(*amount);
            free = minute.saturating_add(MINUTES_COUNTED).saturating_mul(MINUTE);
            if sum <= room {
                break;
            }
        }
        Err(Some(Duration::from_secs(free.saturating_sub(seconds).max(1))))
    }

    fn subtract(&mut self, seconds: u64, amount: u64) {
        // Where the minute is not to be found, the clock was set back: then it stays spent.
        if let Some((_, spent)) = self.0.iter_mut().find(|(minute, _)| *minute == seconds / MINUTE) {
            *spent = spent.saturating_sub(amount);
        }
        self.0.retain(|(_, amount)| *amount > 0);
    }

    /// Drops what counts no more, and counts now what a clock running ahead counted in minutes to come.
    fn settle(&mut self, now: u64) {
        let ahead = self.0.iter().filter(|(minute, _)| *minute > now);
        let ahead = ahead.fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount));
        self.0.retain(|(minute, _)| *minute <= now && minute + MINUTES_COUNTED > now);
        if ahead > 0 {
            self.put(now, ahead);
        }
    }

    /// Puts an amount in a minute that is not before the last one.
    fn put(&mut self, minute: u64, amount: u64) {
        match self.0.last_mut() {
            Some((last, spent)) if *last == minute => *spent = spent.saturating_add(amount),
            _ => self.0.push((minute, amount)),
        }
    }
}

/// Counts changes, for all callers.
#[derive(Clone, Debug)]
pub struct CapCounter {
    counters: Arc<dyn Counters>,
    clock: Arc<Clock>,
}

impl CapCounter {
    /// One that a restart forgets, for a gateway without `state`.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Arc::new(Memory::default()), Arc::default())
    }

    pub(super) fn new(counters: Arc<dyn Counters>, clock: Arc<Clock>) -> Self {
        Self { counters, clock }
    }

    /// Whether so much could be spent now of several caps. Nothing is spent.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn check(&self, charges: &[Charge], now: Moment) -> Result<Result<(), Exceeded>, StoreError> {
        let seconds = self.clock.read(now).trusted;
        let order = Arc::new(Order { charges: charges.to_vec(), seconds, counted: AtomicBool::new(false) });
        self.counters.check(order).await
    }

    /// Spends of several caps, all or none: before a change is sent. It is durable when this is done.
    ///
    /// If the future is dropped before that, nothing is spent.
    ///
    /// # Errors
    /// When it cannot be written. Then it may be spent.
    pub async fn reserve(&self, charges: &[Charge], now: Moment) -> Result<Result<Reservation, Exceeded>, StoreError> {
        let seconds = self.clock.read(now).trusted;
        let order = Arc::new(Order { charges: charges.to_vec(), seconds, counted: AtomicBool::new(false) });
        let counters = Arc::clone(&self.counters);
        let mut reservation = Reservation { counters, order, handed_over: false };
        if reservation.order.charges.is_empty() {
            reservation.handed_over = true;
            return Ok(Ok(reservation));
        }
        let reserved = self.counters.reserve(Arc::clone(&reservation.order)).await;
        reservation.handed_over = true;
        Ok(reserved?.map(|()| reservation))
    }

    /// What is spent of one cap.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn spent(&self, cap: &CapKey, now: Moment) -> Result<u64, StoreError> {
        self.counters.spent(cap, self.clock.read(now).trusted).await
    }
}

/// What was spent for one change. Dropping it leaves it spent.
#[must_use = "what is certainly not sent can be given back"]
pub struct Reservation {
    counters: Arc<dyn Counters>,
    order: Arc<Order>,
    handed_over: bool,
}

impl Reservation {
    /// Gives it back: it is certain that nothing was done. It is given back even if nobody waits for the future.
    ///
    /// # Errors
    /// When it cannot be written. Then it may stay spent.
    pub fn give_back(self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        self.counters.give_back(Arc::clone(&self.order))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.handed_over {
            // Whoever asked for it is gone, and has sent nothing.
            drop(self.counters.give_back(Arc::clone(&self.order)));
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("order", &self.order).finish_non_exhaustive()
    }
}

/// Counts in memory.
#[derive(Debug, Default)]
struct Memory {
    spent: Mutex<BTreeMap<CapKey, Spent>>,
}

impl Memory {
    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut BTreeMap<CapKey, Spent>) -> T) -> Pending<T> {
        let done = work(&mut self.spent.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(Ok(done)))
    }
}

/// What cannot fail.
type Sure<T> = Result<T, std::convert::Infallible>;

impl Counters for Memory {
    fn reserve(&self, order: Arc<Order>) -> Pending<Result<(), Exceeded>> {
        self.with(|all| {
            let placed: Sure<_> = order.place(|cap| Ok(all.get(cap).cloned().unwrap_or_default()));
            let Ok(placed) = placed;
            placed.map(|after| {
                all.retain(|_, spent| spent.total(order.seconds) > 0);
                all.extend(after);
                order.count();
            })
        })
    }

    fn check(&self, order: Arc<Order>) -> Pending<Result<(), Exceeded>> {
        self.with(|all| {
            let placed: Sure<_> = order.place(|cap| Ok(all.get(cap).cloned().unwrap_or_default()));
            let Ok(placed) = placed;
            placed.map(drop)
        })
    }

    fn give_back(&self, order: Arc<Order>) -> Pending<()> {
        self.with(|all| {
            if order.take_back() {
                let after: Sure<_> = order.remove(|cap| Ok(all.get(cap).cloned().unwrap_or_default()));
                let Ok(after) = after;
                all.extend(after);
            }
        })
    }

    fn spent(&self, cap: &CapKey, seconds: u64) -> Pending<u64> {
        self.with(|all| all.get(cap).map_or(0, |spent| spent.total(seconds)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Instant, UNIX_EPOCH};

    use super::*;
    use crate::ledger::tests::polled_once;

    const START: u64 = 1_800_000_000;

    fn at(start: Instant, seconds: u64) -> Moment {
        let passed = Duration::from_secs(seconds);
        Moment { wall: UNIX_EPOCH + Duration::from_secs(START) + passed, steady: start + passed }
    }

    fn charge(scope: &str, amount: u64, limit: u64) -> Charge {
        Charge { cap: CapKey::new(CapKind::Refunds, scope), amount, limit }
    }

    /// The behaviours that all counters share.
    pub(in crate::ledger) async fn behave(caps: &CapCounter, start: Instant) {
        no_hour_holds_more_than_the_limit(caps, start).await;
        all_or_nothing(caps, start).await;
        what_is_given_back_is_free(caps, start).await;
        amounts_weigh(caps, start).await;
        kinds_and_scopes_are_apart(caps, start).await;
        who_does_not_wait_spends_nothing(caps, start).await;
        never_over_the_limit_under_concurrency(caps, start).await;
    }

    async fn reserve(caps: &CapCounter, charges: &[Charge], now: Moment) -> Result<Reservation, Exceeded> {
        caps.reserve(charges, now).await.unwrap()
    }

    async fn spent(caps: &CapCounter, scope: &str, now: Moment) -> u64 {
        caps.spent(&CapKey::new(CapKind::Refunds, scope), now).await.unwrap()
    }

    async fn no_hour_holds_more_than_the_limit(caps: &CapCounter, start: Instant) {
        let one = [charge("hour", 1, 2)];
        drop(reserve(caps, &one, at(start, 59)).await.unwrap());
        drop(reserve(caps, &one, at(start, 60)).await.unwrap());
        let exceeded = reserve(caps, &one, at(start, 3_599)).await.unwrap_err();
        assert_eq!(exceeded.which, one[0].cap);
        assert_eq!(exceeded.retry_after, Some(Duration::from_secs(61)));
        assert!(reserve(caps, &one, at(start, 3_659)).await.is_err());
        assert_eq!(spent(caps, "hour", at(start, 3_659)).await, 2);
        assert_eq!(spent(caps, "hour", at(start, 3_660)).await, 1);
        drop(reserve(caps, &one, at(start, 3_660)).await.unwrap());
        assert!(reserve(caps, &one, at(start, 3_660)).await.is_err());
        assert_eq!(spent(caps, "hour", at(start, 3_660)).await, 2);
    }

    async fn all_or_nothing(caps: &CapCounter, start: Instant) {
        let now = at(start, 4_000);
        drop(reserve(caps, &[charge("full", 1, 1)], now).await.unwrap());
        let both = [charge("roomy", 1, 9), charge("full", 1, 1), charge("never", 3, 2)];
        assert_eq!(reserve(caps, &both[..2], now).await.unwrap_err().which.scope(), "full");
        let exceeded = reserve(caps, &both, now).await.unwrap_err();
        assert_eq!((exceeded.which.scope(), exceeded.retry_after), ("never", None));
        assert_eq!(spent(caps, "roomy", now).await, 0);
        let twice = [charge("twice", 1, 1), charge("twice", 1, 1)];
        assert!(reserve(caps, &twice, now).await.is_err());
        assert!(reserve(caps, &[], now).await.is_ok());
    }

    async fn what_is_given_back_is_free(caps: &CapCounter, start: Instant) {
        let charges = [charge("back", 1, 1), charge("back too", 5, 5)];
        caps.check(&charges, at(start, 4_000)).await.unwrap().unwrap();
        let reservation = reserve(caps, &charges, at(start, 4_000)).await.unwrap();
        let exceeded = caps.check(&charges[1..], at(start, 4_060)).await.unwrap().unwrap_err();
        assert_eq!((exceeded.which, exceeded.retry_after.is_some()), (charges[1].cap.clone(), true));
        assert!(reserve(caps, &charges, at(start, 4_060)).await.is_err());
        reservation.give_back().await.unwrap();
        assert_eq!(spent(caps, "back too", at(start, 4_060)).await, 0);
        drop(reserve(caps, &charges, at(start, 4_060)).await.unwrap());
        assert!(reserve(caps, &charges, at(start, 4_060)).await.is_err());
    }

    async fn amounts_weigh(caps: &CapCounter, start: Instant) {
        let now = at(start, 4_000);
        drop(reserve(caps, &[charge("cents", 60, 100)], now).await.unwrap());
        assert!(reserve(caps, &[charge("cents", 41, 100)], now).await.is_err());
        drop(reserve(caps, &[charge("cents", 40, 100)], at(start, 4_600)).await.unwrap());
        let exceeded = reserve(caps, &[charge("cents", 61, 100)], at(start, 4_600)).await.unwrap_err();
        let last = MINUTE * ((START + 4_600) / MINUTE + 61) - START - 4_600;
        assert_eq!(exceeded.retry_after, Some(Duration::from_secs(last)), "the first to go is not enough");
        drop(reserve(caps, &[charge("huge", u64::MAX - 1, u64::MAX)], now).await.unwrap());
        assert!(reserve(caps, &[charge("huge", 2, u64::MAX)], now).await.is_err());
        assert!(reserve(caps, &[charge("zero", 1, 0)], now).await.unwrap_err().retry_after.is_none());
    }

    async fn kinds_and_scopes_are_apart(caps: &CapCounter, start: Instant) {
        for kind in [CapKind::Refunds, CapKind::RefundedCents, CapKind::Cancellations, CapKind::Changes] {
            for scope in ["key:apart", "nickname:apart"] {
                let charge = Charge { cap: CapKey::new(kind, scope), amount: 1, limit: 1 };
                let first = reserve(caps, std::slice::from_ref(&charge), at(start, 5_000)).await;
                assert!(first.is_ok(), "{kind:?} {scope}");
                assert!(reserve(caps, &[charge], at(start, 5_000)).await.is_err());
            }
        }
    }

    async fn who_does_not_wait_spends_nothing(caps: &CapCounter, start: Instant) {
        let now = at(start, 5_000);
        let charges = [charge("gone", 1, 3)];
        drop(reserve(caps, &charges, now).await.unwrap());
        for _ in 0..10 {
            if let Some(reserved) = polled_once(caps.reserve(&charges, now)).await {
                reserved.unwrap().unwrap().give_back().await.unwrap();
            }
        }
        assert_eq!(spent(caps, "gone", now).await, 1);
        // Nor does it free anything when there was nothing to spend.
        for _ in 0..20 {
            polled_once(caps.reserve(&[charge("gone", 1, 1)], now)).await;
        }
        assert_eq!(spent(caps, "gone", now).await, 1);
    }

    async fn never_over_the_limit_under_concurrency(caps: &CapCounter, start: Instant) {
        let now = at(start, 5_000);
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                let caps = caps.clone();
                tokio::spawn(async move {
                    let charges = [charge(&format!("own {}", number % 4), 1, 10), charge("shared", 1, 17)];
                    reserve(&caps, &charges, now).await.is_ok()
                })
            })
            .collect();
        let mut reserved = 0;
        for task in tasks {
            reserved += u64::from(task.await.unwrap());
        }
        assert_eq!((reserved, spent(caps, "shared", now).await), (17, 17));
    }

    #[tokio::test]
    async fn counters_in_memory_behave() {
        behave(&CapCounter::in_memory(), Instant::now()).await;
    }

    #[test]
    fn a_clock_that_ran_ahead_for_a_while_blocks_for_an_hour_and_no_longer() {
        let mut spent = Spent::default();
        spent.add(START + 999_999, 1, 2).unwrap();
        spent.add(START, 1, 2).unwrap();
        assert!(spent.add(START, 1, 2).is_err());
        assert!(spent.add(START + 3_599, 1, 2).is_err());
        assert!(spent.add(START + 3_660, 1, 2).is_ok());
        assert_eq!(spent.0.len(), 1, "what is old is dropped");
    }

    #[tokio::test]
    async fn a_clock_set_forward_frees_nothing() {
        let (caps, start) = (CapCounter::in_memory(), Instant::now());
        let one = [charge("ahead", 1, 1)];
        drop(reserve(&caps, &one, at(start, 0)).await.unwrap());
        let ahead = Moment { wall: at(start, 999_999).wall, ..at(start, 10) };
        assert!(reserve(&caps, &one, ahead).await.is_err());
        let ahead = Moment { wall: at(start, 999_999).wall, ..at(start, 3_660) };
        assert!(reserve(&caps, &one, ahead).await.is_ok());
    }

    #[test]
    fn what_was_spent_reads_back_and_anything_else_does_not() {
        let spent = Spent(vec![(1, 2), (3, u64::MAX)]);
        let bytes = spent.encode();
        assert_eq!(Spent::decode(&bytes), Some(spent));
        assert_eq!(Spent::decode(&bytes[1..]), None);
        assert_eq!(Spent::decode(&Spent(vec![(3, 1), (3, 1)]).encode()), None);
    }

    #[tokio::test]
    async fn memory_forgets_caps_that_count_no_more() {
        let (memory, start) = (Arc::new(Memory::default()), Instant::now());
        let caps = CapCounter::new(Arc::clone(&memory) as Arc<dyn Counters>, Arc::default());
        for number in 0..10 {
            drop(reserve(&caps, &[charge(&number.to_string(), 1, 1)], at(start, 0)).await.unwrap());
        }
        drop(reserve(&caps, &[charge("new", 1, 1)], at(start, 4_000)).await.unwrap());
        assert_eq!(memory.spent.lock().unwrap().len(), 1);
    }
}
