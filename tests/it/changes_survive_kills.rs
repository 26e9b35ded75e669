//! Changes with an `Idempotency-Key`, asked for by several at once, while ClickBank breaks and the gateway is killed and
//! started again: each is made once at most, and whatever is said of it is true.
//!
//! A gateway stands behind a front that has it killed at a random moment of a random exchange. Callers do as
//! `docs/refunds.md` tells them, until they know what became of their change, or nobody can tell.
//!
//! 12 kills in an ordinary run; `CBGW_TEST_EXCHANGE_KILLS=1000` makes more. A failure names its seed;
//! `CBGW_TEST_EXCHANGE_SEED` makes the same choices again, as far as the machine's timing lets them meet the same things.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clickbank_gateway::simulator::{Fault, FaultRule, Simulator, World};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::changes::{Change, Format, Seller, changing, secret_of, setup, simulator_for};
use crate::support::process::{Lines, Process, Serving};
use crate::support::secrets::Secrets;
use crate::support::wire::{Answer, Connection};
use crate::support::within;

mod front;

use front::{Front, Moment, Plan};

/// Kills in one round, each of a gateway that has new changes to make beside the old ones.
const KILLS: u64 = 6;
/// Rounds at the same time: most of a round is waiting.
const AT_ONCE: usize = 2;
/// What new changes there are for each gateway.
const NEW: u64 = 8;

const UPSTREAM: &str = "connect_timeout = \"1s\"\nresponse_timeout = \"1s\"";
/// After so long nothing that was sent is under way, as the documentation says: twice both times, and a second for
/// clocks that show seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// A change that is asked for once, by so many at a time.
#[derive(Clone, Debug)]
struct Asked {
    change: Change,
    /// What stands in the ticket that it opens, where others open tickets of the same receipt.
    words: Option<String>,
    callers: usize,
    /// Whether its callers ask again when they are told that it was not made.
    insists: bool,
    /// What goes wrong with it at ClickBank.
    fault: Option<(&'static str, Fault)>,
    /// Whether something goes wrong with a read that it needs.
    is_read_amiss: bool,
}

impl Asked {
    fn times_executed(&self, world: &World) -> usize {
        let Some(words) = &self.words else { return self.change.times_executed(world) };
        let opened_so = |comments: &[clickbank_gateway::simulator::world::TicketComment]| {
            comments.first().is_some_and(|comment| comment.text == *words)
        };
        world.records().tickets.iter().filter(|ticket| opened_so(&ticket.comments)).count()
    }

    /// Whether it shows beyond doubt that it was made.
    fn shows_by_itself(&self) -> bool {
        self.change.endpoint == "tickets.create" && self.words.is_none()
    }

    fn about(&self) -> String {
        let Self { change, words, callers, fault, .. } = self;
        let fault = fault.as_ref().map_or("nothing", |(name, _)| name);
        format!(
            "{} ({}) about {} as {:?}, {:?}, {callers} callers, {words:?}, {fault}",
            change.id, change.endpoint, change.about, change.format, change.seller
        )
    }
}

/// What can go wrong with a change. What is made, is made before it shows.
fn faults() -> Vec<(&'static str, Fault)> {
    let status = |status, executed| Fault::Status { status, text: "no".to_owned(), executed };
    let redirect = Fault::Redirect { status: StatusCode::TEMPORARY_REDIRECT, location: "/rest/1.3/x".to_owned() };
    let hour = Duration::from_hours(1);
    vec![
        ("reset in place of doing it", Fault::Reset { executed: false }),
        ("closed in place of doing it", Fault::Close { executed: false }),
        ("reset in place of an answer", Fault::Reset { executed: true }),
        ("closed in place of an answer", Fault::Close { executed: true }),
        ("reset in the status line", Fault::ResetAfter(11)),
        ("reset in the head", Fault::ResetAfter(30)),
        ("closed in the body", Fault::Truncate(1)),
        ("of a type for people", Fault::ContentType("text/html".to_owned())),
        ("a failure after it was done", status(StatusCode::SERVICE_UNAVAILABLE, true)),
        ("a failure before it was done", status(StatusCode::BAD_GATEWAY, false)),
        ("refused", status(StatusCode::BAD_REQUEST, false)),
        ("turned away", status(StatusCode::FORBIDDEN, false)),
        ("garbage", Fault::Garbage),
        ("a redirection", redirect),
        ("a head that can be read in two ways", Fault::ObsFold),
        ("late, and not done", Fault::Hang { executed: false }),
        ("done, and late", Fault::Hang { executed: true }),
        ("late in the head", Fault::HangAfter(30)),
        ("late in the body", Fault::DelayBody(hour)),
        ("late as a whole", Fault::DelayHead(hour)),
    ]
}

/// New changes.
fn changes(random: &mut Random) -> Vec<Asked> {
    let facts: Vec<_> = changing().collect();
    let mut all = Vec::new();
    for _ in 0..NEW {
        let seller = *random.pick(&[Seller::Confined, Seller::Wide]);
        let format = *random.pick(&[Format::Json, Format::Xml]);
        // A third of all are what people fear most.
        let fact = if random.one_in(3) {
            facts.iter().find(|fact| fact.id == "tickets.create").unwrap()
        } else {
            random.pick(&facts)
        };
        let change = Change::new(fact, seller, format);
        let refund = "type=rfnd&refundType=FULL&reason=ticket.type.refund.7";
        let help = "type=tech&reason=ticket.type.tech_support.1";
        let queries: &[&str] = match fact.id.as_str() {
            "tickets.create" => &[refund, help, "type=cncl&reason=ticket.type.cancel.1"],
            "tickets.update" => &["comment=some%20words", "action=close", "action=reopen&comment=again"],
            _ => &[],
        };
        let mut pair = Vec::new();
        if fact.id == "tickets.create" && random.one_in(3) {
            // Others want the same of the same receipt, or something else.
            let words = |change: &Change| format!("words-{}-{}", change.id, pair.len());
            let first = words(&change);
            let change = change.asking(&format!("{}&comment={first}", random.pick(&[refund, help])));
            let mut second = change.beside("");
            let text = words(&second);
            second = second.asking(&format!("{}&comment={text}", random.pick(&[refund, help])));
            pair.push((change, Some(first)));
            pair.push((second, Some(text)));
        } else if queries.is_empty() {
            pair.push((change, None));
        } else {
            pair.push((change.asking(random.pick::<&str>(queries)), None));
        }
        for (change, words) in pair {
            let fault = (!random.one_in(3)).then(|| random.pick(&faults()).clone());
            let callers = usize::try_from(1 + random.below(3)).unwrap();
            let is_read_amiss = random.one_in(8);
            all.push(Asked { change, words, callers, insists: !random.one_in(4), fault, is_read_amiss });
        }
    }
    all
}

/// What a caller knows in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    /// ClickBank made it, and said this.
    Done(u16, String),
    /// It was made.
    Withheld,
    /// ClickBank did not make it.
    Refused(u16),
    /// It was not made, and the caller leaves it at that.
    NotExecuted,
    /// Nobody knows.
    Unknown,
}

/// How far a round is.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No gateway is there.
    Dead,
    /// One is, and will be killed.
    Alive(SocketAddr),
    /// The last one is, and nothing goes wrong any more, since then.
    Calm(SocketAddr, Instant),
}

/// Asks until it is known what became of the change. Every word of an answer on the way is counted.
async fn ask(
    asked: Arc<Asked>,
    (key, secrets): (String, Secrets),
    mut phase: watch::Receiver<Phase>,
    simulator: Arc<Simulator>,
) -> (Told, BTreeMap<String, u64>) {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    let request =
        asked.change.request_with(&key, &format!("Connection: close\r\nIdempotency-Key: {}\r\n", asked.change.id));
    let mut last_unknown = 0;
    loop {
        let now = *phase.wait_for(|phase| !matches!(phase, Phase::Dead)).await.unwrap();
        let (address, calm_since) = match now {
            Phase::Alive(address) => (address, None),
            Phase::Calm(address, since) => (address, Some(since)),
            Phase::Dead => continue,
        };
        let began = Instant::now();
        let answer = within("an answer, or the end", exchange(address, &secrets, &request)).await;
        let word = match &answer {
            Some(answer) => answer.code().map_or(answer.status.to_string(), str::to_owned),
            None => "no answer".to_owned(),
        };
        *words.entry(word.clone()).or_default() += 1;
        let about = || format!("{}: {answer:?}", asked.about());
        match (word.as_str(), &answer) {
            ("executed-answer-withheld", _) => return (Told::Withheld, words),
            ("change-not-executed", _) => {
                // Alone, nobody else can have asked for it meanwhile.
                let executed = asked.times_executed(&simulator.world());
                assert!(asked.callers > 1 || executed == 0, "{}: it was made {executed} times", about());
                if !asked.insists {
                    return (Told::NotExecuted, words);
                }
            }
            ("outcome-unknown", _) => {
                // When the patience is over and it is asked once more, there is no more to come.
                let is_last = calm_since.is_some_and(|since| began.duration_since(since) > PATIENCE);
                last_unknown = if is_last { last_unknown + 1 } else { 0 };
                if last_unknown > 1 {
                    return (Told::Unknown, words);
                }
            }
            (
                "no answer"
                | "idempotency-in-flight"
                | "upstream-unreachable"
                | "upstream-timeout"
                | "look-up-failed"
                | "answer-unreadable"
                | "overloaded",
                _,
            ) => {}
            (_, Some(answer)) if answer.code().is_none() && answer.status < 300 => {
                return (Told::Done(answer.status, answer.text()), words);
            }
            (_, Some(answer)) if answer.code().is_none() && (400..500).contains(&answer.status) => {
                return (Told::Refused(answer.status), words);
            }
            _ => panic!("{}", about()),
        }
        let is_in_vain = calm_since.is_some_and(|since| since.elapsed() > Duration::from_mins(1));
        assert!(!is_in_vain, "asked in vain: {}: {words:?}", about());
        // As the documentation has callers do, but shorter.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a request, and reads the answer, if one comes whole.
async fn exchange(address: SocketAddr, secrets: &Secrets, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    // However it ends, what came is looked at.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    if body.len() < length.parse().unwrap() {
        return None;
    }
    let whole = tokio::io::join(std::io::Cursor::new(bytes), tokio::io::sink());
    Connection::over(whole, secrets).next_answer().await
}

/// What came of many rounds.
#[derive(Debug, Default)]
struct Sum {
    kills: u64,
    in_exchange: u64,
    changes: usize,
    callers: usize,
    executed: usize,
    unknown_and_made: usize,
    unknown_and_not_made: usize,
    told: BTreeMap<&'static str, usize>,
    words: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.in_exchange += other.in_exchange;
        self.changes += other.changes;
        self.callers += other.callers;
        self.executed += other.executed;
        self.unknown_and_made += other.unknown_and_made;
        self.unknown_and_not_made += other.unknown_and_not_made;
        for (word, count) in other.told {
            *self.told.entry(word).or_default() += count;
        }
        for (word, count) in other.words {
            *self.words.entry(word).or_default() += count;
        }
    }
}

fn plan(random: &mut Random) -> Plan {
    let of_changes = !random.one_in(3);
    let moments = [
        Moment::Lost,
        Moment::PartlyLost(usize::try_from(random.below(200)).unwrap()),
        Moment::UnderWay,
        Moment::PassedOn,
        Moment::AnswerCame,
        Moment::AnswerPassedOn,
    ];
    let after = if of_changes { random.below(NEW) } else { random.below(4 * NEW) };
    Plan { after, of_changes, moment: *random.pick(&moments) }
}

/// Waits until the front wants the gateway dead, or for a while, and kills it.
async fn kill(serving: Serving, front: &mut Front, phase: &watch::Sender<Phase>, random: &mut Random) -> bool {
    let most = Duration::from_millis(200 + random.below(800));
    let wish = tokio::time::timeout(most, front.wishes.recv()).await;
    // A moment later, now and then.
    let later = Duration::from_micros(random.below(3_000));
    if wish.is_ok() && random.one_in(2) {
        tokio::time::sleep(later).await;
    }
    phase.send_replace(Phase::Dead);
    front.plan(None);
    drop(serving);
    if let Ok(Some(dead)) = wish {
        let _ = dead.send(());
        return true;
    }
    false
}

async fn round(seed: u64) -> Sum {
    let mut random = Random(seed);
    let mut generations: Vec<Vec<Arc<Asked>>> =
        (0..=KILLS).map(|_| changes(&mut random).into_iter().map(Arc::new).collect()).collect();
    let all: Vec<Arc<Asked>> = generations.iter().flatten().cloned().collect();
    let planted: Vec<&Change> =
        all.iter().map(|asked| &asked.change).filter(|change| !change.id.ends_with("-beside")).collect();
    let simulator = Arc::new(simulator_for(&planted).await);
    for asked in &all {
        if let Some((_, fault)) = &asked.fault {
            let method = asked.change.method.parse().unwrap();
            simulator.add_fault(FaultRule::new(fault.clone()).method(method).path(&asked.change.path).once()).unwrap();
        }
        if asked.is_read_amiss {
            let read = FaultRule::new(Fault::Reset { executed: false }).method(Method::GET);
            simulator.add_fault(read.path(&asked.change.look_up()).once()).unwrap();
        }
    }
    let mut front = Front::start(&simulator).await;
    let setup = setup().top("state = \"state\"").upstream(UPSTREAM);
    let written = setup.write(&front.url, &front.authority, |name| secret_of(&simulator, name));
    let phase = watch::Sender::new(Phase::Dead);
    let (mut sum, mut asking) = (Sum { changes: all.len(), ..Sum::default() }, JoinSet::new());
    let mut number = 0;
    let mut begin = |generation: Vec<Arc<Asked>>, asking: &mut JoinSet<_>| {
        for asked in generation {
            for _ in 0..asked.callers {
                let whose = (written.keys[asked.change.seller.name()].clone(), written.secrets.clone());
                let asking_it = ask(Arc::clone(&asked), whose, phase.subscribe(), Arc::clone(&simulator));
                asking.spawn(async move { (number, asking_it.await) });
            }
            number += 1;
        }
    };
    let last = generations.pop().unwrap();
    for generation in generations {
        if random.one_in(4) {
            // One that hardly begins.
            let arguments = ["--config", written.file.to_str().unwrap(), "serve"];
            let stillborn = Process::start(&arguments, Lines::Stderr);
            tokio::time::sleep(Duration::from_micros(random.below(60_000))).await;
            drop(stillborn);
            sum.kills += 1;
        }
        let serving = Serving::start(&written.file, &[]).await;
        front.plan(Some(plan(&mut random)));
        phase.send_replace(Phase::Alive(serving.address()));
        begin(generation, &mut asking);
        sum.in_exchange += u64::from(kill(serving, &mut front, &phase, &mut random).await);
        sum.kills += 1;
    }
    let serving = Serving::start(&written.file, &[]).await;
    simulator.clear_faults();
    phase.send_replace(Phase::Calm(serving.address(), Instant::now()));
    begin(last, &mut asking);
    let mut told: Vec<Vec<Told>> = vec![Vec::new(); all.len()];
    for (number, (one, words)) in asking.join_all().await {
        told[number].push(one);
        for (word, count) in words {
            *sum.words.entry(word).or_default() += count;
        }
    }
    judge(seed, &all, &told, &simulator.world(), &mut sum);
    drop(serving);
    sum
}

/// Fails if anything was made twice, or anything that was said is not so.
fn judge(seed: u64, all: &[Arc<Asked>], told: &[Vec<Told>], world: &World, sum: &mut Sum) {
    let mut wrong = Vec::new();
    for (asked, told) in all.iter().zip(told) {
        let executed = asked.times_executed(world);
        let count = |is: &dyn Fn(&Told) -> bool| told.iter().filter(|told| is(told)).count();
        let done = count(&|told| matches!(told, Told::Done(..)));
        let withheld = count(&|told| *told == Told::Withheld);
        let refused = count(&|told| matches!(told, Told::Refused(_)));
        let not_executed = count(&|told| *told == Told::NotExecuted);
        let unknown = count(&|told| *told == Told::Unknown);
        let mut answers: Vec<&Told> = told.iter().filter(|told| matches!(told, Told::Done(..))).collect();
        answers.dedup();
        let shows_if_not_made = !asked.is_read_amiss && asked.words.is_none();
        for (rule, holds) in [
            ("each caller is told", told.len() == asked.callers),
            ("at most once", executed <= 1),
            ("all get one answer", answers.len() <= 1),
            ("what is said to be done is", done + withheld == 0 || executed == 1),
            // Whoever is told that it was not made can be followed by another one who has it made. The last one cannot.
            ("what is said not to be done is not", executed == 0 || refused + not_executed < told.len()),
            ("what was not made is known", unknown == 0 || executed == 1 || !shows_if_not_made),
            ("a ticket is known", unknown == 0 || executed == 0 || !(shows_if_not_made && asked.shows_by_itself())),
        ] {
            if !holds {
                wrong.push(format!("{rule}: {}: made {executed} times, {told:?}", asked.about()));
            }
        }
        sum.executed += executed;
        sum.callers += told.len();
        sum.unknown_and_made += usize::from(unknown > 0 && executed > 0);
        sum.unknown_and_not_made += usize::from(unknown > 0 && executed == 0);
        for (word, count) in [
            ("done", done),
            ("withheld", withheld),
            ("refused", refused),
            ("not executed", not_executed),
            ("unknown", unknown),
        ] {
            *sum.told.entry(word).or_default() += count;
        }
    }
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
}

#[expect(clippy::print_stderr, reason = "for who asked for more kills than usual")]
fn tell(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::disallowed_methods, reason = "says how much to try, and which choices to make again")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_has_a_change_made_twice_or_said_to_be_what_it_is_not() {
    let kills = number("CBGW_TEST_EXCHANGE_KILLS").unwrap_or(12);
    let chosen = number("CBGW_TEST_EXCHANGE_SEED");
    let first = chosen.unwrap_or_else(|| RandomState::new().hash_one(0) >> 16);
    let rounds = if chosen.is_some() { 1 } else { kills.div_ceil(KILLS) };
    let mut seeds = (0..rounds).map(|number| first.wrapping_add(number));
    let (mut sum, mut running) = (Sum::default(), JoinSet::new());
    for seed in seeds.by_ref().take(AT_ONCE) {
        running.spawn(round(seed));
    }
    while let Some(done) = running.join_next().await {
        sum.add(done.unwrap());
        if let Some(seed) = seeds.next() {
            running.spawn(round(seed));
        }
    }
    tell(&format!("{rounds} rounds from seed {first}: {sum:?}"));
    assert!(sum.in_exchange > 0 && sum.executed > 0, "nothing was killed at its work: {sum:?}");
}
