//! One case, checked: a caller's requests in two worlds that are alike for it.

use clickbank_gateway::simulator::World;
use clickbank_gateway::simulator::world::Records;
use tokio::runtime::Runtime;

use super::alike::alike;
use super::coverage::{Coverage, Kind};
use super::gateway::{Answered, Configured, Reply, Running, Seen};
use super::hostile::{Form, Mangler};
use super::ideal::{self, Acting};
use super::planted::Planted;
use super::random::Random;
use super::request::Ask;
use super::scene::{Scene, Shrink, Table, key_of};
use super::values::Values;

/// The headers of requests to ClickBank.
const SENT: [&str; 6] = ["accept", "accept-encoding", "authorization", "content-length", "page", "user-agent"];

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
    planted: Planted,
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

    fn caller(&self) -> (&'a str, &'a Table) {
        let (name, grants) = &self.scene.callers[self.caller];
        (name, grants)
    }

    /// Whether the two worlds really are alike, as far as these requests can tell: the ideal key gets the same answers.
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
        let (caller, _) = self.caller();
        let start = |world: World, salt: &str| {
            let mangler = self.mangled.map(|seed| Mangler::new(seed, salt, self));
            Running::start(self.configured, world, mangler)
        };
        let one = start(self.world.clone(), "one");
        let other = start(self.scene.world(self.twin.clone()), "other");
        for (at, ask) in self.asks.iter().enumerate() {
            let broken = |what| Broken { at, what };
            let worlds = [(&one, "in the first world"), (&other, "in the second world")];
            let mut replies = Vec::new();
            for (running, place) in worlds {
                let before = if ask.fact.mutates { Some(running.with_world(|world| world.clone())) } else { None };
                let done = running.with_world(|world| world.executed().len());
                let (reply, seen) = running.call(runtime, caller, ask);
                let forms = running.mangled();
                let judged = self.judge_safety(ask, &reply, &seen, running, (done, &forms));
                coverage.count_forms(&forms, reply.refusal().is_some());
                judged.map_err(|what| broken(format!("{place}: {what}\n{}", shown(&reply))))?;
                replies.push((reply, seen, before));
            }
            if self.mangled.is_some() {
                continue;
            }
            let (reply, seen, before) = &replies[0];
            if *reply != replies[1].0 {
                let (one, other) = (shown(reply), shown(&replies[1].0));
                return Err(broken(format!("answers differ in worlds that are alike\n{one}\n--- and ---\n{other}")));
            }
            let judged = one.with_world(|world| {
                let mut before = before.clone();
                self.judge_ideal(ask, reply, seen, before.as_mut().unwrap_or(world), coverage)
            });
            judged.map_err(broken)?;
        }
        Ok(())
    }

    /// An answer that is no refusal is the ideal key's.
    fn judge_ideal(
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
        if accepted.iter().any(|ideal| is_the_same(ideal, reply)) {
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
        Err(format!("behind a {acting:?} credential:\n{}\nbut ideally\n{}", shown(reply), ideals.join("\nor\n")))
    }

    /// Whatever ClickBank answers: nothing foreign shows, nothing foreign is changed, and ClickBank hears nothing that the
    /// gateway did not write itself. `done` is how many changes there were before, and `forms` what was done to ClickBank's
    /// answers.
    fn judge_safety(
        &self,
        ask: &Ask,
        reply: &Reply,
        seen: &[Seen],
        running: &Running,
        (done, forms): (usize, &[Form]),
    ) -> Result<(), String> {
        let (caller, grants) = self.caller();
        let allowed = ideal::allowed(self.scene, grants, ask);
        // The gateway's own words may name what the caller is granted.
        let words = if reply.refusal().is_some() { self.scene.anywhere(grants) } else { allowed.clone() };
        let head: Vec<String> = reply.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let (acting, _) = running.with_world(|world| ideal::acting(self.scene, world, grants, ask, seen))?;
        let is_claimed = forms.iter().all(|form| form.is_claimed(ask.fact, acting));
        for text in [head.join("\n").as_bytes(), &reply.body, decoded(&reply.body).as_bytes()] {
            if let Some(leak) = self.planted.leak(text, &words, &ask.sent()).filter(|_| is_claimed) {
                return Err(format!("shows {leak} behind a {acting:?} credential, after {forms:?}"));
            }
            let text = String::from_utf8_lossy(text);
            if text.contains("API-") || text.contains("cbgw_") {
                return Err("shows a key".to_owned());
            }
        }
        running.with_world(|world| {
            for executed in &world.executed()[done..] {
                if !allowed.contains(executed.seller.as_str()) {
                    return Err(format!("changed what is not the caller's: {executed:?}"));
                }
            }
            for request in seen {
                let document = ask.fact.permission_all.is_empty();
                let secret = request.header("authorization");
                let credentials = self.scene.credentials.iter().filter_map(|(name, _)| world.key(name));
                let known = credentials.map(|key| key.secret().expose()).any(|known| secret == Some(known));
                if known == document {
                    return Err(format!("{request:?} came to ClickBank without a credential of the configuration"));
                }
                let foreign = request.headers.iter().find(|(name, _)| !SENT.contains(&name.as_str()));
                let text = format!("{request:?}");
                if foreign.is_some() || text.contains(&key_of(caller)) || text.contains("sentbycaller") {
                    return Err(format!("{text} came to ClickBank with something of the caller's"));
                }
            }
            Ok(())
        })
    }
}

/// A body as its reader understands it: escapes in JSON and character references in XML can hide what it says.
fn decoded(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        return value.to_string();
    }
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split("&#");
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').unwrap_or(("", part));
        let code =
            number.strip_prefix('x').map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        decoded.extend(code.and_then(char::from_u32));
        decoded.push_str(rest);
    }
    decoded
}

/// Status, type and body. What an empty body would have been is nobody's business.
fn is_the_same(ideal: &Answered, reply: &Reply) -> bool {
    let media = |text: Option<&str>| text.map(|text| text.split(';').next().unwrap_or_default().to_owned());
    ideal.status == reply.status
        && ideal.body == reply.body
        && (ideal.body.is_empty() || media(ideal.content_type) == media(reply.header("content-type")))
}

fn shown(reply: &Reply) -> String {
    let body: String = String::from_utf8_lossy(&reply.body).chars().take(3_000).collect();
    format!("{} {:?}\n{body}", reply.status, reply.headers)
}
