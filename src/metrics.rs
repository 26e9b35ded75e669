//! What is counted and timed, for the operator's monitoring: the one home of every metric.
//!
//! Whoever has something to count calls a function here that takes a number, a word from a closed list, or the position
//! of an endpoint. There is none that takes text, so nothing that a caller or ClickBank sent can become a name or a
//! label. Callers are no label either: there may be 100,000 keys.
//!
//! A request is counted once, where its record is closed. What is a state, and no count, is kept by whoever is in it and
//! read when somebody asks; `exposition` does that, and writes all of it down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::histogram::Histogram;

use crate::admin::Counts;
use crate::domain::decision::Safeguard;
use crate::keys::KeyFault;
use crate::rejection::Code;
use crate::snapshot::Snapshot;
use crate::trail::Facts;

pub(crate) mod exposition;

/// Upper bounds of the times that requests take, in seconds: what is refused is done in less than the first, and nothing
/// takes much longer than the last.
const BUCKETS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// The same for what takes a network at least.
const BUCKETS_OF_CLICKBANK: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// What can be wrong at ClickBank's end or on the way, in the words of the log.
const FAULTS: &[&str] = &[
    "answer-broken-off",
    "answer-late",
    "answer-too-large",
    "broken-connection",
    "change-failed",
    "closed-before-answer",
    "connect-failed",
    "connect-timeout",
    "connection-lost",
    "credential-echoed",
    "credential-refused",
    "foreign-owner",
    "head-too-large",
    "interim-answers",
    "ledger-failed",
    "ledger-full",
    "look-up-unreadable",
    "malformed-answer",
    "malformed-json",
    "malformed-text",
    "malformed-xml",
    "nested-too-deep",
    "no-memory-for-answer",
    "not-utf-8",
    "perhaps-broken-off",
    "reach-narrower-than-declared",
    "reach-not-shown",
    "reach-wider-than-declared",
    "rows-unreadable",
    "timeout",
    "tls-not-verified",
    "unexpected-encoding",
    "unexpected-status",
    "unexpected-type",
];

/// Why a read can be sent again, in the words of the log.
const RETRIES: &[&str] = &[
    "broken-connection",
    "closed-before-answer",
    "connect-failed",
    "connect-timeout",
    "connection-lost",
    "stale-connection",
    "status-502",
    "status-503",
    "status-504",
];

/// Why a connection can be cut off, in the words of the log.
const CUTS: &[&str] = &[
    "answer-not-taken",
    "handshake-failed",
    "head-too-slow",
    "http2-preface",
    "malformed-message",
    "spared",
    "tls-to-plaintext",
];

/// What has been counted and timed since the start. A new configuration does not begin it anew.
#[derive(Debug)]
pub struct Metrics {
    /// Requests whose endpoint is not known.
    no_endpoint: OfEndpoint,
    /// Every endpoint there has been, by its name, which means the same in every configuration.
    endpoints: Mutex<BTreeMap<String, Arc<OfEndpoint>>>,
    /// Those of the newest catalogue, by position.
    numbered: ArcSwap<Numbered>,
    /// Requests by what decided about them.
    reasons: Words,
    /// Answers that callers got, by status from [`FIRST_STATUS`] on.
    statuses: Vec<Count>,
    /// Requests with a fault at ClickBank's end.
    faults: Words,
    /// Reads that were sent again, by why.
    retries: Words,
    waiting: Histogram,
    own: Histogram,
    alarms: Count,
    look_ups: Count,
    owners_known: Count,
    owners_unknown: Count,
    rows_dropped: Count,
    connections: Count,
    cuts: Words,
}

const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// A request that is over.
pub(crate) struct Closed<'a> {
    /// By which it was decided.
    pub(crate) snapshot: &'a Snapshot,
    /// What it has gone through.
    pub(crate) facts: &'a Facts,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// What the caller got, if it was there to get it.
    pub(crate) status: Option<u16>,
    /// Whether operators should look at it at once.
    pub(crate) alarming: bool,
    /// The whole time here.
    pub(crate) took: Duration,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// ClickBank's answer went to the caller.
    Answered,
    /// The caller hung up.
    CallerGone,
    /// The gateway answered itself.
    Refused(Code),
}

impl Outcome {
    const COUNT: usize = 2 + Code::ALL.len();

    fn all() -> impl Iterator<Item = Self> {
        [Self::Answered, Self::CallerGone].into_iter().chain(Code::ALL.map(Self::Refused))
    }

    const fn index(self) -> usize {
        match self {
            Self::Answered => 0,
            Self::CallerGone => 1,
            Self::Refused(code) => 2 + code as usize,
        }
    }

    /// The word in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::CallerGone => "caller-gone",
            Self::Refused(code) => code.as_str(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let codes = Code::ALL.map(Code::as_str);
        let gone = [Outcome::CallerGone.as_str()];
        Self {
            no_endpoint: OfEndpoint::default(),
            endpoints: Mutex::default(),
            numbered: ArcSwap::default(),
            reasons: Words::new([&Safeguard::WORDS[..], &KeyFault::WORDS, &codes, &gone].concat()),
            statuses: (0..STATUSES).map(|_| Count::default()).collect(),
            faults: Words::new(FAULTS.to_vec()),
            retries: Words::new(RETRIES.to_vec()),
            waiting: Histogram::new(BUCKETS),
            own: Histogram::new(BUCKETS),
            alarms: Count::default(),
            look_ups: Count::default(),
            owners_known: Count::default(),
            owners_unknown: Count::default(),
            rows_dropped: Count::default(),
            connections: Count::default(),
            cuts: Words::new(CUTS.to_vec()),
        }
    }
}

impl Metrics {
    /// Counts and times a request that is over.
    pub(crate) fn count(&self, closed: &Closed<'_>) {
        let Closed { snapshot, facts, outcome, status, alarming, took } = *closed;
        let numbered = facts.endpoint.map(|id| (id, self.numbered(snapshot)));
        let endpoint = match &numbered {
            Some((id, numbered)) => numbered.endpoints.get(id.index()).map_or(&self.no_endpoint, |endpoint| endpoint),
            None => &self.no_endpoint,
        };
        endpoint.outcomes.get(outcome.index()).inspect(|count| count.add(1));
        endpoint.total.observe(took.as_secs_f64());
        if !facts.upstream.is_zero() {
            endpoint.upstream.observe(facts.upstream.as_secs_f64());
        }
        if !facts.waited.is_zero() {
            self.waiting.observe(facts.waited.as_secs_f64());
        }
        // Of what was given up in the middle it is not known what took so long.
        if outcome != Outcome::CallerGone {
            self.own.observe(took.saturating_sub(facts.upstream).saturating_sub(facts.waited).as_secs_f64());
        }
        self.reasons.add(facts.allowed_because.or(facts.key_fault).unwrap_or(outcome.as_str()));
        let status = status.and_then(|status| status.checked_sub(FIRST_STATUS));
        status.and_then(|place| self.statuses.get(usize::from(place))).inspect(|count| count.add(1));
        if let Some(fault) = facts.upstream_fault {
            self.faults.add(fault);
        }
        facts.retried.iter().for_each(|reason| self.retries.add(reason));
        self.alarms.add(alarming.into());
        self.look_ups.add(facts.look_ups.into());
        self.owners_known.add(facts.owners_known.into());
        self.owners_unknown.add(facts.owners_unknown.into());
        self.rows_dropped.add(facts.rows_dropped as u64);
    }

    /// Counts a connection of a caller's that was accepted.
    pub(crate) fn count_connection(&self) {
        self.connections.add(1);
    }

    /// Counts a connection that was cut off, by why, in the words of the log.
    pub(crate) fn count_cut(&self, reason: &'static str) {
        self.cuts.add(reason);
    }

    /// What operators are told of all this.
    pub(crate) fn counts(&self) -> Counts {
        let of = |is: fn(Outcome) -> bool| -> u64 {
            let endpoints = self.endpoints();
            let endpoints = endpoints.values().map(Arc::as_ref).chain([&self.no_endpoint]);
            let counts = endpoints.flat_map(|endpoint| Outcome::all().zip(&endpoint.outcomes));
            counts.filter(|(outcome, _)| is(*outcome)).map(|(_, count)| count.get()).sum()
        };
        Counts {
            answered: of(|outcome| outcome == Outcome::Answered),
            refused: of(|outcome| matches!(outcome, Outcome::Refused(_))),
            caller_gone: of(|outcome| outcome == Outcome::CallerGone),
            alarms: self.alarms.get(),
            look_ups: self.look_ups.get(),
            owners_known: self.owners_known.get(),
            owners_unknown: self.owners_unknown.get(),
            rows_dropped: self.rows_dropped.get(),
        }
    }

    /// Requests by what was decided about them, and why. Each reason belongs to one decision.
    fn reasons(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.reasons.iter().map(|(reason, count)| {
            let decision = if Safeguard::WORDS.contains(&reason) {
                "allow"
            } else if reason == Outcome::CallerGone.as_str() {
                "none"
            } else {
                "deny"
            };
            (decision, reason, count)
        })
    }

    /// Every endpoint there has been.
    fn endpoints(&self) -> BTreeMap<String, Arc<OfEndpoint>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counts of a catalogue's endpoints. Only the first request of a new configuration takes a lock for it, and the
    /// last ones of an old one.
    fn numbered(&self, snapshot: &Snapshot) -> arc_swap::Guard<Arc<Numbered>> {
        let numbered = self.numbered.load();
        if numbered.generation == snapshot.generation() {
            return numbered;
        }
        let mut known = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = snapshot.policy.catalogue.iter().map(|(_, endpoint)| {
            if !known.contains_key(&endpoint.name) {
                known.insert(endpoint.name.clone(), Arc::default());
            }
            known.get(&endpoint.name).map(Arc::clone).unwrap_or_default()
        });
        let made = Arc::new(Numbered { generation: snapshot.generation(), endpoints: endpoints.collect() });
        if numbered.generation < made.generation {
            self.numbered.store(Arc::clone(&made));
        }
        arc_swap::Guard::from_inner(made)
    }
}

/// What is counted and timed for each endpoint.
#[derive(Debug)]
struct OfEndpoint {
    /// By [`Outcome::index`].
    outcomes: [Count; Outcome::COUNT],
    total: Histogram,
    upstream: Histogram,
}

impl OfEndpoint {
    /// Whether there was any request for it.
    fn is_used(&self) -> bool {
        self.outcomes.iter().any(|count| count.get() > 0)
    }
}

impl Default for OfEndpoint {
    fn default() -> Self {
        Self {
            outcomes: [const { Count::new() }; Outcome::COUNT],
            total: Histogram::new(BUCKETS),
            upstream: Histogram::new(BUCKETS_OF_CLICKBANK),
        }
    }
}

/// The endpoints of one catalogue, by [`EndpointId::index`](crate::domain::endpoint::EndpointId::index).
#[derive(Debug, Default)]
struct Numbered {
    /// Of the snapshot; 0 before the first.
    generation: u64,
    endpoints: Vec<Arc<OfEndpoint>>,
}

/// A number that only grows.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn add(&self, number: u64) {
        // Most of what is counted for a request is none.
        if number > 0 {
            self.0.fetch_add(number, Ordering::Relaxed);
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts by words of a closed list. A word that is not in it is not counted, so none but these is ever shown.
#[derive(Debug)]
struct Words(Vec<(&'static str, Count)>);

impl Words {
    fn new(mut words: Vec<&'static str>) -> Self {
        words.sort_unstable();
        Self(words.into_iter().map(|word| (word, Count::default())).collect())
    }

    fn add(&self, word: &'static str) {
        let place = self.0.binary_search_by_key(&word, |(listed, _)| listed);
        debug_assert!(place.is_ok(), "{word} is in no list of metrics.rs");
        place.ok().and_then(|place| self.0.get(place)).inspect(|(_, count)| count.add(1));
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(word, count)| (*word, count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_and_every_reason_has_a_place_of_its_own() {
        for (place, outcome) in Outcome::all().enumerate() {
            assert_eq!(outcome.index(), place, "{outcome:?}");
        }
        assert_eq!(Outcome::all().count(), Outcome::COUNT);
        let metrics = Metrics::default();
        for words in [&metrics.reasons, &metrics.faults, &metrics.retries, &metrics.cuts] {
            assert!(words.0.windows(2).all(|pair| pair[0].0 < pair[1].0), "a word stands for two things");
        }
    }

    #[test]
    fn what_the_ledger_fails_at_is_counted() {
        let metrics = Metrics::default();
        for word in crate::stage::remember::ALARMS {
            metrics.faults.add(word);
            assert!(metrics.faults.iter().any(|counted| counted == (word, 1)), "{word}");
        }
    }

    #[test]
    fn each_word_is_counted_as_itself() {
        let words = Words::new(vec!["b", "a", "c"]);
        words.add("a");
        words.add("c");
        words.add("c");
        assert_eq!(words.iter().collect::<Vec<_>>(), [("a", 1), ("b", 0), ("c", 2)]);
    }
}
