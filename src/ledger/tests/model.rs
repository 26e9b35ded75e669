//! Sequences of everything that can happen, against a naive model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Claim { name: usize, target: usize },
    Sending { name: usize },
    Answered { name: usize },
    NotSent { name: usize },
    Drop { name: usize },
    Sweep,
    Restart,
    Pass { hours: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..3_usize;
    // Most claims are for the same request.
    let target = prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    let step = prop_oneof![
        6 => (name.clone(), target).prop_map(|(name, target)| Step::Claim { name, target }),
        4 => name.clone().prop_map(|name| Step::Sending { name }),
        3 => name.clone().prop_map(|name| Step::Answered { name }),
        1 => name.clone().prop_map(|name| Step::NotSent { name }),
        2 => name.prop_map(|name| Step::Drop { name }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
        1 => (1..20_u64).prop_map(|hours| Step::Pass { hours }),
    ];
    proptest::collection::vec(step, 1..50)
}

/// What the ledger gave out.
enum Given {
    Claim(Claim),
    Sending(Sending),
    Unknown(Unknown),
}

/// What should be remembered.
#[derive(Clone, Debug)]
struct Remembered {
    target: usize,
    sent: u64,
    notes: String,
    answer: Option<String>,
}

#[derive(Default)]
struct World {
    given: BTreeMap<usize, (usize, Given)>,
    remembered: BTreeMap<usize, Remembered>,
    seconds: u64,
    number: u64,
}

impl World {
    async fn step(&mut self, ledger: &Ledger, times: Times, step: &Step) {
        let now = times.at(self.seconds);
        self.number += 1;
        match *step {
            Step::Claim { name, target } => self.claim(ledger, name, target, now).await,
            Step::Sending { name } => {
                if let Some((target, Given::Claim(claim))) = self.given.remove(&name) {
                    let notes = format!("notes {}", self.number);
                    let sending = claim.sending(notes.as_bytes(), now).await.unwrap();
                    self.remembered.insert(name, Remembered { target, sent: self.seconds, notes, answer: None });
                    self.given.insert(name, (target, Given::Sending(sending)));
                }
            }
            Step::Answered { name } => {
                let text = format!("answer {}", self.number);
                let done = match self.given.remove(&name) {
                    Some((_, Given::Sending(sending))) => sending.answered(&answer(&text)).await,
                    Some((_, Given::Unknown(unknown))) => unknown.answered(&answer(&text)).await,
                    _ => return,
                };
                match (done, self.remembered.get_mut(&name)) {
                    (Ok(()), Some(remembered)) => remembered.answer = Some(text),
                    (Err(LedgerError::Gone), Some(remembered)) => assert!(remembered.sent + DAY <= self.seconds),
                    other => panic!("{other:?}"),
                }
            }
            Step::NotSent { name } => {
                match self.given.remove(&name) {
                    Some((_, Given::Sending(sending))) => sending.not_sent().await.unwrap(),
                    Some((_, Given::Unknown(unknown))) => unknown.not_executed().await.unwrap(),
                    _ => return,
                }
                self.remembered.remove(&name);
            }
            Step::Drop { name } => drop(self.given.remove(&name)),
            Step::Sweep => drop(ledger.sweep(now).await.unwrap()),
            Step::Pass { hours } => self.seconds += hours * 3_600,
            Step::Restart => {}
        }
    }

    async fn claim(&mut self, ledger: &Ledger, name: usize, target: usize, now: Moment) {
        let claimed = ledger.claim("key_a", &key(&name.to_string()), request(&target.to_string()), now).await.unwrap();
        let remembered = self.remembered.get(&name).filter(|remembered| self.seconds < remembered.sent + DAY);
        let held = self.given.get(&name).map(|(target, _)| *target);
        match (claimed, remembered, held) {
            (Claimed::Mismatch, Some(remembered), _) if remembered.target != target => {}
            (Claimed::Mismatch, None, Some(held)) if held != target => {}
            (Claimed::Answered(found), Some(Remembered { target: asked, answer: Some(text), .. }), None) => {
                assert!(*asked == target && found == answer(text));
            }
            (Claimed::InFlight, Some(Remembered { target: asked, answer: None, .. }), Some(_)) => {
                assert_eq!(*asked, target);
            }
            (Claimed::InFlight, None, Some(held)) => assert_eq!(held, target),
            (Claimed::Unknown(unknown), Some(remembered @ Remembered { answer: None, .. }), None) => {
                assert_eq!(remembered.target, target);
                assert_eq!(unknown.notes(), remembered.notes.as_bytes());
                assert_eq!(unknown.sent_at(), UNIX_EPOCH + Duration::from_secs(START + remembered.sent));
                self.given.insert(name, (target, Given::Unknown(unknown)));
            }
            (Claimed::First(claim), None, None) => drop(self.given.insert(name, (target, Given::Claim(claim)))),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_a_naive_one_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
            let mut ledger = Some(open(directory.path()));
            let mut world = World::default();
            for step in &steps {
                if matches!(step, Step::Restart) {
                    world.given.clear();
                    drop(ledger.take());
                    ledger = Some(open(directory.path()));
                }
                world.step(ledger.as_ref().unwrap(), times, step).await;
            }
        });
    }
}
