//! Once a reload is reported, nothing is changed any more with a key that it took away.
//!
//! Changes wait for their turn, for a look-up or for a connection, or are anywhere between arriving and being answered,
//! when their key goes. `CBGW_TEST_REVOCATIONS` says how many of the latter are tried.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::server::Gateway;
use clickbank_gateway::simulator::Simulator;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::changes::{Change, Format, Seller, changing, secret_of, setup, simulator_for};
use crate::support::scene::{address_of, start_gateway};
use crate::support::setup::{Setup, Written, new_key};
use crate::support::wire::{Answer, Connection};
use crate::support::within;

mod relay;

use relay::Relay;

/// How many changes are tried whose key goes at any moment.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment, as proptest does")]
fn tries() -> usize {
    std::env::var("CBGW_TEST_REVOCATIONS").map_or(200, |text| text.parse().expect("CBGW_TEST_REVOCATIONS is a number"))
}

/// In which way a key may change nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Deactivated,
    Deleted,
    Regenerated,
    /// It is left with the same grants on another nickname.
    GrantLost,
    /// Nobody may change anything.
    SwitchedOff,
}

impl Way {
    const ALL: [Self; 5] = [Self::Deactivated, Self::Deleted, Self::Regenerated, Self::GrantLost, Self::SwitchedOff];

    /// What is said to whoever comes too late.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Deactivated | Self::Deleted | Self::Regenerated => &["key-refused"],
            Self::GrantLost => &["nickname-not-granted", "not-yours-or-unknown"],
            Self::SwitchedOff => &["changes-switched-off"],
        }
    }

    /// Writes it into the files. Every caller but this one keeps what it has.
    fn write(self, scene: &Scene, caller: &str) {
        let [gateway, keys] = &scene.files;
        if self == Self::SwitchedOff {
            scene.written.file_for_owner("gateway.toml", &format!("{gateway}\n[changes]\nallowed = false\n"));
            return;
        }
        let start = keys.find(&format!("[keys.{caller}]")).unwrap();
        let grants = format!("[keys.{caller}.grants]");
        let inside = keys.find(&grants).unwrap() + grants.len();
        let end = keys[inside..].find("[keys.").map_or(keys.len(), |length| inside + length);
        let table = &keys[start..end];
        let changed = match self {
            Self::Deactivated => table.replace("\"active\"", "\"inactive\""),
            Self::Deleted => String::new(),
            Self::Regenerated => {
                let digest = |key: &str| KeyDigest::of(key.as_bytes()).to_string();
                table.replace(&digest(&scene.written.keys[caller]), &digest(&new_key()))
            }
            Self::GrantLost => table.replace(&format!("[\"{caller}\"]"), "[\"orbit\"]"),
            Self::SwitchedOff => unreachable!("it is in the other file"),
        };
        assert_ne!(changed, table);
        scene.written.file_for_owner("keys.toml", &format!("{}{changed}{}", &keys[..start], &keys[end..]));
    }
}

/// A gateway behind which there is a relay, and behind that the simulator.
struct Scene {
    simulator: Simulator,
    relay: Relay,
    gateway: Gateway,
    written: Written,
    /// The configuration and the keys, as they were written at first.
    files: [String; 2],
    /// How long it took last to have them read.
    reload_takes: Mutex<Duration>,
}

/// A change that was asked for.
struct Asked {
    change: Change,
    connection: Connection,
}

impl Scene {
    async fn start(setup: &Setup) -> Self {
        let simulator = simulator_for(&[]).await;
        let relay = Relay::start(&simulator).await;
        let written = setup.write(&relay.url, simulator.ca_pem(), |name| secret_of(&simulator, name));
        let gateway = start_gateway(&written).await;
        let files =
            ["gateway.toml", "keys.toml"].map(|name| std::fs::read_to_string(written.path().join(name)).unwrap());
        let scene = Self { simulator, relay, gateway, written, files, reload_takes: Mutex::default() };
        // How far a credential reaches is asked once, and meanwhile nothing else is asked with it.
        for seller in [Seller::Confined, Seller::Wide] {
            let first = looked_up(1, seller).pop().unwrap();
            assert_eq!(scene.ask(first).await.connection.answer().await.code(), None);
        }
        scene
    }

    async fn ask(&self, change: Change) -> Asked {
        change.plant(self.simulator.world().records_mut());
        let mut connection = Connection::open(address_of(&self.gateway), &self.written.secrets).await;
        connection.send(change.request(&self.written.keys[change.seller.name()])).await;
        Asked { change, connection }
    }

    /// Has the files read. Looks at what was sent the moment that this is reported, and says how often it was looked before.
    async fn reload(&self) -> usize {
        let (reload, relay) = (Arc::clone(self.gateway.reload()), self.relay.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = reload.now();
            let looks = relay.look();
            assert!(outcome.applied, "{:?}", outcome.problems);
            looks
        });
        reading.await.unwrap()
    }

    /// Begins to have the files read, and returns after so much of the time that this takes.
    async fn reload_until(self: &Arc<Self>, percent: usize) -> JoinHandle<usize> {
        let usual = *self.reload_takes.lock().unwrap();
        let scene = Arc::clone(self);
        let (moment, began) = (usual * u32::try_from(percent).unwrap() / 100, Instant::now());
        let reloading = tokio::spawn(async move { scene.reload().await });
        while began.elapsed() < moment {
            tokio::task::yield_now().await;
        }
        reloading
    }

    /// Puts everything back in force.
    async fn restore(&self) {
        let [gateway, keys] = &self.files;
        self.written.file_for_owner("gateway.toml", gateway);
        self.written.file_for_owner("keys.toml", keys);
        let began = Instant::now();
        self.reload().await;
        *self.reload_takes.lock().unwrap() = began.elapsed();
    }

    /// What came of a change whose key was gone at this look; what it should not have been is added to `wrong`. Says whether
    /// it was sent before.
    fn judge(&self, change: &Change, answer: &Answer, way: Way, look: usize, wrong: &mut Vec<String>) -> bool {
        let about = format!("{way:?} {} {:?}: {:?}", change.endpoint, change.seller, answer.outcome());
        let mut received = self.simulator.received();
        received.retain(|received| change.is(received));
        let executed = change.times_executed(&self.simulator.world());
        let is_done = answer.code().is_none() && matches!(answer.status, 200 | 201 | 204);
        let is_refused = answer.code().is_some_and(|code| way.words().contains(&code));
        let begun = received.first().map(|received| self.relay.begun(received.connection).unwrap());
        match begun {
            _ if received.len() > 1 || executed > 1 => wrong.push(format!("{about}: sent twice")),
            None if executed > 0 || !is_refused => wrong.push(format!("{about}: not sent, executed {executed}")),
            Some(begun) if begun > look => wrong.push(format!("{about}: sent after the reload was reported")),
            Some(_) if executed != 1 || !is_done => wrong.push(format!("{about}: sent before, executed {executed}")),
            None | Some(_) => {}
        }
        begun.is_some()
    }
}

/// A change of an endpoint, by its place in the catalogue.
fn change(place: usize, seller: Seller) -> Change {
    let facts: Vec<_> = changing().collect();
    let format = if place.is_multiple_of(2) { Format::Json } else { Format::Xml };
    Change::new(facts[place % facts.len()], seller, format)
}

/// So many changes of those that are looked up in one question.
fn looked_up(count: usize, seller: Seller) -> Vec<Change> {
    let changes = (0..).map(|place| change(place, seller));
    changes.filter(|change| change.is_looked_up && !change.path.contains("/tickets/")).take(count).collect()
}

async fn ask_all(scene: &Scene, changes: Vec<Change>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for change in changes {
        asked.push(scene.ask(change).await);
    }
    asked
}

/// Reads the answers, and expects that nothing was sent.
async fn expect_nothing_sent(scene: &Scene, asked: Vec<Asked>, way: Way, look: usize) {
    let mut wrong = Vec::new();
    for Asked { change, mut connection } in asked {
        let answer = connection.answer().await;
        let sent = scene.judge(&change, &answer, way, look, &mut wrong);
        assert!(!sent, "{way:?} {}: {:?}", change.endpoint, answer.outcome());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const AT_A_TIME: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_looked_up_while_its_key_goes_is_not_sent() {
    let scene = Scene::start(&setup()).await;
    for seller in [Seller::Confined, Seller::Wide] {
        for way in Way::ALL {
            scene.relay.answering().shut();
            let asked = ask_all(&scene, looked_up(AT_A_TIME, seller)).await;
            scene.relay.answering().has(AT_A_TIME).await;
            way.write(&scene, seller.name());
            let look = scene.reload().await;
            scene.relay.answering().open();
            expect_nothing_sent(&scene, asked, way, look).await;
            scene.restore().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_waits_for_a_connection_while_its_key_goes_is_not_sent() {
    let scene = Scene::start(&setup().upstream("connect_timeout = \"30s\"")).await;
    for seller in [Seller::Confined, Seller::Wide] {
        for way in Way::ALL {
            scene.relay.answering().shut();
            let asked = ask_all(&scene, looked_up(AT_A_TIME, seller)).await;
            scene.relay.answering().has(AT_A_TIME).await;
            // Everything has been asked for that is asked for before, so what connects now wants to change something.
            scene.relay.connecting().shut();
            scene.relay.answering().open();
            scene.relay.connecting().has(AT_A_TIME).await;
            way.write(&scene, seller.name());
            let look = scene.reload().await;
            scene.relay.connecting().open();
            expect_nothing_sent(&scene, asked, way, look).await;
            scene.restore().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_waits_for_its_turn_while_its_key_goes_is_not_sent() {
    let mut running = JoinSet::new();
    for (place, way) in Way::ALL.into_iter().enumerate() {
        running.spawn(async move {
            let limits = "per_second = 10\nper_day = 1000000\nmax_wait = \"60s\"";
            let scene = Scene::start(&setup().limits(limits)).await;
            let seller = if place.is_multiple_of(2) { Seller::Confined } else { Seller::Wide };
            let asked = ask_all(&scene, looked_up(24, seller)).await;
            let waits = async {
                while scene.gateway.waiting() < 12 {
                    tokio::task::yield_now().await;
                }
            };
            within("changes to wait for their turn", waits).await;
            way.write(&scene, seller.name());
            let look = scene.reload().await;
            let (mut wrong, mut late) = (Vec::new(), 0);
            for Asked { change, mut connection } in asked {
                let answer = connection.answer().await;
                late += usize::from(!scene.judge(&change, &answer, way, look, &mut wrong));
            }
            assert!(wrong.is_empty(), "{wrong:#?}");
            assert!(late >= 12, "{way:?}: {late} came too late");
        });
    }
    running.join_all().await;
}

/// Any number below, another one for each place.
fn any_below(bound: usize, place: usize) -> usize {
    let mixed = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from((mixed >> 33) % bound as u64).unwrap()
}

/// Changes at a time whose key goes, and the most scenes' worth of what is said that is searched at once.
const RACING: usize = 8;
const ROUNDS_OF_A_SCENE: usize = 64;

/// Threads that want the processors as well, so that any other can be interrupted between any two steps.
struct Crowd(Arc<AtomicBool>);

impl Crowd {
    fn gather() -> Self {
        let gone = Arc::new(AtomicBool::new(false));
        for _ in 0..3 {
            let gone = Arc::clone(&gone);
            std::thread::spawn(move || {
                while !gone.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(gone)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wherever_a_change_is_when_its_key_goes_it_is_not_sent_once_the_reload_is_reported() {
    let _crowd = Crowd::gather();
    let rounds: Vec<usize> = (0..tries().div_ceil(RACING)).collect();
    let (mut wrong, mut sent) = (Vec::new(), [0, 0]);
    for rounds in rounds.chunks(ROUNDS_OF_A_SCENE) {
        let scene = Arc::new(Scene::start(&setup()).await);
        scene.restore().await;
        for round in rounds {
            let way = Way::ALL[round % Way::ALL.len()];
            let [seller, other] = if round.is_multiple_of(2) {
                [Seller::Confined, Seller::Wide]
            } else {
                [Seller::Wide, Seller::Confined]
            };
            race(&scene, *round, way, [seller, other], (&mut wrong, &mut sent)).await;
        }
    }
    assert!(wrong.is_empty(), "{} of {} tries: {wrong:#?}", wrong.len(), rounds.len() * RACING);
    // Otherwise all of them were asked for too early or too late to show anything.
    assert!(sent.iter().all(|count| *count > 0), "{} were sent before, and {} were not", sent[1], sent[0]);
}

/// Has the key of one seller's caller go while it changes things, and another one change something meanwhile.
async fn race(
    scene: &Arc<Scene>,
    round: usize,
    way: Way,
    [seller, other]: [Seller; 2],
    (wrong, sent): (&mut Vec<String>, &mut [usize; 2]),
) {
    scene.simulator.clear_received();
    // In every other round all of them come to be sent just when the reload is done.
    let is_close = round % 4 > 1;
    let mut changes: Vec<Change> = if is_close {
        looked_up(RACING, seller)
    } else {
        (0..RACING).map(|place| change(round * RACING + place, seller)).collect()
    };
    changes.push(change(round, other));
    let (look, answered) = if is_close {
        reload_close_to_sending(scene, round, way, changes).await
    } else {
        reload_at_any_moment(scene, round, way, changes).await
    };
    for (change, answer) in answered {
        if change.seller == seller || way == Way::SwitchedOff {
            sent[usize::from(scene.judge(&change, &answer, way, look, wrong))] += 1;
        } else if answer.code().is_some() || change.times_executed(&scene.simulator.world()) != 1 {
            wrong.push(format!("{way:?}: another caller's {} {:?}", change.endpoint, answer.outcome()));
        }
    }
    scene.restore().await;
    scene.relay.forget_ended();
}

async fn reload_at_any_moment(
    scene: &Arc<Scene>,
    round: usize,
    way: Way,
    changes: Vec<Change>,
) -> (usize, Vec<(Change, Answer)>) {
    way.write(scene, changes[0].seller.name());
    let reloading = scene.reload_until(any_below(100, round)).await;
    let mut running = JoinSet::new();
    for change in changes {
        let scene = Arc::clone(scene);
        running.spawn(async move {
            let Asked { change, mut connection } = scene.ask(change).await;
            (change, connection.answer().await)
        });
    }
    (reloading.await.unwrap(), running.join_all().await)
}

async fn reload_close_to_sending(
    scene: &Arc<Scene>,
    round: usize,
    way: Way,
    changes: Vec<Change>,
) -> (usize, Vec<(Change, Answer)>) {
    let seller = changes[0].seller;
    let waiting = changes.iter().filter(|change| change.seller == seller).count();
    scene.relay.answering().shut();
    let asked = ask_all(scene, changes).await;
    scene.relay.answering().has(waiting).await;
    scene.relay.connecting().shut();
    scene.relay.answering().open();
    scene.relay.connecting().has(waiting).await;
    way.write(scene, seller.name());
    // What is left is about what a connection takes to come about.
    let reloading = scene.reload_until(25 + any_below(75, round)).await;
    scene.relay.connecting().open();
    let look = reloading.await.unwrap();
    let mut answered = Vec::new();
    for Asked { change, mut connection } in asked {
        let answer = connection.answer().await;
        answered.push((change, answer));
    }
    (look, answered)
}
