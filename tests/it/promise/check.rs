//! One case, checked: a caller's requests in two worlds that are alike for it.

use std::sync::{Arc, Mutex};

use clickbank_gateway::simulator::World;
use clickbank_gateway::simulator::world::Records;
use tokio::runtime::Runtime;

use crate::support::in_process::{Answered, Configured, Reply, Running, Seen, Twist};

use super::alike::alike;
use super::coverage::{Coverage, Kind};
use super::hostile::{Form, Mangler};
use super::ideal::{self, Acting};
use super::planted::Planted;
use super::random::Random;
use super::request::Ask;
use super::safety::{self, SENT_BY_CALLER};
use super::scene::{Scene, Shrink, Table, key_of};
use super::values::Values;

/// What was done to ClickBank's answers since somebody looked.
type Done = Arc<Mutex<Vec<Form>>>;

/// A caller's requests.
pub(super) struct Case<'a> {
    pub(super) scene: &'a Scene,
    pub(super) configured: &'a Configured,
    pub(super) world: &'a World,
    pub(super) caller: usize,
    pub(super) twin: Records,
    pub(super) asks: Vec<Ask>,
    /// With answers of ClickBank's that are mangled now and then, by this seed.
    pub(super) mangled: Option<u64>,
    pub(super) planted: Planted,
}

/// What stands in the way of a caller's promise.
pub(super) struct Broken {
    /// The request, by its place.
    pub(super) at: usize,
    pub(super) what: String,
}

impl<'a> Case<'a> {
    /// Case `number` of a scene.
    pub(super) fn make(scene: &'a Scene, configured: &'a Configured, world: &'a World, number: usize) -> Self {
        let mut random = Random::of(&["case", &scene.seed.to_string(), &number.to_string()]);
        let caller = number % scene.callers.len();
        let (_, grants) = &scene.callers[caller];
        let twin = alike(scene, grants, &mut random);
        let values = Values::of(scene, grants, &twin, &mut random);
        let asks = (0..3 + random.below(6)).map(|_| Ask::make(&values, &mut random)).collect();
        let planted = Planted::of([&scene.records, &twin]);
        Self { scene, configured, world, caller, twin, asks, mangled: None, planted }
    }

    /// Who asks, and what it is granted.
    pub(super) fn caller(&self) -> (&'a str, &'a Table) {
        let (name, grants) = &self.scene.callers[self.caller];
        (name, grants)
    }

    /// Whether the two worlds really are alike, as far as these requests can tell: the ideal key gets the same answers.
    ///
    /// They are made so, and almost always are. But ClickBank (as the simulator guesses) itself tells a foreign ticket from
    /// one that does not exist, to whoever says that its goods were `returned`.
    pub(super) fn is_alike(&self) -> bool {
        let (caller, _) = self.caller();
        let (mut one, mut other) = (self.world.clone(), self.scene.world(self.twin.clone()));
        self.asks.iter().all(|ask| {
            let request = ideal::plain(ask);
            let answer = |world: &mut World| ideal::answer(world, caller, Shrink::Whole, &request);
            answer(&mut one) == answer(&mut other)
        })
    }

    /// Sends all of it.
    pub(super) fn run(&self, runtime: &Runtime, coverage: &mut Coverage) -> Result<(), Broken> {
        let one = self.start(self.world.clone(), "one");
        let other = self.start(self.scene.world(self.twin.clone()), "other");
        let mut told = String::new();
        for (at, ask) in self.asks.iter().enumerate() {
            let broken = |what| Broken { at, what };
            coverage.requests += 1;
            let worlds = [(&one, "in the first world"), (&other, "in the second world")];
            let mut replies = Vec::new();
            for ((running, forms), place) in worlds {
                let before = if ask.fact.mutates { Some(running.with_world(|world| world.clone())) } else { None };
                let done = running.with_world(|world| world.executed().len());
                let (reply, seen) = running.call(runtime, (&ask.fact.method, &ask.target()), &self.headers(ask));
                let forms = std::mem::take(&mut *forms.lock().unwrap());
                coverage.count_forms(&forms, reply.refusal().is_some());
                let judged =
                    running.with_world(|world| safety::judge(self, ask, &reply, &seen, world, (done, &forms, &told)));
                judged.map_err(|what| broken(format!("{place}: {what}\n{}", reply.shown())))?;
                replies.push((reply, seen, before));
            }
            if ask.fact.mutates {
                told.push_str(&ask.sent());
            }
            if self.mangled.is_some() {
                continue;
            }
            let (reply, seen, before) = &mut replies[0];
            let judged = one
                .0
                .with_world(|world| self.judge_ideal(ask, reply, seen, before.as_mut().unwrap_or(world), coverage));
            judged.map_err(broken)?;
            let [(one, ..), (other, ..)] = replies.as_slice() else { panic!("one of each world") };
            if one != other {
                let (one, other) = (one.shown(), other.shown());
                return Err(broken(format!("answers differ in worlds that are alike\n{one}\n--- and ---\n{other}")));
            }
        }
        Ok(())
    }

    /// A gateway over a world, and what becomes of ClickBank's answers on their way.
    fn start(&self, world: World, salt: &str) -> (Running, Done) {
        let done = Done::default();
        let twist = self.mangled.map(|seed| -> Twist {
            let mut mangler = Mangler::new(seed, salt, self);
            let done = Arc::clone(&done);
            Box::new(move |world, asked, answer| {
                let (form, answer) = mangler.mangle(world, asked, answer);
                done.lock().unwrap().extend(form);
                answer
            })
        });
        (Running::start(self.configured, world, twist), done)
    }

    /// The headers of a request, with one that has no business at ClickBank.
    pub(super) fn headers(&self, ask: &Ask) -> Vec<(&'static str, String)> {
        let (caller, _) = self.caller();
        let others = [("authorization", key_of(caller)), ("cookie", SENT_BY_CALLER.to_owned())];
        others.into_iter().chain(ask.headers().into_iter().map(|(name, value)| (name, value.to_owned()))).collect()
    }

    /// An answer that is no refusal is the ideal key's.
    pub(super) fn judge_ideal(
        &self,
        ask: &Ask,
        reply: &Reply,
        seen: &[Seen],
        world: &mut World,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let (caller, grants) = self.caller();
        let id = ask.fact.id.as_str();
        if reply.refusal().is_some() {
            coverage.count(id, Kind::Refused);
            return Ok(());
        }
        let (acting, reach) = ideal::acting(self.scene, world, grants, ask, seen)?;
        coverage.count(
            id,
            match acting {
                Acting::Nobody => Kind::Open,
                Acting::Confined => Kind::Confined,
                Acting::Wide => Kind::Wide,
            },
        );
        let accepted = ideal::answers(self.scene, (caller, grants), ask, (acting, reach), world);
        if accepted.iter().any(|ideal| reply.is(ideal)) {
            return Ok(());
        }
        if acting == Acting::Wide && ask.is_order_object() {
            let is_all_but_shares = |ideal: &Answered| {
                ideal.status == reply.status
                    && ideal::without_joint_ventures(&ideal.body)
                        .is_some_and(|rows| !rows.is_empty() && rows == ideal::rows(&reply.body))
            };
            if accepted.iter().any(is_all_but_shares) {
                coverage.shares_missing += 1;
                return Ok(());
            }
        }
        let ideals: Vec<String> = accepted.iter().map(|ideal| format!("{ideal:?}")).collect();
        Err(format!("behind a {acting:?} credential:\n{}\nbut ideally\n{}", reply.shown(), ideals.join("\nor\n")))
    }
}
