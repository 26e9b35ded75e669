//! One table of requests, as bytes on a connection: what the caller gets for each, and what arrives at ClickBank, which
//! is nothing at all or exactly the heads in the table, byte for byte.
//!
//! A row's class is what an attack of its kind is aimed at. Refused and harmless requests stand side by side, since a
//! gateway that refused everything would be of no use. After each row the connection has closed, or is still in step:
//! a last request is answered under its own id, so no part of the row was taken for another request.

mod authorization;
mod connections;
mod exhaustion;
mod framing;
mod headers;
mod identity;
mod parameters;
mod replies;
mod side_effects;
mod table;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use table::{Class, Row, Stage, Way};

fn table() -> Vec<(Class, Row)> {
    let classes = [
        (Class::Identity, identity::rows()),
        (Class::Authorization, authorization::rows()),
        (Class::Target, target::rows()),
        (Class::Parameters, parameters::rows()),
        (Class::Framing, framing::rows()),
        (Class::Headers, headers::rows()),
        (Class::Replies, replies::rows()),
        (Class::SideEffects, side_effects::rows()),
        (Class::Exhaustion, exhaustion::rows()),
    ];
    classes.into_iter().flat_map(|(class, rows)| rows.into_iter().map(move |row| (class, row))).collect()
}

/// Each so many rows of the table.
fn every(nth: usize, table: &[(Class, Row)]) -> impl Iterator<Item = &(Class, Row)> {
    table.iter().step_by(nth)
}

#[tokio::test]
async fn over_tcp() {
    Stage::start(Way::Tcp).await.run(&table()).await;
}

#[tokio::test]
async fn over_tls() {
    Stage::start(Way::Tls).await.run(every(5, &table())).await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    Stage::start(Way::Unix).await.run(every(11, &table())).await;
}

#[test]
fn the_table_has_rows_of_every_class_refused_and_passed() {
    let table = table();
    let mut counts: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (class, row) in &table {
        let count = counts.entry(*class).or_default();
        *(if row.arrives.is_empty() { &mut count.0 } else { &mut count.1 }) += 1;
        assert!(names.insert((*class, row.name)), "{class:?} has two rows of the name {}", row.name);
    }
    let refused: usize = counts.values().map(|(refused, _)| refused).sum();
    assert!(refused >= 400 && table.len() - refused >= 150, "{counts:?}");
    assert!(counts.len() == 9 && counts.values().all(|(refused, passed)| *refused >= 10 && *passed >= 8), "{counts:?}");
    let classes: BTreeSet<Class> = every(5, &table).map(|(class, _)| *class).collect();
    assert_eq!(classes.len(), 9);
}
