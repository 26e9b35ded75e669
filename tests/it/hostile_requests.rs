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

/// Each so many rows, for the ways that differ only below HTTP.
const SAMPLE: usize = 5;

/// Of each class, and of what arrives and what does not, each so many rows.
fn sample(table: &[(Class, Row)], nth: usize) -> Vec<&(Class, Row)> {
    let mut counts: BTreeMap<(Class, bool), usize> = BTreeMap::new();
    let mut is_nth = |class: Class, row: &Row| {
        let count = counts.entry((class, row.arrives.is_empty())).or_default();
        *count += 1;
        (*count - 1).is_multiple_of(nth)
    };
    table.iter().filter(|(class, row)| is_nth(*class, row)).collect()
}

#[tokio::test]
async fn over_tcp() {
    Stage::start(Way::Tcp).await.run(&table()).await;
}

#[tokio::test]
async fn over_tls() {
    Stage::start(Way::Tls).await.run(sample(&table(), SAMPLE)).await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    Stage::start(Way::Unix).await.run(sample(&table(), 2 * SAMPLE)).await;
}

#[test]
fn the_table_has_rows_of_every_class_refused_and_passed() {
    let table = table();
    let names: BTreeSet<(Class, &str)> = table.iter().map(|(class, row)| (*class, row.name)).collect();
    assert_eq!(names.len(), table.len(), "two rows of a class have the same name");
    for (nth, of_all, of_each) in [(1, [700, 200], 8), (SAMPLE, [140, 40], 1), (2 * SAMPLE, [70, 20], 1)] {
        let mut counts: BTreeMap<Class, [usize; 2]> = BTreeMap::new();
        for (class, row) in sample(&table, nth) {
            counts.entry(*class).or_default()[usize::from(!row.arrives.is_empty())] += 1;
        }
        for passed in [0, 1] {
            let all: usize = counts.values().map(|count| count[passed]).sum();
            let enough = counts.values().all(|count| count[passed] >= of_each);
            assert!(counts.len() == 9 && all >= of_all[passed] && enough, "every {nth}: {counts:?}");
        }
    }
}
