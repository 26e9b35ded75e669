//! Sequences of changes, most of which ClickBank would make: on receipts and tickets of the caller's own nicknames, of sisters
//! and strangers, of several sellers, of which the caller is an affiliate or partner, of rebills, and on tickets that
//! meanwhile are about another receipt.
//!
//! ClickBank's records are afterwards what they would be if the ideal key had asked, or as they were.

use std::collections::BTreeMap;

use clickbank_gateway::simulator::World;
use clickbank_gateway::simulator::world::{Executed, Order, Records};
use tokio::runtime::Runtime;

use super::check::Case;
use super::coverage::Coverage;
use super::ideal::{self, Acting};
use super::planted::Planted;
use super::random::Random;
use super::request::Ask;
use super::safety;
use super::scene::Scene;
use super::values::Values;
use crate::support::in_process::{Configured, Reply, Running, Seen};

/// A caller's changes, and which tickets move before each of them.
pub(super) struct Sequence<'a> {
    case: Case<'a>,
    /// For each request, the id of a ticket that is about another order before it, and of which.
    moves: Vec<Option<(u32, usize)>>,
}

/// How often a change was made, behind each kind of credential.
#[derive(Debug, Default)]
pub(super) struct Made(BTreeMap<&'static str, [u64; 2]>);

impl Made {
    /// What was never made.
    pub(super) fn gaps(&self) -> Vec<String> {
        let changing = crate::facts::FACTS.iter().filter(|fact| fact.mutates);
        let kinds = [(0, "confined"), (1, "wide")];
        let all = changing.flat_map(|fact| kinds.map(|(place, kind)| (fact.id.as_str(), place, kind)));
        let never = all.filter(|(id, place, _)| self.0.get(id).is_none_or(|made| made[*place] == 0));
        never.map(|(id, _, kind)| format!("{id} was never made behind a {kind} credential")).collect()
    }
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|(id, [confined, wide])| writeln!(f, "{id:26} made confined {confined:5}  wide {wide:5}"))
    }
}

impl<'a> Sequence<'a> {
    /// Sequence `number` of a scene.
    pub(super) fn make(scene: &'a Scene, configured: &'a Configured, world: &'a World, number: usize) -> Self {
        let mut case = Case::make(scene, configured, world, number);
        let (_, grants) = case.caller();
        let mut random = Random::of(&["changes", &scene.seed.to_string(), &number.to_string()]);
        let values = Values::of(scene, grants, &scene.records, &mut random);
        let (mut asks, mut moves) = (Vec::new(), Vec::new());
        for _ in 0..4 + random.below(6) {
            asks.push(Ask::change(&values, &mut random));
            moves.push(None);
            let ticket = values.ticket(&mut random);
            let target = format!("/rest/1.3/tickets/{ticket}");
            if random.percent(30) && asks.iter().all(|ask: &Ask| ask.path != target) {
                // It is known whose it is, and then it is somebody else's. A read may go by what was known a moment ago.
                let [read, change] = [("tickets.get", &[][..]), ("tickets.update", &[("comment", "words")][..])]
                    .map(|(id, query)| Ask::plain(id, &target, query));
                asks.extend([read, change]);
                moves.extend([None, ticket.parse().ok().map(|ticket| (ticket, random.below(1_000)))]);
            }
        }
        case.asks = asks;
        Self { case, moves }
    }

    /// Makes all of it.
    ///
    /// # Errors
    /// What is not as it should be.
    pub(super) fn run(&mut self, runtime: &Runtime, coverage: &mut Coverage, made: &mut Made) -> Result<(), String> {
        let running = Running::start(self.case.configured, self.case.world.clone(), None);
        let (mut told, mut history) = (String::new(), String::new());
        for at in 0..self.case.asks.len() {
            if let Some(chosen) = self.moves[at] {
                running.with_world(|world| move_ticket(world.records_mut(), chosen));
                let planted = running.with_world(|world| Planted::of([&self.case.scene.records, world.records()]));
                self.case.planted = planted;
                history.push_str(&format!("  ticket {} moves\n", chosen.0));
            }
            let ask = self.case.asks[at].clone();
            history.push_str(&format!("  {ask}\n"));
            coverage.requests += 1;
            let before = running.with_world(|world| world.clone());
            let (reply, seen) = running.call(runtime, (&ask.fact.method, &ask.target()), &self.case.headers(&ask));
            let after = running.with_world(|world| world.clone());
            let judged = self.judge(&ask, (&reply, &seen), (&before, &after), &told, coverage, made);
            judged.map_err(|what| self.tell(&history, &what, &reply))?;
            told.push_str(&ask.sent());
        }
        Ok(())
    }

    fn judge(
        &self,
        ask: &Ask,
        (reply, seen): (&Reply, &[Seen]),
        (before, after): (&World, &World),
        told: &str,
        coverage: &mut Coverage,
        made: &mut Made,
    ) -> Result<(), String> {
        let case = &self.case;
        let done = before.executed().len();
        safety::judge(case, ask, reply, seen, after, (done, &[], told))?;
        case.judge_ideal(ask, reply, seen, &mut before.clone(), coverage)?;
        let state = |world: &World| (world.executed()[done..].to_vec(), format!("{:?}", world.records()));
        let now = state(after);
        if reply.refusal().is_some() {
            let same = now == state(before);
            return if same { Ok(()) } else { Err("a refused change was made".to_owned()) };
        }
        let (caller, grants) = case.caller();
        let (acting, reach) = ideal::acting(case.scene, before, grants, ask, seen)?;
        let ideals = ideal::worlds(case.scene, (caller, grants), ask, (acting, reach), before);
        if !ideals.iter().any(|ideal| state(ideal) == now) {
            let executed: Vec<Vec<Executed>> = ideals.iter().map(|ideal| state(ideal).0).collect();
            return Err(format!("made {:?}, but ideally {executed:?}, or other records", now.0));
        }
        if !now.0.is_empty() {
            let kind = usize::from(acting == Acting::Wide);
            made.0.entry(ask.fact.id.as_str()).or_default()[kind] += 1;
        }
        Ok(())
    }

    fn tell(&self, history: &str, what: &str, reply: &Reply) -> String {
        let (scene, (caller, _)) = (self.case.scene, self.case.caller());
        let (gateway, keys) = (scene.gateway_toml(), scene.keys_toml());
        format!("scene {}, caller {caller}\n{gateway}\n{keys}\n{history}{what}\n{}", scene.seed, reply.shown())
    }
}

/// Makes a ticket one about another receipt.
fn move_ticket(records: &mut Records, (id, order): (u32, usize)) {
    let Order { receipt, lines, .. } = records.orders[order % records.orders.len()].clone();
    let Some(ticket) = records.tickets.iter_mut().find(|ticket| ticket.id == id) else { return };
    ticket.receipt = receipt;
    ticket.seller = None;
    if let Some(line) = lines.first() {
        ticket.item_no.clone_from(&line.item_no);
    }
}
