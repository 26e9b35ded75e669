//! Rows, read a second time by a reader that builds trees and copies, on answers made up by the thousand: the same rows,
//! the same standing, the same bytes left; and nothing left of a row that was cut out.
//!
//! The naive reader is that of the properties, `properties/oracles/naive_rows`. `PROPTEST_CASES=100000 cargo test --test it
//! naive_reader` makes up more answers than the 2,048 of every run.

mod documents;

use std::collections::BTreeMap;

use clickbank_gateway::config::built_in_endpoints;
use clickbank_gateway::domain::answer::Media;
use clickbank_gateway::domain::endpoint::{OwnerField, Rows};
use clickbank_gateway::domain::rows::Verdict;
use clickbank_gateway::simulator::{Request, Settings, World, WorldSpec};
use http::Method;
use jiff::civil::date;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use self::documents::{Choices, TOTAL, document, token};
use crate::properties::oracles::naive_rows::Question;
use crate::properties::oracles::rows::compare;

/// Rows of every kind: with the role in them, in the request or nowhere, on three levels, with and without totals.
fn kinds() -> Vec<Rows> {
    let by_role = || OwnerField::ByRole { vendor: "vendor".to_owned(), affiliate: "affiliate".to_owned() };
    let field = || OwnerField::Field("nickName".to_owned());
    let rows = |at: &str, owner| Rows {
        at: at.to_owned(),
        owner,
        role: None,
        receipt: None,
        counterparty: Vec::new(),
        totals: Vec::new(),
    };
    let role = || Some("role".to_owned());
    let totals = || vec!["count".to_owned(), "sum".to_owned()];
    vec![
        Rows { role: role(), receipt: Some("receipt".to_owned()), ..rows("orderData", Some(by_role())) },
        Rows { totals: totals(), counterparty: vec!["deal.nickName".to_owned()], ..rows("data.row", Some(field())) },
        Rows { totals: totals(), ..rows("row", Some(by_role())) },
        Rows { totals: totals(), role: role(), ..rows("a.data.row", Some(by_role())) },
        Rows { counterparty: vec!["deal.nickName".to_owned()], ..rows("", Some(field())) },
        Rows { receipt: Some("receipt".to_owned()), ..rows("ticketData", None) },
    ]
}

/// What is compared, and what came of it.
fn compare_one(numbers: &[u16], seen: &mut BTreeMap<&'static str, usize>) {
    let kinds = kinds();
    let [kind, media, party, totals, judging, numbers @ ..] = numbers else { return };
    let rows = &kinds[usize::from(*kind) % kinds.len()];
    let media = if media % 2 == 0 { Media::Json } else { Media::Xml };
    let party = [None, Some("VENDOR"), Some("AFFILIATE")][usize::from(*party) % 3];
    let question = Question { rows, party, drop_totals: totals % 2 == 1 };
    let body = document(media, rows, &mut Choices(numbers.iter()));
    let mut verdicts = Vec::new();
    let text = compare(media, question, &body, &mut |number, standing| {
        *seen.entry(standing).or_default() += 1;
        let verdict = match (judging % 4, standing) {
            // Whoever it belongs to.
            (0, _) if judging >> (2 + number % 12) & 1 == 1 => Verdict::Keep,
            (0, _) | (1 | 2, "unclear") | (_, "foreign") => Verdict::Drop,
            (_, "mine") => Verdict::Keep,
            _ => Verdict::Refuse,
        };
        verdicts.push(verdict);
        verdict
    });
    let Some(text) = text else {
        let refused = verdicts.contains(&Verdict::Refuse);
        *seen.entry(if refused { "refused" } else { "unreadable" }).or_default() += 1;
        return;
    };
    for (number, verdict) in verdicts.iter().enumerate() {
        let token = token(number);
        // A row may have lost its own to a slip.
        if body.contains(&token) {
            assert_eq!(text.contains(&token), *verdict == Verdict::Keep, "{body} became {text}");
        }
    }
    assert!(!question.drop_totals || rows.at.is_empty() || !text.contains(TOTAL), "{body} became {text}");
    let kept = verdicts.iter().filter(|verdict| **verdict == Verdict::Keep).count();
    let kind = match (kept, verdicts.len() - kept) {
        (0, 0) => "without rows",
        (0, _) => "all dropped",
        (_, 0) => "all kept",
        (1, _) => "one kept",
        _ => "several kept",
    };
    *seen.entry(kind).or_default() += 1;
}

#[test]
fn both_readers_see_the_same_rows_and_leave_the_same_bytes() {
    let mut seen = BTreeMap::new();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.saturating_mul(8);
    let enough = config.cases as usize / 100;
    let numbers = prop::collection::vec(any::<u16>(), 5..400);
    let seen_by_all = std::cell::RefCell::new(&mut seen);
    let result = TestRunner::new(config).run(&numbers, |numbers| {
        compare_one(&numbers, *seen_by_all.borrow_mut());
        Ok(())
    });
    if let Err(TestError::Fail(reason, _)) = result {
        // The numbers would say nothing; the reason quotes the answer.
        panic!("{reason}");
    }
    // What is compared has to be worth comparing.
    for kind in [
        "mine",
        "foreign",
        "unclear",
        "unreadable",
        "refused",
        "without rows",
        "all dropped",
        "all kept",
        "one kept",
        "several kept",
    ] {
        assert!(seen.get(kind).is_some_and(|times| *times >= enough), "{kind}: {seen:?}");
    }
}

#[test]
fn both_readers_read_what_the_simulator_answers() {
    let today = date(2026, 11, 20);
    let mut world = World::new(Settings::new(1, today), WorldSpec::demo(1, today));
    let key = world.key("all").unwrap().secret().expose().to_owned();
    let mut filtered = BTreeMap::new();
    for endpoint in built_in_endpoints().unwrap() {
        let Some(rows) = &endpoint.rows else { continue };
        let mut number = 0;
        for path in paths(&world, &endpoint.path.to_string(), endpoint.parameters.iter().any(|it| it.name == "account"))
        {
            for (media, accept) in [(Media::Json, "application/json"), (Media::Xml, "application/xml")] {
                let request = Request::new(Method::GET, &format!("/rest/1.3{path}"));
                let request = request.with_header("Authorization", &key).with_header("Accept", accept);
                let answer = world.answer(&request);
                if !answer.status.is_success() {
                    continue;
                }
                let (body, party) = (answer.text(), if path.contains("/AFFILIATE/") { "AFFILIATE" } else { "VENDOR" });
                let question = Question { rows, party: Some(party), drop_totals: true };
                let text = compare(media, question, &body, &mut |_, standing| match standing {
                    "foreign" => Verdict::Drop,
                    _ => Verdict::Keep,
                });
                assert!(text.is_some(), "{path}: {body}");
                number += 1;
                if rows.owner.is_some() {
                    // Of joint ventures nobody can say whose they are; everything else is clear.
                    let clear = compare(media, question, &body, &mut |_, standing| match standing {
                        "unclear" => Verdict::Refuse,
                        _ => Verdict::Keep,
                    });
                    let joint = body.contains("JV_");
                    assert!(clear.is_some() || joint, "{path}: {body}");
                }
            }
        }
        filtered.insert(endpoint.name.clone(), number);
    }
    assert_eq!(filtered.len(), 32, "endpoints with rows");
    assert!(filtered.values().all(|number| *number >= 2), "{filtered:?}");
}

/// Paths of one endpoint that the world has an answer to.
fn paths(world: &World, template: &str, by_account: bool) -> Vec<String> {
    let records = world.records();
    let query = if by_account { "account" } else { "site" };
    let period = "startDate=2020-01-01&endDate=2026-11-20";
    let queries = ["acme", "orbit", "acmeaff"]
        .map(|name| format!("?{query}={name}&{period}&status=ACTIVE&summaryType=VENDOR_ONLY&select=SALE_COUNT"));
    let values: Vec<(&str, String)> = if template.contains("{receipt}") {
        let receipts = records.orders.iter().map(|order| ("{receipt}", order.receipt.clone()));
        receipts
            .take(30)
            .chain(records.ship_notices.iter().map(|notice| ("{receipt}", notice.receipt.clone())))
            .collect()
    } else if template.contains("{id}") {
        records.tickets.iter().map(|ticket| ("{id}", ticket.id.to_string())).collect()
    } else if template.contains("{sku}") {
        records.products.iter().map(|product| ("{sku}", product.sku.clone())).collect()
    } else if template.contains("{role}") {
        ["VENDOR", "AFFILIATE"].map(|role| ("{role}", role.to_owned())).into()
    } else {
        vec![("", String::new())]
    };
    let mut paths = Vec::new();
    for (variable, value) in values {
        let path = if variable.is_empty() { template.to_owned() } else { template.replace(variable, &value) };
        paths.push(path.replace("{dimension}", "AFFILIATE") + "?days=9999");
        if matches!(variable, "{receipt}" | "{id}") {
            continue;
        }
        paths.extend(queries.iter().map(|query| path.replace("{dimension}", "TRACKING_ID") + query));
    }
    paths
}
